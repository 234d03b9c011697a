//! How many durable commits of a 4 KiB body a second: `cargo run -p store --release --example commit_rate [DIR] [SECONDS]`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use store::{AccountId, Error, Options, Store};
use trail::{Actor, Event, Kind};
use world::World;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments
        .next()
        .map_or(5, |text| text.parse().expect("seconds"));
    for writers in [1, 8, 64] {
        let place = directory.join(format!("commit-rate-{}-{writers}", std::process::id()));
        let store = Store::open(&place, &Options::default(), World::system()).expect("a store");
        let (commits, slowest) = run(&store, writers, Duration::from_secs(seconds)).await;
        let facts = store.facts().expect("facts");
        println!(
            "{writers:>3} writers: {:>6} commits/s, {:>5.1} a batch, slowest {:.1} ms",
            commits / seconds,
            facts.commits as f64 / facts.batches as f64,
            slowest.as_secs_f64() * 1000.0,
        );
        store.close().await;
        std::fs::remove_dir_all(&place).expect("removed");
    }
}

/// Commits until `time` is over; how many, and how long the slowest took.
async fn run(store: &Store, writers: u32, time: Duration) -> (u64, Duration) {
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for _ in 0..writers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut raw = vec![0; 4096];
            World::system().fill(&mut raw);
            let (mut commits, mut slowest) = (0, Duration::ZERO);
            while Instant::now() < end {
                let start = Instant::now();
                one(&store, &raw).await.expect("a commit");
                slowest = slowest.max(start.elapsed());
                commits += 1;
            }
            (commits, slowest)
        }));
    }
    let mut sum = (0, Duration::ZERO);
    for task in tasks {
        let (commits, slowest) = task.await.expect("a writer");
        sum = (sum.0 + commits, sum.1.max(slowest));
    }
    sum
}

async fn one(store: &Store, raw: &[u8]) -> Result<(), Error> {
    let owner = AccountId::QUEUE;
    let body = store.seal(raw, &[owner])?;
    let id = body.id;
    let commit = store.commit(vec![body], move |tx| {
        tx.retain_body(id, owner, owner, 1)?;
        let event = Event::new(Kind::TransactionAccepted, Actor::Peer).subject(id.to_string());
        tx.record(&event, ())
    });
    commit
        .await
        .map(|receipt: store::Receipt<()>| receipt.value)
}
