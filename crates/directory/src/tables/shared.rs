//! Identifiers that several people use.

use jiff::Timestamp;
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::maybe_time;

/// A shared identifier's row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    pub(crate) identifier: String,
    /// Whether it can be used.
    pub(crate) active: bool,
    pub(crate) order: i64,
    pub(crate) review_at: Timestamp,
    pub(crate) warned_at: Option<Timestamp>,
}

const SELECT: &str =
    "SELECT s.account, a.identifier, a.state, s.order_number, s.review_at, s.warned_at
    FROM shared_identifier s JOIN account a ON a.id = s.account";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        account: AccountId(row.int(0)?),
        identifier: row.text(1)?,
        active: row.text(2)? == "active",
        order: row.int(3)?,
        review_at: row.time(4)?,
        warned_at: maybe_time(row, 5)?,
    })
}

/// How an account is shared, if it is.
pub(crate) fn of(sql: &mut dyn Sql, account: AccountId) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE s.account = ?1");
    first(sql, &find, params![account], read)
}

/// All of them.
pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(sql, &format!("{SELECT} ORDER BY a.identifier"), &[], read)
}

/// The people who use it.
pub(crate) fn users(
    sql: &mut dyn Sql,
    account: AccountId,
) -> Result<Vec<(PersonId, String)>, Error> {
    let list = "SELECT p.id, p.name FROM shared_user u JOIN person p ON p.id = u.person
                WHERE u.account = ?1 ORDER BY p.name";
    rows(sql, list, params![account], |row| {
        Ok((PersonId(row.int(0)?), row.text(1)?))
    })
}

/// Identifiers that a person shares.
pub(crate) fn of_person(
    sql: &mut dyn Sql,
    person: PersonId,
) -> Result<Vec<(AccountId, String)>, Error> {
    let list = "SELECT a.id, a.identifier FROM shared_user u JOIN account a ON a.id = u.account
                WHERE u.person = ?1 AND a.state <> 'deleted' ORDER BY a.identifier";
    rows(sql, list, params![person], |row| {
        Ok((AccountId(row.int(0)?), row.text(1)?))
    })
}

/// Whether a person uses it at `now`: one who has left, or was to leave before, does not.
pub(crate) fn is_user(
    sql: &mut dyn Sql,
    account: AccountId,
    person: PersonId,
    now: Timestamp,
) -> Result<bool, Error> {
    let find = "SELECT 1 FROM shared_user u JOIN person p ON p.id = u.person LEFT JOIN departure d ON d.person = p.id
                WHERE u.account = ?1 AND u.person = ?2 AND p.state = 'active' AND (d.leaves_at IS NULL OR d.leaves_at > ?3)";
    Ok(first(sql, find, params![account, person, now], |row| row.int(0))?.is_some())
}

/// App passwords for shared identifiers that are still good, though whoever made them was to leave before `now`: account, number.
pub(crate) fn of_departed(
    sql: &mut dyn Sql,
    now: Timestamp,
) -> Result<Vec<(AccountId, i64)>, Error> {
    let list = "SELECT c.account, c.number FROM app_password c JOIN departure d ON d.person = c.made_by
                WHERE d.leaves_at <= ?1 AND c.revoked_at IS NULL
                AND EXISTS (SELECT 1 FROM shared_identifier s WHERE s.account = c.account) ORDER BY c.number";
    rows(sql, list, params![now], |row| {
        Ok((AccountId(row.int(0)?), row.int(1)?))
    })
}

/// Shares an account on an order, by these people and no others.
pub(crate) fn set(
    tx: &mut Tx<'_>,
    account: AccountId,
    (order, review_at): (i64, Timestamp),
    users: &[PersonId],
) -> Result<(), Error> {
    forget(tx, account)?;
    let now = tx.now();
    let put =
        "INSERT INTO shared_identifier (account, order_number, review_at) VALUES (?1, ?2, ?3)";
    tx.execute(put, params![account, order, review_at])?;
    for user in users {
        let put = "INSERT INTO shared_user (account, person, added_at) VALUES (?1, ?2, ?3)";
        tx.execute(put, params![account, *user, now])?;
    }
    Ok(())
}

/// A person uses it no more.
pub(crate) fn leave(tx: &mut Tx<'_>, account: AccountId, person: PersonId) -> Result<(), Error> {
    let leave = "DELETE FROM shared_user WHERE account = ?1 AND person = ?2";
    tx.execute(leave, params![account, person])?;
    Ok(())
}

/// Notes that its users were warned that the review is near; `false` when that was noted already.
pub(crate) fn note_warning(tx: &mut Tx<'_>, account: AccountId) -> Result<bool, Error> {
    let now = tx.now();
    let note =
        "UPDATE shared_identifier SET warned_at = ?2 WHERE account = ?1 AND warned_at IS NULL";
    Ok(tx.execute(note, params![account, now])? > 0)
}

/// The account is not shared any more.
pub(crate) fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    for table in ["shared_user", "shared_identifier"] {
        let forget = format!("DELETE FROM {table} WHERE account = ?1");
        tx.execute(&forget, params![account])?;
    }
    Ok(())
}
