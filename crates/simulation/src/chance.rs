//! Chance that a seed decides.

use std::sync::Arc;

use parking_lot::Mutex;

/// A source of chance. Clones draw from the same source, so that one seed gives one history.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<fastrand::Rng>>);

impl Chance {
    /// The chance that `seed` gives.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A source of its own, for a part whose draws must not depend on those of others.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().fork())))
    }

    /// A number below `bound`; 0 when `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        self.0.lock().u64(0..bound)
    }

    /// The same for places in memory.
    #[must_use]
    pub fn index(&self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    /// True once in `times` draws.
    #[must_use]
    pub fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `these`, which is not empty.
    pub fn pick<'a, T>(&self, these: &'a [T]) -> Option<&'a T> {
        these.get(self.index(these.len()))
    }
}

impl world::Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill(bytes);
    }
}
