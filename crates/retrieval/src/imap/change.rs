//! STORE, EXPUNGE, COPY and MOVE: each one commit with its event.

use protocol::imap::{
    MailboxName, MessageSet, NumberSet, ResponseCode, Status, Store, StoreAction,
};
use store::{
    Error, Refusal,
    mailbox::{self, FlagChange, FlagMode, Flags, FlagsChanged, Mailbox, Slot, SpecialUse},
    words,
};
use trail::Kind;

use super::{
    flags,
    member::Member,
    outcome::{Done, Outcome, Stop, or_try_create},
};

impl Member {
    /// STORE (RFC 9051, section 6.4.6; RFC 7162, section 3.1.3).
    pub(super) async fn store_flags(&mut self, store: Store) -> Outcome {
        let selected = self.need_writable()?;
        let uids = selected.resolve(&store.messages, store.uid)?;
        if store.unchanged_since.is_some() {
            self.enable_condstore();
        }
        if uids.is_empty() {
            return Ok(Done::new("There was nothing to change"));
        }
        let asked = uids.len();
        let (system, keywords) = flags::to_store(&store.flags);
        let change = FlagChange {
            mode: match store.action {
                StoreAction::Replace => FlagMode::Replace,
                StoreAction::Add => FlagMode::Add,
                StoreAction::Remove => FlagMode::Remove,
            },
            flags: system,
            keywords,
        };
        let changed = self
            .change_flags(uids, change.clone(), store.unchanged_since, false)
            .await?;
        self.tell_stored(
            &changed,
            &change,
            store.silent,
            store.unchanged_since.is_some(),
        )
        .await?;
        let found = changed.messages.slots().len();
        let found = found.saturating_add(changed.modified.len());
        if found < asked && !store.uid {
            return Err(Stop::no(
                ResponseCode::ExpungeIssued,
                "Some messages are gone",
            ));
        }
        if changed.modified.is_empty() {
            return Ok(Done::new("Stored"));
        }
        let modified = self.named(&changed.modified, store.uid);
        Ok(Done::with(
            ResponseCode::Modified(modified),
            "Some messages had changed",
        ))
    }

