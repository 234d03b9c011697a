//! What volumes of the trail promise: sealed one after the other, exported, and verified by whoever has the public key alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    time::Duration,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use site::{event, open};
use store::{
    Error, Store,
    tree::{self, Decision, EraseError, Export, NewCustody, Seal, Volume},
};
use trail::{
    note::VerifierKey,
    volume::{self, Fault, Report, verify},
};
use world::{Clock as _, ManualClock, Random, World};

async fn happen(store: &Store, count: usize) {
    for number in 0..count {
        let done = store.commit(Vec::new(), move |tx| {
            let event = event(format!("会議 {number}"));
            tx.record(&event.detail("words", format!("queue hold {number}")), ())
        });
        let done: Result<_, Error> = done.await;
        done.unwrap();
    }
}

fn by(retain_years: u16) -> Seal {
    Seal {
        before: None,
        retain_years,
        by: "sato".into(),
    }
}

async fn export(store: &Store, number: u64, to: &Path) -> Result<Report, Error> {
    let how = Export {
        number,
        to: to.to_owned(),
        by: "sato".into(),
    };
    store.export_volume(how, |_, _| {}).await
}

/// A closed store with two volumes, exported; and the key.
async fn exported(directory: &Path) -> (VerifierKey, Vec<Volume>, Vec<String>) {
    let store = open(&directory.join("site"));
    let (mut volumes, mut notes) = (Vec::new(), Vec::new());
    for (number, count) in [(1, 300), (2, 70)] {
        happen(&store, count / 2).await;
        store.checkpoint().await.unwrap();
        happen(&store, count / 2).await;
        volumes.push(store.seal_volume(by(10)).await.unwrap().unwrap());
        let to = directory.join(number.to_string());
        let report = export(&store, number, &to).await.unwrap();
        assert!(report.is_whole());
        notes.push(store.checkpoint().await.unwrap().unwrap().note);
    }
    let key = store.trail_key();
    store.close().await;
    (key, volumes, notes)
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_follow_one_another_and_are_verified_by_key_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (key, volumes, notes) = exported(directory.path()).await;
    // Between the volumes lie the events of sealing and exporting.
    assert_eq!((volumes[0].first, volumes[0].last), (0, 300));
    assert_eq!((volumes[1].first, volumes[1].last), (300, 373));
    let years = (volumes[0].retain_until.as_second() - volumes[0].to.as_second()) / 86_400 / 365;
    assert_eq!(years, 10);
    // The site is gone; key and directory are all that there is.
    fs::remove_dir_all(directory.path().join("site")).unwrap();
    let key: VerifierKey = key.to_string().parse().unwrap();
    let mut known = None;
    for (place, volume) in volumes.iter().enumerate() {
        let at = directory.path().join(volume.number.to_string());
        let report = verify(&at, &key, &notes, |_| {}).unwrap();
        assert_eq!(report.faults, []);
        assert_eq!(report.events, volume.last - volume.first);
        assert!(report.checkpoints >= 2);
        // Each begins with the tree that the one before ended with.
        let before = report.manifest.before.root();
        assert!(known.is_none_or(|root| root == before), "{place}");
        known = Some(report.manifest.root);
    }
    let stranger = trail::note::SigningKey::new(key.name(), &[3; 32]).unwrap();
    let at = directory.path().join("1");
    assert!(verify(&at, &stranger.verifier(), &[], |_| {}).is_err());
}

