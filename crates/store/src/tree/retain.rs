//! How long volumes are kept (clause 4.2(3)): as long as the longest time that was in force while they were written, and as time is told
//! by more than the clock of one moment.

use jiff::{SignedDuration, Timestamp};

use super::volume::Volume;
use crate::{
    Error, Tx, params,
    sql::{self, Sql},
};

/// The row of `meta` with the times in force since the newest volume, ascending: `microseconds:years`, with spaces between.
const ROW: &str = "retention";
/// Between two checkpoints no more time counts as passed than this: a clock that is set years ahead makes no volume due. A server
/// that stood still for longer keeps its volumes by so much longer.
pub const MOST_BETWEEN: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Notes from when on volumes are to be kept for so many years: in the commit that puts the setting in force.
///
/// # Errors
/// When the database fails.
pub fn note_retention(tx: &mut Tx<'_>, years: u16) -> Result<(), Error> {
    let now = tx.now();
    let mut noted = read(tx)?;
    if noted.last().is_none_or(|(_, last)| *last != years) {
        noted.push((now, years));
        write(tx, &noted)?;
    }
    Ok(())
}

/// The longest time that was in force at some time from `from` to `to`; `None`: nothing was noted for then.
pub(super) fn longest(
    sql: &mut dyn Sql,
    (from, to): (Timestamp, Timestamp),
) -> Result<Option<u16>, Error> {
    let noted = read(sql)?;
    let began = noted.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
    let then = noted.iter().skip(began).filter(|(at, _)| *at <= to);
    Ok(then.map(|(_, years)| *years).max())
}

/// Forgets what was in force before `at` alone.
pub(super) fn forget_before(tx: &mut Tx<'_>, at: Timestamp) -> Result<(), Error> {
    let noted = read(tx)?;
    match noted.iter().rposition(|(noted, _)| *noted <= at) {
        Some(first) if first > 0 => {
            let kept: Vec<_> = noted.into_iter().skip(first).collect();
            write(tx, &kept)
        }
        _ => Ok(()),
    }
}

fn read(sql: &mut dyn Sql) -> Result<Vec<(Timestamp, u16)>, Error> {
    let find = "SELECT value FROM meta WHERE name = ?1";
    let text = sql::first(sql, find, params![ROW], |row| row.text(0))?.unwrap_or_default();
    let one = |entry: &str| {
        let (at, years) = entry.split_once(':')?;
        let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
        Some((at, years.parse().ok()?))
    };
    let noted: Option<Vec<_>> = text.split_whitespace().map(one).collect();
    noted.ok_or_else(|| Error::Corrupt(format!("meta: {ROW} is {text:?}")))
}

fn write(tx: &mut Tx<'_>, noted: &[(Timestamp, u16)]) -> Result<(), Error> {
    let entries = noted
        .iter()
        .map(|(at, years)| format!("{}:{years}", at.as_microsecond()));
    let text = entries.collect::<Vec<_>>().join(" ");
    let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(put, params![ROW, &text])?;
    Ok(())
}

/// Whether a volume need not be kept longer: its time is over by the clock, and by what the checkpoints since tell of how time passed.
///
/// # Errors
/// When the database fails.
pub fn is_due(sql: &mut dyn Sql, volume: &Volume, now: Timestamp) -> Result<bool, Error> {
    if volume.retain_until > now {
        return Ok(false);
    }
    let most = i64::try_from(MOST_BETWEEN.as_micros()).unwrap_or(i64::MAX);
    let count = "SELECT COALESCE(SUM(MIN(at - before, ?2)), 0), COALESCE(MAX(at), ?1) FROM
                 (SELECT at, LAG(at, 1, ?1) OVER (ORDER BY size) AS before FROM checkpoint WHERE at >= ?1)";
    let passed = sql::first(sql, count, params![volume.to, most], |row| {
        Ok((row.int(0)?, row.int(1)?))
    })?;
    let (passed, last) = passed.unwrap_or((0, volume.to.as_microsecond()));
    let since = now.as_microsecond().saturating_sub(last).clamp(0, most);
    let kept = passed.saturating_add(since);
    let wanted = volume
        .retain_until
        .as_microsecond()
        .saturating_sub(volume.to.as_microsecond());
    Ok(kept >= wanted)
}
