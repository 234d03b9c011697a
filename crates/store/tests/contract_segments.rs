//! Segments over their whole life: begun, left, emptied, removed, and met again after a restart.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

mod site;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use site::{count, done, eventually, options, put, release};
use store::{AccountId, BodyId, Error, Options, Store};
use world::World;

const OWNER: AccountId = AccountId::QUEUE;

const CHILD: &str = "KAKITOME_TEST_SEGMENTS";
/// Set when the child is to begin with the end of all there is.
const EMPTY_FIRST: &str = "KAKITOME_TEST_SEGMENTS_EMPTY";

/// More than a crash can leave behind: what is taken for a database older than the segments.
const TOO_MUCH: u64 = 2 << 30;

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    World::system().fill(&mut bytes);
    bytes
}

/// Opens with segments so small that forty bodies fill one.
fn open_small(directory: &Path) -> Store {
    try_open(directory).unwrap()
}

fn try_open(directory: &Path) -> Result<Store, Error> {
    let small = Options {
        segment_size: 64 << 10,
        ..options()
    };
    Store::open(directory, &small, World::system())
}

fn segment(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("segments/{number:08}.seg"))
}

/// Puts bodies until segment `number` has begun; all of them, in order.
async fn fill_until(store: &Store, directory: &Path, number: u64) -> Vec<BodyId> {
    let mut bodies = Vec::new();
    while !segment(directory, number).exists() {
        bodies.push(put(store, &noise(1500), &[OWNER]).await);
    }
    bodies
}

async fn release_all(store: &Store, bodies: &[BodyId]) {
    for body in bodies {
        release(store, *body, OWNER).await;
    }
    eventually("all room given back", async || {
        count(store, "SELECT count(*) FROM body_free").await == 0
    })
    .await;
}

