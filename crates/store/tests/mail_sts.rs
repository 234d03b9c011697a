//! What is kept of other domains' policies (MTA-STS).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use jiff::{SignedDuration, Timestamp};
use mail::{read, record};
use message::address::Domain;
use site::open;
use store::{
    Error, Store, Tx,
    sts::{self, KeptPolicy},
};

fn policy(domain: &str, hours: i64) -> KeptPolicy {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    KeptPolicy {
        domain: Domain::parse(domain).unwrap(),
        id: "1".to_owned(),
        mode: "enforce".to_owned(),
        mx: vec![format!("mx.{domain}"), "*.example.net".to_owned()],
        max_age: 86_400,
        fetched_at: now,
        expires_at: now + SignedDuration::from_hours(hours),
    }
}

async fn change<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> T {
    let done = store.commit(Vec::new(), move |tx| {
        let value = work(tx)?;
        record(tx, value)
    });
    let done: Result<_, Error> = done.await;
    done.unwrap().value
}

async fn names(store: &Store, end_hours: i64) -> Vec<String> {
    let end = Timestamp::now() + SignedDuration::from_hours(end_hours);
    let found = store.read(move |sql| sts::ending(sql, end, 10)).await;
    let found: Result<_, Error> = found;
    found.unwrap().into_iter().map(|(name, _)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_policy_of_a_domain_stays_until_it_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (long, short) = (policy("long.example", 48), policy("short.example", 2));
    for kept in [long.clone(), short.clone()] {
        change(&store, move |tx| sts::keep(tx, &kept)).await;
    }
    let name = long.domain.clone();
    assert_eq!(
        read(&store, move |sql| sts::of(sql, &name)).await,
        Some(long.clone())
    );
    assert_eq!(names(&store, 24).await, ["short.example"]);
    assert_eq!(names(&store, 72).await, ["short.example", "long.example"]);
    let news = KeptPolicy {
        id: "2".to_owned(),
        mode: "none".to_owned(),
        mx: Vec::new(),
        ..short.clone()
    };
    let kept = news.clone();
    change(&store, move |tx| sts::keep(tx, &kept)).await;
    let name = short.domain.clone();
    assert_eq!(
        read(&store, move |sql| sts::of(sql, &name)).await,
        Some(news)
    );
    let name = short.domain.clone();
    assert!(change(&store, move |tx| sts::forget(tx, &name)).await);
    let name = short.domain.clone();
    assert!(!change(&store, move |tx| sts::forget(tx, &name)).await);
    let listed = read(&store, |sql| sts::list(sql, "", 10)).await;
    assert_eq!(listed.len(), 1);
    let listed = read(&store, |sql| sts::list(sql, "long.example", 10)).await;
    assert!(listed.is_empty());
}

/// A row that cannot be read stops nobody else, and is found by `verify`.
#[tokio::test(flavor = "multi_thread")]
async fn damage_stays_where_it_is() {
    for damage in [
        "UPDATE sts_policy SET max_age = 'long' WHERE domain = 'bad.example'",
        "UPDATE sts_policy SET domain = 'no domain' WHERE domain = 'bad.example'",
        "UPDATE sts_policy SET expires_at = fetched_at - 1 WHERE domain = 'bad.example'",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        for kept in [policy("bad.example", 2), policy("good.example", 2)] {
            change(&store, move |tx| sts::keep(tx, &kept)).await;
        }
        change(&store, move |tx| tx.execute(damage, &[])).await;
        let listed = read(&store, |sql| sts::list(sql, "", 10)).await;
        let good = |(name, kept): &sts::Listed| name == "good.example" && kept.is_ok();
        assert!(listed.iter().any(good), "{damage}");
        let told = store.verify(|_| {}).await.unwrap();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|finding| finding.contains("MTA-STS")),
            "{damage}: {told:?}"
        );
    }
}
