//! Going through a mailbox: flags first, then rows, then summaries, then text.

use std::{sync::Arc, time::Duration};

use message::{
    Limits,
    header::Header,
    mime::Structure,
    text::{self, fold_words},
};
use store::{
    AccountId, EmailId, Error, Snapshot,
    index::{Candidates, Field},
    mailbox::{self, Entry, Slot},
};
use tokio::time::timeout;

use super::super::{
    line::too_busy,
    outcome::Stop,
    selected::Selected,
    summaries::{self, room_of},
};
use super::term::{Known, Narrowed, Needle, Term, Words};
use crate::{Shared, budget::Room};

/// Messages whose rows are held at once.
const BATCH: usize = 256;

/// A way through the selected mailbox.
pub(super) struct Walk<'a> {
    shared: &'a Arc<Shared>,
    selected: &'a Selected,
    account: AccountId,
    /// How long one message may wait for room.
    patience: Duration,
}

/// A message that the cheap facts did not decide.
#[derive(Clone, Copy)]
struct Open {
    number: u32,
    slot: Slot,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        selected: &'a Selected,
        account: AccountId,
        patience: Duration,
    ) -> Self {
        Self {
            shared,
            selected,
            account,
            patience,
        }
    }

    /// The UIDs of messages that match, ascending.
    pub(super) async fn find(&self, mut term: Term) -> Result<Vec<u32>, Stop> {
        let slots = (1_u32..).zip(self.selected.view.slots());
        let here = slots.filter(|(_, slot)| !self.selected.view.is_gone(slot.uid));
        let all = here.map(|(number, slot)| Open {
            number,
            slot: *slot,
        });
        let mut found = Vec::new();
        let mut open = self.by_flags(&term, all, &mut found);
        if !open.is_empty() && self.ask_index(&mut term).await {
            open = self.by_flags(&term, open.into_iter(), &mut found);
        }
        for batch in open.chunks(BATCH) {
            self.by_rows(&term, batch, &mut found).await?;
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What the view, and the index if it was asked, decide of `messages`; those that they do not.
    fn by_flags(
        &self,
        term: &Term,
        messages: impl Iterator<Item = Open>,
        found: &mut Vec<u32>,
    ) -> Vec<Open> {
        let mut open = Vec::new();
        for message in messages {
            match term.judge(&self.known(message)) {
                Some(true) => found.push(message.slot.uid),
                Some(false) => {}
                None => open.push(message),
            }
        }
        open
    }

    /// Asks the index once for each text; whether it said anything. Without an answer every message is looked at.
    async fn ask_index(&self, term: &mut Term) -> bool {
        let mut answered = false;
        for needle in term.needles() {
            if needle.text.is_empty() {
                continue;
            }
            match self.narrow(needle).await {
                Ok(narrowed) => needle.narrowed = narrowed,
                Err(error) => {
                    tracing::warn!(%error, "the search index does not answer; messages are read instead");
                }
            }
            answered |= needle.narrowed.is_some();
        }
        answered
    }

    async fn narrow(&self, needle: &Needle) -> Result<Option<Narrowed>, Error> {
        let index = &self.shared.index;
        let field = needle.place.field();
        let candidates = index.candidates(self.account, &needle.written, field);
        let Candidates::These(found) = candidates.await? else {
            return Ok(None);
        };
        let (id, covered) = (self.selected.id, found.covered_up_to);
        // After the index was asked: whatever it had not reached by then is in this view.
        let read = move |sql: &mut Snapshot<'_>| mailbox::places_to_verify(sql, id, &found);
        let places: Vec<(u32, EmailId)> = self.shared.store.read(read).await?;
        if field == Field::Headers {
            // Which field it is in, the index does not know.
            return Ok(Some(Narrowed {
                certain: Vec::new(),
                open: places.into_iter().map(|(uid, _)| uid).collect(),
            }));
        }
        let (indexed, later): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|(_, email)| *email <= covered);
        let emails: Vec<EmailId> = indexed.iter().map(|(_, email)| *email).collect();
        let held = index.hold(self.account, &emails, &needle.written, field);
        let mut narrowed = Narrowed {
            certain: Vec::new(),
            open: later.into_iter().map(|(uid, _)| uid).collect(),
        };
        for ((uid, _), held) in indexed.into_iter().zip(held.await?) {
            if held != Some(false) {
                narrowed.open.push(uid);
            }
            if held == Some(true) {
                narrowed.certain.push(uid);
            }
        }
        narrowed.open.sort_unstable();
        Ok(Some(narrowed))
    }

    async fn by_rows(&self, term: &Term, open: &[Open], found: &mut Vec<u32>) -> Result<(), Stop> {
        let uids: Vec<u32> = open.iter().map(|open| open.slot.uid).collect();
        let entries = self.selected.entries(&self.shared.store, &uids).await?;
        let mut undecided = Vec::new();
        for open in open {
            let uid = open.slot.uid;
            let Ok(place) = entries.binary_search_by_key(&uid, |entry| entry.uid) else {
                continue;
            };
            let Some(entry) = entries.get(place) else {
                continue;
            };
            let mut known = self.known(*open);
            known.entry = Some(entry);
            match term.judge(&known) {
                Some(true) => found.push(uid),
                Some(false) => {}
                None => undecided.push((*open, entry)),
            }
        }
        if !undecided.is_empty() {
            self.by_summaries(term, &undecided, found).await?;
        }
        Ok(())
    }

    async fn by_summaries(
        &self,
        term: &Term,
        open: &[(Open, &Entry)],
        found: &mut Vec<u32>,
    ) -> Result<(), Stop> {
        let (store, id) = (&self.shared.store, self.selected.id);
        let uids = open.iter().map(|(open, _)| open.slot.uid).collect();
        let sizes = summaries::sizes(store, id, uids).await?;
        let mut undecided = Vec::new();
        for group in summaries::groups(&sizes) {
            let _room = self.room_for(group.room()).await?;
            for (uid, packed) in summaries::read(store, id, group.uids).await? {
                let place = open.binary_search_by_key(&uid, |(open, _)| open.slot.uid);
                let Some((open, entry)) = place.ok().and_then(|place| open.get(place)) else {
                    continue;
                };
                let size = u64::try_from(packed.len()).unwrap_or(u64::MAX);
                let summary = summaries::unpack(store, packed).await?;
                let mut known = self.known(*open);
                known.entry = Some(entry);
                known.summary = Some(&summary);
                match term.judge(&known) {
                    Some(true) => found.push(uid),
                    Some(false) => {}
                    None => undecided.push((*open, *entry, size)),
                }
            }
        }
        for (open, entry, size) in undecided {
            if self.by_text(term, open, entry, size).await? {
                found.push(open.slot.uid);
            }
        }
        Ok(())
    }

    /// Whether a message matches that only its text decides. `summary` is the size of its summary, which is read again: it
    /// was not held while others were looked at.
    async fn by_text(
        &self,
        term: &Term,
        open: Open,
        entry: &Entry,
        summary: u64,
    ) -> Result<bool, Stop> {
        // Decoding and folding hold the text several times.
        let octets = entry.size.saturating_mul(4);
        let room = octets.saturating_add(room_of(summary));
        let _room = self.room_for(room).await?;
        let (store, id) = (&self.shared.store, self.selected.id);
        let Some(summary) = summaries::read_one(store, id, open.slot.uid).await? else {
            return Ok(false);
        };
        let Some(words) = self.words(entry).await? else {
            return Ok(false);
        };
        let mut known = self.known(open);
        known.entry = Some(entry);
        known.summary = Some(&summary);
        known.words = Some(&words);
        Ok(term.judge(&known).unwrap_or(false))
    }

    async fn room_for(&self, octets: u64) -> Result<Option<Room>, Stop> {
        let room = self.shared.memory.take(Some(self.account), octets);
        timeout(self.patience, room).await.map_err(|_| too_busy())
    }

    /// The folded text of a message; `None` when it is gone or damaged.
    async fn words(&self, entry: &Entry) -> Result<Option<Words>, Stop> {
        let turn = self.shared.searches.acquire().await;
        let raw = match self.shared.store.body(self.account, entry.body).await {
            Ok(raw) => raw,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error @ (Error::Corrupt(_) | Error::NoKey(_))) => {
                tracing::error!(%error, body = %entry.body.0, "a message cannot be searched");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let words = self.shared.world.blocking(move || words_of(&raw)).await;
        drop(turn);
        match words {
            Ok(words) => Ok(Some(words)),
            Err(error) => {
                tracing::error!(%error, body = %entry.body.0, "reading a message panicked");
                Ok(None)
            }
        }
    }

    fn known(&self, open: Open) -> Known<'_> {
        Known {
            number: open.number,
            slot: open.slot,
            keywords: self.selected.view.keywords(open.slot),
            entry: None,
            summary: None,
            words: None,
        }
    }
}

fn words_of(raw: &[u8]) -> Words {
    let limits = Limits::default();
    let header = Header::parse(raw, &limits);
    let fields = header.iter().map(|field| {
        let name = String::from_utf8_lossy(field.name()).to_ascii_lowercase();
        (name, fold_words(&field.text()))
    });
    let structure = Structure::parse(raw, &limits);
    Words {
        fields: fields.collect(),
        all: text::Words::of(raw, &structure, &limits),
    }
}
