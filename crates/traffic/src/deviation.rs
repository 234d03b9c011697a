//! Whether the last hour differs from what is usual, and whether service suffers.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Counts, Gauge, Normal, Series, Slot,
    normal::{Basis, real},
};

/// What is held against what is usual.
pub const WATCHED: &[Series] = &[
    Series::InAccepted,
    Series::InOctets,
    Series::InRefusedRecipient,
    Series::InRefused,
    Series::TurnedAway,
    Series::Submitted,
    Series::SubmissionRefused,
    Series::Relayed,
    Series::Deferred,
    Series::Bounced,
    Series::BouncesIn,
    Series::LoginsFailed,
];
/// What is missed when it stays away.
const MISSED: &[Series] = &[Series::InAccepted, Series::Submitted];
/// Octets count as so many messages fewer where a deviation has to be a number of messages.
const OCTETS_A_MESSAGE: f64 = 50_000.0;

/// How traffic is, in the order in which it is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing differs, and service does not suffer from it.
    Normal,
    /// What is usual is not yet known, or the server could not look: neither normal nor not.
    Unknown,
    /// It differs much from what is usual, and service does not suffer.
    Unusual,
    /// It differs much, and service suffers (clause 4.4(2)).
    Alarm,
}

impl State {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Unknown => "unknown",
            Self::Unusual => "unusual",
            Self::Alarm => "alarm",
        }
    }
}

/// When a deviation is large, and when service suffers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// A deviation is large from so many times what is usual (or, of what stays away, under that part of it). Default 3.
    pub times: f64,
    /// And from so many spreads away from it. Default 6.
    pub spreads: f64,
    /// And from so many messages, recipients, refusals or proofs away from it in an hour. Default 100.
    pub least: u64,
    /// How long it has to last until it is believed. Default 1 minute.
    pub rise: Duration,
    /// How long it has to stay away until it is over. Default 30 minutes.
    pub fall: Duration,
    /// When service suffers.
    pub harm: HarmRules,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            times: 3.0,
            spreads: 6.0,
            least: 100,
            rise: Duration::from_secs(60),
            fall: Duration::from_secs(1800),
            harm: HarmRules::default(),
        }
    }
}

/// From when on service suffers; each bound by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HarmRules {
    /// So many recipients are in the queue. Default 500.
    pub queue: u64,
    /// Mail that is due was not tried for so long. Default 5 minutes.
    pub overdue: Duration,
    /// A commit takes so long, on average of a minute. Default 1 second.
    pub commit: Duration,
    /// So much is put off in an hour for the server's own trouble. Default 20.
    pub trouble: u64,
    /// So much is turned away in an hour by the budgets for floods. Default 500.
    pub turned_away: u64,
    /// The disk has so many thousandths left, or fewer. Default 50.
    pub disk_free: u64,
}

impl Default for HarmRules {
    fn default() -> Self {
        Self {
            queue: 500,
            overdue: Duration::from_secs(300),
            commit: Duration::from_secs(1),
            trouble: 20,
            turned_away: 500,
            disk_free: 50,
        }
    }
}

/// What is looked at: the last sixty minutes, of which a part lies in the hour before.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The hour that is not over.
    pub current: &'a Counts,
    /// Where it is in the week.
    pub slot: Slot,
    /// Which part of it is over, from 0 to 1.
    pub passed: f64,
    /// The hour before and where it is in the week; `None`: it was not observed, so that only the current one counts, against what
    /// is usual of all of it.
    pub before: Option<(&'a Counts, Slot)>,
    /// The figures of this minute.
    pub figures: &'a BTreeMap<Gauge, u64>,
}

/// A series that differs much from what is usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// Which.
    pub series: Series,
    /// How much was seen in the last sixty minutes.
    pub seen: u64,
    /// How much is usual.
    pub expected: u64,
    /// How many times that is, in tenths; in relation to 1 where nothing is usual.
    pub tenfold: u64,
    /// From how many hours it is known what is usual.
    pub hours: usize,
    /// Which hours they were, as [`Basis`] names them.
    pub basis: String,
}

/// A figure by which service suffers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harm {
    /// Which: a [`Gauge`], `trouble` or `turned-away`.
    pub what: String,
    /// How it is.
    pub value: u64,
    /// From where on service suffers.
    pub bound: u64,
}

