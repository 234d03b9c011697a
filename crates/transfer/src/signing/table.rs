//! The keys' rows.

use data_encoding::BASE64;
use jiff::Timestamp;
use message::Domain;
use screening::sign::{Algorithm, Key, NewKey, record};
use serde::Serialize;
use store::{
    AccountId, Error, Snapshot, Tx, params,
    sql::{self, Row, Sql},
};

/// How far a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It waits for its record to be shown.
    Waiting,
    /// It signs.
    Signing,
    /// It has stopped; its record stays, for mail that is still under way.
    Stopped,
    /// Its record is not needed any more.
    Gone,
}

/// A key and its record in the DNS.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Its number.
    pub number: i64,
    /// The domain.
    pub domain: String,
    /// Its selector.
    pub selector: String,
    /// `rsa` or `ed25519`.
    pub algorithm: String,
    /// How far it has come.
    pub standing: Standing,
    /// When it was made.
    pub made_at: Timestamp,
    /// Since when it signs.
    pub signs_from: Option<Timestamp>,
    /// Until when it signed.
    pub signs_until: Option<Timestamp>,
    /// The name of its record.
    pub name: String,
    /// The TXT record to publish; empty when there is to be none.
    pub record: String,
    /// `p=` of the record.
    #[serde(skip)]
    pub(super) public: String,
}

const COLUMNS: &str =
    "number, domain, selector, algorithm, public, made_at, signs_from, signs_until, gone_at";

fn read(row: &dyn Row) -> Result<Record, Error> {
    let (domain, selector, word) = (row.text(1)?, row.text(2)?, row.text(3)?);
    let algorithm = algorithm(&word)?;
    let (signs_from, signs_until) = (row.maybe_time(6)?, row.maybe_time(7)?);
    let standing = match (signs_from, signs_until, row.maybe_time(8)?) {
        (_, _, Some(_)) => Standing::Gone,
        (_, Some(_), None) => Standing::Stopped,
        (Some(_), None, None) => Standing::Signing,
        (None, None, None) => Standing::Waiting,
    };
    let public = row.text(4)?;
    Ok(Record {
        number: row.int(0)?,
        name: format!("{selector}._domainkey.{domain}"),
        record: match standing {
            Standing::Gone => String::new(),
            _ => record(algorithm, &public),
        },
        domain,
        selector,
        algorithm: word,
        standing,
        made_at: row.time(5)?,
        signs_from,
        signs_until,
        public,
    })
}

fn algorithm(word: &str) -> Result<Algorithm, Error> {
    Algorithm::from_word(word)
        .ok_or_else(|| Error::Corrupt(format!("{word:?} is no algorithm of a DKIM key")))
}

/// All keys that there are and were, in the order in which they were made.
///
/// # Errors
/// When the database fails, or a row cannot be read.
pub fn records(sql: &mut dyn Sql) -> Result<Vec<Record>, Error> {
    let list = format!("SELECT {COLUMNS} FROM dkim_key ORDER BY number");
    sql::rows(sql, &list, &[], read)
}

/// The keys that sign.
pub(super) fn signing(snapshot: &mut Snapshot<'_>) -> Result<Vec<Key>, Error> {
    let list = "SELECT domain, selector, algorithm, secret FROM dkim_key \
                WHERE signs_from IS NOT NULL AND signs_until IS NULL ORDER BY number";
    let rows = sql::rows(snapshot, list, &[], |row| {
        Ok((row.text(0)?, row.text(1)?, row.text(2)?, row.text(3)?))
    })?;
    let mut keys = Vec::with_capacity(rows.len());
    for (domain, selector, word, secret) in rows {
        match opened(snapshot, &domain, &selector, &word, &secret) {
            Ok(key) => keys.push(key),
            // The others sign all the same.
            Err(error) => {
                tracing::error!(domain, selector, %error, "a key to sign mail with is damaged");
            }
        }
    }
    Ok(keys)
}

fn opened(
    snapshot: &mut Snapshot<'_>,
    domain: &str,
    selector: &str,
    word: &str,
    secret: &str,
) -> Result<Key, Error> {
    let wrong = |why: String| Error::Corrupt(why);
    let sealed = BASE64
        .decode(secret.as_bytes())
        .map_err(|error| wrong(error.to_string()))?;
    let pkcs8 = zeroize::Zeroizing::new(snapshot.open_note(AccountId::QUEUE, &sealed)?);
    let name = Domain::parse(domain).map_err(|error| wrong(error.to_string()))?;
    let key = Key::from_pkcs8(name, selector, algorithm(word)?, &pkcs8);
    key.map_err(|error| wrong(error.to_string()))
}

/// A new key, which waits.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    domain: &Domain,
    selector: &str,
    algorithm: Algorithm,
    key: &NewKey,
) -> Result<i64, Error> {
    let sealed = tx.seal_note(AccountId::QUEUE, &key.pkcs8)?;
    let last = "SELECT coalesce(max(number), 0) FROM dkim_key";
    let last = sql::first(tx, last, &[], |row| row.int(0))?.unwrap_or(0);
    let (number, now) = (last.saturating_add(1), tx.now());
    tx.execute(
        "INSERT INTO dkim_key (number, domain, selector, algorithm, secret, public, made_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            number,
            domain.as_str(),
            selector,
            algorithm.as_str(),
            &BASE64.encode(&sealed),
            &key.public,
            now
        ],
    )?;
    Ok(number)
}

/// Lets a key sign. `false` when it does already, or has stopped.
pub(super) fn start(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    let now = tx.now();
    let started = tx.execute(
        "UPDATE dkim_key SET signs_from = ?2 WHERE number = ?1 AND signs_from IS NULL AND signs_until IS NULL",
        params![number, now],
    )?;
    Ok(started > 0)
}

/// Stops a key, and destroys its private part: it is written over in its place first. `false` when it has stopped already.
pub(super) fn stop(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    let find = "SELECT length(secret) FROM dkim_key WHERE number = ?1 AND signs_until IS NULL";
    let length = sql::first(tx, find, params![number], |row| row.count(0))?;
    let Some(length) = length else {
        return Ok(false);
    };
    let blank = "A".repeat(usize::try_from(length).unwrap_or_default());
    let overwrite = "UPDATE dkim_key SET secret = ?2 WHERE number = ?1";
    tx.execute(overwrite, params![number, &blank])?;
    let now = tx.now();
    let stopped = tx.execute(
        "UPDATE dkim_key SET secret = '', signs_until = ?2 WHERE number = ?1 AND signs_until IS NULL",
        params![number, now],
    )?;
    Ok(stopped > 0)
}

/// Notes that a stopped key's record is not needed any more. `false` when that was noted, or it has not stopped.
pub(super) fn end(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    let now = tx.now();
    let ended = tx.execute(
        "UPDATE dkim_key SET gone_at = ?2 WHERE number = ?1 AND gone_at IS NULL AND signs_until IS NOT NULL",
        params![number, now],
    )?;
    Ok(ended > 0)
}
