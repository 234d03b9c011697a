//! App passwords: one for each mail program, made by the server. All SCRAM secrets of an account, these and its own, have
//! the same salt and iterations ([`Base`]): a client is told of them before anybody knows which password it has.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use protocol::sasl::{ScramCredentials, ScramKeys, Secret, prepare_password};
use sha2::{Digest as _, Sha256};
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::{credential, maybe_time};

/// Uses are noted to the minute.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// An app password's row.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) msa: bool,
    pub(crate) mra: bool,
    pub(crate) digest: String,
    pub(crate) keys: ScramKeys,
    pub(crate) made_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) used_at: Option<Timestamp>,
    pub(crate) used_from: Option<String>,
    /// Who made it: of a shared identifier, whoever uses it.
    pub(crate) made_by: PersonId,
    pub(crate) maker: String,
}

impl Entry {
    /// Whether its time is not over.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Salt and iterations of an account's SCRAM secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

impl Base {
    /// Whether these secrets are made with it.
    pub(crate) fn is_of(&self, scram: &ScramCredentials) -> bool {
        self.salt == scram.salt && self.iterations == scram.iterations
    }
}

/// What is kept of `password` to know it again: it is made of enough chance for a plain digest.
pub(crate) fn digest(password: &Secret) -> String {
    let prepared = prepare_password(password);
    data_encoding::HEXLOWER.encode(&Sha256::digest(prepared.expose()))
}

const SELECT: &str = "SELECT c.number, c.name, c.msa, c.mra, c.digest, c.scram_stored, c.scram_server, c.made_at,
    c.expires_at, c.used_at, c.used_from, c.made_by, p.name FROM app_password c JOIN person p ON p.id = c.made_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        number: row.int(0)?,
        name: row.text(1)?,
        msa: row.int(2)? != 0,
        mra: row.int(3)? != 0,
        digest: row.text(4)?,
        keys: ScramKeys {
            stored_key: credential::scram_key(&row.text(5)?)?,
            server_key: credential::scram_key(&row.text(6)?)?,
        },
        made_at: row.time(7)?,
        expires_at: maybe_time(row, 8)?,
        used_at: maybe_time(row, 9)?,
        used_from: row.maybe_text(10)?,
        made_by: PersonId(row.int(11)?),
        maker: row.text(12)?,
    })
}

/// Those of an account, in the order in which they were made, those that have expired too.
pub(crate) fn of(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Entry>, Error> {
    let list = format!("{SELECT} WHERE c.account = ?1 AND c.revoked_at IS NULL ORDER BY c.number");
    rows(sql, &list, params![account], read)
}

/// One of an account's.
pub(crate) fn one(
    sql: &mut dyn Sql,
    account: AccountId,
    number: i64,
) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE c.account = ?1 AND c.number = ?2 AND c.revoked_at IS NULL");
    first(sql, &find, params![account, number], read)
}

/// Salt and iterations that the account's further SCRAM secrets must have: those of its app passwords, if it has any.
pub(crate) fn base(sql: &mut dyn Sql, account: AccountId) -> Result<Option<Base>, Error> {
    let find = "SELECT scram_salt, scram_iterations FROM app_password
                WHERE account = ?1 AND revoked_at IS NULL ORDER BY number LIMIT 1";
    first(sql, find, params![account], |row| {
        let damaged = || Error::Corrupt("app_password: SCRAM secrets".to_owned());
        Ok(Base {
            salt: STANDARD.decode(row.text(0)?).map_err(|_| damaged())?,
            iterations: u32::try_from(row.int(1)?).map_err(|_| damaged())?,
        })
    })
}

/// A new app password.
pub(crate) struct New<'a> {
    pub(crate) account: AccountId,
    pub(crate) name: &'a str,
    pub(crate) msa: bool,
    pub(crate) mra: bool,
    pub(crate) digest: &'a str,
    pub(crate) scram: &'a ScramCredentials,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) made_by: PersonId,
}

/// Enters an app password; returns its number.
pub(crate) fn insert(tx: &mut Tx<'_>, new: &New<'_>) -> Result<i64, Error> {
    let last = "SELECT COALESCE(MAX(number), 0) FROM app_password";
    let last = first(tx, last, &[], |row| row.int(0))?.unwrap_or(0);
    let number = last.saturating_add(1);
    let now = tx.now();
    tx.execute(
        "INSERT INTO app_password (number, account, name, msa, mra, digest, scram_iterations, scram_salt, scram_stored,
             scram_server, made_by, made_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            number,
            new.account,
            new.name,
            new.msa,
            new.mra,
            new.digest,
            new.scram.iterations,
            &STANDARD.encode(&new.scram.salt),
            &STANDARD.encode(*new.scram.stored_key),
            &STANDARD.encode(*new.scram.server_key),
            new.made_by,
            now,
            new.expires_at
        ],
    )?;
    Ok(number)
}

/// Notes that it was used from `peer`.
pub(crate) fn note_use(tx: &mut Tx<'_>, entry: &Entry, peer: &str) -> Result<(), Error> {
    let now = tx.now();
    let known = entry.used_from.as_deref() == Some(peer)
        && entry
            .used_at
            .is_some_and(|at| now.duration_since(at) < A_MINUTE);
    if !known {
        let note = "UPDATE app_password SET used_at = ?2, used_from = ?3 WHERE number = ?1";
        tx.execute(note, params![entry.number, now, peer])?;
    }
    Ok(())
}

/// Those whose time is over, with their accounts.
pub(crate) fn expired(sql: &mut dyn Sql, now: Timestamp) -> Result<Vec<(AccountId, i64)>, Error> {
    let list = "SELECT account, number FROM app_password WHERE expires_at <= ?1 AND revoked_at IS NULL ORDER BY number";
    rows(sql, list, params![now], |row| {
        Ok((AccountId(row.int(0)?), row.int(1)?))
    })
}

/// Forgets the secrets of one.
pub(crate) fn revoke(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    let now = tx.now();
    let forget =
        "UPDATE app_password SET revoked_at = ?2, digest = '', scram_salt = '', scram_stored = '',
                  scram_server = '' WHERE number = ?1";
    tx.execute(forget, params![number, now])?;
    Ok(())
}

/// Forgets the secrets of all of an account's; returns how many there were.
pub(crate) fn revoke_all(tx: &mut Tx<'_>, account: AccountId) -> Result<usize, Error> {
    let all = of(tx, account)?;
    for entry in &all {
        revoke(tx, entry.number)?;
    }
    Ok(all.len())
}

/// Forgets the secrets of those of an account's that a person made; returns how many there were.
pub(crate) fn revoke_made_by(
    tx: &mut Tx<'_>,
    account: AccountId,
    person: PersonId,
) -> Result<usize, Error> {
    let mut theirs = of(tx, account)?;
    theirs.retain(|entry| entry.made_by == person);
    for entry in &theirs {
        revoke(tx, entry.number)?;
    }
    Ok(theirs.len())
}

/// Forgets that an account had any; returns how many it had.
pub(crate) fn delete_all(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, Error> {
    tx.execute(
        "DELETE FROM app_password WHERE account = ?1",
        params![account],
    )
}
