//! What the checks of clauses 4.4(1) and 4.4(2) are told.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{Error, Snapshot, traffic as table};
use traffic::State;

use super::{Options, begin_of, counts_of, normal_at};

/// How long after the end of the last hour that was recorded others are missing.
const LATE: SignedDuration = SignedDuration::from_hours(3);
/// Hours of a week.
const WEEK: i64 = 7 * 24;
/// Rows of a week at most.
const MOST_ROWS: usize = 7 * 24;

/// How the watch over traffic stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// How traffic is; `unknown` where nothing was counted yet.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Begin of the last hour that was recorded.
    pub last_hour: Option<Timestamp>,
    /// Whether an hour that is over should have been recorded, and is not: the watch does not run.
    pub is_late: bool,
    /// In how much of the last week the server ran and looked, in hundredths.
    pub observed: u32,
    /// Of how many hours of the week (and of holidays) it is known what is usual, in hundredths.
    pub known: u32,
    /// From how many hours that was learned.
    pub learned_from: usize,
    /// The incident that is open about a deviation, if there is one.
    pub incident: Option<i64>,
}

/// How it stands at `now`.
///
/// # Errors
/// When the database fails.
pub fn standing(
    snapshot: &mut Snapshot<'_>,
    options: &Options,
    now: Timestamp,
) -> Result<Standing, Error> {
    let mark = table::mark(snapshot)?;
    let hour = table::hour(now);
    let week = table::list(snapshot, (hour.saturating_sub(WEEK), hour), MOST_ROWS)?;
    let minutes: u64 = week
        .iter()
        .filter_map(|span| counts_of(span).ok())
        .map(|counts| u64::from(counts.minutes.min(60)))
        .sum();
    let last = table::last_closed(snapshot)?;
    let over = last
        .as_ref()
        .map(|span| begin_of(span.hour.saturating_add(span.hours)));
    let over = over.transpose()?;
    let last_hour = last.map(|span| begin_of(span.hour)).transpose()?;
    let normal = normal_at(snapshot, options, hour)?;
    let state = mark
        .as_ref()
        .map_or(State::Unknown, |mark| state_of(&mark.state));
    Ok(Standing {
        state,
        since: mark.map(|mark| mark.since),
        last_hour,
        is_late: over.is_none_or(|over| now.duration_since(over) > LATE),
        observed: u32::try_from(minutes.saturating_mul(100) / (60 * WEEK.unsigned_abs()))
            .unwrap_or(100),
        known: normal.known_share(),
        learned_from: normal.hours(),
        incident: directory::alarm::open_dos_number(snapshot)?,
    })
}

/// The state of that name; one that nobody wrote is unknown.
pub(super) fn state_of(name: &str) -> State {
    let mut all = [State::Normal, State::Unusual, State::Alarm].into_iter();
    all.find(|state| state.as_str() == name)
        .unwrap_or(State::Unknown)
}
