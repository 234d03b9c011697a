//! What other domains demand of those who send them mail (MTA-STS, RFC 8461): kept until it ends, since whoever can hide a policy for a
//! moment must not be able to undo it (RFC 8461, section 10.1).

use jiff::Timestamp;
use message::address::Domain;

use crate::{
    Error, Refusal, Tx, params, sql,
    sql::{Row, Sql},
};

/// A policy that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPolicy {
    /// Whose.
    pub domain: Domain,
    /// The id of the record that told of it.
    pub id: String,
    /// `enforce`, `testing` or `none`.
    pub mode: String,
    /// The hosts that serve the domain, as the policy names them.
    pub mx: Vec<String>,
    /// Seconds that it lasts.
    pub max_age: u64,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

/// Keeps `policy` in place of what was there of its domain.
///
/// # Errors
/// When the database fails.
pub fn keep(tx: &mut Tx<'_>, policy: &KeptPolicy) -> Result<(), Error> {
    let max_age =
        i64::try_from(policy.max_age).map_err(|_| Refusal::Limit("numbers of 63 bits"))?;
    let mx = policy.mx.join("\n");
    tx.execute(
        "INSERT INTO sts_policy (domain, id, mode, mx, max_age, fetched_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (domain) DO UPDATE SET id = excluded.id, mode = excluded.mode, mx = excluded.mx, \
         max_age = excluded.max_age, fetched_at = excluded.fetched_at, expires_at = excluded.expires_at",
        params![
            policy.domain.as_str(),
            policy.id.as_str(),
            policy.mode.as_str(),
            &mx,
            max_age,
            policy.fetched_at,
            policy.expires_at
        ],
    )?;
    Ok(())
}

/// Forgets what was kept of `domain`; `false` if there was nothing.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, domain: &Domain) -> Result<bool, Error> {
    let gone = tx.execute(
        "DELETE FROM sts_policy WHERE domain = ?1",
        params![domain.as_str()],
    )?;
    Ok(gone > 0)
}

/// What is kept of `domain`, whether it holds still or not.
///
/// # Errors
/// When the database fails, or the row is damaged.
pub fn of(sql: &mut dyn Sql, domain: &Domain) -> Result<Option<KeptPolicy>, Error> {
    let statement = format!("SELECT {COLUMNS} FROM sts_policy WHERE domain = ?1");
    sql::first(sql, &statement, params![domain.as_str()], kept)
}

/// A row by the text of its domain, and what it holds, or why it cannot be read: a damaged row stops nobody else.
pub type Listed = (String, Result<KeptPolicy, Error>);

/// Policies that end before `end`, those that end first first, `limit` at most.
///
/// # Errors
/// When the database fails.
pub fn ending(sql: &mut dyn Sql, end: Timestamp, limit: usize) -> Result<Vec<Listed>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = format!(
        "SELECT {COLUMNS} FROM sts_policy WHERE expires_at < ?1 ORDER BY expires_at, domain LIMIT ?2"
    );
    sql::rows(sql, &statement, params![end, limit], listed)
}

/// Policies of domains behind `after` (at first the empty text), by name, `limit` at most.
///
/// # Errors
/// When the database fails.
pub fn list(sql: &mut dyn Sql, after: &str, limit: usize) -> Result<Vec<Listed>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement =
        format!("SELECT {COLUMNS} FROM sts_policy WHERE domain > ?1 ORDER BY domain LIMIT ?2");
    sql::rows(sql, &statement, params![after, limit], listed)
}

fn listed(row: &dyn Row) -> Result<Listed, Error> {
    Ok((row.text(0)?, kept(row)))
}

const COLUMNS: &str = "domain, id, mode, mx, max_age, fetched_at, expires_at";

fn kept(row: &dyn Row) -> Result<KeptPolicy, Error> {
    let name = row.text(0)?;
    let domain = Domain::parse(&name)
        .map_err(|error| Error::Corrupt(format!("the policy of {name:?} ({error})")))?;
    Ok(KeptPolicy {
        domain,
        id: row.text(1)?,
        mode: row.text(2)?,
        mx: row.text(3)?.lines().map(str::to_owned).collect(),
        max_age: row.count(4)?,
        fetched_at: row.time(5)?,
        expires_at: row.time(6)?,
    })
}
