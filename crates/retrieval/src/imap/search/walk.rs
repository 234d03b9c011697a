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
    line::{self, too_busy},
    outcome::Stop,
    selected::Selected,
    summaries::{self, room_of},
};
use super::term::{Known, Narrowed, Needle, Term, Words};
use crate::{
    Shared,
    budget::{Holding, Room},
};

/// Messages whose rows are held at once.
const BATCH: usize = 256;
/// Messages that are judged by their flags before it is counted what came of them.
const CHUNK: usize = 1024;
/// Octets that a UID takes in a list that grows.
pub(super) const LISTED: u64 = 8;
/// Octets that each message takes which the index names: in what it answers, and in what is asked of the store then.
const NAMED: u64 = 32;
/// Octets that each of those takes which stand in the mailbox, until it is known which of them hold the text.
const PLACED: u64 = 64;

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

/// What a search holds so far, and the room for it.
#[derive(Default)]
struct Gathered {
    /// UIDs of messages that match.
    found: Vec<u32>,
    /// Sequence numbers of those that are not decided yet.
    open: Vec<u32>,
    /// UIDs that the index named.
    narrowed: usize,
    holding: Holding,
}

impl Gathered {
    /// Octets that are held when `more` messages have been judged. What is open may come to be found.
    fn octets(&self, more: usize) -> u64 {
        let listed = self.found.len().saturating_add(self.narrowed);
        let open = self.open.len().saturating_add(more);
        octets_of(listed.saturating_add(open.saturating_mul(2)), LISTED)
    }
}

/// Why the index was no help.
enum Trouble {
    Index(Error),
    Stop(Stop),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Index(error)
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
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

    /// The UIDs of messages that match, ascending, and room for them: what is gathered is counted, and is refused when it is more
    /// than one account may hold.
    pub(super) async fn find(&self, mut term: Term) -> Result<(Vec<u32>, Holding), Stop> {
        let mut gathered = Gathered::default();
        self.by_flags(&term, &mut gathered).await?;
        if !gathered.open.is_empty() && self.ask_index(&mut term, &mut gathered).await? {
            let Gathered { found, open, .. } = &mut gathered;
            open.retain(|number| {
                let Some(message) = self.message(*number) else {
                    return false;
                };
                let judged = term.judge(&self.known(message));
                if judged == Some(true) {
                    found.push(message.slot.uid);
                }
                judged.is_none()
            });
        }
        for numbers in std::mem::take(&mut gathered.open).chunks(BATCH) {
            let batch: Vec<Open> = numbers.iter().filter_map(|at| self.message(*at)).collect();
            self.by_rows(&term, &batch, &mut gathered).await?;
        }
        gathered.found.sort_unstable();
        Ok((gathered.found, gathered.holding))
    }

    /// What the view alone decides.
    async fn by_flags(&self, term: &Term, gathered: &mut Gathered) -> Result<(), Stop> {
        let view = &self.selected.view;
        let mut numbers = 1_u32..;
        for slots in view.slots().chunks(CHUNK) {
            self.hold(gathered, slots.len(), 0).await?;
            for (slot, number) in slots.iter().zip(&mut numbers) {
                if view.is_gone(slot.uid) {
                    continue;
                }
                let slot = *slot;
                match term.judge(&self.known(Open { number, slot })) {
                    Some(true) => gathered.found.push(slot.uid),
                    Some(false) => {}
                    None => gathered.open.push(number),
                }
            }
        }
        Ok(())
    }

    /// The message of a sequence number.
    fn message(&self, number: u32) -> Option<Open> {
        let slot = self.selected.view.by_sequence(number);
        slot.map(|slot| Open { number, slot })
    }

    /// Waits until there is room for what is gathered when `more` messages have been judged, and for `besides` octets.
    async fn hold(&self, gathered: &mut Gathered, more: usize, besides: u64) -> Result<(), Stop> {
        let octets = gathered.octets(more).saturating_add(besides);
        let (memory, account) = (&self.shared.memory, Some(self.account));
        let holding = &mut gathered.holding;
        line::hold(memory, account, self.patience, holding, octets).await
    }

    /// Asks the index once for each text; whether it said anything. Without an answer every message is looked at.
    async fn ask_index(&self, term: &mut Term, gathered: &mut Gathered) -> Result<bool, Stop> {
        let mut answered = false;
        for needle in term.needles() {
            if needle.text.is_empty() {
                continue;
            }
            match self.narrow(needle, gathered).await {
                Ok(narrowed) => needle.narrowed = narrowed,
                Err(Trouble::Index(error)) => {
                    tracing::warn!(%error, "the search index does not answer; messages are read instead");
                }
                Err(Trouble::Stop(stop)) => return Err(stop),
            }
            answered |= needle.narrowed.is_some();
        }
        Ok(answered)
    }

