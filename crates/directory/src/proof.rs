//! Proofs remembered in memory, so that a busy client does not pay Argon2id at each login.
//!
//! A proof is an HMAC of the password under a key that lives as long as the process, bound to the account and
//! to its generation. The generation is read from the store at each login and checked again in the commit of
//! the login's event; a new password or a suspension changes it, so an old proof fits nothing any more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use store::AccountId;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use world::World;
use zeroize::Zeroizing;

/// Proofs that are remembered at most; the oldest are forgotten first.
const MOST_PROOFS: usize = 16_384;

/// The proofs of one process.
#[derive(Clone)]
pub(crate) struct Proofs {
    key: Arc<Zeroizing<[u8; 64]>>,
    seen: Arc<Mutex<HashMap<AccountId, Proof>>>,
}

struct Proof {
    generation: i64,
    digest: [u8; 32],
    at: Instant,
}

impl Proofs {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            key: Arc::new(Zeroizing::new(world.bytes())),
            seen: Arc::default(),
        }
    }

    /// Whether this password was proved for this generation of the account within `lifetime`.
    pub(crate) fn holds(
        &self,
        account: AccountId,
        generation: i64,
        password: &[u8],
        lifetime: Duration,
    ) -> bool {
        let digest = self.digest(account, password);
        let mut seen = self.seen.lock();
        let Some(proof) = seen.get(&account) else {
            return false;
        };
        if proof.generation != generation || proof.at.elapsed() >= lifetime {
            seen.remove(&account);
            return false;
        }
        proof.digest.ct_eq(&digest).into()
    }

    /// Remembers a password that was just proved.
    pub(crate) fn remember(&self, account: AccountId, generation: i64, password: &[u8]) {
        let digest = self.digest(account, password);
        let mut seen = self.seen.lock();
        if seen.len() >= MOST_PROOFS && !seen.contains_key(&account) {
            let mut ages: Vec<_> = seen
                .iter()
                .map(|(account, proof)| (proof.at, *account))
                .collect();
            ages.sort_unstable();
            for (_, oldest) in ages.into_iter().take(MOST_PROOFS / 8) {
                seen.remove(&oldest);
            }
        }
        seen.insert(
            account,
            Proof {
                generation,
                digest,
                at: Instant::now(),
            },
        );
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.seen.lock().clear();
    }

    fn digest(&self, account: AccountId, password: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(&(**self.key).into());
        mac.update(&account.0.to_be_bytes());
        mac.update(password);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn a_proof_fits_its_account_password_generation_and_time() {
        let proofs = Proofs::new(&World::system());
        let (a, b) = (AccountId(10), AccountId(11));
        proofs.remember(a, 1, b"secret");
        assert!(proofs.holds(a, 1, b"secret", LIFE));
        assert!(!proofs.holds(a, 1, b"Secret", LIFE));
        assert!(!proofs.holds(b, 1, b"secret", LIFE));
        assert!(
            proofs.holds(a, 1, b"secret", LIFE),
            "a wrong guess does not drop it"
        );
        assert!(!proofs.holds(a, 2, b"secret", LIFE));
        assert!(
            !proofs.holds(a, 1, b"secret", LIFE),
            "an old generation never returns"
        );
        proofs.remember(a, 2, b"secret");
        tokio::time::advance(LIFE).await;
        assert!(!proofs.holds(a, 2, b"secret", LIFE));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let proofs = Proofs::new(&World::system());
        for n in 0..=MOST_PROOFS {
            proofs.remember(AccountId(i64::try_from(n).unwrap_or_default()), 1, b"x");
        }
        assert!(proofs.seen.lock().len() <= MOST_PROOFS);
    }
}
