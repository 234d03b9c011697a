//! What is remembered of those who send mail here: since when they are known, and what became of what they sent.
//!
//! Weights are thousandths, and halve in [`HALVED`]: what was long ago counts for little, and a domain that changed hands gets
//! another chance. A row changes in the commit of the event that tells of the message.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Error, Tx, params, sql, sql::Sql};

/// The time in which weights halve.
pub const HALVED: Duration = Duration::from_secs(30 * 86_400);
/// The weight of one message.
pub const ONE: i64 = 1000;
/// No weight is larger, however much is sent.
const MOST: i64 = 1_000_000_000;

/// Addresses of one domain that are remembered: who has a domain can make up any number. Of the rest the domain is known.
pub const MOST_ADDRESSES: u32 = 10_000;

/// Who is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A client's network.
    Network,
    /// A domain that was shown to send.
    Domain,
    /// A network and a MAIL FROM, joined by a space.
    Pair,
    /// An address of a domain that was shown to send: the domain and the local part, joined by a space, so that a domain's stand together.
    Address,
}

impl Who {
    fn number(self) -> i64 {
        match self {
            Self::Network => 1,
            Self::Domain => 2,
            Self::Pair => 3,
            Self::Address => 4,
        }
    }
}

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// When it first came.
    pub first: Timestamp,
    /// When it last came.
    pub last: Timestamp,
    /// Weight of what was wanted, now.
    pub good: i64,
    /// Weight of what was not, now.
    pub bad: i64,
}

/// What is remembered of `name` at `now`, if anything.
///
/// # Errors
/// When the database fails.
pub fn find(
    sql: &mut dyn Sql,
    who: Who,
    name: &str,
    now: Timestamp,
) -> Result<Option<Acquaintance>, Error> {
    let find =
        "SELECT first_at, last_at, good, bad FROM acquaintance WHERE kind = ?1 AND name = ?2";
    sql::first(sql, find, params![who.number(), name], |row| {
        let last = row.time(1)?;
        Ok(Acquaintance {
            first: row.time(0)?,
            last,
            good: faded(row.int(2)?, last, now),
            bad: faded(row.int(3)?, last, now),
        })
    })
}

/// Adds weights to `name`, which is known from now on if it was not; an address only while [`MOST_ADDRESSES`] are not reached.
///
/// # Errors
/// When the database fails.
pub fn add(tx: &mut Tx<'_>, who: Who, name: &str, good: i64, bad: i64) -> Result<(), Error> {
    let now = tx.now();
    let known = find(tx, who, name, now)?;
    if who == Who::Address && known.is_none() && is_full(tx, name)? {
        return Ok(());
    }
    let first = known.map_or(now, |known| known.first);
    let sum =
        |before: Option<i64>, more: i64| before.unwrap_or(0).saturating_add(more).clamp(0, MOST);
    tx.execute(
        "INSERT INTO acquaintance (kind, name, first_at, last_at, good, bad) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (kind, name) DO UPDATE SET last_at = ?4, good = ?5, bad = ?6",
        params![
            who.number(),
            name,
            first,
            now,
            sum(known.map(|known| known.good), good),
            sum(known.map(|known| known.bad), bad),
        ],
    )?;
    Ok(())
}

/// Whether of the domain of this address there are as many as are remembered.
fn is_full(tx: &mut Tx<'_>, name: &str) -> Result<bool, Error> {
    let domain = name.split(' ').next().unwrap_or_default();
    // A space is followed by an exclamation mark.
    let (from, to) = (format!("{domain} "), format!("{domain}!"));
    let last =
        "SELECT 1 FROM acquaintance WHERE kind = ?1 AND name >= ?2 AND name < ?3 LIMIT 1 OFFSET ?4";
    let most = MOST_ADDRESSES - 1;
    let found = sql::first(
        tx,
        last,
        params![Who::Address.number(), &*from, &*to, most],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Forgets up to `most` of these that did not come since `before`; returns how many.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, who: Who, before: Timestamp, most: u32) -> Result<u64, Error> {
    let oldest =
        "SELECT name FROM acquaintance WHERE kind = ?1 AND last_at < ?2 ORDER BY last_at LIMIT ?3";
    let names = sql::rows(tx, oldest, params![who.number(), before, most], |row| {
        row.text(0)
    })?;
    let mut gone = 0_u64;
    for name in &names {
        let delete = "DELETE FROM acquaintance WHERE kind = ?1 AND name = ?2";
        gone = gone.saturating_add(tx.execute(delete, params![who.number(), name])?);
    }
    Ok(gone)
}

/// Whether there are some of these that did not come since `before`.
///
/// # Errors
/// When the database fails.
pub fn is_due(sql: &mut dyn Sql, who: Who, before: Timestamp) -> Result<bool, Error> {
    let find = "SELECT 1 FROM acquaintance WHERE kind = ?1 AND last_at < ?2 LIMIT 1";
    Ok(sql::first(sql, find, params![who.number(), before], |_| Ok(()))?.is_some())
}

/// How many are remembered.
///
/// # Errors
/// When the database fails.
pub fn count(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = "SELECT COUNT(*) FROM acquaintance";
    let found = sql::first(sql, count, &[], |row| row.count(0))?;
    Ok(found.unwrap_or(0))
}

fn faded(weight: i64, then: Timestamp, now: Timestamp) -> i64 {
    let age = now.duration_since(then).as_secs_f64().max(0.0);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "at most MOST"
    )]
    let left = (weight.clamp(0, MOST) as f64 * (-age / HALVED.as_secs_f64()).exp2()).round() as i64;
    left
}
