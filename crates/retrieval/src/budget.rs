//! What all sessions share: memory for message text, sessions of one identifier, maildrops.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use store::AccountId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A unit of [`Memory`], in octets.
const UNIT: u64 = 1024;
/// Text of at most so many octets is small: it has an eighth of the room for itself, so that nobody who takes a large
/// message slowly keeps others from ordinary mail.
const SMALL: u64 = 256 << 10;
/// One account may hold half of a pool: enough for the largest APPEND that the default settings permit.
const SHARE: u32 = 2;
/// Octets by which what a session holds of small and of large text grows at least.
const STEP_SMALL: u64 = 16 << 10;
const STEP_LARGE: u64 = 1 << 20;
/// Accounts that are remembered before those that hold nothing are forgotten.
const REMEMBERED: usize = 1024;

/// Room for message text, shared by all sessions.
///
/// There is a pool for small texts and one for large ones, and of each an account gets half at most: a reader that takes
/// its mail as slowly as [`Settings::minimum_rate`](crate::Settings::minimum_rate) permits holds up itself.
#[derive(Clone)]
pub(crate) struct Memory {
    small: Pool,
    large: Pool,
}

/// Room that is held until it is dropped.
pub(crate) struct Room {
    _of_account: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Room that grows with a result while it is gathered, and is held until it is dropped.
#[derive(Default)]
pub(crate) struct Holding {
    rooms: Vec<Room>,
    /// Units of the pool for small texts, and of that for large ones.
    small: u32,
    large: u32,
}

/// A result would be larger than all that its owner may hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Whose room it is; guests, who have not logged in, are one.
type Owner = Option<AccountId>;

#[derive(Clone)]
struct Pool {
    units: Arc<Semaphore>,
    share: u32,
    owners: Arc<Mutex<HashMap<Owner, Weak<Semaphore>>>>,
}

impl Memory {
    /// Room for `octets`.
    pub(crate) fn new(octets: u64) -> Self {
        Self {
            small: Pool::new(octets / 8),
            large: Pool::new(octets.saturating_sub(octets / 8)),
        }
    }

    /// Waits until there is room for `octets`. What is larger than the share of its owner gets all of that.
    ///
    /// A session must hold no room when it asks for more: two that wait for each other would wait for ever.
    pub(crate) async fn take(&self, owner: Owner, octets: u64) -> Option<Room> {
        let pool = if octets <= SMALL {
            &self.small
        } else {
            &self.large
        };
        pool.take(owner, octets).await
    }

    /// Waits until `holding` is room for `octets` in all. What is larger than the share of its owner is refused, since it would
    /// be waited for in vain. `Ok(false)` when the room is closed. May be cancelled without loss.
    ///
    /// It does hold room while it waits for more, so that whoever calls this has to give up in the end.
    pub(crate) async fn grow(
        &self,
        owner: Owner,
        holding: &mut Holding,
        octets: u64,
    ) -> Result<bool, TooLarge> {
        let Some((pool, units, is_small)) = self.next(holding, octets)? else {
            return Ok(true);
        };
        let Some(room) = pool.take_units(owner, units).await else {
            return Ok(false);
        };
        holding.rooms.push(room);
        let held = if is_small {
            &mut holding.small
        } else {
            &mut holding.large
        };
        *held = held.saturating_add(units);
        Ok(true)
    }

    /// What `holding` lacks of `octets`: of which pool, how many units, and whether that is the pool of small texts.
    fn next(&self, holding: &Holding, octets: u64) -> Result<Option<(&Pool, u32, bool)>, TooLarge> {
        let wanted = units(octets);
        let missing = wanted.saturating_sub(holding.small.saturating_add(holding.large));
        if missing == 0 {
            return Ok(None);
        }
        // Half of the small share, so that the texts of which the result is made find some.
        let most = (self.small.share / 2).min(units(SMALL));
        if holding.large == 0 && wanted <= most {
            let rest = most.saturating_sub(holding.small);
            return Ok(Some((
                &self.small,
                missing.max(units(STEP_SMALL)).min(rest),
                true,
            )));
        }
        let rest = self.large.share.saturating_sub(holding.large);
        if missing > rest {
            return Err(TooLarge);
        }
        Ok(Some((
            &self.large,
            missing.max(units(STEP_LARGE)).min(rest),
            false,
        )))
    }

