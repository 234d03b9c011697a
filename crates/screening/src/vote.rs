//! What one criterion says about a message.

use crate::{Cause, Handling, malware};

/// One thing that speaks for a handling.
#[derive(Clone, Debug)]
pub(crate) struct Vote {
    pub(crate) handling: Handling,
    pub(crate) cause: Cause,
    /// The domain that it is about.
    pub(crate) domain: String,
    /// What was found, or where.
    pub(crate) what: String,
}

impl Vote {
    pub(crate) fn new(handling: impl Into<Handling>, cause: Cause) -> Self {
        Self {
            handling: handling.into(),
            cause,
            domain: String::new(),
            what: String::new(),
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
        Self::new(vote.handling, vote.cause).what(vote.what)
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
