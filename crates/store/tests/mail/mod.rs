//! Accounts with mailboxes, and messages for them.
#![allow(dead_code, reason = "each test file uses some of it")]

use jiff::Timestamp;
use store::{
    AccountId, BodyId, Error, MailboxId, Recorded, Store, Tx,
    mailbox::{self, Appended, Flags, Mailbox, NewMessage},
    sql::Sql,
};

use crate::site::event;

/// An account with an INBOX; also its id.
pub(crate) async fn owner(store: &Store) -> (AccountId, MailboxId) {
    change(store, |tx| {
        let account = AccountId(tx.next_id());
        tx.create_key(account)?;
        mailbox::create_initial(tx, account, &[("Sent", mailbox::SpecialUse::Sent)])?;
        let inbox = mailbox::by_name(tx, account, "inbox")?.expect("an INBOX");
        Ok((account, inbox.id))
    })
    .await
    .expect("an account")
}

/// Commits what `work` does, with an event.
pub(crate) async fn change<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let receipt = store
        .commit(Vec::new(), move |tx| {
            let value = work(tx)?;
            record(tx, value)
        })
        .await?;
    Ok(receipt.value)
}

pub(crate) fn record<T>(tx: &mut Tx<'_>, value: T) -> Result<Recorded<T>, Error> {
    tx.record(&event("test"), value)
}

pub(crate) async fn read<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut dyn Sql) -> Result<T, Error> + Send + 'static,
) -> T {
    store
        .read(move |snapshot| work(snapshot))
        .await
        .expect("readable")
}

pub(crate) fn message(body: BodyId, size: u64) -> NewMessage {
    NewMessage {
        body,
        size,
        flags: Flags::default(),
        keywords: Vec::new(),
        internal_date: Timestamp::UNIX_EPOCH,
        summary: b"summary".to_vec(),
        references: Vec::new(),
    }
}

/// Seals `raw` and appends it.
pub(crate) async fn append(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    raw: &[u8],
) -> Result<Appended, Error> {
    append_as(store, account, mailbox, raw, |_| {}).await
}

/// As [`append`], with changes to the message.
pub(crate) async fn append_as(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    raw: &[u8],
    with: impl FnOnce(&mut NewMessage),
) -> Result<Appended, Error> {
    let body = store.seal(raw, &[account])?;
    let mut new = message(body.id, body.size);
    with(&mut new);
    let receipt = store
        .commit(vec![body], move |tx| {
            let appended = mailbox::append(tx, mailbox, &new, true)?;
            record(tx, appended)
        })
        .await?;
    Ok(receipt.value)
}

pub(crate) async fn find(store: &Store, account: AccountId, name: &str) -> Option<Mailbox> {
    let name = name.to_owned();
    read(store, move |sql| mailbox::by_name(sql, account, &name)).await
}

pub(crate) async fn uids(store: &Store, mailbox: MailboxId) -> Vec<u32> {
    let entries = read(store, move |sql| {
        mailbox::entries(sql, mailbox, 1, u32::MAX)
    })
    .await;
    entries.iter().map(|entry| entry.uid).collect()
}
