//! The rolls of large mailboxes, kept beside the database: a mailbox that nobody selected lately need not be read row by row.
//!
//! A roll that is kept says up to which MODSEQ it goes, and what happened since is asked of the database. So it may
//! fall behind; it is made anew when that would take long.

use std::sync::Arc;

use super::{Index, Shared, sqlite_index::Kept};
use crate::{
    AccountId, Error, MailboxId, Snapshot,
    mailbox::{self, Mailbox, Roll},
    params, sql,
};

/// A mailbox with more messages has no roll kept: it would take more than 64 MiB.
const MOST_MESSAGES: u64 = 4 << 20;
/// A roll may always be so many changes behind.
const FEW_CHANGES: u64 = 1024;
/// Of a larger mailbox, this part of its messages may have changed.
const PART: u64 = 64;

impl Index {
    /// Whether the roll of a mailbox with so many messages is kept.
    #[must_use]
    pub fn keeps_roll(&self, messages: u64) -> bool {
        self.shared.keeps_roll(messages)
    }

    /// The roll of a mailbox as it was when it was last kept; `None` when none is.
    ///
    /// # Errors
    /// When the index cannot be read: the mailbox is to be read instead.
    pub async fn roll(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uid_validity: u32,
    ) -> Result<Option<Roll>, Error> {
        let shared = Arc::clone(&self.shared);
        let read = move || shared.ask(account, |file| file.roll(mailbox, uid_validity));
        let roll = self.shared.store.blocking(read).await?;
        Ok(roll.flatten())
    }

    /// Has the rolls of `account` made anew soon if they are far behind: for one who found it so.
    pub fn renew_rolls(&self, account: AccountId) {
        self.shared.lost.lock().insert(account);
        self.shared.lost_one.notify_one();
    }
}

impl Shared {
    fn keeps_roll(&self, messages: u64) -> bool {
        let from = self.store.inner.shared.options.roll_from;
        (from..=MOST_MESSAGES).contains(&messages)
    }
}

/// Makes the rolls of `account` anew that are far behind, and drops those of mailboxes that are gone or small by now.
pub(super) async fn renew(shared: &Arc<Shared>, account: AccountId) -> Result<(), Error> {
    let at = Arc::clone(shared);
    let listing = move || at.ask(account, |file| file.rolls());
    let Some(kept) = shared.store.blocking(listing).await? else {
        return Ok(());
    };
    let at = Arc::clone(shared);
    let (due, over) = shared
        .store
        .read(move |snapshot| sort_out(&at, snapshot, account, &kept))
        .await?;
    for mailbox in over {
        let at = Arc::clone(shared);
        let dropping = move || at.write(account, |file| file.drop_roll(mailbox));
        shared.store.blocking(dropping).await?;
    }
    for mailbox in due {
        let made = shared
            .store
            .read(move |snapshot| made(snapshot, mailbox))
            .await?;
        let Some((kept, content)) = made else {
            continue;
        };
        let at = Arc::clone(shared);
        let keeping = move || at.write(account, |file| file.keep_roll(kept, &content));
        shared.store.blocking(keeping).await?;
    }
    Ok(())
}

/// The mailboxes whose rolls are to be made, and those whose rolls are to go.
fn sort_out(
    shared: &Shared,
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
    kept: &[Kept],
) -> Result<(Vec<MailboxId>, Vec<MailboxId>), Error> {
    let mut due = Vec::new();
    let mut over: Vec<MailboxId> = kept.iter().map(|kept| kept.mailbox).collect();
    for row in mailbox::list(snapshot, account)? {
        if !shared.keeps_roll(row.messages) {
            continue;
        }
        over.retain(|mailbox| *mailbox != row.id);
        let kept = kept
            .iter()
            .find(|kept| kept.mailbox == row.id && kept.uid_validity == row.uid_validity);
        let fresh = match kept {
            Some(kept) => is_fresh(snapshot, &row, kept.modseq)?,
            None => false,
        };
        if !fresh {
            due.push(row.id);
        }
    }
    Ok((due, over))
}

/// Whether a roll of that MODSEQ is quickly brought up to date.
fn is_fresh(snapshot: &mut Snapshot<'_>, row: &Mailbox, modseq: u64) -> Result<bool, Error> {
    if modseq > row.highest_modseq {
        return Ok(false);
    }
    let since = i64::try_from(modseq).unwrap_or(i64::MAX);
    let most = FEW_CHANGES.max(row.messages / PART);
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let changed =
        "SELECT count(*) FROM (SELECT 1 FROM message WHERE mailbox = ?1 AND modseq > ?2 LIMIT ?3)";
    let changed = sql::first(snapshot, changed, params![row.id, since, limit], |row| {
        row.count(0)
    })?;
    let expunged = "SELECT coalesce(sum(last - first + 1), 0) FROM expunged WHERE mailbox = ?1 AND modseq > ?2";
    let expunged = sql::first(snapshot, expunged, params![row.id, since], |row| {
        row.count(0)
    })?;
    let behind = changed.unwrap_or(0).saturating_add(expunged.unwrap_or(0));
    Ok(behind < most)
}

fn made(snapshot: &mut Snapshot<'_>, mailbox: MailboxId) -> Result<Option<(Kept, Vec<u8>)>, Error> {
    let Some(row) = mailbox::by_id(snapshot, mailbox)? else {
        return Ok(None);
    };
    let roll = Roll::read(snapshot, &row)?;
    let kept = Kept {
        mailbox,
        uid_validity: row.uid_validity,
        modseq: roll.modseq,
    };
    Ok(roll.to_octets().map(|content| (kept, content)))
}

/// What is wrong with a roll that is kept: it must say what the mailbox holds, once it is brought up to date.
pub(super) fn complaint(
    snapshot: &mut Snapshot<'_>,
    (kept, mut roll): (Kept, Roll),
) -> Result<Option<String>, Error> {
    let row = mailbox::by_id(snapshot, kept.mailbox)?;
    // Of a mailbox that is gone, or is another by now, it is never used.
    let Some(row) = row.filter(|row| row.uid_validity == kept.uid_validity) else {
        return Ok(None);
    };
    if roll.modseq > row.highest_modseq {
        return Ok(Some(format!(
            "the roll of mailbox {} says MODSEQ {}, which it never had",
            row.id, roll.modseq
        )));
    }
    roll.catch_up(snapshot, row.id, row.highest_modseq)?;
    let agrees = roll.agrees_with(&Roll::read(snapshot, &row)?);
    Ok((!agrees).then(|| format!("the roll of mailbox {} does not say what is in it", row.id)))
}
