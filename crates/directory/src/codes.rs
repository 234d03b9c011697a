//! Wrong codes of second factors, beside a right password: whoever has the password must not try codes until one fits. Counted
//! for each account in this process; the wait grows to an hour, in which a thousandth of a thousandth of all codes can be tried.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use store::AccountId;
use tokio::time::Instant;

/// Wrong codes in a row that cost no wait.
const FREE: u32 = 5;
/// The wait after one more; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The counts of one process. Bounded by the accounts that have a second factor.
#[derive(Clone, Default)]
pub(crate) struct Codes {
    tried: Arc<Mutex<HashMap<AccountId, Tried>>>,
}

#[derive(Clone, Copy)]
struct Tried {
    in_a_row: u32,
    last: Instant,
}

impl Codes {
    /// Whether a code may be looked at now. It counts as wrong until [`right`](Self::right) is said, so that many at once
    /// are no way around.
    pub(crate) fn may_try(&self, account: AccountId) -> bool {
        let now = Instant::now();
        let mut tried = self.tried.lock();
        let entry = tried.entry(account).or_insert(Tried {
            in_a_row: 0,
            last: now,
        });
        if now.duration_since(entry.last) < wait_after(entry.in_a_row) {
            return false;
        }
        entry.in_a_row = entry.in_a_row.saturating_add(1);
        entry.last = now;
        true
    }

    /// The code was right.
    pub(crate) fn right(&self, account: AccountId) {
        self.tried.lock().remove(&account);
    }
}

fn wait_after(in_a_row: u32) -> Duration {
    match in_a_row.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn guessing_becomes_slow_and_a_right_code_ends_it() {
        let codes = Codes::default();
        let account = AccountId(10);
        let mut looked_at = 0;
        for _ in 0..24 * 60 {
            looked_at += usize::from(codes.may_try(account));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!((10..40).contains(&looked_at), "{looked_at} in a day");
        assert!(codes.may_try(AccountId(11)), "others are not held up");
        codes.right(account);
        assert!(codes.may_try(account));
    }
}
