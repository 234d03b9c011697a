//! FETCH: what a client asks of messages, read in batches and written as it is found.

mod answer;
mod content;

use protocol::imap::{Fetch, FetchItem, NumberSet, ResponseCode, SectionText};
use store::{
    Error, MailboxId,
    mailbox::{self, FlagChange, FlagMode, Flags},
};

use self::answer::Answer;
use super::{
    member::Member,
    outcome::{Done, Outcome, Stop},
};
use crate::audit::Tally;

/// Messages whose entries are read at once.
const BATCH: usize = 256;

/// What has to be read to answer the items.
struct Plan {
    items: Vec<FetchItem>,
    /// Sizes, dates, ids or bodies are asked for.
    entry: bool,
    /// Envelopes, structures or parts are asked for.
    summary: bool,
    /// Text is asked for.
    body: bool,
    /// Some of it has to be decoded or put together, which takes as much room again as the text.
    copies: bool,
    /// `\Seen` is to be set.
    sets_seen: bool,
}

/// What went wrong with single messages while the others were answered.
#[derive(Default)]
struct Troubles {
    gone: bool,
    damaged: bool,
    unknown_encoding: bool,
}

impl Plan {
    fn new(fetch: &Fetch, read_only: bool) -> Self {
        let mut items = fetch.items.clone();
        let mut ensure = |item: FetchItem, wanted: bool| {
            if wanted && !items.contains(&item) {
                items.insert(0, item);
            }
        };
        ensure(FetchItem::ModSeq, fetch.changed_since.is_some());
        ensure(FetchItem::Uid, fetch.uid);
        let body = items.iter().any(|item| {
            matches!(
                item,
                FetchItem::Rfc822
                    | FetchItem::Rfc822Header
                    | FetchItem::Rfc822Text
                    | FetchItem::Section { .. }
                    | FetchItem::Binary { .. }
                    | FetchItem::BinarySize { .. }
            )
        });
        let entry = items.iter().any(|item| {
            matches!(
                item,
                FetchItem::InternalDate
                    | FetchItem::Size
                    | FetchItem::EmailId
                    | FetchItem::ThreadId
                    | FetchItem::SaveDate
            )
        });
        Self {
            entry: entry || body,
            summary: items.iter().any(needs_summary),
            body,
            copies: items.iter().any(needs_copy),
            sets_seen: !read_only && items.iter().any(FetchItem::sets_seen),
            items: by_part(items),
        }
    }
}

/// The items with those about one decoded part together, so that it is decoded once and no two are held.
fn by_part(items: Vec<FetchItem>) -> Vec<FetchItem> {
    let mut sorted: Vec<FetchItem> = Vec::with_capacity(items.len());
    for item in items {
        let path = decoded_path(&item);
        let last = path.and_then(|path| {
            sorted
                .iter()
                .rposition(|other| decoded_path(other) == Some(path))
        });
        let place = last.map_or(sorted.len(), |last| last.saturating_add(1));
        sorted.insert(place, item);
    }
    sorted
}

fn decoded_path(item: &FetchItem) -> Option<&[u32]> {
    match item {
        FetchItem::Binary { path, .. } | FetchItem::BinarySize { path } => Some(path),
        _ => None,
    }
}

fn needs_copy(item: &FetchItem) -> bool {
    match item {
        FetchItem::Section { section, .. } => matches!(
            section.text,
            SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)
        ),
        other => decoded_path(other).is_some_and(|path| !path.is_empty()),
    }
}

/// Whether the structure or envelope is needed. The whole message and its own header are found without.
fn needs_summary(item: &FetchItem) -> bool {
    match item {
        FetchItem::Envelope
        | FetchItem::Body
        | FetchItem::BodyStructure
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text => true,
        FetchItem::Section { section, .. } => {
            !section.path.is_empty() || section.text != SectionText::Full
        }
        FetchItem::Binary { path, .. } | FetchItem::BinarySize { path } => !path.is_empty(),
        _ => false,
    }
}