/// What was found of the last sixty minutes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assessment {
    /// How it is by itself, before it is waited whether it lasts.
    pub state: State,
    /// What differs much.
    pub deviations: Vec<Deviation>,
    /// By what service suffers, whether or not anything differs.
    pub harms: Vec<Harm>,
}

/// Looks at the last sixty minutes.
#[must_use]
pub fn assess(window: &Window<'_>, normal: &Normal, rules: &Rules) -> Assessment {
    let harms = harms(window, &rules.harm);
    let is_known =
        normal.knows(window.slot) && window.before.is_none_or(|(_, slot)| normal.knows(slot));
    let deviations: Vec<Deviation> = WATCHED
        .iter()
        .filter_map(|series| deviation(window, normal, rules, *series))
        .collect();
    let state = match (is_known, deviations.is_empty(), harms.is_empty()) {
        (false, ..) => State::Unknown,
        _ if window.figures.is_empty() => State::Unknown,
        (true, true, _) => State::Normal,
        (true, false, true) => State::Unusual,
        (true, false, false) => State::Alarm,
    };
    Assessment {
        state,
        deviations,
        harms,
    }
}

/// What stayed away in an hour that is over: seen far less than usual. Noted, and never an alarm by itself.
#[must_use]
pub fn quiet(counts: &Counts, slot: Slot, normal: &Normal, rules: &Rules) -> Vec<Deviation> {
    let mut all = Vec::new();
    for series in MISSED {
        let Some(usual) = normal.usual(slot, *series) else {
            continue;
        };
        let seen = real(counts.of(*series));
        let missing = usual.median - seen;
        if counts.minutes >= crate::series::ENOUGH_MINUTES
            && seen * rules.times < usual.median
            // Nothing can be less than nothing: half as many spreads have to do.
            && missing > usual.spread * rules.spreads / 2.0
            && missing >= real(rules.least) / 2.0
        {
            all.push(told(*series, seen, usual.median, usual.hours, usual.basis));
        }
    }
    all
}

fn seen(window: &Window<'_>, series: Series) -> f64 {
    let current = real(window.current.of(series));
    match window.before {
        // What came in the hour before is taken to have come evenly.
        Some((before, _)) => current + real(before.of(series)) * (1.0 - window.passed),
        None => current,
    }
}

fn deviation(
    window: &Window<'_>,
    normal: &Normal,
    rules: &Rules,
    series: Series,
) -> Option<Deviation> {
    let seen = seen(window, series);
    let now = normal.usual(window.slot, series)?;
    let (median, spread) = match window.before {
        Some((_, slot)) => {
            let before = normal.usual(slot, series)?;
            let part = |now: f64, before: f64| now * window.passed + before * (1.0 - window.passed);
            (
                part(now.median, before.median),
                // Between two hours that differ much nobody knows where in the hour the change comes.
                now.spread.max(before.spread),
            )
        }
        None => (now.median, now.spread),
    };
    let least = match series {
        Series::InOctets => real(rules.least) * OCTETS_A_MESSAGE,
        _ => real(rules.least),
    };
    let is_large = seen >= median * rules.times
        && seen - median > spread * rules.spreads
        && seen - median >= least;
    is_large.then(|| told(series, seen, median, now.hours, now.basis))
}

fn told(series: Series, seen: f64, median: f64, hours: usize, basis: Basis) -> Deviation {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cut to what fits, and neither is below zero"
    )]
    let whole = |value: f64| value.round() as u64;
    Deviation {
        series,
        seen: whole(seen),
        expected: whole(median),
        tenfold: whole(seen * 10.0 / median.max(1.0)),
        hours,
        basis: match basis {
            Basis::Weekday => "weekday",
            Basis::DayKind => "day-kind",
            Basis::Weekends => "weekends",
        }
        .to_owned(),
    }
}

fn harms(window: &Window<'_>, rules: &HarmRules) -> Vec<Harm> {
    let micros = u64::try_from(rules.commit.as_micros()).unwrap_or(u64::MAX);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cut to what fits, and is not below zero"
    )]
    let counted = |series| seen(window, series) as u64;
    let figure = |gauge: Gauge| window.figures.get(&gauge).copied();
    let above = |gauge: Gauge, bound: u64| {
        (
            gauge.as_str(),
            figure(gauge).filter(|value| *value >= bound),
            bound,
        )
    };
    let free = figure(Gauge::DiskFree).filter(|value| *value <= rules.disk_free);
    let put_off = |series: Series, bound: u64| {
        (
            series.as_str(),
            Some(counted(series)).filter(|value| *value >= bound),
            bound,
        )
    };
    let all = [
        above(Gauge::Queue, rules.queue),
        above(Gauge::Overdue, rules.overdue.as_secs()),
        above(Gauge::Commit, micros),
        put_off(Series::Trouble, rules.trouble),
        put_off(Series::TurnedAway, rules.turned_away),
        (Gauge::DiskFree.as_str(), free, rules.disk_free),
    ];
    let told = all.into_iter().filter_map(|(what, value, bound)| {
        Some(Harm {
            what: what.to_owned(),
            value: value?,
            bound,
        })
    });
    told.collect()
}

