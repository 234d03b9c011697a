//! What the tree over the trail promises: whatever is done to what is written is found and named.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::path::Path;

use rusqlite::Connection;
use site::{event, eventually, options};
use store::{
    Error, Options, Store,
    event::{self as events, Filter},
    tree::Witness,
};
use trail::{
    checkpoint::Checkpoint,
    entry,
    merkle::{verify_consistency, verify_inclusion},
    note::{SigningKey, VerifierKey},
};
use world::World;

fn open(directory: &Path) -> Store {
    let options = Options {
        trail_origin: "mail.example.jp".to_owned(),
        ..options()
    };
    Store::open(directory, &options, World::system()).expect("the store opens")
}

/// Commits `count` events, a hundred at a time.
async fn happen(store: &Store, count: usize) {
    for first in (0..count).step_by(100) {
        let done = store.commit(Vec::new(), move |tx| {
            for number in first..count.min(first + 100) - 1 {
                drop(tx.record(&event(format!("{number}")), ())?);
            }
            tx.record(&event("last"), ())
        });
        let done: Result<_, Error> = done.await;
        done.unwrap();
    }
}

async fn ids(store: &Store) -> Vec<i64> {
    let all = store.read(|sql| events::search(sql, &Filter::default(), 100_000));
    let all: Result<_, Error> = all.await;
    all.unwrap().iter().map(|event| event.id).collect()
}

async fn names(store: &Store) -> Vec<&'static str> {
    let findings = store.verify(|_| {}).await.unwrap();
    findings.iter().map(store::Finding::name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_tells_of_all_events_and_goes_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut notes = Vec::new();
    let mut key: Option<VerifierKey> = None;
    let mut count = 0;
    for more in [1, 254, 1, 1, 5000] {
        let store = open(directory.path());
        let own = store.trail_key();
        assert_eq!(key.get_or_insert_with(|| own.clone()), &own);
        assert!(own.name().starts_with("mail.example.jp/trail-"), "{own}");
        happen(&store, more).await;
        count += more;
        let signed = store.checkpoint().await.unwrap().unwrap();
        let checkpoint = Checkpoint::open(&signed.note, &own).unwrap();
        assert_eq!((signed.size, checkpoint.size), (count as u64, count as u64));
        // Nothing new, nothing to sign.
        assert_eq!(store.checkpoint().await.unwrap().unwrap(), signed);
        notes.push(signed.note);
        assert_eq!(names(&store).await, [""; 0]);
        for note in &notes {
            let size = Checkpoint::open(note, &own).unwrap().size;
            let said = store.witness(note).await.unwrap().unwrap();
            assert_eq!(said, Witness::Agrees { size });
            // The same, to one who has nothing but the two notes and the key.
            let (now, path) = store.prove_growth(size).await.unwrap();
            let [old, new] = [note, &now.note].map(|note| Checkpoint::open(note, &own).unwrap());
            assert!(verify_consistency(
                size, &old.root, new.size, &new.root, &path
            ));
            assert!(!verify_consistency(size, &new.root, new.size, &old.root, &path) || old == new);
        }
        assert!(matches!(
            store.prove_growth(0).await,
            Err(Error::NotFound(_))
        ));
        let more = store.prove_growth(count as u64 + 1).await;
        assert!(matches!(more, Err(Error::NotFound(_))));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_follows_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        checkpoint_every: std::time::Duration::from_millis(20),
        ..options()
    };
    let store = Store::open(directory.path(), &options, World::system()).unwrap();
    for count in [10, 300] {
        happen(&store, count).await;
        let all = ids(&store).await.len() as u64;
        eventually("a checkpoint over all events", async || {
            let last = store.read(|sql| store::tree::latest(sql));
            let last: Result<_, Error> = last.await;
            last.unwrap().is_some_and(|signed| signed.size == all)
        })
        .await;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_can_be_proved_to_one_who_has_only_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    happen(&store, 700).await;
    let key: VerifierKey = store.trail_key().to_string().parse().unwrap();
    for (place, id) in (0..).zip(ids(&store).await).step_by(37) {
        let proof = store.prove(id).await.unwrap();
        assert_eq!(proof.index, place);
        assert!(proof.line.contains(&format!("\"id\":{id},")));
        let checkpoint = Checkpoint::open(&proof.checkpoint.note, &key).unwrap();
        let proves = |line: &str| {
            let leaf = entry::leaf(&proof.salt, line);
            let (size, root) = (checkpoint.size, &checkpoint.root);
            verify_inclusion(proof.index, &leaf, size, root, &proof.path)
        };
        assert!(proves(&proof.line));
        assert!(!proves(&proof.line.replace("test", "best")) || !proof.line.contains("test"));
        assert!(!proves(&proof.line.replace("system", "peer")));
    }
    assert!(matches!(store.prove(77).await, Err(Error::NotFound(_))));
    store.close().await;
}

/// A closed store with 600 events and two checkpoints, the first over 300; and its notes.
#[tokio::test(flavor = "multi_thread")]
async fn many_events_are_proved_at_once_as_each_would_be_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for more in [1, 255, 1, 700, 1090] {
        happen(&store, more).await;
        let all = ids(&store).await;
        let key = store.trail_key();
        let signed = store.checkpoint().await.unwrap().unwrap();
        let checkpoint = Checkpoint::open(&signed.note, &key).unwrap();
        let (size, root) = (checkpoint.size, checkpoint.root);
        // What comes later changes nothing: the proofs are of that checkpoint.
        happen(&store, 300).await;
        store.checkpoint().await.unwrap();
        let beyond = ids(&store).await[all.len()];
        for step in [1, 3, 270] {
            let some: Vec<i64> = all.iter().copied().step_by(step).collect();
            let wanted = some.clone();
            let proved = store.read(move |snapshot| -> Result<_, Error> {
                let mut prover = store::tree::Prover::new(size);
                let proved = prover.prove(snapshot, &wanted)?;
                let old = size / 2;
                let path = (old > 0)
                    .then(|| prover.growth(snapshot, old))
                    .transpose()?;
                assert!(store::tree::last_of(snapshot, size)? < beyond);
                let past = prover.prove(snapshot, &[beyond]);
                assert!(matches!(past, Err(Error::NotFound(_))));
                Ok((proved, path))
            });
            let (proved, path) = proved.await.unwrap();
            for (id, proof) in some.iter().zip(&proved) {
                assert!(proof.line.starts_with(&format!("{{\"id\":{id},")));
                let leaf = entry::leaf(&proof.salt, &proof.line);
                assert!(verify_inclusion(
                    proof.index,
                    &leaf,
                    size,
                    &root,
                    &proof.path
                ));
            }
            assert_eq!(some.len(), proved.len());
            if let Some(path) = path {
                assert!(!path.is_empty());
            }
        }
    }
    store.close().await;
}

