//! The selected mailbox: its view, kept in step with the store.

use std::{collections::BTreeSet, sync::Arc};

use protocol::imap::{Encoder, FlagList, Keyword, MessageSet, SequenceSet, SystemFlags};
use store::{
    AccountId, MailboxId, Snapshot, Store, Topic,
    mailbox::{self, Entry, Flags, Mailbox, News, Roll, Since, Slot},
};
use tokio::sync::watch;

use super::{
    flags,
    line::Line,
    outcome::Stop,
    rolls::Rolls,
    view::{Changes, View},
};
use crate::{Shared, budget::Room};

/// Octets of news that are read without asking for room: of more than a thousand messages.
const FEW_NEWS: u64 = 64 << 10;

/// A mailbox that was selected, as the client knows it.
pub(crate) struct Selected {
    /// Its id.
    pub id: MailboxId,
    /// Its name; another session may rename it.
    pub name: String,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// Whether it was opened with EXAMINE.
    pub read_only: bool,
    /// What the client knows.
    pub view: View,
    /// `$`: the UIDs that the last SEARCH saved (RFC 5182), ascending.
    pub saved: Vec<u32>,
    /// Keywords that the client was told of in FLAGS.
    pub keywords: BTreeSet<String>,
    changes: watch::Receiver<u64>,
    /// Whether the store must be asked though no wake-up came: after own changes.
    stale: bool,
}

/// What bringing the view up to date found.
pub(crate) enum Synced {
    /// These changes, and the room that they take.
    Changes(Changes, Option<Room>),
    /// The mailbox does not exist any more.
    Deleted,
}

