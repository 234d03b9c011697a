//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS and quotas.

use protocol::imap::{
    ListAttributes, ListEntry, MailboxName, QuotaResource, ResponseCode, SpecialUse, StatusData,
    StatusItem,
};
use store::{
    Error,
    mailbox::{self, Mailbox},
};
use trail::Kind;

use super::{
    member::Member,
    outcome::{Done, Outcome, Stop},
};

/// The one quota root: all mailboxes of an account share its quota.
const QUOTA_ROOT: &str = "";

impl Member {
    /// CREATE, with the special use of RFC 6154.
    pub(super) async fn create(&mut self, name: MailboxName, uses: &[SpecialUse]) -> Outcome {
        let special_use = match uses {
            [] => None,
            [one] => Some(
                use_to_store(*one)
                    .ok_or(Stop::no(ResponseCode::UseAttr, "This use is not supported"))?,
            ),
            _ => {
                return Err(Stop::no(
                    ResponseCode::UseAttr,
                    "A mailbox has one special use at most",
                ));
            }
        };
        let wanted = name.clone();
        let (who, account) = (self.who.clone(), self.login.account);
        let receipt = self
            .shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                let made = mailbox::create(tx, account, name.as_str(), special_use)?;
                let mut event = who.event(Kind::MailboxCreated, &made.name);
                if let Some(special_use) = special_use {
                    event = event.detail("use", use_to_wire(special_use).as_str());
                }
                tx.record(&event, (made.id, made.name))
            })
            .await?;
        let (id, made) = receipt.value;
        self.tell_changed_name(&wanted, &made);
        Ok(Done::with(
            ResponseCode::MailboxId(id.to_string()),
            "Created",
        ))
    }

    /// RFC 9051, section 6.3.9.7: a client of IMAP4rev2 is told when a mailbox has another name than it wrote, as one in NFD has.
    fn tell_changed_name(&mut self, wanted: &MailboxName, name: &str) {
        let name = MailboxName::new(name).filter(|name| self.enabled.rev2 && name != wanted);
        if let Some(name) = name {
            let mut entry = ListEntry::new(&name, ListAttributes::default());
            entry.old_name = Some(wanted);
            self.line.out.list(&entry);
        }
    }

    pub(super) async fn delete(&mut self, name: MailboxName) -> Outcome {
        let (who, account) = (self.who.clone(), self.login.account);
        let deleted = self
            .shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                let row = mailbox::by_name(tx, account, name.as_str())?;
                let messages = row.as_ref().map_or(0, |row| row.messages);
                mailbox::delete(tx, account, name.as_str())?;
                let event = who
                    .event(Kind::MailboxDeleted, name.as_str())
                    .detail("messages", messages);
                tx.record(&event, (row.map(|row| row.id), messages))
            })
            .await?;
        let (id, messages) = deleted.value;
        self.tally.deleted = self.tally.deleted.saturating_add(messages);
        // The session that deletes its own mailbox goes back to the authenticated state; others hear BYE.
        if self
            .selected
            .as_ref()
            .is_some_and(|selected| Some(selected.id) == id)
        {
            self.selected = None;
        }
        Ok(Done::new("Deleted"))
    }

    pub(super) async fn rename(&mut self, from: MailboxName, to: MailboxName) -> Outcome {
        let (who, account) = (self.who.clone(), self.login.account);
        self.shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                mailbox::rename(tx, account, from.as_str(), to.as_str())?;
                let event = who
                    .event(Kind::MailboxRenamed, from.as_str())
                    .detail("to", to.as_str());
                tx.record(&event, ())
            })
            .await?;
        self.mark_stale();
        Ok(Done::new("Renamed"))
    }

    pub(super) async fn subscribe(&mut self, name: MailboxName, subscribed: bool) -> Outcome {
        let (who, account) = (self.who.clone(), self.login.account);
        self.shared
            .store
            .commit::<_, Error>(Vec::new(), move |tx| {
                mailbox::subscribe(tx, account, name.as_str(), subscribed)?;
                let event = who
                    .event(Kind::MailboxSubscribed, name.as_str())
                    .detail("subscribed", subscribed);
                tx.record(&event, ())
            })
            .await?;
        Ok(Done::new("Done"))
    }

    /// STATUS (RFC 9051, section 6.3.11).
    pub(super) async fn status(&mut self, name: MailboxName, items: Vec<StatusItem>) -> Outcome {
        let row = self.row_of(&name).await?;
        if items.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore();
        }
        self.write_status(&name, &row, &items).await?;
        Ok(Done::new("Done"))
    }

    /// The STATUS response of a mailbox: from its row, but for the octets that an EXPUNGE would free.
    pub(super) async fn write_status(
        &mut self,
        name: &MailboxName,
        row: &Mailbox,
        items: &[StatusItem],
    ) -> Result<(), Stop> {
        let mut deleted_octets = 0;
        if items.contains(&StatusItem::DeletedStorage) && row.deleted > 0 {
            let id = row.id;
            deleted_octets = self
                .shared
                .store
                .read::<_, Error>(move |snapshot| mailbox::deleted_octets(snapshot, id))
                .await?;
        }
        let append_limit = self.line.settings().append_limit;
        let data = status_data(row, items, append_limit, deleted_octets);
        self.line.out.status(name, &data);
        Ok(())
    }

    /// GETQUOTA (RFC 9208).
    pub(super) async fn quota(&mut self, root: &str) -> Outcome {
        let storage = self.storage_quota().await?;
        let Some(storage) = storage.filter(|_| root == QUOTA_ROOT) else {
            return Err(Stop::no(
                ResponseCode::NonExistent,
                "There is no such quota root",
            ));
        };
        self.line.out.quota(QUOTA_ROOT, &[storage]);
        Ok(Done::new("Done"))
    }

    /// GETQUOTAROOT (RFC 9208). A mailbox without limits has no root: a QUOTA response cannot list nothing.
    pub(super) async fn quota_root(&mut self, name: MailboxName) -> Outcome {
        self.row_of(&name).await?;
        match self.storage_quota().await? {
            Some(storage) => {
                self.line.out.quota_root(&name, &[QUOTA_ROOT]);
                self.line.out.quota(QUOTA_ROOT, &[storage]);
            }
            None => self.line.out.quota_root(&name, &[]),
        }
        Ok(Done::new("Done"))
    }

    async fn storage_quota(&self) -> Result<Option<QuotaResource<'static>>, Stop> {
        let account = self.login.account;
        let usage = self
            .shared
            .store
            .read::<_, Error>(move |snapshot| mailbox::usage(snapshot, account))
            .await?;
        Ok(usage.limit.map(|limit| QuotaResource {
            name: "STORAGE",
            usage: usage.bytes.div_ceil(1024),
            limit: limit / 1024,
        }))
    }

    async fn row_of(&self, name: &MailboxName) -> Result<Mailbox, Stop> {
        let (account, name) = (self.login.account, name.clone());
        let row = self
            .shared
            .store
            .read::<_, Error>(move |snapshot| mailbox::by_name(snapshot, account, name.as_str()))
            .await?;
        row.filter(|row| row.selectable).ok_or(Stop::no(
            ResponseCode::NonExistent,
            "There is no such mailbox",
        ))
    }
}

