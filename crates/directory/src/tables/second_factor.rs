//! Second factors. Their secrets are sealed with the account's key, and die with it.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use store::{
    AccountId, Error, Snapshot, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::maybe_time;
use crate::passkey::Passkey;

/// Names of the kinds, in storage and in the trail.
pub(crate) const TOTP: &str = "totp";
pub(crate) const PASSKEY: &str = "passkey";

/// A second factor's row, without its secret.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// What was last proved: of a time-based code its time step, of a passkey its device's counter.
    pub(crate) counter: i64,
    pub(crate) added_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    sealed: String,
}

const SELECT: &str =
    "SELECT number, kind, name, counter, added_at, used_at, secret FROM second_factor";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        number: row.int(0)?,
        kind: row.text(1)?,
        name: row.text(2)?,
        counter: row.int(3)?,
        added_at: row.time(4)?,
        used_at: maybe_time(row, 5)?,
        sealed: row.text(6)?,
    })
}

impl Entry {
    fn sealed(&self) -> Result<Vec<u8>, Error> {
        STANDARD
            .decode(&self.sealed)
            .map_err(|_| super::strange("second_factor.secret", "text that is not base64"))
    }
}

/// Those of an account, in the order in which they were added.
pub(crate) fn of(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Entry>, Error> {
    let list = format!("{SELECT} WHERE account = ?1 AND removed_at IS NULL ORDER BY number");
    rows(sql, &list, params![account], read)
}

/// Those of one kind.
pub(crate) fn of_kind(
    sql: &mut dyn Sql,
    account: AccountId,
    kind: &str,
) -> Result<Vec<Entry>, Error> {
    let mut all = of(sql, account)?;
    all.retain(|entry| entry.kind == kind);
    Ok(all)
}

/// Whether an account has any.
pub(crate) fn any(sql: &mut dyn Sql, account: AccountId) -> Result<bool, Error> {
    let find = "SELECT 1 FROM second_factor WHERE account = ?1 AND removed_at IS NULL LIMIT 1";
    Ok(first(sql, find, params![account], |row| row.int(0))?.is_some())
}

/// The secret of one of an account's.
pub(crate) fn secret(
    tx: &mut Tx<'_>,
    account: AccountId,
    entry: &Entry,
) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
    let sealed = entry.sealed()?;
    tx.open_note(account, &sealed).map(zeroize::Zeroizing::new)
}

/// The passkeys of an account, each with its row.
pub(crate) fn passkeys(
    tx: &mut Tx<'_>,
    account: AccountId,
) -> Result<Vec<(Entry, Passkey)>, Error> {
    of_kind(tx, account, PASSKEY)?
        .into_iter()
        .map(|entry| {
            let passkey = opened(&secret(tx, account, &entry)?)?;
            Ok((entry, passkey))
        })
        .collect()
}

/// The same, read outside a commit.
pub(crate) fn passkeys_seen(
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
) -> Result<Vec<Passkey>, Error> {
    of_kind(snapshot, account, PASSKEY)?
        .iter()
        .map(|entry| opened(&snapshot.open_note(account, &entry.sealed()?)?))
        .collect()
}

fn opened(secret: &[u8]) -> Result<Passkey, Error> {
    Passkey::read(secret)
        .ok_or_else(|| super::strange("second_factor.secret", "something else than a passkey"))
}

/// Adds one whose `secret` was just proved with `counter`; returns its number.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    account: AccountId,
    (kind, name): (&str, &str),
    secret: &[u8],
    counter: i64,
) -> Result<i64, Error> {
    let last = "SELECT COALESCE(MAX(number), 0) FROM second_factor";
    let last = first(tx, last, &[], |row| row.int(0))?.unwrap_or(0);
    let number = last.saturating_add(1);
    let now = tx.now();
    let sealed = STANDARD.encode(tx.seal_note(account, secret)?);
    let insert =
        "INSERT INTO second_factor (number, account, kind, name, secret, counter, added_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.execute(
        insert,
        params![number, account, kind, name, &sealed, counter, now],
    )?;
    Ok(number)
}

/// Notes that it was proved with `counter`.
pub(crate) fn note_use(tx: &mut Tx<'_>, number: i64, counter: i64) -> Result<(), Error> {
    let now = tx.now();
    let note = "UPDATE second_factor SET counter = ?2, used_at = ?3 WHERE number = ?1";
    tx.execute(note, params![number, counter, now])?;
    Ok(())
}

/// Forgets the secret of one of an account's; its name, if there was one.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    account: AccountId,
    number: i64,
) -> Result<Option<String>, Error> {
    let find = "SELECT name FROM second_factor
                WHERE account = ?1 AND number = ?2 AND removed_at IS NULL";
    let name = first(tx, find, params![account, number], |row| row.text(0))?;
    if name.is_some() {
        let now = tx.now();
        let forget = "UPDATE second_factor SET removed_at = ?2, secret = '' WHERE number = ?1";
        tx.execute(forget, params![number, now])?;
    }
    Ok(name)
}

/// Forgets that an account had any; returns how many it had.
pub(crate) fn delete_all(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, Error> {
    tx.execute(
        "DELETE FROM second_factor WHERE account = ?1",
        params![account],
    )
}

/// Identifiers of people with a role other than `except` that have no second factor.
pub(crate) fn missing(sql: &mut dyn Sql, except: &str) -> Result<Vec<String>, Error> {
    let list = "SELECT DISTINCT a.identifier FROM account a JOIN person p ON p.id = a.person
                JOIN person_role r ON r.person = p.id
                WHERE a.state <> 'deleted' AND p.state = 'active' AND r.role <> ?1
                AND NOT EXISTS (SELECT 1 FROM second_factor f WHERE f.account = a.id AND f.removed_at IS NULL) ORDER BY a.identifier";
    rows(sql, list, params![except], |row| row.text(0))
}
