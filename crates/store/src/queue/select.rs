//! Parts of the queue that a person or the scheduler looks at.

use jiff::Timestamp;

use crate::{
    Error, QueueId, batch, params, sql,
    sql::{Sql, Value},
};

use super::{Named, Queued, Selection, Totals, row};

/// A message with its waiting recipients. A recipient whose row is damaged is left out (and reported by
/// [`due`](super::due()) and [`select_all`]): it does not stop the others.
///
/// # Errors
/// When the database fails or the message's own row is damaged.
pub fn load(sql: &mut dyn Sql, id: QueueId) -> Result<Option<Queued>, Error> {
    let Some(message) = row::message_of(sql, id)? else {
        return Ok(None);
    };
    let mut queued = message?;
    queued.recipients = row::recipients_of(sql, id, &mut log_damaged)?;
    queued.message.recipients = of_recipients(&queued);
    Ok(Some(queued))
}

/// Messages of which at least one recipient is selected (only those recipients are listed), oldest first.
/// Damaged rows are passed over and logged; [`select_all`] hands them to the caller.
///
/// # Errors
/// When the database fails.
pub fn select(
    sql: &mut dyn Sql,
    selection: &Selection,
    limit: usize,
) -> Result<Vec<Queued>, Error> {
    select_all(sql, selection, limit, &mut log_damaged)
}

/// As [`select`], with what cannot be read reported through `damaged`.
///
/// # Errors
/// When the database fails.
pub fn select_all(
    sql: &mut dyn Sql,
    selection: &Selection,
    limit: usize,
    damaged: &mut dyn FnMut(QueueId, Error),
) -> Result<Vec<Queued>, Error> {
    let mut found = Vec::new();
    for condition in conditions(selection) {
        let statement = format!(
            "SELECT {} FROM queue_message q WHERE q.id IN (SELECT r.message FROM queue_recipient r WHERE {}) \
             ORDER BY q.queued_at, q.id LIMIT {limit}",
            row::MESSAGE,
            condition.sql,
        );
        sql.query(&statement, &condition.params(), &mut |row| {
            match row::message(row) {
                Ok(queued) => found.push(queued),
                Err(error) => damaged(QueueId(row.int(0).unwrap_or_default()), error),
            }
            Ok(())
        })?;
    }
    found.sort_by_key(|queued| (queued.queued_at, queued.message.id));
    found.truncate(limit);
    for queued in &mut found {
        let one = Selection {
            ids: vec![queued.message.id],
            ..selection.clone()
        };
        for condition in conditions(&one) {
            let statement = format!(
                "SELECT {} FROM queue_recipient r WHERE {} ORDER BY r.number",
                row::RECIPIENT,
                condition.sql
            );
            sql.query(&statement, &condition.params(), &mut |row| {
                match row::recipient(row, 0) {
                    Ok(recipient) => queued.recipients.push(recipient),
                    Err(error) => damaged(queued.message.id, error),
                }
                Ok(())
            })?;
        }
        queued.message.recipients = of_recipients(queued);
    }
    Ok(found)
}

/// The messages of which at least one recipient is selected, in the order in which they came: for work that goes
/// through many of them a part at a time.
///
/// # Errors
/// When the database fails.
pub fn ids(sql: &mut dyn Sql, selection: &Selection) -> Result<Vec<QueueId>, Error> {
    let mut found = Vec::new();
    for condition in conditions(selection) {
        let statement = format!(
            "SELECT DISTINCT r.message FROM queue_recipient r WHERE {}",
            condition.sql
        );
        sql.query(&statement, &condition.params(), &mut |row| {
            found.push(QueueId(row.int(0)?));
            Ok(())
        })?;
    }
    Ok(batch::ascending(&found))
}

/// Messages with a waiting recipient that no identifier submitted, queued at `from` or later, with when that was; the newest first, at
/// most `limit`.
///
/// # Errors
/// When the database fails.
pub fn without_identifier(
    sql: &mut dyn Sql,
    from: Timestamp,
    limit: u32,
) -> Result<Vec<(QueueId, Timestamp)>, Error> {
    let list = "SELECT q.id, q.queued_at FROM queue_message q WHERE q.identifier IS NULL AND q.queued_at >= ?1
        AND EXISTS (SELECT 1 FROM queue_recipient r WHERE r.message = q.id AND r.state = ?2)
        ORDER BY q.id DESC LIMIT ?3";
    let waiting = super::State::Waiting.column();
    sql::rows(sql, list, params![from, waiting, limit], |row| {
        Ok((QueueId(row.int(0)?), row.time(1)?))
    })
}

