//! `[traffic]`: the normal state of traffic, and deviation from it (clause 4.4).

use std::time::Duration;

use governance::traffic::Options;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;
use traffic::{Calendar, Closed, HarmRules, Rules};

use super::{SettingsError, Time, policy::At};

const DAY: Duration = Duration::from_secs(86_400);

/// `[traffic]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrafficKeys {
    /// How often the trail is followed and the last sixty minutes are judged.
    pub(crate) look: Spanned<Time>,
    /// From so many weeks it is learned what is usual.
    pub(crate) weeks: Spanned<u32>,
    /// How long hours are kept before they are folded into days.
    pub(crate) keep_hours: Spanned<Time>,
    /// How long days are kept.
    pub(crate) keep_days: Spanned<Time>,
    /// National holidays: `japan` or `none`.
    pub(crate) holidays: Spanned<String>,
    /// Days on which the site is closed besides.
    pub(crate) closed: Vec<Spanned<String>>,
    /// A deviation is large from so many times what is usual.
    pub(crate) times: Spanned<u16>,
    /// And from so many spreads away from it.
    pub(crate) spreads: Spanned<u16>,
    /// And from so many messages, recipients, refusals or proofs away from it in an hour.
    pub(crate) least: Spanned<u64>,
    /// How long it lasts until it is believed.
    pub(crate) rise: Time,
    /// How long it stays away until it is over.
    pub(crate) fall: Time,
    /// Service suffers from so many recipients in the queue.
    pub(crate) queue: Spanned<u64>,
    /// When mail that is due was not tried for so long.
    pub(crate) overdue: Spanned<Time>,
    /// When a commit takes so long, on average of a minute.
    pub(crate) commit: Spanned<Time>,
    /// When so much is put off in an hour for the server's own trouble.
    pub(crate) trouble: Spanned<u64>,
    /// When so much is turned away in an hour by the budgets for floods.
    pub(crate) turned_away: Spanned<u64>,
    /// When so much of the disk is left, in hundredths.
    pub(crate) disk_free_percent: Spanned<u8>,
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

impl Default for TrafficKeys {
    fn default() -> Self {
        Self {
            look: spanned(Time::seconds(60)),
            weeks: spanned(12),
            keep_hours: spanned(Time(400 * DAY)),
            keep_days: spanned(Time(3650 * DAY)),
            holidays: spanned("japan".to_owned()),
            closed: vec![spanned("12-29..01-03".to_owned())],
            times: spanned(3),
            spreads: spanned(6),
            least: spanned(100),
            rise: Time::seconds(60),
            fall: Time::seconds(1800),
            queue: spanned(500),
            overdue: spanned(Time::seconds(300)),
            commit: spanned(Time::seconds(1)),
            trouble: spanned(20),
            turned_away: spanned(500),
            disk_free_percent: spanned(5),
        }
    }
}

impl TrafficKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        let bounds = |is_good: bool, span: std::ops::Range<usize>, reason: &str| match is_good {
            true => Ok(()),
            false => Err(at(span, reason.to_owned())),
        };
        let look = self.look.get_ref().0;
        bounds(
            (Duration::from_secs(1)..=Duration::from_secs(300)).contains(&look),
            self.look.span(),
            "look lies between 1s and 5m",
        )?;
        bounds(
            (1..=104).contains(self.weeks.get_ref()),
            self.weeks.span(),
            "weeks lies between 1 and 104",
        )?;
        // Where it is not said how long hours are kept, the weeks are what is wrong.
        let written = match self.keep_hours.span() {
            std::ops::Range { start: 0, end: 0 } => self.weeks.span(),
            span => span,
        };
        bounds(
            self.keep_hours.get_ref().0 >= *self.weeks.get_ref() * 7 * DAY,
            written,
            "keep_hours is at least the weeks from which it is learned what is usual",
        )?;
        bounds(
            self.keep_days.get_ref().0 >= self.keep_hours.get_ref().0
                && self.keep_days.get_ref().0 <= 36_500 * DAY,
            self.keep_days.span(),
            "keep_days lies between keep_hours and 36500d",
        )?;
        bounds(
            ["japan", "none"].contains(&self.holidays.get_ref().as_str()),
            self.holidays.span(),
            "holidays is japan or none",
        )?;
        for closed in &self.closed {
            closed
                .get_ref()
                .parse::<Closed>()
                .map_err(|reason| at(closed.span(), reason))?;
        }
        for (name, number) in [("times", &self.times), ("spreads", &self.spreads)] {
            bounds(
                (2..=1000).contains(number.get_ref()),
                number.span(),
                &format!("{name} lies between 2 and 1000"),
            )?;
        }
        for (name, number) in [
            ("least", &self.least),
            ("queue", &self.queue),
            ("trouble", &self.trouble),
            ("turned_away", &self.turned_away),
        ] {
            bounds(
                (1..=1_000_000_000).contains(number.get_ref()),
                number.span(),
                &format!("{name} lies between 1 and 1000000000"),
            )?;
        }
        for (name, time) in [("overdue", &self.overdue), ("commit", &self.commit)] {
            bounds(
                !time.get_ref().0.is_zero(),
                time.span(),
                &format!("{name} is more than nothing"),
            )?;
        }
        bounds(
            *self.disk_free_percent.get_ref() <= 90,
            self.disk_free_percent.span(),
            "disk_free_percent is at most 90",
        )
    }

    /// The days on which people work.
    pub(crate) fn calendar(&self) -> Calendar {
        let closed = self.closed.iter();
        Calendar {
            japan: self.holidays.get_ref() == "japan",
            closed: closed
                .filter_map(|text| text.get_ref().parse().ok())
                .collect(),
        }
    }

    /// For the watch over traffic.
    pub(crate) fn options(&self, own: Vec<String>, zone: TimeZone) -> Options {
        Options {
            rules: Rules {
                times: f64::from(*self.times.get_ref()),
                spreads: f64::from(*self.spreads.get_ref()),
                least: *self.least.get_ref(),
                rise: self.rise.0,
                fall: self.fall.0,
                harm: HarmRules {
                    queue: *self.queue.get_ref(),
                    overdue: self.overdue.get_ref().0,
                    commit: self.commit.get_ref().0,
                    trouble: *self.trouble.get_ref(),
                    turned_away: *self.turned_away.get_ref(),
                    disk_free: u64::from(*self.disk_free_percent.get_ref()) * 10,
                },
            },
            calendar: self.calendar(),
            zone,
            weeks: *self.weeks.get_ref(),
            keep_hours: self.keep_hours.get_ref().0,
            keep_days: self.keep_days.get_ref().0,
            own,
        }
    }
}
