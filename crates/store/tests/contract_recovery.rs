//! What is left after the worst has happened.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod site;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use site::{account, count, done, eventually, open, options, put, release};
use store::{AccountId, BodyId, Error, Options, Store, params};
use world::World;

const CHILD: &str = "KAKITOME_TEST_STORE";

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    World::system().fill(&mut bytes);
    bytes
}

fn raw(number: u64) -> Vec<u8> {
    format!("message {number} ")
        .repeat(200 + usize::try_from(number % 700).unwrap())
        .into_bytes()
}

/// Not a test by itself: what the killed process does.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&directory));
    let mut tasks = Vec::new();
    for task in 0..16u64 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for turn in 0.. {
                let number = turn * 16 + task;
                let body = store.seal(&raw(number), &[AccountId::QUEUE]).unwrap();
                let id = body.id;
                let commit = store.commit(vec![body], move |tx| {
                    tx.retain_body(id, AccountId::QUEUE, AccountId::QUEUE, 1)?;
                    let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
                    tx.execute(insert, params![&format!("item-{number}"), &id.to_string()])?;
                    done(tx, "item", ())
                });
                commit.await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "ack {number} {id}").unwrap();
                out.flush().unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut known: BTreeSet<(u64, BodyId)> = BTreeSet::new();
    for round in 0..3 {
        let place = directory.path().join(format!("{round}"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, &place)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        known.clear();
        while known.len() < 200 + round * 77 {
            note(&mut known, &lines.next().unwrap().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts too; the last line may be cut.
        for line in lines.map_while(Result::ok) {
            note(&mut known, &line);
        }
        let store = open(&place);
        for (number, body) in &known {
            let found = store.body(AccountId::QUEUE, *body).await;
            assert!(found.unwrap() == raw(*number), "message {number}");
        }
        let items = count(&store, "SELECT count(*) FROM meta WHERE name LIKE 'item-%'").await;
        let bodies = count(&store, "SELECT count(*) FROM body").await;
        let events = count(&store, "SELECT count(*) FROM event WHERE subject = 'item'").await;
        assert!(items >= known.len() as u64);
        assert_eq!(
            (items, items),
            (bodies, events),
            "each with its body and its event"
        );
        let damaged = |finding: &&store::Finding| finding.name() == "body-damaged";
        assert_eq!(
            store.verify(|_| {}).await.unwrap().iter().find(damaged),
            None
        );
    }
}

fn note(known: &mut BTreeSet<(u64, BodyId)>, line: &str) {
    // The test harness's own words may stand before ours.
    let Some((_, said)) = line.split_once("ack ") else {
        return;
    };
    if let Some((number, id)) = said.split_once(' ')
        && let (Ok(number), Ok(id)) = (number.parse(), id.parse())
    {
        known.insert((number, id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_without_rows_are_cut_off_at_open() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    let body = put(&store, &noise(10_000), &[owner]).await;
    drop(store);
    // As a crash leaves it between the sync of the bodies and the commit of their rows.
    let segments = directory.path().join("segments");
    let first = segments.join("00000001.seg");
    let length = fs::metadata(&first).unwrap().len();
    let mut file = fs::OpenOptions::new().append(true).open(&first).unwrap();
    file.write_all(&noise(100_000)).unwrap();
    fs::write(segments.join("00000002.seg"), noise(5000)).unwrap();
    let store = open(directory.path());
    assert_eq!(fs::metadata(&first).unwrap().len(), length);
    assert!(!segments.join("00000002.seg").exists());
    let next = put(&store, &noise(10_000), &[owner]).await;
    assert!(store.body(owner, body).await.is_ok());
    assert!(store.body(owner, next).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_not_cut_off_for_want_of_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = account(&store).await;
    drop(store);
    let older = tempfile::tempdir().unwrap();
    for name in ["store.db", "store.db-wal"] {
        let path = directory.path().join(name);
        if path.exists() {
            fs::copy(path, older.path().join(name)).unwrap();
        }
    }
    let store = open(directory.path());
    let body = put(&store, &noise(5000), &[owner]).await;
    drop(store);
    let database = directory.path().join("store.db");
    let kept = directory.path().join("kept");
    fs::rename(&database, &kept).unwrap();
    let refused = |directory: &Path| {
        let opened = Store::open(directory, &options(), World::system()).map(|_| ());
        assert!(matches!(opened, Err(Error::Corrupt(_))), "{opened:?}");
    };
    refused(directory.path());
    // An older database, and more mail than can have been on its way.
    fs::copy(older.path().join("store.db"), &database).unwrap();
    let segment = directory.path().join("segments/00000002.seg");
    fs::File::create(&segment)
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    refused(directory.path());
    fs::remove_file(&segment).unwrap();
    fs::rename(&kept, &database).unwrap();
    let store = open(directory.path());
    assert!(store.body(owner, body).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let second = Store::open(directory.path(), &options(), World::system());
    match second.map(|_| ()) {
        Err(Error::Locked { process, .. }) => assert_eq!(process, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(store);
    open(directory.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_others_can_read_or_that_are_not_ours_are_refused() {
    let refused = |directory: &Path| {
        let opened = Store::open(directory, &options(), World::system()).map(|_| ());
        match opened {
            Err(error @ Error::KeyFile { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let one = tempfile::tempdir().unwrap();
    let two = tempfile::tempdir().unwrap();
    drop(open(one.path()));
    drop(open(two.path()));
    let key = |directory: &Path| directory.join("keys/installation.key");
    fs::set_permissions(key(one.path()), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused(one.path()).contains("mode 640"));
    fs::set_permissions(key(one.path()), fs::Permissions::from_mode(0o600)).unwrap();
    drop(open(one.path()));
    let kept = fs::read(key(one.path())).unwrap();
    fs::copy(key(two.path()), key(one.path())).unwrap();
    assert!(refused(one.path()).contains("another store"));
    fs::write(key(one.path()), &kept[..40]).unwrap();
    assert!(refused(one.path()).contains("damaged"));
    fs::remove_file(key(one.path())).unwrap();
    assert!(refused(one.path()).contains("missing"));
    assert!(!key(one.path()).exists(), "no new key for old mail");
    fs::write(key(one.path()), &kept).unwrap();
    fs::set_permissions(key(one.path()), fs::Permissions::from_mode(0o600)).unwrap();
    drop(open(one.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let later = store.commit(Vec::new(), |tx| {
        tx.execute("UPDATE meta SET value = '9999' WHERE name = 'format'", &[])?;
        done(tx, "later", ())
    });
    later.await.unwrap();
    drop(store);
    let opened = Store::open(directory.path(), &options(), World::system()).map(|_| ());
    assert!(
        matches!(opened, Err(Error::LaterFormat { found: 9999, .. })),
        "{opened:?}"
    );
}

/// A file system of its own, small; `None` (and a loud line) where mounting is not permitted.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(directory));
        }
        eprintln!("SKIPPED: this test needs to mount a tmpfs, which is not permitted here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).status().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_mail_lets_deletions_through_and_recovers() {
    let Some(mounted) = Mounted::new("size=12m,mode=700") else {
        return;
    };
    let place = mounted.0.path().join("store");
    let limits = Options {
        reserve_bytes: 4 << 20,
        ..Options::default()
    };
    let store = Store::open(&place, &limits, World::system()).unwrap();
    let owner = account(&store).await;
    let mut bodies = Vec::new();
    let refusal = loop {
        let body = store.seal(&noise(200_000), &[owner]).unwrap();
        let id = body.id;
        let kept = store.commit(vec![body], move |tx| {
            tx.retain_body(id, owner, owner, 1)?;
            done(tx, "put", ())
        });
        match kept.await {
            Ok(_) => bodies.push(id),
            Err(error) => break error,
        }
        assert!(bodies.len() < 100);
    };
    assert!(matches!(refusal, Error::Full), "{refusal:?}");
    for body in bodies.drain(..10) {
        release(&store, body, owner).await;
    }
    eventually("room again", async || {
        store.facts().unwrap().free_bytes > 5 << 20
    })
    .await;
    bodies.push(put(&store, &noise(200_000), &[owner]).await);

    // Now somebody else takes all there is: not even rows can be written.
    let mut hog = fs::File::create(mounted.0.path().join("hog")).unwrap();
    while hog.write_all(&[0; 4096]).is_ok() {}
    let fat = "x".repeat(1 << 20);
    let mut refused = 0;
    for turn in 0..8 {
        let fat = fat.clone();
        let commit = store.commit(Vec::new(), move |tx| {
            let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
            tx.execute(insert, params![&format!("fat-{turn}"), &fat])?;
            done(tx, "fat", ())
        });
        match commit.await {
            Ok(_) => {}
            Err(Error::Full) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 0);
    drop(hog);
    fs::remove_file(mounted.0.path().join("hog")).unwrap();
    let fats = count(&store, "SELECT count(*) FROM meta WHERE name LIKE 'fat-%'").await;
    assert_eq!(fats, 8 - refused, "what was refused is not there");
    bodies.push(put(&store, &noise(1000), &[owner]).await);
    for body in bodies {
        assert!(store.body(owner, body).await.is_ok());
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_system_is_called_so() {
    let Some(mounted) = Mounted::new("size=16m,mode=700") else {
        return;
    };
    drop(open(mounted.0.path()));
    let remount = |how: &str| {
        let status = Command::new("mount")
            .args(["-o", how])
            .arg(mounted.0.path())
            .status();
        assert!(status.unwrap().success());
    };
    remount("remount,ro");
    let opened = Store::open(mounted.0.path(), &options(), World::system()).map(|_| ());
    assert!(matches!(opened, Err(Error::ReadOnly(_))), "{opened:?}");
    remount("remount,rw");
    drop(open(mounted.0.path()));
}
