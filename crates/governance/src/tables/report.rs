//! Reports to the holders of a role.

use jiff::Timestamp;
use store::{
    Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::maybe_time;

/// A report's row, with the name in it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) task: Option<i64>,
    pub(crate) to_role: String,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) digest: String,
    pub(crate) made_at: Timestamp,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) acknowledged_by: Option<String>,
    pub(crate) acknowledged_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT r.number, r.task, r.to_role, r.title, r.text, r.digest, r.made_at, r.sent_at, p.name, r.acknowledged_at
    FROM report r LEFT JOIN person p ON p.id = r.acknowledged_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        number: row.int(0)?,
        task: row.maybe_int(1)?,
        to_role: row.text(2)?,
        title: row.text(3)?,
        text: row.text(4)?,
        digest: row.text(5)?,
        made_at: row.time(6)?,
        sent_at: maybe_time(row, 7)?,
        acknowledged_by: row.maybe_text(8)?,
        acknowledged_at: maybe_time(row, 9)?,
    })
}

pub(crate) fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE r.number = ?1");
    first(sql, &find, params![number], read)
}

/// The newest first.
pub(crate) fn newest(sql: &mut dyn Sql, most: u32) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} ORDER BY r.number DESC LIMIT ?1");
    rows(sql, &find, params![most], read)
}

/// Those that nobody was sent yet, the oldest first.
pub(crate) fn unsent(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} WHERE r.sent_at IS NULL ORDER BY r.number");
    rows(sql, &find, &[], read)
}

/// Those that nobody acknowledged yet, the oldest first.
pub(crate) fn waiting(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} WHERE r.acknowledged_at IS NULL ORDER BY r.number");
    rows(sql, &find, &[], read)
}

/// What came of a task.
pub(crate) fn of_task(sql: &mut dyn Sql, task: i64) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} WHERE r.task = ?1 ORDER BY r.number");
    rows(sql, &find, params![task], read)
}

/// What a new one says.
pub(crate) struct New<'a> {
    pub(crate) task: Option<i64>,
    pub(crate) to_role: &'a str,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) digest: &'a str,
}

/// Enters a report and returns its number, the next after the highest given: see [`next`].
pub(crate) fn insert(tx: &mut Tx<'_>, number: i64, new: &New<'_>) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO report (number, task, to_role, title, text, digest, made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![number, new.task, new.to_role, new.title, new.text, new.digest, now],
    )?;
    Ok(())
}

/// The number that the next report has.
pub(crate) fn next(sql: &mut dyn Sql) -> Result<i64, Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM report";
    let highest = first(sql, highest, &[], |row| row.int(0))?;
    Ok(highest.unwrap_or_default().saturating_add(1))
}

pub(crate) fn sent(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE report SET sent_at = ?2 WHERE number = ?1",
        params![number, now],
    )?;
    Ok(())
}

pub(crate) fn acknowledge(tx: &mut Tx<'_>, number: i64, by: PersonId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE report SET acknowledged_by = ?2, acknowledged_at = ?3 WHERE number = ?1",
        params![number, by, now],
    )?;
    Ok(())
}