/// Who the selected recipients are and who wrote to them, as the rows say, damaged or not; by message. What a
/// command does to them is told of in these words.
///
/// # Errors
/// When the database fails.
pub fn named(sql: &mut dyn Sql, selection: &Selection) -> Result<Vec<Named>, Error> {
    let mut found: Vec<Named> = Vec::new();
    for condition in conditions(selection) {
        let statement = format!(
            "SELECT r.message, r.address, (SELECT q.sender FROM queue_message q WHERE q.id = r.message) \
             FROM queue_recipient r WHERE {} ORDER BY r.message, r.number",
            condition.sql
        );
        sql.query(&statement, &condition.params(), &mut |row| {
            let id = QueueId(row.int(0)?);
            let address = row.text(1).unwrap_or_else(|error| error.to_string());
            match found.last_mut().filter(|last| last.id == id) {
                Some(last) => last.recipients.push(address),
                None => found.push(Named {
                    id,
                    sender: row
                        .maybe_text(2)
                        .unwrap_or_else(|error| Some(error.to_string())),
                    recipients: vec![address],
                }),
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Size of the queue now.
///
/// # Errors
/// When the database fails.
pub fn totals(sql: &mut dyn Sql) -> Result<Totals, Error> {
    let count = |sql: &mut dyn Sql, statement: &str| -> Result<u64, Error> {
        Ok(sql::first(sql, statement, &[], |row| row.count(0))?.unwrap_or_default())
    };
    let mut totals = Totals {
        messages: count(sql, "SELECT COUNT(*) FROM queue_message")?,
        recipients: count(sql, "SELECT COUNT(*) FROM queue_recipient WHERE state = 0")?,
        held: count(sql, "SELECT COUNT(*) FROM queue_recipient WHERE state = 1")?,
        ..Totals::default()
    };
    // One damaged number must not hide the others: rows are read one by one only where the engine cannot add.
    sql.query(
        "SELECT size, queued_at FROM queue_message",
        &[],
        &mut |row| {
            totals.bytes = totals
                .bytes
                .saturating_add(row.count(0).unwrap_or_default());
            let queued_at: Option<Timestamp> = row.time(1).ok();
            totals.oldest = match (totals.oldest, queued_at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            Ok(())
        },
    )?;
    Ok(totals)
}

/// A condition on `queue_recipient r`, with its parameters from `?1` on.
pub(super) struct Condition {
    pub(super) sql: String,
    texts: Vec<Part>,
}

enum Part {
    Text(String),
    Int(i64),
}

impl Condition {
    pub(super) fn params(&self) -> Vec<Value<'_>> {
        self.texts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Value::Text(text),
                Part::Int(int) => Value::Int(*int),
            })
            .collect()
    }

    fn mark(&mut self, part: Part) -> String {
        self.texts.push(part);
        format!("?{}", self.texts.len())
    }
}

/// The selection as conditions that are disjoint: more than one when it names many ids.
pub(super) fn conditions(selection: &Selection) -> Vec<Condition> {
    if selection.ids.is_empty() {
        return vec![condition(selection, &[])];
    }
    let ids: Vec<i64> = batch::ascending(&selection.ids)
        .iter()
        .map(|id| id.0)
        .collect();
    batch::lists(&ids)
        .map(|list| condition(selection, &list))
        .collect()
}

fn condition(selection: &Selection, ids: &[i64]) -> Condition {
    let mut all = Condition {
        sql: String::new(),
        texts: Vec::new(),
    };
    let mut terms = Vec::new();
    if !ids.is_empty() {
        let marks: Vec<String> = ids.iter().map(|id| all.mark(Part::Int(*id))).collect();
        terms.push(format!("r.message IN ({})", marks.join(", ")));
    }
    if let Some(recipient) = &selection.recipient {
        let mark = all.mark(Part::Text(recipient.to_string()));
        terms.push(format!("r.address = {mark}"));
    }
    if let Some(domain) = &selection.domain {
        let mark = all.mark(Part::Text(domain.to_lowercase()));
        terms.push(format!("(r.domain = {mark} OR r.destination = {mark})"));
    }
    if let Some(state) = selection.state {
        let mark = all.mark(Part::Int(state.column()));
        terms.push(format!("r.state = {mark}"));
    }
    terms.extend(message_term(selection, &mut all));
    all.sql = if terms.is_empty() {
        "1 = 1".to_owned()
    } else {
        terms.join(" AND ")
    };
    all
}

/// The part of a selection that the message's row answers.
fn message_term(selection: &Selection, all: &mut Condition) -> Option<String> {
    let mut terms = Vec::new();
    match &selection.sender {
        Some(Some(sender)) => {
            let mark = all.mark(Part::Text(sender.to_string()));
            terms.push(format!("m.sender = {mark}"));
        }
        Some(None) => terms.push("m.sender IS NULL".to_owned()),
        None => {}
    }
    if let Some(from) = selection.queued_from {
        let mark = all.mark(Part::Int(from.as_microsecond()));
        terms.push(format!("m.queued_at >= {mark}"));
    }
    if let Some(before) = selection.queued_before {
        let mark = all.mark(Part::Int(before.as_microsecond()));
        terms.push(format!("m.queued_at <= {mark}"));
    }
    if let Some(identifier) = &selection.identifier {
        let mark = all.mark(Part::Text(identifier.clone()));
        terms.push(format!("m.identifier = {mark}"));
    }
    (!terms.is_empty()).then(|| {
        format!(
            "r.message IN (SELECT m.id FROM queue_message m WHERE {})",
            terms.join(" AND ")
        )
    })
}

fn of_recipients(queued: &Queued) -> Vec<super::NewRecipient> {
    queued
        .recipients
        .iter()
        .map(|waiting| waiting.recipient.clone())
        .collect()
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it stands where any report of damage does"
)]
pub(super) fn log_damaged(id: QueueId, error: Error) {
    tracing::error!(queue = %id, %error, "a row of the queue cannot be read; the others go on");
}
