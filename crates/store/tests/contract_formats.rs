//! Data that every earlier format has written: opened, read, checked against its manifest, written to.
//!
//! The fixtures are in `tests/formats`; `examples/write_format.rs` wrote each with the last build of its format.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::types::ValueRef;
use serde_json::Value;
use site::open;
use store::{
    AccountId, BodyId, Error, Finding, Store,
    event::{self, Filter},
    mailbox, queue,
};

/// Tables whose rows change when a store is opened: facts of the format, and room that is given back.
const MOVING: [&str; 2] = ["meta", "body_free"];
/// The table by which formats before 3 found events: what it said must still be found.
const FOUND_BY: &str = "event_address";

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

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

fn unpack(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(to.join(&name)).unwrap();
            unpack(&entry.path(), &to.join(&name));
        } else if let Some(name) = name.strip_suffix(".zst") {
            let bytes = zstd::decode_all(fs::File::open(entry.path()).unwrap()).unwrap();
            fs::write(to.join(name), bytes).unwrap();
            // Git does not keep the mode, and an open key is refused.
            fs::set_permissions(to.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn manifest(format: u32) -> Value {
    let path = formats().join(format.to_string()).join("manifest.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
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

/// Every body opens for each of its owners as what was written.
async fn check_bodies(store: &Store, manifest: &Value) {
    let bodies = manifest["bodies"].as_array().unwrap();
    assert!(bodies.len() > 30);
    for body in bodies {
        let [owner, id, size] = [0, 1, 2].map(|at| body[at].as_i64().unwrap());
        let raw = store.body(AccountId(owner), BodyId(id)).await.unwrap();
        assert_eq!(i64::try_from(raw.len()).unwrap(), size);
        assert_eq!(
            blake3::hash(&raw).to_hex().as_str(),
            body[3].as_str().unwrap()
        );
    }
}

/// Every row that was there is there, column by column.
fn check_rows(database: &Path, manifest: &Value) {
    let handle = rusqlite::Connection::open(database).unwrap();
    let mut checked = 0;
    for (table, written) in manifest["tables"].as_object().unwrap() {
        if MOVING.contains(&table.as_str()) || table == FOUND_BY {
            continue;
        }
        let columns: Vec<&str> = written["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column.as_str().unwrap())
            .collect();
        let found = rows(&handle, table, &columns);
        for row in written["rows"].as_array().unwrap() {
            assert!(found.contains(&row.to_string()), "{table}: {row}");
            checked += 1;
        }
        // Opening writes events of its own, and nothing else.
        let more = found.len() - written["rows"].as_array().unwrap().len();
        assert!(
            more == 0 || table.starts_with("event"),
            "{table}: {more} rows more"
        );
    }
    assert!(checked > 200, "{checked} rows");
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

fn rows(handle: &rusqlite::Connection, table: &str, columns: &[&str]) -> BTreeSet<String> {
    let mut statement = handle
        .prepare(&format!("SELECT {} FROM {table}", columns.join(", ")))
        .unwrap();
    let mut found = statement.query([]).unwrap();
    let mut rows = BTreeSet::new();
    while let Some(row) = found.next().unwrap() {
        let cells = (0..columns.len()).map(|at| match row.get_ref(at).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Text(text) => Value::from(std::str::from_utf8(text).unwrap()),
            ValueRef::Blob(bytes) => {
                let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Value::from(format!("x:{}", digits.concat()))
            }
            ValueRef::Real(number) => panic!("{number} in {table}"),
        });
        rows.insert(Value::Array(cells.collect()).to_string());
    }
    rows
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
