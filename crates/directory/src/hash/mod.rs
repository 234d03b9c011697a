//! Password hashing: on threads where blocking is allowed, a bounded number at once, counted.

mod scheme;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use parking_lot::RwLock;
use protocol::sasl::{MAX_PASSWORD, SALT_LEN, ScramCredentials, Secret, prepare_password};
use tokio::sync::Semaphore;
use world::World;

pub(crate) use scheme::{Scheme, Stored};

use crate::tables::app_password::Base;

/// What a hash costs, and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) scram_iterations: u32,
}

/// Secrets to be stored for a password.
pub(crate) struct NewSecrets {
    pub(crate) stored: Stored,
    pub(crate) scram: ScramCredentials,
}

/// What a check found.
pub(crate) struct Checked {
    /// Whether the password is right.
    pub(crate) matches: bool,
    /// Today's secrets, when it is right and what is stored is not of today.
    pub(crate) upgrade: Option<NewSecrets>,
}

/// The hash could not be computed: no memory, bad parameters, or the runtime is closing.
#[derive(Debug, thiserror::Error)]
#[error("the password hash cannot be computed: {0}")]
pub(crate) struct HashFailure(String);

/// Computes hashes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher {
    world: World,
    shared: Arc<Shared>,
}

struct Shared {
    permits: RwLock<Arc<Semaphore>>,
    computed: AtomicU64,
    running: AtomicU64,
    peak: AtomicU64,
}

impl Hasher {
    pub(crate) fn new(world: World, at_once: usize) -> Self {
        Self {
            world,
            shared: Arc::new(Shared {
                permits: RwLock::new(Arc::new(Semaphore::new(at_once.max(1)))),
                computed: AtomicU64::new(0),
                running: AtomicU64::new(0),
                peak: AtomicU64::new(0),
            }),
        }
    }

    /// Sets how many run at once from now on.
    pub(crate) fn set_limit(&self, at_once: usize) {
        *self.shared.permits.write() = Arc::new(Semaphore::new(at_once.max(1)));
    }