impl Selected {
    /// Opens the mailbox of that name, if there is one that can be selected.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        account: AccountId,
        name: String,
        read_only: bool,
    ) -> Result<Option<(Self, Mailbox)>, store::Error> {
        let before = shared.store.moment();
        let Some((row, keywords, roll)) = look(shared, account, name).await? else {
            return Ok(None);
        };
        let selected = Self {
            id: row.id,
            name: row.name.clone(),
            uid_validity: row.uid_validity,
            read_only,
            keywords: keywords.into_iter().collect(),
            view: View::new(roll),
            saved: Vec::new(),
            changes: shared.store.watch_since(Topic::Mailbox(row.id), before),
            stale: false,
        };
        Ok(Some((selected, row)))
    }

    /// Makes the next [`Selected::sync`] ask the store.
    pub(crate) fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// Waits until the store says that the mailbox changed.
    pub(crate) async fn changed(&mut self) {
        if self.stale {
            return;
        }
        if self.changes.changed().await.is_err() {
            // The store is closing; the session hears of that by its shutdown.
            std::future::pending::<()>().await;
        }
        self.stale = true;
    }

    /// Brings the view up to date. What happened is read from one instant of the store, and taken over whole or not at all. If it
    /// is much, that waits for room on `line`, as [`Line::room_for`] does.
    pub(crate) async fn sync(
        &mut self,
        store: &Store,
        line: &mut Line,
        may_expunge: bool,
    ) -> Result<Synced, Stop> {
        if self.changes.has_changed().unwrap_or(true) {
            self.stale = true;
        }
        let nothing = News::default();
        if !self.stale && self.view.octets_of_changes(&nothing) <= FEW_NEWS {
            let changes = self.view.apply(&nothing, 0, may_expunge);
            return Ok(Synced::Changes(changes, None));
        }
        // Octets that may be held, and the room for them.
        let (mut most, mut room) = (FEW_NEWS, None);
        loop {
            self.changes.mark_unchanged();
            let (id, known) = (self.id, self.view.modseq());
            let read = store.read(move |snapshot| look_again(snapshot, id, known, most));
            let Some((row, since)) = read.await? else {
                return Ok(Synced::Deleted);
            };
            let needed = match &since {
                Since::News(news) => {
                    let changes = self.view.octets_of_changes(news);
                    news.octets().saturating_add(changes)
                }
                Since::Larger(octets) => octets.saturating_mul(2),
            };
            match since {
                Since::News(news) if needed <= most => {
                    self.stale = false;
                    self.name = row.name;
                    let changes = self.view.apply(&news, row.highest_modseq, may_expunge);
                    return Ok(Synced::Changes(changes, room));
                }
                // Both are given back before more is waited for.
                too_much => drop((too_much, room.take())),
            }
            most = needed.max(most.saturating_mul(2));
            room = Some(line.room_for(most).await?);
        }
    }

    /// The UIDs that a command means, ascending. `uid` says that its numbers are UIDs.
    pub(crate) fn resolve(&self, set: &MessageSet, uid: bool) -> Result<Vec<u32>, Stop> {
        match set {
            MessageSet::Saved => Ok(self.here(&self.saved)),
            MessageSet::Numbers(set) if uid => Ok(self.by_uids(set)),
            MessageSet::Numbers(set) => self.by_numbers(set),
        }
    }

    /// Those of `uids` that the view holds.
    pub(crate) fn here(&self, uids: &[u32]) -> Vec<u32> {
        let held = uids.iter().filter(|uid| self.view.by_uid(**uid).is_some());
        held.copied().collect()
    }

    /// Messages marked `\\Deleted`, as far as the client knows.
    pub(crate) fn deleted(&self) -> Vec<u32> {
        let marked = self
            .view
            .slots()
            .iter()
            .filter(|slot| slot.flags().contains(Flags::DELETED));
        marked.map(|slot| slot.uid).collect()
    }

    /// UIDs of the view that a set of UIDs names; those that do not exist mean nothing (RFC 9051, section 6.4.9).
    pub(crate) fn by_uids(&self, set: &SequenceSet) -> Vec<u32> {
        let mut uids = Vec::new();
        for range in set.resolve(self.view.last_uid()).ranges() {
            let here = self.view.within((*range.start(), *range.end()));
            uids.extend(here.iter().map(|slot| slot.uid));
        }
        uids
    }

    /// UIDs of a set of sequence numbers.
    fn by_numbers(&self, set: &SequenceSet) -> Result<Vec<u32>, Stop> {
        let numbers = set.resolve(self.view.exists());
        if numbers.last().is_some_and(|last| last > self.view.exists()) {
            return Err(Stop::Bad("There are not so many messages"));
        }
        let slots = self.view.slots();
        let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let mut uids = Vec::new();
        for range in numbers.ranges() {
            let part = slots.get(index(range.start().saturating_sub(1))..index(*range.end()));
            uids.extend(part.unwrap_or_default().iter().map(|slot: &Slot| slot.uid));
        }
        Ok(uids)
    }

    /// Tells the client which keywords there are, when there are new ones.
    pub(crate) fn tell_keywords(&mut self, out: &mut Encoder) {
        let known = self.keywords.len();
        for set in self.view.keyword_sets() {
            for keyword in set {
                if !self.keywords.contains(keyword) {
                    self.keywords.insert(keyword.clone());
                }
            }
        }
        if self.keywords.len() > known {
            out.flags(&self.all_flags());
        }
    }

    /// The flags in use: those of the system, and all keywords that messages have or had.
    pub(crate) fn all_flags(&self) -> FlagList {
        let keywords = self
            .keywords
            .iter()
            .filter_map(|keyword| Keyword::new(keyword));
        FlagList {
            system: SystemFlags::SETTABLE,
            keywords: keywords.collect(),
        }
    }

    /// Writes a FETCH response with the flags of a message, if the view holds it.
    pub(crate) fn write_flags(&self, out: &mut Encoder, uid: u32, with_modseq: bool) {
        let Some((number, slot)) = self.view.by_uid(uid) else {
            return;
        };
        let mut fetch = out.fetch(number);
        fetch.uid(uid);
        fetch.flags(&flags::to_wire(slot.flags(), self.view.keywords(slot)));
        if with_modseq {
            fetch.mod_seq(slot.modseq);
        }
        fetch.finish();
    }

    /// The entries of `uids` that still exist, ascending.
    pub(crate) async fn entries(
        &self,
        store: &Store,
        uids: &[u32],
    ) -> Result<Vec<Entry>, store::Error> {
        let (id, uids) = (self.id, uids.to_vec());
        store
            .read(move |snapshot| mailbox::entries_of(snapshot, id, &uids))
            .await
    }
}

