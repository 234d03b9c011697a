//! What is counted of mail that was set apart or marked (clause 5.3(2)): hours that are over are read once, and the figures are those of all
//! events.
#![allow(missing_docs, clippy::unwrap_used)]

mod site;

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use site::options;
use store::{
    Error, QueueId, Snapshot, Store, Tx, params,
    quarantine::{
        ByCause, Figures,
        figures::{between, catch_up, since},
    },
};
use trail::{Actor, Event, Kind};
use world::{Clock as _, ManualClock, Random, World};

const CAUSES: [&str; 3] = ["listed", "words", "dmarc-reject"];

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        World::system().fill(bytes);
    }
}

fn open(directory: &Path, clock: &ManualClock) -> Store {
    let world = World::new(clock.clone(), SystemRandom);
    Store::open(directory, &options(), world).unwrap()
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap())
}

/// Numbers that are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn event(kind: Kind, cause: &str) -> Event {
    Event::new(kind, Actor::System).detail("cause", cause)
}

fn of(kind: Kind, (id, cause): (QueueId, &str)) -> Event {
    event(kind, cause).subject(id.to_string())
}

async fn write(store: &Store, events: Vec<Event>) {
    let work = move |tx: &mut Tx<'_>| {
        for event in &events {
            drop(tx.record(event, ())?);
        }
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    let done = store.commit::<(), Error>(Vec::new(), work);
    done.await.unwrap();
}

async fn change(store: &Store, statement: &'static str) {
    let work = move |tx: &mut Tx<'_>| {
        tx.execute(statement, params![])?;
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    let done = store.commit::<(), Error>(Vec::new(), work);
    done.await.unwrap();
}

type Rows = Vec<(String, Figures)>;

fn rows(counted: &ByCause) -> Rows {
    let all = counted.iter();
    all.map(|(criterion, one)| (criterion.words(), one))
        .collect()
}

/// By the hours that are remembered, and by all events.
async fn both(store: &Store, from: Timestamp) -> (Rows, Rows) {
    let read = move |snapshot: &mut Snapshot<'_>| -> Result<_, Error> {
        let all = between(snapshot, from, Timestamp::MAX)?;
        Ok((rows(&since(snapshot, from)?), rows(&all)))
    };
    store.read(read).await.unwrap()
}

fn days_before(clock: &ManualClock, days: i64) -> Timestamp {
    clock.now() - SignedDuration::from_hours(24 * days)
}

fn kept(rows: &Rows) -> u64 {
    rows.iter().map(|(_, one)| one.kept).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_put_together_tell_what_all_events_tell() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut store = open(folder.path(), &clock);
    let mut chance = Chance(7);
    let mut waiting: Vec<(QueueId, &str)> = Vec::new();
    // Thirty days and some more, about three hours each.
    for step in 0..280 {
        let minutes = 150 + chance.below(60) as u64;
        clock.advance(Duration::from_secs(minutes * 60));
        let mut events = Vec::new();
        for _ in 0..3 {
            let new = (QueueId(store.next_id()), CAUSES[chance.below(3)]);
            events.push(of(Kind::QuarantineKept, new));
            waiting.push(new);
        }
        for _ in 0..4 {
            let place = chance.below(waiting.len());
            let one = waiting[place];
            // Several of those whom a message is for decide on it; time decides last.
            events.push(match chance.below(3) {
                0 => of(Kind::QuarantineReleased, one),
                1 => of(Kind::QuarantineDeleted, one),
                _ => of(Kind::QuarantineExpired, waiting.swap_remove(place)),
            });
        }
        let cause = CAUSES[chance.below(3)];
        events.push(event(Kind::MailMarked, cause).detail("mailboxes", 2));
        let junk = chance.below(4) == 0;
        events.push(event(Kind::WordsLearned, cause).detail("junk", junk));
        write(&store, events).await;
        if step == 200 {
            store.close().await;
            store = open(folder.path(), &clock);
        }
        if step % 7 == 0 || step == 200 {
            for days in [30, 2, 30] {
                let (remembered, all) = both(&store, days_before(&clock, days)).await;
                assert_eq!(remembered, all, "step {step}, {days} days");
            }
        }
    }
    let (rows, _) = both(&store, days_before(&clock, 30)).await;
    assert_eq!(rows.len(), 3);
    for (words, one) in rows {
        assert!(one.kept > 100 && one.kept_released > 10, "{words}: {one:?}");
        assert!(one.deleted > 10 && one.expired > 10, "{words}: {one:?}");
        // Of what was set apart before, some was released within the time.
        assert!(one.kept_released < one.released, "{words}: {one:?}");
        assert!(one.returned > 0, "{words}: {one:?}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_is_over_is_read_once_until_a_volume_is_erased() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let store = open(folder.path(), &clock);
    let hours = |hours: u64| clock.advance(Duration::from_secs(hours * 3600));
    for _ in 0..10 {
        let new = (QueueId(store.next_id()), "listed");
        write(&store, vec![of(Kind::QuarantineKept, new)]).await;
        hours(24);
    }
    write(&store, Vec::new()).await;
    // A day at a time.
    let from = days_before(&clock, 30);
    let mut steps = 1;
    let ahead = move |snapshot: &mut Snapshot<'_>| catch_up(snapshot, from);
    while store.read(ahead).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 30);
    // Nobody reads those hours again: what is taken away behind the store's back is not missed.
    change(&store, "DELETE FROM event WHERE kind = 'quarantine.kept'").await;
    let new = (QueueId(store.next_id()), "listed");
    write(&store, vec![of(Kind::QuarantineKept, new)]).await;
    let (remembered, all) = both(&store, from).await;
    assert_eq!((kept(&remembered), kept(&all)), (11, 1));
    // The hour that is not over is read each time.
    change(&store, "DELETE FROM event WHERE kind = 'quarantine.kept'").await;
    let (remembered, all) = both(&store, from).await;
    assert_eq!((kept(&remembered), kept(&all)), (10, 0));
    // As an erasure ends.
    let erased = "INSERT INTO trail_volume (number, first, last, from_at, to_at, sealed_at, retain_until, erased_at) \
                  VALUES (1, 0, 1, 1, 1, 1, 1, 1)";
    change(&store, erased).await;
    let (remembered, all) = both(&store, from).await;
    assert_eq!((kept(&remembered), kept(&all)), (0, 0));
    store.close().await;
}
