//! What is handed in of a site, for its documents.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{Choices, Text};

/// All that documents tell of a site.
#[derive(Clone, Debug)]
pub struct SiteFacts {
    /// The organisation's name.
    pub organisation: String,
    /// The server's name in the DNS.
    pub hostname: String,
    /// Domains whose mail is the site's.
    pub domains: Vec<String>,
    /// Whether the server meets the outside world.
    pub exchange: bool,
    /// Whether it has mailboxes.
    pub mailbox: bool,
    /// The edition of the site's regulation, from 1.
    pub edition: u32,
    /// When the document is made.
    pub at: Timestamp,
    /// The site's time zone: days and periods are of its calendar.
    pub time_zone: TimeZone,
    /// Parameters and options.
    pub choices: Choices,
    /// Who holds which role, by the role's key.
    pub holders: BTreeMap<String, Vec<Holder>>,
    /// Whom to turn to.
    pub contacts: Vec<Contact>,
    /// Faults that reviews found and that are not put right yet.
    pub corrections: Vec<Correction>,
    /// How each clause stands, by its id. A clause that is not there has not been assessed.
    pub standings: BTreeMap<String, Standing>,
}

/// Somebody who holds a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Short name.
    pub name: String,
    /// Full name.
    pub full_name: String,
}

/// Whom to turn to about something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// About what.
    pub subject: Text,
    /// An address, a number, a place.
    pub value: String,
}

/// A fault that a review found, and who puts it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The number of the task that puts it right.
    pub task: i64,
    /// What is at fault.
    pub fault: String,
    /// The key of the role that owes it.
    pub owed_by: String,
    /// Since when it is known.
    pub since: Timestamp,
    /// When it is to be right.
    pub due: Timestamp,
    /// The ids of the clauses that demand the review.
    pub clauses: Vec<String>,
}

/// How a clause stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In a word.
    pub mark: Mark,
    /// Since when it has been so, if that is known.
    pub since: Option<Timestamp>,
    /// When it was last looked at.
    pub seen: Option<Timestamp>,
    /// What there is to say beyond the mark, such as why it is not met.
    pub note: Option<Text>,
}

/// A standing in a word. That a clause is not adopted follows from the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Met: the server makes anything else impossible.
    ByDesign,
    /// Met: the server looked, and found it in order.
    Measured,
    /// Met: people did what was due.
    Workflow,
    /// Not met.
    NotMet,
    /// It could not be told.
    Unknown,
}

impl Mark {
    /// Its name, as `by-design`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByDesign => "by-design",
            Self::Measured => "measured",
            Self::Workflow => "workflow",
            Self::NotMet => "not-met",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the clause is met.
    #[must_use]
    pub const fn is_met(self) -> bool {
        matches!(self, Self::ByDesign | Self::Measured | Self::Workflow)
    }
}
