//! What a roll that is kept beside the database promises: brought up to date, it says what the mailbox holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod mail;
mod site;

use std::path::Path;

use mail::{append_as, change, find, owner, read};
use proptest::prelude::*;
use site::options;
use store::{
    AccountId, MailboxId, Options, Store,
    index::Index,
    mailbox::{self, FlagChange, FlagMode, Flags, Mailbox, Roll},
};
use world::World;

fn open(directory: &Path) -> Store {
    let options = Options {
        roll_from: 4,
        ..options()
    };
    Store::open(&directory.join("store"), &options, World::system()).unwrap()
}

fn follow(directory: &Path, store: &Store) -> Index {
    Index::open(&directory.join("index"), store.clone()).unwrap()
}

async fn arrive(store: &Store, account: AccountId, mailbox: MailboxId, keyword: &'static str) {
    let appended = append_as(store, account, mailbox, b"Subject: x\r\n\r\nx\r\n", |new| {
        new.flags = Flags::SEEN;
        new.keywords = vec![keyword.to_owned()];
    });
    appended.await.unwrap();
}

/// The mailbox, what is kept of it, and what it holds.
async fn rolls(store: &Store, index: &Index, account: AccountId) -> (Mailbox, Option<Roll>, Roll) {
    let inbox = find(store, account, "INBOX").await.unwrap();
    let kept = index.roll(account, inbox.id, inbox.uid_validity).await;
    let row = inbox.clone();
    let now = read(store, move |sql| Roll::read(sql, &row)).await;
    (inbox, kept.unwrap(), now)
}

/// What is kept says what the mailbox holds, once it is brought up to date.
async fn agree(store: &Store, index: &Index, account: AccountId) {
    let (inbox, kept, now) = rolls(store, index, account).await;
    let mut kept = kept.expect("a roll is kept");
    assert!(kept.modseq <= inbox.highest_modseq);
    let (id, modseq) = (inbox.id, inbox.highest_modseq);
    let kept = read(store, move |sql| {
        kept.catch_up(sql, id, modseq).map(|()| kept)
    })
    .await;
    assert!(kept.agrees_with(&now), "{kept:?} {now:?}");
    assert_eq!(kept.slots().len() as u64, inbox.messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_is_kept_of_large_mailboxes_only_and_as_long_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let index = follow(directory.path(), &store);
    for count in 1..=4 {
        arrive(&store, account, inbox, "$A").await;
        index.catch_up(account).await.unwrap();
        let (_, kept, _) = rolls(&store, &index, account).await;
        assert_eq!(kept.is_some(), index.keeps_roll(count), "{count}");
    }
    agree(&store, &index, account).await;
    change(&store, move |tx| mailbox::expunge(tx, inbox, &[2]))
        .await
        .unwrap();
    index.catch_up(account).await.unwrap();
    let (_, kept, _) = rolls(&store, &index, account).await;
    assert!(kept.is_none());
    assert_eq!(index.verify_all(|_| {}).await.unwrap(), []);
    index.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_far_behind_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (account, inbox) = owner(&store).await;
    let index = follow(directory.path(), &store);
    for _ in 0..5 {
        arrive(&store, account, inbox, "$A").await;
    }
    index.catch_up(account).await.unwrap();
    let (row, kept, _) = rolls(&store, &index, account).await;
    assert_eq!(kept.unwrap().modseq, row.highest_modseq);
    // Copies are cheap to make many of.
    for _ in 0..8 {
        let copied = change(&store, move |tx| {
            let all: Vec<u32> = mailbox::entries(tx, inbox, 1, u32::MAX)?
                .iter()
                .map(|entry| entry.uid)
                .collect();
            mailbox::copy(tx, inbox, &all, inbox)
        });
        copied.await.unwrap();
    }
    let (_, kept, now) = rolls(&store, &index, account).await;
    assert!(now.slots().len() > 1024 && kept.unwrap().slots().len() < 1024);
    agree(&store, &index, account).await;
    index.catch_up(account).await.unwrap();
    let (_, kept, now) = rolls(&store, &index, account).await;
    assert!(kept.unwrap().agrees_with(&now));
    index.close().await;
}

/// A closed store with a roll. Its runtime is gone when this returns, and with it all that worked on the files.
fn kept(directory: &Path, keyword: &'static str) -> AccountId {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(directory);
        let (account, inbox) = owner(&store).await;
        for _ in 0..5 {
            arrive(&store, account, inbox, keyword).await;
        }
        let index = follow(directory, &store);
        index.catch_up(account).await.unwrap();
        index.close().await;
        store.close().await;
        account
    })
}

