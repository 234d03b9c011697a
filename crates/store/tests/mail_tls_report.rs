//! What reports about TLS are made of: sessions, counted until they are told.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use jiff::{SignedDuration, Timestamp};
use mail::{read, record};
use message::{
    address::Domain,
    tls_report::{Failure, Policy, PolicyKind},
};
use site::open;
use store::{
    Error, Store, Tx,
    tls_report::{self, Counted, MOST_ROWS, Session},
};

fn session(mx: &str, failure: Option<Failure>) -> Session {
    Session {
        policy: Policy {
            kind: PolicyKind::Sts,
            strings: vec!["version: STSv1".to_owned(), "mode: enforce".to_owned()],
            domain: "x.example".to_owned(),
            mx: vec!["*.x.example".to_owned()],
        },
        failure,
        mx: mx.to_owned(),
        peer: Some("192.0.2.1".parse().unwrap()),
        source: None,
        reason: "some\nwords".to_owned(),
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

async fn counted(store: &Store, day: i64) -> Vec<Counted> {
    let domain = Domain::parse("x.example").unwrap();
    read(store, move |sql| tls_report::of(sql, day, &domain)).await
}

async fn count(store: &Store, at: Timestamp, sessions: Vec<Session>) {
    change(store, move |tx| tls_report::count(tx, at, &sessions)).await;
}

fn sum(counted: &[Counted]) -> u64 {
    counted.iter().map(|one| one.sessions).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_alike_are_one_row_until_they_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let at: Timestamp = "2026-11-27T23:59:59Z".parse().unwrap();
    let day = tls_report::day(at);
    let expired = Some(Failure::CertificateExpired);
    for sessions in [
        vec![
            session("a", None),
            session("a", None),
            session("a", expired),
        ],
        vec![session("b", None)],
    ] {
        count(&store, at, sessions).await;
    }
    count(
        &store,
        at + SignedDuration::from_secs(1),
        vec![session("a", None)],
    )
    .await;
    let rows = counted(&store, day).await;
    assert_eq!((rows.len(), sum(&rows)), (3, 4));
    let failed = rows.iter().find(|row| row.session.failure == expired);
    let kept = &failed.unwrap().session;
    assert_eq!(kept.policy, session("a", None).policy);
    assert_eq!(kept.reason, "some words");
    assert_eq!(sum(&counted(&store, day + 1).await), 1);
    let found = read(&store, move |sql| tls_report::days(sql, day + 1)).await;
    assert_eq!(found, [day]);
    let found = read(&store, move |sql| tls_report::domains(sql, day, "", 10)).await;
    assert_eq!(found, ["x.example"]);

    // What came after a report was made stays for the next one.
    count(&store, at, vec![session("a", None)]).await;
    change(&store, move |tx| tls_report::told(tx, day, &rows)).await;
    let left = counted(&store, day).await;
    assert_eq!((left.len(), sum(&left)), (1, 1));
    assert_eq!(
        change(&store, move |tx| tls_report::forget(tx, day)).await,
        1
    );
    assert!(counted(&store, day).await.is_empty());
    assert_eq!(sum(&counted(&store, day + 1).await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_makes_the_table_grow() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let at = Timestamp::UNIX_EPOCH;
    let all: Vec<Session> = (0..MOST_ROWS + 50)
        .map(|n| session(&format!("mx{n}"), None))
        .collect();
    count(&store, at, all.clone()).await;
    // What has a row already goes on counting there.
    count(&store, at, all[..1].to_vec()).await;
    let mut long = session("long", Some(Failure::TlsaInvalid));
    long.policy.strings = vec!["x".repeat(100_000)];
    count(&store, at, vec![long]).await;
    let rows = counted(&store, 0).await;
    assert_eq!(i64::try_from(rows.len()).unwrap(), MOST_ROWS + 2);
    assert_eq!(i64::try_from(sum(&rows)).unwrap(), MOST_ROWS + 52);
    let rest = rows.iter().find(|row| row.session.mx.is_empty()).unwrap();
    assert!(rest.session.policy.strings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_counts_once_as_long_as_it_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let seen = async |named: [&'static str; 2]| {
        change(&store, move |tx| tls_report::note_seen(tx, &named)).await
    };
    assert!(seen(["ab", "c"]).await);
    assert!(!seen(["ab", "c"]).await);
    assert!(seen(["a", "bc"]).await);
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    assert_eq!(
        change(&store, move |tx| tls_report::forget_seen(tx, later)).await,
        2
    );
    assert!(seen(["ab", "c"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found() {
    for (damage, word) in [
        ("UPDATE tls_session SET failure = 'tea'", "x.example"),
        ("UPDATE tls_session SET peer = 'nowhere'", "x.example"),
        ("INSERT INTO tls_report_mail (body) VALUES (77)", "body 77"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        count(&store, Timestamp::UNIX_EPOCH, vec![session("a", None)]).await;
        assert!(store.verify(|_| {}).await.unwrap().is_empty());
        change(&store, move |tx| tx.execute(damage, &[])).await;
        let told = store.verify(|_| {}).await.unwrap();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|finding| finding.contains(word)),
            "{damage}: {told:?}"
        );
    }
}
