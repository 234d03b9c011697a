//! How much each account submits by hour, and whose submissions are held.

use jiff::Timestamp;
use store::{
    AccountId, Error, Tx, params,
    sql::{Sql, first, rows},
};

/// One hour of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    /// Since 1970 (UTC).
    pub(crate) hour: i64,
    pub(crate) messages: u64,
    pub(crate) recipients: u64,
    /// The trail has that a limit was met in it.
    pub(crate) told: bool,
    /// Messages and recipients that were usual when it began, once that was asked for.
    pub(crate) usual: Option<(u64, u64)>,
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The hours of an account from `from` on, ascending.
pub(crate) fn since(sql: &mut dyn Sql, account: AccountId, from: i64) -> Result<Vec<Hour>, Error> {
    let find =
        "SELECT hour, messages, recipients, told, usual_messages, usual_recipients FROM submitted
                WHERE account = ?1 AND hour >= ?2 ORDER BY hour";
    rows(sql, find, params![account, from], |row| {
        let usual = row.maybe_int(4)?.zip(row.maybe_int(5)?);
        Ok(Hour {
            hour: row.int(0)?,
            messages: whole(row.int(1)?),
            recipients: whole(row.int(2)?),
            told: row.int(3)? != 0,
            usual: usual.map(|(messages, recipients)| (whole(messages), whole(recipients))),
        })
    })
}

/// Messages and recipients of each hour before `to` that counts for the habit, from `from` on.
pub(crate) fn habit(
    sql: &mut dyn Sql,
    account: AccountId,
    (from, to): (i64, i64),
) -> Result<Vec<(u64, u64)>, Error> {
    let find = "SELECT messages, recipients FROM submitted
                WHERE account = ?1 AND hour >= ?2 AND hour < ?3 AND apart = 0 AND messages > 0";
    rows(sql, find, params![account, from, to], |row| {
        Ok((whole(row.int(0)?), whole(row.int(1)?)))
    })
}

/// Adds to an hour.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    account: AccountId,
    hour: i64,
    (messages, recipients): (u64, u64),
) -> Result<(), Error> {
    let put = "INSERT INTO submitted (account, hour, messages, recipients, apart, told) VALUES (?1, ?2, ?3, ?4, 0, 0)
               ON CONFLICT (account, hour) DO UPDATE SET messages = submitted.messages + excluded.messages,
               recipients = submitted.recipients + excluded.recipients";
    let (messages, recipients) = (signed(messages), signed(recipients));
    tx.execute(put, params![account, hour, messages, recipients])?;
    Ok(())
}

/// Keeps what was usual when the hour began.
pub(crate) fn keep_usual(
    tx: &mut Tx<'_>,
    account: AccountId,
    hour: i64,
    (messages, recipients): (u64, u64),
) -> Result<(), Error> {
    let put = "UPDATE submitted SET usual_messages = ?3, usual_recipients = ?4 WHERE account = ?1 AND hour = ?2";
    let (messages, recipients) = (signed(messages), signed(recipients));
    tx.execute(put, params![account, hour, messages, recipients])?;
    Ok(())
}

/// An hour is no part of the habit.
pub(crate) fn set_apart(tx: &mut Tx<'_>, account: AccountId, hour: i64) -> Result<(), Error> {
    let put = "UPDATE submitted SET apart = 1 WHERE account = ?1 AND hour = ?2 AND apart = 0";
    tx.execute(put, params![account, hour])?;
    Ok(())
}

/// What was apart from `hour` on is part of the habit after all.
pub(crate) fn count_again(tx: &mut Tx<'_>, account: AccountId, hour: i64) -> Result<(), Error> {
    let put = "UPDATE submitted SET apart = 0 WHERE account = ?1 AND hour >= ?2";
    tx.execute(put, params![account, hour])?;
    Ok(())
}

/// Notes that the trail has of a limit that was met in this hour; `false`: it had before.
pub(crate) fn tell(tx: &mut Tx<'_>, account: AccountId, hour: i64) -> Result<bool, Error> {
    let put = "INSERT INTO submitted (account, hour, messages, recipients, apart, told) VALUES (?1, ?2, 0, 0, 0, 1)
               ON CONFLICT (account, hour) DO UPDATE SET told = 1 WHERE submitted.told = 0";
    Ok(tx.execute(put, params![account, hour])? > 0)
}

/// Forgets the hours of an account before `hour`.
pub(crate) fn forget_before(tx: &mut Tx<'_>, account: AccountId, hour: i64) -> Result<(), Error> {
    let delete = "DELETE FROM submitted WHERE account = ?1 AND hour < ?2";
    tx.execute(delete, params![account, hour])?;
    Ok(())
}

/// Forgets all of an account.
pub(crate) fn delete_all(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute("DELETE FROM submitted WHERE account = ?1", params![account])?;
    let delete = "DELETE FROM submission_hold WHERE account = ?1";
    tx.execute(delete, params![account])?;
    Ok(())
}

/// How it stands with an account's submissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    /// They are held for this incident.
    pub(crate) incident: Option<i64>,
    /// Until then nothing is compared with the habit.
    pub(crate) excused_until: Option<Timestamp>,
}

pub(crate) fn hold(sql: &mut dyn Sql, account: AccountId) -> Result<Hold, Error> {
    let find = "SELECT incident, excused_until FROM submission_hold WHERE account = ?1";
    let found = first(sql, find, params![account], |row| {
        Ok(Hold {
            incident: row.maybe_int(0)?,
            excused_until: super::maybe_time(row, 1)?,
        })
    })?;
    Ok(found.unwrap_or_default())
}

pub(crate) fn put_hold(tx: &mut Tx<'_>, account: AccountId, hold: Hold) -> Result<(), Error> {
    let put = "INSERT INTO submission_hold (account, incident, excused_until) VALUES (?1, ?2, ?3)
               ON CONFLICT (account) DO UPDATE SET incident = excluded.incident, excused_until = excluded.excused_until";
    tx.execute(put, params![account, hold.incident, hold.excused_until])?;
    Ok(())
}
