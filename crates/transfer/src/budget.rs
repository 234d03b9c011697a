//! What mail without a sender may use: bounces have a share of their own, so that a flood of them leaves normal mail its share
//! (clause 5.5(3)).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Limits;

/// The budget of all sessions together.
#[derive(Clone, Default)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    meter: Mutex<Meter>,
}

/// So many a minute. As many as come in a minute at most may come at once (GCRA, as in ITU-T I.371).
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// When the next would be on time, if they came evenly.
    next: Option<Instant>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Meter {
    /// Takes one; `false`: there is none now.
    pub(crate) fn take(&mut self, per_minute: u32, now: Instant) -> bool {
        self.take_of(per_minute, MINUTE, now)
    }

    /// The same of so many in another time.
    pub(crate) fn take_of(&mut self, count: u32, time: Duration, now: Instant) -> bool {
        let due = self.due(count, time, now);
        self.next = due.or(self.next);
        due.is_some()
    }

    /// Whether there is one now.
    pub(crate) fn has_room(&self, count: u32, time: Duration, now: Instant) -> bool {
        self.due(count, time, now).is_some()
    }

    /// When the next would be on time if one were taken; `None`: there is none now.
    fn due(&self, count: u32, time: Duration, now: Instant) -> Option<Instant> {
        let each = time.checked_div(count)?;
        let next = self.next.map_or(now, |next| next.max(now));
        let due = next.checked_add(each)?;
        (due.saturating_duration_since(now) <= time).then_some(due)
    }

    /// Gives `count` back.
    pub(crate) fn give(&mut self, per_minute: u32, count: u32) {
        let each = MINUTE.checked_div(per_minute).unwrap_or_default();
        let next = self.next;
        self.next = next.and_then(|next| next.checked_sub(each.saturating_mul(count)));
    }

    /// How long until all of it has come back.
    pub(crate) fn owes(&self, now: Instant) -> Duration {
        self.next
            .map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }
}

/// One transaction that the budget has room for, until it is dropped.
pub(crate) struct Pass {
    shared: Arc<Shared>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Budget {
    /// Room for one more transaction without a sender; `None` when there is none now.
    pub(crate) fn enter(&self, limits: &Limits, now: Instant) -> Option<Pass> {
        let most = limits.null_sender_transactions;
        let add = |open: usize| (open < most).then(|| open.saturating_add(1));
        let open = &self.shared.open;
        open.fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .ok()?;
        let pass = Pass {
            shared: Arc::clone(&self.shared),
        };
        let mut meter = self.shared.meter.lock();
        meter
            .take(limits.null_senders_per_minute, now)
            .then_some(pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_so_many_a_minute() {
        let budget = Budget::default();
        let limits = Limits {
            null_sender_transactions: 3,
            null_senders_per_minute: 60,
            ..Limits::default()
        };
        let now = Instant::now();
        let mut open: Vec<Pass> = (0..3).filter_map(|_| budget.enter(&limits, now)).collect();
        assert_eq!(open.len(), 3);
        assert!(budget.enter(&limits, now).is_none(), "at once");
        open.clear();
        let came = (0..100)
            .filter(|_| budget.enter(&limits, now).is_some())
            .count();
        assert_eq!(came, 57, "in a minute");
        let later = now + Duration::from_secs(10);
        let came = (0..100)
            .filter(|_| budget.enter(&limits, later).is_some())
            .count();
        assert_eq!(came, 10, "as many as seconds have passed");
        let none = Limits {
            null_senders_per_minute: 0,
            ..limits
        };
        assert!(
            budget
                .enter(&none, later + Duration::from_secs(1000))
                .is_none()
        );
        assert_eq!(budget.shared.open.load(Ordering::Acquire), 0);
    }
}
