//! The memory that messages on their way in may take, in all sessions together.
//!
//! A message is counted once while it is gathered. Compressing, encrypting and writing it hold up to two copies
//! more, and these are counted in a share of their own: who seals never waits for who gathers, so that what is
//! complete always gets through and gives its room back.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Octets of one unit of account.
const UNIT: u64 = 1024;
/// What a message takes at first, in units: most need no more.
const FIRST: u32 = 64;

/// Copies of a message that sealing holds at its worst beside the message itself.
const COPIES: u64 = 2;
/// The part of all memory that is for sealing.
const PART: u64 = 3;

/// A pool of octets. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    total: u32,
    sealing: Arc<Semaphore>,
    most_sealing: u32,
}

/// Octets that one message holds; they go back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    units: u32,
}

/// The pool stayed exhausted for as long as a session may wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Memory {
    /// A pool of `octets`, never below what one message of `largest` takes from beginning to end.
    pub(crate) fn new(octets: u64, largest: u64) -> Self {
        let sealing = octets.div_euclid(PART).max(largest.saturating_mul(COPIES));
        let gathering = octets.saturating_sub(sealing).max(largest);
        let total = units(gathering).saturating_add(FIRST * 2);
        let most_sealing = units(sealing).saturating_add(FIRST * 2);
        Self {
            units: Arc::new(Semaphore::new(permits(total))),
            total,
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

    /// Room of nothing yet.
    pub(crate) fn hold(&self) -> Held {
        Held {
            memory: self.clone(),
            permit: None,
            units: 0,
        }
    }
}

impl Held {
    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.permit = None;
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
            .min(self.memory.total.max(needed));
        let more = target.saturating_sub(self.units);
        let waiting = Arc::clone(&self.memory.units).acquire_many_owned(more);
        match tokio::time::timeout(patience, waiting).await {
            Ok(Ok(permit)) => {
                match &mut self.permit {
                    Some(held) => held.merge(permit),
                    None => self.permit = Some(permit),
                }
                self.units = target;
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(Exhausted),
        }
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
        let mut first = memory.hold();
        first
            .grow_to(1 << 20, Duration::from_secs(1))
            .await
            .unwrap();
        let mut second = memory.hold();
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
        let mut gathered = memory.hold();
        gathered.grow_to(4 << 20, second).await.unwrap();
        assert!(memory.hold().grow_to(1 << 20, second).await.is_err());
        let first = memory.to_seal(1 << 20, second).await.unwrap();
        assert!(memory.to_seal(1 << 20, second).await.is_err());
        drop(first);
        drop(memory.to_seal(1 << 20, second).await.unwrap());
        // The largest there may be has its room in the smallest pool.
        let smallest = Memory::new(0, 50 << 20);
        drop(smallest.to_seal(50 << 20, second).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_what_another_gives_back() {
        let memory = Memory::new(1 << 20, 1 << 20);
        let mut first = memory.hold();
        first
            .grow_to(1 << 20, Duration::from_secs(1))
            .await
            .unwrap();
        let mut second = memory.hold();
        let waiting =
            tokio::spawn(async move { second.grow_to(1 << 20, Duration::from_secs(60)).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
