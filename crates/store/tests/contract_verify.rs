//! What `verify` says of a sound store and of one that was tampered with.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::sync::{Arc, Mutex};

use site::{account, done, open};
use store::{
    AccountId, BodyId, Error, Store,
    mailbox::{self, FlagChange, FlagMode, Flags, NewMessage, SpecialUse},
    params,
};

async fn mailboxes(store: &Store) -> AccountId {
    let owner = account(store).await;
    let made = store.commit(Vec::new(), move |tx| {
        mailbox::create_initial(tx, owner, &[("Sent", SpecialUse::Sent)])?;
        done(tx, "mailboxes", ())
    });
    made.await.unwrap();
    owner
}

async fn append(store: &Store, owner: AccountId, text: &str) -> (BodyId, u32) {
    let body = store.seal(text.as_bytes(), &[owner]).unwrap();
    let (id, size) = (body.id, body.size);
    let kept = store.commit(vec![body], move |tx| {
        let inbox = mailbox::by_name(tx, owner, "INBOX")?;
        let inbox = inbox.ok_or_else(|| Error::NotFound("INBOX".to_owned()))?;
        let message = NewMessage {
            body: id,
            size,
            flags: Flags::default(),
            keywords: Vec::new(),
            internal_date: tx.now(),
            summary: b"summary".to_vec(),
            references: vec!["<a@example.jp>".to_owned()],
        };
        let appended = mailbox::append(tx, inbox.id, &message, true)?;
        done(tx, "append", (id, appended.uid))
    });
    kept.await.unwrap().value
}

async fn change(store: &Store, statement: &'static str) {
    let changed = store.commit(Vec::new(), move |tx| {
        tx.execute(statement, params![])?;
        done(tx, "tampered", ())
    });
    changed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_has_no_findings_and_tampering_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let owner = mailboxes(&store).await;
    let mut kept = Vec::new();
    for n in 0..100 {
        kept.push(append(&store, owner, &format!("Subject: {n}\r\n\r\nbody\r\n")).await);
    }
    let worked = store.commit(Vec::new(), move |tx| {
        let inbox = mailbox::by_name(tx, owner, "INBOX")?.unwrap().id;
        let sent = mailbox::by_name(tx, owner, "Sent")?.unwrap().id;
        let seen = FlagChange {
            mode: FlagMode::Add,
            flags: Flags::SEEN.with(Flags::DELETED),
            keywords: Vec::new(),
        };
        let uids: Vec<u32> = (1..=40).collect();
        mailbox::change_flags(tx, inbox, &uids[..20], &seen, None)?;
        mailbox::copy(tx, inbox, &uids[..30], sent)?;
        mailbox::expunge(tx, inbox, &uids[10..])?;
        done(tx, "worked", ())
    });
    worked.await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let findings = store
        .verify(move |progress| told.lock().unwrap().push(progress))
        .await
        .unwrap();
    assert_eq!(findings, Vec::<String>::new());
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() > 1);
    assert_eq!(seen.last().unwrap().checked, seen.last().unwrap().total);

    let expect = async |store: &Store, words: &str| {
        let findings = store.verify(|_| {}).await.unwrap();
        assert!(
            findings.iter().any(|told| told.contains(words)),
            "{words}: {findings:?}"
        );
    };
    change(&store, "UPDATE body_owner SET refs = refs + 1").await;
    expect(&store, "names it 1 times and counts 2 references").await;
    change(&store, "UPDATE body_owner SET refs = refs - 1").await;
    change(&store, "UPDATE mailbox SET messages = messages + 1").await;
    expect(&store, "messages and holds").await;
    change(&store, "UPDATE mailbox SET messages = messages - 1").await;
    change(&store, "UPDATE mailbox SET unseen = unseen + 1").await;
    expect(&store, "other counters differ").await;
    change(&store, "UPDATE mailbox SET unseen = unseen - 1").await;
    change(&store, "UPDATE account_usage SET bytes = bytes + 1").await;
    expect(&store, "octets and its mailboxes hold").await;
    change(&store, "UPDATE account_usage SET bytes = bytes - 1").await;
    assert_eq!(store.verify(|_| {}).await.unwrap(), Vec::<String>::new());
    change(&store, "UPDATE body SET digest = X'00'").await;
    expect(&store, "its digest differs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_account_leaves_a_sound_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two) = (mailboxes(&store).await, mailboxes(&store).await);
    for n in 0..20 {
        append(&store, one, &format!("one {n}")).await;
        append(&store, two, &format!("two {n}")).await;
    }
    let removed = store.commit(Vec::new(), move |tx| {
        mailbox::remove_account(tx, one)?;
        tx.destroy_key(one)?;
        done(tx, "removed", ())
    });
    removed.await.unwrap();
    assert_eq!(store.verify(|_| {}).await.unwrap(), Vec::<String>::new());
    drop(store);
    let store = open(directory.path());
    assert_eq!(store.verify(|_| {}).await.unwrap(), Vec::<String>::new());
}