/// The lines of the events' file, changed.
fn edit(volume: &Path, with: impl FnOnce(&mut Vec<String>)) {
    let path = volume.join(volume::EVENTS);
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(&path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    with(&mut lines);
    let mut out = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
    for line in lines {
        writeln!(out, "{line}").unwrap();
    }
    out.finish().unwrap();
}

/// What is wrong beside the file itself, which is always told.
fn faults(volume: &Path, key: &VerifierKey, witnesses: &[String]) -> Vec<Fault> {
    let report = verify(volume, key, witnesses, |_| {}).unwrap();
    let others = report.faults.into_iter();
    others
        .filter(|fault| !matches!(fault, Fault::File { .. }))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_volume_is_found_and_named() {
    let whole = tempfile::tempdir().unwrap();
    let (key, ..) = exported(whole.path()).await;
    type Edit = fn(&mut Vec<String>);
    type Expected = fn(&[Fault]) -> bool;
    let cases: [(&str, Edit, Expected); 9] = [
        (
            "changed",
            |lines| lines[10] = lines[10].replace("会議", "会計"),
            |faults| matches!(faults, [Fault::Altered { index: 10, event }] if *event > 0),
        ),
        (
            "removed",
            |lines| drop(lines.remove(10)),
            |faults| {
                matches!(
                    faults,
                    [
                        Fault::Removed { index: 10 },
                        // The store signs a first checkpoint by itself, some time after it began.
                        Fault::Root {
                            right: ..=10,
                            wrong: 11..=150
                        }
                    ]
                )
            },
        ),
        (
            "put in",
            |lines| lines.insert(10, lines[9].clone()),
            |faults| matches!(faults, [Fault::Misplaced { index: 9 }]),
        ),
        (
            "moved",
            |lines| lines.swap(10, 11),
            |faults| faults.contains(&Fault::Misplaced { index: 10 }),
        ),
        (
            "cut off",
            |lines| lines.truncate(298),
            |faults| {
                matches!(
                    faults,
                    [
                        Fault::Removed { index: 298 },
                        Fault::Removed { index: 299 },
                        Fault::Root {
                            right: 150..=298,
                            wrong: 300
                        }
                    ]
                )
            },
        ),
        (
            "written on",
            |lines| {
                let more = lines[299].replacen("299", "300", 1);
                lines.push(more);
            },
            |faults| matches!(faults, [Fault::Misplaced { index: 300 }]),
        ),
        (
            "changed with its leaf",
            |lines| {
                let (line, salt) = ("{\"id\":1}", [0; 16]);
                let leaf = trail::entry::leaf(&salt, line);
                lines[200] = volume::line(200, Some(&salt), &leaf, line)
                    .trim_end()
                    .to_owned();
            },
            |faults| {
                let known = |fault: &Fault| {
                    matches!(
                        fault,
                        Fault::Root {
                            right: 150..=200,
                            wrong: 201..=300
                        }
                    )
                };
                faults.iter().any(known) && faults.contains(&Fault::Misplaced { index: 200 })
            },
        ),
        (
            "unreadable",
            |lines| lines[4] = "x".to_owned(),
            |faults| {
                faults.contains(&Fault::Unreadable { line: 5 })
                    && faults.contains(&Fault::Removed { index: 4 })
            },
        ),
        (
            "erased by nobody who may",
            |lines| {
                let parts: Vec<&str> = lines[4].split('\t').collect();
                lines[4] = format!("4\t-\t{}\t-", parts[2]);
            },
            |faults| matches!(faults, [Fault::Uncovered { index: 4 }]),
        ),
    ];
    let volume = whole.path().join("1");
    let kept = fs::read(volume.join(volume::EVENTS)).unwrap();
    for (what, change, expected) in cases {
        edit(&volume, change);
        let found = faults(&volume, &key, &[]);
        assert!(expected(&found), "{what}: {found:?}");
        let all = verify(&volume, &key, &[], |_| {}).unwrap();
        let told = matches!(&all.faults[..], [.., Fault::File { name, .. }, _] | [.., Fault::File { name, .. }] if name == volume::EVENTS)
            || all
                .faults
                .iter()
                .any(|fault| matches!(fault, Fault::File { .. }));
        assert!(told, "{what}: {:?}", all.faults);
        fs::write(volume.join(volume::EVENTS), &kept).unwrap();
    }
    // Not even the last octet, and nothing behind it.
    for damage in [&kept[..kept.len() - 1], &[&kept[..], b"x"].concat()] {
        fs::write(volume.join(volume::EVENTS), damage).unwrap();
        assert!(!verify(&volume, &key, &[], |_| {}).unwrap().is_whole());
    }
    fs::write(volume.join(volume::EVENTS), &kept).unwrap();
    let checkpoints = volume.join(volume::CHECKPOINTS);
    let text = fs::read_to_string(&checkpoints).unwrap();
    fs::write(
        &checkpoints,
        text.replacen("\"size\":150", "\"size\":151", 1),
    )
    .unwrap();
    let found = faults(&volume, &key, &[]);
    assert!(
        matches!(found[..], [Fault::Checkpoint { size: 151, .. }]),
        "{found:?}"
    );
    fs::write(&checkpoints, text).unwrap();
    let manifest = volume.join(volume::MANIFEST);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("last 300", "last 299", 1)).unwrap();
    assert!(verify(&volume, &key, &[], |_| {}).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_a_trail_written_anew_is_caught_by_a_checkpoint_kept_elsewhere() {
    let first = tempfile::tempdir().unwrap();
    let (key, _, notes) = exported(first.path()).await;
    let again = tempfile::tempdir().unwrap();
    let site = open(&again.path().join("site"));
    happen(&site, 1).await;
    site.close().await;
    // Somebody has the key, and makes another trail with it.
    for table in ["checkpoint", "tree_tile", "tree_root"] {
        let database = rusqlite::Connection::open(again.path().join("site/store.db")).unwrap();
        database
            .execute(&format!("DELETE FROM {table}"), [])
            .unwrap();
    }
    let keys =
        ["site/keys/trail.key"].map(|name| (first.path().join(name), again.path().join(name)));
    for (from, to) in keys {
        fs::copy(from, to).unwrap();
    }
    let (forged, ..) = exported(again.path()).await;
    assert_eq!(forged, key);
    // The first checkpoint was signed when the second volume had begun.
    for (number, witnesses) in [("1", 0), ("2", 1)] {
        let volume = again.path().join(number);
        assert_eq!(faults(&volume, &key, &[]), []);
        let report = verify(&volume, &key, &notes[..1], |_| {}).unwrap();
        assert_eq!(report.witnesses, witnesses);
        assert_eq!(report.faults.len() as u64, witnesses, "{:?}", report.faults);
    }
    let found = faults(&again.path().join("2"), &key, &notes);
    assert!(matches!(found[..], [Fault::Root { .. }]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_ends_where_the_month_does_and_nothing_is_sealed_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert_eq!(store.seal_volume(by(10)).await.unwrap(), None);
    happen(&store, 5).await;
    let all = store.read(|sql| store::event::search(sql, &store::event::Filter::default(), 9));
    let all: Result<_, Error> = all.await;
    let all = all.unwrap();
    let until = |at| Seal {
        before: Some(at),
        ..by(7)
    };
    let boundary = all[3].at;
    assert_eq!(store.seal_volume(until(all[0].at)).await.unwrap(), None);
    let sealed = store.seal_volume(until(boundary)).await.unwrap().unwrap();
    assert_eq!((sealed.first, sealed.last, sealed.to), (0, 3, all[2].at));
    assert_eq!(store.seal_volume(until(boundary)).await.unwrap(), None);
    let next = store.seal_volume(by(1)).await.unwrap().unwrap();
    assert_eq!((next.number, next.first, next.last), (2, 3, 6));
    let volumes = store.read(|sql| tree::volumes(sql));
    let volumes: Result<_, Error> = volumes.await;
    assert_eq!(volumes.unwrap(), [sealed, next]);
    assert_eq!(store.verify(|_| {}).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn custody_is_kept_of_volumes_that_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    happen(&store, 2).await;
    store.seal_volume(by(10)).await.unwrap();
    let entry = NewCustody {
        medium: "DVD-R 0007".to_owned(),
        place: "金庫 A".to_owned(),
        key_holder: "sato".to_owned(),
        remark: String::new(),
    };
    let noted = store
        .note_custody(1, entry.clone(), "suzuki")
        .await
        .unwrap();
    assert_eq!((noted.volume, noted.entry.clone()), (1, entry.clone()));
    let missing = store.note_custody(2, entry, "suzuki").await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    for (volume, count) in [(None, 1), (Some(1), 1), (Some(2), 0)] {
        let all = store.read(move |sql| tree::custody(sql, volume));
        let all: Result<_, Error> = all.await;
        assert_eq!(all.unwrap().len(), count);
    }
}

/// Where exports were begun to.
async fn exporting(store: &Store) -> Vec<String> {
    let filter = store::event::Filter {
        kinds: vec![trail::Kind::VolumeExporting],
        ..store::event::Filter::default()
    };
    let told = store.read(move |sql| store::event::search(sql, &filter, 10));
    let told: Result<_, Error> = told.await;
    let told = told.unwrap().into_iter();
    told.map(|told| told.event.detail["to"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_disturbs_nothing_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("site"));
    happen(&store, 2).await;
    let to = directory.path().join("to");
    assert!(matches!(
        export(&store, 1, &to).await,
        Err(Error::NotFound(_))
    ));
    store.seal_volume(by(10)).await.unwrap();
    fs::create_dir(&to).unwrap();
    fs::write(to.join("mine"), "x").unwrap();
    assert!(export(&store, 1, &to).await.is_err());
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    // Nothing left the store until now. What is cut short is told of all the same.
    assert_eq!(exporting(&store).await, Vec::<String>::new());
    let deep = directory.path().join("deep");
    fs::create_dir(&deep).unwrap();
    let exported = {
        let deep = deep.clone();
        let how = Export {
            number: 1,
            to: deep.clone(),
            by: "sato".into(),
        };
        // It is gone as soon as events are written into it.
        let vanish = move |_, _| drop(fs::remove_dir_all(&deep));
        store.export_volume(how, vanish).await
    };
    assert!(exported.is_err(), "{exported:?}");
    assert_eq!(exporting(&store).await, [deep.display().to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_before_it_is_due_and_decided_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    happen(&store, 3).await;
    store.seal_volume(by(10)).await.unwrap().unwrap();
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    assert!(matches!(decided, Err(EraseError::NotDue { number: 1, .. })));
    let erased = store.erase_volume(1, "suzuki").await;
    assert!(matches!(erased, Err(EraseError::NotDue { number: 1, .. })));
    // Only a later end is an extension.
    let volume = store.read(|sql| tree::volumes(sql));
    let volume: Result<_, Error> = volume.await;
    let until = volume.unwrap()[0].retain_until;
    let shorter = Decision::Extend(until - jiff::SignedDuration::from_hours(1));
    let decided = store.decide_volume(1, shorter, "sato", "x").await;
    assert!(matches!(decided, Err(EraseError::Shorter(_))));
    let later = until + jiff::SignedDuration::from_hours(24 * 365);
    let decided = store
        .decide_volume(1, Decision::Extend(later), "sato", "a lawsuit")
        .await;
    assert_eq!(decided.unwrap().retain_until, later);
    assert!(
        store
            .decide_volume(7, Decision::Erase, "sato", "x")
            .await
            .is_err()
    );
    assert_eq!(store.verify(|_| {}).await.unwrap(), []);
}

fn on_a_clock(directory: &Path, clock: &ManualClock) -> Store {
    let world = World::new(clock.clone(), Bytes);
    Store::open(directory, &store::Options::default(), world).unwrap()
}

struct Bytes;

impl Random for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        World::system().fill(bytes);
    }
}

async fn keep_for(store: &Store, years: u16) {
    let noted = store.commit(Vec::new(), move |tx| {
        tree::note_retention(tx, years)?;
        tx.record(&event(format!("{years} years")), ())
    });
    let noted: Result<_, Error> = noted.await;
    noted.unwrap();
}

fn days(clock: &ManualClock, days: u64) {
    clock.advance(Duration::from_secs(days * 24 * 60 * 60));
}

/// Clause 4.2(3): a shorter time holds for later volumes only, also where one is sealed late.
#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_time_holds_for_what_is_written_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(jiff::Timestamp::from_second(1_790_000_000).unwrap());
    let store = on_a_clock(directory.path(), &clock);
    let years = |volume: &Volume| {
        let kept = volume.retain_until.duration_since(volume.to);
        kept.as_hours() / 24 / 365
    };
    keep_for(&store, 10).await;
    happen(&store, 3).await;
    days(&clock, 31);
    // The month has ended and is not sealed yet when the time is made shorter.
    let month = clock.now();
    days(&clock, 1);
    happen(&store, 1).await;
    days(&clock, 1);
    keep_for(&store, 3).await;
    happen(&store, 3).await;
    let before = Some(month);
    let ended = Seal { before, ..by(3) };
    let first = store.seal_volume(ended).await.unwrap().unwrap();
    assert_eq!(years(&first), 10);
    // The volume that was open then: part of it was written while ten years were in force.
    happen(&store, 3).await;
    let second = store.seal_volume(by(3)).await.unwrap().unwrap();
    assert_eq!(years(&second), 10);
    happen(&store, 3).await;
    let third = store.seal_volume(by(3)).await.unwrap().unwrap();
    assert_eq!(years(&third), 3);
    assert_eq!(store.verify(|_| {}).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_ahead_makes_no_volume_due() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(jiff::Timestamp::from_second(1_790_000_000).unwrap());
    let store = on_a_clock(directory.path(), &clock);
    happen(&store, 3).await;
    store.seal_volume(by(1)).await.unwrap().unwrap();
    days(&clock, 10 * 366);
    happen(&store, 1).await;
    store.checkpoint().await.unwrap();
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    assert!(
        matches!(decided, Err(EraseError::ClockAhead { number: 1 })),
        "{decided:?}"
    );
    // Time that passes does.
    for _ in 0..11 {
        days(&clock, 31);
        happen(&store, 1).await;
        store.checkpoint().await.unwrap();
    }
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    decided.unwrap();
    store.erase_volume(1, "suzuki").await.unwrap();
    assert_eq!(store.verify(|_| {}).await.unwrap(), []);
}

/// An officer who extends while another erases, or after that was cut short, comes before it or is refused: never between.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_began_is_not_decided_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    happen(&store, 3000).await;
    let sealed = store.seal_volume(by(0)).await.unwrap().unwrap();
    happen(&store, 5).await;
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    decided.unwrap();
    let before = store.facts().unwrap().commits;
    let erasing = tokio::spawn({
        let store = store.clone();
        async move { store.erase_volume(1, "suzuki").await }
    });
    // Cut off as soon as something of it is committed, behind the checkpoint that it begins with.
    while store.facts().unwrap().commits < before + 3 && !erasing.is_finished() {
        tokio::task::yield_now().await;
    }
    erasing.abort();
    let ended = erasing.await;
    let later = Decision::Extend(sealed.retain_until + jiff::SignedDuration::from_hours(24));
    let extended = store.decide_volume(1, later, "sato", "a lawsuit").await;
    match (&ended, &extended) {
        (Ok(_), Err(EraseError::Erased(1))) | (Err(_), Err(EraseError::Begun(1))) => {}
        other => panic!("{other:?}"),
    }
    if ended.is_err() {
        store.erase_volume(1, "suzuki").await.unwrap();
    }
    assert_eq!(store.verify(|_| {}).await.unwrap(), []);
}

/// Where one person may do both, the events say so of who did both alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_person_decides_and_erases_where_that_is_permitted() {
    for (eraser, one) in [("sato", true), ("suzuki", false)] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        happen(&store, 3).await;
        store.seal_volume(by(0)).await.unwrap().unwrap();
        happen(&store, 3).await;
        let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
        decided.unwrap();
        let eraser = trail::By {
            single_person: true,
            ..eraser.into()
        };
        store.erase_volume(1, eraser).await.unwrap();
        let filter = store::event::Filter {
            kinds: vec![trail::Kind::VolumeErasing, trail::Kind::VolumeErased],
            ..store::event::Filter::default()
        };
        let told = store.read(move |sql| store::event::search(sql, &filter, 10));
        let told: Result<_, Error> = told.await;
        let told = told.unwrap();
        assert_eq!(told.len(), 2);
        for told in told {
            assert_eq!(told.event.detail.contains_key("single_person"), one);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_volume_leaves_a_certificate_and_the_proofs_of_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("site"));
    happen(&store, 600).await;
    // Kept for no time at all, which settings do not allow.
    let sealed = store.seal_volume(by(0)).await.unwrap().unwrap();
    assert_eq!(sealed.last, 600);
    happen(&store, 5).await;
    let kept = store.checkpoint().await.unwrap().unwrap();
    let erased = store.erase_volume(1, "suzuki").await;
    assert!(matches!(erased, Err(EraseError::Undecided(1))));
    store
        .decide_volume(1, Decision::Erase, "sato", "ten years")
        .await
        .unwrap();
    // Also where another had decided when it was looked at.
    let own = store.erase_volume(1, "sato").await;
    assert!(
        matches!(&own, Err(EraseError::SamePerson { number: 1, by }) if by == "sato"),
        "{own:?}"
    );
    let certificate = store.erase_volume(1, "suzuki").await.unwrap();
    let text = store.trail_key().open(&certificate).unwrap().to_owned();
    for said in [
        "volume 1\n",
        "first 0\n",
        "last 600\n",
        " sato\n",
        " person:suzuki\n",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let again = store.erase_volume(1, "suzuki").await;
    assert!(matches!(again, Err(EraseError::Erased(1))));
    let all = store.read(|sql| store::event::search(sql, &store::event::Filter::default(), 10_000));
    let all: Result<_, Error> = all.await;
    let all = all.unwrap();
    assert!(all.iter().all(|event| event.at > sealed.to));
    assert_eq!(store.verify(|_| {}).await.unwrap(), []);
    let said = store.witness(&kept.note).await.unwrap().unwrap();
    assert_eq!(said, tree::Witness::Agrees { size: kept.size });
    let proof = store.prove(all.last().unwrap().id).await.unwrap();
    assert!(proof.index > 600);
    store.seal_volume(by(10)).await.unwrap().unwrap();
    for (number, erased) in [(1, 600), (2, 0)] {
        let to = directory.path().join(number.to_string());
        let report = export(&store, number, &to).await.unwrap();
        assert_eq!((report.erased, report.is_whole()), (erased, true));
        assert_eq!(to.join(volume::ERASED).exists(), erased > 0);
    }
    // Without the certificate nothing says that the events may be gone; nor does that of another volume.
    let (one, key) = (directory.path().join("1"), store.trail_key());
    assert_eq!(
        fs::read_to_string(one.join(volume::ERASED)).unwrap(),
        certificate
    );
    fs::write(one.join(volume::ERASED), &kept.note).unwrap();
    let others = faults(&one, &key, &[]);
    fs::remove_file(one.join(volume::ERASED)).unwrap();
    for found in [others, faults(&one, &key, &[])] {
        assert_eq!(found.len(), 600);
        assert_eq!(found[0], Fault::Uncovered { index: 0 });
    }
    store.index_trail().await.unwrap();
    store.close().await;
    // What was erased is nowhere.
    for file in ["store.db", "index/trail.db"] {
        let octets = fs::read(directory.path().join("site").join(file)).unwrap();
        let needle = "会議 123".as_bytes();
        assert!(
            !octets.windows(needle.len()).any(|part| part == needle),
            "{file}"
        );
    }
    // An event that is gone without a decision is found, whatever its leaf says.
    let database = rusqlite::Connection::open(directory.path().join("site/store.db")).unwrap();
    let undecided = "UPDATE trail_volume SET certificate = NULL WHERE number = 1";
    assert_eq!(database.execute(undecided, []).unwrap(), 1);
    drop(database);
    let store = open(&directory.path().join("site"));
    let findings = store.verify(|_| {}).await.unwrap();
    let count = |name: &str| findings.iter().filter(|found| found.name() == name).count();
    assert_eq!(
        (count("event-removed"), count("tree"), findings.len()),
        (600, 1, 601)
    );
}
