//! The queue changes.

use jiff::Timestamp;
use message::address::Address;

use crate::{
    AccountId, BodyId, Error, QueueId, Refusal, Topic, Tx, params, sql,
    sql::{Sql, Value},
};

use super::{
    NewQueued, Selection, State,
    select::{Condition, conditions, log_damaged},
};

/// Octets of a reply that are kept.
const MAX_REPLY: usize = 2000;

/// Puts a message into the queue: retains its body for the queue.
///
/// # Errors
/// When it has no recipient, or the database fails.
pub fn enqueue(tx: &mut Tx<'_>, message: &NewQueued) -> Result<(), Error> {
    if message.recipients.is_empty() {
        return Err(Refusal::Limit("a queued message has at least one recipient").into());
    }
    let size = i64::try_from(message.size).map_err(|_| Refusal::Limit("numbers of 63 bits"))?;
    tx.retain_body(message.body, AccountId::QUEUE, AccountId::QUEUE, 1)?;
    let sender = message.sender.as_ref().map(Address::to_string);
    let now = tx.now();
    tx.execute(
        "INSERT INTO queue_message (id, body, size, sender, identifier, envelope_id, return_full, smtputf8, \
         require_tls, body_type, message_id, queued_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            message.id,
            message.body,
            size,
            sender.as_ref(),
            message.identifier.as_ref(),
            message.envelope_id.as_ref(),
            message.return_full,
            message.smtputf8,
            message.require_tls,
            message.body_type,
            &message.message_id,
            now
        ],
    )?;
    for (number, recipient) in (0_u32..).zip(&message.recipients) {
        tx.execute(
            "INSERT INTO queue_recipient (message, number, address, domain, notify, original, destination, state, \
             attempts, next_attempt, delay_notified, last_reply) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, 0, '')",
            params![
                message.id,
                number,
                &recipient.address.to_string(),
                &recipient.address.domain().to_string(),
                recipient.notify.bits(),
                recipient.original.as_ref(),
                &recipient.destination,
                now
            ],
        )?;
    }
    tx.touch(Topic::Queue);
    Ok(())
}

/// Puts a recipient off after a failed attempt.
///
/// # Errors
/// When the database fails.
pub fn defer(
    tx: &mut Tx<'_>,
    id: QueueId,
    number: u32,
    next: Timestamp,
    reply: &str,
) -> Result<(), Error> {
    let reply = reply
        .get(..reply.floor_char_boundary(MAX_REPLY))
        .unwrap_or_default();
    tx.execute(
        "UPDATE queue_recipient SET attempts = attempts + 1, next_attempt = ?3, last_reply = ?4 \
         WHERE message = ?1 AND number = ?2",
        params![id, number, next, reply],
    )?;
    Ok(())
}

/// Notes that a delay notification was made.
///
/// # Errors
/// When the database fails.
pub fn delay_notified(tx: &mut Tx<'_>, id: QueueId, number: u32) -> Result<(), Error> {
    tx.execute(
        "UPDATE queue_recipient SET delay_notified = 1 WHERE message = ?1 AND number = ?2",
        params![id, number],
    )?;
    Ok(())
}

/// Takes a recipient out of the queue, however it ended; the last one releases the body. `false` when it
/// was not there (any more).
///
/// # Errors
/// When the database fails.
pub fn finish(tx: &mut Tx<'_>, id: QueueId, number: u32) -> Result<bool, Error> {
    let removed = tx.execute(
        "DELETE FROM queue_recipient WHERE message = ?1 AND number = ?2",
        params![id, number],
    )?;
    if removed > 0 {
        finish_message(tx, id)?;
    }
    Ok(removed > 0)
}

/// Holds or releases the selected recipients; returns how many.
///
/// # Errors
/// When the database fails.
pub fn set_state(tx: &mut Tx<'_>, selection: &Selection, state: State) -> Result<u64, Error> {
    let column = state.column();
    let changed = update(
        tx,
        selection,
        &format!("state = {column}"),
        &format!("r.state <> {column}"),
    )?;
    if state == State::Waiting {
        tx.touch(Topic::Queue);
    }
    Ok(changed)
}

