//! Answering FETCH, message by message: no more of them is held at once than there is room for.

use std::collections::HashMap;

use bytes::Bytes;
use message::{Limits, Summary};
use protocol::imap::{Encoder, FetchItem, FetchWriter};
use store::{
    AccountId, Error,
    mailbox::{Entry, Flags, Slot},
};

use super::{
    Plan, Troubles,
    content::{Content, Pen},
    tally_text,
};
use crate::{
    Shared,
    audit::Tally,
    budget::Room,
    imap::{
        flags,
        line::Line,
        outcome::Stop,
        selected::Selected,
        summaries::{self, room_of},
    },
};

/// Messages whose texts are read together at most, unless a single one is larger: small mail costs more to ask for than
/// to read.
const TOGETHER: usize = 64;
const TOGETHER_OCTETS: u64 = 256 << 10;

/// What answering takes of a session.
pub(super) struct Answer<'a> {
    pub shared: &'a Shared,
    pub line: &'a mut Line,
    pub account: AccountId,
    pub tally: &'a mut Tally,
    pub selected: &'a Selected,
    pub plan: &'a Plan,
    /// Messages that `\Seen` is to be set on.
    pub seen: &'a mut Vec<u32>,
    pub troubles: &'a mut Troubles,
}

/// One message that is answered.
struct Subject {
    number: u32,
    slot: Slot,
    entry: Option<Entry>,
}

/// Messages whose texts were read together, and the room that they take.
struct Group<'s> {
    subjects: &'s [Subject],
    /// Of those that have an entry, in their order.
    opened: Vec<Result<Bytes, Error>>,
    _room: Room,
}

impl Answer<'_> {
    /// Answers for `uids`, ascending.
    pub(super) async fn batch(&mut self, uids: &[u32]) -> Result<(), Stop> {
        let subjects = self.subjects(uids).await?;
        if self.plan.body {
            self.with_bodies(&subjects).await
        } else if self.plan.summary {
            self.with_summaries(&subjects).await
        } else {
            for subject in &subjects {
                self.write_facts(subject, None);
                self.line.relieve().await?;
            }
            Ok(())
        }
    }

    /// The messages that are still there.
    async fn subjects(&mut self, uids: &[u32]) -> Result<Vec<Subject>, Stop> {
        let mut entries = HashMap::new();
        if self.plan.entry {
            let found = self.selected.entries(&self.shared.store, uids).await?;
            entries.extend(found.into_iter().map(|entry| (entry.uid, entry)));
        }
        let mut subjects = Vec::with_capacity(uids.len());
        for uid in uids {
            let Some((number, slot)) = self.selected.view.by_uid(*uid) else {
                continue;
            };
            let entry = entries.remove(uid);
            if (self.plan.entry && entry.is_none()) || self.selected.view.is_gone(*uid) {
                self.troubles.gone = true;
                continue;
            }
            subjects.push(Subject {
                number,
                slot,
                entry,
            });
        }
        Ok(subjects)
    }

    async fn with_summaries(&mut self, subjects: &[Subject]) -> Result<(), Stop> {
        let (shared, id) = (self.shared, self.selected.id);
        let store = &shared.store;
        let sizes = summaries::sizes(store, id, uids_of(subjects)).await?;
        self.troubles.gone |= sizes.len() < subjects.len();
        for group in summaries::groups(&sizes) {
            let _room = self.line.room_for(group.room()).await?;
            for (uid, packed) in summaries::read(store, id, group.uids).await? {
                let place = subjects.binary_search_by_key(&uid, |subject| subject.slot.uid);
                let Some(subject) = place.ok().and_then(|place| subjects.get(place)) else {
                    continue;
                };
                let summary = summaries::unpack(store, packed).await?;
                self.write_facts(subject, Some(&summary));
                self.line.relieve().await?;
            }
        }
        Ok(())
    }

    fn write_facts(&mut self, subject: &Subject, summary: Option<&Summary>) {
        let mut writer = self.line.out.fetch(subject.number);
        for item in &self.plan.items {
            subject.write_fact(self.selected, summary, &mut writer, item);
        }
        writer.finish();
    }

    async fn with_bodies(&mut self, subjects: &[Subject]) -> Result<(), Stop> {
        let mut sizes = HashMap::new();
        if self.plan.summary {
            let (store, id) = (&self.shared.store, self.selected.id);
            sizes.extend(summaries::sizes(store, id, uids_of(subjects)).await?);
        }
        let texts = if self.plan.copies { 2 } else { 1 };
        let need = |subject: &Subject| {
            let size = subject.entry.as_ref().map_or(0, |entry| entry.size);
            let summary = sizes.get(&subject.slot.uid).copied().unwrap_or_default();
            size.saturating_mul(texts).saturating_add(room_of(summary))
        };
        let (mut rest, mut ahead) = (subjects, None);
        loop {
            let group = match ahead.take() {
                Some(group) => group,
                None if rest.is_empty() => return Ok(()),
                None => {
                    let (now, octets) = take_group(&mut rest, need);
                    // Room for all that they take, at once: who held some while waiting for more could wait for its like.
                    let room = self.line.room_for(octets).await?;
                    open(self.shared, self.account, now, room).await?
                }
            };
            let written;
            (written, ahead) = self.write_and_read_ahead(group, &mut rest, need).await;
            written?;
        }
    }

    /// Answers messages; meanwhile those after them are opened on other threads, when there is room for both. A failure to
    /// do so is told after them.
    async fn write_and_read_ahead<'s>(
        &mut self,
        group: Group<'s>,
        rest: &mut &'s [Subject],
        need: impl Fn(&Subject) -> u64,
    ) -> (Result<(), Stop>, Option<Group<'s>>) {
        let mut later = *rest;
        let room = if later.is_empty() {
            None
        } else {
            let (next, octets) = take_group(&mut later, need);
            self.line.room_now(octets).map(|room| (next, room))
        };
        let Some((next, room)) = room else {
            return (self.write_group(group).await, None);
        };
        let (opened, written) = tokio::join!(
            open(self.shared, self.account, next, room),
            self.write_group(group)
        );
        match opened {
            Ok(opened) => {
                *rest = later;
                (written, Some(opened))
            }
            Err(error) => (written.and(Err(error.into())), None),
        }
    }

    /// Answers messages whose text was read.
    async fn write_group(&mut self, group: Group<'_>) -> Result<(), Stop> {
        let mut opened = group.opened.into_iter();
        for subject in group.subjects {
            let uid = subject.slot.uid;
            let raw = subject.entry.as_ref().and_then(|_| opened.next());
            if let Some(raw) = raw
                && self.with_body(subject, raw).await?
            {
                tally_text(self.tally, self.selected.id, uid, self.plan);
                if self.plan.sets_seen && !subject.slot.flags().contains(Flags::SEEN) {
                    self.seen.push(uid);
                }
            }
            self.line.relieve().await?;
        }
        Ok(())
    }

    /// Answers one message whose text is asked for; whether it could be read.
    async fn with_body(
        &mut self,
        subject: &Subject,
        raw: Result<Bytes, Error>,
    ) -> Result<bool, Stop> {
        let (shared, id) = (self.shared, self.selected.id);
        let store = &shared.store;
        let summary = if self.plan.summary {
            let summary = summaries::read_one(store, id, subject.slot.uid).await?;
            self.troubles.gone |= summary.is_none();
            let Some(summary) = summary else {
                return Ok(false);
            };
            Some(summary)
        } else {
            None
        };
        let raw = match raw {
            Ok(raw) => raw,
            Err(Error::NotFound(_)) => {
                self.troubles.gone = true;
                return Ok(false);
            }
            Err(error @ (Error::Corrupt(_) | Error::NoKey(_))) => {
                tracing::error!(%error, mailbox = %id, uid = subject.slot.uid, "a message cannot be read");
                self.troubles.damaged = true;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let structure = summary.as_ref().map(|summary| &summary.structure);
        let mut content = Content::new(raw, structure, Limits::default(), &self.shared.world);
        let (encoder, connection) = self.line.halves();
        let mut pen = Pen {
            writer: Encoder::fetch(encoder, subject.number),
            connection,
        };
        for item in &self.plan.items {
            subject.write_fact(self.selected, summary.as_ref(), &mut pen.writer, item);
            let written = content.write(&mut pen, item).await?;
            self.troubles.unknown_encoding |= !written;
        }
        pen.writer.finish();
        Ok(true)
    }
}

/// Takes those off the front of `rest` that are read together; and what they need.
fn take_group<'s>(
    rest: &mut &'s [Subject],
    need: impl Fn(&Subject) -> u64,
) -> (&'s [Subject], u64) {
    let (count, octets) = group(rest, need);
    let (now, later) = rest.split_at(count);
    *rest = later;
    (now, octets)
}