    /// Changes flags in one commit and takes the result into the view.
    pub(super) async fn change_flags(
        &mut self,
        uids: Vec<u32>,
        change: FlagChange,
        unchanged_since: Option<u64>,
        implicit: bool,
    ) -> Result<FlagsChanged, Stop> {
        let selected = self.need_selected()?;
        let (id, name) = (selected.id, selected.name.clone());
        selected.mark_stale();
        let who = self.who.clone();
        let receipt = self
            .shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                let changed = mailbox::change_flags(tx, id, &uids, &change, unchanged_since)?;
                let touched = changed.messages.slots().iter().map(|slot| slot.uid);
                let event = who
                    .event_of(Kind::MessageFlagged, &name, touched)
                    .detail("change", describe(&change))
                    .detail("implicit", implicit);
                tx.record(&event, changed)
            })
            .await?;
        Ok(receipt.value)
    }

    /// The FETCH answers of STORE. `.SILENT` keeps quiet of flags only where they are what the client thinks they are.
    async fn tell_stored(
        &mut self,
        changed: &FlagsChanged,
        change: &FlagChange,
        silent: bool,
        conditional: bool,
    ) -> Result<(), Stop> {
        let with_modseq = self.enabled.condstore || conditional;
        let Self {
            line,
            selected: Some(selected),
            ..
        } = self
        else {
            return Ok(());
        };
        let slots = changed.messages.slots();
        let mut told = Vec::with_capacity(slots.len());
        for slot in slots {
            let marks = changed.messages.marks(*slot);
            let view = &selected.view;
            let as_thought = change.keywords.is_empty()
                && view.by_uid(marks.uid).is_some_and(|(_, slot)| {
                    expected(slot.flags(), change) == marks.flags
                        && view.keywords(slot) == marks.keywords
                });
            selected.view.take_own(marks);
            told.push(!silent || !(as_thought || change.mode == FlagMode::Replace));
        }
        if told.contains(&true) {
            selected.tell_keywords(&mut line.out);
        }
        for (Slot { uid, .. }, told) in slots.iter().zip(told) {
            if told {
                selected.write_flags(&mut line.out, *uid, with_modseq);
            } else if with_modseq && let Some((number, slot)) = selected.view.by_uid(*uid) {
                let mut fetch = line.out.fetch(number);
                fetch.uid(*uid);
                fetch.mod_seq(slot.modseq);
                fetch.finish();
            }
            line.relieve().await?;
        }
        Ok(())
    }

    /// UIDs as the command names messages: as they are, or by sequence number.
    pub(super) fn named(&self, uids: &[u32], uid: bool) -> NumberSet {
        let number = |uid: &u32| {
            let selected = self.selected.as_ref()?;
            selected.view.by_uid(*uid).map(|(number, _)| number)
        };
        if uid {
            uids.iter().copied().collect()
        } else {
            uids.iter().filter_map(number).collect()
        }
    }

    /// EXPUNGE, UID EXPUNGE (RFC 4315).
    pub(super) async fn expunge(&mut self, uids: Option<MessageSet>) -> Outcome {
        self.need_writable()?;
        // Others may have marked messages that this client has not heard of.
        self.mark_stale();
        self.tell_changes(true).await?;
        let selected = self.need_selected()?;
        let mut doomed = selected.deleted();
        if let Some(set) = uids {
            let named = selected.resolve(&set, true)?;
            doomed.retain(|uid| named.binary_search(uid).is_ok());
        }
        self.remove(doomed).await?;
        self.tell_changes_if_possible().await?;
        match &self.selected {
            Some(selected) if self.enabled.condstore => Ok(Done::with(
                ResponseCode::HighestModSeq(selected.view.modseq()),
                "Expunged",
            )),
            _ => Ok(Done::new("Expunged")),
        }
    }

    /// Expunges those of `uids` that are still marked `\Deleted`.
    pub(super) async fn remove(&mut self, uids: Vec<u32>) -> Result<(), Stop> {
        if uids.is_empty() {
            return Ok(());
        }
        let selected = self.need_selected()?;
        let (id, name) = (selected.id, selected.name.clone());
        selected.mark_stale();
        let who = self.who.clone();
        let receipt = self
            .shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                let marked: Vec<u32> = mailbox::entries_of(tx, id, &uids)?
                    .iter()
                    .filter(|entry| entry.flags.contains(Flags::DELETED))
                    .map(|entry| entry.uid)
                    .collect();
                let gone = mailbox::expunge(tx, id, &marked)?;
                let event = who.event_of(Kind::MessageExpunged, &name, gone.iter().copied());
                tx.record(&event, gone.len())
            })
            .await?;
        let removed = u64::try_from(receipt.value).unwrap_or(u64::MAX);
        self.tally.deleted = self.tally.deleted.saturating_add(removed);
        Ok(())
    }

    /// COPY, MOVE and their UID forms (RFC 9051, sections 6.4.7 and 6.4.8).
    pub(super) async fn copy(
        &mut self,
        messages: &MessageSet,
        uid: bool,
        target: MailboxName,
        moving: bool,
    ) -> Outcome {
        let selected = if moving {
            self.need_writable()?
        } else {
            self.need_selected()?
        };
        let uids = selected.resolve(messages, uid)?;
        let (id, name) = (selected.id, selected.name.clone());
        selected.mark_stale();
        if uids.is_empty() {
            return Ok(Done::new("There was nothing to copy"));
        }
        let (who, account) = (self.who.clone(), self.login.account);
        let receipt = self
            .shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                let target = mailbox::by_name(tx, account, target.as_str())?
                    .filter(|target| target.selectable)
                    .ok_or_else(|| Refusal::NoMailbox(target.as_str().to_owned()))?;
                let source = mailbox::by_id(tx, id)?;
                let (kind, copied) = if moving {
                    (
                        Kind::MessageMoved,
                        mailbox::move_to(tx, id, &uids, target.id)?,
                    )
                } else {
                    (
                        Kind::MessageCopied,
                        mailbox::copy(tx, id, &uids, target.id)?,
                    )
                };
                let copies: Vec<u32> = copied.uids.iter().map(|(_, copy)| *copy).collect();
                if let Some(junk) = said_by(source.as_ref(), &target) {
                    words::teach(tx, account, target.id, &copies, junk)?;
                }
                let sources = copied.uids.iter().map(|(source, _)| *source);
                let event = who.event_of(kind, &name, sources).detail("to", target.name);
                tx.record(&event, copied)
            })
            .await
            .map_err(or_try_create)?;
        let copied = receipt.value;
        if copied.uids.is_empty() {
            return Err(Stop::no(
                ResponseCode::ExpungeIssued,
                "The messages are gone",
            ));
        }
        let code = ResponseCode::CopyUid {
            uid_validity: copied.uid_validity,
            source: copied.uids.iter().map(|(source, _)| *source).collect(),
            destination: copied.uids.iter().map(|(_, copy)| *copy).collect(),
        };
        if !moving {
            return Ok(Done::with(code, "Copied"));
        }
        // RFC 6851, section 4.3: before the EXPUNGE responses.
        self.line.out.untagged(Status::Ok, Some(&code), "Moved");
        self.tell_changes_if_possible().await?;
        Ok(Done::new("Moved"))
    }
}

/// What somebody says of messages by putting them from one mailbox into another: that they are unwanted, or that they are not. What goes
/// into the trash says nothing.
fn said_by(source: Option<&Mailbox>, target: &Mailbox) -> Option<bool> {
    let from_junk = source?.special_use == Some(SpecialUse::Junk);
    match target.special_use {
        Some(SpecialUse::Junk) => (!from_junk).then_some(true),
        Some(SpecialUse::Trash) => None,
        _ => from_junk.then_some(false),
    }
}

/// The system flags that the client computes for itself after a silent STORE.
fn expected(before: Flags, change: &FlagChange) -> Flags {
    match change.mode {
        FlagMode::Replace => change.flags,
        FlagMode::Add => before.with(change.flags),
        FlagMode::Remove => before.without(change.flags),
    }
}

/// The change in IMAP's own words, for the trail.
fn describe(change: &FlagChange) -> String {
    let sign = match change.mode {
        FlagMode::Replace => "",
        FlagMode::Add => "+",
        FlagMode::Remove => "-",
    };
    let list = flags::to_wire(change.flags, &change.keywords);
    let names: Vec<&str> = list.names().collect();
    format!("{sign}FLAGS ({})", names.join(" "))
}
