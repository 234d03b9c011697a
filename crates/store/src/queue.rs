//! The queue: messages that wait for other servers.
//!
//! One row a message, one a recipient. A recipient leaves the queue in the commit of the event that says
//! how it ended; the message leaves with its last recipient, and its body is released. Every operation
//! that gives the scheduler work touches [`Topic::Queue`](crate::Topic::Queue).

use jiff::Timestamp;
use message::address::Address;

use crate::{BodyId, Error, QueueId, Tx, sql::Sql};

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
}

impl Default for Notify {
    /// What a sender gets who asked for nothing: failure and delay.
    fn default() -> Self {
        Self {
            success: false,
            failure: true,
            delay: true,
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
    /// Queued at or before this.
    pub queued_before: Option<Timestamp>,
    /// In this state.
    pub state: Option<State>,
    /// Submitted by this identifier.
    pub identifier: Option<String>,
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

/// Puts a message into the queue: retains its body for the queue.
///
/// # Errors
/// When the database fails.
pub fn enqueue(_tx: &mut Tx<'_>, _message: &NewQueued) -> Result<(), Error> {
    unimplemented!()
}

/// Messages with due waiting recipients, oldest due first, at most `limit`, leaving out `busy` destinations
/// and messages in `in_hand`. A row that cannot be read is reported through `damaged` and passed over: it
/// never stops the rest.
///
/// # Errors
/// When the database fails.
pub fn due(
    _sql: &mut dyn Sql,
    _now: Timestamp,
    _limit: usize,
    _busy: &[String],
    _in_hand: &[(QueueId, String)],
    _damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<Vec<Due>, Error> {
    unimplemented!()
}

/// When the next waiting recipient will be due.
///
/// # Errors
/// When the database fails.
pub fn next_due(_sql: &mut dyn Sql) -> Result<Option<Timestamp>, Error> {
    unimplemented!()
}

/// A message with its waiting recipients.
///
/// # Errors
/// When the database fails or the row is damaged.
pub fn load(_sql: &mut dyn Sql, _id: QueueId) -> Result<Option<Queued>, Error> {
    unimplemented!()
}

/// Messages of which at least one recipient is selected (only those recipients are listed), oldest first.
///
/// # Errors
/// When the database fails.
pub fn select(
    _sql: &mut dyn Sql,
    _selection: &Selection,
    _limit: usize,
) -> Result<Vec<Queued>, Error> {
    unimplemented!()
}

/// Puts a recipient off after a failed attempt.
///
/// # Errors
/// When the database fails.
pub fn defer(
    _tx: &mut Tx<'_>,
    _id: QueueId,
    _number: u32,
    _next: Timestamp,
    _reply: &str,
) -> Result<(), Error> {
    unimplemented!()
}

/// Notes that a delay notification was made.
///
/// # Errors
/// When the database fails.
pub fn delay_notified(_tx: &mut Tx<'_>, _id: QueueId, _number: u32) -> Result<(), Error> {
    unimplemented!()
}

/// Takes a recipient out of the queue, however it ended; the last one releases the body. `false` when it
/// was not there (any more).
///
/// # Errors
/// When the database fails.
pub fn finish(_tx: &mut Tx<'_>, _id: QueueId, _number: u32) -> Result<bool, Error> {
    unimplemented!()
}

/// Holds or releases the selected recipients; returns how many.
///
/// # Errors
/// When the database fails.
pub fn set_state(_tx: &mut Tx<'_>, _selection: &Selection, _state: State) -> Result<u64, Error> {
    unimplemented!()
}

/// Makes the selected waiting recipients due at once; returns how many.
///
/// # Errors
/// When the database fails.
pub fn retry(_tx: &mut Tx<'_>, _selection: &Selection) -> Result<u64, Error> {
    unimplemented!()
}

/// Takes the selected recipients out without a notification (clause 5.4(2)); returns what was taken.
///
/// # Errors
/// When the database fails.
pub fn discard(_tx: &mut Tx<'_>, _selection: &Selection) -> Result<Vec<(QueueId, Address)>, Error> {
    unimplemented!()
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

/// Size of the queue now.
///
/// # Errors
/// When the database fails.
pub fn totals(_sql: &mut dyn Sql) -> Result<Totals, Error> {
    unimplemented!()
}