async fn written(directory: &Path) -> Vec<String> {
    let store = open(directory);
    let mut notes = Vec::new();
    for _ in 0..2 {
        happen(&store, 300).await;
        notes.push(store.checkpoint().await.unwrap().unwrap().note);
    }
    store.close().await;
    notes
}

/// The number of the event at a place in the trail.
fn at(place: i64) -> String {
    format!("(SELECT id FROM event ORDER BY id LIMIT 1 OFFSET {place})")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_the_trail_is_found_and_named() {
    let forged = SigningKey::new("mail.example.jp/trail-00000000", &[1; 32]).unwrap();
    let forged = forged.sign("mail.example.jp/trail-00000000\n600\nAAAA\n");
    let columns = "at, version, kind, actor, outcome, address, subject, ord, detail";
    let cases: Vec<(&str, String, Vec<&str>)> = vec![
        (
            "changed",
            format!("UPDATE event SET actor = 'peer' WHERE id = {}", at(40)),
            vec!["event-altered"],
        ),
        (
            "changed, at the very end",
            format!("UPDATE event SET at = at + 1 WHERE id = {}", at(599)),
            vec!["event-altered"],
        ),
        (
            "removed",
            format!("DELETE FROM event WHERE id = {}", at(0)),
            vec!["event-removed"],
        ),
        (
            "put between",
            format!(
                "INSERT INTO event (id, {columns}) SELECT id + 1, {columns} FROM event e
                 WHERE NOT EXISTS (SELECT 1 FROM event n WHERE n.id = e.id + 1) ORDER BY id LIMIT 1"
            ),
            vec!["event-inserted"],
        ),
        (
            "two change places",
            format!(
                "CREATE TEMP TABLE two AS SELECT id, subject FROM event WHERE id IN ({}, {});
                 UPDATE event SET subject = (SELECT subject FROM two WHERE two.id <> event.id)
                 WHERE id IN (SELECT id FROM two)",
                at(30),
                at(31)
            ),
            vec!["event-altered", "event-altered"],
        ),
        (
            "the end cut off",
            format!("DELETE FROM event WHERE id >= {}", at(590)),
            vec!["event-removed"; 10],
        ),
        (
            "the end cut off, with the tree's",
            "DELETE FROM event WHERE id > (SELECT id FROM event ORDER BY id LIMIT 1 OFFSET 511);
             DELETE FROM tree_tile WHERE tile = 2"
                .to_owned(),
            vec!["trail-cut"],
        ),
        (
            "a tile gone",
            "DELETE FROM tree_tile WHERE tile = 1".to_owned(),
            vec!["tree"],
        ),
        (
            "a leaf changed",
            "UPDATE tree_tile SET content = zeroblob(length(content)) WHERE tile = 2".to_owned(),
            vec!["event-inserted"; 88],
        ),
        (
            "a root changed",
            "UPDATE tree_root SET root = zeroblob(32) WHERE tile = 0".to_owned(),
            vec!["tree"],
        ),
        (
            "a checkpoint of another key",
            format!("UPDATE checkpoint SET note = '{forged}' WHERE size = 600"),
            vec!["checkpoint-false"],
        ),
        (
            "a checkpoint put in the place of another",
            "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 300) WHERE size = 600"
                .to_owned(),
            vec!["checkpoint-false"],
        ),
    ];
    for (what, sql, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path()).await;
        let database = Connection::open(directory.path().join("store.db")).unwrap();
        database.execute_batch(&sql).unwrap();
        drop(database);
        let store = open(directory.path());
        let found = names(&store).await;
        let found: Vec<&str> = found
            .into_iter()
            .filter(|name| !["trail-index", "event-time"].contains(name))
            .collect();
        if what == "a leaf changed" {
            assert!(found.contains(&"checkpoint-false"), "{what}: {found:?}");
            continue;
        }
        assert_eq!(found, expected, "{what}");
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_written_anew_is_caught_by_a_checkpoint_kept_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let notes = written(directory.path()).await;
    let key = std::fs::read(directory.path().join("keys/trail.key")).unwrap();
    // Somebody with the key makes everything anew, one event otherwise.
    let again = tempfile::tempdir().unwrap();
    written(again.path()).await;
    std::fs::write(again.path().join("keys/trail.key"), key).unwrap();
    let database = Connection::open(again.path().join("store.db")).unwrap();
    database.execute("DELETE FROM checkpoint", []).unwrap();
    database.execute("DELETE FROM tree_tile", []).unwrap();
    database.execute("DELETE FROM tree_root", []).unwrap();
    let changed = "UPDATE event SET actor = 'peer' WHERE id = (SELECT max(id) FROM event)";
    assert_eq!(database.execute(changed, []).unwrap(), 1);
    drop(database);
    let store = open(again.path());
    store.checkpoint().await.unwrap();
    assert_eq!(names(&store).await, [""; 0]);
    for (note, size) in notes.iter().zip([300, 600]) {
        let said = store.witness(note).await.unwrap().unwrap();
        assert_eq!(said, Witness::Forked { size });
    }
    assert!(store.witness("a note\n").await.unwrap().is_err());
    store.close().await;
    // Or the end is cut off, with all that tells of it.
    let database = Connection::open(directory.path().join("store.db")).unwrap();
    let cut = "DELETE FROM event WHERE id > (SELECT id FROM event ORDER BY id LIMIT 1 OFFSET 511);
               DELETE FROM tree_tile WHERE tile = 2; DELETE FROM checkpoint WHERE size = 600";
    database.execute_batch(cut).unwrap();
    drop(database);
    let store = open(directory.path());
    let [first, second] = [&notes[0], &notes[1]];
    assert_eq!(
        store.witness(first).await.unwrap().unwrap(),
        Witness::Agrees { size: 300 }
    );
    assert_eq!(
        store.witness(second).await.unwrap().unwrap(),
        Witness::Cut {
            told: 600,
            left: 512
        }
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_the_trail_does_not_go_on() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path()).await;
    std::fs::remove_file(directory.path().join("keys/trail.key")).unwrap();
    let opened = Store::open(directory.path(), &options(), World::system());
    let told = opened.err().unwrap().to_string();
    assert!(told.contains("trail.key"), "{told}");
}
