//! Searching the trail: against a plain list, page by page.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use site::options;
use store::{
    Error, Finding, Store,
    event::{self, Filter},
};
use trail::{Actor, Event, Kind, Outcome, Recorded};
use world::World;

const KINDS: [Kind; 4] = [
    Kind::TransactionAccepted,
    Kind::TransactionRefused,
    Kind::SubmissionAccepted,
    Kind::SubmissionRefused,
];

fn sample(n: usize) -> Event {
    let actor = match n % 5 {
        0 => Actor::System,
        1 => Actor::Peer,
        2 => Actor::Identifier("tanaka".to_owned()),
        3 => Actor::Person("tanaka".to_owned()),
        _ => Actor::Person(format!("person {}", n % 7)),
    };
    let mut event = Event::new(KINDS[n % 4], actor)
        .outcome(Outcome::ALL[n % 3])
        .subject(format!("subject {}", n % 11))
        .detail("sender", format!("Sender{}@Example.jp", n % 13))
        .detail(
            "recipients",
            vec![
                format!("r{}@example.jp", n % 17),
                "all@example.jp".to_owned(),
            ],
        )
        .detail("size", n);
    if n.is_multiple_of(2) {
        let address: std::net::IpAddr = format!("192.0.2.{}", n % 19).parse().unwrap();
        event = event.address(address);
    }
    event
}

fn matches(filter: &Filter, found: &Recorded) -> bool {
    let event = &found.event;
    let actor = event.actor.to_text();
    let names = |wanted: &String| {
        actor == *wanted
            || actor
                .split_once(':')
                .is_some_and(|(_, name)| name == wanted)
    };
    let addressed = |wanted: &String| {
        let network = event.address.map(|address| address.to_string());
        let envelope = serde_json::to_string(&event.detail).unwrap().to_lowercase();
        network.as_ref() == Some(wanted)
            || envelope.contains(&format!("\"{}\"", wanted.to_lowercase()))
    };
    filter.from.is_none_or(|from| found.at >= from)
        && filter.to.is_none_or(|to| found.at < to)
        && filter.actor.as_ref().is_none_or(names)
        && filter.address.as_ref().is_none_or(addressed)
        && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        && filter
            .outcome
            .is_none_or(|outcome| outcome == event.outcome)
        && filter
            .subject
            .as_ref()
            .is_none_or(|subject| *subject == event.subject)
        && filter.after.is_none_or(|after| found.id > after)
}

async fn search(store: &Store, filter: &Filter, limit: usize) -> Vec<Recorded> {
    let filter = filter.clone();
    let found = store.read(move |sql| event::search(sql, &filter, limit));
    found.await.unwrap()
}

/// Adds one condition to a filter; the times are those that `from` and `to` may use.
type Condition = fn(&mut Filter, (Timestamp, Timestamp));

