//! Going through a mailbox: flags first, then rows, then summaries, then text.

use std::{sync::Arc, time::Duration};

use message::{
    Limits, Summary,
    header::Header,
    mime::Structure,
    text::{searchable_body, searchable_headers},
};
use store::{
    AccountId, Error, Store,
    mailbox::{self, Entry},
};
use tokio::time::timeout;

use super::super::{
    fetch::decode_summary, line::too_busy, outcome::Stop, selected::Selected, view::Slot,
};
use super::term::{Known, Term, Words, fold_words};
use crate::Shared;

/// Messages whose rows and summaries are held at once.
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
        let (mut found, open) = self.by_flags(&term);
        if open.is_empty() {
            return Ok(found);
        }
        self.ask_index(&mut term).await;
        for batch in open.chunks(BATCH) {
            self.by_rows(&term, batch, &mut found).await?;
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What the view alone decides.
    fn by_flags(&self, term: &Term) -> (Vec<u32>, Vec<Open>) {
        let (mut found, mut open) = (Vec::new(), Vec::new());
        for (number, slot) in (1_u32..).zip(self.selected.view.slots()) {
            if self.selected.view.is_gone(slot.uid) {
                continue;
            }
            let message = Open {
                number,
                slot: *slot,
            };
            match term.judge(&self.known(message)) {
                Some(true) => found.push(slot.uid),
                Some(false) => {}
                None => open.push(message),
            }
        }
        (found, open)
    }

    /// Asks the index once for each text. Without an answer every message is looked at.
    async fn ask_index(&self, term: &mut Term) {
        for needle in term.needles() {
            if needle.text.is_empty() {
                continue;
            }
            let field = needle.place.field();
            match self
                .shared
                .index
                .candidates(self.account, &needle.written, field)
                .await
            {
                Ok(candidates) => needle.candidates = Some(candidates),
                Err(error) => {
                    tracing::warn!(%error, "the search index does not answer; messages are read instead");
                }
            }
        }
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
        let uids = open.iter().map(|(open, _)| open.slot.uid).collect();
        let summaries = read_summaries(&self.shared.store, self.selected, uids).await?;
        for (open, entry) in open {
            let uid = open.slot.uid;
            let Some((_, summary)) = summaries.iter().find(|(held, _)| *held == uid) else {
                continue;
            };
            let mut known = self.known(*open);
            known.entry = Some(entry);
            known.summary = Some(summary);
            let judgement = match term.judge(&known) {
                Some(judgement) => judgement,
                None => match self.words(entry).await? {
                    Some(words) => {
                        known.words = Some(&words);
                        term.judge(&known).unwrap_or(false)
                    }
                    None => false,
                },
            };
            if judgement {
                found.push(uid);
            }
        }
        Ok(())
    }

    /// The folded text of a message; `None` when it is gone or damaged.
    async fn words(&self, entry: &Entry) -> Result<Option<Words>, Stop> {
        // Decoding and folding hold the text several times.
        let octets = entry.size.saturating_mul(4);
        let room = self.shared.memory.take(Some(self.account), octets);
        let room = timeout(self.patience, room).await.map_err(|_| too_busy())?;
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
        drop((room, turn));
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

/// Summaries of messages that still exist, ascending by UID.
pub(super) async fn read_summaries(
    store: &Store,
    selected: &Selected,
    uids: Vec<u32>,
) -> Result<Vec<(u32, Summary)>, Stop> {
    let id = selected.id;
    let summaries = store
        .read::<_, Error>(move |snapshot| {
            mailbox::summaries(snapshot, id, &uids)?
                .into_iter()
                .map(|(uid, encoded)| Ok((uid, decode_summary(&encoded)?)))
                .collect::<Result<Vec<_>, Error>>()
        })
        .await?;
    Ok(summaries)
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
        headers: fold_words(&searchable_headers(raw, &limits)),
        body: fold_words(&searchable_body(raw, &structure, &limits)),
    }
}
