//! The row of a mailbox while an operation changes it.

use crate::{AccountId, Error, MailboxId, Refusal, Topic, Tx, params, sql, sql::Row, sql::Sql};

use super::{Entry, Flags, keywords::Known};

/// What the operations on messages need of a mailbox. They take numbers from it, and [`Head::save`]
/// writes it back with the counters, once per operation.
pub(super) struct Head {
    pub(super) id: MailboxId,
    pub(super) account: AccountId,
    pub(super) name: String,
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) keywords: Known,
    highest_modseq: u64,
    selectable: bool,
    /// Octets that the account keeps, and may keep.
    kept: u64,
    quota: Option<u64>,
}

impl Head {
    /// The head of `mailbox`, which must be able to hold messages.
    pub(super) fn load(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<Self, Error> {
        let head = sql::first(
            sql,
            "SELECT m.account, m.name, m.uid_validity, m.uid_next, m.highest_modseq, m.selectable, m.keywords, \
             u.bytes, u.quota \
             FROM mailbox m JOIN account_usage u ON u.account = m.account WHERE m.id = ?1",
            params![mailbox],
            |row| {
                Ok(Self {
                    id: mailbox,
                    account: AccountId(row.int(0)?),
                    name: row.text(1)?,
                    uid_validity: number(row, 2)?,
                    uid_next: number(row, 3)?,
                    highest_modseq: row.count(4)?,
                    selectable: row.int(5)? != 0,
                    keywords: Known::read(&row.text(6)?),
                    kept: row.count(7)?,
                    quota: maybe_count(row, 8)?,
                })
            },
        )?;
        let head = head.ok_or_else(|| Refusal::NoMailbox(mailbox.to_string()))?;
        if !head.selectable {
            return Err(Refusal::NoMailbox(head.name).into());
        }
        Ok(head)
    }

    /// Refuses what would exceed the account's limit.
    pub(super) fn must_have_room(&self, octets: u64) -> Result<(), Error> {
        match self.quota {
            Some(quota) if self.kept.saturating_add(octets) > quota => {
                Err(Refusal::OverQuota.into())
            }
            _ => Ok(()),
        }
    }

    /// Takes `count` UIDs; returns the first.
    pub(super) fn take_uids(&mut self, count: usize) -> Result<u32, Error> {
        let first = self.uid_next;
        self.uid_next = u32::try_from(count)
            .ok()
            .and_then(|count| first.checked_add(count))
            .ok_or(Refusal::Limit("UIDs of a mailbox (2^32)"))?;
        Ok(first)
    }

    /// Takes the next MODSEQ.
    pub(super) fn take_modseq(&mut self) -> u64 {
        self.highest_modseq = self.highest_modseq.saturating_add(1);
        self.highest_modseq
    }

    /// Writes the row back, adds `change` to its counters, and wakes those who watch the mailbox.
    pub(super) fn save(&self, tx: &mut Tx<'_>, change: &Counts) -> Result<(), Error> {
        let keywords = self.keywords.to_text();
        tx.execute(
            "UPDATE mailbox SET uid_next = ?2, highest_modseq = ?3, keywords = ?4, messages = messages + ?5, \
             unseen = unseen + ?6, deleted = deleted + ?7, bytes = bytes + ?8 WHERE id = ?1",
            params![
                self.id,
                self.uid_next,
                signed(self.highest_modseq)?,
                &keywords,
                change.messages,
                change.unseen,
                change.deleted,
                change.bytes
            ],
        )?;
        tx.touch(Topic::Mailbox(self.id));
        Ok(())
    }
}

/// Changes of a mailbox's counters.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) messages: i64,
    pub(super) unseen: i64,
    pub(super) deleted: i64,
    pub(super) bytes: i64,
}

impl Counts {
    /// Counts one more message with `flags` and `size`.
    pub(super) fn add(&mut self, flags: Flags, size: u64) -> Result<(), Error> {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(signed(size)?);
        self.add_flags(flags, 1);
        Ok(())
    }

    /// Counts `flags` of a message that is there `times` more.
    pub(super) fn add_flags(&mut self, flags: Flags, times: i64) {
        if !flags.contains(Flags::SEEN) {
            self.unseen += times;
        }
        if flags.contains(Flags::DELETED) {
            self.deleted += times;
        }
    }

    /// What all `entries` count.
    pub(super) fn of(entries: &[Entry]) -> Result<Self, Error> {
        let mut counts = Self::default();
        for entry in entries {
            counts.add(entry.flags, entry.size)?;
        }
        Ok(counts)
    }

    /// The same, taken away.
    pub(super) fn negated(self) -> Self {
        Self {
            messages: -self.messages,
            unseen: -self.unseen,
            deleted: -self.deleted,
            bytes: -self.bytes,
        }
    }
}

/// A 32-bit column.
pub(super) fn number(row: &dyn Row, column: usize) -> Result<u32, Error> {
    u32::try_from(row.int(column)?)
        .map_err(|_| Error::Corrupt(format!("column {column} should hold a 32-bit number")))
}

/// A counter that may be NULL.
pub(super) fn maybe_count(row: &dyn Row, column: usize) -> Result<Option<u64>, Error> {
    row.maybe_int(column)?
        .map(u64::try_from)
        .transpose()
        .map_err(|_| Error::Corrupt(format!("column {column} should hold a count")))
}

/// A count as a column holds it.
pub(super) fn signed(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Refusal::Limit("numbers of 63 bits").into())
}
