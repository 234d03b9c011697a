//! An office of 500 people, minute by minute: what is usual, what is not and does no harm, and attacks.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};
use traffic::{
    Calendar, Counts, DayKind, Gauge, Normal, Rules, Series, Slot, State, Watch, Window, assess,
    series::{ENOUGH_MINUTES, HOUR},
};

/// Messages that the server takes in a minute; what is more waits.
const IN_A_MINUTE: f64 = 120.0;
/// Weeks from which it is learned what is usual: the default.
const WEEKS: usize = 12;

/// Something that happens besides the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// Ten times the mail of a busy hour, from a few networks, for two hours.
    Flood,
    /// The same from thousands of networks.
    Distributed,
    /// Four times what is usual, for twelve hours: the server keeps up.
    SlowFlood,
    /// Bounces to forged senders, 150 in a minute for ninety minutes.
    Bounces,
    /// A stolen password sends 60 messages in a minute for two hours, which other servers put off.
    Inside,
    /// Harmless: one mail to everybody, and many answers.
    Announcement,
    /// Harmless: a newsletter to 3,000 addresses elsewhere.
    Newsletter,
    /// A nightly job makes commits slow for half an hour. It is trouble, and no deviation.
    SlowDisk,
    /// A large provider takes no mail for three hours; what goes there waits. It is no attack.
    ProviderDown,
}

impl Happening {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Flood,
        Self::Distributed,
        Self::SlowFlood,
        Self::Bounces,
        Self::Inside,
        Self::Announcement,
        Self::Newsletter,
        Self::SlowDisk,
        Self::ProviderDown,
    ];

    /// Whether it attacks and overloads the server: what an alarm is for.
    pub(crate) fn is_harmful(self) -> bool {
        matches!(
            self,
            Self::Flood | Self::Distributed | Self::Bounces | Self::Inside
        )
    }

    /// How long it lasts, in minutes.
    fn minutes(self) -> i64 {
        match self {
            Self::Flood | Self::Distributed | Self::Inside => 120,
            Self::SlowFlood => 720,
            Self::Bounces => 90,
            Self::Announcement => 60,
            Self::Newsletter => 30,
            Self::SlowDisk => 30,
            Self::ProviderDown => 180,
        }
    }
}

/// When something happened, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// What.
    pub(crate) what: Happening,
    /// When it began.
    pub(crate) begin: Timestamp,
    /// Minutes until it was unusual, if it was.
    pub(crate) unusual: Option<i64>,
    /// Minutes until the alarm, if there was one.
    pub(crate) alarm: Option<i64>,
}

/// What came of some months.
#[derive(Debug, Default)]
pub(crate) struct Months {
    /// What happened.
    pub(crate) told: Vec<Told>,
    /// Alarms at times at which nothing happened, or nothing that does harm.
    pub(crate) false_alarms: u64,
    /// Times at which it was found unusual while nothing happened.
    pub(crate) false_unusual: u64,
}

/// Plays days from the first one on: so many to learn from, and so many in which things happen.
pub(crate) fn play(seed: u64, first: Date, learning: i64, days: i64, rules: &Rules) -> Months {
    let mut office = Office::new(seed, first);
    office.plan(learning, days);
    let mut months = Months::default();
    let looked_at = office.begin + SignedDuration::from_hours(24 * learning);
    let end = looked_at + SignedDuration::from_hours(24 * days);
    let mut watch = Watch::new(State::Unknown, office.begin);
    while office.now < end {
        let state = office.minute(&mut watch, rules);
        if office.now >= looked_at {
            office.tell(state, watch.state, &mut months);
        }
    }
    months.told.extend(office.past);
    months
}

struct Office {
    rng: Rng,
    zone: TimeZone,
    calendar: Calendar,
    begin: Timestamp,
    now: Timestamp,
    /// Those to come, the last first.
    planned: Vec<(Timestamp, Happening)>,
    /// What goes on.
    current: Option<Told>,
    past: Vec<Told>,
    /// Messages that wait for the server.
    backlog: f64,
    /// Recipients that wait for other servers.
    queue: f64,
    hour: Counts,
    before: Option<(Counts, Slot)>,
    /// The hours of the last weeks.
    hours: std::collections::VecDeque<(Slot, Counts)>,
    normal: Normal,
    growth: f64,
    /// How much busier than others this day and this hour are.
    busy: (f64, f64),
}

impl Office {
    fn new(seed: u64, first: Date) -> Self {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let begin = first
            .to_zoned(zone.clone())
            .map(|at| at.timestamp())
            .unwrap_or_default();
        let closed = "12-29..01-03".parse().into_iter().collect();
        Self {
            rng: Rng::with_seed(seed),
            zone,
            calendar: Calendar {
                japan: true,
                closed,
            },
            begin,
            now: begin,
            planned: Vec::new(),
            current: None,
            past: Vec::new(),
            backlog: 0.0,
            queue: 0.0,
            hour: Counts::default(),
            before: None,
            hours: std::collections::VecDeque::new(),
            normal: Normal::default(),
            growth: 1.0,
            busy: (1.0, 1.0),
        }
    }