/// Makes the selected waiting recipients due at once; returns how many.
///
/// # Errors
/// When the database fails.
pub fn retry(tx: &mut Tx<'_>, selection: &Selection) -> Result<u64, Error> {
    let now = tx.now().as_microsecond();
    let changed = update(
        tx,
        selection,
        &format!("next_attempt = {now}"),
        "r.state = 0",
    )?;
    tx.touch(Topic::Queue);
    Ok(changed)
}

/// Takes the selected recipients out without a notification (clause 5.4(2)); returns what was taken. A
/// recipient whose address cannot be read stays: see [`purge`].
///
/// # Errors
/// When the database fails.
pub fn discard(tx: &mut Tx<'_>, selection: &Selection) -> Result<Vec<(QueueId, Address)>, Error> {
    let mut taken = Vec::new();
    for condition in conditions(selection) {
        for (id, number, address) in recipients(tx, &condition)? {
            match Address::parse(&address) {
                Ok(address) => {
                    if finish(tx, id, number)? {
                        taken.push((id, address));
                    }
                }
                Err(error) => log_damaged(id, Error::Corrupt(error.to_string())),
            }
        }
    }
    Ok(taken)
}

/// Takes a message that cannot be read out of the queue, whatever is wrong with it. Returns the addresses of
/// its recipients as they stand in the table, for the record.
///
/// # Errors
/// When the database fails.
pub fn purge(tx: &mut Tx<'_>, id: QueueId) -> Result<Vec<String>, Error> {
    let addresses = sql::rows(
        tx,
        "SELECT address FROM queue_recipient WHERE message = ?1 ORDER BY number",
        params![id],
        |row| Ok(row.text(0).unwrap_or_else(|error| error.to_string())),
    )?;
    tx.execute(
        "DELETE FROM queue_recipient WHERE message = ?1",
        params![id],
    )?;
    finish_message(tx, id)?;
    Ok(addresses)
}

/// Removes the message and releases its body when no recipient is left.
fn finish_message(tx: &mut Tx<'_>, id: QueueId) -> Result<(), Error> {
    let left = sql::first(
        tx,
        "SELECT number FROM queue_recipient WHERE message = ?1 LIMIT 1",
        params![id],
        |_| Ok(()),
    )?;
    if left.is_some() {
        return Ok(());
    }
    let body = sql::first(
        tx,
        "SELECT body FROM queue_message WHERE id = ?1",
        params![id],
        |row| Ok(BodyId(row.int(0)?)),
    )?;
    tx.execute("DELETE FROM queue_message WHERE id = ?1", params![id])?;
    match body {
        Some(body) => {
            tx.execute("DELETE FROM tls_report_mail WHERE body = ?1", params![body])?;
            tx.release_body(body, AccountId::QUEUE, 1)
        }
        None => Ok(()),
    }
}

/// The selected recipients: message, number, address as it stands.
fn recipients(
    sql: &mut dyn Sql,
    condition: &Condition,
) -> Result<Vec<(QueueId, u32, String)>, Error> {
    let statement = format!(
        "SELECT r.message, r.number, r.address FROM queue_recipient r WHERE {} ORDER BY r.message, r.number",
        condition.sql
    );
    let mut found = Vec::new();
    sql.query(&statement, &condition.params(), &mut |row| {
        let id = QueueId(row.int(0)?);
        let number = u32::try_from(row.int(1)?);
        match (number, row.text(2)) {
            (Ok(number), Ok(address)) => found.push((id, number, address)),
            _ => log_damaged(
                id,
                Error::Corrupt("a recipient's number or address".to_owned()),
            ),
        }
        Ok(())
    })?;
    Ok(found)
}

/// `UPDATE … SET set` on the selected recipients for which `only` holds.
fn update(tx: &mut Tx<'_>, selection: &Selection, set: &str, only: &str) -> Result<u64, Error> {
    let mut changed: u64 = 0;
    for condition in conditions(selection) {
        let statement = format!(
            "UPDATE queue_recipient AS r SET {set} WHERE {only} AND {}",
            condition.sql
        );
        let params: Vec<Value<'_>> = condition.params();
        changed = changed.saturating_add(tx.execute(&statement, &params)?);
    }
    Ok(changed)
}
