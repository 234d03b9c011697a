//! A roll as octets, to be kept beside the database.
//!
//! ```text
//! "KROLL" 1 0 0  modseq (8)  sets (4)  slots (4)
//! for each set:  words (2), for each: octets (2), the word
//! for each slot: MODSEQ (8), UID (4), set × 256 + flags (4)
//! BLAKE3 of all before (32)
//! ```
//!
//! Numbers are little-endian.

use std::sync::Arc;

use super::roll::{Keywords, Roll, Slot};

const MAGIC: [u8; 8] = *b"KROLL\x01\0\0";
const SLOT: usize = 16;

impl Roll {
    /// The roll as octets; `None` when it holds more than the format counts.
    pub(crate) fn to_octets(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(64 + self.slots.len() * SLOT);
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
        for slot in self.slots.iter() {
            out.extend(slot.modseq.to_le_bytes());
            out.extend(slot.uid.to_le_bytes());
            out.extend(slot.packed.to_le_bytes());
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
        roll.keywords = keywords(&mut left, sets)?;
        if left.len() != count.checked_mul(SLOT)? {
            return None;
        }
        let (chunks, _) = left.as_chunks::<SLOT>();
        let slots: Vec<Slot> = chunks.iter().map(slot).collect();
        let ascends = slots.iter().is_sorted_by(|one, two| one.uid < two.uid);
        let known = slots.iter().all(|slot| slot.set() <= sets);
        roll.slots = Arc::new(slots);
        (ascends && known).then_some(roll)
    }
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

fn slot(octets: &[u8; SLOT]) -> Slot {
    let [a, b, c, d, e, f, g, h, uid @ .., p, q, r, s] = *octets;
    Slot {
        modseq: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        uid: u32::from_le_bytes(uid),
        packed: u32::from_le_bytes([p, q, r, s]),
    }
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
    use crate::mailbox::Flags;

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
            roll.add(uid, u64::from(uid) + 3, Flags::SEEN, &keywords);
        }
        roll
    }

    #[test]
    fn a_roll_comes_back_as_it_was() {
        let roll = some();
        let back = Roll::from_octets(&roll.to_octets().unwrap()).unwrap();
        assert!(back.agrees_with(&roll));
        assert_eq!((back.modseq, back.keyword_sets().count()), (99, 2));
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