    /// One happening every third day, at any time of the day; attacks come at night and by day.
    fn plan(&mut self, learning: i64, days: i64) {
        let mut day = learning;
        while day + 3 < learning + days {
            for what in Happening::ALL {
                let hours = match what {
                    // These are what an office does itself.
                    Happening::Announcement | Happening::Newsletter => self.rng.i64(9..17),
                    Happening::SlowDisk => 2,
                    _ => self.rng.i64(0..24),
                };
                let minutes = hours * 60 + self.rng.i64(0..60) + day * 1440;
                self.planned
                    .push((self.begin + SignedDuration::from_mins(minutes), what));
                day += 3;
                if day + 3 >= learning + days {
                    break;
                }
            }
        }
        self.planned.reverse();
    }

    /// How much of a busy hour's mail comes at this time.
    fn shape(&self) -> f64 {
        let local = self.now.to_zoned(self.zone.clone());
        let kind = self.calendar.kind(local.date());
        let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0;
        let day = match kind {
            DayKind::Working => {
                let morning = (-((hour - 9.5) / 1.6).powi(2)).exp();
                let afternoon = 0.85 * (-((hour - 15.0) / 2.6).powi(2)).exp();
                0.06 + morning.max(afternoon)
            }
            DayKind::Weekend => 0.05 + 0.05 * (-((hour - 13.0) / 5.0).powi(2)).exp(),
            DayKind::Holiday => 0.05 + 0.04 * (-((hour - 13.0) / 5.0).powi(2)).exp(),
        };
        // The last working days of a month, Mondays, the end of the business year, before the new year.
        let date = local.date();
        let near_end = date.days_in_month() - date.day() < 2 && kind == DayKind::Working;
        let monday = local.weekday() == jiff::civil::Weekday::Monday && kind == DayKind::Working;
        let season = match (date.month(), date.day()) {
            (3, 20..) | (4, ..=10) => 1.4,
            (12, 20..=28) => 1.3,
            (8, 11..=16) => 0.6,
            _ => 1.0,
        };
        let more = if near_end { 1.5 } else { 1.0 } * if monday { 1.2 } else { 1.0 };
        day * more * season * self.growth * self.busy.0 * self.busy.1
    }