/// What the store was before it noted how far it knows its segments.
async fn as_format_1(store: &Store) {
    let older = store.commit(Vec::new(), |tx| {
        tx.execute("UPDATE meta SET value = '1' WHERE name = 'format'", &[])?;
        for table in [
            "off_roster",
            "address_writer",
            "arrival",
            "expert_drill",
            "expert",
            "capacity_mailbox",
            "capacity",
            "plaintext_login",
            "person_language",
            "incident_reminder",
            "incident_report",
            "incident_lever",
            "incident_runbook",
            "runbook",
            "vuln_step",
            "report",
            "task_step",
            "task",
            "occasion",
            "standing",
            "vuln_advisory",
            "vuln_case",
            "vuln_exploited",
            "vuln_feed",
            "software_look",
            "software",
            "submitted",
            "submission_hold",
            "acquaintance",
            "lesson",
            "learned",
            "word",
            "word_lessons",
            "screening_policy",
            "blocked_address",
            "traffic_span",
            "traffic_mark",
            "abuse_report",
            "outbreak_found",
            "outbreak_search",
            "outbreak_rule",
            "quarantined",
            "quarantined_for",
            "dkim_key",
            "sts_policy",
            "tls_session",
            "tls_report_mail",
            "tls_report_seen",
            "acme_account",
            "app_password",
            "second_factor",
            "forward",
            "address_writers",
            "shared_user",
            "shared_identifier",
            "reading",
            "event_named",
            "tree_tile",
            "tree_root",
            "checkpoint",
            "trail_volume",
            "custody",
            "acknowledgement",
            "departure",
            "letter",
            "account_use",
            "legal_hold",
            "register_erasure",
            "incident_step",
            "incident",
        ] {
            tx.execute(&format!("DROP TABLE {table}"), &[])?;
        }
        for index in [
            "event_by_order",
            "address_beyond_ascii",
            "retired_beyond_ascii",
        ] {
            tx.execute(&format!("DROP INDEX {index}"), &[])?;
        }
        let younger = "ALTER TABLE retired_address DROP COLUMN added_at";
        tx.execute(younger, &[])?;
        tx.execute(
            "CREATE TABLE event_address (address TEXT, event BIGINT, PRIMARY KEY (address, event))",
            &[],
        )?;
        for column in ["at", "kind", "actor", "subject", "outcome"] {
            let index = format!("CREATE INDEX event_by_{column} ON event ({column}, id)");
            tx.execute(&index, &[])?;
        }
        tx.execute("DELETE FROM meta WHERE name = 'segments'", &[])?;
        done(tx, "older", ())
    });
    older.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_segment_that_is_written_is_never_removed() {
    for older in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let store = open_small(directory);
        // Segment 1 is full and 2 begun; of all that, the first body is left.
        let bodies = fill_until(&store, directory, 2).await;
        release_all(&store, &bodies[1..]).await;
        if older {
            as_format_1(&store).await;
        }
        store.close().await;
        let store = open_small(directory);
        // Now nothing is left, as on a server that only relays.
        release_all(&store, &bodies[..1]).await;
        for turn in 0..100 {
            let raw = noise(1500);
            let body = put(&store, &raw, &[OWNER]).await;
            let found = store.body(OWNER, body).await;
            assert!(
                found.as_deref().ok() == Some(&raw),
                "turn {turn}: {found:?}"
            );
            release(&store, body, OWNER).await;
        }
        let last = put(&store, b"last", &[OWNER]).await;
        store.close().await;
        let store = open_small(directory);
        assert_eq!(store.body(OWNER, last).await.unwrap(), &b"last"[..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_room_is_no_reason_to_stay_shut() {
    for older in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let store = open_small(directory);
        let first = fill_until(&store, directory, 2).await;
        let second = fill_until(&store, directory, 3).await;
        release_all(&store, &first[1..]).await;
        if older {
            as_format_1(&store).await;
        }
        store.close().await;
        // As if very much more had lived and died behind the first body: holes of any size.
        let file = fs::OpenOptions::new()
            .write(true)
            .open(segment(directory, 1));
        file.unwrap().set_len(TOO_MUCH).unwrap();
        let store = open_small(directory);
        for body in [first[0], second[0]] {
            assert_eq!(store.body(OWNER, body).await.unwrap().len(), 1500);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_segments_that_died_are_no_reason_to_stay_shut() {
    for older in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let store = open_small(directory);
        // The collector was not there to remove segment 1, or it was left over by an older program.
        let bodies = fill_until(&store, directory, 3).await;
        let kept = put(&store, b"kept", &[OWNER]).await;
        let copy = fs::read(segment(directory, 1)).unwrap();
        release_all(&store, &bodies).await;
        if older {
            as_format_1(&store).await;
        }
        store.close().await;
        fs::write(segment(directory, 1), &copy[..16]).unwrap();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(segment(directory, 1));
        file.unwrap().set_len(TOO_MUCH).unwrap();
        let store = open_small(directory);
        assert!(!segment(directory, 1).exists(), "nothing lives in it");
        assert_eq!(store.body(OWNER, kept).await.unwrap(), &b"kept"[..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_died_while_it_was_written_goes_when_it_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let store = open_small(directory);
    // One at a time, each dead before the next comes: no body's death meets a segment that is left.
    for _ in 0..200 {
        let body = put(&store, &noise(1500), &[OWNER]).await;
        release_all(&store, &[body]).await;
    }
    let left = || fs::read_dir(directory.join("segments")).unwrap().count();
    assert!(segment(directory, 5).exists(), "several have been begun");
    eventually("the dead ones are removed", async || left() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_and_no_place_is_used_twice() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut places = BTreeSet::new();
    for _ in 0..5 {
        let store = open_small(directory);
        for _ in 0..3 {
            let body = put(&store, &noise(1500), &[OWNER]).await;
            let place = store.read(move |sql| {
                let find = "SELECT segment, start FROM body WHERE id = ?1";
                store::sql::first(sql, find, store::params![body], |row| {
                    Ok((row.int(0)?, row.int(1)?))
                })
            });
            let place: Result<_, Error> = place.await;
            assert!(places.insert(place.unwrap().unwrap()), "{places:?}");
            release_all(&store, &[body]).await;
        }
        store.close().await;
        // And once without anything happening: what is dead is gone, and must not be forgotten.
        open_small(directory).close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_still_told() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let store = open_small(directory);
    let first = fill_until(&store, directory, 2).await;
    store.close().await;
    let older = tempfile::tempdir().unwrap();
    let database = directory.join("store.db");
    fs::copy(&database, older.path().join("store.db")).unwrap();
    let store = open_small(directory);
    fill_until(&store, directory, 4).await;
    store.close().await;
    fs::copy(older.path().join("store.db"), &database).unwrap();
    // More than is ever on its way: in the segment that the older database ends in, or in later ones.
    for number in [2, 3, 4] {
        let path = segment(directory, number);
        let length = fs::metadata(&path).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(TOO_MUCH).unwrap();
        let opened = try_open(directory).map(|_| ());
        assert!(matches!(opened, Err(Error::Corrupt(_))), "{opened:?}");
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            TOO_MUCH,
            "nothing was changed"
        );
        file.set_len(length).unwrap();
    }
    let store = open_small(directory);
    assert!(store.body(OWNER, first[0]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_store_with_dead_ends_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let store = open_small(directory);
    let bodies = fill_until(&store, directory, 3).await;
    release_all(&store, &bodies[1..]).await;
    let target = tempfile::tempdir().unwrap();
    store.backup(target.path()).await.unwrap();
    let copy = open_small(target.path());
    let mut more = fill_until(&copy, target.path(), 5).await;
    more.push(bodies[0]);
    copy.close().await;
    let copy = open_small(target.path());
    for body in &more {
        assert_eq!(copy.body(OWNER, *body).await.unwrap().len(), 1500);
    }
    let damaged = |finding: &&store::Finding| finding.name() == "body-damaged";
    assert_eq!(
        copy.verify(|_| {}).await.unwrap().iter().find(damaged),
        None
    );
}

/// Not a test by itself: what the killed process does. Most bodies die soon, a few stay.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open_small(Path::new(&directory));
    let say = |word: &str, body: BodyId| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {}", body.0).unwrap();
        out.flush().unwrap();
    };
    if std::env::var_os(EMPTY_FIRST).is_some() {
        let all = store.read(|sql| {
            store::sql::rows(sql, "SELECT id FROM body", &[], |row| {
                row.int(0).map(BodyId)
            })
        });
        let all: Result<_, Error> = all.await;
        for body in all.unwrap() {
            say("release", body);
            release(&store, body, OWNER).await;
        }
        release_all(&store, &[]).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for turn in 0.. {
                let body = put(&store, &noise(3000), &[OWNER]).await;
                say("put", body);
                if turn % 29 > 0 {
                    say("release", body);
                    release(&store, body, OWNER).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_while_segments_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = BTreeSet::new();
    for round in 0..6 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, directory.path());
        if round % 2 == 1 {
            command.env(EMPTY_FIRST, "1");
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut put = 0;
        for line in lines.map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let [.., word, id] = words[..] else {
                continue;
            };
            match (word, id.parse().map(BodyId)) {
                ("put", Ok(body)) => {
                    put += 1;
                    kept.insert(body);
                }
                ("release", Ok(body)) => {
                    kept.remove(&body);
                }
                _ => {}
            }
            if put == 150 + round * 31 {
                // What it still said is read all the same.
                child.kill().ok();
            }
        }
        child.wait().unwrap();
        let store = open_small(directory.path());
        for body in &kept {
            assert!(store.body(OWNER, *body).await.is_ok(), "round {round}");
        }
        let damaged = |finding: &&store::Finding| finding.name() == "body-damaged";
        let findings = store.verify(|_| {}).await.unwrap();
        assert_eq!(findings.iter().find(damaged), None);
        store.close().await;
    }
}
