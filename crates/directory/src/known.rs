//! Where mail for lately asked addresses goes, remembered until anything in the directory changes: each RCPT asks.

use std::{collections::HashMap, mem};

use message::address::Address;
use parking_lot::Mutex;
use store::{Store, Topic};
use tokio::sync::watch;

use crate::Resolution;

/// Addresses that are remembered at most; those asked for lately are forgotten last.
const MOST_ADDRESSES: usize = 16_384;

/// The remembered addresses of one process.
pub(crate) struct Known {
    changes: watch::Receiver<u64>,
    addresses: Mutex<Addresses>,
}

/// How many changes the directory had seen, and which settings it had, when something was read. What was read then
/// is remembered only if that is still so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    changes: u64,
    reloads: u64,
}

#[derive(Default)]
struct Addresses {
    /// When all of them held.
    at: Moment,
    /// Settings taken so far.
    reloads: u64,
    /// Asked for since `older` was made.
    newer: HashMap<Address, Resolution>,
    older: HashMap<Address, Resolution>,
}

impl Known {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            changes: store.watch(Topic::Directory),
            addresses: Mutex::default(),
        }
    }

    /// Now. To be asked before the store is.
    pub(crate) fn moment(&self) -> Moment {
        self.moment_of(&self.addresses.lock())
    }

    /// What was found out about `address`, if it still holds.
    pub(crate) fn get(&self, address: &Address) -> Option<Resolution> {
        let addresses = &mut *self.addresses.lock();
        if addresses.at != self.moment_of(addresses) {
            return None;
        }
        if let Some(found) = addresses.newer.get(address) {
            return Some(found.clone());
        }
        let (address, found) = addresses.older.remove_entry(address)?;
        addresses.insert(address, found.clone());
        Some(found)
    }

    /// Remembers what was read after `moment`.
    pub(crate) fn remember(&self, moment: Moment, address: Address, found: Resolution) {
        let addresses = &mut *self.addresses.lock();
        if moment != self.moment_of(addresses) {
            return;
        }
        if addresses.at != moment {
            addresses.at = moment;
            addresses.newer.clear();
            addresses.older.clear();
        }
        addresses.insert(address, found);
    }

    /// Forgets everything: other settings hold from now on.
    pub(crate) fn forget(&self) {
        self.addresses.lock().reloads += 1;
    }

    fn moment_of(&self, addresses: &Addresses) -> Moment {
        Moment {
            changes: *self.changes.borrow(),
            reloads: addresses.reloads,
        }
    }
}

impl Addresses {
    fn insert(&mut self, address: Address, found: Resolution) {
        if self.newer.len() >= MOST_ADDRESSES / 2 {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(address, found);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use store::Options;
    use world::World;

    use super::*;

    fn address(number: usize) -> Address {
        Address::parse(&format!("a{number}@example.jp")).unwrap()
    }

    async fn change(store: &Store) {
        let event = trail::Event::new(trail::Kind::CommandGiven, trail::Actor::System);
        let work = move |tx: &mut store::Tx<'_>| {
            tx.touch(Topic::Directory);
            tx.record(&event, ())
        };
        store.commit(Vec::new(), work).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_or_other_settings_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Options::default(), World::system()).unwrap();
        let known = Known::new(&store);
        let keep = || known.remember(known.moment(), address(1), Resolution::Foreign);
        keep();
        assert_eq!(known.get(&address(1)), Some(Resolution::Foreign));
        assert_eq!(known.get(&address(2)), None);
        change(&store).await;
        assert_eq!(known.get(&address(1)), None);
        keep();
        known.forget();
        assert_eq!(known.get(&address(1)), None);
        // Read before a change, told after it.
        let before = known.moment();
        change(&store).await;
        known.remember(before, address(1), Resolution::Foreign);
        assert_eq!(known.get(&address(1)), None);
    }

    #[tokio::test]
    async fn as_many_as_it_says_and_the_latest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Options::default(), World::system()).unwrap();
        let known = Known::new(&store);
        for number in 0..MOST_ADDRESSES * 2 {
            known.remember(known.moment(), address(number), Resolution::Unknown);
            assert!(known.get(&address(0)).is_some(), "after {number}");
        }
        let kept = (0..MOST_ADDRESSES * 2).filter(|n| known.get(&address(*n)).is_some());
        assert!(kept.count() <= MOST_ADDRESSES);
    }
}
