//! Traffic followed over days on a clock that is moved: each event counts once, an attack opens one incident, and teaches nothing.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{collections::BTreeMap, path::Path, time::Duration};

use governance::traffic::{Collector, Look, Options, normal_at, standing};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use store::{Store, traffic as table};
use traffic::{Calendar, Counts, Gauge, Rules, Series, State};
use trail::{Actor, Event, Kind};
use world::{ManualClock, Random, World};

const MINUTE: Duration = Duration::from_secs(60);

/// Numbers that need not be random here.
struct Same;

impl Random for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn options() -> Options {
    Options {
        rules: Rules {
            least: 10,
            ..Rules::default()
        },
        calendar: Calendar::default(),
        zone: TimeZone::UTC,
        weeks: 12,
        keep_hours: Duration::from_secs(400 * 86_400),
        keep_days: Duration::from_secs(3650 * 86_400),
        own: Vec::new(),
    }
}

struct Site {
    store: Store,
    clock: ManualClock,
    collector: Collector,
    options: Options,
}

impl Site {
    fn open(place: &Path, clock: &ManualClock) -> Self {
        let world = World::new(clock.clone(), Same);
        Self {
            store: Store::open(place, &store::Options::default(), world).unwrap(),
            clock: clock.clone(),
            collector: Collector::default(),
            options: options(),
        }
    }

    /// So many messages come.
    async fn arrive(&self, count: usize) {
        for _ in 0..count {
            let event = Event::new(Kind::TransactionAccepted, Actor::Peer).detail("size", 100);
            let work = move |tx: &mut store::Tx<'_>| tx.record(&event, ());
            self.store.commit(Vec::new(), work).await.unwrap();
        }
    }

    async fn look(&self, overdue: u64) -> Look {
        let figures = BTreeMap::from([(Gauge::Overdue, overdue), (Gauge::DiskFree, 500)]);
        let looked = self.collector.look(&self.store, &self.options, &figures);
        looked.await.unwrap()
    }

    /// Minutes in which so many messages come each.
    async fn minutes(&self, minutes: usize, messages: usize, overdue: u64) -> Look {
        let mut last = None;
        for _ in 0..minutes {
            self.clock.advance(MINUTE);
            self.arrive(messages).await;
            last = Some(self.look(overdue).await);
        }
        last.unwrap()
    }

    async fn hours(&self) -> Vec<(i64, bool, Counts)> {
        let read = |sql: &mut store::Snapshot<'_>| table::list(sql, (0, i64::MAX), 10_000);
        let spans = self.store.read(read).await.unwrap();
        let hours = spans.into_iter().map(|span| {
            (
                span.hours,
                span.closed,
                serde_json::from_str(&span.content).unwrap(),
            )
        });
        hours.collect()
    }

    async fn events(&self, kind: Kind) -> Vec<Event> {
        let filter = store::event::Filter {
            kinds: vec![kind],
            ..store::event::Filter::default()
        };
        let read = move |sql: &mut store::Snapshot<'_>| store::event::search(sql, &filter, 10_000);
        let events = self.store.read(read).await.unwrap();
        events.into_iter().map(|recorded| recorded.event).collect()
    }
}

