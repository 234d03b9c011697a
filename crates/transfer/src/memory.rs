//! The memory that messages on their way in may take, in all sessions together.
//!
//! A message is counted once while it is gathered. Compressing, encrypting and writing it hold up to two copies
//! more, and these are counted in a share of their own: who seals never waits for who gathers, so that what is
//! complete always gets through and gives its room back.
//!
//! No address has more than a quarter of what there is to gather in, and the first octets of a message have a reserve
//! that nothing larger can use up: whoever fills the memory, and however slowly it empties, small mail goes on.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Octets of one unit of account.
const UNIT: u64 = 1024;
/// What a message takes at first, in units: most need no more.
const FIRST: u32 = 64;

/// Copies of a message that sealing holds at its worst beside the message itself.
const COPIES: u64 = 2;
/// The part of all memory that is for sealing.
const PART: u64 = 3;
/// The part of the room for gathering that one address may have.
const ADDRESS_PART: u32 = 4;
/// The part of it that is kept for the first octets of messages.
const RESERVE_PART: u32 = 16;
/// Addresses that are remembered before those without a session are forgotten.
const FORGET_AT: usize = 4096;

/// A pool of octets. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    total: u32,
    /// For the first octets of messages that find no room elsewhere.
    reserve: Arc<Semaphore>,
    /// What each address with a session may have.
    shares: Arc<Mutex<HashMap<IpAddr, Weak<Semaphore>>>>,
    share: u32,
    sealing: Arc<Semaphore>,
    most_sealing: u32,
}

/// Octets that one message holds; they go back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    share: Arc<Semaphore>,
    /// The most that it can hold.
    most: u32,
    room: Room,
    units: u32,
}

/// Where the octets are counted.
#[derive(Debug, Default)]
struct Room {
    share: Option<OwnedSemaphorePermit>,
    common: Option<OwnedSemaphorePermit>,
    reserve: Option<OwnedSemaphorePermit>,
}

/// The pool stayed exhausted for as long as a session may wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Memory {
    /// A pool of `octets`, never below what one message of `largest` takes from beginning to end.
    pub(crate) fn new(octets: u64, largest: u64) -> Self {
        let sealing = octets.div_euclid(PART).max(largest.saturating_mul(COPIES));
        let gathering = octets.saturating_sub(sealing).max(largest);
        let gathering = units(gathering).saturating_add(FIRST * 2);
        let reserve = gathering.div_euclid(RESERVE_PART).max(FIRST);
        let total = gathering
            .saturating_sub(reserve)
            .max(units(largest).saturating_add(FIRST));
        let share = total
            .div_euclid(ADDRESS_PART)
            .max(units(largest).saturating_add(FIRST));
        let most_sealing = units(sealing).saturating_add(FIRST * 2);
        Self {
            units: Arc::new(Semaphore::new(permits(total))),
            total,
            reserve: Arc::new(Semaphore::new(permits(reserve))),
            shares: Arc::default(),
            share,
            sealing: Arc::new(Semaphore::new(permits(most_sealing))),
            most_sealing,
        }
    }

    /// Room for the copies that sealing a message of `octets` makes, waiting up to `patience` for it.
    ///
    /// # Errors
    /// [`Exhausted`] after `patience`.
    pub(crate) async fn to_seal(
        &self,
        octets: u64,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, Exhausted> {
        let wanted = units(octets.saturating_mul(COPIES)).clamp(1, self.most_sealing);
        let waiting = Arc::clone(&self.sealing).acquire_many_owned(wanted);
        match tokio::time::timeout(patience, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Exhausted),
        }
    }

    /// Room of nothing yet, for messages from this address (for IPv6: its /64); without one, nothing but the whole
    /// pool bounds it.
    pub(crate) fn hold(&self, peer: Option<IpAddr>) -> Held {
        let (share, most) = match peer {
            Some(peer) => (self.share_of(wire::network_of(peer)), self.share),
            None => (Arc::new(Semaphore::new(permits(self.total))), self.total),
        };
        Held {
            memory: self.clone(),
            share,
            most,
            room: Room::default(),
            units: 0,
        }
    }

    fn share_of(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(&address).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= FORGET_AT {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(permits(self.share)));
        shares.insert(address, Arc::downgrade(&share));
        share
    }
}

impl Held {
    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.room = Room::default();
        self.units = 0;
    }

    /// Makes sure that `octets` are held, waiting up to `patience` while others hold them. Room grows by
    /// doubling, so that what a session holds is bounded by what its client really sent, whatever it declared.
    ///
    /// # Errors
    /// [`Exhausted`] after `patience`: sessions that all wait for more must not wait for ever.
    pub(crate) async fn grow_to(
        &mut self,
        octets: u64,
        patience: Duration,
    ) -> Result<(), Exhausted> {
        let needed = units(octets);
        if needed <= self.units {
            return Ok(());
        }
        let target = needed
            .max(self.units.saturating_mul(2))
            .max(FIRST)
            .min(self.most.max(needed));
        match tokio::time::timeout(patience, self.wait_for(target)).await {
            Ok(Some(())) => {
                self.units = target;
                Ok(())
            }
            Ok(None) | Err(_) => Err(Exhausted),
        }
    }

    /// The address's own share first: who waits for that stands in nobody's way. `None` when the pool is closed,
    /// which never is.
    async fn wait_for(&mut self, target: u32) -> Option<()> {
        let more = target.saturating_sub(self.units);
        let share = Arc::clone(&self.share)
            .acquire_many_owned(more)
            .await
            .ok()?;
        if self.units == 0 && target <= FIRST {
            let common = Arc::clone(&self.memory.units).try_acquire_many_owned(target);
            if let Ok(permit) = common {
                self.room.common = Some(permit);
            } else {
                let reserve = Arc::clone(&self.memory.reserve);
                self.room.reserve = Some(reserve.acquire_many_owned(target).await.ok()?);
            }
        } else {
            // What grows gives the reserve back to those that are small.
            let of_common = match &self.room.reserve {
                Some(_) => target,
                None => more,
            };
            let common = Arc::clone(&self.memory.units);
            let permit = common.acquire_many_owned(of_common).await.ok()?;
            merge(&mut self.room.common, permit);
            self.room.reserve = None;
        }
        merge(&mut self.room.share, share);
        Some(())
    }
}

