//! Contracts with outside experts, and when it was tried to reach them.

use jiff::{Timestamp, civil::Date};
use store::{
    Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::maybe_time;

/// A contract.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) contact: String,
    pub(crate) from: Date,
    /// The last day of the term.
    pub(crate) until: Date,
    pub(crate) renew_by: Date,
    pub(crate) ended_at: Option<Timestamp>,
}

/// The last try to reach them.
#[derive(Clone, Debug)]
pub(crate) struct Drill {
    pub(crate) on: Date,
    pub(crate) reached: bool,
    pub(crate) result: String,
}

const SELECT: &str =
    "SELECT number, name, contact, from_day, until_day, renew_by, ended_at FROM expert";

fn day(row: &dyn Row, column: usize) -> Result<Date, Error> {
    let text = row.text(column)?;
    text.parse()
        .map_err(|_| Error::Corrupt(format!("a day of an expert's contract: {text:?}")))
}

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        number: row.int(0)?,
        name: row.text(1)?,
        contact: row.text(2)?,
        from: day(row, 3)?,
        until: day(row, 4)?,
        renew_by: day(row, 5)?,
        ended_at: maybe_time(row, 6)?,
    })
}

/// All, in order of their numbers.
pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(sql, &format!("{SELECT} ORDER BY number"), &[], read)
}

pub(crate) fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE number = ?1");
    first(sql, &find, params![number], read)
}

/// The try of the newest day; of several on one day the one noted last.
pub(crate) fn last_drill(sql: &mut dyn Sql, expert: i64) -> Result<Option<Drill>, Error> {
    let find = "SELECT on_day, reached, result FROM expert_drill WHERE expert = ?1 ORDER BY on_day DESC, number DESC LIMIT 1";
    first(sql, find, params![expert], |row| {
        Ok(Drill {
            on: day(row, 0)?,
            reached: row.int(1)? != 0,
            result: row.text(2)?,
        })
    })
}

/// Enters a contract; its number.
pub(crate) fn insert(tx: &mut Tx<'_>, new: &Entry, by: PersonId) -> Result<i64, Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM expert";
    let highest = first(tx, highest, &[], |row| row.int(0))?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let (now, from, until) = (tx.now(), new.from.to_string(), new.until.to_string());
    let renew_by = new.renew_by.to_string();
    tx.execute(
        "INSERT INTO expert (number, name, contact, from_day, until_day, renew_by, added_by, added_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![number, &new.name, &new.contact, &from, &until, &renew_by, by, now],
    )?;
    Ok(number)
}

/// Sets contact and term anew.
pub(crate) fn renew(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), Error> {
    let (until, renew_by) = (entry.until.to_string(), entry.renew_by.to_string());
    tx.execute(
        "UPDATE expert SET contact = ?2, until_day = ?3, renew_by = ?4 WHERE number = ?1",
        params![entry.number, &entry.contact, &until, &renew_by],
    )?;
    Ok(())
}

pub(crate) fn end(tx: &mut Tx<'_>, number: i64, by: PersonId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE expert SET ended_by = ?2, ended_at = ?3 WHERE number = ?1",
        params![number, by, now],
    )?;
    Ok(())
}

pub(crate) fn drill(
    tx: &mut Tx<'_>,
    expert: i64,
    drill: &Drill,
    by: PersonId,
) -> Result<(), Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM expert_drill";
    let highest = first(tx, highest, &[], |row| row.int(0))?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let (now, on) = (tx.now(), drill.on.to_string());
    tx.execute(
        "INSERT INTO expert_drill (number, expert, on_day, reached, result, noted_by, noted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            number,
            expert,
            &on,
            i64::from(drill.reached),
            &drill.result,
            by,
            now
        ],
    )?;
    Ok(())
}
