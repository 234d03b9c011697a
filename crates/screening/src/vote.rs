//! What one criterion says about a message.

use crate::{Cause, Handling, malware};

/// Octets of a criterion's name. It is kept beside the cause of what is set apart, which has little room.
const MOST_CRITERION: usize = 120;

/// One thing that speaks for a handling.
#[derive(Clone, Debug)]
pub(crate) struct Vote {
    pub(crate) handling: Handling,
    pub(crate) cause: Cause,
    /// The domain that it is about.
    pub(crate) domain: String,
    /// What was found, or where.
    pub(crate) what: String,
    /// Which of the site's criteria of this cause said it, by a short name that stays the same from message to message; empty where
    /// there is but one.
    pub(crate) criterion: String,
}

impl Vote {
    pub(crate) fn new(handling: impl Into<Handling>, cause: Cause) -> Self {
        Self {
            handling: handling.into(),
            cause,
            domain: String::new(),
            what: String::new(),
            criterion: String::new(),
        }
    }

    pub(crate) fn domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.domain);
        self
    }

    pub(crate) fn what(mut self, what: String) -> Self {
        self.what = what;
        self
    }

    pub(crate) fn criterion(mut self, name: &str) -> Self {
        let plain: String = name
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let cut = plain.floor_char_boundary(MOST_CRITERION);
        self.criterion = plain.get(..cut).unwrap_or_default().trim().to_owned();
        self
    }
}

impl Vote {
    /// The same where somebody of this site should be told.
    pub(crate) fn told(mut self, is_own: bool) -> Self {
        if is_own && matches!(self.handling, Handling::Discard | Handling::Quarantine) {
            self.handling = Handling::Refuse;
        }
        self
    }
}

impl From<malware::Vote> for Vote {
    fn from(vote: malware::Vote) -> Self {
        Self::new(vote.handling, vote.cause)
            .what(vote.what)
            .criterion(&vote.criterion)
    }
}

/// How much a handling for this cause weighs. Of what is set apart for two causes, the one that staff may not overrule stands
/// ([`Cause::is_strict`]), or what is malware would be theirs to release since it has macros, too.
pub(crate) fn weight(handling: Handling, cause: Cause) -> (Handling, bool) {
    (
        handling,
        handling == Handling::Quarantine && cause.is_strict(),
    )
}

/// The strictest of `votes`, and of equally strict ones the first. What comes to nothing is told as well, such as what an exception
/// overruled.
pub(crate) fn strictest(votes: impl IntoIterator<Item = Vote>) -> Option<Vote> {
    votes.into_iter().reduce(|first, next| {
        if weight(next.handling, next.cause) > weight(first.handling, first.cause) {
            next
        } else {
            first
        }
    })
}
