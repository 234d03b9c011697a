//! How fast mailboxes, queue and index are. Run by hand:
//! `cargo test -p store --release --test mail_speed -- --ignored --nocapture`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr
)]

mod mail;
mod site;

use std::time::Instant;

use mail::{change, message, owner, read, record};
use site::open;
use store::{
    AccountId, Error, MailboxId, Store,
    index::{Candidates, Field, Index},
    mailbox::{self, FlagChange, FlagMode, Flags},
    queue,
};

const WORDS: [&str; 8] = [
    "会議の資料を",
    "送ります",
    "quarterly",
    "report",
    "よろしく",
    "お願いします",
    "invoice",
    "2026",
];

fn raw(n: usize) -> Vec<u8> {
    let mut text = format!("Subject: mail {n}\r\nFrom: u{n}@example.jp\r\n\r\n");
    for word in 0..60 {
        text.push_str(WORDS[(n * 7 + word * word) % WORDS.len()]);
        text.push_str(&format!(" {} ", (n * 31 + word) % 977));
    }
    text.into_bytes()
}

/// Appends `count` messages, `each` in one commit.
async fn fill(store: &Store, account: AccountId, inbox: MailboxId, count: usize, each: usize) {
    let mut committing = std::time::Duration::ZERO;
    for first in (0..count).step_by(each) {
        let mut bodies = Vec::new();
        let mut news = Vec::new();
        for n in first..first + each {
            let body = store.seal(&raw(n), &[account]).unwrap();
            let mut new = message(body.id, body.size);
            new.summary = vec![7; 400];
            new.references = vec![format!("<{n}@x>"), format!("<{}@x>", n / 5)];
            news.push(new);
            bodies.push(body);
        }
        let start = Instant::now();
        let done = store
            .commit(bodies, move |tx| {
                for new in &news {
                    mailbox::append(tx, inbox, new, true)?;
                }
                record(tx, ())
            })
            .await;
        Result::<_, Error>::unwrap(done);
        committing += start.elapsed();
    }
    eprintln!("of that, {committing:?} in commits");
}

fn told(what: &str, count: usize, start: Instant) {
    let took = start.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    eprintln!("{what}: {count} in {took:?}, {rate:.0}/s");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed_of_appends() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let start = Instant::now();
    fill(&store, account, inbox, 20_000, 500).await;
    told("sealed and appended, 500 a commit", 20_000, start);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed_of_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let (account, inbox) = owner(&store).await;
    let start = Instant::now();
    fill(&store, account, inbox, 10_000, 500).await;
    told("sealed and appended, 500 a commit", 10_000, start);

    let index = Index::open(&directory.path().join("index"), store.clone()).unwrap();
    let start = Instant::now();
    index.catch_up(account).await.unwrap();
    told("indexed", 10_000, start);
    let size: u64 = std::fs::read_dir(directory.path().join("index"))
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    eprintln!(
        "index: {size} bytes for {} of mail",
        (0..10_000).map(|n| raw(n).len()).sum::<usize>()
    );
    for needle in [
        "会議",
        "資料を 送",
        "mail 777",
        "zzz",
        "re",
        "ail",
        "議",
        "report invoice",
    ] {
        let start = Instant::now();
        let found = match index
            .candidates(account, needle, Field::Text)
            .await
            .unwrap()
        {
            Candidates::These(found) => found,
            Candidates::All => panic!(),
        };
        let took = start.elapsed();
        let emails = found.emails.clone();
        let places = read(&store, move |sql| {
            mailbox::places_to_verify(sql, inbox, &found)
        })
        .await;
        let mapped = start.elapsed();
        let held = index.hold(account, &emails, needle, Field::Text).await;
        eprintln!(
            "{needle}: {} in {took:?}, with places {mapped:?}, {} hold it: {:?}",
            places.len(),
            held.unwrap()
                .iter()
                .filter(|held| **held == Some(true))
                .count(),
            start.elapsed()
        );
    }
    index.close().await;

    let start = Instant::now();
    let all: Vec<u32> = (1..=10_000).collect();
    let entries = read(&store, move |sql| mailbox::entries(sql, inbox, 1, u32::MAX)).await;
    told("entries", entries.len(), start);
    let start = Instant::now();
    let some: Vec<u32> = (1..=1000).collect();
    let summaries = store
        .read(move |snapshot| mailbox::summaries(snapshot, inbox, &some))
        .await;
    told(
        "summaries",
        Result::<_, Error>::unwrap(summaries).len(),
        start,
    );
    let start = Instant::now();
    let uids = all.clone();
    change(&store, move |tx| {
        let seen = FlagChange {
            mode: FlagMode::Add,
            flags: Flags::SEEN,
            keywords: Vec::new(),
        };
        mailbox::change_flags(tx, inbox, &uids, &seen, None)
    })
    .await
    .unwrap();
    told("flags", 10_000, start);
    let other = change(&store, move |tx| {
        mailbox::create(tx, account, "other", None)
    })
    .await
    .unwrap()
    .id;
    let start = Instant::now();
    let uids = all.clone();
    change(&store, move |tx| mailbox::copy(tx, inbox, &uids, other))
        .await
        .unwrap();
    told("copied", 10_000, start);
    let start = Instant::now();
    let uids = all.clone();
    change(&store, move |tx| mailbox::expunge(tx, inbox, &uids))
        .await
        .unwrap();
    told("expunged, a copy stays", 10_000, start);
    let start = Instant::now();
    change(&store, move |tx| mailbox::expunge(tx, other, &all))
        .await
        .unwrap();
    told("expunged for good", 10_000, start);

    let start = Instant::now();
    let body = store.seal(b"x", &[AccountId::QUEUE]).unwrap();
    let id = body.id;
    let filled = store
        .commit(vec![body], move |tx| {
            tx.retain_body(id, AccountId::QUEUE, AccountId::QUEUE, 1)?;
            for n in 0..1_000_000_i64 {
                let destination = format!("d{}.example", if n % 10 == 0 { n % 997 } else { 0 });
                tx.execute(
                    "INSERT INTO queue_recipient (message, number, address, domain, notify, original, destination, state, \
                     attempts, next_attempt, delay_notified, last_reply) \
                     VALUES (?1, ?2, 'a@d.example', 'd.example', 6, NULL, ?3, 0, 0, ?4, 0, '')",
                    store::params![n / 10, n % 10, &destination, n],
                )?;
                if n % 10 == 0 {
                    tx.execute(
                        "INSERT INTO queue_message VALUES (?1, ?2, 10, NULL, NULL, NULL, NULL, 0, 0, 0, '', 0)",
                        store::params![n / 10, id],
                    )?;
                }
            }
            record(tx, ())
        })
        .await;
    Result::<_, Error>::unwrap(filled);
    told("queued rows", 1_000_000, start);
    for busy in [Vec::new(), vec!["d0.example".to_owned()]] {
        let start = Instant::now();
        let now = jiff::Timestamp::now();
        let found = read(&store, move |sql| {
            let skip = queue::Skip {
                busy: &busy,
                ..queue::Skip::default()
            };
            queue::due(sql, now, 200, skip, &mut |_, error| panic!("{error}"))
        })
        .await;
        told("due", found.len(), start);
    }
    let start = Instant::now();
    eprintln!(
        "{:?} {:?}",
        read(&store, queue::totals).await,
        start.elapsed()
    );
    store.close().await;
}