/// A Monday.
fn begin() -> ManualClock {
    ManualClock::at("2026-10-05T09:00:00Z".parse::<Timestamp>().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_every_five_minutes_has_observed_the_hour() {
    let place = tempfile::tempdir().unwrap();
    let clock = begin();
    let site = Site::open(place.path(), &clock);
    site.look(0).await;
    for _ in 0..24 {
        clock.advance(MINUTE * 5);
        site.look(0).await;
    }
    // Nobody looked for two hours: that is not passed over.
    clock.advance(MINUTE * 120);
    site.look(0).await;
    let minutes: Vec<u32> = site
        .hours()
        .await
        .iter()
        .map(|(.., counts)| counts.minutes)
        .collect();
    assert_eq!(minutes, [56, 60, 5, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_counts_once_and_hours_are_closed() {
    let place = tempfile::tempdir().unwrap();
    let clock = begin();
    let site = Site::open(place.path(), &clock);
    site.look(0).await;
    site.minutes(30, 1, 0).await;
    // Committed, and not counted before the crash.
    site.arrive(5).await;
    site.store.close().await;
    let site = Site::open(place.path(), &clock);
    site.minutes(40, 1, 0).await;
    let hours = site.hours().await;
    assert_eq!(hours.len(), 2, "{hours:?}");
    let total: u64 = hours
        .iter()
        .map(|(_, _, counts)| counts.of(Series::InAccepted))
        .sum();
    assert_eq!(total, 75);
    assert_eq!((hours[0].1, hours[1].1), (true, false));
    assert_eq!(hours[0].2.state, Some(State::Unknown));
    let closed = site.events(Kind::TrafficHour).await;
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].subject, "2026-10-05T09:00:00Z");
    // Nothing was seen while it did not run: those hours have no rows.
    clock.advance(Duration::from_secs(5 * 3600));
    site.minutes(1, 0, 0).await;
    let hours = site.hours().await;
    assert_eq!(hours.len(), 3);
    assert!(hours[1].1 && !hours[2].1);
    site.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_opens_one_incident_and_teaches_nothing() {
    let place = tempfile::tempdir().unwrap();
    let clock = begin();
    let site = Site::open(place.path(), &clock);
    site.look(0).await;
    // The same hours of four working days, and nothing between.
    for _ in 0..4 {
        site.minutes(65, 1, 0).await;
        clock.advance(Duration::from_secs(24 * 3600 - 65 * 60));
    }
    let now = site.store.now();
    let with = site.options.clone();
    let read = move |sql: &mut store::Snapshot<'_>| {
        let usual = normal_at(sql, &with, table::hour(now))?;
        Ok::<_, store::Error>((usual, standing(sql, &with, now)?))
    };
    let (usual, stands) = site.store.read(read).await.unwrap();
    assert_eq!(
        (usual.hours(), stands.state, stands.incident),
        (4, State::Unknown, None)
    );
    // Hours are missing some time after the end of the last one, not after its begin.
    let over = stands.last_hour.unwrap() + SignedDuration::from_hours(1);
    for (seconds, is_late) in [(3 * 3600, false), (3 * 3600 + 1, true)] {
        let (with, then) = (
            site.options.clone(),
            over + SignedDuration::from_secs(seconds),
        );
        let read = move |sql: &mut store::Snapshot<'_>| standing(sql, &with, then);
        let stands = site.store.read(read).await.unwrap();
        assert_eq!(stands.is_late, is_late, "{seconds}");
    }

    let look = site.minutes(5, 1, 0).await;
    assert_eq!(look.state, State::Normal, "{look:?}");
    let look = site.minutes(10, 30, 0).await;
    assert_eq!(
        (look.state, look.opened),
        (State::Unusual, false),
        "{look:?}"
    );
    let look = site.minutes(10, 30, 900).await;
    assert_eq!(look.state, State::Alarm, "{look:?}");
    // It goes away and comes again while the incident is open.
    site.minutes(32, 1, 0).await;
    site.minutes(3, 40, 900).await;
    assert_eq!(site.events(Kind::IncidentOpened).await.len(), 1);
    site.minutes(10, 0, 0).await;
    let hours = site.hours().await;
    let attacked = hours.iter().filter(|(_, _, counts)| counts.apart).count();
    assert!(attacked >= 1, "{hours:?}");
    let now = site.store.now();
    let with = site.options.clone();
    let read = move |sql: &mut store::Snapshot<'_>| normal_at(sql, &with, table::hour(now));
    assert_eq!(site.store.read(read).await.unwrap().hours(), 4);
    site.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_hours_become_days_and_old_days_go() {
    let place = tempfile::tempdir().unwrap();
    let clock = begin();
    let mut site = Site::open(place.path(), &clock);
    site.options.weeks = 1;
    site.options.keep_hours = Duration::from_secs(7 * 86_400);
    site.options.keep_days = Duration::from_secs(30 * 86_400);
    site.look(0).await;
    site.minutes(125, 1, 0).await;
    clock.advance(Duration::from_secs(9 * 86_400));
    site.minutes(1, 0, 0).await;
    let hours = site.hours().await;
    assert_eq!(hours.len(), 2, "{hours:?}");
    assert_eq!((hours[0].0, hours[0].2.of(Series::InAccepted)), (24, 125));
    let folded = site.events(Kind::TrafficFolded).await;
    assert_eq!(folded[0].detail["hours"], 3);
    clock.advance(Duration::from_secs(40 * 86_400));
    site.minutes(1, 0, 0).await;
    let folded = site.events(Kind::TrafficFolded).await;
    assert_eq!(folded.last().unwrap().detail["forgotten"], 2);
    site.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_hour_does_not_end_the_watch() {
    let place = tempfile::tempdir().unwrap();
    let clock = begin();
    let site = Site::open(place.path(), &clock);
    site.look(0).await;
    site.minutes(3, 1, 0).await;
    let work = |tx: &mut store::Tx<'_>| {
        tx.execute("UPDATE traffic_span SET content = 'x'", &[])?;
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    site.store.commit(Vec::new(), work).await.unwrap();
    site.store.close().await;
    let site = Site::open(place.path(), &clock);
    site.minutes(3, 2, 0).await;
    let hours = site.hours().await;
    assert_eq!(hours[0].2.of(Series::InAccepted), 6);
    site.store.close().await;
}
