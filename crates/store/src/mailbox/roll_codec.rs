//! A roll as octets, to be kept beside the database.
//!
//! ```text
//! "KROLL" 1 0 0  modseq (8)  sets (4)  slots (4)
//! for each set:  words (2), for each: octets (2), the word
//! for each slot: three numbers: UID less the UID before, MODSEQ less the MODSEQ before, set × 256 + flags
//! BLAKE3 of all before (32)
//! ```
//!
//! Numbers with a size are little-endian. The three of a slot are in LEB128 (seven bits an octet, lowest first, the top bit set in all
//! but the last); the second of them may be below zero and is doubled for that: 0, -1, 1, -2 are 0, 1, 2, 3.

use std::sync::Arc;

use super::roll::{Keywords, Roll, Slot};

const MAGIC: [u8; 8] = *b"KROLL\x01\0\0";

impl Roll {
    /// The roll as octets; `None` when it holds more than the format counts.
    pub(crate) fn to_octets(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(64 + self.slots.len() * 4);
        out.extend(MAGIC);
        out.extend(self.modseq.to_le_bytes());
        out.extend(u32::try_from(self.keywords.sets.len()).ok()?.to_le_bytes());
        out.extend(u32::try_from(self.slots.len()).ok()?.to_le_bytes());
        for set in &self.keywords.sets {
            out.extend(u16::try_from(set.len()).ok()?.to_le_bytes());
            for word in set {
                out.extend(u16::try_from(word.len()).ok()?.to_le_bytes());
                out.extend(word.as_bytes());
            }
        }
        let (mut uid, mut modseq) = (0, 0);
        for slot in self.slots.iter() {
            put(&mut out, u64::from(slot.uid.wrapping_sub(uid)));
            put(&mut out, folded(slot.modseq.wrapping_sub(modseq)));
            put(&mut out, u64::from(slot.packed));
            (uid, modseq) = (slot.uid, slot.modseq);
        }
        let digest = blake3::hash(&out);
        out.extend(digest.as_bytes());
        Some(out)
    }

    /// The roll that `octets` say; `None` when they are damaged.
    pub(crate) fn from_octets(octets: &[u8]) -> Option<Self> {
        let (octets, digest) = octets.split_last_chunk::<32>()?;
        if blake3::hash(octets) != *digest {
            return None;
        }
        let mut left = octets;
        if take::<8>(&mut left)? != MAGIC {
            return None;
        }
        let mut roll = Self::empty_at(u64::from_le_bytes(take(&mut left)?));
        let sets = u32::from_le_bytes(take(&mut left)?);
        let count = usize::try_from(u32::from_le_bytes(take(&mut left)?)).ok()?;
        roll.keywords = Arc::new(keywords(&mut left, sets)?);
        // A slot takes three octets at least: a count that cannot be is not believed.
        let mut slots = Vec::with_capacity(count.min(left.len() / 3));
        let mut before = Slot::default();
        for _ in 0..count {
            before = slot(&mut left, before)?;
            if before.set() > sets {
                return None;
            }
            slots.push(before);
        }
        roll.slots = Arc::new(slots);
        left.is_empty().then_some(roll)
    }
}

/// The slot after `before`: its UID is higher.
fn slot(left: &mut &[u8], before: Slot) -> Option<Slot> {
    let uid = u32::try_from(number(left)?).ok().filter(|up| *up > 0)?;
    let modseq = unfolded(number(left)?);
    Some(Slot {
        modseq: before.modseq.wrapping_add(modseq),
        uid: before.uid.checked_add(uid)?,
        packed: u32::try_from(number(left)?).ok()?,
    })
}

/// A difference, small whether it is above or below zero.
fn folded(difference: u64) -> u64 {
    (difference << 1) ^ (difference.cast_signed() >> 63).cast_unsigned()
}

fn unfolded(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        out.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    out.push(low);
}

fn number(left: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (octet, rest) = left.split_first()?;
        *left = rest;
        number |= u64::from(octet & 0x7f) << shift;
        if *octet < 0x80 {
            return Some(number);
        }
    }
    None
}

fn keywords(left: &mut &[u8], sets: u32) -> Option<Keywords> {
    let mut keywords = Keywords::default();
    for number in 1..=sets {
        let mut set = Vec::new();
        for _ in 0..u16::from_le_bytes(take(left)?) {
            let length = usize::from(u16::from_le_bytes(take(left)?));
            let (word, rest) = left.split_at_checked(length)?;
            *left = rest;
            set.push(String::from_utf8(word.to_vec()).ok()?);
        }
        if keywords.number(&set) != number {
            return None;
        }
    }
    Some(keywords)
}

fn take<const N: usize>(left: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = left.split_first_chunk::<N>()?;
    *left = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mailbox::{Flags, Marks};

    fn some() -> Roll {
        let mut roll = Roll::empty_at(99);
        let messages: [(u32, &[&str]); 4] = [
            (1, &[]),
            (7, &["$Label1", "重要"]),
            (8, &["x"]),
            (9, &["x"]),
        ];
        for (uid, keywords) in messages {
            let keywords: Vec<String> = keywords.iter().map(|&word| word.to_owned()).collect();
            roll.add(Marks {
                uid,
                modseq: 1 << uid,
                flags: Flags::SEEN,
                keywords: &keywords,
            });
        }
        roll
    }

    #[test]
    fn a_roll_comes_back_as_it_was() {
        let roll = some();
        let back = Roll::from_octets(&roll.to_octets().unwrap()).unwrap();
        assert!(back.agrees_with(&roll));
        assert_eq!((back.modseq, back.keyword_sets().count()), (99, 2));
        for difference in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 77] {
            assert_eq!(unfolded(folded(difference)), difference);
        }
        let empty = Roll::empty_at(1);
        let back = Roll::from_octets(&empty.to_octets().unwrap()).unwrap();
        assert!(back.slots().is_empty());
    }

    #[test]
    fn damage_anywhere_is_seen() {
        let octets = some().to_octets().unwrap();
        for place in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[place] ^= 1;
            assert!(Roll::from_octets(&damaged).is_none(), "{place}");
            assert!(Roll::from_octets(&octets[..place]).is_none(), "{place}");
        }
    }
}
