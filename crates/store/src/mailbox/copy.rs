//! Messages are copied and moved between mailboxes of one account.

use crate::{Error, MailboxId, Refusal, Tx, batch, params, sql::Value};

use super::{
    Copied, Entry, account,
    expunge::take_out,
    head::{Counts, Head, signed},
    keywords,
    read::{entries_of, widened},
};

/// Copies messages with flags, dates and EMAILID into another mailbox of the same account. All or none.
///
/// # Errors
/// Over quota, no such mailbox.
pub fn copy(
    tx: &mut Tx<'_>,
    from: MailboxId,
    uids: &[u32],
    to: MailboxId,
) -> Result<Copied, Error> {
    let mut target = target_of(tx, from, to)?;
    let entries = entries_of(tx, from, uids)?;
    let counts = Counts::of(&entries)?;
    target.must_have_room(u64::try_from(counts.bytes).unwrap_or_default())?;
    let copied = put_in(tx, from, &entries, &mut target)?;
    account::add_usage(tx, target.account, &counts)?;
    Ok(copied)
}

/// Moves messages (RFC 6851). All or none; never over quota.
///
/// # Errors
/// No such mailbox.
pub fn move_to(
    tx: &mut Tx<'_>,
    from: MailboxId,
    uids: &[u32],
    to: MailboxId,
) -> Result<Copied, Error> {
    let mut target = target_of(tx, from, to)?;
    let entries = entries_of(tx, from, uids)?;
    let copied = put_in(tx, from, &entries, &mut target)?;
    // Loaded after the target was saved: they may be the same mailbox.
    let mut source = Head::load(tx, from)?;
    take_out(tx, &mut source, &entries)?;
    Ok(copied)
}

/// The head of `to`, when `from` is of the same account.
fn target_of(tx: &mut Tx<'_>, from: MailboxId, to: MailboxId) -> Result<Head, Error> {
    let source = Head::load(tx, from)?;
    let target = Head::load(tx, to)?;
    if source.account != target.account {
        return Err(Refusal::NoMailbox(target.name).into());
    }
    Ok(target)
}

/// Repeats `entries` of `from` in the target, with UIDs that ascend as theirs and one MODSEQ for all.
fn put_in(
    tx: &mut Tx<'_>,
    from: MailboxId,
    entries: &[Entry],
    target: &mut Head,
) -> Result<Copied, Error> {
    let mut copied = Copied {
        uid_validity: target.uid_validity,
        uids: Vec::with_capacity(entries.len()),
    };
    if entries.is_empty() {
        return Ok(copied);
    }
    let respelled = respelled_keywords(tx, entries, target)?;
    let first = target.take_uids(entries.len())?;
    let modseq = signed(target.take_modseq())?;
    let new_uids = first..target.uid_next;
    copied.uids = entries
        .iter()
        .map(|entry| entry.uid)
        .zip(new_uids)
        .collect();

    let uids: Vec<u32> = entries.iter().map(|entry| entry.uid).collect();
    let mut next = i64::from(first);
    for list in batch::lists(&widened(&uids)) {
        let statement = format!(
            "INSERT INTO message (mailbox, uid, email, thread, body, modseq, flags, keywords, size, internal_date, \
             save_date) SELECT ?1, ?2 + ROW_NUMBER() OVER (ORDER BY uid), email, thread, body, ?3, flags, keywords, \
             size, internal_date, ?4 FROM message WHERE mailbox = ?5 AND uid IN ({})",
            batch::marks(6, list.len())
        );
        let mut params = vec![
            Value::from(target.id),
            Value::Int(next - 1),
            Value::Int(modseq),
            Value::from(tx.now()),
            Value::from(from),
        ];
        params.extend(list.iter().map(|uid| Value::Int(*uid)));
        next = next
            .saturating_add(i64::try_from(tx.execute(&statement, &params)?).unwrap_or(i64::MAX));
    }
    if next != i64::from(target.uid_next) {
        return Err(Error::Corrupt(
            "a copy did not find what it read before".to_owned(),
        ));
    }
    for (old, new) in respelled {
        tx.execute(
            "UPDATE message SET keywords = ?3 WHERE mailbox = ?1 AND uid >= ?2 AND keywords = ?4",
            params![target.id, first, &new, &old],
        )?;
    }
    target.save(tx, &Counts::of(entries)?)?;
    Ok(copied)
}

/// Columns of keywords that the target spells otherwise, old and new.
fn respelled_keywords(
    tx: &mut Tx<'_>,
    entries: &[Entry],
    target: &mut Head,
) -> Result<Vec<(String, String)>, Error> {
    let mut columns: Vec<String> = entries
        .iter()
        .map(|entry| entry.keywords.join(" "))
        .collect();
    columns.sort_unstable();
    columns.dedup();
    let mut changed = Vec::new();
    for old in columns {
        let id = target.id;
        let new = target
            .keywords
            .admit(tx, id, &keywords::split(&old))?
            .join(" ");
        if new != old {
            changed.push((old, new));
        }
    }
    Ok(changed)
}
