//! Which feeds the time has come for, by what the store knows of each: so a run that did not end is gone on with.

use governance::vuln::FeedStanding;
use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

use crate::{probing::daily::is_due, settings::FeedKeys};

/// How long after a feed that could not be read it is tried again.
const AGAIN: SignedDuration = SignedDuration::from_mins(60);

/// The feeds to be read now: those that were never tried, that were not tried since the time of the day, or that failed an hour ago.
pub(super) fn feeds(
    all: Vec<FeedKeys>,
    known: &[FeedStanding],
    time: Time,
    now: Timestamp,
    zone: &TimeZone,
) -> Vec<FeedKeys> {
    let is_wanted = |keys: &FeedKeys| {
        if keys.url.is_none() && keys.file.is_none() {
            return false;
        }
        let feed = known.iter().find(|feed| feed.name == keys.name);
        let Some((feed, tried)) = feed.and_then(|feed| Some((feed, feed.tried_at?))) else {
            return true;
        };
        is_due(time, tried, now, zone) || (feed.failed && now.duration_since(tried) >= AGAIN)
    };
    all.into_iter().filter(is_wanted).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use advisory::feed::Format;

    use super::*;

    /// The server stopped after the first feed of the day: the others are read, the one that failed when its hour is over.
    #[test]
    fn a_run_that_did_not_end_is_gone_on_with() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let keys = |name: &str| FeedKeys {
            name: name.to_owned(),
            format: Format::Osv,
            url: Some("https://example.jp/".to_owned()),
            file: None,
        };
        let tried = |name: &str, when: &str, failed| FeedStanding {
            name: name.to_owned(),
            tried_at: Some(at(when)),
            failed,
            good_at: None,
            skipped: 0,
            trouble: None,
        };
        let known = [
            tried("first", "2026-09-02T03:00:05Z", false),
            tried("failed", "2026-09-02T03:00:10Z", true),
            tried("large", "2026-09-01T03:01:00Z", false),
        ];
        let due = |now: &str| -> Vec<String> {
            let all = ["first", "failed", "large", "new"].map(keys).to_vec();
            let time = Time::constant(3, 0, 0, 0);
            let found = feeds(all, &known, time, at(now), &TimeZone::UTC);
            found.into_iter().map(|keys| keys.name).collect()
        };
        assert_eq!(due("2026-09-02T03:10:00Z"), ["large", "new"]);
        assert_eq!(due("2026-09-02T04:00:10Z"), ["failed", "large", "new"]);
        assert_eq!(
            due("2026-09-03T03:00:00Z"),
            ["first", "failed", "large", "new"]
        );
    }
}