    async fn narrow(
        &self,
        needle: &Needle,
        gathered: &mut Gathered,
    ) -> Result<Option<Narrowed>, Trouble> {
        let index = &self.shared.index;
        let field = needle.place.field();
        let candidates = index.candidates(self.account, &needle.written, field);
        let Candidates::These(found) = candidates.await? else {
            return Ok(None);
        };
        let named = octets_of(found.emails.len(), NAMED);
        self.hold(gathered, 0, named).await?;
        let (id, covered) = (self.selected.id, found.covered_up_to);
        // After the index was asked: whatever it had not reached by then is in this view.
        let read = move |sql: &mut Snapshot<'_>| mailbox::places_to_verify(sql, id, &found);
        let places: Vec<(u32, EmailId)> = self.shared.store.read(read).await?;
        let placed = octets_of(places.len(), PLACED);
        self.hold(gathered, 0, placed).await?;
        let narrowed = if field == Field::Headers {
            // Which field it is in, the index does not know.
            Narrowed {
                certain: Vec::new(),
                open: places.into_iter().map(|(uid, _)| uid).collect(),
            }
        } else {
            self.held(needle, places, covered).await?
        };
        let named = narrowed.open.len().saturating_add(narrowed.certain.len());
        gathered.narrowed = gathered.narrowed.saturating_add(named);
        Ok(Some(narrowed))
    }

    /// Which of the messages in `places` hold a text, as far as the index keeps theirs: it has seen those up to `covered`.
    async fn held(
        &self,
        needle: &Needle,
        places: Vec<(u32, EmailId)>,
        covered: EmailId,
    ) -> Result<Narrowed, Error> {
        let (indexed, later): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|(_, email)| *email <= covered);
        let emails: Vec<EmailId> = indexed.iter().map(|(_, email)| *email).collect();
        let index = &self.shared.index;
        let held = index.hold(self.account, &emails, &needle.written, needle.place.field());
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
        Ok(narrowed)
    }

    async fn by_rows(
        &self,
        term: &Term,
        open: &[Open],
        gathered: &mut Gathered,
    ) -> Result<(), Stop> {
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
                Some(true) => gathered.found.push(uid),
                Some(false) => {}
                None => undecided.push((*open, entry)),
            }
        }
        if !undecided.is_empty() {
            self.by_summaries(term, &undecided, gathered).await?;
        }
        Ok(())
    }

    async fn by_summaries(
        &self,
        term: &Term,
        open: &[(Open, &Entry)],
        gathered: &mut Gathered,
    ) -> Result<(), Stop> {
        let (store, id) = (&self.shared.store, self.selected.id);
        let uids = open.iter().map(|(open, _)| open.slot.uid).collect();
        let sizes = summaries::sizes(store, id, uids).await?;
        let mut undecided = Vec::new();
        for group in summaries::groups(&sizes) {
            let _room = self.room_beside(gathered, group.room()).await?;
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
                    Some(true) => gathered.found.push(uid),
                    Some(false) => {}
                    None => undecided.push((*open, *entry, size)),
                }
            }
        }
        for (open, entry, size) in undecided {
            // Decoding and folding hold the text several times.
            let octets = entry.size.saturating_mul(4);
            let octets = octets.saturating_add(room_of(size));
            let _room = self.room_beside(gathered, octets).await?;
            if self.by_text(term, open, entry).await? {
                gathered.found.push(open.slot.uid);
            }
        }
        Ok(())
    }

    /// Whether a message matches that only its text decides. Its summary is read again: it was not held while others were looked
    /// at.
    async fn by_text(&self, term: &Term, open: Open, entry: &Entry) -> Result<bool, Stop> {
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

    /// Room for `octets` of text beside what is gathered.
    async fn room_beside(&self, gathered: &Gathered, octets: u64) -> Result<Option<Room>, Stop> {
        let memory = &self.shared.memory;
        let octets = memory.beside(&gathered.holding, octets);
        let room = memory.take(Some(self.account), octets);
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

fn octets_of(count: usize, each: u64) -> u64 {
    u64::try_from(count)
        .unwrap_or(u64::MAX)
        .saturating_mul(each)
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
