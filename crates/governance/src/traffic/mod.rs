//! Traffic at work (clause 4.4): hours are counted from the trail, held against what is usual, and judged with how the service does.
//!
//! [`Collector`] follows the trail: what it counted, up to which event, and what came of it (an hour that is over, another state, an
//! incident) is one commit, so each event counts once and no alarm is lost, whatever crashes. What the server alone knows of its service
//! is handed in as figures. [`command`] shows it; [`standing`] tells the clauses' checks of it.

mod collect;
pub mod command;
mod count;
mod fold;
mod standing;

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use store::{Error, traffic::Span};
use traffic::{Calendar, Counts, Normal, Rules, Slot};

pub use collect::{Collector, Look};
pub use standing::{Standing, standing};

/// How traffic is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// When something is a deviation, and when service suffers.
    pub rules: Rules,
    /// Which days are working days.
    pub calendar: Calendar,
    /// The time zone of the calendar.
    pub zone: TimeZone,
    /// From so many weeks it is learned what is usual.
    pub weeks: u32,
    /// How long hours are kept; then they are folded into days.
    pub keep_hours: Duration,
    /// How long days are kept.
    pub keep_days: Duration,
    /// The site's domains, in lower case.
    pub own: Vec<String>,
}

/// The beginning of an hour that is counted from 1970.
///
/// # Errors
/// When there is no such time.
pub fn begin_of(hour: i64) -> Result<Timestamp, Error> {
    let second = hour.saturating_mul(traffic::series::HOUR);
    Timestamp::from_second(second)
        .map_err(|error| Error::Corrupt(format!("the hour {hour}: {error}")))
}

/// What a row holds. A damaged one is an error that names it.
fn counts_of(span: &Span) -> Result<Counts, Error> {
    serde_json::from_str(&span.content)
        .map_err(|error| Error::Corrupt(format!("the traffic of the hour {}: {error}", span.hour)))
}

/// Counts as a row.
fn span_of(hour: i64, hours: i64, closed: bool, counts: &Counts) -> Result<Span, Error> {
    let content = serde_json::to_string(counts)
        .map_err(|error| Error::Corrupt(format!("the traffic of the hour {hour}: {error}")))?;
    Ok(Span {
        hour,
        hours,
        closed,
        content,
    })
}

/// Rows that are read at a time.
const PAGE: usize = 1000;

/// Learns what is usual at an hour from the weeks before it. Rows that cannot be read teach nothing; `verify` tells of them.
///
/// # Errors
/// When the database fails.
pub fn normal_at(
    sql: &mut dyn store::sql::Sql,
    options: &Options,
    hour: i64,
) -> Result<Normal, Error> {
    let mut normal = Normal::default();
    let mut from = hour.saturating_sub(i64::from(options.weeks).saturating_mul(7 * 24));
    loop {
        let spans = store::traffic::list(sql, (from, hour), PAGE)?;
        for span in spans.iter().filter(|span| span.closed && span.hours == 1) {
            if let Ok(counts) = counts_of(span) {
                let slot = Slot::of(begin_of(span.hour)?, &options.zone, &options.calendar);
                normal.learn(slot, &counts);
            }
        }
        match spans.last() {
            Some(last) if spans.len() == PAGE => from = last.hour.saturating_add(1),
            _ => return Ok(normal),
        }
    }
}
