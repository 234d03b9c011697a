//! The memory that messages on their way in may take, in all sessions together.
//!
//! A message is counted once while it is gathered. Compressing, encrypting and writing it hold up to two copies
//! more, and these are counted in a share of their own: who seals never waits for who gathers, so that what is
//! complete always gets through and gives its room back.
//!
//! However many messages grow at once, one of them can always become whole ([`rooms`]): the others wait, for so long as they may, and then
//! are put off.
//!
//! No address has more than a quarter of what there is to gather in, and the first octets of a message have a reserve
//! that nothing larger can use up: whoever fills the memory, and however slowly it empties, small mail goes on.

mod rooms;

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use rooms::{Asked, Rooms, Sizes};

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
/// The part of what a message can come to that there is beside it at the least, for others that grow.
const BESIDE_PART: u32 = 4;

/// A pool of octets. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    rooms: Arc<Mutex<Rooms>>,
    sealing: Arc<Semaphore>,
    most_sealing: u32,
}

/// Octets that one message holds; they go back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    peer: Option<IpAddr>,
    /// Its number, once it has asked for something.
    id: Option<u64>,
    /// What it is known to hold: it may be more, where whoever waited for that went away.
    units: u32,
}

/// A place among those who wait, until it is dropped.
struct Place<'r> {
    rooms: &'r Mutex<Rooms>,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.rooms.lock().leave(self.number);
    }
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
        let claim = units(largest).saturating_add(FIRST);
        // Who has begun and stays small must not keep the largest out.
        let least = claim.saturating_add(claim.div_euclid(BESIDE_PART));
        let common = gathering.saturating_sub(reserve).max(least);
        let most_sealing = units(sealing).saturating_add(FIRST * 2);
        let sizes = Sizes {
            claim,
            first: FIRST,
            common,
            reserve,
            share: common.div_euclid(ADDRESS_PART).max(least),
        };
        Self {
            rooms: Arc::new(Mutex::new(Rooms::new(sizes))),
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
        Held {
            memory: self.clone(),
            peer: peer.map(wire::network_of),
            id: None,
            units: 0,
        }
    }
}

