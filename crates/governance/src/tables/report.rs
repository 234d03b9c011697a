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
    /// The case of a vulnerability that it is of.
    pub(crate) case: Option<i64>,
    /// Who did what it tells of.
    pub(crate) made_by: Option<String>,
    /// When it was found that nobody of its role could be sent it.
    pub(crate) untold_at: Option<Timestamp>,
    /// When people were last told that nobody has acknowledged it.
    pub(crate) reminded_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT r.number, r.task, r.to_role, r.title, r.text, r.digest, r.made_at, r.sent_at, p.name, r.acknowledged_at,
    r.of_case, m.name, r.untold_at, r.reminded_at
    FROM report r LEFT JOIN person p ON p.id = r.acknowledged_by LEFT JOIN person m ON m.id = r.made_by";

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
        case: row.maybe_int(10)?,
        made_by: row.maybe_text(11)?,
        untold_at: maybe_time(row, 12)?,
        reminded_at: maybe_time(row, 13)?,
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

/// The numbers of those that are of cases of vulnerabilities.
pub(crate) fn of_cases(sql: &mut dyn Sql) -> Result<Vec<i64>, Error> {
    let find = "SELECT number FROM report WHERE of_case IS NOT NULL ORDER BY number";
    rows(sql, find, &[], |row| row.int(0))
}

/// What a new one says.
#[derive(Clone, Copy, Default)]
pub(crate) struct New<'a> {
    pub(crate) task: Option<i64>,
    /// The case of a vulnerability that it is of.
    pub(crate) case: Option<i64>,
    /// Who did what it tells of, where neither a task nor an incident says so.
    pub(crate) made_by: Option<PersonId>,
    pub(crate) to_role: &'a str,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) digest: &'a str,
}

/// Enters a report and returns its number, the next after the highest given: see [`next`].
pub(crate) fn insert(tx: &mut Tx<'_>, number: i64, new: &New<'_>) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO report (number, task, to_role, title, text, digest, made_at, of_case, made_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            number,
            new.task,
            new.to_role,
            new.title,
            new.text,
            new.digest,
            now,
            new.case,
            new.made_by
        ],
    )?;
    Ok(())
}

/// The number that the next report has.
pub(crate) fn next(sql: &mut dyn Sql) -> Result<i64, Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM report";
    let highest = first(sql, highest, &[], |row| row.int(0))?;
    Ok(highest.unwrap_or_default().saturating_add(1))
}

/// Notes that it was sent, unless it was meanwhile; whether that was so.
pub(crate) fn sent(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    let now = tx.now();
    let note = "UPDATE report SET sent_at = ?2 WHERE number = ?1 AND sent_at IS NULL";
    Ok(tx.execute(note, params![number, now])? > 0)
}

/// Notes that there is nobody to be sent it, unless that is on record; whether it was not.
pub(crate) fn untold(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    let now = tx.now();
    let note = "UPDATE report SET untold_at = ?2 WHERE number = ?1 AND sent_at IS NULL AND untold_at IS NULL";
    Ok(tx.execute(note, params![number, now])? > 0)
}

/// Notes that people were told that nobody has acknowledged it, unless somebody has, or they were told since `last`; whether that was so.
pub(crate) fn reminded(
    tx: &mut Tx<'_>,
    number: i64,
    last: Option<Timestamp>,
) -> Result<bool, Error> {
    let (now, last) = (tx.now(), last.map_or(-1, Timestamp::as_microsecond));
    let note = "UPDATE report SET reminded_at = ?2 WHERE number = ?1 AND acknowledged_at IS NULL AND COALESCE(reminded_at, -1) = ?3";
    Ok(tx.execute(note, params![number, now, last])? > 0)
}

pub(crate) fn acknowledge(tx: &mut Tx<'_>, number: i64, by: PersonId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE report SET acknowledged_by = ?2, acknowledged_at = ?3 WHERE number = ?1",
        params![number, by, now],
    )?;
    Ok(())
}
