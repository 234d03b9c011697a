//! A store in a directory of its own, and events for its commits.
#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test file uses some of it; a test may panic"
)]

use std::path::Path;

use store::{AccountId, BodyId, Error, Options, Recorded, Store, Tx, sql::Sql};
use trail::{Actor, Event, Kind};
use world::World;

pub(crate) fn open(directory: &Path) -> Store {
    Store::open(directory, &options(), World::system()).expect("the store opens")
}

pub(crate) fn options() -> Options {
    Options {
        reserve_bytes: 0,
        ..Options::default()
    }
}

pub(crate) fn event(subject: impl Into<String>) -> Event {
    Event::new(Kind::CommandGiven, Actor::System).subject(subject)
}

pub(crate) fn done<T>(tx: &mut Tx<'_>, subject: &str, value: T) -> Result<Recorded<T>, Error> {
    tx.record(&event(subject), value)
}

/// Issues an account.
pub(crate) async fn account(store: &Store) -> AccountId {
    let made = store
        .commit(Vec::new(), |tx| {
            let account = AccountId(tx.next_id());
            tx.create_key(account)?;
            done(tx, "account", account)
        })
        .await;
    made.expect("an account").value
}

/// Stores `raw` with one reference for each owner.
pub(crate) async fn put(store: &Store, raw: &[u8], owners: &[AccountId]) -> BodyId {
    let body = store.seal(raw, owners).expect("sealed");
    let id = body.id;
    let owners = owners.to_vec();
    let kept = store
        .commit(vec![body], move |tx| {
            for owner in owners {
                tx.retain_body(id, owner, owner, 1)?;
            }
            done(tx, "put", id)
        })
        .await;
    kept.expect("kept").value
}

pub(crate) async fn release(store: &Store, body: BodyId, owner: AccountId) {
    let released = store
        .commit(Vec::new(), move |tx| {
            tx.release_body(body, owner, 1)?;
            done(tx, "release", ())
        })
        .await;
    released.expect("released");
}

/// How many rows a query counts.
pub(crate) async fn count(store: &Store, statement: &'static str) -> u64 {
    store
        .read(move |sql| -> Result<u64, Error> { count_in(sql, statement) })
        .await
        .expect("counted")
}

pub(crate) fn count_in(sql: &mut dyn Sql, statement: &str) -> Result<u64, Error> {
    let found = store::sql::first(sql, statement, &[], |row| row.count(0))?;
    found.ok_or_else(|| Error::NotFound("a count".to_owned()))
}

/// Waits until `holds`, looking again and again; fails after a minute.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds().await {
        assert!(start.elapsed().as_secs() < 60, "not in a minute: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
