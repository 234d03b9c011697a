//! A backup is restored, and every row of every table and every body is as it was.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod fixture;
mod site;

use fixture::{check_bodies, check_rows, formats, manifest, unpack};
use site::{open, options};
use store::{Restore, Store};
use world::World;

/// The newest fixture: rows in every table there is.
fn newest() -> u32 {
    let entries = std::fs::read_dir(formats()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.parse().ok()).max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_what_was_backed_up_row_by_row() {
    let place = tempfile::tempdir().unwrap();
    let [site, backup, restored] = ["site", "backup", "restored"].map(|n| place.path().join(n));
    std::fs::create_dir(&site).unwrap();
    let format = newest();
    unpack(&formats().join(format.to_string()), &site);
    let manifest = manifest(format);
    let store = open(&site);
    store.backup(&backup).await.unwrap();
    store.close().await;
    let how = Restore {
        user: "root".to_owned(),
        keep_validity: true,
    };
    let options = options();
    let progress = |_, _| {};
    let made = Store::restore(
        &backup,
        &restored,
        &how,
        &options,
        World::system(),
        progress,
    );
    let (store, told) = made.await.unwrap();
    assert_eq!(told.mailboxes, 0, "mail programs need not fetch anew");
    check_bodies(&store, &manifest).await;
    store.close().await;
    check_rows(&restored.join("store.db"), &manifest);
    // The same again as a server finds it, which opens the store once more.
    let store = open(&restored);
    check_bodies(&store, &manifest).await;
    store.close().await;
    check_rows(&restored.join("store.db"), &manifest);
}