impl Member {
    /// FETCH (RFC 9051, section 6.4.5; RFC 7162, sections 3.1.4 and 3.2.6).
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Outcome {
        if fetch.changed_since.is_some() || fetch.items.contains(&FetchItem::ModSeq) {
            self.enable_condstore();
        }
        if fetch.vanished && !self.enabled.qresync {
            return Err(Stop::Bad("ENABLE QRESYNC first"));
        }
        let selected = self.need_selected()?;
        let mut uids = selected.resolve(&fetch.messages, fetch.uid)?;
        if let Some(since) = fetch.changed_since {
            uids.retain(|uid| {
                let slot = selected.view.by_uid(*uid);
                slot.is_some_and(|(_, slot)| slot.modseq > since)
            });
        }
        let plan = Plan::new(&fetch, selected.read_only);
        if fetch.vanished {
            self.tell_vanished(&fetch).await?;
        }
        let mut seen = Vec::new();
        let mut troubles = Troubles::default();
        let written = self
            .write_messages(&plan, &uids, &mut seen, &mut troubles)
            .await;
        // What the client got is seen, even if it broke off in the middle.
        if !seen.is_empty() {
            self.mark_seen(seen).await;
        }
        written?;
        if troubles.unknown_encoding {
            return Err(Stop::no(
                ResponseCode::UnknownCte,
                "A part's encoding is not known",
            ));
        }
        if troubles.damaged {
            return Err(Stop::no(
                ResponseCode::Corruption,
                "Some messages cannot be read",
            ));
        }
        if troubles.gone && !fetch.uid {
            return Err(Stop::no(
                ResponseCode::ExpungeIssued,
                "Some messages are gone",
            ));
        }
        Ok(Done::new("Fetched"))
    }

    /// VANISHED (RFC 7162, section 3.2.6): which of the UIDs asked for went since.
    async fn tell_vanished(&mut self, fetch: &Fetch) -> Result<(), Stop> {
        let (Some(selected), Some(since)) = (&self.selected, fetch.changed_since) else {
            return Ok(());
        };
        let id = selected.id;
        let vanished = self
            .shared
            .store
            .read::<_, Error>(move |snapshot| mailbox::vanished_since(snapshot, id, since))
            .await?;
        let asked = match &fetch.messages {
            protocol::imap::MessageSet::Numbers(set) => set.resolve(u32::MAX),
            protocol::imap::MessageSet::Saved => selected.saved.iter().copied().collect(),
        };
        let gone: NumberSet = vanished
            .into_iter()
            .flat_map(|(first, last)| first..=last)
            .filter(|uid| asked.contains(*uid) && selected.view.by_uid(*uid).is_none())
            .collect();
        self.tell_gone_earlier(&gone);
        Ok(())
    }

    async fn write_messages(
        &mut self,
        plan: &Plan,
        uids: &[u32],
        seen: &mut Vec<u32>,
        troubles: &mut Troubles,
    ) -> Result<(), Stop> {
        let Self {
            shared,
            line,
            login,
            tally,
            selected: Some(selected),
            ..
        } = self
        else {
            return Ok(());
        };
        let mut answer = Answer {
            shared,
            line,
            account: login.account,
            tally,
            selected,
            plan,
            seen,
            troubles,
        };
        for batch in uids.chunks(BATCH) {
            answer.batch(batch).await?;
        }
        Ok(())
    }

    /// Sets `\Seen` as FETCH implies, in one commit. Reading goes on when this fails: a full disk must not hide mail.
    async fn mark_seen(&mut self, uids: Vec<u32>) {
        let change = FlagChange {
            mode: FlagMode::Add,
            flags: Flags::SEEN,
            keywords: Vec::new(),
        };
        match self.change_flags(uids, change, None, true).await {
            Ok(changed) => {
                for slot in changed.messages.slots() {
                    if let Some(selected) = &mut self.selected {
                        selected.view.take_own(changed.messages.marks(*slot));
                        selected.write_flags(&mut self.line.out, slot.uid, self.enabled.condstore);
                    }
                }
            }
            Err(stop) => tracing::warn!(?stop, "\\Seen could not be set"),
        }
    }
}

fn tally_text(tally: &mut Tally, mailbox: MailboxId, uid: u32, plan: &Plan) {
    let is_text = |item: &FetchItem| match item {
        FetchItem::Rfc822 | FetchItem::Rfc822Text | FetchItem::Binary { .. } => true,
        FetchItem::Section { section, .. } => {
            matches!(section.text, SectionText::Full | SectionText::Text)
        }
        _ => false,
    };
    if plan.items.iter().any(is_text) {
        tally.fetched(mailbox, uid);
    }
}