/// The mailbox as it is now, and what happened in it after `known`, if that takes no more than `most` octets.
fn look_again(
    snapshot: &mut Snapshot<'_>,
    mailbox: MailboxId,
    known: u64,
    most: u64,
) -> Result<Option<(Mailbox, Since)>, store::Error> {
    let row = mailbox::by_id(snapshot, mailbox)?;
    let Some(row) = row.filter(|row| row.selectable) else {
        return Ok(None);
    };
    let since = if row.highest_modseq > known {
        mailbox::news_since(snapshot, mailbox, known, most)?
    } else {
        Since::News(News::default())
    };
    Ok(Some((row, since)))
}

type Found = (Mailbox, Vec<String>, Roll);

/// The mailbox of that name as it is now.
async fn look(
    shared: &Arc<Shared>,
    account: AccountId,
    name: String,
) -> Result<Option<Found>, store::Error> {
    enum Looked {
        Found(Found),
        /// Large, and nobody selected it lately.
        Cold(Mailbox),
    }
    let (rolls, index) = (Arc::clone(&shared.rolls), shared.index.clone());
    let wanted = name.clone();
    let looked = shared
        .store
        .read(move |snapshot| {
            let Some(row) = selectable(snapshot, account, &wanted)? else {
                return Ok::<_, store::Error>(None);
            };
            let kept = rolls.find(row.id, row.uid_validity);
            if kept.is_none() && index.keeps_roll(row.messages) {
                return Ok(Some(Looked::Cold(row)));
            }
            found(snapshot, &rolls, row, kept).map(|found| Some(Looked::Found(found)))
        })
        .await?;
    let row = match looked {
        None => return Ok(None),
        Some(Looked::Found(found)) => return Ok(Some(found)),
        Some(Looked::Cold(row)) => row,
    };
    let kept = shared.index.roll(account, row.id, row.uid_validity);
    let kept = kept.await.unwrap_or_else(|error| {
        tracing::warn!(%error, mailbox = %row.id, "the roll of a mailbox cannot be read; the mailbox is read instead");
        None
    });
    let (rolls, known) = (
        Arc::clone(&shared.rolls),
        kept.as_ref().map(|roll| roll.modseq),
    );
    let found = shared
        .store
        .read(
            move |snapshot| match selectable(snapshot, account, &name)? {
                // Another may have its name by now.
                Some(now) => {
                    let same = (now.id, now.uid_validity) == (row.id, row.uid_validity);
                    found(snapshot, &rolls, now, kept.filter(|_| same)).map(Some)
                }
                None => Ok::<_, store::Error>(None),
            },
        )
        .await?;
    if let Some((now, ..)) = &found
        && known.is_some_and(|modseq| modseq < now.highest_modseq)
    {
        shared.index.renew_rolls(account);
    }
    Ok(found)
}

fn selectable(
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
    name: &str,
) -> Result<Option<Mailbox>, store::Error> {
    let found = mailbox::by_name(snapshot, account, name)?;
    Ok(found.filter(|row| row.selectable))
}

/// What there is to tell of the mailbox of `row`, with its roll: brought up to date from one that is kept, if there is one.
fn found(
    snapshot: &mut Snapshot<'_>,
    rolls: &Rolls,
    row: Mailbox,
    kept: Option<Roll>,
) -> Result<Found, store::Error> {
    // One that knows more than this snapshot is of no use here.
    let kept = kept.filter(|roll| roll.modseq <= row.highest_modseq);
    let mut current = None;
    if let Some(mut roll) = kept {
        roll.catch_up(snapshot, row.id, row.highest_modseq)?;
        let count = u64::try_from(roll.slots().len()).unwrap_or(u64::MAX);
        if count == row.messages && roll.last_uid() < row.uid_next {
            current = Some(roll);
        } else {
            tracing::error!(mailbox = %row.id, "a kept roll of a mailbox does not hold what the mailbox holds");
        }
    }
    let roll = match current {
        Some(roll) => roll,
        None => Roll::read(snapshot, &row)?,
    };
    rolls.keep(row.id, row.uid_validity, &roll);
    let keywords = mailbox::keywords(snapshot, row.id)?;
    Ok((row, keywords, roll))
}
