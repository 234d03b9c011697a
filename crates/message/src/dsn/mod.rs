//! Delivery status notifications: to write (RFC 3461, 3462, 3464; RFC 6533 for SMTPUTF8) and to read.
//!
//! ```
//! use message::dsn::{xtext_decode, xtext_encode};
//! assert_eq!(xtext_encode("a+b=c"), "a+2Bb+3Dc");
//! assert_eq!(xtext_decode("a+2Bb").as_deref(), Some("a+b"));
//! ```

mod build;
mod human;
mod parse;
#[cfg(test)]
mod tests;
mod xtext;

use std::{fmt, str::FromStr};

pub use build::{Notification, Recipient, Report, Returned};
pub use parse::{ReportedRecipient, StatusReport, parse_report};
pub use xtext::{
    OriginalRecipient, utf8_addr_decode, utf8_addr_encode, xtext_decode, xtext_encode,
};

/// What became of a recipient (RFC 3464, section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// It could not be delivered, and will not be tried again.
    Failed,
    /// Not yet delivered; trying goes on.
    Delayed,
    /// Delivered to its mailbox.
    Delivered,
    /// Handed to a system that does not report.
    Relayed,
    /// Delivered to an alias, and sent on from there.
    Expanded,
}

impl Action {
    const ALL: [Self; 5] = [
        Self::Failed,
        Self::Delayed,
        Self::Delivered,
        Self::Relayed,
        Self::Expanded,
    ];

    /// Its word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an action of a delivery status notification")]
pub struct ActionError;

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(word: &str) -> Result<Self, ActionError> {
        Self::ALL
            .into_iter()
            .find(|a| word.eq_ignore_ascii_case(a.as_str()))
            .ok_or(ActionError)
    }
}
