//! The roll of a mailbox: all its messages, each in a few octets. It is what IMAP numbers messages by.

use std::{collections::HashMap, sync::Arc};

use super::{
    Entry, Flags, Mailbox,
    head::number,
    keywords,
    read::{changed_since, flags, vanished_since},
};
use crate::{Error, MailboxId, params, sql::Sql};

/// UIDs read at once, so that a large mailbox does not stand in memory twice.
const STEP: u32 = 16_384;
/// Sets of keywords that are kept before it is looked whether any message still has them.
const FEW_SETS: usize = 256;

/// A message in a [`Roll`]: 16 octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// MODSEQ of the flags below.
    pub modseq: u64,
    /// UID.
    pub uid: u32,
    /// The system flags in the low 8 bits; above them, which set of keywords by [`Keywords::set`].
    pub(super) packed: u32,
}

impl Slot {
    fn new(uid: u32, modseq: u64, flags: Flags, keywords: u32) -> Self {
        Self {
            modseq,
            uid,
            packed: u32::from(flags.0) | (keywords << 8),
        }
    }

    /// System flags.
    #[must_use]
    pub fn flags(self) -> Flags {
        let [low, ..] = self.packed.to_le_bytes();
        Flags(low)
    }

    /// The number of its set of keywords; 0 is the empty one.
    pub(super) fn set(self) -> u32 {
        self.packed >> 8
    }
}

/// The sets of keywords that messages have: few, however many messages there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Keywords {
    pub(super) sets: Vec<Box<[String]>>,
    numbers: HashMap<Box<[String]>, u32>,
    /// How many of the sets messages had when that was counted last.
    in_use: usize,
}

impl Keywords {
    /// The number of a set. 2²⁴ different sets would need more memory than the sets may have by the store's limits.
    pub(super) fn number(&mut self, keywords: &[String]) -> u32 {
        if keywords.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(keywords) {
            return *number;
        }
        self.sets.push(keywords.into());
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.numbers.insert(keywords.into(), number);
        number
    }

    /// Whether it may be that most sets are no message's any more.
    fn is_overgrown(&self) -> bool {
        self.sets.len() > FEW_SETS.max(self.in_use.saturating_mul(2))
    }

    fn set(&self, number: u32) -> &[String] {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        index
            .checked_sub(1)
            .and_then(|index| self.sets.get(index))
            .map_or(&[], |set| set)
    }
}

/// All messages of a mailbox at some MODSEQ, ascending by UID.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Shared by those who know the same, until one hears of something new.
    pub(super) slots: Arc<Vec<Slot>>,
    pub(super) keywords: Keywords,
    /// Everything up to this MODSEQ is in the roll.
    pub modseq: u64,
}

impl Roll {
    /// A roll that is to be filled with what the mailbox holds at `modseq`.
    #[must_use]
    pub fn empty_at(modseq: u64) -> Self {
        Self {
            modseq,
            ..Self::default()
        }
    }

