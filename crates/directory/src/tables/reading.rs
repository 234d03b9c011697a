//! Access to another's mailbox for reading only.

use jiff::Timestamp;
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::maybe_time;

/// An access' row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    pub(crate) identifier: String,
    pub(crate) person: (PersonId, String),
    /// Whether the person has not left, as far as anybody has noted.
    active: bool,
    /// When the person is to leave.
    leaves_at: Option<Timestamp>,
    pub(crate) order: i64,
    pub(crate) purpose: String,
    pub(crate) until: Timestamp,
    pub(crate) opened_at: Timestamp,
}

impl Entry {
    /// Whether it is open at `now`: its time is not over, and the person is not gone.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.active && now < self.until && self.leaves_at.is_none_or(|day| now < day)
    }
}

const SELECT: &str = "SELECT r.account, a.identifier, r.person, p.name, p.state, r.order_number, r.purpose, r.until, r.opened_at, d.leaves_at
    FROM reading r JOIN account a ON a.id = r.account JOIN person p ON p.id = r.person LEFT JOIN departure d ON d.person = p.id";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        account: AccountId(row.int(0)?),
        identifier: row.text(1)?,
        person: (PersonId(row.int(2)?), row.text(3)?),
        active: row.text(4)? == "active",
        order: row.int(5)?,
        purpose: row.text(6)?,
        until: row.time(7)?,
        opened_at: row.time(8)?,
        leaves_at: maybe_time(row, 9)?,
    })
}

/// All of them.
pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(
        sql,
        &format!("{SELECT} ORDER BY a.identifier, p.name"),
        &[],
        read,
    )
}

/// Whether there is an access of a person's, whatever the day.
pub(crate) fn is_reader(sql: &mut dyn Sql, person: PersonId) -> Result<bool, Error> {
    let find = "SELECT 1 FROM reading WHERE person = ?1 LIMIT 1";
    Ok(first(sql, find, params![person], |row| row.int(0))?.is_some())
}

/// A person's access to an account, if it is open at `now`.
pub(crate) fn open(
    sql: &mut dyn Sql,
    account: AccountId,
    person: PersonId,
    now: Timestamp,
) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE r.account = ?1 AND r.person = ?2");
    let found = first(sql, &find, params![account, person], read)?;
    Ok(found.filter(|entry| entry.is_open(now)))
}

/// Opens an access, or one anew in place of another.
pub(crate) fn set(
    tx: &mut Tx<'_>,
    (account, person): (AccountId, PersonId),
    order: i64,
    (purpose, until): (&str, Timestamp),
    by: PersonId,
) -> Result<(), Error> {
    end(tx, account, person)?;
    let now = tx.now();
    let put =
        "INSERT INTO reading (account, person, order_number, purpose, until, opened_by, opened_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.execute(
        put,
        params![account, person, order, purpose, until, by, now],
    )?;
    Ok(())
}

/// Ends an access; whether there was one.
pub(crate) fn end(tx: &mut Tx<'_>, account: AccountId, person: PersonId) -> Result<bool, Error> {
    let end = "DELETE FROM reading WHERE account = ?1 AND person = ?2";
    Ok(tx.execute(end, params![account, person])? > 0)
}

/// Ends every access to an account.
pub(crate) fn end_all(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute("DELETE FROM reading WHERE account = ?1", params![account])?;
    Ok(())
}
