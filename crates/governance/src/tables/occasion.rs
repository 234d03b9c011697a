//! What came round.

use jiff::Timestamp;
use store::{
    Error, Tx, params,
    sql::{Sql, first},
};

use super::maybe_time;
use crate::schedule::Span;

/// The name of the last span that was met of an item. The first one that is on record only says when it began to come round.
pub(crate) fn last(sql: &mut dyn Sql, item: &str) -> Result<Option<String>, Error> {
    let find = "SELECT MAX(period) FROM occasion WHERE item = ?1";
    let found = first(sql, find, params![item], |row| row.maybe_text(0))?;
    Ok(found.flatten())
}

/// When the span began in which an item began to come round.
pub(crate) fn began(sql: &mut dyn Sql, item: &str) -> Result<Option<Timestamp>, Error> {
    let find = "SELECT MIN(due_at) FROM occasion WHERE item = ?1";
    let found = first(sql, find, params![item], |row| maybe_time(row, 0))?;
    Ok(found.flatten())
}

/// Whether any span of an item was met whose name lies from `from` on and before `end`.
pub(crate) fn any(sql: &mut dyn Sql, item: &str, from: &str, end: &str) -> Result<bool, Error> {
    let find =
        "SELECT period FROM occasion WHERE item = ?1 AND period >= ?2 AND period < ?3 LIMIT 1";
    let found = first(sql, find, params![item, from, end], |row| row.text(0))?;
    Ok(found.is_some())
}

/// Notes that `span` was met, unless it was; whether it was not.
pub(crate) fn meet(tx: &mut Tx<'_>, item: &str, span: &Span, missed: u16) -> Result<bool, Error> {
    let now = tx.now();
    let changed = tx.execute(
        "INSERT INTO occasion (item, period, due_at, run_at, missed) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (item, period) DO NOTHING",
        params![item, &span.name, span.start, now, missed],
    )?;
    Ok(changed == 1)
}
