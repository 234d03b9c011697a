//! What a commit promises.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    future::Future as _,
    sync::{Arc, Barrier},
    time::Duration,
};

use site::{account, count, done, open, put};
use store::{AccountId, Error, Options, Store, Topic, event::Filter, params, sql::Sql};
use trail::{Actor, Event, Kind};
use world::World;

const ITEMS: &str = "SELECT count(*) FROM meta WHERE name LIKE 'item-%'";

fn item(tx: &mut store::Tx<'_>, name: &str) -> Result<(), Error> {
    let statement = "INSERT INTO meta (name, value) VALUES (?1, 'x')";
    tx.execute(statement, params![&format!("item-{name}")])
        .map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_commit_is_there_once_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let mut tasks = Vec::new();
    for task in 0..64 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut bodies = Vec::new();
            for turn in 0..5 {
                let raw = format!("message {task} {turn}").repeat(50);
                let body = put(&store, raw.as_bytes(), &[owner]).await;
                let name = format!("{task}-{turn}");
                let commit = store
                    .commit(Vec::new(), move |tx| {
                        item(tx, &name)?;
                        done(tx, &name, ())
                    })
                    .await;
                commit.unwrap();
                bodies.push((body, raw));
            }
            bodies
        }));
    }
    let mut bodies = Vec::new();
    for task in tasks {
        bodies.extend(task.await.unwrap());
    }
    let facts = store.facts().unwrap();
    assert!(
        facts.batches < facts.commits,
        "commits were gathered: {facts:?}"
    );
    store.close().await;
    let store = open(directory.path());
    assert_eq!(count(&store, ITEMS).await, 320);
    assert_eq!(count(&store, "SELECT count(*) FROM body").await, 320);
    for (body, raw) in bodies {
        assert_eq!(store.body(owner, body).await.unwrap(), raw.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_or_panicking_closure_leaves_nothing_and_harms_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    // All in one batch or not: the outcome is the same for each.
    let mut tasks = Vec::new();
    for task in 0..30 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let body = store.seal(format!("{task}").as_bytes(), &[owner]).unwrap();
            let id = body.id;
            store
                .commit(vec![body], move |tx| {
                    item(tx, &format!("{task}"))?;
                    tx.retain_body(id, owner, owner, 1)?;
                    let recorded = done(tx, "fate", ())?;
                    match task % 3 {
                        0 => Ok(recorded),
                        1 => Err(Error::NotFound("sense".to_owned())),
                        _ => panic!("task {task} panics"),
                    }
                })
                .await
        }));
    }
    for (task, handle) in tasks.into_iter().enumerate() {
        match (task % 3, handle.await.unwrap()) {
            (0, Ok(_)) | (1, Err(Error::NotFound(_))) => {}
            (2, Err(Error::Panicked(said))) => assert_eq!(said, format!("task {task} panics")),
            (_, other) => panic!("task {task}: {other:?}"),
        }
    }
    assert_eq!(count(&store, ITEMS).await, 10);
    assert_eq!(count(&store, "SELECT count(*) FROM body").await, 10);
    let fates = "SELECT count(*) FROM event WHERE subject = 'fate'";
    assert_eq!(count(&store, fates).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_alone_in_its_batch_leaves_nothing_and_the_next_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    for turn in 0..6 {
        let body = store.seal(b"alone", &[owner]).unwrap();
        let id = body.id;
        let commit = store.commit(vec![body], move |tx| {
            item(tx, &format!("{turn}"))?;
            tx.retain_body(id, owner, owner, 1)?;
            let recorded = done(tx, "fate", ())?;
            match turn % 2 {
                0 => Ok(recorded),
                _ => Err(Error::NotFound("sense".to_owned())),
            }
        });
        assert_eq!(commit.await.is_ok(), turn % 2 == 0, "turn {turn}");
    }
    assert_eq!(count(&store, ITEMS).await, 3);
    assert_eq!(count(&store, "SELECT count(*) FROM body").await, 3);
    let fates = "SELECT count(*) FROM event WHERE subject = 'fate'";
    assert_eq!(count(&store, fates).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_emptied_when_nothing_is_committed_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        log_rest: Duration::from_millis(50),
        ..site::options()
    };
    let store = Store::open(directory.path(), &options, World::system()).unwrap();
    let long = "x".repeat(4 << 20);
    let commit = store.commit(Vec::new(), move |tx| {
        let statement = "INSERT INTO meta (name, value) VALUES ('item-long', ?1)";
        tx.execute(statement, params![&long])?;
        done(tx, "long", ())
    });
    commit.await.unwrap();
    let log = directory.path().join("store.db-wal");
    let emptied = async {
        while std::fs::metadata(&log).unwrap().len() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), emptied).await;
    waited.expect("the log was emptied");
    put_event(&store).await;
    assert_eq!(count(&store, ITEMS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_found_with_its_effect_and_times_ascend() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for n in 0..10 {
        let commit = store
            .commit(Vec::new(), move |tx| {
                item(tx, &format!("{n}"))?;
                let event = Event::new(Kind::TransactionAccepted, Actor::Peer)
                    .subject("effect")
                    .detail("recipients", vec!["A@Example.JP"]);
                tx.record(&event, ())
            })
            .await;
        let _: store::Receipt<()> = commit.map_err(|error: Error| error).unwrap();
    }
    let filter = Filter {
        address: Some("a@example.jp".to_owned()),
        ..Filter::default()
    };
    let events = store
        .read(move |sql| store::event::search(sql, &filter, 100))
        .await
        .unwrap();
    assert_eq!(events.len(), 10);
    assert!(events.is_sorted_by(|a, b| a.id < b.id && a.at <= b.at));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_the_writer_and_see_no_half() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let inside = Arc::new(Barrier::new(2));
    let leave = Arc::new(Barrier::new(2));
    let (enter, exit) = (Arc::clone(&inside), Arc::clone(&leave));
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .commit(Vec::new(), move |tx| {
                    item(tx, "slow")?;
                    enter.wait();
                    exit.wait();
                    done(tx, "slow", ())
                })
                .await
        })
    };
    tokio::task::spawn_blocking(move || inside.wait())
        .await
        .unwrap();
    assert_eq!(count(&store, ITEMS).await, 0, "the writer is in the middle");
    tokio::task::spawn_blocking(move || leave.wait())
        .await
        .unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(count(&store, ITEMS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (begun, begin) = tokio::sync::oneshot::channel();
    let (go_on, wait) = std::sync::mpsc::channel();
    let reader = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .read(move |sql| -> Result<(u64, u64), Error> {
                    let before = site::count_in(sql, ITEMS)?;
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                    Ok((before, site::count_in(sql, ITEMS)?))
                })
                .await
        })
    };
    begin.await.unwrap();
    let commit = store
        .commit(Vec::new(), |tx| {
            item(tx, "later")?;
            done(tx, "later", ())
        })
        .await;
    commit.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), (0, 0));
    assert_eq!(count(&store, ITEMS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let written = store
        .read(|sql| sql.query("DELETE FROM meta RETURNING name", &[], &mut |_| Ok(())))
        .await;
    assert!(matches!(written, Err(Error::ReadOnly(_))), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_callers_commits_keep_their_order_with_bodies_or_without() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut answers = Vec::new();
    let mut waiting = Vec::new();
    for n in 0..200u64 {
        // Every third has a body to be synced first.
        let bodies = if n % 3 == 0 {
            vec![store.seal(b"body", &[AccountId::QUEUE]).unwrap()]
        } else {
            Vec::new()
        };
        let id = bodies.first().map(|body| body.id);
        let mut commit = Box::pin(store.commit(bodies, move |tx| {
            if let Some(id) = id {
                tx.retain_body(id, AccountId::QUEUE, AccountId::QUEUE, 1)?;
            }
            let before = site::count_in(tx, ITEMS)?;
            item(tx, &format!("{n}"))?;
            done(tx, "ordered", before)
        }));
        // Submitted, not yet answered: the first look puts it into the queue.
        match std::future::poll_fn(|context| std::task::Poll::Ready(commit.as_mut().poll(context)))
            .await
        {
            std::task::Poll::Ready(answer) => answers.push((n, answer)),
            std::task::Poll::Pending => waiting.push((n, commit)),
        }
    }
    for (n, commit) in waiting {
        answers.push((n, commit.await));
    }
    assert_eq!(answers.len(), 200);
    for (n, answer) in answers {
        assert_eq!(answer.unwrap().value, n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_asked_for_is_done_though_it_went_away() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let gone = tokio::time::timeout(
        Duration::ZERO,
        store.commit(Vec::new(), |tx| {
            item(tx, "gone")?;
            done(tx, "gone", ())
        }),
    );
    // Answered in time or not: the next commit stands behind it.
    let _either = gone.await;
    put_event(&store).await;
    assert_eq!(count(&store, ITEMS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_wake_after_the_commit_they_wait_for() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut queue = store.watch(Topic::Queue);
    let mut other = store.watch(Topic::Account(AccountId(7)));
    let refused = store
        .commit(Vec::new(), |tx| {
            tx.touch(Topic::Queue);
            let _undone = done(tx, "no", ())?;
            Err::<store::Recorded<()>, _>(Error::NotFound("no".to_owned()))
        })
        .await;
    refused.unwrap_err();
    assert!(!queue.has_changed().unwrap(), "nothing happened yet");
    let commit = store
        .commit(Vec::new(), |tx| {
            item(tx, "queued")?;
            tx.touch(Topic::Queue);
            done(tx, "queued", ())
        })
        .await;
    commit.unwrap();
    assert!(queue.has_changed().unwrap());
    queue.mark_unchanged();
    assert!(!other.has_changed().unwrap());
    other.mark_unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_read_before_watching_hears_what_came_between() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let touch = async |topic: Topic| {
        let work = move |tx: &mut store::Tx<'_>| {
            tx.touch(topic);
            done(tx, "touched", ())
        };
        store.commit(Vec::new(), work).await.unwrap();
    };
    let changed = |topic, moment| {
        let receiver = store.watch_since(topic, moment);
        receiver.has_changed().unwrap()
    };
    touch(Topic::Queue).await;
    let moment = store.moment();
    assert!(!changed(Topic::Queue, moment), "that was before");
    touch(Topic::Queue).await;
    assert!(changed(Topic::Queue, moment));
    assert!(!changed(Topic::Directory, moment), "another topic");
    assert!(!changed(Topic::Queue, store.moment()));
    let watching = store.watch_since(Topic::Directory, store.moment());
    touch(Topic::Directory).await;
    assert!(watching.has_changed().unwrap());
    // Nobody can tell any more what came between.
    for account in 0..2000 {
        touch(Topic::Account(AccountId(account))).await;
    }
    assert!(changed(Topic::Arrivals, moment));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.close().await;
    let late = store.commit(Vec::new(), |tx| done(tx, "late", ())).await;
    assert!(matches!(late, Err(Error::Closed)));
    let read = store.read(|sql| site::count_in(sql, ITEMS)).await;
    assert!(matches!(read, Err(Error::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_ascend_across_restarts_though_the_clock_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = world::ManualClock::at("2026-11-22T10:00:00Z".parse().unwrap());
    let world = World::new(clock, SystemRandom);
    let store = Store::open(directory.path(), &site::options(), world).unwrap();
    let first = store.next_id();
    put_event(&store).await;
    let last = store.next_id();
    assert!(last > first);
    drop(store);
    let clock = world::ManualClock::at("2020-01-01T00:00:00Z".parse().unwrap());
    let world = World::new(clock, SystemRandom);
    let store = Store::open(directory.path(), &site::options(), world).unwrap();
    assert!(store.next_id() > last);
    put_event(&store).await;
    let filter = Filter::default();
    let events = store
        .read(move |sql| store::event::search(sql, &filter, 100))
        .await
        .unwrap();
    // That the clock went back is the third.
    assert_eq!(events.len(), 3);
    assert_eq!(events[1].event.kind, Kind::ClockBehind);
    assert!(events.is_sorted_by(|a, b| a.id < b.id && a.at <= b.at));
}

async fn put_event(store: &Store) {
    let commit = store.commit(Vec::new(), |tx| done(tx, "tick", ())).await;
    commit.unwrap();
}

struct SystemRandom;

impl world::Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        World::system().fill(bytes);
    }
}
