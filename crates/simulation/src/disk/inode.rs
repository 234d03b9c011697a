//! One file: what is seen, what is durable, and what happened in between.

use std::collections::BTreeSet;

use crate::chance::Chance;

/// Bytes that a disk writes at once or not at all.
pub(super) const SECTOR: usize = 512;

/// A file without its name.
#[derive(Clone, Default)]
pub(super) struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync, in order.
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { start: usize, bytes: Vec<u8> },
    Zeros { start: usize, length: usize },
    Length(usize),
}

impl Inode {
    /// A file that holds `bytes`, durably.
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        Self {
            live: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        }
    }

    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn length(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn read(&self, buffer: &mut [u8], start: u64) -> usize {
        let start = place(start);
        let found = self.live.get(start..).unwrap_or_default();
        let count = found.len().min(buffer.len());
        buffer[..count].copy_from_slice(&found[..count]);
        count
    }

    pub(super) fn write(&mut self, start: u64, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let start = place(start);
        put(&mut self.live, start, &bytes);
        self.pending.push(Change::Write { start, bytes });
    }

    pub(super) fn punch(&mut self, start: u64, length: u64) {
        let start = place(start).min(self.live.len());
        let end = start.saturating_add(place(length)).min(self.live.len());
        self.live[start..end].fill(0);
        self.pending.push(Change::Zeros {
            start,
            length: end - start,
        });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        let length = place(length);
        self.live.resize(length, 0);
        self.pending.push(Change::Length(length));
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { start, bytes } => put(&mut self.durable, start, &bytes),
                Change::Zeros { start, length } => zero(&mut self.durable, start, length),
                Change::Length(length) => self.durable.resize(length, 0),
            }
        }
    }

    /// What the kernel could not write is reported once and then forgotten: it is seen until the power fails.
    pub(super) fn fail_to_sync(&mut self, chance: &Chance) {
        self.durable = self.after_crash(chance);
        self.pending.clear();
    }

    /// What is found after the power failed.
    pub(super) fn after_crash(&self, chance: &Chance) -> Vec<u8> {
        let pending = &self.pending;
        let mut found = self.durable.clone();
        if pending.is_empty() {
            return found;
        }
        // Now and then nothing or everything has reached the disk, else each sector by its own luck.
        let (luck, lengths) = match chance.below(6) {
            0 => (0, 0),
            1 => (8, pending.len()),
            _ => (1 + chance.below(7), chance.index(pending.len() + 1)),
        };
        let mut lost: BTreeSet<usize> = BTreeSet::new();
        let mut length = found.len();
        let mut told = length;
        for (number, change) in pending.iter().enumerate() {
            match change {
                Change::Length(new) => {
                    length = *new;
                    if number < lengths {
                        found.truncate(*new);
                    }
                }
                Change::Write { start, bytes } => {
                    length = length.max(start + bytes.len());
                    for (at, piece) in sectors(*start, bytes.len()) {
                        let sector = at / SECTOR;
                        if lost.contains(&sector) {
                            continue;
                        }
                        if chance.below(8) < luck {
                            let from = at - start;
                            put(&mut found, at, &bytes[from..from + piece]);
                        } else {
                            lost.insert(sector);
                        }
                    }
                }
                // Holes are of the file system's own book, which is kept in order as lengths are.
                Change::Zeros { start, length } if number < lengths => {
                    zero(&mut found, *start, *length);
                }
                Change::Zeros { .. } => {}
            }
            if number < lengths {
                told = length;
            }
        }
        found.resize(told, 0);
        found
    }
}

/// The pieces of a range that lie in one sector each: first byte and length.
fn sectors(start: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    let end = start + length;
    let mut at = start;
    std::iter::from_fn(move || {
        let piece = (SECTOR - at % SECTOR).min(end - at);
        let this = (at, piece);
        at += piece;
        (piece > 0).then_some(this)
    })
}

fn put(bytes: &mut Vec<u8>, start: usize, what: &[u8]) {
    if bytes.len() < start {
        bytes.resize(start, 0);
    }
    let (over, behind) = what.split_at(what.len().min(bytes.len() - start));
    bytes[start..start + over.len()].copy_from_slice(over);
    bytes.extend_from_slice(behind);
}

fn zero(bytes: &mut [u8], start: usize, length: usize) {
    let start = start.min(bytes.len());
    let end = start.saturating_add(length).min(bytes.len());
    bytes[start..end].fill(0);
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_is_there_and_what_was_not_may_be() {
        let (mut old, mut new, mut torn, mut short) = (false, false, false, false);
        for seed in 0..200 {
            let mut file = Inode::default();
            file.write(0, vec![1; 2000]);
            file.sync();
            file.write(100, vec![2; 1000]);
            file.write(2000, vec![3; 600]);
            let found = file.after_crash(&Chance::new(seed));
            assert!(found[..100].iter().all(|byte| *byte == 1));
            assert!(found[1100..2000].iter().all(|byte| *byte == 1));
            let first = found[100..1100].iter().filter(|byte| **byte == 2).count();
            old |= first == 0;
            new |= first == 1000;
            torn |= first > 0 && first < 1000;
            short |= found.len() == 2000;
            assert!(found.len() == 2000 || found.len() == 2600);
        }
        assert!(old && new && torn && short);
    }

    #[test]
    fn a_sector_holds_one_of_its_last_writes_never_a_later_one_without_the_earlier() {
        for seed in 0..100 {
            let mut file = Inode::holding(vec![0; SECTOR]);
            file.write(0, vec![1; 100]);
            file.write(200, vec![2; 100]);
            let found = file.after_crash(&Chance::new(seed));
            assert!(found[0] == 1 || found[200] == 0, "seed {seed}");
        }
    }

    #[test]
    fn what_a_failed_sync_lost_stays_lost_after_the_next_one() {
        let mut lost = false;
        for seed in 0..50 {
            let chance = Chance::new(seed);
            let mut file = Inode::default();
            file.write(0, vec![1; SECTOR]);
            file.fail_to_sync(&chance);
            assert_eq!(file.live(), vec![1; SECTOR]);
            file.sync();
            lost |= file.after_crash(&chance) != vec![1; SECTOR];
        }
        assert!(lost);
    }
}
