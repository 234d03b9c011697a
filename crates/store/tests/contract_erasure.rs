//! What the end of a volume promises: nobody who writes into the database alone makes one due, decides on one, or passes events off as erased
//! (clause 4.2(3)).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::path::Path;

use site::{event, open};
use store::{
    Error, Store,
    tree::{Decision, EraseError, Export, Seal},
};
use trail::{Actor, Event, Kind};

async fn happen(store: &Store, count: usize) {
    for number in 0..count {
        let done = store.commit(Vec::new(), move |tx| {
            tx.record(&event(format!("event {number}")), ())
        });
        let done: Result<_, Error> = done.await;
        done.unwrap();
    }
}

/// A store with a volume that is kept for so many years.
async fn sealed(directory: &Path, retain_years: u16) -> Store {
    let store = open(directory);
    happen(&store, 300).await;
    let seal = Seal {
        before: None,
        retain_years,
        by: "sato".into(),
    };
    store.seal_volume(seal).await.unwrap().unwrap();
    happen(&store, 3).await;
    store
}

/// What somebody does who can write into the database, and has no key.
async fn forge(store: &Store, statements: &'static [&'static str]) {
    let work = move |tx: &mut store::Tx<'_>| -> Result<_, Error> {
        for statement in statements {
            tx.execute(statement, &[])?;
        }
        tx.record(&Event::new(Kind::StoreRepaired, Actor::System), ())
    };
    store.commit(Vec::new(), work).await.unwrap();
}

/// The names and words of what `verify` finds.
async fn found(store: &Store) -> Vec<String> {
    let findings = store.verify(|_| {}).await.unwrap();
    let told = findings.iter();
    told.map(|one| format!("{}: {one}", one.name())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_a_row_alone_calls_due_is_neither_decided_on_nor_erased() {
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(directory.path(), 10).await;
    forge(&store, &["UPDATE trail_volume SET retain_until = to_at"]).await;
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    assert!(
        matches!(decided, Err(EraseError::OffRecord { number: 1, .. })),
        "{decided:?}"
    );
    forge(
        &store,
        &["UPDATE trail_volume SET decided_at = sealed_at, decided_by = 'sato'"],
    )
    .await;
    let erased = store.erase_volume(1, "suzuki").await;
    assert!(
        matches!(erased, Err(EraseError::OffRecord { number: 1, .. })),
        "{erased:?}"
    );
    let found = found(&store).await;
    let told = |words: &str| found.iter().any(|one| one.contains(words));
    assert!(told("volume 1 is not on record"), "{found:?}");
    assert!(told("nothing signed says so"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_an_officers_and_signed() {
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(directory.path(), 0).await;
    // Nobody decided anything.
    forge(
        &store,
        &["UPDATE trail_volume SET decided_at = sealed_at, decided_by = 'sato'"],
    )
    .await;
    let erased = store.erase_volume(1, "suzuki").await;
    assert!(
        matches!(erased, Err(EraseError::OffRecord { .. })),
        "{erased:?}"
    );
    // An officer did, which puts that right; then another takes the officer's place.
    let decide = store.decide_volume(1, Decision::Erase, "sato", "due");
    decide.await.unwrap();
    forge(&store, &["UPDATE trail_volume SET decided_by = 'tanaka'"]).await;
    let erased = store.erase_volume(1, "sato").await;
    assert!(
        matches!(erased, Err(EraseError::OffRecord { .. })),
        "{erased:?}"
    );
    forge(
        &store,
        &[
            "UPDATE trail_volume SET decided_by = 'sato'",
            "UPDATE trail_volume SET certificate = replace(certificate, 'sato', 'tanaka')",
        ],
    )
    .await;
    let erased = store.erase_volume(1, "suzuki").await;
    assert!(matches!(erased, Err(EraseError::Unsigned(1))), "{erased:?}");
    store
        .decide_volume(1, Decision::Erase, "sato", "due")
        .await
        .unwrap();
    store.erase_volume(1, "suzuki").await.unwrap();
    assert_eq!(found(&store).await, [""; 0]);
    // The certificate is not the row's to change.
    forge(
        &store,
        &["UPDATE trail_volume SET retain_until = retain_until - 1"],
    )
    .await;
    let found = found(&store).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("its certificate"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_officer_puts_off_stays_put_off() {
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(directory.path(), 0).await;
    let later = store.now() + jiff::SignedDuration::from_hours(24 * 365);
    store
        .decide_volume(1, Decision::Extend(later), "sato", "a lawsuit")
        .await
        .unwrap();
    assert_eq!(found(&store).await, [""; 0]);
    // As it was before that.
    forge(
        &store,
        &["UPDATE trail_volume SET retain_until = to_at, certificate = NULL"],
    )
    .await;
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    assert!(
        matches!(decided, Err(EraseError::OffRecord { .. })),
        "{decided:?}"
    );
    // Nor by an event that was never in the tree.
    forge(
        &store,
        &["UPDATE event SET detail = replace(detail, '\"extend\"', '\"erase\"') WHERE kind = 'audit.decided'"],
    )
    .await;
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    assert!(
        matches!(decided, Err(EraseError::OffRecord { .. })),
        "{decided:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_is_not_exported_as_erased() {
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(&directory.path().join("site"), 10).await;
    store.checkpoint().await.unwrap();
    // The first event goes, and its leaf says that it was erased.
    forge(
        &store,
        &[
            "DELETE FROM event WHERE id = (SELECT MIN(id) FROM event)",
            "UPDATE tree_tile SET content = CAST(substr(content, 1, 8) || zeroblob(16) || substr(content, 25) AS BLOB) WHERE tile = 0",
        ],
    )
    .await;
    let how = Export {
        number: 1,
        to: directory.path().join("out"),
        by: "sato".into(),
    };
    let exported = store.export_volume(how, |_, _| {}).await;
    let refused = exported.unwrap_err().to_string();
    assert!(
        refused.contains("at place 0") && refused.contains("no officer decided"),
        "{refused}"
    );
}

/// A volume that is kept long outlives the events of its seal, which are in a later one.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_decision_stands_for_events_that_were_erased() {
    let directory = tempfile::tempdir().unwrap();
    let store = sealed(directory.path(), 0).await;
    let year = |years: i64| store.now() + jiff::SignedDuration::from_hours(24 * 365 * years);
    let extend = async |until| {
        store
            .decide_volume(1, Decision::Extend(until), "sato", "a lawsuit")
            .await
    };
    extend(year(1)).await.unwrap();
    let seal = Seal {
        before: None,
        retain_years: 0,
        by: "sato".into(),
    };
    store.seal_volume(seal).await.unwrap().unwrap();
    happen(&store, 3).await;
    store
        .decide_volume(2, Decision::Erase, "sato", "due")
        .await
        .unwrap();
    store.erase_volume(2, "suzuki").await.unwrap();
    assert_eq!(found(&store).await, [""; 0]);
    let early = store.read(store::tree::erased_early);
    let early: Result<_, Error> = early.await;
    assert_eq!(early.unwrap(), [0; 0]);
    extend(year(2)).await.unwrap();
    assert_eq!(found(&store).await, [""; 0]);
    forge(
        &store,
        &["UPDATE trail_volume SET retain_until = to_at WHERE number = 1"],
    )
    .await;
    let decided = store.decide_volume(1, Decision::Erase, "sato", "due").await;
    assert!(
        matches!(decided, Err(EraseError::OffRecord { .. })),
        "{decided:?}"
    );
}
