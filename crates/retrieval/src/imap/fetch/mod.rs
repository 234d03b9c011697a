//! FETCH: what a client asks of messages, read in batches and written as it is found.

mod content;

use std::collections::HashMap;

use message::{Limits, Summary};
use protocol::imap::{Encoder, Fetch, FetchItem, NumberSet, ResponseCode, SectionText};
use store::{
    Error, MailboxId,
    mailbox::{self, Entry, FlagChange, FlagMode, Flags},
};

use self::content::{Content, write_content};
use super::{
    flags,
    line::Line,
    member::Member,
    outcome::{Done, Outcome, Stop},
    view::{Slot, View},
};
use crate::{Shared, audit::Tally};

/// Messages whose entries and summaries are read at once.
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
    /// `\Seen` is to be set.
    sets_seen: bool,
}

/// What was read of the messages of one batch.
#[derive(Default)]
struct Material {
    entries: HashMap<u32, Entry>,
    summaries: HashMap<u32, Summary>,
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
            sets_seen: !read_only && items.iter().any(FetchItem::sets_seen),
            items,
        }
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
        for batch in uids.chunks(BATCH) {
            let material = read_batch(shared, selected.id, batch, plan).await?;
            for uid in batch {
                let Some((number, slot)) = selected.view.by_uid(*uid) else {
                    continue;
                };
                let entry = material.entries.get(uid);
                if (plan.entry && entry.is_none()) || selected.view.is_gone(*uid) {
                    troubles.gone = true;
                    continue;
                }
                let subject = Subject {
                    number,
                    slot,
                    view: &selected.view,
                    entry,
                    summary: material.summaries.get(uid),
                };
                if plan.body {
                    let fetched =
                        write_with_body(shared, line, login.account, plan, &subject, troubles)
                            .await?;
                    if fetched {
                        tally_text(tally, selected.id, *uid, plan);
                        if plan.sets_seen && !slot.flags().contains(Flags::SEEN) {
                            seen.push(*uid);
                        }
                    }
                } else {
                    let mut writer = line.out.fetch(number);
                    for item in &plan.items {
                        subject.write_fact(&mut writer, item);
                    }
                    writer.finish();
                }
                line.relieve().await?;
            }
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
                for entry in &changed.entries {
                    if let Some(selected) = &mut self.selected {
                        selected.view.take_own(entry);
                        selected.write_flags(&mut self.line.out, entry.uid, self.enabled.condstore);
                    }
                }
            }
            Err(stop) => tracing::warn!(?stop, "\\Seen could not be set"),
        }
    }
}

/// One message that is answered.
struct Subject<'a> {
    number: u32,
    slot: Slot,
    view: &'a View,
    entry: Option<&'a Entry>,
    summary: Option<&'a Summary>,
}

impl Subject<'_> {
    /// Writes an item that needs no text.
    fn write_fact(&self, writer: &mut protocol::imap::FetchWriter<'_>, item: &FetchItem) {
        match item {
            FetchItem::Uid => writer.uid(self.slot.uid),
            FetchItem::ModSeq => writer.mod_seq(self.slot.modseq),
            FetchItem::Flags => {
                writer.flags(&flags::to_wire(
                    self.slot.flags(),
                    self.view.keywords(self.slot),
                ));
            }
            _ => {}
        }
        if let Some(entry) = self.entry {
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
        if let Some(summary) = self.summary {
            match item {
                FetchItem::Envelope => writer.envelope(&summary.envelope),
                FetchItem::Body => writer.body(&summary.structure.root),
                FetchItem::BodyStructure => writer.body_structure(&summary.structure.root),
                _ => {}
            }
        }
    }
}

async fn read_batch(
    shared: &Shared,
    id: MailboxId,
    uids: &[u32],
    plan: &Plan,
) -> Result<Material, Stop> {
    if !plan.entry && !plan.summary {
        return Ok(Material::default());
    }
    let (uids, entry, summary) = (uids.to_vec(), plan.entry, plan.summary);
    let material = shared
        .store
        .read::<_, Error>(move |snapshot| {
            let mut material = Material::default();
            if entry {
                let entries = mailbox::entries_of(snapshot, id, &uids)?;
                material.entries = entries
                    .into_iter()
                    .map(|entry| (entry.uid, entry))
                    .collect();
            }
            if summary {
                for (uid, encoded) in mailbox::summaries(snapshot, id, &uids)? {
                    material.summaries.insert(uid, decode_summary(&encoded)?);
                }
            }
            Ok(material)
        })
        .await?;
    Ok(material)
}

/// A summary as the store keeps it.
pub(super) fn decode_summary(encoded: &[u8]) -> Result<Summary, Error> {
    Summary::decode(encoded)
        .map_err(|error| Error::Corrupt(format!("a message's summary: {error}")))
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

/// Answers one message whose text is asked for; whether it could be read.
async fn write_with_body(
    shared: &Shared,
    line: &mut Line,
    account: store::AccountId,
    plan: &Plan,
    subject: &Subject<'_>,
    troubles: &mut Troubles,
) -> Result<bool, Stop> {
    let Some(entry) = subject.entry else {
        return Ok(false);
    };
    // The old items copy the text into the answer.
    let copies = plan
        .items
        .iter()
        .any(|item| matches!(item, FetchItem::Rfc822 | FetchItem::Rfc822Text));
    let octets = if copies {
        entry.size.saturating_mul(2)
    } else {
        entry.size
    };
    let _room = line.room_for(octets).await?;
    let raw = match shared.store.body(account, entry.body).await {
        Ok(raw) => raw,
        Err(Error::NotFound(_)) => {
            troubles.gone = true;
            return Ok(false);
        }
        Err(error @ (Error::Corrupt(_) | Error::NoKey(_))) => {
            tracing::error!(%error, body = %entry.body.0, "a message cannot be read");
            troubles.damaged = true;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    let content = Content {
        raw: &raw,
        structure: subject.summary.map(|summary| &summary.structure),
        limits: Limits::default(),
    };
    let (encoder, connection) = line.halves();
    let mut writer = Encoder::fetch(encoder, subject.number);
    for item in &plan.items {
        subject.write_fact(&mut writer, item);
        let written = write_content(&mut writer, connection, &content, item).await?;
        troubles.unknown_encoding |= !written;
    }
    writer.finish();
    Ok(true)
}
