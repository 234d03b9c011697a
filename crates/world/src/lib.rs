//! The world outside, as values that are handed in.
//!
//! A room that needs the time or randomness takes a [`World`]; none reads the system clock or the
//! system's generator by itself, or starts a thread by itself. So a whole server can run in a simulation where
//! time is fast and one seed gives one history. Waiting is done with `tokio::time`, which a simulation can also hold.
//!
//! ```
//! let world = world::World::system();
//! assert!(world.now().as_second() > 1_700_000_000);
//! ```

mod workers;

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use workers::{Claim, Workers};

pub use jiff::Timestamp;
pub use workers::{Panicked, Worker, here};

/// Tells the civil time. Implementations may go backwards, as system clocks do.
pub trait Clock: Send + Sync {
    /// The present instant, in UTC.
    fn now(&self) -> Timestamp;
}

/// Gives bytes that nobody can foresee (in production) or that a seed decides (in simulation).
pub trait Random: Send + Sync {
    /// Fills the whole of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The clock, the randomness and the threads of one server. Cheap to clone.
#[derive(Clone)]
pub struct World {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    workers: Workers,
}

impl World {
    /// The machine's own clock and random generator.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemClock, SystemRandom)
    }

    /// A world of one's own making, for tests and simulations.
    pub fn new(clock: impl Clock + 'static, random: impl Random + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            random: Arc::new(random),
            workers: Workers::Threads,
        }
    }

    /// The same world with one thread: what would have a thread of its own runs on the one that asks, or as a task
    /// of its runtime. For simulations, where nothing that blocks really blocks.
    #[must_use]
    pub fn on_one_thread(self) -> Self {
        Self {
            workers: Workers::OneThread,
            ..self
        }
    }

    /// Runs `work` where blocking is allowed.
    ///
    /// # Errors
    /// When it panics.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        self.workers.blocking(work).await
    }

    /// Starts `work`, which goes on beside everything else, on a thread called `name` where blocking is allowed.
    /// It may wait for time and for channels, not for sockets.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        &self,
        name: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Worker> {
        self.workers.start(name, Claim::Equal, work)
    }

    /// The same for work that nobody waits for: it, and what it has run where blocking is allowed, takes what the others
    /// leave of the processors.
    ///
    /// # Errors
    /// As [`World::start`].
    pub fn start_behind(
        &self,
        name: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Worker> {
        self.workers.start(name, Claim::Least, work)
    }

    /// The present instant, in UTC.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// Fills the whole of `bytes` with random bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    /// A random number below `bound` (0 when `bound` is 0). The bias is below 2⁻³².
    #[must_use]
    pub fn below(&self, bound: u32) -> u32 {
        let wide = u64::from_le_bytes(self.bytes());
        u32::try_from(wide % u64::from(bound.max(1))).unwrap_or_default()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // The operating system's generator cannot fail once seeded; a machine without one cannot
        // serve mail safely, so stopping is the only right answer.
        assert!(
            aws_lc_rs::rand::fill(bytes).is_ok(),
            "the system's random generator does not answer"
        );
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Clone, Default)]
pub struct ManualClock {
    microseconds: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self {
            microseconds: Arc::new(AtomicI64::new(start.as_microsecond())),
        }
    }

    /// Puts the clock back by `step`.
    pub fn put_back(&self, step: std::time::Duration) {
        let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
        self.microseconds.fetch_sub(step, Ordering::SeqCst);
    }

    /// Moves the clock on to `at`, unless it shows that or later already.
    pub fn advance_to(&self, at: Timestamp) {
        let microseconds = at.as_microsecond();
        self.microseconds.fetch_max(microseconds, Ordering::SeqCst);
    }

    /// Moves the clock on by `step`.
    pub fn advance(&self, step: std::time::Duration) {
        let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
        self.microseconds.fetch_add(step, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.microseconds.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
