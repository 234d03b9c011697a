//! Data that every earlier format has written: opened, read, checked against its manifest, written to.
//!
//! The fixtures are in `tests/formats`; `examples/write_format.rs` wrote each with the last build of its format.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod fixture;
mod mail;
mod site;

use fixture::{FOUND_BY, check_bodies, check_rows, formats, manifest, unpack};
use serde_json::Value;
use site::open;
use store::{
    AccountId, Error, Finding, Store,
    event::{self, Filter},
    mailbox, queue,
};

/// The format that this build writes.
async fn newest() -> u32 {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    format_of(&store).await
}

async fn format_of(store: &Store) -> u32 {
    let find = "SELECT value FROM meta WHERE name = 'format'";
    let found = store.read(move |sql| store::sql::first(sql, find, &[], |row| row.text(0)));
    let found: Result<_, Error> = found.await;
    found.unwrap().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_format_has_a_fixture() {
    for format in 1..=newest().await {
        assert!(
            formats()
                .join(format.to_string())
                .join("manifest.json")
                .is_file(),
            "format {format} has no fixture: check out the last commit that writes it and run\n  \
             cargo run --locked -p store --example write_format -- crates/store/tests/formats"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_format_wrote_is_read_and_goes_on() {
    for format in 1..=newest().await {
        let place = tempfile::tempdir().unwrap();
        unpack(&formats().join(format.to_string()), place.path());
        let manifest = manifest(format);
        assert_eq!(manifest["format"], format.to_string());
        let store = open(place.path());
        assert_eq!(format_of(&store).await, newest().await);
        check_bodies(&store, &manifest).await;
        check_rows(&place.path().join("store.db"), &manifest);
        check_events_are_found(&store, &manifest).await;
        store.index_trail().await.unwrap();
        check_events_are_found(&store, &manifest).await;
        assert_eq!(
            faults(&store).await,
            Vec::<Finding>::new(),
            "format {format}"
        );
        go_on(&store, &manifest).await;
        store.close().await;
        let store = open(place.path());
        check_bodies(&store, &manifest).await;
        assert_eq!(
            faults(&store).await,
            Vec::<Finding>::new(),
            "format {format}"
        );
    }
}

/// Tasks are made anew in format 12, with what belongs to each.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_keep_their_steps_and_reports() {
    let place = tempfile::tempdir().unwrap();
    unpack(&formats().join("11"), place.path());
    let path = place.path().join("store.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    let before = "INSERT INTO task (number, workflow, period, opened_at, due_at, facts, answers, done_by, done_at, closed_by, closed_at)
            VALUES (1, 'trail-review', '2026-07', 1, 2, '{}', '{}', 7, 3, 7, 4);
        INSERT INTO task (number, workflow, period, opened_at, due_at, facts) VALUES (2, 'trail-review', '2026-10', 5, 6, '{}');
        INSERT INTO task_step (task, step, what, taken_by, at, note) VALUES (1, 1, 'opened', NULL, 1, ''), (1, 2, 'done', 7, 3, '');
        INSERT INTO report (number, task, to_role, title, text, digest, made_at) VALUES (1, 1, 'security-officer', 't', 'x', 'd', 4);";
    database.execute_batch(before).unwrap();
    drop(database);
    let store = open(place.path());
    assert_eq!(format_of(&store).await, newest().await);
    let rows = store.read(|sql| -> Result<_, Error> {
        let count = |sql: &mut store::Snapshot<'_>, query: &str| {
            store::sql::first(sql, query, &[], |row| row.int(0)).map(Option::unwrap)
        };
        Ok([
            count(sql, "SELECT COUNT(*) FROM task")?,
            count(sql, "SELECT COUNT(*) FROM task t JOIN task_step s ON s.task = t.number")?,
            count(sql, "SELECT COUNT(*) FROM report r JOIN task t ON t.number = r.task AND t.closed_by = 7")?,
            count(sql, "SELECT COUNT(*) FROM report WHERE of_case IS NULL AND made_by IS NULL")?,
        ])
    });
    assert_eq!(rows.await.unwrap(), [2, 2, 1, 1]);
    store.close().await;
    let database = rusqlite::Connection::open(&path).unwrap();
    let mut faults = database.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!faults.exists([]).unwrap());
    let index = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'task_period'";
    let index: i64 = database.query_row(index, [], |row| row.get(0)).unwrap();
    assert_eq!(index, 1);
}

/// Format 2 kept the addresses of an event beside it, and so those that its details had no room for.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_details_had_no_room_for_are_still_found() {
    let place = tempfile::tempdir().unwrap();
    unpack(&formats().join("2"), place.path());
    let database = rusqlite::Connection::open(place.path().join("store.db")).unwrap();
    let newest: i64 = database
        .query_row("SELECT max(id) FROM event", [], |row| row.get(0))
        .unwrap();
    let cut =
        "INSERT INTO event SELECT ?1 + 1, at, version, kind, actor, outcome, address, subject, ord,
               '{\"truncated\":99999}' FROM event WHERE id = ?1";
    database.execute(cut, [newest]).unwrap();
    let named = "INSERT INTO event_address VALUES ('left.out@example.jp', ?1 + 1)";
    database.execute(named, [newest]).unwrap();
    drop(database);
    let store = open(place.path());
    let filter = Filter {
        address: Some("left.out@example.jp".to_owned()),
        ..Filter::default()
    };
    for _ in 0..2 {
        let filter = filter.clone();
        let found = store.read(move |sql| event::search(sql, &filter, 10));
        let found: Result<_, Error> = found.await;
        let ids: Vec<i64> = found.unwrap().iter().map(|event| event.id).collect();
        assert_eq!(ids, [newest + 1]);
        store.index_trail().await.unwrap();
    }
}

/// What is wrong with it, but for what a fixture cannot have: its tasks, contracts and measures are rows that no command made, so that no
/// event tells of them.
async fn faults(store: &Store) -> Vec<Finding> {
    let mut found = store.verify(|_| {}).await.unwrap();
    found.retain(|one| !matches!(one, Finding::WorkAltered { .. }));
    found
}

/// Every event is found by each address by which it was found.
async fn check_events_are_found(store: &Store, manifest: &Value) {
    let Some(table) = manifest["tables"].get(FOUND_BY) else {
        return;
    };
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.len() > 30);
    for row in rows {
        let filter = Filter {
            address: Some(row[0].as_str().unwrap().to_owned()),
            ..Filter::default()
        };
        let found = store.read(move |sql| event::search(sql, &filter, 10_000));
        let found: Result<_, Error> = found.await;
        let id = row[1].as_i64().unwrap();
        assert!(found.unwrap().iter().any(|event| event.id == id), "{row}");
    }
}

/// Old mail is worked with, and new mail comes beside it.
async fn go_on(store: &Store, manifest: &Value) {
    let owner = AccountId(manifest["bodies"][0][0].as_i64().unwrap());
    let inbox = mail::find(store, owner, "INBOX").await.unwrap();
    let before = mail::uids(store, inbox.id).await;
    let new = mail::append(store, owner, inbox.id, b"Subject: new\r\n\r\nnew")
        .await
        .unwrap();
    assert_eq!(new.uid, inbox.uid_next);
    assert!(!before.contains(&new.uid));
    let archive = mail::find(store, owner, "Archive").await.unwrap();
    let worked = mail::change(store, move |tx| {
        mailbox::move_to(tx, inbox.id, &[new.uid, before[0]], archive.id)?;
        let held = queue::Selection {
            state: Some(queue::State::Held),
            ..queue::Selection::default()
        };
        assert_eq!(queue::select(tx, &held, 10)?.len(), 1);
        queue::set_state(tx, &held, queue::State::Waiting)
    });
    assert_eq!(worked.await.unwrap(), 2);
    assert_eq!(mail::uids(store, archive.id).await.len(), 2);
}
