//! The queue: messages that wait for other servers.
//!
//! One row a message, one a recipient. A recipient leaves the queue in the commit of the event that says
//! how it ended; the message leaves with its last recipient, and its body is released. Every operation
//! that gives the scheduler work touches [`Topic::Queue`](crate::Topic::Queue).

mod change;
mod due;
mod row;
mod select;

use jiff::Timestamp;
use message::address::Address;

use crate::{BodyId, QueueId};

pub use change::{defer, delay_notified, discard, enqueue, finish, purge, retry, set_state};
pub use due::{Skip, due, next_due};
pub use select::{ids, load, named, select, select_all, totals, without_identifier};

/// A message for the queue. Its body was sealed for [`AccountId::QUEUE`](crate::AccountId::QUEUE).
#[derive(Clone, Debug)]
pub struct NewQueued {
    /// Its id, given beforehand so that the reply and the Received line can name it.
    pub id: QueueId,
    /// The body.
    pub body: BodyId,
    /// Octets.
    pub size: u64,
    /// Return path; `None` is the null sender.
    pub sender: Option<Address>,
    /// The identifier that submitted it; `None` for the exchange's own (notifications, forwards).
    pub identifier: Option<String>,
    /// ENVID as given, decoded (RFC 3461, 4.4).
    pub envelope_id: Option<String>,
    /// RET: full or headers (RFC 3461, 4.3).
    pub return_full: Option<bool>,
    /// Needs SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// Needs TLS all the way (RFC 8689).
    pub require_tls: bool,
    /// BODY parameter: `0` 7BIT, `1` 8BITMIME, `2` BINARYMIME.
    pub body_type: u8,
    /// Message-ID header, for people who search.
    pub message_id: String,
    /// Recipients; at least one.
    pub recipients: Vec<NewRecipient>,
}

/// A recipient for the queue.
#[derive(Clone, Debug)]
pub struct NewRecipient {
    /// Where it goes.
    pub address: Address,
    /// NOTIFY (RFC 3461, 4.1).
    pub notify: Notify,
    /// ORCPT as given, `addr-type;xtext` undone to `type;address`.
    pub original: Option<String>,
    /// The destination that shares connections and concurrency: a domain or a smarthost, lower case.
    pub destination: String,
}

/// For what a notification is wished (RFC 3461, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// On delivery.
    pub success: bool,
    /// On failure.
    pub failure: bool,
    /// On delay.
    pub delay: bool,
    /// Whether the sender said so: what was said is passed on as it was, and what was not is not
    /// (RFC 3461, section 5.2.1).
    pub given: bool,
}

impl Notify {
    /// The sender wishes to hear nothing.
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
        given: true,
    };
}

impl Default for Notify {
    /// What a sender gets who asked for nothing: failure and delay.
    fn default() -> Self {
        Self {
            success: false,
            failure: true,
            delay: true,
            given: false,
        }
    }
}

/// A queued message as its row says.
#[derive(Clone, Debug)]
pub struct Queued {
    /// What was queued; `recipients` holds those still waiting.
    pub message: NewQueued,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// The waiting recipients.
    pub recipients: Vec<Recipient>,
}

/// A waiting recipient.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its number within the message, from 0.
    pub number: u32,
    /// What was queued.
    pub recipient: NewRecipient,
    /// Waiting or held.
    pub state: State,
    /// Attempts made.
    pub attempts: u32,
    /// When to try next.
    pub next_attempt: Timestamp,
    /// Whether a delay notification went out.
    pub delay_notified: bool,
    /// The last reply or error.
    pub last_reply: String,
}

/// Whether a recipient is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Tried when its time comes.
    Waiting,
    /// Not tried until released.
    Held,
}

/// Which recipients a command means; conditions are joined by AND. The empty selection means all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These messages.
    pub ids: Vec<QueueId>,
    /// Return path equals this; `Some(None)` is the null sender.
    pub sender: Option<Option<Address>>,
    /// Recipient equals this.
    pub recipient: Option<Address>,
    /// Recipient's domain or destination equals this.
    pub domain: Option<String>,
    /// Queued at or after this.
    pub queued_from: Option<Timestamp>,
    /// Queued at or before this.
    pub queued_before: Option<Timestamp>,
    /// In this state.
    pub state: Option<State>,
    /// Submitted by this identifier.
    pub identifier: Option<String>,
}

/// A message and some of its recipients in the words of their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The message.
    pub id: QueueId,
    /// Its return path; `None` is the null sender.
    pub sender: Option<String>,
    /// The recipients' addresses.
    pub recipients: Vec<String>,
}

/// Work that is due, by destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The message.
    pub id: QueueId,
    /// The destination.
    pub destination: String,
    /// Its due recipients' numbers.
    pub recipients: Vec<u32>,
}

/// Size of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages.
    pub messages: u64,
    /// Waiting recipients.
    pub recipients: u64,
    /// Held recipients.
    pub held: u64,
    /// Octets.
    pub bytes: u64,
    /// When the oldest was queued.
    pub oldest: Option<Timestamp>,
}