    /// Reads the whole of the mailbox that `row` tells of.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read(sql: &mut dyn Sql, row: &Mailbox) -> Result<Self, Error> {
        let mut roll = Self::empty_at(row.highest_modseq);
        let mut from = 1_u32;
        let mut left = row.messages;
        let mut step = STEP;
        while left > 0 && from < row.uid_next {
            let to = from
                .saturating_add(step.saturating_sub(1))
                .min(row.uid_next);
            let found = roll.fill(sql, row.id, (from, to))?;
            left = left.saturating_sub(found);
            // A mailbox with wide gaps between its UIDs must not cost a statement for each empty step.
            step = match found {
                0 => step.saturating_mul(2),
                _ => STEP,
            };
            from = to.saturating_add(1);
        }
        Ok(roll)
    }

    /// Takes over what happened in the mailbox from [`Roll::modseq`] to `modseq`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn catch_up(
        &mut self,
        sql: &mut dyn Sql,
        mailbox: MailboxId,
        modseq: u64,
    ) -> Result<(), Error> {
        if self.modseq >= modseq {
            return Ok(());
        }
        let changed = changed_since(sql, mailbox, self.modseq)?;
        let vanished = vanished_since(sql, mailbox, self.modseq)?;
        self.remove(&vanished);
        for entry in &changed {
            if !self.push(entry) {
                self.update(entry);
            }
        }
        self.modseq = modseq;
        Ok(())
    }

    /// Adds the messages with these UIDs, which are higher than all before; how many there are.
    fn fill(
        &mut self,
        sql: &mut dyn Sql,
        mailbox: MailboxId,
        (from, to): (u32, u32),
    ) -> Result<u64, Error> {
        let statement = "SELECT uid, modseq, flags, keywords FROM message
                         WHERE mailbox = ?1 AND uid >= ?2 AND uid <= ?3 ORDER BY uid";
        let mut found = 0;
        sql.query(statement, params![mailbox, from, to], &mut |row| {
            let keywords = keywords::split(&row.text(3)?);
            self.add(number(row, 0)?, row.count(1)?, flags(row, 2)?, &keywords);
            found += 1;
            Ok(())
        })?;
        Ok(found)
    }

    /// Adds a message with a higher UID than all before.
    pub(super) fn add(&mut self, uid: u32, modseq: u64, flags: Flags, keywords: &[String]) {
        let slot = Slot::new(uid, modseq, flags, self.keywords.number(keywords));
        Arc::make_mut(&mut self.slots).push(slot);
    }

    /// Adds a message with a higher UID than all before; `false` for another.
    pub fn push(&mut self, entry: &Entry) -> bool {
        if entry.uid <= self.last_uid() {
            return false;
        }
        self.add(entry.uid, entry.modseq, entry.flags, &entry.keywords);
        self.forget_keywords();
        true
    }

    /// Takes over the flags of one message; whether this is news.
    pub fn update(&mut self, entry: &Entry) -> bool {
        let Some(index) = self.index(entry.uid) else {
            return false;
        };
        let known = self.slots.get(index);
        if known.is_none_or(|slot| slot.modseq >= entry.modseq) {
            return false;
        }
        let keywords = self.keywords.number(&entry.keywords);
        let new = Slot::new(entry.uid, entry.modseq, entry.flags, keywords);
        if let Some(slot) = Arc::make_mut(&mut self.slots).get_mut(index) {
            *slot = new;
        }
        self.forget_keywords();
        true
    }

    /// Takes messages out. `uids` ascending; those that are not there mean nothing.
    pub fn remove(&mut self, uids: &[u32]) {
        if uids.iter().any(|uid| self.index(*uid).is_some()) {
            Arc::make_mut(&mut self.slots).retain(|slot| uids.binary_search(&slot.uid).is_err());
        }
    }

    /// All messages, ascending by UID.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Where the message with this UID stands.
    #[must_use]
    pub fn index(&self, uid: u32) -> Option<usize> {
        self.slots.binary_search_by_key(&uid, |slot| slot.uid).ok()
    }

    /// The highest UID; 0 when there are no messages.
    #[must_use]
    pub fn last_uid(&self) -> u32 {
        self.slots.last().map_or(0, |slot| slot.uid)
    }

    /// The keywords of a message.
    #[must_use]
    pub fn keywords(&self, slot: Slot) -> &[String] {
        self.keywords.set(slot.set())
    }

    /// The keywords of each set that messages have, and of some that they had.
    pub fn keyword_sets(&self) -> impl Iterator<Item = &[String]> {
        self.keywords.sets.iter().map(AsRef::as_ref)
    }

    /// Octets of memory that it takes, when nobody shares it.
    #[must_use]
    pub fn octets(&self) -> usize {
        let sets = self.keywords.sets.iter();
        let sets: usize = sets
            .flat_map(|set| set.iter().map(|word| 64 + word.len()))
            .sum();
        size_of::<Self>() + self.slots.len() * size_of::<Slot>() + 2 * sets
    }

    /// Whether both hold the same messages with the same flags, keywords and MODSEQs.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let told = |roll: &Self, slot: Slot| {
            (
                slot.uid,
                slot.modseq,
                slot.flags(),
                roll.keywords(slot).to_vec(),
            )
        };
        self.slots.len() == other.slots.len()
            && self
                .slots
                .iter()
                .zip(other.slots.iter())
                .all(|(one, two)| told(self, *one) == told(other, *two))
    }

    /// Forgets the sets of keywords that no message has any more, when there are many: a session may last for months, and each
    /// change of keywords can bring a new set.
    fn forget_keywords(&mut self) {
        if !self.keywords.is_overgrown() {
            return;
        }
        let mut kept = Keywords::default();
        for slot in Arc::make_mut(&mut self.slots) {
            let number = kept.number(self.keywords.set(slot.set()));
            slot.packed = (slot.packed & 0xff) | (number << 8);
        }
        kept.in_use = kept.sets.len();
        self.keywords = kept;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_costs_sixteen_octets() {
        assert_eq!(size_of::<Slot>(), 16);
    }
}
