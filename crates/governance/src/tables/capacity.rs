//! What mailboxes took when periods began.

use jiff::Timestamp;
use store::{
    Error, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::maybe_time;

/// All mailboxes, at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) period: String,
    pub(crate) measured_at: Timestamp,
    pub(crate) mailboxes: u64,
    pub(crate) octets: u64,
    pub(crate) messages: u64,
    pub(crate) disk_free: Option<u64>,
    pub(crate) disk_size: Option<u64>,
}

/// A mailbox now, and at an earlier time.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) identifier: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) octets: u64,
    pub(crate) messages: u64,
    pub(crate) quota: Option<u64>,
    /// What it took when the earlier period began; `None`: nothing.
    pub(crate) before: Option<u64>,
    /// What it took, and its quota, at the last measure.
    pub(crate) last: Option<(u64, Option<u64>)>,
}

fn maybe_count(row: &dyn Row, column: usize) -> Result<Option<u64>, Error> {
    match row.maybe_int(column)? {
        None => Ok(None),
        Some(_) => row.count(column).map(Some),
    }
}

/// As a column holds it.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The newest `most` measures, the newest first.
pub(crate) fn totals(sql: &mut dyn Sql, most: u32) -> Result<Vec<Total>, Error> {
    let find = "SELECT period, measured_at, mailboxes, octets, messages, disk_free, disk_size FROM capacity
        ORDER BY measured_at DESC LIMIT ?1";
    rows(sql, find, params![most], |row| {
        Ok(Total {
            period: row.text(0)?,
            measured_at: row.time(1)?,
            mailboxes: row.count(2)?,
            octets: row.count(3)?,
            messages: row.count(4)?,
            disk_free: maybe_count(row, 5)?,
            disk_size: maybe_count(row, 6)?,
        })
    })
}

/// How many mailboxes there are, their octets and their messages.
pub(crate) fn now(sql: &mut dyn Sql) -> Result<(u64, u64, u64), Error> {
    let find = "SELECT COUNT(*), COALESCE(SUM(u.bytes), 0), COALESCE(SUM(u.messages), 0) FROM account_usage u
        JOIN account a ON a.id = u.account WHERE a.state <> 'deleted'";
    let read = |row: &dyn Row| Ok((row.count(0)?, row.count(1)?, row.count(2)?));
    Ok(first(sql, find, &[], read)?.unwrap_or_default())
}

/// Every mailbox now, and as it was in the periods `before` and `last`, the largest first.
pub(crate) fn mailboxes(
    sql: &mut dyn Sql,
    before: &str,
    last: &str,
) -> Result<Vec<Mailbox>, Error> {
    let find = "SELECT a.identifier, a.issued_at, u.bytes, u.messages, u.quota, b.octets, l.octets, l.quota FROM account_usage u
        JOIN account a ON a.id = u.account
        LEFT JOIN capacity_mailbox b ON b.account = a.id AND b.period = ?1
        LEFT JOIN capacity_mailbox l ON l.account = a.id AND l.period = ?2
        WHERE a.state <> 'deleted' ORDER BY u.bytes DESC, a.id";
    rows(sql, find, params![before, last], |row| {
        let last = match maybe_count(row, 6)? {
            None => None,
            Some(octets) => Some((octets, maybe_count(row, 7)?)),
        };
        Ok(Mailbox {
            identifier: row.text(0)?,
            issued_at: maybe_time(row, 1)?.unwrap_or(Timestamp::MIN),
            octets: row.count(2)?,
            messages: row.count(3)?,
            quota: maybe_count(row, 4)?,
            before: maybe_count(row, 5)?,
            last,
        })
    })
}

/// Enters what all mailboxes take now, in sum and each.
pub(crate) fn measure(tx: &mut Tx<'_>, total: &Total) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO capacity (period, measured_at, mailboxes, octets, messages, disk_free, disk_size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            &total.period,
            total.measured_at,
            whole(total.mailboxes),
            whole(total.octets),
            whole(total.messages),
            total.disk_free.map(whole),
            total.disk_size.map(whole)
        ],
    )?;
    tx.execute(
        "INSERT INTO capacity_mailbox (period, account, octets, messages, quota)
         SELECT ?1, u.account, u.bytes, u.messages, u.quota FROM account_usage u JOIN account a ON a.id = u.account
         WHERE a.state <> 'deleted' AND u.bytes > 0",
        params![&total.period],
    )?;
    Ok(())
}

/// Gives up what single mailboxes took in periods that were measured before `before`; how many rows.
pub(crate) fn drop_old(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    let delete = "DELETE FROM capacity_mailbox WHERE period IN (SELECT period FROM capacity WHERE measured_at < ?1)";
    tx.execute(delete, params![before])
}