/// Reads the texts of a group, for which there is `room`.
async fn open<'s>(
    shared: &Shared,
    account: AccountId,
    subjects: &'s [Subject],
    room: Room,
) -> Result<Group<'s>, Error> {
    let bodies = subjects.iter().filter_map(|subject| subject.entry.as_ref());
    let bodies = bodies.map(|entry| entry.body).collect();
    let opened = shared.store.bodies(account, bodies).await?;
    Ok(Group {
        subjects,
        opened,
        _room: room,
    })
}

/// How many of `subjects`, at least one, are read together, and what they need.
fn group(subjects: &[Subject], need: impl Fn(&Subject) -> u64) -> (usize, u64) {
    let (mut count, mut octets) = (0, 0_u64);
    for subject in subjects.iter().take(TOGETHER) {
        let more = octets.saturating_add(need(subject));
        if count > 0 && more > TOGETHER_OCTETS {
            break;
        }
        (count, octets) = (count + 1, more);
    }
    (count, octets)
}

fn uids_of(subjects: &[Subject]) -> Vec<u32> {
    subjects.iter().map(|subject| subject.slot.uid).collect()
}

impl Subject {
    /// Writes an item that needs no text.
    fn write_fact(
        &self,
        selected: &Selected,
        summary: Option<&Summary>,
        writer: &mut FetchWriter<'_>,
        item: &FetchItem,
    ) {
        match item {
            FetchItem::Uid => writer.uid(self.slot.uid),
            FetchItem::ModSeq => writer.mod_seq(self.slot.modseq),
            FetchItem::Flags => {
                let keywords = selected.view.keywords(self.slot);
                writer.flags(&flags::to_wire(self.slot.flags(), keywords));
            }
            _ => {}
        }
        if let Some(entry) = &self.entry {
            match item {
                FetchItem::Size => writer.size(entry.size),
                FetchItem::InternalDate => {
                    writer.internal_date(protocol::imap::DateTime::utc(entry.internal_date));
                }
                FetchItem::EmailId => writer.email_id(&entry.email.to_string()),
                FetchItem::ThreadId => writer.thread_id(Some(&entry.thread.to_string())),
                FetchItem::SaveDate => writer.save_date(Some(entry.save_date)),
                _ => {}
            }
        }
        if let Some(summary) = summary {
            match item {
                FetchItem::Envelope => writer.envelope(&summary.envelope),
                FetchItem::Body => writer.body(&summary.structure.root),
                FetchItem::BodyStructure => writer.body_structure(&summary.structure.root),
                _ => {}
            }
        }
    }
}
