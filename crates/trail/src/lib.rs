//! The audit trail as data.
//!
//! Every change of state and every refusal that the regulation names is an [`Event`]. The `store`
//! gives an event its number and its time and commits it together with the change it tells of; this
//! room only says what an event is ([`schema`]), and how events are committed to: as leaves ([`entry`]) of a Merkle tree ([`merkle`]) whose
//! size and root are signed ([`note`], [`checkpoint`]).
//!
//! ```
//! use trail::{Actor, Event, Kind, Outcome};
//! let event = Event::new(Kind::QueueDiscarded, Actor::Person("tanaka".into()))
//!     .subject("0ABC")
//!     .detail("reason", "spam");
//! assert_eq!(event.outcome, Outcome::Success);
//! ```

pub mod analysis;
pub mod bundle;
mod by;
pub mod checkpoint;
pub mod entry;
pub mod forward;
mod kind;
pub mod merkle;
pub mod note;
mod ocsf;
mod parts;
mod reading;
pub mod schema;
pub mod volume;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use by::By;
pub use kind::{Kind, UnknownKind};

/// The version of the event [`schema`] that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

/// One fact of the audit trail (clauses 4.2(1), 8.2), before the store numbers and dates it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub actor: Actor,
    /// Whether it succeeded.
    pub outcome: Outcome,
    /// The network address it came from or went to, if any.
    pub address: Option<IpAddr>,
    /// What it was done to: an account, a queue id, a mailbox, an order number.
    pub subject: String,
    /// The order (clause 7.1) that permitted it, if any.
    pub order: Option<i64>,
    /// Further facts by name: envelope, size, reply, mechanism, counts, before and after. The [`schema`] has those of each kind.
    pub detail: Map<String, Value>,
}

impl Event {
    /// A successful event of `kind` by `actor`; the rest is added with the methods below.
    #[must_use]
    pub fn new(kind: Kind, actor: Actor) -> Self {
        Self {
            kind,
            actor,
            outcome: Outcome::Success,
            address: None,
            subject: String::new(),
            order: None,
            detail: Map::new(),
        }
    }

    /// Sets the outcome.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Sets the network address.
    #[must_use]
    pub fn address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.address = address.into();
        self
    }

    /// Sets what the event was done to.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Names the order that permitted it.
    #[must_use]
    pub fn order(mut self, order: i64) -> Self {
        self.order = Some(order);
        self
    }

    /// Adds one fact.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// An event as the trail holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its number: unique, never reused, ascending in the order of commits.
    pub id: i64,
    /// When it was committed.
    pub at: jiff::Timestamp,
    /// The schema version it was written with.
    pub version: u32,
    /// The fact itself.
    #[serde(flatten)]
    pub event: Event,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "name")]
pub enum Actor {
    /// The server itself, by schedule or as a consequence.
    System,
    /// A peer on the network that has not proved who it is.
    Peer,
    /// An identifier (識別コード) that has authenticated, or that was claimed when authentication failed.
    Identifier(String),
    /// A person of the directory, giving a command.
    Person(String),
}

impl Actor {
    /// The actor as one string for storage and search: `system`, `peer`, `identifier:…`, `person:…`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::System => "system".to_owned(),
            Self::Peer => "peer".to_owned(),
            Self::Identifier(name) => format!("identifier:{name}"),
            Self::Person(name) => format!("person:{name}"),
        }
    }

    /// The reverse of [`Actor::to_text`]. `None` when the text is no actor.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "system" => Some(Self::System),
            None if text == "peer" => Some(Self::Peer),
            Some(("identifier", name)) => Some(Self::Identifier(name.to_owned())),
            Some(("person", name)) => Some(Self::Person(name.to_owned())),
            _ => None,
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused by rule: not permitted, wrong password, unknown recipient.
    Refused,
    /// Tried, and failed.
    Failure,
    /// Put off: will be tried again.
    Deferred,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [Self::Success, Self::Refused, Self::Failure, Self::Deferred];

    /// Its name in storage and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failure => "failure",
            Self::Deferred => "deferred",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }
}
