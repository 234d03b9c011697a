//! What all sessions share: memory for message text, sessions of one identifier, maildrops.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use store::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A unit of [`Memory`], in octets.
const UNIT: u64 = 1024;

/// Room for message text, shared by all sessions.
#[derive(Clone)]
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    total: u32,
}

/// Room that is held until it is dropped.
pub(crate) type Room = OwnedSemaphorePermit;

impl Memory {
    /// Room for `octets`.
    pub(crate) fn new(octets: u64) -> Self {
        let total = u32::try_from(octets / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(total).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            total,
        }
    }

    /// Waits until there is room for `octets`. What is larger than all the room together gets all of it.
    ///
    /// A session must hold no room when it asks for more: two that wait for each other would wait for ever.
    pub(crate) async fn take(&self, octets: u64) -> Option<Room> {
        let units = u32::try_from(octets / UNIT).unwrap_or(u32::MAX);
        let units = units.saturating_add(1).min(self.total);
        Arc::clone(&self.units).acquire_many_owned(units).await.ok()
    }
}

/// Sessions of each account.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<AccountId, usize>>>);

/// A session that is counted until this is dropped.
pub(crate) struct Counted {
    sessions: Sessions,
    account: AccountId,
}

impl Sessions {
    /// Counts one more session of `account`, unless there are `limit` already.
    pub(crate) fn enter(&self, account: AccountId, limit: usize) -> Option<Counted> {
        let mut counts = self.0.lock();
        let count = counts.entry(account).or_default();
        if *count >= limit {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Counted {
            sessions: self.clone(),
            account,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.sessions.0.lock();
        if let Some(count) = counts.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}

/// Maildrops that a POP3 session has open (RFC 1939, section 4: exclusive access).
#[derive(Clone, Default)]
pub(crate) struct Maildrops(Arc<Mutex<HashSet<AccountId>>>);

/// An open maildrop; dropping it lets the next session in.
pub(crate) struct Opened {
    maildrops: Maildrops,
    account: AccountId,
}

impl Maildrops {
    /// Opens the maildrop, unless another session has.
    pub(crate) fn open(&self, account: AccountId) -> Option<Opened> {
        self.0.lock().insert(account).then(|| Opened {
            maildrops: self.clone(),
            account,
        })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.maildrops.0.lock().remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn room_comes_back_and_nothing_is_too_large() {
        let memory = Memory::new(10 << 10);
        let all = memory.take(1 << 40).await.unwrap();
        assert_eq!(memory.units.available_permits(), 0);
        drop(all);
        let some = memory.take(1024).await.unwrap();
        assert_eq!(memory.units.available_permits(), 8);
        drop(some);
    }

    #[test]
    fn counts_and_locks_end_with_their_holders() {
        let (sessions, maildrops, account) =
            (Sessions::default(), Maildrops::default(), AccountId(7));
        let first = sessions.enter(account, 1).unwrap();
        assert!(sessions.enter(account, 1).is_none());
        drop(first);
        assert!(sessions.enter(account, 1).is_some());
        let opened = maildrops.open(account).unwrap();
        assert!(maildrops.open(account).is_none());
        drop(opened);
        assert!(maildrops.open(account).is_some());
    }
}