/// The values of STATUS.
fn status_data(
    row: &Mailbox,
    items: &[StatusItem],
    append_limit: u64,
    deleted_octets: u64,
) -> Vec<StatusData> {
    let value = |item: &StatusItem| {
        let number = match item {
            StatusItem::Messages => row.messages,
            // See SELECT: nothing is recent for one session only.
            StatusItem::Recent => 0,
            StatusItem::UidNext => u64::from(row.uid_next),
            StatusItem::UidValidity => u64::from(row.uid_validity),
            StatusItem::Unseen => row.unseen,
            StatusItem::Deleted => row.deleted,
            StatusItem::DeletedStorage => deleted_octets,
            StatusItem::Size => row.bytes,
            StatusItem::HighestModSeq => row.highest_modseq,
            StatusItem::AppendLimit => append_limit,
            StatusItem::MailboxId => return StatusData::MailboxId(row.id.to_string()),
        };
        StatusData::Number(*item, number)
    };
    items.iter().map(value).collect()
}

/// The use that a new mailbox may have; `None` for one that is not supported: `\All` and `\Flagged` are views of messages that lie in
/// other mailboxes (RFC 6154, section 2), and `\Important` needs somebody who judges (RFC 8457).
fn use_to_store(special_use: SpecialUse) -> Option<mailbox::SpecialUse> {
    Some(match special_use {
        SpecialUse::Archive => mailbox::SpecialUse::Archive,
        SpecialUse::Drafts => mailbox::SpecialUse::Drafts,
        SpecialUse::Junk => mailbox::SpecialUse::Junk,
        SpecialUse::Sent => mailbox::SpecialUse::Sent,
        SpecialUse::Trash => mailbox::SpecialUse::Trash,
        SpecialUse::All | SpecialUse::Flagged | SpecialUse::Important => return None,
    })
}

/// The wire name of the store's special use.
pub(super) fn use_to_wire(special_use: mailbox::SpecialUse) -> SpecialUse {
    match special_use {
        mailbox::SpecialUse::All => SpecialUse::All,
        mailbox::SpecialUse::Archive => SpecialUse::Archive,
        mailbox::SpecialUse::Drafts => SpecialUse::Drafts,
        mailbox::SpecialUse::Flagged => SpecialUse::Flagged,
        mailbox::SpecialUse::Junk => SpecialUse::Junk,
        mailbox::SpecialUse::Sent => SpecialUse::Sent,
        mailbox::SpecialUse::Trash => SpecialUse::Trash,
    }
}
