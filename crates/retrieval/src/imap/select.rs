//! SELECT, EXAMINE, CLOSE, UNSELECT.

use protocol::imap::{
    FlagList, ListAttributes, ListEntry, MailboxName, NumberSet, QResync, ResponseCode, Select,
    Status, SystemFlags,
};
use store::mailbox::{self, Flags, Mailbox};

use super::{
    member::Member,
    outcome::{Done, Outcome, Stop},
    selected::Selected,
};

impl Member {
    pub(super) async fn select(&mut self, select: Select) -> Outcome {
        if select.qresync.is_some() && !self.enabled.qresync {
            return Err(Stop::Bad("ENABLE QRESYNC first"));
        }
        // RFC 9051, section 6.3.2: the mailbox that was selected is closed, even if this command fails.
        if self.selected.take().is_some() {
            self.line
                .out
                .untagged(Status::Ok, Some(&ResponseCode::Closed), "Closed");
        }
        let name = select.mailbox.as_str().to_owned();
        let opened = Selected::open(&self.shared, self.login.account, name, select.read_only);
        let Some((selected, row)) = opened.await? else {
            return Err(Stop::no(
                ResponseCode::NonExistent,
                "There is no such mailbox",
            ));
        };
        if select.condstore || select.qresync.is_some() {
            self.enabled.condstore = true;
        }
        self.describe(&selected, &row, &select.mailbox);
        if let Some(known) = select.qresync {
            self.resynchronise(&selected, &known).await?;
        }
        self.selected = Some(selected);
        let code = if select.read_only {
            ResponseCode::ReadOnly
        } else {
            ResponseCode::ReadWrite
        };
        Ok(Done::with(code, "Selected"))
    }

    /// What SELECT tells of a mailbox (RFC 9051, section 6.3.2), which the client called `wanted`.
    fn describe(&mut self, selected: &Selected, row: &Mailbox, wanted: &MailboxName) {
        let out = &mut self.line.out;
        let flags = selected.all_flags();
        out.flags(&flags);
        out.exists(selected.view.exists());
        if !self.enabled.rev2 {
            // \Recent cannot be told rightly when sessions share a mailbox; IMAP4rev2 has none.
            out.recent(0);
            let mut unseen = (1_u32..).zip(selected.view.slots());
            if let Some((number, _)) = unseen.find(|(_, slot)| !slot.flags().contains(Flags::SEEN))
            {
                out.untagged(
                    Status::Ok,
                    Some(&ResponseCode::Unseen(number)),
                    "First unseen",
                );
            }
        }
        let permanent = if selected.read_only {
            ResponseCode::PermanentFlags {
                flags: FlagList::system(SystemFlags::empty()),
                new_keywords: false,
            }
        } else {
            ResponseCode::PermanentFlags {
                flags,
                new_keywords: true,
            }
        };
        for (code, text) in [
            (permanent, "Flags that stay"),
            (
                ResponseCode::UidValidity(row.uid_validity),
                "UIDs are valid",
            ),
            (ResponseCode::UidNext(row.uid_next), "Next UID"),
            (
                ResponseCode::HighestModSeq(row.highest_modseq),
                "Highest MODSEQ",
            ),
            (ResponseCode::MailboxId(row.id.to_string()), "Mailbox id"),
        ] {
            out.untagged(Status::Ok, Some(&code), text);
        }
        if self.enabled.rev2
            && let Some(name) = MailboxName::new(&row.name)
        {
            let mut entry = ListEntry::new(&name, ListAttributes::default());
            entry.old_name = (name != *wanted).then_some(wanted);
            out.list(&entry);
        }
    }

    /// QRESYNC (RFC 7162, section 3.2.5): what happened since the client was here.
    async fn resynchronise(&mut self, selected: &Selected, known: &QResync) -> Result<(), Stop> {
        if known.uid_validity != selected.uid_validity {
            return Ok(());
        }
        let (id, modseq) = (selected.id, known.mod_seq);
        let vanished = self
            .shared
            .store
            .read(move |snapshot| mailbox::vanished_since(snapshot, id, modseq))
            .await?;
        let from = matched_below(selected, known);
        let known_uids = known.known_uids.as_ref().map(|set| set.resolve(u32::MAX));
        let gone: NumberSet = vanished
            .into_iter()
            .flat_map(|(first, last)| first..=last)
            .filter(|uid| *uid >= from && selected.view.by_uid(*uid).is_none())
            .filter(|uid| known_uids.as_ref().is_none_or(|known| known.contains(*uid)))
            .collect();
        self.line.out.vanished(true, &gone);
        for slot in selected.view.slots() {
            let asked = known_uids
                .as_ref()
                .is_none_or(|known| known.contains(slot.uid));
            if slot.modseq > modseq && asked {
                selected.write_flags(&mut self.line.out, slot.uid, true);
                self.line.relieve().await?;
            }
        }
        Ok(())
    }

    /// CLOSE: expunges without telling (RFC 9051, section 6.4.1).
    pub(super) async fn close(&mut self) -> Outcome {
        let selected = self.need_selected()?;
        if !selected.read_only {
            let uids = selected.deleted();
            self.remove(uids).await?;
        }
        self.unselect()
    }

    pub(super) fn unselect(&mut self) -> Outcome {
        self.need_selected()?;
        self.selected = None;
        Ok(Done::new("Closed"))
    }
}

/// The first UID that can have changed its sequence number, by the pairs that the client remembers (RFC 7162, section
/// 3.2.5.2): below it nothing was expunged.
fn matched_below(selected: &Selected, known: &QResync) -> u32 {
    let Some((numbers, uids)) = &known.matches else {
        return 0;
    };
    let numbers = numbers.resolve(u32::MAX);
    let uids = uids.resolve(u32::MAX);
    // A client can write a range of four thousand million; there are no more pairs than messages.
    let pairs = numbers.iter().zip(uids.iter()).take(selected.view.len());
    let mut from = 0;
    for (number, uid) in pairs {
        match selected.view.by_sequence(number) {
            Some(slot) if slot.uid == uid => from = uid.saturating_add(1),
            _ => break,
        }
    }
    from
}
