//! SCRAM exchanges under way: which generation of an account's secrets each began with.
//!
//! The proof of an exchange says that the client knew the password of that generation. When the password was
//! changed in between, the exchange must not end in a login.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use store::AccountId;
use tokio::time::Instant;

/// An exchange that takes longer than this has to begin again.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(120);
/// Accounts with exchanges under way that are remembered; more means that old ones begin again.
const MOST_ACCOUNTS: usize = 16_384;

/// The exchanges of one process.
#[derive(Clone, Default)]
pub(crate) struct Exchanges {
    under_way: Arc<Mutex<HashMap<AccountId, Vec<Begun>>>>,
}

struct Begun {
    generation: i64,
    count: u32,
    last: Instant,
}

impl Exchanges {
    /// Secrets of that generation were handed out.
    pub(crate) fn begin(&self, account: AccountId, generation: i64) {
        let now = Instant::now();
        let mut under_way = self.under_way.lock();
        if under_way.len() >= MOST_ACCOUNTS && !under_way.contains_key(&account) {
            under_way.retain(|_, begun| begun.iter().any(Begun::is_fresh));
            if under_way.len() >= MOST_ACCOUNTS {
                under_way.clear();
            }
        }
        let begun = under_way.entry(account).or_default();
        begun.retain(Begun::is_fresh);
        match begun.iter_mut().find(|b| b.generation == generation) {
            Some(b) => {
                b.count = b.count.saturating_add(1);
                b.last = now;
            }
            None => begun.push(Begun {
                generation,
                count: 1,
                last: now,
            }),
        }
    }

    /// An exchange of the account ended while `generation` holds. `false` when it may have begun with another
    /// generation: nobody can tell whose end it is, so the oldest that is out of date is taken for it.
    pub(crate) fn end(&self, account: AccountId, generation: i64) -> bool {
        let mut under_way = self.under_way.lock();
        let Some(begun) = under_way.get_mut(&account) else {
            return false;
        };
        begun.retain(Begun::is_fresh);
        let stale = begun.iter().position(|b| b.generation != generation);
        let ended = stale.or_else(|| begun.iter().position(|b| b.generation == generation));
        if let Some(b) = ended.and_then(|at| begun.get_mut(at)) {
            b.count = b.count.saturating_sub(1);
        }
        begun.retain(|b| b.count > 0);
        if begun.is_empty() {
            under_way.remove(&account);
        }
        stale.is_none() && ended.is_some()
    }
}

impl Begun {
    fn is_fresh(&self) -> bool {
        self.last.elapsed() < LONGEST_EXCHANGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AccountId = AccountId(10);

    #[tokio::test(start_paused = true)]
    async fn a_change_in_between_spoils_the_exchange() {
        let exchanges = Exchanges::default();
        assert!(!exchanges.end(A, 1), "what never began cannot end");
        exchanges.begin(A, 1);
        exchanges.begin(A, 1);
        assert!(exchanges.end(A, 1));
        assert!(!exchanges.end(A, 2));
        exchanges.begin(A, 2);
        assert!(exchanges.end(A, 2));
        assert!(exchanges.under_way.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn abandoned_exchanges_are_forgotten() {
        let exchanges = Exchanges::default();
        exchanges.begin(A, 1);
        tokio::time::advance(LONGEST_EXCHANGE).await;
        exchanges.begin(A, 2);
        assert!(exchanges.end(A, 2));
    }
}
