//! Tests on a disk that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use trail::{Actor, Event, Kind};
use world::World;

use crate::{
    AccountId, BodyId, Error, Options, SealedBody, Store,
    disk::{Disk, File, Lock, RealDisk},
    sql,
};

#[derive(Clone, Default)]
struct Faults {
    /// Syncs that are still to fail.
    syncs: Arc<AtomicU32>,
    /// Writes stop in the middle for lack of room.
    full: Arc<AtomicBool>,
    /// Cutting a file fails.
    stuck: Arc<AtomicBool>,
    /// Holes cannot be made.
    solid: Arc<AtomicBool>,
}

impl Disk for Faults {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = RealDisk.create(path)?;
        Ok(Arc::new(FaultyFile(file, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = RealDisk.open(path)?;
        Ok(Arc::new(FaultyFile(file, self.clone())))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        RealDisk.sync_names(directory)
    }

    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        RealDisk.make_directory(directory)
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        RealDisk.size(path)
    }

    fn lock(&self, path: &Path, note: &str) -> io::Result<Result<Lock, String>> {
        RealDisk.lock(path, note)
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        RealDisk.names(directory)
    }

    fn free(&self, directory: &Path) -> io::Result<u64> {
        RealDisk.free(directory)
    }
}

struct FaultyFile(Arc<dyn File>, Faults);

impl File for FaultyFile {
    fn write_at(&self, parts: &[&[u8]], start: u64) -> io::Result<()> {
        if self.1.full.load(Ordering::SeqCst) {
            self.0.write_at(&parts[..parts.len() / 2], start)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(parts, start)
    }

    fn read_some(&self, buffer: &mut [u8], start: u64) -> io::Result<usize> {
        self.0.read_some(buffer, start)
    }

    fn sync(&self) -> io::Result<()> {
        let left = self.1.syncs.load(Ordering::SeqCst);
        if left > 0 {
            self.1.syncs.store(left - 1, Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.sync()
    }

    fn punch(&self, start: u64, length: u64) -> io::Result<()> {
        if self.1.solid.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.punch(start, length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.1.stuck.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.truncate(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn allocated(&self) -> io::Result<u64> {
        self.0.allocated()
    }

    fn mode(&self) -> io::Result<u32> {
        self.0.mode()
    }
}

fn open(directory: &Path, faults: &Faults) -> Store {
    let options = Options {
        reserve_bytes: 0,
        ..Options::default()
    };
    Store::open_on(
        directory,
        &options,
        World::system(),
        Arc::new(faults.clone()),
    )
    .unwrap()
}

fn event() -> Event {
    Event::new(Kind::CommandGiven, Actor::System)
}

fn sealed(store: &Store, text: &str) -> SealedBody {
    store
        .seal(text.repeat(1000).as_bytes(), &[AccountId::QUEUE])
        .unwrap()
}

async fn keep(store: &Store, bodies: Vec<SealedBody>) -> Result<Vec<BodyId>, Error> {
    let ids: Vec<BodyId> = bodies.iter().map(|body| body.id).collect();
    let kept = store.commit(bodies, move |tx| {
        for id in &ids {
            tx.retain_body(*id, AccountId::QUEUE, AccountId::QUEUE, 1)?;
        }
        tx.record(&event(), ids)
    });
    kept.await.map(|receipt| receipt.value)
}

async fn rows(store: &Store, table: &'static str) -> u64 {
    let read = store.read(move |sql| {
        let statement = format!("SELECT count(*) FROM {table}");
        sql::first(sql, &statement, &[], |row| row.count(0))
    });
    read.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_whose_sync_failed_is_left_for_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let store = open(directory.path(), &faults);
    let before = keep(&store, vec![sealed(&store, "before")]).await.unwrap();
    faults.syncs.store(1, Ordering::SeqCst);
    let lost = keep(&store, vec![sealed(&store, "lost")]).await;
    assert!(matches!(lost, Err(Error::Io { .. })), "{lost:?}");
    let after = keep(&store, vec![sealed(&store, "after")]).await.unwrap();
    assert!(directory.path().join("segments/00000002.seg").exists());
    assert_eq!(rows(&store, "body").await, 2);
    drop(store);
    let store = open(directory.path(), &faults);
    for body in before.into_iter().chain(after) {
        store.body(AccountId::QUEUE, body).await.unwrap();
    }
    assert_eq!(rows(&store, "event WHERE kind = 'command.given'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_whose_sync_failed_is_not_written_after_a_restart_either() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let store = open(directory.path(), &faults);
    keep(&store, vec![sealed(&store, "before")]).await.unwrap();
    faults.syncs.store(1, Ordering::SeqCst);
    keep(&store, vec![sealed(&store, "lost")])
        .await
        .unwrap_err();
    store.close().await;
    let store = open(directory.path(), &faults);
    keep(&store, vec![sealed(&store, "after")]).await.unwrap();
    assert_eq!(rows(&store, "body WHERE segment = 1").await, 1);
    assert_eq!(rows(&store, "body WHERE segment = 2").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_no_row_can_name_does_not_heap_up() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let store = open(directory.path(), &faults);
    let mut raw = vec![0; 4 << 20];
    World::system().fill(&mut raw);
    let behind = async || {
        let segment = directory.path().join("segments/00000001.seg");
        let length = segment.metadata().unwrap().len();
        let mark = store
            .read(|sql| crate::mark::Mark::find(sql))
            .await
            .unwrap();
        mark.unwrap().behind(1, length)
    };
    // Each of these ends its transaction behind the committer's back, as a failing database does.
    for _ in 0..24 {
        let body = store.seal(&raw, &[AccountId::QUEUE]).unwrap();
        let failed = store.commit(vec![body], |tx| {
            tx.execute("ROLLBACK", &[])?;
            tx.record(&event(), ())
        });
        let failed: Result<crate::Receipt<()>, Error> = failed.await;
        failed.unwrap_err();
        let behind = behind().await;
        assert!(
            behind < crate::recover::MOST_UNNOTED + (8 << 20),
            "{behind} bytes"
        );
    }
    // The first good transaction notes what was left, and mail is taken again.
    let mut taken = keep(&store, vec![sealed(&store, "next")]).await;
    if taken.is_err() {
        taken = keep(&store, vec![sealed(&store, "next")]).await;
    }
    let body = taken.unwrap()[0];
    store.close().await;
    let store = open(directory.path(), &faults);
    store.body(AccountId::QUEUE, body).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_room_is_undone_and_the_segment_goes_on() {
    for stuck in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let store = open(directory.path(), &faults);
        let before = keep(&store, vec![sealed(&store, "before")]).await.unwrap();
        faults.full.store(true, Ordering::SeqCst);
        faults.stuck.store(stuck, Ordering::SeqCst);
        let two = vec![sealed(&store, "one"), sealed(&store, "two")];
        assert!(matches!(keep(&store, two).await, Err(Error::Full)));
        // Commits without bodies go on meanwhile.
        assert_eq!(keep(&store, Vec::new()).await.unwrap(), Vec::new());
        faults.full.store(false, Ordering::SeqCst);
        faults.stuck.store(false, Ordering::SeqCst);
        let after = keep(&store, vec![sealed(&store, "after")]).await.unwrap();
        drop(store);
        let store = open(directory.path(), &faults);
        for body in before.into_iter().chain(after) {
            store.body(AccountId::QUEUE, body).await.unwrap();
        }
        let second = directory.path().join("segments/00000002.seg").exists();
        assert_eq!(second, stuck, "a segment that cannot be cut back is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn room_that_could_not_be_given_back_is_given_back_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let store = open(directory.path(), &faults);
    let body = keep(&store, vec![sealed(&store, "gone")]).await.unwrap()[0];
    faults.solid.store(true, Ordering::SeqCst);
    let released = store.commit(Vec::new(), move |tx| {
        tx.release_body(body, AccountId::QUEUE, 1)?;
        tx.record(&event(), ())
    });
    let _: crate::Receipt<()> = released.await.map_err(|error: Error| error).unwrap();
    store.close().await;
    faults.solid.store(false, Ordering::SeqCst);
    let store = open(directory.path(), &faults);
    let mut waited = 0;
    while rows(&store, "body_free").await > 0 {
        waited += 1;
        assert!(waited < 6000, "never given back");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        rows(&store, "event WHERE kind = 'store.collected'").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_may_hold_the_last_clone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &Faults::default());
    let (sender, receiver) = std::sync::mpsc::channel();
    let held = store.clone();
    let runs = {
        let store = store.clone();
        tokio::spawn(async move {
            let entrance = store.inner.entrance.clone();
            drop(store);
            let work = move |tx: &mut crate::Tx<'_>| {
                receiver.recv().unwrap();
                drop(held);
                tx.record(&event(), ())
            };
            entrance.commit(Vec::new(), work).await
        })
    };
    drop(store);
    sender.send(()).unwrap();
    let answer: Result<crate::Receipt<()>, Error> = runs.await.unwrap();
    answer.unwrap();
}