impl Held {
    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.units = 0;
        if let Some(id) = self.id.take() {
            self.memory.rooms.lock().release(id);
        }
    }

    /// The message is whole: it asks for no more, and what it holds will be there for others.
    pub(crate) fn complete(&self) {
        if let Some(id) = self.id {
            self.memory.rooms.lock().complete(id);
        }
    }

    /// Makes sure that `octets` are held, waiting up to `patience` while others hold them. Room grows by
    /// doubling, so that what a session holds is bounded by what its client really sent, whatever it declared.
    ///
    /// # Errors
    /// [`Exhausted`] after `patience`: while the largest becomes whole, the others wait so long at most.
    pub(crate) async fn grow_to(
        &mut self,
        octets: u64,
        patience: Duration,
    ) -> Result<(), Exhausted> {
        let needed = units(octets);
        if needed <= self.units {
            return Ok(());
        }
        let rooms = &self.memory.rooms;
        let (id, asked) = {
            let mut rooms = rooms.lock();
            let id = *self.id.get_or_insert_with(|| rooms.enter(self.peer));
            (id, rooms.ask(id, needed))
        };
        self.units = match asked {
            Asked::Has(units) => units,
            Asked::Waits(number, told) => {
                let place = Place { rooms, number };
                // What is held then tells whether it came in time.
                let _heard = tokio::time::timeout(patience, told).await;
                drop(place);
                rooms.lock().held(id)
            }
        };
        match needed <= self.units {
            true => Ok(()),
            false => Err(Exhausted),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
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
        let (all, reserve) = memory.rooms.lock().left();
        large.grow_to(u64::from(all) * UNIT, second).await.unwrap();
        let mut small = memory.hold(ONE);
        small.grow_to(60_000, Duration::ZERO).await.unwrap();
        assert_eq!(small.grow_to(70_000, second).await, Err(Exhausted));
        // What grows leaves the reserve.
        assert_eq!(memory.rooms.lock().left(), (0, reserve - FIRST));
        drop(large);
        small.grow_to(70_000, second).await.unwrap();
        assert_eq!(memory.rooms.lock().left().1, reserve);
        drop(small);
        assert_eq!(memory.rooms.lock().left(), (all, reserve));
    }

    #[tokio::test(start_paused = true)]
    async fn shares_of_those_who_left_are_forgotten() {
        let memory = Memory::new(48 << 20, 1 << 20);
        for n in 0..5000 {
            let mut one = memory.hold(Some(std::net::Ipv4Addr::from_bits(n).into()));
            one.grow_to(1, Duration::ZERO).await.unwrap();
        }
        assert_eq!(memory.rooms.lock().addresses(), 0);
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

    const PATIENCE: Duration = Duration::from_secs(20);
    const SENDERS: u8 = 100;

    /// A message of a megabyte, in pieces as its client sends it, again as long as it is put off.
    async fn bring(memory: Memory, peer: Option<IpAddr>) {
        const PIECE: u64 = 1 << 14;
        'again: loop {
            let mut held = memory.hold(peer);
            for pieces in 1..=64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if held.grow_to(pieces * PIECE, PATIENCE).await.is_err() {
                    drop(held);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue 'again;
                }
            }
            held.complete();
            // It is looked into, and written.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return;
        }
    }

    /// How long it takes until all have come, in a memory that has room for five.
    async fn until_all_came(peer: impl Fn(u8) -> Option<IpAddr>) -> Duration {
        let memory = Memory::new(8 << 20, 1 << 20);
        let before = memory.rooms.lock().left();
        let began = tokio::time::Instant::now();
        let mut bringing = tokio::task::JoinSet::new();
        for n in 0..SENDERS {
            bringing.spawn(bring(memory.clone(), peer(n)));
        }
        bringing.join_all().await;
        assert_eq!(memory.rooms.lock().left(), before);
        began.elapsed()
    }

    /// If each got a part and waited for more, all would be put off together, again and again.
    #[tokio::test(start_paused = true)]
    async fn of_many_that_grow_at_once_one_after_another_becomes_whole() {
        let apart = |n| Some(IpAddr::from([192, 0, 2, n]));
        let took = until_all_came(apart).await;
        assert!(took < Duration::from_secs(60), "{took:?}");
    }

    /// In the share of one address it is the same.
    #[tokio::test(start_paused = true)]
    async fn of_many_of_one_address_one_after_another_becomes_whole() {
        let took = until_all_came(|_| ONE).await;
        assert!(took < Duration::from_secs(60), "{took:?}");
    }

    /// Who begins and sends no more keeps nobody else from becoming whole.
    #[tokio::test(start_paused = true)]
    async fn who_stops_in_the_middle_stops_nobody_else() {
        let memory = Memory::new(0, 1 << 20);
        let mut slow = memory.hold(OTHER);
        slow.grow_to(100_000, Duration::ZERO).await.unwrap();
        for n in 10..20 {
            bring(memory.clone(), Some(IpAddr::from([192, 0, 2, n]))).await;
        }
        slow.grow_to(1 << 20, Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_no_more_leaves_no_place_behind() {
        let memory = Memory::new(0, 1 << 20);
        let mut first = memory.hold(ONE);
        first.grow_to(1 << 20, Duration::ZERO).await.unwrap();
        let mut second = memory.hold(OTHER);
        assert_eq!(second.grow_to(1 << 20, PATIENCE).await, Err(Exhausted));
        let before = memory.rooms.lock().left();
        drop(first);
        // Nobody takes what is there for whoever went away.
        assert_eq!(memory.rooms.lock().left().0, before.0 + 1024);
        second.grow_to(1 << 20, Duration::ZERO).await.unwrap();
    }
}