/// How traffic is over time: a state is believed when it lasts, and over when it stays away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// It is found worse since then, and this is the least that was found.
    rising: Option<(Timestamp, State)>,
    /// It is found better since then, and this is the worst that was found.
    falling: Option<(Timestamp, State)>,
}

impl Watch {
    /// As it was left.
    #[must_use]
    pub fn new(state: State, since: Timestamp) -> Self {
        Self {
            state,
            since,
            rising: None,
            falling: None,
        }
    }

    /// Takes what was found now. `Some`: the state before, if it changed.
    pub fn step(&mut self, found: State, now: Timestamp, rules: &Rules) -> Option<State> {
        let is_calm = |state: State| matches!(state, State::Normal | State::Unknown);
        if found == self.state {
            (self.rising, self.falling) = (None, None);
            return None;
        }
        // Between knowing that all is well and not knowing nothing is waited for.
        if is_calm(found) && is_calm(self.state) {
            return Some(self.turn(found, now));
        }
        let (since, towards, wait) = if found > self.state {
            let (since, least) = self.rising.unwrap_or((now, found));
            let least = least.min(found);
            (self.rising, self.falling) = (Some((since, least)), None);
            (since, least, rules.rise)
        } else {
            let (since, worst) = self.falling.unwrap_or((now, found));
            let worst = worst.max(found);
            (self.rising, self.falling) = (None, Some((since, worst)));
            (since, worst, rules.fall)
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        (now.duration_since(since) >= wait).then(|| self.turn(towards, since))
    }

    /// Takes on a state; what it was before.
    fn turn(&mut self, state: State, since: Timestamp) -> State {
        let before = self.state;
        *self = Self::new(state, since);
        before
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calendar::DayKind;

    const SLOT: Slot = Slot {
        day: DayKind::Working,
        weekday: 1,
        hour: 9,
    };

    fn hour(accepted: u64) -> Counts {
        let mut counts = Counts {
            minutes: 60,
            ..Counts::default()
        };
        counts.add(Series::InAccepted, accepted);
        counts
    }

    fn normal() -> Normal {
        let mut normal = Normal::default();
        for accepted in [190, 200, 210, 205, 195] {
            normal.learn(SLOT, &hour(accepted));
        }
        normal
    }

    fn state(seen: u64, figures: &[(Gauge, u64)]) -> Assessment {
        let figures = figures.iter().copied().collect();
        let window = Window {
            current: &hour(seen),
            slot: SLOT,
            passed: 1.0,
            before: None,
            figures: &figures,
        };
        assess(&window, &normal(), &Rules::default())
    }

    const WELL: &[(Gauge, u64)] = &[(Gauge::Queue, 3), (Gauge::DiskFree, 500)];
    const BEHIND: &[(Gauge, u64)] = &[(Gauge::Overdue, 900)];

    #[test]
    fn an_alarm_needs_a_large_deviation_and_harm() {
        assert_eq!(state(250, WELL).state, State::Normal);
        assert_eq!(state(1000, WELL).state, State::Unusual);
        let alarm = state(1000, BEHIND);
        assert_eq!(alarm.state, State::Alarm);
        let deviation = alarm.deviations.first().unwrap();
        assert_eq!(
            (
                deviation.series,
                deviation.seen,
                deviation.expected,
                deviation.tenfold
            ),
            (Series::InAccepted, 1000, 200, 50)
        );
        let harm = alarm.harms.first().unwrap();
        assert_eq!(
            (harm.what.as_str(), harm.value, harm.bound),
            ("overdue", 900, 300)
        );
        // Harm by itself is told, and no alarm of this kind.
        let harmed = state(200, BEHIND);
        assert_eq!((harmed.state, harmed.harms.len()), (State::Normal, 1));
    }

    #[test]
    fn every_bound_of_harm_is_looked_at() {
        for (gauge, value) in [
            (Gauge::Queue, 500),
            (Gauge::Overdue, 300),
            (Gauge::Commit, 1_000_000),
            (Gauge::DiskFree, 50),
        ] {
            let found = state(1000, &[(gauge, value)]);
            assert_eq!(found.harms.first().unwrap().what, gauge.as_str());
        }
        let figures = BTreeMap::from([(Gauge::Queue, 0)]);
        for (series, count) in [(Series::Trouble, 20), (Series::TurnedAway, 500)] {
            let mut current = hour(1000);
            current.add(series, count);
            let window = Window {
                current: &current,
                slot: SLOT,
                passed: 1.0,
                before: None,
                figures: &figures,
            };
            let found = assess(&window, &normal(), &Rules::default());
            assert_eq!(
                (found.harms.first().unwrap().what.as_str(), found.state),
                (series.as_str(), State::Alarm)
            );
        }
    }

    #[test]
    fn what_is_not_known_is_neither_normal_nor_alarm() {
        let figures = BEHIND.iter().copied().collect();
        let window = Window {
            current: &hour(9000),
            slot: SLOT,
            passed: 1.0,
            before: None,
            figures: &figures,
        };
        let found = assess(&window, &Normal::default(), &Rules::default());
        assert_eq!((found.state, found.harms.len()), (State::Unknown, 1));
        // The server could not look at its own service.
        assert_eq!(state(200, &[]).state, State::Unknown);
        assert_eq!(state(9000, &[]).state, State::Unknown);
    }

    #[test]
    fn small_counts_are_no_deviation() {
        let mut normal = Normal::default();
        for _ in 0..9 {
            normal.learn(SLOT, &hour(2));
        }
        let figures = BEHIND.iter().copied().collect();
        let window = |current| Window {
            current,
            slot: SLOT,
            passed: 1.0,
            before: None,
            figures: &figures,
        };
        let (some, many) = (hour(60), hour(150));
        assert_eq!(
            assess(&window(&some), &normal, &Rules::default()).state,
            State::Normal
        );
        assert_eq!(
            assess(&window(&many), &normal, &Rules::default()).state,
            State::Alarm
        );
    }

    #[test]
    fn a_quarter_of_an_hour_is_seen_with_what_came_before() {
        let figures = BEHIND.iter().copied().collect();
        let (current, before) = (hour(600), hour(200));
        let window = Window {
            current: &current,
            slot: SLOT,
            passed: 0.25,
            before: Some((&before, SLOT)),
            figures: &figures,
        };
        let found = assess(&window, &normal(), &Rules::default());
        assert_eq!(found.state, State::Alarm);
        assert_eq!(found.deviations.first().unwrap().seen, 750);
    }

    #[test]
    fn mail_that_stays_away_is_noted() {
        let rules = Rules::default();
        assert_eq!(
            quiet(&hour(0), SLOT, &normal(), &rules)
                .first()
                .unwrap()
                .expected,
            200
        );
        assert!(quiet(&hour(150), SLOT, &normal(), &rules).is_empty());
        let mut down = hour(0);
        down.minutes = 10;
        assert!(quiet(&down, SLOT, &normal(), &rules).is_empty());
    }

    #[test]
    fn a_state_is_believed_when_it_lasts() {
        let rules = Rules::default();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let mut watch = Watch::new(State::Unknown, at(0));
        assert_eq!(
            watch.step(State::Normal, at(1), &rules),
            Some(State::Unknown)
        );
        assert_eq!(watch.step(State::Alarm, at(2), &rules), None);
        assert_eq!(watch.step(State::Normal, at(3), &rules), None);
        assert_eq!(watch.step(State::Alarm, at(4), &rules), None);
        assert_eq!(watch.step(State::Alarm, at(5), &rules), Some(State::Normal));
        assert_eq!((watch.state, watch.since), (State::Alarm, at(4)));
        for minute in 6..35 {
            assert_eq!(watch.step(State::Unusual, at(minute), &rules), None);
        }
        // Once more, and waiting begins anew.
        assert_eq!(watch.step(State::Alarm, at(35), &rules), None);
        for minute in 36..66 {
            assert_eq!(watch.step(State::Normal, at(minute), &rules), None);
        }
        assert_eq!(
            watch.step(State::Normal, at(66), &rules),
            Some(State::Alarm)
        );
        assert_eq!((watch.state, watch.since), (State::Normal, at(36)));
    }
}
