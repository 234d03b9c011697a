//! Times as feeds write them.

use std::cmp::Ordering;

use jiff::{Timestamp, civil, tz::TimeZone};

/// When a feed says that it or a record was made: a date or a time, as its format has it. `None`: it does not say.
pub(super) fn made(written: &str) -> Option<Timestamp> {
    if let Ok(at) = written.parse::<Timestamp>() {
        return Some(at);
    }
    // Some have no zone: that of UTC is at most half a day wrong.
    let at = written.parse::<civil::DateTime>().ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// The day that is written there, wherever it is: `2024-03-01T…`, or `2024/03/01` as VULDEF has it.
fn day(written: &str) -> Option<civil::Date> {
    written.get(..10)?.replace('/', "-").parse().ok()
}

/// How the times of two states of a record compare; where one has the day alone, by the days. `None`: one does not say.
pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    let has_time = one.len() > 10 && other.len() > 10;
    if let (true, Some(one), Some(other)) = (has_time, made(one), made(other)) {
        return Some(one.cmp(&other));
    }
    Some(day(one)?.cmp(&day(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_a_record_are_told_apart_by_time_or_by_day() {
        for (one, other, expected) in [
            (
                "2024-03-01T09:30:00+09:00",
                "2024-03-01T00:30:00Z",
                Some(Ordering::Equal),
            ),
            (
                "2024-03-01T09:30:00+09:00",
                "2024-03-01T09:30:00Z",
                Some(Ordering::Less),
            ),
            (
                "2024-03-02T00:00:00.000",
                "2024-03-01T09:30:00Z",
                Some(Ordering::Greater),
            ),
            (
                "2024/03/01",
                "2024-03-01T09:30:00+09:00",
                Some(Ordering::Equal),
            ),
            ("2024/02/29", "2024/03/01", Some(Ordering::Less)),
            ("2024-03-01", "", None),
            ("", "", None),
            ("once upon a time", "2024-03-01", None),
        ] {
            assert_eq!(compare(one, other), expected, "{one} {other}");
        }
    }
}
