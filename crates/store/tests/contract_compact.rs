//! Segments that are mostly dead are given back, whoever reads meanwhile.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use site::{account, count, eventually, options, put};
use store::{
    AccountId, BodyId, Error, Finding, Options, SealedBody, Store,
    event::{self, Filter},
};
use world::World;

/// Bodies so small that four share a block of the disk, so that holes between them free nothing.
const SMALL: usize = 900;
const SEGMENT: u64 = 256 << 10;
const MOVED: &str = "SELECT count(*) FROM event WHERE kind = 'store.moved'";

/// Longer than a segment whose bodies can be summed in one go.
const LONG: u64 = 16 << 20;

fn open_small(directory: &Path) -> Store {
    open_with(directory, SEGMENT, 32 << 10)
}

fn open_with(directory: &Path, segment_size: u64, waste_bytes: u64) -> Store {
    let options = Options {
        segment_size,
        waste_bytes,
        ..options()
    };
    Store::open(directory, &options, World::system()).unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    World::system().fill(&mut bytes);
    bytes
}

/// `number` bodies of one owner, with what they hold.
async fn fill(store: &Store, owner: AccountId, number: usize) -> BTreeMap<BodyId, Vec<u8>> {
    let mut bodies = BTreeMap::new();
    while bodies.len() < number {
        bodies.append(&mut keep(store, owner, &[SMALL; 100]).await);
    }
    bodies
}

/// A body of each of `sizes`, in one commit.
async fn keep(store: &Store, owner: AccountId, sizes: &[usize]) -> BTreeMap<BodyId, Vec<u8>> {
    let raws: Vec<Vec<u8>> = sizes.iter().map(|size| noise(*size)).collect();
    let sealed: Vec<SealedBody> = raws
        .iter()
        .map(|raw| store.seal(raw, &[owner]).unwrap())
        .collect();
    let ids: Vec<BodyId> = sealed.iter().map(|body| body.id).collect();
    let bodies = ids.iter().copied().zip(raws).collect();
    let kept = store.commit(sealed, move |tx| {
        for id in ids {
            tx.retain_body(id, owner, owner, 1)?;
        }
        site::done(tx, "filled", ())
    });
    kept.await.unwrap();
    bodies
}

/// Bodies as mail has them: nine of ten have 10 to 60 KiB, the others 0.2 to 5 MB.
async fn fill_mixed(store: &Store, owner: AccountId, number: usize) -> BTreeMap<BodyId, Vec<u8>> {
    let mut bodies = BTreeMap::new();
    // A history of its own, the same in each run.
    let mut state = 7u64;
    let mut below = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from((state >> 33) % bound).unwrap()
    };
    for _ in 0..number {
        let size = match below(10) {
            0 => 200_000 + below(4_800_000),
            _ => (10 << 10) + below(50 << 10),
        };
        bodies.append(&mut keep(store, owner, &[size]).await);
    }
    bodies
}

/// The segments that bodies were moved out of.
async fn emptied(store: &Store) -> BTreeSet<u64> {
    let filter = Filter {
        kinds: vec![trail::Kind::BodiesMoved],
        ..Filter::default()
    };
    let moved = store.read(move |sql| event::search(sql, &filter, 10_000));
    let moved = moved.await.unwrap();
    let segments = moved.iter().map(|found| &found.event.detail["segment"]);
    segments.map(|number| number.as_u64().unwrap()).collect()
}

/// Gives up all bodies but every `keep`th.
async fn thin_out(
    store: &Store,
    owner: AccountId,
    bodies: &mut BTreeMap<BodyId, Vec<u8>>,
    keep: usize,
) {
    let ids: Vec<BodyId> = bodies.keys().copied().collect();
    let gone: BTreeMap<BodyId, u64> = ids
        .into_iter()
        .enumerate()
        .filter(|(at, _)| at % keep != 0)
        .map(|(_, body)| (body, 1))
        .collect();
    bodies.retain(|body, _| !gone.contains_key(body));
    let released = store.commit(Vec::new(), move |tx| {
        tx.release_bodies(owner, &gone)?;
        site::done(tx, "thinned out", ())
    });
    released.await.unwrap();
}

async fn check(store: &Store, owner: AccountId, bodies: &BTreeMap<BodyId, Vec<u8>>) {
    for (body, raw) in bodies {
        let found = store.body(owner, *body).await;
        assert!(found.as_deref().ok() == Some(raw), "{body}: {found:?}");
    }
}

