//! Messages leave a mailbox.

use std::collections::BTreeMap;

use crate::{
    AccountId, BodyId, EmailId, Error, MailboxId, Tx, batch, params, sql,
    sql::{Sql, Value},
};

use super::{
    Entry, account,
    head::{Counts, Head, signed},
    read::{entries_of, widened, with_list},
};

/// Expunges `uids` (whatever their flags); returns those that were there.
///
/// # Errors
/// When the database fails.
pub fn expunge(tx: &mut Tx<'_>, mailbox: MailboxId, uids: &[u32]) -> Result<Vec<u32>, Error> {
    let mut head = Head::load(tx, mailbox)?;
    let entries = entries_of(tx, mailbox, uids)?;
    take_out(tx, &mut head, &entries)?;
    account::add_usage(tx, head.account, &Counts::of(&entries)?.negated())?;
    let emails: Vec<EmailId> = entries.iter().map(|entry| entry.email).collect();
    release_orphans(tx, head.account, &emails)?;
    Ok(entries.iter().map(|entry| entry.uid).collect())
}

/// Takes `entries` out of the mailbox and remembers that they vanished, with a MODSEQ of their own. What the
/// account keeps is the caller's affair.
pub(super) fn take_out(tx: &mut Tx<'_>, head: &mut Head, entries: &[Entry]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let uids: Vec<u32> = entries.iter().map(|entry| entry.uid).collect();
    for list in batch::lists(&widened(&uids)) {
        let statement = format!(
            "DELETE FROM message WHERE mailbox = ?1 AND uid IN ({})",
            batch::marks(2, list.len())
        );
        tx.execute(&statement, &with_list(Value::from(head.id), &list))?;
    }
    let modseq = signed(head.take_modseq())?;
    for (first, last) in batch::runs(&uids) {
        tx.execute(
            "INSERT INTO expunged (mailbox, modseq, first, last) VALUES (?1, ?2, ?3, ?4)",
            params![head.id, modseq, first, last],
        )?;
    }
    head.save(tx, &Counts::of(entries)?.negated())
}

/// Removes those of `emails` that no mailbox holds any more, and releases their bodies.
pub(super) fn release_orphans(
    tx: &mut Tx<'_>,
    account: AccountId,
    emails: &[EmailId],
) -> Result<(), Error> {
    let emails: Vec<i64> = batch::ascending(emails)
        .iter()
        .map(|email| email.0)
        .collect();
    let mut bodies: BTreeMap<BodyId, u64> = BTreeMap::new();
    for list in batch::lists(&emails) {
        let marks = batch::marks(1, list.len());
        let statement = format!(
            "SELECT id, body FROM email WHERE id IN ({marks}) \
             AND NOT EXISTS (SELECT 1 FROM message WHERE message.email = email.id)"
        );
        let params: Vec<Value<'_>> = list.iter().map(|id| Value::Int(*id)).collect();
        let mut orphans: Vec<i64> = Vec::new();
        (tx as &mut dyn Sql).query(&statement, &params, &mut |row| {
            orphans.push(row.int(0)?);
            *bodies.entry(BodyId(row.int(1)?)).or_default() += 1;
            Ok(())
        })?;
        remove_emails(tx, &orphans)?;
        tx.gone(account, orphans.into_iter().map(EmailId));
    }
    tx.release_bodies(account, &bodies)
}

fn remove_emails(tx: &mut Tx<'_>, emails: &[i64]) -> Result<(), Error> {
    for list in batch::lists(emails) {
        let statement = format!(
            "DELETE FROM email WHERE id IN ({})",
            batch::marks(1, list.len())
        );
        let params: Vec<Value<'_>> = list.iter().map(|id| Value::Int(*id)).collect();
        tx.execute(&statement, &params)?;
    }
    Ok(())
}

/// Removes all messages of a mailbox and its memory of those that vanished; returns what it held.
pub(super) fn empty(tx: &mut Tx<'_>, mailbox: MailboxId) -> Result<(Counts, Vec<EmailId>), Error> {
    let mut counts = Counts::default();
    let emails = sql::rows(
        tx,
        "SELECT email, flags, size FROM message WHERE mailbox = ?1",
        params![mailbox],
        |row| {
            let flags = u8::try_from(row.int(1)?).unwrap_or_default();
            counts.add(super::Flags(flags), row.count(2)?)?;
            Ok(EmailId(row.int(0)?))
        },
    )?;
    tx.execute("DELETE FROM message WHERE mailbox = ?1", params![mailbox])?;
    tx.execute("DELETE FROM expunged WHERE mailbox = ?1", params![mailbox])?;
    Ok((counts, emails))
}