    /// How much of `octets` can be taken beside `holding`: no more than the rest of the owner's share, for which it would wait in
    /// vain.
    pub(crate) fn beside(&self, holding: &Holding, octets: u64) -> u64 {
        let mut octets = octets;
        if octets > SMALL {
            octets = octets.min(self.large.rest(holding.large));
        }
        if octets <= SMALL {
            octets = octets.min(self.small.rest(holding.small));
        }
        octets
    }

    /// Room for `octets` if there is some now. Does not wait, so who asks may hold other room.
    pub(crate) fn take_now(&self, owner: Owner, octets: u64) -> Option<Room> {
        let pool = if octets <= SMALL {
            &self.small
        } else {
            &self.large
        };
        pool.take_now(owner, octets)
    }
}

impl Pool {
    fn new(octets: u64) -> Self {
        let total = u32::try_from(octets / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(total).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            share: (total / SHARE).max(1),
            owners: Arc::default(),
        }
    }

    async fn take(&self, owner: Owner, octets: u64) -> Option<Room> {
        self.take_units(owner, self.units_of(octets)).await
    }

    async fn take_units(&self, owner: Owner, units: u32) -> Option<Room> {
        // First of the owner's share, so that who waits for itself does not stand in the way of others.
        let of_account = self.share_of(owner).acquire_many_owned(units).await.ok()?;
        let of_all = Arc::clone(&self.units)
            .acquire_many_owned(units)
            .await
            .ok()?;
        Some(Room {
            _of_account: of_account,
            _of_all: of_all,
        })
    }

    fn take_now(&self, owner: Owner, octets: u64) -> Option<Room> {
        let units = self.units_of(octets);
        let of_account = self.share_of(owner).try_acquire_many_owned(units).ok()?;
        let of_all = Arc::clone(&self.units).try_acquire_many_owned(units).ok()?;
        Some(Room {
            _of_account: of_account,
            _of_all: of_all,
        })
    }

    fn units_of(&self, octets: u64) -> u32 {
        units(octets).min(self.share)
    }

    /// Octets that the owner of `held` units may take besides, by [`Pool::units_of`].
    fn rest(&self, held: u32) -> u64 {
        let rest = self.share.saturating_sub(held).saturating_sub(1);
        u64::from(rest).saturating_mul(UNIT)
    }