async fn is_whole(store: &Store) {
    assert_eq!(damage(store).await, Vec::<&str>::new());
}

/// What `verify` tells of the bodies. That no message names them is no matter here.
async fn damage(store: &Store) -> Vec<&'static str> {
    let findings = store.verify(|_| {}).await.unwrap();
    let names = findings.iter().map(Finding::name);
    names.filter(|name| *name != "reference-unnamed").collect()
}

/// Waits until the segments take little more than what lives in them.
async fn until_small(store: &Store, bodies: usize) {
    let living = (bodies * (SMALL + 64)) as u64;
    eventually("the wasteful segments given back", async || {
        let taken = store.facts().unwrap().segment_bytes;
        // Up to a segment of zeros lies ahead of the last record.
        taken < living * 5 / 4 + SEGMENT + (64 << 10)
    })
    .await;
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(directory.join("segments")).unwrap();
    let mut paths: Vec<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_half_frees_the_disk_though_no_block_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let owner = account(&store).await;
    let mut bodies = fill(&store, owner, 4000).await;
    let full = store.facts().unwrap().segment_bytes;
    let before = segments(directory.path());
    thin_out(&store, owner, &mut bodies, 2).await;
    eventually("a third of the disk free", async || {
        store.facts().unwrap().segment_bytes < full * 2 / 3
    })
    .await;
    // What was written last is now full of bodies that were moved.
    eventually("most segments written anew", async || {
        let after = segments(directory.path());
        let left = before.iter().filter(|path| after.contains(path));
        left.count() <= before.len() / 4
    })
    .await;
    assert!(count(&store, MOVED).await > 0);
    check(&store, owner, &bodies).await;
    is_whole(&store).await;
    store.close().await;
    let store = open_small(directory.path());
    check(&store, owner, &bodies).await;
    is_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_segment_is_left_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let owner = account(&store).await;
    let mut bodies = fill(&store, owner, 200).await;
    let before = segments(directory.path());
    assert_eq!(before.len(), 1);
    thin_out(&store, owner, &mut bodies, 2).await;
    eventually("another segment", async || {
        let after = segments(directory.path());
        after.len() == 1 && after != before
    })
    .await;
    check(&store, owner, &bodies).await;
    is_whole(&store).await;
    store.close().await;
    check(&open_small(directory.path()), owner, &bodies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_before_the_start_is_given_back_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_with(directory.path(), SEGMENT, u64::MAX);
    let owner = account(&store).await;
    let mut bodies = fill(&store, owner, 4000).await;
    thin_out(&store, owner, &mut bodies, 3).await;
    eventually("all noted", async || {
        count(&store, "SELECT count(*) FROM body_free").await == 0
    })
    .await;
    assert_eq!(count(&store, MOVED).await, 0, "it waits for more waste");
    store.close().await;
    let store = open_small(directory.path());
    until_small(&store, bodies.len()).await;
    check(&store, owner, &bodies).await;
    is_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_stays_where_it_is_whatever_its_size() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_with(directory.path(), LONG, u64::MAX);
    let owner = account(&store).await;
    // More than are summed in one step.
    let small = fill(&store, owner, 5000).await;
    let mut mixed = fill_mixed(&store, owner, 220).await;
    store.close().await;
    let living: BTreeSet<PathBuf> = segments(directory.path()).into_iter().collect();
    assert!(living.len() >= 4, "{living:?}");
    // Behind them, others that are wasteful: when those are emptied, all before them have been examined.
    let store = open_with(directory.path(), SEGMENT, u64::MAX);
    let mut thin = fill(&store, owner, 600).await;
    thin_out(&store, owner, &mut thin, 4).await;
    store.close().await;
    let store = open_with(directory.path(), LONG, 32 << 10);
    eventually("those behind emptied", async || {
        count(&store, MOVED).await > 0
    })
    .await;
    let path = |segment: &u64| {
        let name = format!("segments/{segment:08}.seg");
        directory.path().join(name)
    };
    let moved = emptied(&store).await;
    assert!(
        moved.iter().all(|segment| !living.contains(&path(segment))),
        "{moved:?}"
    );
    let full = store.facts().unwrap().segment_bytes;
    let before: usize = mixed.values().map(Vec::len).sum();
    thin_out(&store, owner, &mut mixed, 20).await;
    let left: usize = mixed.values().map(Vec::len).sum();
    let gone = (before - left) as u64;
    eventually("room given back", async || {
        store.facts().unwrap().segment_bytes < full - gone / 10 * 9
    })
    .await;
    for bodies in [&small, &mixed, &thin] {
        check(&store, owner, bodies).await;
    }
    is_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_hides_no_dead_ones_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_with(directory.path(), LONG, u64::MAX);
    let owner = account(&store).await;
    let large = keep(&store, owner, &[5 << 20]).await;
    let mut bodies = fill(&store, owner, 6000).await;
    thin_out(&store, owner, &mut bodies, 4).await;
    store.close().await;
    let store = open_with(directory.path(), LONG, 1 << 20);
    eventually("the first segment given back", async || {
        !directory.path().join("segments/00000001.seg").exists()
    })
    .await;
    check(&store, owner, &large).await;
    check(&store, owner, &bodies).await;
    is_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_notice_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let owner = account(&store).await;
    let mut bodies = fill(&store, owner, 4000).await;
    thin_out(&store, owner, &mut bodies, 2).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (store, bodies, ended) = (store.clone(), bodies.clone(), Arc::clone(&ended));
        tasks.push(tokio::spawn(async move {
            let ids: Vec<BodyId> = bodies.keys().copied().collect();
            while !ended.load(Ordering::SeqCst) {
                // Many at once: the places are found first, and the last is read much later.
                for ids in ids.chunks(500) {
                    let found = store.bodies(owner, ids.to_vec()).await.unwrap();
                    for (id, found) in ids.iter().zip(found) {
                        assert!(found.unwrap() == bodies[id], "{id}");
                    }
                }
            }
        }));
    }
    let more = {
        let (store, ended) = (store.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            let mut more = BTreeMap::new();
            while !ended.load(Ordering::SeqCst) {
                let raw = noise(SMALL);
                more.insert(put(&store, &raw, &[owner]).await, raw);
            }
            more
        })
    };
    // Some of those that are to be moved die meanwhile.
    let mut left = bodies.clone();
    eventually("bodies on the move", async || {
        count(&store, MOVED).await > 0
    })
    .await;
    eventually("an end of it", async || {
        let taken = store.facts().unwrap().segment_bytes;
        let living = count(&store, "SELECT sum(length) FROM body").await;
        taken < living * 5 / 4 + SEGMENT + (64 << 10)
    })
    .await;
    ended.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    left.append(&mut more.await.unwrap());
    check(&store, owner, &left).await;
    thin_out(&store, owner, &mut left, 10).await;
    until_small(&store, left.len()).await;
    check(&store, owner, &left).await;
    is_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_every_body_where_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(&directory.path().join("store"));
    let owner = account(&store).await;
    let mut bodies = fill(&store, owner, 4000).await;
    thin_out(&store, owner, &mut bodies, 2).await;
    for turn in 0..3 {
        let copy = directory.path().join(format!("copy-{turn}"));
        store.backup(&copy).await.unwrap();
        let copied = Store::open(&copy, &options(), World::system()).unwrap();
        check(&copied, owner, &bodies).await;
        copied.close().await;
    }
    until_small(&store, bodies.len()).await;
    check(&store, owner, &bodies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_body_stays_where_it_is_and_is_still_told() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let owner = account(&store).await;
    let mut bodies = fill(&store, owner, 800).await;
    let victim = *bodies.keys().next().unwrap();
    let place = store.read(move |sql| -> Result<_, Error> {
        let find = "SELECT segment, start FROM body WHERE id = ?1";
        store::sql::first(sql, find, store::params![victim], |row| {
            Ok((row.count(0)?, row.count(1)?))
        })
    });
    let (segment, start) = place.await.unwrap().unwrap();
    let path = directory.path().join(format!("segments/{segment:08}.seg"));
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"damaged!", start + 8).unwrap();
    thin_out(&store, owner, &mut bodies, 2).await;
    bodies.remove(&victim);
    eventually("all others elsewhere", async || {
        let left = "SELECT count(*) FROM body WHERE segment = 1";
        count(&store, left).await == 1
    })
    .await;
    check(&store, owner, &bodies).await;
    assert!(path.exists());
    assert_eq!(damage(&store).await, ["body-damaged"]);
}