fn filters(times: (Timestamp, Timestamp)) -> Vec<Filter> {
    let mut filters = vec![Filter::default()];
    // Every condition doubles the list: with it and without.
    let conditions: [Condition; 8] = [
        |filter, (from, _)| filter.from = Some(from),
        |filter, (_, to)| filter.to = Some(to),
        |filter, _| filter.actor = Some("tanaka".to_owned()),
        |filter, _| filter.address = Some("ALL@example.jp".to_owned()),
        |filter, _| filter.kinds = vec![KINDS[0], KINDS[2]],
        |filter, _| filter.outcome = Some(Outcome::Refused),
        |filter, _| filter.outcome = Some(Outcome::Success),
        |filter, _| filter.subject = Some("subject 4".to_owned()),
    ];
    for condition in conditions {
        let more: Vec<Filter> = filters
            .iter()
            .cloned()
            .map(|mut filter| {
                condition(&mut filter, times);
                filter
            })
            .collect();
        filters.extend(more);
    }
    for address in [
        "192.0.2.4",
        "sender3@example.jp",
        "r5@EXAMPLE.jp",
        "nobody@example.jp",
    ] {
        filters.push(Filter {
            address: Some(address.to_owned()),
            ..Filter::default()
        });
    }
    for actor in ["system", "peer", "person:tanaka", "person 3", "nobody"] {
        filters.push(Filter {
            actor: Some(actor.to_owned()),
            ..Filter::default()
        });
    }
    filters
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_finds_what_a_plain_list_holds_page_by_page() {
    let directory = tempfile::tempdir().unwrap();
    let clock = world::ManualClock::at("2026-11-22T10:00:00Z".parse().unwrap());
    let world = World::new(clock.clone(), Random);
    let store = Store::open(directory.path(), &options(), world).unwrap();
    for batch in 0..40 {
        let commit = store.commit(Vec::new(), move |tx| {
            for n in 0..9 {
                let _written = tx.record(&sample(batch * 9 + n), ())?;
            }
            tx.record(&sample(batch * 9), ())
        });
        let _: store::Receipt<()> = commit.await.map_err(|error: Error| error).unwrap();
        clock.advance(Duration::from_secs(60));
    }
    let all = search(&store, &Filter::default(), 10_000).await;
    assert_eq!(all.len(), 400);
    assert_eq!(all[7].event, sample(7));
    // The index has some of the events (none, when it is slow), then all.
    all_filters_find(&store, &all).await;
    store.index_trail().await.unwrap();
    all_filters_find(&store, &all).await;
    let one = store.commit(Vec::new(), |tx| tx.record(&sample(4), ()));
    let _: store::Receipt<()> = one.await.map_err(|error: Error| error).unwrap();
    let all = search(&store, &Filter::default(), 10_000).await;
    all_filters_find(&store, &all).await;
}

async fn all_filters_find(store: &Store, all: &[Recorded]) {
    let times = (all[57].at, all[333].at);
    for filter in filters(times) {
        let expected: Vec<i64> = all
            .iter()
            .filter(|found| matches(&filter, found))
            .map(|found| found.id)
            .collect();
        let mut paged = Vec::new();
        let mut page = filter.clone();
        loop {
            let found = search(store, &page, 23).await;
            assert!(found.len() <= 23);
            paged.extend(found.iter().map(|found| found.id));
            match found.last() {
                Some(last) => page.after = Some(last.id),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{filter:?}");
    }
}

/// The index's own file while nothing has it open.
fn index(directory: &Path) -> PathBuf {
    directory.join("index").join("trail.db")
}

fn by_subject(n: usize) -> Filter {
    Filter {
        subject: Some(format!("subject {n}")),
        ..Filter::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_damaged_or_of_another_trail_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = site::open(directory.path());
    for n in 0..50 {
        let one = store.commit(Vec::new(), move |tx| tx.record(&sample(n), ()));
        let _: store::Receipt<()> = one.await.map_err(|error: Error| error).unwrap();
    }
    store.index_trail().await.unwrap();
    let expected = search(&store, &by_subject(3), 100).await;
    assert_eq!(expected.len(), 5);
    store.close().await;
    let good = std::fs::read(index(directory.path())).unwrap();

    let mut broken = good.clone();
    let middle = broken.len() / 2;
    broken[4096..].fill(0x5a);
    broken[..middle.min(64)].reverse();
    // Its watermark is an event that this trail does not have.
    let other = tempfile::tempdir().unwrap();
    let foreign = site::open(other.path());
    let one = foreign.commit(Vec::new(), |tx| tx.record(&sample(3), ()));
    let _: store::Receipt<()> = one.await.map_err(|error: Error| error).unwrap();
    foreign.index_trail().await.unwrap();
    foreign.close().await;
    let foreign = std::fs::read(index(other.path())).unwrap();

    for content in [broken, foreign, Vec::new()] {
        std::fs::write(index(directory.path()), content).unwrap();
        let store = site::open(directory.path());
        let found = search(&store, &by_subject(3), 100).await;
        assert!(found.len() >= 5, "{}", found.len());
        store.index_trail().await.unwrap();
        let found = search(&store, &by_subject(3), 100).await;
        assert_eq!(found, expected);
        assert_eq!(store.verify(|_| {}).await.unwrap(), []);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_misses_an_event_is_found_out_and_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = site::open(directory.path());
    for n in 0..10 {
        let one = store.commit(Vec::new(), move |tx| tx.record(&sample(n), ()));
        let _: store::Receipt<()> = one.await.map_err(|error: Error| error).unwrap();
    }
    store.index_trail().await.unwrap();
    // The tree has all of them: so what is changed is found by both, whoever was quicker.
    store.checkpoint().await.unwrap();
    store.close().await;
    let database = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    let change = "UPDATE event SET subject = 'another' WHERE subject = 'subject 3'";
    assert_eq!(database.execute(change, []).unwrap(), 1);
    drop(database);

    let store = site::open(directory.path());
    let findings = store.verify(|_| {}).await.unwrap();
    let names: Vec<&str> = findings.iter().map(Finding::name).collect();
    assert_eq!(names, ["event-altered", "trail-index"]);
    let repaired = store.repair(&findings[1], Actor::System).await.unwrap();
    assert_eq!(repaired, store::Repaired::Done);
    assert_eq!(store.verify(|_| {}).await.unwrap(), findings[..1]);
    let filter = Filter {
        subject: Some("another".to_owned()),
        ..Filter::default()
    };
    assert_eq!(search(&store, &filter, 10).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_any_size_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let store = site::open(directory.path());
    let commit = store.commit(Vec::new(), |tx| {
        let many: Vec<String> = (0..5000).map(|n| format!("r{n}@example.jp")).collect();
        let huge = Event::new(
            Kind::SubmissionAccepted,
            Actor::Identifier("会".repeat(5000)),
        )
        .subject("議".repeat(5000))
        .detail("reply", "x\"\n".repeat(1 << 20))
        .detail("recipients", many)
        .detail("size", 7);
        tx.record(&huge, ())
    });
    let _: store::Receipt<()> = commit.await.map_err(|error: Error| error).unwrap();
    let filter = Filter {
        address: Some("r17@example.jp".to_owned()),
        ..Filter::default()
    };
    assert_eq!(search(&store, &filter, 10).await.len(), 1);
    store.index_trail().await.unwrap();
    let found = search(&store, &filter, 10).await;
    assert_eq!(found.len(), 1);
    let event = &found[0].event;
    assert!(event.subject.len() <= event::TEXT_LIMIT && event.subject.ends_with('…'));
    assert_eq!(event.detail["size"], 7);
    assert!(event.detail["truncated"].as_u64().unwrap() > 3 << 20);
    assert!(serde_json::to_string(&event.detail).unwrap().len() <= event::DETAIL_LIMIT);
}

struct Random;

impl world::Random for Random {
    fn fill(&self, bytes: &mut [u8]) {
        World::system().fill(bytes);
    }
}
