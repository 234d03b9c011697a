//! How long the trail is, and what room it will need (clause 4.2(2)).

use jiff::{SignedDuration, Timestamp};

use super::{COLUMNS, Signed, count, entry, latest, tile};
use crate::{
    Error, event, params,
    sql::{self, Sql},
};

/// The time by which it is measured how fast the trail grows.
const LATELY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Events by which it is measured how large one is.
const SAMPLE: i64 = 200;
/// Octets that an event takes beside its text: row, leaf, and what it is found by.
const BESIDE: u64 = 220;

/// How long the trail is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Length {
    /// Events that checkpoints tell of.
    pub events: u64,
    /// The last checkpoint.
    pub checkpoint: Option<Signed>,
    /// Events of the last 30 days, or since the first if that is less.
    pub lately: u64,
    /// Octets that the events of a year will take at that rate, about.
    pub octets_a_year: u64,
}

/// Measures the trail as it is `now`.
///
/// # Errors
/// When the database fails.
pub fn length(sql: &mut dyn Sql, now: Timestamp) -> Result<Length, Error> {
    let events = count(sql)?;
    let from = now.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
    let first = event::first_at(sql, from)?;
    let place = match first {
        Some(first) => tile::place_of(sql, first)?,
        None => None,
    };
    let lately = place.map_or(0, |place| events.saturating_sub(place));
    let began = first.map(|first| {
        let at = "SELECT at FROM event WHERE id = ?1";
        sql::first(sql, at, params![first], |row| row.time(0))
    });
    let began = began.transpose()?.flatten().unwrap_or(now);
    // A trail that began today tells of no more than a day.
    let days = (now.duration_since(began).as_hours() / 24).clamp(1, 30);
    let a_year = lately.saturating_mul(365) / u64::try_from(days).unwrap_or(1);
    Ok(Length {
        events,
        checkpoint: latest(sql)?,
        lately,
        octets_a_year: a_year.saturating_mul(octets(sql)?),
    })
}

/// Octets that an event takes, by the last ones.
fn octets(sql: &mut dyn Sql) -> Result<u64, Error> {
    let list = format!("SELECT {COLUMNS} FROM event ORDER BY id DESC LIMIT ?1");
    let lines = sql::rows(sql, &list, params![SAMPLE], |row| {
        Ok(entry(row)?.line().len() as u64)
    })?;
    let all: u64 = lines.iter().sum();
    let mean = all.checked_div(lines.len() as u64).unwrap_or(0);
    Ok(mean.saturating_add(BESIDE))
}