fn merge(place: &mut Option<OwnedSemaphorePermit>, permit: OwnedSemaphorePermit) {
    match place {
        Some(held) => held.merge(permit),
        None => *place = Some(permit),
    }
}

fn units(octets: u64) -> u32 {
    u32::try_from(octets.div_ceil(UNIT)).unwrap_or(u32::MAX >> 4)
}

fn permits(units: u32) -> usize {
    usize::try_from(units)
        .unwrap_or(Semaphore::MAX_PERMITS)
        .min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_comes_back() {
        let memory = Memory::new(1 << 20, 1 << 20);
        let mut first = memory.hold(None);
        first
            .grow_to(1 << 20, Duration::from_secs(1))
            .await
            .unwrap();
        let mut second = memory.hold(None);
        assert!(
            second
                .grow_to(1 << 19, Duration::from_secs(1))
                .await
                .is_err()
        );
        drop(first);
        second
            .grow_to(1 << 19, Duration::from_secs(1))
            .await
            .unwrap();
        second
            .grow_to(1 << 10, Duration::from_secs(1))
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_copies_of_sealing_are_counted_and_never_wait_for_those_who_gather() {
        let second = Duration::from_secs(1);
        let memory = Memory::new(6 << 20, 1 << 20);
        let mut gathered = memory.hold(None);
        gathered.grow_to(3 << 20, second).await.unwrap();
        assert!(memory.hold(None).grow_to(1 << 20, second).await.is_err());
        let first = memory.to_seal(1 << 20, second).await.unwrap();
        assert!(memory.to_seal(1 << 20, second).await.is_err());
        drop(first);
        drop(memory.to_seal(1 << 20, second).await.unwrap());
        // The largest there may be has its room in the smallest pool.
        let smallest = Memory::new(0, 50 << 20);
        drop(smallest.to_seal(50 << 20, second).await.unwrap());
    }

    const ONE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    #[tokio::test(start_paused = true)]
    async fn no_address_has_more_than_its_share() {
        let second = Duration::from_secs(1);
        let memory = Memory::new(48 << 20, 1 << 20);
        let mut held = Vec::new();
        loop {
            let mut one = memory.hold(ONE);
            if one.grow_to(1 << 20, second).await.is_err() {
                break;
            }
            held.push(one);
        }
        assert!((6..=8).contains(&held.len()), "{}", held.len());
        let mut other = memory.hold(OTHER);
        other.grow_to(1 << 20, second).await.unwrap();
        held.clear();
        let mut again = memory.hold(ONE);
        again.grow_to(1 << 20, second).await.unwrap();
        // An own exchange server brings the mail of all others.
        let mut trusted = memory.hold(None);
        trusted.grow_to(20 << 20, second).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_small_never_waits_for_what_is_large() {
        let second = Duration::from_secs(1);
        let memory = Memory::new(48 << 20, 1 << 20);
        let mut large = memory.hold(None);
        large
            .grow_to(u64::from(memory.total) * UNIT, second)
            .await
            .unwrap();
        let mut small = memory.hold(ONE);
        small.grow_to(60_000, Duration::ZERO).await.unwrap();
        assert_eq!(small.grow_to(70_000, second).await, Err(Exhausted));
        // What grows leaves the reserve.
        let before = memory.reserve.available_permits();
        drop(large);
        small.grow_to(70_000, second).await.unwrap();
        assert_eq!(memory.reserve.available_permits(), before + 64);
        drop(small);
        let total = usize::try_from(memory.total).unwrap();
        assert_eq!(memory.units.available_permits(), total);
    }

    #[tokio::test(start_paused = true)]
    async fn shares_of_those_who_left_are_forgotten() {
        let memory = Memory::new(48 << 20, 1 << 20);
        for n in 0..=u32::try_from(FORGET_AT).unwrap() {
            drop(memory.hold(Some(std::net::Ipv4Addr::from_bits(n).into())));
        }
        assert_eq!(memory.shares.lock().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_what_another_gives_back() {
        let memory = Memory::new(1 << 20, 1 << 20);
        let mut first = memory.hold(None);
        first
            .grow_to(1 << 20, Duration::from_secs(1))
            .await
            .unwrap();
        let mut second = memory.hold(None);
        let waiting =
            tokio::spawn(async move { second.grow_to(1 << 20, Duration::from_secs(60)).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