    /// The share of `owner`, which lives as long as somebody holds or awaits some of it.
    fn share_of(&self, owner: Owner) -> Arc<Semaphore> {
        let mut owners = self.owners.lock();
        if let Some(share) = owners.get(&owner).and_then(Weak::upgrade) {
            return share;
        }
        if owners.len() >= REMEMBERED {
            owners.retain(|_, share| share.strong_count() > 0);
        }
        let permits = usize::try_from(self.share).unwrap_or(Semaphore::MAX_PERMITS);
        let share = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        owners.insert(owner, Arc::downgrade(&share));
        share
    }
}

/// Units that `octets` take.
fn units(octets: u64) -> u32 {
    let units = u32::try_from(octets / UNIT).unwrap_or(u32::MAX);
    units.saturating_add(1)
}

/// Sessions of each account.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Counts>);

#[derive(Default)]
struct Counts {
    open: Mutex<HashMap<AccountId, usize>>,
    /// The last session of an account has ended.
    ended: Notify,
}

/// A session that is counted until this is dropped.
pub(crate) struct Counted {
    sessions: Sessions,
    account: AccountId,
}

impl Sessions {
    /// Counts one more session of `account`, unless there are `limit` already.
    pub(crate) fn enter(&self, account: AccountId, limit: usize) -> Option<Counted> {
        let mut counts = self.0.open.lock();
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

    /// Sessions of `account` now.
    pub(crate) fn count(&self, account: AccountId) -> usize {
        self.0.open.lock().get(&account).copied().unwrap_or(0)
    }

    /// Waits until `account` has no session.
    pub(crate) async fn ended(&self, account: AccountId) {
        loop {
            let mut ended = std::pin::pin!(self.0.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if self.count(account) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.sessions.0.open.lock();
        if let Some(count) = counts.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.account);
                self.sessions.0.ended.notify_waiters();
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
        let memory = Memory::new(16 << 20);
        let all = memory.take(None, 1 << 40).await.unwrap();
        assert_eq!(memory.large.units.available_permits(), 7 << 10);
        drop(all);
        let some = memory.take(None, 1024).await.unwrap();
        assert_eq!(memory.large.units.available_permits(), 14 << 10);
        assert_eq!(memory.small.units.available_permits(), (2 << 10) - 2);
        drop(some);
        assert_eq!(memory.small.units.available_permits(), 2 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_slowly_holds_up_itself_alone() {
        let patience = std::time::Duration::from_secs(1);
        let memory = Memory::new(16 << 20);
        let (slow, other) = (Some(AccountId(1)), Some(AccountId(2)));
        let held = memory.take(slow, 6 << 20).await.unwrap();
        let more = tokio::time::timeout(patience, memory.take(slow, 2 << 20)).await;
        assert!(more.is_err(), "one account has a share, and not all");
        assert!(
            memory.take(slow, 1024).await.is_some(),
            "small text waits for small text only"
        );
        assert!(memory.take(other, 6 << 20).await.is_some());
        drop(held);
        assert!(memory.take(slow, 2 << 20).await.is_some());
    }

    #[tokio::test]
    async fn a_result_grows_within_the_share_and_no_further() {
        let memory = Memory::new(16 << 20);
        let mut holding = Holding::default();
        for octets in [1, 100 << 10, 200 << 10, 3 << 20, 6 << 20] {
            assert_eq!(memory.grow(None, &mut holding, octets).await, Ok(true));
            let held = u64::from(holding.small + holding.large) * UNIT;
            assert!(held > octets, "{held} for {octets}");
        }
        let beside = memory.beside(&holding, 1 << 40);
        let now = memory.take_now(None, beside);
        assert!(now.is_some(), "{beside} beside what is held");
        drop(now);
        let more = memory.grow(None, &mut holding, 8 << 20).await;
        assert_eq!(more, Err(TooLarge));
        drop(holding);
        assert_eq!(memory.large.units.available_permits(), 14 << 10);
        assert_eq!(memory.small.units.available_permits(), 2 << 10);
    }

    #[test]
    fn counts_and_locks_end_with_their_holders() {
        let (sessions, maildrops, account) =
            (Sessions::default(), Maildrops::default(), AccountId(7));
        let first = sessions.enter(account, 1).unwrap();
        assert!(sessions.enter(account, 1).is_none());
        assert_eq!(sessions.count(account), 1);
        drop(first);
        assert!(sessions.enter(account, 1).is_some());
        let opened = maildrops.open(account).unwrap();
        assert!(maildrops.open(account).is_none());
        drop(opened);
        assert!(maildrops.open(account).is_some());
    }

    #[tokio::test]
    async fn the_end_of_the_last_session_is_waited_for() {
        let (sessions, account) = (Sessions::default(), AccountId(7));
        sessions.ended(account).await;
        let open = [(); 2].map(|()| sessions.enter(account, 9).unwrap());
        let other = sessions.enter(AccountId(8), 9);
        let waiting = tokio::spawn({
            let sessions = sessions.clone();
            async move { sessions.ended(account).await }
        });
        for one in open {
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            drop(one);
        }
        waiting.await.unwrap();
        drop(other);
    }
}
