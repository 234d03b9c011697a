//! The memory that messages on their way in may take, in all sessions together.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Octets of one unit of account.
const UNIT: u64 = 1024;
/// What a message takes at first, in units: most need no more.
const FIRST: u32 = 64;

/// A pool of octets. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    total: u32,
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
    /// A pool of `octets`, never below one message of `largest`.
    pub(crate) fn new(octets: u64, largest: u64) -> Self {
        let units = octets
            .max(largest)
            .div_ceil(UNIT)
            .saturating_add(u64::from(FIRST) * 2);
        let total = u32::try_from(units).unwrap_or(u32::MAX >> 4);
        let permits = usize::try_from(total)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(permits)),
            total,
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
        let needed = u32::try_from(octets.div_ceil(UNIT)).unwrap_or(u32::MAX);
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
