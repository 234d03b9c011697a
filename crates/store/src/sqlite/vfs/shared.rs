//! What the connections to one database file share besides the file: locks, and the memory in which the log's index
//! stands. On a machine the system holds both and drops them with the process; here they go with the last connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::c_int,
    ops::Range,
};

use parking_lot::Mutex;
use rusqlite::ffi;

/// One opening of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct User(u64);

#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    last_user: u64,
    /// How far each user has locked the file (SQLITE_LOCK_…), where it has.
    levels: BTreeMap<User, c_int>,
    slots: [Slot; ffi::SQLITE_SHM_NLOCK as usize],
    /// Whole words, so that they lie as SQLite's structures need it. What is mapped never moves.
    pages: Vec<Box<[u64]>>,
    mapped_by: BTreeSet<User>,
}

#[derive(Default)]
struct Slot {
    readers: BTreeSet<User>,
    writer: Option<User>,
}

impl Shared {
    pub(super) fn user(&self) -> User {
        let mut state = self.0.lock();
        state.last_user += 1;
        User(state.last_user)
    }

    /// Raises the user's lock to `level`; whether nobody is in the way.
    pub(super) fn lock(&self, user: User, level: c_int) -> bool {
        let mut state = self.0.lock();
        let others = state.levels.iter().filter(|(other, _)| **other != user);
        let highest = others.map(|(_, level)| *level).max().unwrap_or(0);
        let (granted, kept) = match level {
            ffi::SQLITE_LOCK_SHARED => (highest < ffi::SQLITE_LOCK_PENDING, None),
            ffi::SQLITE_LOCK_RESERVED => (highest < ffi::SQLITE_LOCK_RESERVED, None),
            // Who waits for readers to leave lets no new ones in.
            _ if highest >= ffi::SQLITE_LOCK_RESERVED => (false, None),
            _ => (
                highest == ffi::SQLITE_LOCK_NONE,
                Some(ffi::SQLITE_LOCK_PENDING),
            ),
        };
        let held = state.levels.entry(user).or_default();
        if granted {
            *held = level.max(*held);
        } else if let Some(kept) = kept {
            *held = kept.max(*held);
        }
        granted
    }

    /// Lowers it to `level`.
    pub(super) fn unlock(&self, user: User, level: c_int) {
        let mut state = self.0.lock();
        let held = state.levels.entry(user).or_default();
        *held = level.min(*held);
    }

    pub(super) fn is_reserved(&self) -> bool {
        let state = self.0.lock();
        let mut levels = state.levels.values();
        levels.any(|level| *level >= ffi::SQLITE_LOCK_RESERVED)
    }

    /// Takes or leaves the slots of the log's index as `flags` say; whether nobody is in the way.
    pub(super) fn lock_slots(&self, user: User, slots: Range<usize>, flags: c_int) -> bool {
        let mut state = self.0.lock();
        let Some(slots) = state.slots.get_mut(slots) else {
            return false;
        };
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            for slot in slots {
                slot.leave(user);
            }
            return true;
        }
        let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
        if slots.iter().any(|slot| !slot.is_free_for(user, exclusive)) {
            return false;
        }
        for slot in slots {
            if exclusive {
                slot.writer = Some(user);
            } else {
                slot.readers.insert(user);
            }
        }
        true
    }

    /// Where page `number` of `size` bytes begins; `None` when it is not there and not to be made.
    pub(super) fn map(
        &self,
        user: User,
        number: usize,
        size: usize,
        extend: bool,
    ) -> Option<*mut u64> {
        let mut state = self.0.lock();
        state.mapped_by.insert(user);
        while extend && state.pages.len() <= number {
            let page = vec![0; size.div_ceil(size_of::<u64>())];
            state.pages.push(page.into_boxed_slice());
        }
        state.pages.get_mut(number).map(|page| page.as_mut_ptr())
    }

    pub(super) fn unmap(&self, user: User) {
        let mut state = self.0.lock();
        for slot in &mut state.slots {
            slot.leave(user);
        }
        if state.mapped_by.remove(&user) && state.mapped_by.is_empty() {
            state.pages.clear();
        }
    }

    /// The user closes the file.
    pub(super) fn leave(&self, user: User) {
        self.unmap(user);
        self.0.lock().levels.remove(&user);
    }
}

impl Slot {
    fn is_free_for(&self, user: User, exclusive: bool) -> bool {
        let unwritten = self.writer.is_none_or(|writer| writer == user);
        unwritten && (!exclusive || self.readers.iter().all(|reader| *reader == user))
    }

    fn leave(&mut self, user: User) {
        self.readers.remove(&user);
        self.writer = self.writer.filter(|writer| *writer != user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_readers_lets_no_new_ones_in() {
        let shared = Shared::default();
        let [a, b, c] = [(); 3].map(|()| shared.user());
        assert!(shared.lock(a, ffi::SQLITE_LOCK_SHARED));
        assert!(shared.lock(b, ffi::SQLITE_LOCK_SHARED));
        assert!(shared.lock(a, ffi::SQLITE_LOCK_RESERVED));
        assert!(!shared.lock(b, ffi::SQLITE_LOCK_RESERVED));
        assert!(!shared.lock(a, ffi::SQLITE_LOCK_EXCLUSIVE));
        assert!(!shared.lock(c, ffi::SQLITE_LOCK_SHARED));
        shared.unlock(b, ffi::SQLITE_LOCK_NONE);
        assert!(shared.lock(a, ffi::SQLITE_LOCK_EXCLUSIVE));
        shared.unlock(a, ffi::SQLITE_LOCK_NONE);
        assert!(shared.lock(c, ffi::SQLITE_LOCK_SHARED));
    }

    #[test]
    fn slots_have_many_readers_or_one_writer() {
        let shared = Shared::default();
        let [a, b] = [(); 2].map(|()| shared.user());
        let take = ffi::SQLITE_SHM_LOCK;
        assert!(shared.lock_slots(a, 3..4, take | ffi::SQLITE_SHM_SHARED));
        assert!(shared.lock_slots(b, 3..4, take | ffi::SQLITE_SHM_SHARED));
        assert!(!shared.lock_slots(b, 0..8, take | ffi::SQLITE_SHM_EXCLUSIVE));
        shared.lock_slots(a, 3..4, ffi::SQLITE_SHM_UNLOCK);
        assert!(shared.lock_slots(b, 0..8, take | ffi::SQLITE_SHM_EXCLUSIVE));
        assert!(!shared.lock_slots(a, 7..8, take | ffi::SQLITE_SHM_SHARED));
    }

    #[test]
    fn memory_goes_with_its_last_user() {
        let shared = Shared::default();
        let [a, b] = [(); 2].map(|()| shared.user());
        assert!(shared.map(a, 0, 32, false).is_none());
        assert!(shared.map(a, 1, 32, true).is_some());
        assert!(shared.map(b, 1, 32, false).is_some());
        shared.unmap(a);
        assert!(shared.map(b, 0, 32, false).is_some());
        shared.leave(b);
        assert!(shared.map(a, 0, 32, false).is_none());
    }
}
