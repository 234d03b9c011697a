//! The roll of a mailbox: all its messages, each in a few octets. It is what IMAP numbers messages by.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{
    Flags, Mailbox,
    news::{Marks, each_changed, each_vanished, shown},
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
    /// The slot of a message whose keywords are the set of that number.
    fn new(marks: Marks<'_>, set: u32) -> Self {
        Self {
            modseq: marks.modseq,
            uid: marks.uid,
            packed: u32::from(marks.flags.0) | (set << 8),
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
    /// Octets of memory that both take.
    octets: usize,
    /// How many of the sets messages had when that was counted last.
    in_use: usize,
}

impl Keywords {
    /// The number of a set. 2²⁴ different sets would need more memory than the sets may have by the store's limits.
    pub(super) fn number(&mut self, keywords: &[String]) -> u32 {
        if let Some(number) = self.find(keywords) {
            return number;
        }
        let words = keywords.iter().map(|word| 64 + word.len());
        self.octets = self.octets.saturating_add(2 * words.sum::<usize>());
        self.sets.push(keywords.into());
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.numbers.insert(keywords.into(), number);
        number
    }

    /// The number of a set, if it has one.
    fn find(&self, keywords: &[String]) -> Option<u32> {
        if keywords.is_empty() {
            return Some(0);
        }
        self.numbers.get(keywords).copied()
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
    /// Shared likewise.
    pub(super) keywords: Arc<Keywords>,
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

    /// Takes over what happened in the mailbox from [`Roll::modseq`] to `modseq`, which is the highest of `sql`'s view.
    ///
    /// # Errors
    /// When the database fails. The roll is of no use then.
    pub fn catch_up(
        &mut self,
        sql: &mut dyn Sql,
        mailbox: MailboxId,
        modseq: u64,
    ) -> Result<(), Error> {
        if self.modseq >= modseq {
            return Ok(());
        }
        self.remove_vanished(sql, mailbox)?;
        // What arrived is put behind in the order of MODSEQs, and into that of UIDs in the end.
        let (known, last) = (self.slots.len(), self.last_uid());
        each_changed(sql, mailbox, self.modseq, &mut |marks| {
            if marks.uid > last {
                self.add(marks);
            } else if let Some(index) = place(self.slots.get(..known), marks.uid) {
                self.replace(index, marks);
            }
            self.forget_keywords();
        })?;
        self.sort_from(known);
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
            found += 1;
            shown(row, &mut |marks| {
                self.add(marks);
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// Adds a message, whose UID is to be higher than all before unless [`Roll::sort_from`] follows.
    pub(super) fn add(&mut self, marks: Marks<'_>) {
        let slot = self.slot(marks);
        Arc::make_mut(&mut self.slots).push(slot);
    }

    /// Brings the messages from index `from` on into the order of their UIDs.
    pub(super) fn sort_from(&mut self, from: usize) {
        if from < self.slots.len()
            && let Some(added) = Arc::make_mut(&mut self.slots).get_mut(from..)
        {
            added.sort_unstable_by_key(|slot| slot.uid);
        }
    }

    /// Adds a message with a higher UID than all before; `false` for another.
    pub fn push(&mut self, marks: Marks<'_>) -> bool {
        if marks.uid <= self.last_uid() {
            return false;
        }
        self.add(marks);
        self.forget_keywords();
        true
    }

    /// Takes over the flags of one message; whether this is news.
    pub fn update(&mut self, marks: Marks<'_>) -> bool {
        let Some(index) = self.index(marks.uid) else {
            return false;
        };
        let is_news = self.replace(index, marks);
        self.forget_keywords();
        is_news
    }

    /// Takes over the flags of the message at `index`, if they are newer than what is known.
    fn replace(&mut self, index: usize, marks: Marks<'_>) -> bool {
        let known = self.slots.get(index);
        if known.is_none_or(|slot| slot.modseq >= marks.modseq) {
            return false;
        }
        let new = self.slot(marks);
        if let Some(slot) = Arc::make_mut(&mut self.slots).get_mut(index) {
            *slot = new;
        }
        true
    }

    /// The slot of a message, whose keywords then have a number.
    fn slot(&mut self, marks: Marks<'_>) -> Slot {
        let known = self.keywords.find(marks.keywords);
        let set = known.unwrap_or_else(|| Arc::make_mut(&mut self.keywords).number(marks.keywords));
        Slot::new(marks, set)
    }

    /// Takes messages out. `uids` ascending; those that are not there mean nothing.
    pub fn remove(&mut self, uids: &[u32]) {
        if uids.iter().any(|uid| self.index(*uid).is_some()) {
            Arc::make_mut(&mut self.slots).retain(|slot| uids.binary_search(&slot.uid).is_err());
        }
    }

    /// Takes out what was expunged after [`Roll::modseq`].
    fn remove_vanished(&mut self, sql: &mut dyn Sql, mailbox: MailboxId) -> Result<(), Error> {
        let mut gone: Vec<bool> = Vec::new();
        each_vanished(sql, mailbox, self.modseq, &mut |run| {
            let places = self.places(run);
            if !places.is_empty() {
                gone.resize(self.slots.len(), false);
                gone.get_mut(places).unwrap_or_default().fill(true);
            }
        })?;
        if !gone.is_empty() {
            let mut gone = gone.into_iter();
            Arc::make_mut(&mut self.slots).retain(|_| !gone.next().unwrap_or(false));
        }
        Ok(())
    }

    /// All messages, ascending by UID.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Where the message with this UID stands.
    #[must_use]
    pub fn index(&self, uid: u32) -> Option<usize> {
        place(Some(&self.slots), uid)
    }

    /// The messages whose UIDs lie in a run: from the first to the last, both included.
    #[must_use]
    pub fn within(&self, run: (u32, u32)) -> &[Slot] {
        self.slots.get(self.places(run)).unwrap_or_default()
    }

    /// Where they stand.
    fn places(&self, (first, last): (u32, u32)) -> Range<usize> {
        let from = self.slots.partition_point(|slot| slot.uid < first);
        let to = self.slots.partition_point(|slot| slot.uid <= last);
        from..to
    }

    /// What the roll says of one of its slots.
    #[must_use]
    pub fn marks(&self, slot: Slot) -> Marks<'_> {
        Marks {
            uid: slot.uid,
            modseq: slot.modseq,
            flags: slot.flags(),
            keywords: self.keywords(slot),
        }
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
        size_of::<Self>() + self.slots.len() * size_of::<Slot>() + self.keywords.octets
    }

    /// Whether both hold the same messages with the same flags, keywords and MODSEQs.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let mut pairs = self.slots.iter().zip(other.slots.iter());
        self.slots.len() == other.slots.len()
            && pairs.all(|(one, two)| self.marks(*one) == other.marks(*two))
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
        self.keywords = Arc::new(kept);
    }
}

/// Where the message with this UID stands in slots that ascend.
fn place(slots: Option<&[Slot]>, uid: u32) -> Option<usize> {
    slots?.binary_search_by_key(&uid, |slot| slot.uid).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_nobody_changed_is_shared() {
        let mut roll = Roll::empty_at(1);
        let marks = |uid, modseq, keywords| Marks {
            uid,
            modseq,
            flags: Flags::SEEN,
            keywords,
        };
        let words = ["later", "$Label1"].map(|word| [word.to_owned()]);
        assert!(roll.push(marks(1, 1, &words[0])));
        let mut other = roll.clone();
        assert!(other.push(marks(2, 2, &words[0])));
        assert!(Arc::ptr_eq(&roll.keywords, &other.keywords));
        assert!(other.update(marks(1, 3, &words[1])));
        assert_eq!(roll.keywords(roll.slots()[0]), words[0]);
        assert_eq!(other.keywords(other.slots()[0]), words[1]);
        assert!(roll.octets() < other.octets());
    }

    #[test]
    fn a_message_costs_sixteen_octets() {
        assert_eq!(size_of::<Slot>(), 16);
    }
}