#[test]
fn a_roll_that_says_something_else_is_found_and_made_anew() {
    let other = tempfile::tempdir().unwrap();
    let stranger = kept(other.path(), "b");
    let foreign = other.path().join(format!("index/{stranger}.db"));
    for (sql, words) in [
        (
            "UPDATE roll SET content = zeroblob(length(content))",
            "is damaged",
        ),
        ("UPDATE roll SET modseq = modseq + 1", "is damaged"),
        // Sound in itself, but of another mailbox.
        (
            "UPDATE roll SET (modseq, content) = (SELECT modseq, content FROM other.roll)",
            "does not say what is in it",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let account = kept(directory.path(), "$A");
        let path = directory.path().join(format!("index/{account}.db"));
        let file = rusqlite::Connection::open(path).unwrap();
        let attach = format!("ATTACH '{}' AS other", foreign.display());
        file.execute_batch(&attach).unwrap();
        assert_eq!(file.execute(sql, []).unwrap(), 1);
        drop(file);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = open(directory.path());
            let uids = change(&store, move |tx| {
                let inbox = mailbox::by_name(tx, account, "INBOX")?.unwrap();
                mailbox::expunge(tx, inbox.id, &[3])
            });
            assert_eq!(uids.await.unwrap().len(), 1);
            let index = follow(directory.path(), &store);
            index.close().await;
            let findings = index.verify_all(|_| {}).await.unwrap();
            let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
            assert!(
                told.len() == 1 && told[0].contains(words),
                "{sql}: {told:?}"
            );
            let ended = index.repair(&findings[0], trail::Actor::System).await;
            assert_eq!(ended.unwrap(), store::Repaired::Done);
            assert_eq!(index.verify_all(|_| {}).await.unwrap(), []);
        });
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(bool),
    Expunge(prop::sample::Index),
    Flag(prop::sample::Index, bool),
    Follow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Arrive),
        2 => any::<prop::sample::Index>().prop_map(Step::Expunge),
        3 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, seen)| Step::Flag(at, seen)),
        1 => Just(Step::Follow),
    ]
}

async fn take(store: &Store, account: AccountId, inbox: MailboxId, step: Step) {
    let uids = mail::uids(store, inbox).await;
    let uid = |at: prop::sample::Index| [uids[at.index(uids.len())]];
    match step {
        Step::Arrive(first) => arrive(store, account, inbox, if first { "$A" } else { "b" }).await,
        Step::Expunge(at) => {
            let uid = uid(at);
            change(store, move |tx| mailbox::expunge(tx, inbox, &uid))
                .await
                .unwrap();
        }
        Step::Flag(at, seen) => {
            let uid = uid(at);
            let flag = FlagChange {
                mode: if seen {
                    FlagMode::Replace
                } else {
                    FlagMode::Add
                },
                flags: Flags::FLAGGED,
                keywords: vec!["later".to_owned()],
            };
            change(store, move |tx| {
                mailbox::change_flags(tx, inbox, &uid, &flag, None)
            })
            .await
            .unwrap();
        }
        Step::Follow => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_since_a_roll_leads_to_what_the_mailbox_holds(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = open(directory.path());
            let (account, inbox) = owner(&store).await;
            for _ in 0..48 {
                arrive(&store, account, inbox, "$A").await;
            }
            let index = follow(directory.path(), &store);
            index.catch_up(account).await.unwrap();
            for step in steps {
                if matches!(step, Step::Follow) {
                    index.catch_up(account).await.unwrap();
                }
                take(&store, account, inbox, step).await;
                agree(&store, &index, account).await;
            }
            index.close().await;
            store.close().await;
        });
    }
}