    /// About a standard normal number: the sum of twelve uniform ones.
    fn normal_number(&mut self) -> f64 {
        (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0
    }

    /// So many events where so many are expected: wider than Poisson.
    fn number(&mut self, expected: f64) -> u64 {
        let normal = self.normal_number();
        let wanted = expected + normal * (expected + 0.15 * expected * expected).max(0.0).sqrt();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and not negative"
        )]
        let whole = (wanted.max(0.0) + self.rng.f64()).floor() as u64;
        match expected < 1.0 {
            true => u64::from(self.rng.f64() < expected),
            false => whole,
        }
    }

    /// One minute: what comes, how the server does, and what is said of it.
    fn minute(&mut self, watch: &mut Watch, rules: &Rules) -> State {
        self.now += SignedDuration::from_mins(1);
        if self.now.as_second().rem_euclid(HOUR) == 0 {
            self.hour_over(watch);
        }
        self.begin_and_end();
        // A busy hour has 900 messages in, 300 out, and 250 submitted.
        let shape = self.shape();
        let mut incoming = self.number(15.0 * shape);
        let mut outgoing = self.number(5.0 * shape);
        let mut bounces = self.number(0.05 * shape);
        let refused = self.number(3.0 + 2.0 * shape);
        let failed = self.number(0.3 + 0.5 * shape);
        let (mut deferred, mut slow) = (self.number(0.4 * shape), false);
        let mut networks = 40_u64;
        let what = self.current.map(|told| told.what);
        match what {
            Some(Happening::Flood) => incoming += self.number(150.0),
            Some(Happening::Distributed) => {
                incoming += self.number(150.0);
                networks = 5000;
            }
            Some(Happening::SlowFlood) => incoming += self.number(45.0 * shape.max(0.2)),
            Some(Happening::Bounces) => {
                let more = self.number(150.0);
                (incoming, bounces) = (incoming + more, bounces + more);
            }
            Some(Happening::Inside) => {
                let more = self.number(60.0);
                outgoing += more;
                deferred += more;
                #[allow(clippy::cast_precision_loss, reason = "a minute's mail")]
                let waits = more as f64;
                self.queue += waits;
            }
            Some(Happening::Announcement) => incoming += self.number(8.0),
            Some(Happening::Newsletter) => outgoing += self.number(100.0),
            Some(Happening::SlowDisk) => slow = true,
            Some(Happening::ProviderDown) => {
                let there = outgoing / 3;
                deferred += there;
                #[allow(clippy::cast_precision_loss, reason = "a minute's mail")]
                let waits = there as f64;
                self.queue += waits;
            }
            None => {}
        }
        self.count(
            incoming, outgoing, bounces, refused, failed, deferred, networks,
        );
        let figures = self.figures(incoming + outgoing, slow);
        self.hour.sample(&figures, 1);
        let slot = self.slot();
        let second = self.now.as_second().rem_euclid(HOUR);
        #[allow(clippy::cast_precision_loss, reason = "seconds of an hour")]
        let passed = second as f64 / HOUR as f64;
        let before = self
            .before
            .as_ref()
            .filter(|(counts, _)| counts.minutes >= ENOUGH_MINUTES);
        let window = Window {
            current: &self.hour,
            slot,
            passed,
            before: before.map(|(counts, slot)| (counts, *slot)),
            figures: &figures,
        };
        let found = assess(&window, &self.normal, rules);
        let was = watch.state;
        watch.step(found.state, self.now, rules);
        self.hour.apart |= watch.state == State::Alarm;
        was
    }

    #[allow(clippy::too_many_arguments, reason = "one number a series")]
    fn count(
        &mut self,
        incoming: u64,
        outgoing: u64,
        bounces: u64,
        refused: u64,
        failed: u64,
        deferred: u64,
        networks: u64,
    ) {
        let hour = &mut self.hour;
        hour.add(Series::InAccepted, incoming);
        hour.add(Series::InOctets, incoming * 60_000);
        hour.add(Series::BouncesIn, bounces);
        hour.add(Series::InRefusedRecipient, refused);
        hour.add(Series::LoginsFailed, failed);
        hour.add(Series::Submitted, outgoing);
        hour.add(Series::Relayed, outgoing.saturating_sub(deferred));
        hour.add(Series::Deferred, deferred);
        for _ in 0..incoming {
            let network = self.rng.u64(0..networks);
            self.hour.sources.add(&format!("{network}"), 1);
        }
    }

    /// How the server does.
    fn figures(&mut self, came: u64, slow: bool) -> BTreeMap<Gauge, u64> {
        #[allow(clippy::cast_precision_loss, reason = "a minute's mail")]
        let came = came as f64;
        self.backlog = (self.backlog + came - IN_A_MINUTE).max(0.0);
        // Other servers take a twentieth of what waits in a minute.
        self.queue *= 0.95;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and not negative"
        )]
        let whole = |value: f64| value.max(0.0) as u64;
        let wait = self.backlog / IN_A_MINUTE * 60.0;
        let commit = if slow {
            1_500_000.0
        } else {
            8_000.0 + wait * 4_000.0
        };
        BTreeMap::from([
            (Gauge::Queue, whole(self.queue + self.backlog)),
            (Gauge::Overdue, whole(wait)),
            (Gauge::Commit, whole(commit)),
            (Gauge::DiskFree, 400),
        ])
    }

    fn slot(&self) -> Slot {
        Slot::of(self.now, &self.zone, &self.calendar)
    }

    fn hour_over(&mut self, watch: &Watch) {
        let ended = self.now - SignedDuration::from_mins(1);
        let slot = Slot::of(ended, &self.zone, &self.calendar);
        let mut hour = std::mem::take(&mut self.hour);
        // As an incident is open while there is an alarm.
        hour.apart |= watch.state == State::Alarm;
        hour.close();
        self.before = Some((hour.clone(), slot));
        self.hours.push_back((slot, hour));
        while self.hours.len() > WEEKS * 7 * 24 {
            self.hours.pop_front();
        }
        // Learned anew each hour it would be the same, and take a day to play.
        if slot.hour == 23 {
            self.normal = Normal::default();
            for (slot, hour) in &self.hours {
                self.normal.learn(*slot, hour);
            }
        }
        if slot.hour == 23 {
            self.busy.0 = (0.2 * self.normal_number()).exp();
        }
        self.busy.1 = (0.3 * self.normal_number()).exp();
        // A twentieth more mail in a year.
        self.growth += 0.05 / (365.0 * 24.0);
    }

    fn begin_and_end(&mut self) {
        if let Some(told) = self.current {
            let over = told.begin + SignedDuration::from_mins(told.what.minutes());
            if self.now >= over {
                self.past.push(told);
                self.current = None;
            }
        }
        if let Some((at, what)) = self.planned.last().copied()
            && at <= self.now
        {
            self.planned.pop();
            self.current = Some(Told {
                what,
                begin: self.now,
                unusual: None,
                alarm: None,
            });
        }
    }

    fn tell(&mut self, was: State, is: State, months: &mut Months) {
        if is == was || is < State::Unusual || is < was {
            return;
        }
        let now = self.now;
        // What follows shortly upon it is its own.
        let last = match &mut self.current {
            Some(told) => Some(told),
            None => self.past.last_mut().filter(|told| {
                let over = told.begin + SignedDuration::from_mins(told.what.minutes());
                now.duration_since(over) < SignedDuration::from_mins(90)
            }),
        };
        let Some(told) = last else {
            match is {
                State::Alarm => months.false_alarms += 1,
                _ => months.false_unusual += 1,
            }
            return;
        };
        let minutes = now.duration_since(told.begin).as_mins();
        told.unusual.get_or_insert(minutes);
        if is == State::Alarm {
            told.alarm.get_or_insert(minutes);
            if !told.what.is_harmful() && told.what != Happening::ProviderDown {
                months.false_alarms += 1;
            }
        }
    }
}

/// A first day: the beginning of a business year.
pub(crate) fn first() -> Date {
    date(2026, 4, 1)
}