    /// Argon2 computations since the start.
    pub(crate) fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::SeqCst)
    }

    /// The most that ran at the same time.
    pub(crate) fn peak(&self) -> u64 {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// A stored secret that no password fits, of today's cost: for identifiers that nobody has.
    pub(crate) fn decoy(&self, cost: Cost) -> Stored {
        Stored::decoy(cost, &self.world.bytes(), &self.world.bytes())
    }

    /// Checks `password` against `stored`; `has_scram` says whether SCRAM secrets are kept beside it. Takes one
    /// Argon2 computation whatever is stored and however it ends (and the foreign scheme's own cost before). Secrets that
    /// it makes anew have SCRAM's salt from `base`, if there is one.
    pub(crate) async fn check(
        &self,
        (stored, has_scram): (Stored, bool),
        password: Secret,
        cost: Cost,
        base: Option<Base>,
    ) -> Result<Checked, HashFailure> {
        let me = self.clone();
        self.run(move || me.check_now((&stored, has_scram), &password, cost, base.as_ref()))
            .await?
    }

    /// Makes the secrets to be stored for a password, with SCRAM's salt from `base`, if there is one.
    pub(crate) async fn derive(
        &self,
        password: Secret,
        cost: Cost,
        base: Option<Base>,
    ) -> Result<NewSecrets, HashFailure> {
        let me = self.clone();
        self.run(move || me.derive_now(&password, cost, base.as_ref()))
            .await?
    }

    /// Makes the SCRAM secrets of a password with the salt of `base`, or with one of its own.
    pub(crate) async fn scram(
        &self,
        password: Secret,
        cost: Cost,
        base: Option<Base>,
    ) -> Result<ScramCredentials, HashFailure> {
        let me = self.clone();
        self.run(move || me.scram_now(&password, cost, base.as_ref()))
            .await
    }

    fn check_now(
        &self,
        (stored, has_scram): (&Stored, bool),
        password: &Secret,
        cost: Cost,
        base: Option<&Base>,
    ) -> Result<Checked, HashFailure> {
        let prepared = prepare_password(password);
        let too_long = password.expose().len() > MAX_PASSWORD;
        let candidate = if too_long {
            Secret::from("")
        } else {
            prepared.clone()
        };
        let mut matches = self.fits(stored, &candidate)?;
        // A hash from elsewhere was made of the password as it was typed.
        if !matches && !too_long && prepared != *password {
            matches = self.fits(stored, password)?;
        }
        matches &= !too_long;
        let of_today = stored.scheme.is_argon2();
        if !matches && !of_today {
            self.fits(&self.decoy(cost), &candidate)?;
        }
        let upgrade = if matches && !(has_scram && stored.is_current(cost)) {
            Some(self.derive_now(password, cost, base)?)
        } else {
            None
        };
        Ok(Checked { matches, upgrade })
    }

    fn fits(&self, stored: &Stored, password: &Secret) -> Result<bool, HashFailure> {
        if stored.scheme.is_argon2() {
            self.shared.computed.fetch_add(1, Ordering::SeqCst);
        }
        stored
            .fits(password.expose())
            .map_err(|problem| HashFailure(problem.to_string()))
    }

    fn scram_now(&self, password: &Secret, cost: Cost, base: Option<&Base>) -> ScramCredentials {
        match base {
            Some(base) => ScramCredentials::derive(password, &base.salt, base.iterations),
            None => {
                let salt: [u8; SALT_LEN] = self.world.bytes();
                ScramCredentials::derive(password, &salt, cost.scram_iterations)
            }
        }
    }

    fn derive_now(
        &self,
        password: &Secret,
        cost: Cost,
        base: Option<&Base>,
    ) -> Result<NewSecrets, HashFailure> {
        self.shared.computed.fetch_add(1, Ordering::SeqCst);
        let prepared = prepare_password(password);
        let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32))
            .map_err(|problem| HashFailure(problem.to_string()))?;
        let salt: [u8; 16] = self.world.bytes();
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(prepared.expose(), &salt)
            .map_err(|problem| HashFailure(problem.to_string()))?;
        Ok(NewSecrets {
            stored: Stored::new(Scheme::Argon2id, hash.to_string()),
            scram: self.scram_now(password, cost, base),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashFailure> {
        let permits = Arc::clone(&self.shared.permits.read());
        let permit = permits
            .acquire_owned()
            .await
            .map_err(|closed| HashFailure(closed.to_string()))?;
        let shared = Arc::clone(&self.shared);
        let work = move || {
            // The permit goes with the work: a caller that gives up does not make room for another.
            let _permit = permit;
            let running = shared
                .running
                .fetch_add(1, Ordering::SeqCst)
                .saturating_add(1);
            shared.peak.fetch_max(running, Ordering::SeqCst);
            let done = work();
            shared.running.fetch_sub(1, Ordering::SeqCst);
            done
        };
        let done = self.world.blocking(work).await;
        done.map_err(|failed| HashFailure(failed.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const COST: Cost = Cost {
        memory_kib: 64,
        passes: 1,
        scram_iterations: 10,
    };

    #[tokio::test]
    async fn a_derived_secret_fits_and_is_current() {
        let hasher = Hasher::new(World::system(), 2);
        let new = hasher.derive("ﾊﾟｽワード1".into(), COST, None).await.unwrap();
        let (scheme, secret) = new.stored.clone().into_columns();
        let stored = Stored::from_columns(&scheme, &secret).unwrap();
        for (password, expected) in [("ﾊﾟｽワード1", true), ("パスワード1", true), ("other", false)]
        {
            let checked = hasher
                .check((stored.clone(), true), password.into(), COST, None)
                .await
                .unwrap();
            assert_eq!(checked.matches, expected, "{password}");
            assert!(checked.upgrade.is_none());
        }
        let dearer = Cost { passes: 2, ..COST };
        let checked = hasher
            .check((stored, true), "パスワード1".into(), dearer, None)
            .await
            .unwrap();
        assert!(checked.upgrade.unwrap().stored.is_current(dearer));
    }

    #[tokio::test]
    async fn decoys_cost_what_real_ones_cost_and_fit_nothing() {
        let hasher = Hasher::new(World::system(), 2);
        let real = hasher
            .derive("right".into(), COST, None)
            .await
            .unwrap()
            .stored;
        let before = hasher.computed();
        assert!(
            !hasher
                .check((real, true), "wrong".into(), COST, None)
                .await
                .unwrap()
                .matches
        );
        let for_real = hasher.computed() - before;
        let decoy = hasher.decoy(COST);
        assert!(
            !hasher
                .check((decoy, true), "wrong".into(), COST, None)
                .await
                .unwrap()
                .matches
        );
        assert_eq!(hasher.computed() - before, for_real * 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_than_the_limit_run_at_once() {
        let hasher = Hasher::new(World::system(), 2);
        let mut tasks = Vec::new();
        for _ in 0..12 {
            let hasher = hasher.clone();
            tasks.push(tokio::spawn(async move {
                hasher
                    .run(|| std::thread::sleep(std::time::Duration::from_millis(5)))
                    .await
            }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(hasher.peak(), 2);
    }

    #[tokio::test]
    async fn endless_passwords_are_wrong() {
        let hasher = Hasher::new(World::system(), 1);
        let long = "a1".repeat(MAX_PASSWORD);
        let stored = hasher.derive("".into(), COST, None).await.unwrap().stored;
        assert!(
            !hasher
                .check((stored, true), long.into(), COST, None)
                .await
                .unwrap()
                .matches
        );
    }
}
