//! Rows of the queue, read one at a time so that a damaged one stops nobody else.

use message::address::Address;

use crate::{
    BodyId, Error, QueueId, params, sql,
    sql::{Row, Sql},
};

use super::{NewQueued, NewRecipient, Notify, Queued, Recipient, State};

pub(super) const MESSAGE: &str = "q.id, q.body, q.size, q.sender, q.identifier, q.envelope_id, q.return_full, q.smtputf8, \
     q.require_tls, q.body_type, q.message_id, q.queued_at";

pub(super) const RECIPIENT: &str = "r.number, r.address, r.notify, r.original, r.destination, r.state, r.attempts, \
     r.next_attempt, r.delay_notified, r.last_reply";

impl Notify {
    pub(super) fn bits(self) -> u8 {
        u8::from(self.success)
            | u8::from(self.failure) << 1
            | u8::from(self.delay) << 2
            | u8::from(self.given) << 3
    }

    fn from_bits(bits: i64) -> Result<Self, Error> {
        if !(0..16).contains(&bits) {
            return Err(damaged("notify", &bits));
        }
        Ok(Self {
            success: bits & 1 != 0,
            failure: bits & 2 != 0,
            delay: bits & 4 != 0,
            given: bits & 8 != 0,
        })
    }
}

impl State {
    pub(super) fn column(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Held => 1,
        }
    }

    fn from_column(state: i64) -> Result<Self, Error> {
        match state {
            0 => Ok(Self::Waiting),
            1 => Ok(Self::Held),
            other => Err(damaged("state", &other)),
        }
    }
}

/// A message of columns [`MESSAGE`], without recipients.
pub(super) fn message(row: &dyn Row) -> Result<Queued, Error> {
    let sender = row.maybe_text(3)?.map(|text| address(&text)).transpose()?;
    Ok(Queued {
        message: NewQueued {
            id: QueueId(row.int(0)?),
            body: BodyId(row.int(1)?),
            size: row.count(2)?,
            sender,
            identifier: row.maybe_text(4)?,
            envelope_id: row.maybe_text(5)?,
            return_full: row.maybe_int(6)?.map(|full| full != 0),
            smtputf8: row.int(7)? != 0,
            require_tls: row.int(8)? != 0,
            body_type: u8::try_from(row.int(9)?).map_err(|_| damaged("body type", &"a number"))?,
            message_id: row.text(10)?,
            recipients: Vec::new(),
        },
        queued_at: row.time(11)?,
        recipients: Vec::new(),
    })
}

/// A recipient of columns [`RECIPIENT`], of which the first stands at `from`.
pub(super) fn recipient(row: &dyn Row, from: usize) -> Result<Recipient, Error> {
    Ok(Recipient {
        number: number(row, from, "recipient number")?,
        recipient: NewRecipient {
            address: address(&row.text(from + 1)?)?,
            notify: Notify::from_bits(row.int(from + 2)?)?,
            original: row.maybe_text(from + 3)?,
            destination: row.text(from + 4)?,
        },
        state: State::from_column(row.int(from + 5)?)?,
        attempts: number(row, from + 6, "attempts")?,
        next_attempt: row.time(from + 7)?,
        delay_notified: row.int(from + 8)? != 0,
        last_reply: row.text(from + 9)?,
    })
}

/// The waiting or held recipients of `id`, in order; damaged ones go to `damaged`.
pub(super) fn recipients_of(
    sql: &mut dyn Sql,
    id: QueueId,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<Vec<Recipient>, Error> {
    let statement =
        format!("SELECT {RECIPIENT} FROM queue_recipient r WHERE r.message = ?1 ORDER BY r.number");
    let mut found = Vec::new();
    sql.query(&statement, params![id], &mut |row| {
        match recipient(row, 0) {
            Ok(recipient) => found.push(recipient),
            Err(error) => damaged(id, error),
        }
        Ok(())
    })?;
    Ok(found)
}

/// The message of that id, without recipients. The outer error is the database's, the inner the row's.
pub(super) fn message_of(
    sql: &mut dyn Sql,
    id: QueueId,
) -> Result<Option<Result<Queued, Error>>, Error> {
    let statement = format!("SELECT {MESSAGE} FROM queue_message q WHERE q.id = ?1");
    sql::first(sql, &statement, params![id], |row| Ok(message(row)))
}

fn address(text: &str) -> Result<Address, Error> {
    Address::parse(text)
        .map_err(|error| Error::Corrupt(format!("an address of the queue: {error}")))
}

fn number(row: &dyn Row, column: usize, what: &str) -> Result<u32, Error> {
    let int = row.int(column)?;
    u32::try_from(int).map_err(|_| damaged(what, &int))
}

fn damaged(what: &str, found: &dyn std::fmt::Display) -> Error {
    Error::Corrupt(format!("{what} of a queued message is {found}"))
}
