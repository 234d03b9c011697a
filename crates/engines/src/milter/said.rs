//! What a milter said of one message, as the trail keeps it.

use serde::{Deserialize, Serialize};

use super::Edit;
use crate::plain;

/// Changes that are named.
const MOST_NAMED: usize = 6;
/// Characters that are left of words where there is no room for more.
const SHORT: usize = 40;

/// How a milter's look at a message ended. Its names are kept in the trail, so a name, once used, keeps its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MilterResult {
    /// It may pass.
    Accept,
    /// It is to be set apart.
    Quarantine,
    /// It is to be refused for now.
    Tempfail,
    /// It is to be taken and thrown away.
    Discard,
    /// It is to be refused for good.
    Reject,
    /// The milter said nothing that could be understood, or nothing in time.
    Failed,
}

impl MilterResult {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Quarantine => "quarantine",
            Self::Tempfail => "tempfail",
            Self::Discard => "discard",
            Self::Reject => "reject",
            Self::Failed => "failed",
        }
    }
}

/// What a milter said of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MilterSaid {
    /// Its name in the settings.
    pub milter: String,
    /// How it ended.
    pub result: MilterResult,
    /// At which step: `connect`, `helo`, `mail`, `rcpt`, `data`, `header`, `body` or `end`.
    pub at: String,
    /// Its words: a reply with its code, or why it is to be set apart; empty when it gave none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// The recipient that it refused; empty when it refused none, or all of the message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient: String,
    /// Why it failed; empty when it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What it changed, as in `add DKIM-Signature`; at most six are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Changes that are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_changes: usize,
}

impl MilterSaid {
    /// That it ended so, at this step.
    pub(super) fn new(milter: &str, result: MilterResult, at: &str) -> Self {
        Self {
            milter: milter.to_owned(),
            result,
            at: at.to_owned(),
            words: String::new(),
            recipient: String::new(),
            reason: String::new(),
            changed: Vec::new(),
            more_changes: 0,
        }
    }

    /// The same for this reason.
    pub(super) fn because(mut self, reason: &str) -> Self {
        self.reason = plain(reason);
        self
    }

    pub(super) fn note_changes(&mut self, changes: &Changes) {
        let words = changes.edits.iter().map(Edit::words);
        let body = changes.body.iter().map(|_| "change the body".to_owned());
        let all: Vec<String> = body.chain(words).collect();
        self.more_changes = all.len().saturating_sub(MOST_NAMED);
        self.changed = all.into_iter().take(MOST_NAMED).collect();
    }

    /// Leaves a named change out, or cuts its words short; `false` when neither is there to cut.
    pub fn shorten(&mut self) -> bool {
        if self.changed.pop().is_some() {
            self.more_changes = self.more_changes.saturating_add(1);
            return true;
        }
        let mut texts = [&mut self.words, &mut self.reason, &mut self.recipient].into_iter();
        let long = texts.find(|text| text.chars().count() > SHORT);
        let Some(text) = long else {
            return false;
        };
        *text = text.chars().take(SHORT.saturating_sub(1)).collect();
        text.push('…');
        true
    }
}

/// What a milter wants changed; empty unless it came to its end in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Of the header, in their order.
    pub edits: Vec<Edit>,
    /// The new body.
    pub body: Option<Vec<u8>>,
}

impl Changes {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.body.is_none()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
