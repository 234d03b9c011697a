//! How much mail there was, hour by hour (clause 4.4(1)): rows that follow the trail. What they hold is another room's matter.
//!
//! The mark says up to which event the rows tell. It moves in the commit that changes them, so each event counts once, whatever crashes.

use jiff::Timestamp;

use crate::{
    Error, Recorded, Snapshot, Tx, event, params, sql,
    sql::{Row, Sql},
};

/// Octets of a row's content. An hour that is not over, with all names that it tells apart, has under 30 KiB.
pub const MOST_CONTENT: usize = 256 << 10;

/// An hour, or hours that were folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first hour, from 1970 in UTC.
    pub hour: i64,
    /// How many hours it spans, at least 1; 24 or about that for a day.
    pub hours: i64,
    /// Whether it is over.
    pub closed: bool,
    /// What is kept of it: a JSON object.
    pub content: String,
}

/// How far the rows tell, and how traffic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Up to this event.
    pub event: i64,
    /// `unknown`, `normal`, `unusual` or `alarm`.
    pub state: String,
    /// Since when it is so.
    pub since: Timestamp,
}

/// The hour of a time, counted from 1970 in UTC.
#[must_use]
pub fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

/// The mark; `None`: nothing was counted yet.
///
/// # Errors
/// When the database fails.
pub fn mark(sql: &mut dyn Sql) -> Result<Option<Mark>, Error> {
    let find = "SELECT event, state, since FROM traffic_mark WHERE one = 1";
    sql::first(sql, find, &[], |row| {
        Ok(Mark {
            event: row.int(0)?,
            state: row.text(1)?,
            since: row.time(2)?,
        })
    })
}

/// Writes these rows, in place of those that were there, and the mark. The transaction records what was closed or changed its state,
/// or ends in [`only_counted`].
///
/// # Errors
/// When the database fails; when a row would be too large.
pub fn put(tx: &mut Tx<'_>, mark: &Mark, spans: &[Span]) -> Result<(), Error> {
    for span in spans {
        if span.content.len() > MOST_CONTENT {
            return Err(Error::Corrupt(format!(
                "the counts of the hour {} have {} octets",
                span.hour,
                span.content.len()
            )));
        }
        tx.execute(
            "INSERT INTO traffic_span (hour, hours, closed, content) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (hour) DO UPDATE SET hours = ?2, closed = ?3, content = ?4",
            params![span.hour, span.hours, i64::from(span.closed), &span.content],
        )?;
    }
    tx.execute(
        "INSERT INTO traffic_mark (one, event, state, since) VALUES (1, ?1, ?2, ?3) \
         ON CONFLICT (one) DO UPDATE SET event = ?1, state = ?2, since = ?3",
        params![mark.event, &mark.state, mark.since],
    )?;
    Ok(())
}

/// In place of an event, where events were only counted: that is no change, but tells of changes that have their own.
///
/// # Errors
/// When a row that is over would change without an event.
pub fn only_counted(tx: &mut Tx<'_>, mark: &Mark, spans: &[Span]) -> Result<Recorded<()>, Error> {
    if spans.iter().any(|span| span.closed) {
        return Err(Error::Corrupt(
            "an hour that is over changes by an event alone".to_owned(),
        ));
    }
    put(tx, mark, spans)?;
    Ok(tx.bookkeeping(()))
}

/// The rows whose first hour is in a range, ascending; `limit` at most.
///
/// # Errors
/// When the database fails.
pub fn list(
    sql: &mut dyn Sql,
    (from, before): (i64, i64),
    limit: usize,
) -> Result<Vec<Span>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let list = "SELECT hour, hours, closed, content FROM traffic_span WHERE hour >= ?1 AND hour < ?2 ORDER BY hour LIMIT ?3";
    sql::rows(sql, list, params![from, before, limit], span)
}

/// Those that are not over.
///
/// # Errors
/// When the database fails.
pub fn open(sql: &mut dyn Sql) -> Result<Vec<Span>, Error> {
    let list =
        "SELECT hour, hours, closed, content FROM traffic_span WHERE closed = 0 ORDER BY hour";
    sql::rows(sql, list, &[], span)
}

/// The last one that is over.
///
/// # Errors
/// When the database fails.
pub fn last_closed(sql: &mut dyn Sql) -> Result<Option<Span>, Error> {
    let last = "SELECT hour, hours, closed, content FROM traffic_span WHERE closed = 1 ORDER BY hour DESC LIMIT 1";
    sql::first(sql, last, &[], span)
}

/// The first hours before `before` that are not folded, at most `limit`: those that are over.
///
/// # Errors
/// When the database fails.
pub fn unfolded(sql: &mut dyn Sql, before: i64, limit: usize) -> Result<Vec<Span>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let list = "SELECT hour, hours, closed, content FROM traffic_span WHERE hour < ?1 AND hours = 1 AND closed = 1 ORDER BY hour LIMIT ?2";
    sql::rows(sql, list, params![before, limit], span)
}

/// Takes out the rows that begin in a range; how many.
///
/// # Errors
/// When the database fails.
pub fn remove(tx: &mut Tx<'_>, (from, before): (i64, i64)) -> Result<u64, Error> {
    let remove = "DELETE FROM traffic_span WHERE hour >= ?1 AND hour < ?2";
    tx.execute(remove, params![from, before])
}

/// The event after which those from `at` on come: where counting begins.
///
/// # Errors
/// When the database fails.
pub fn event_before(snapshot: &mut Snapshot<'_>, at: Timestamp) -> Result<i64, Error> {
    if let Some(first) = event::first_at(snapshot.sql, at)? {
        return Ok(first.saturating_sub(1));
    }
    let newest = "SELECT id FROM event ORDER BY id DESC LIMIT 1";
    Ok(sql::first(snapshot.sql, newest, &[], |row| row.int(0))?.unwrap_or(0))
}

pub(crate) fn span(row: &dyn Row) -> Result<Span, Error> {
    Ok(Span {
        hour: row.int(0)?,
        hours: row.int(1)?,
        closed: row.int(2)? == 1,
        content: row.text(3)?,
    })
}
