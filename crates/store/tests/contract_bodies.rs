//! Who can read a body, and until when.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
};

use site::{account, count, done, event, eventually, open, options, put, release};
use store::{AccountId, BodyId, Error, Options, Store, sql::Sql};
use world::World;

/// Bytes that neither compress nor repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    World::system().fill(&mut bytes);
    bytes
}

fn blocks(directory: &Path) -> u64 {
    let files = fs::read_dir(directory.join("segments")).unwrap();
    files
        .map(|file| file.unwrap().metadata().map_or(0, |facts| facts.blocks()))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_all_sizes_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let mut bodies = Vec::new();
    for length in [0, 1, 100, 4096, 70_000, 3 << 20] {
        for raw in [noise(length), vec![b'a'; length]] {
            bodies.push((put(&store, &raw, &[owner]).await, raw));
        }
    }
    drop(store);
    let store = open(directory.path());
    for (body, raw) in bodies {
        assert!(store.body(owner, body).await.unwrap() == raw);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_body_survives_one_of_its_owners_and_leaves_with_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two, three) = (
        account(&store).await,
        account(&store).await,
        account(&store).await,
    );
    let raw = noise(1 << 20);
    let body = put(&store, &raw, &[one, two]).await;
    let stranger = store.body(three, body).await;
    assert!(matches!(stranger, Err(Error::NotFound(_))), "{stranger:?}");
    // A third owner, who did not share it at sealing.
    let shared = store
        .commit(Vec::new(), move |tx| {
            tx.retain_body(body, three, one, 2)?;
            done(tx, "share", ())
        })
        .await;
    shared.unwrap();
    release(&store, body, one).await;
    let gone = store.body(one, body).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    assert!(store.body(two, body).await.unwrap() == raw);
    release(&store, body, two).await;
    release(&store, body, three).await;
    assert!(
        store.body(three, body).await.unwrap() == raw,
        "one reference is left"
    );
    let before = blocks(directory.path());
    assert!(before >= 2048);
    release(&store, body, three).await;
    let directory = directory.path();
    eventually("the hole", async || blocks(directory) < 64).await;
    let erased = store.body(three, body).await;
    assert!(matches!(erased, Err(Error::NotFound(_))), "{erased:?}");
    eventually("the event", async || {
        count(
            &store,
            "SELECT count(*) FROM event WHERE kind = 'store.collected'",
        )
        .await
            == 1
    })
    .await;
    assert_eq!(count(&store, "SELECT count(*) FROM body_free").await, 0);
    let more = store
        .commit(Vec::new(), move |tx| {
            tx.release_body(body, three, 1)?;
            done(tx, "too much", ())
        })
        .await;
    assert!(matches!(more, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_neighbours_give_their_blocks_back_and_empty_segments_go() {
    let directory = tempfile::tempdir().unwrap();
    let small = Options {
        segment_size: 256 << 10,
        ..options()
    };
    let store = Store::open(directory.path(), &small, World::system()).unwrap();
    let owner = account(&store).await;
    let mut bodies = Vec::new();
    for _ in 0..400 {
        bodies.push(put(&store, &noise(1500), &[owner]).await);
    }
    let segments = || {
        fs::read_dir(directory.path().join("segments"))
            .unwrap()
            .count()
    };
    assert!(segments() >= 3);
    let before = blocks(directory.path());
    // One by one, so that no two are freed together: every second one first.
    let keep = bodies[0];
    for body in bodies[1..]
        .iter()
        .step_by(2)
        .chain(bodies[2..].iter().step_by(2))
    {
        release(&store, *body, owner).await;
    }
    eventually("old segments removed", async || segments() <= 2).await;
    eventually("nothing to free", async || {
        count(&store, "SELECT count(*) FROM body_free").await == 0
    })
    .await;
    assert_eq!(store.body(owner, keep).await.unwrap().len(), 1500);
    // An open store has zeros ahead of the records in its last segment.
    store.close().await;
    let after = blocks(directory.path());
    assert!(after * 10 < before, "{before} blocks became {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unnamed_bodies_and_those_of_failed_commits_are_erased() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let body = store.seal(&noise(1 << 20), &[owner]).unwrap();
    let unnamed = store.commit(vec![body], |tx| done(tx, "unnamed", ())).await;
    unnamed.unwrap();
    let body = store.seal(&noise(1 << 20), &[owner]).unwrap();
    let failed = store
        .commit(vec![body], |tx| {
            let _undone = done(tx, "failed", ())?;
            Err::<store::Recorded<()>, _>(Error::NotFound("x".to_owned()))
        })
        .await;
    failed.unwrap_err();
    let directory = directory.path();
    eventually("holes", async || blocks(directory) < 64).await;
    assert_eq!(count(&store, "SELECT count(*) FROM body").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroyed_key_takes_bodies_and_notes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two) = (account(&store).await, account(&store).await);
    let body = put(&store, b"secret", &[one, two]).await;
    let note = store
        .commit(Vec::new(), move |tx| {
            let note = tx.seal_note(one, b"envelope")?;
            assert_eq!(tx.open_note(one, &note)?, b"envelope");
            assert!(tx.open_note(two, &note).is_err());
            done(tx, "note", note)
        })
        .await
        .unwrap()
        .value;
    let wrapped = store
        .read(move |sql| {
            let find = "SELECT wrapped FROM account_key WHERE account = ?1";
            store::sql::first(sql, find, store::params![one], |row| row.blob(0))
        })
        .await
        .unwrap()
        .unwrap();
    assert!(
        holds(directory.path(), &wrapped),
        "the test looks in the right place"
    );
    let destroyed = store
        .commit(Vec::new(), move |tx| {
            tx.destroy_key(one)?;
            done(tx, "destroyed", ())
        })
        .await;
    destroyed.unwrap();
    assert!(matches!(store.body(one, body).await, Err(Error::NoKey(_))));
    assert!(matches!(store.seal(b"x", &[one]), Err(Error::NoKey(_))));
    assert_eq!(store.body(two, body).await.unwrap(), &b"secret"[..]);
    let opened = store
        .read(move |snapshot| snapshot.open_note(one, &note))
        .await;
    assert!(matches!(opened, Err(Error::NoKey(_))));
    let directory = directory.path();
    eventually("the wrapped key is nowhere", async || {
        !holds(directory, &wrapped)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_destruction_failed_still_opens() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let body = put(&store, b"kept", &[owner]).await;
    let refused = store
        .commit(Vec::new(), move |tx| {
            tx.destroy_key(owner)?;
            let _undone = tx.record(&event("destroyed"), ())?;
            Err::<store::Recorded<()>, _>(Error::NotFound("an order".to_owned()))
        })
        .await;
    refused.unwrap_err();
    assert_eq!(store.body(owner, body).await.unwrap(), &b"kept"[..]);
    // The committer cannot keep what a closure did: here, because its savepoint is gone.
    let broken = store
        .commit(Vec::new(), move |tx| {
            tx.destroy_key(owner)?;
            tx.execute("RELEASE job", &[])?;
            done(tx, "destroyed", ())
        })
        .await;
    broken.unwrap_err();
    assert_eq!(store.body(owner, body).await.unwrap(), &b"kept"[..]);
}

fn holds(directory: &Path, needle: &[u8]) -> bool {
    ["store.db", "store.db-wal"].iter().any(|name| {
        let bytes = fs::read(directory.join(name)).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_readable_lies_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let raw = b"the quick brown fox in clear".repeat(3);
    put(&store, &raw, &[owner]).await;
    for file in fs::read_dir(directory.path().join("segments")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"quick bro"));
    }
    for path in ["store.db", "store.db-wal", "keys/installation.key"] {
        let mode = fs::metadata(directory.path().join(path)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_by_reading_and_by_verify() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = AccountId::QUEUE;
    let good = put(&store, &noise(10_000), &[owner]).await;
    let bad = put(&store, &noise(10_000), &[owner]).await;
    let (_, start) = store
        .read(move |sql| {
            let find = "SELECT segment, start FROM body WHERE id = ?1";
            let place = store::sql::first(sql, find, store::params![bad], |row| {
                Ok((row.count(0)?, row.count(1)?))
            })?;
            place.ok_or_else(|| Error::NotFound("body".to_owned()))
        })
        .await
        .unwrap();
    let path = directory.path().join("segments/00000001.seg");
    let mut file = fs::OpenOptions::new();
    let file = file.read(true).write(true).open(path).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, start + 5000).unwrap();
    file.write_all_at(&[!octet[0]], start + 5000).unwrap();
    assert!(store.body(owner, good).await.is_ok());
    assert!(matches!(
        store.body(owner, bad).await,
        Err(Error::Corrupt(_))
    ));
    let findings = store.verify(|_| {}).await.unwrap();
    let told = |body: BodyId| {
        let of_body = |told: &&store::Finding| {
            let told = told.to_string();
            told.contains(&body.to_string()) && told.contains("not open")
        };
        findings.iter().filter(of_body).count()
    };
    assert_eq!((told(good), told(bad)), (0, 1), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_opens_with_all_that_was_there_and_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let mut bodies = Vec::new();
    for n in 0..50 {
        let raw = format!("message {n} ").repeat(400);
        bodies.push((put(&store, raw.as_bytes(), &[owner]).await, raw));
    }
    for (body, _) in bodies.drain(10..30) {
        release(&store, body, owner).await;
    }
    let target = tempfile::tempdir().unwrap();
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                put(&store, b"meanwhile", &[owner]).await;
            }
        })
    };
    store.backup(target.path()).await.unwrap();
    writing.await.unwrap();
    for (body, _) in &bodies {
        release(&store, *body, owner).await;
    }
    let copy = open(target.path());
    for (body, raw) in bodies {
        assert_eq!(copy.body(owner, body).await.unwrap(), raw.as_bytes());
    }
    put(&copy, b"it goes on", &[owner]).await;
    assert!(store.backup(target.path()).await.is_err(), "not empty");
    // One that is cut short is on record, without its end.
    let short = target.path().join("short");
    let how = store::Backup {
        beside: vec!["no-such-file".into()],
        ..store::Backup::default()
    };
    let cut = store.backup_with(&short, how, |_, _| {}).await;
    assert!(cut.is_err(), "{cut:?}");
    for (kind, places) in [
        (
            trail::Kind::StoreBackingUp,
            vec![target.path(), short.as_path()],
        ),
        (trail::Kind::StoreBackedUp, vec![target.path()]),
    ] {
        let filter = store::event::Filter {
            kinds: vec![kind],
            ..store::event::Filter::default()
        };
        let told = store.read(move |sql| store::event::search(sql, &filter, 10));
        let told: Result<_, Error> = told.await;
        let told = told.unwrap();
        let told: Vec<_> = told.iter().map(|one| &one.event.subject).collect();
        let places: Vec<_> = places.iter().map(|at| at.display().to_string()).collect();
        assert_eq!(told, places.iter().collect::<Vec<_>>());
    }
    let unread = |finding: &&store::Finding| finding.name() == "body-damaged";
    assert_eq!(copy.verify(|_| {}).await.unwrap().iter().find(unread), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_answered_as_they_were_asked() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let rows = store
        .read(|sql| {
            let mut seen = Vec::new();
            let bytes: &[u8] = &[0, 255];
            sql.query(
                "SELECT ?1, ?2, ?3, ?4",
                store::params![i64::MIN, "会議", bytes, None::<i64>],
                &mut |row| {
                    seen.push((row.int(0)?, row.text(1)?, row.blob(2)?, row.maybe_int(3)?));
                    Ok(())
                },
            )?;
            Ok::<_, Error>(seen)
        })
        .await
        .unwrap();
    assert_eq!(rows, [(i64::MIN, "会議".to_owned(), vec![0, 255], None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_stand_in_the_order_asked_for_and_damage_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (owner, other) = (account(&store).await, account(&store).await);
    let mut bodies = Vec::new();
    for length in 1500..1600 {
        let raw = noise(length);
        bodies.push((put(&store, &raw, &[owner]).await, raw));
        put(&store, &noise(20 * (length - 1499)), &[other]).await;
    }
    let strange = put(&store, &noise(100), &[other]).await;
    let hurt = bodies[50].0;
    let place = store
        .read(move |snapshot| {
            let last = "SELECT start + length - 1 FROM body WHERE id = ?1";
            store::sql::first(snapshot, last, store::params![hurt], |row| row.count(0))
        })
        .await;
    let place = place.unwrap().unwrap();
    let segment = fs::read_dir(directory.path().join("segments")).unwrap();
    let segment = segment.map(|file| file.unwrap().path()).next().unwrap();
    let mut octets = fs::read(&segment).unwrap();
    octets[usize::try_from(place).unwrap()] ^= 1;
    fs::write(&segment, octets).unwrap();
    let mut asked: Vec<BodyId> = bodies.iter().rev().map(|(body, _)| *body).collect();
    asked.extend([strange, bodies[7].0, hurt]);
    let opened = store.bodies(owner, asked).await.unwrap();
    for ((body, raw), opened) in bodies.iter().rev().zip(&opened) {
        match opened {
            Err(Error::Corrupt(_)) => assert_eq!(*body, hurt),
            opened => assert!(opened.as_ref().unwrap() == raw),
        }
    }
    assert!(matches!(opened[49], Err(Error::Corrupt(_))));
    let [missing, again, damaged] = &opened[bodies.len()..] else {
        panic!("{} answers", opened.len());
    };
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    assert!(*again.as_ref().unwrap() == bodies[7].1);
    assert!(matches!(damaged, Err(Error::Corrupt(_))), "{damaged:?}");
}
