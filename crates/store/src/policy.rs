//! The screening policies that were in force: what a verdict's digest stands for.

use jiff::Timestamp;

use crate::{Error, Refusal, Tx, params, sql, sql::Sql};

/// Octets of a policy's settings.
const MOST_SETTINGS: usize = 1 << 20;

/// A policy that was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name in verdicts.
    pub digest: String,
    /// When it was last put in force.
    pub since: Timestamp,
    /// Its settings, as they were written.
    pub settings: String,
}

/// Keeps a policy that is in force from now on.
///
/// # Errors
/// When the settings are longer than 1 MiB, or the database fails.
pub fn put(tx: &mut Tx<'_>, digest: &str, settings: &str) -> Result<(), Error> {
    if settings.len() > MOST_SETTINGS {
        return Err(Refusal::Limit("settings of a policy up to 1 MiB").into());
    }
    let now = tx.now();
    tx.execute(
        "INSERT INTO screening_policy (digest, since, settings) VALUES (?1, ?2, ?3) \
         ON CONFLICT (digest) DO UPDATE SET since = ?2, settings = ?3",
        params![digest, now, settings],
    )?;
    Ok(())
}

/// All that are kept, the latest first.
///
/// # Errors
/// When the database fails.
pub fn list(sql: &mut dyn Sql) -> Result<Vec<Version>, Error> {
    let list = "SELECT digest, since, settings FROM screening_policy ORDER BY since DESC, digest";
    sql::rows(sql, list, &[], version)
}

/// The one of this digest.
///
/// # Errors
/// When the database fails.
pub fn find(sql: &mut dyn Sql, digest: &str) -> Result<Option<Version>, Error> {
    let find = "SELECT digest, since, settings FROM screening_policy WHERE digest = ?1";
    sql::first(sql, find, params![digest], version)
}

fn version(row: &dyn sql::Row) -> Result<Version, Error> {
    Ok(Version {
        digest: row.text(0)?,
        since: row.time(1)?,
        settings: row.text(2)?,
    })
}
