//! `[signing]`: what mail that leaves is signed with (RFC 6376).

use std::time::Duration;

use message::address::Domain;
use screening::sign::Algorithm;
use serde::Deserialize;
use toml::Spanned;

use super::{SettingsError, Time, policy::At};

const DAY: Duration = Duration::from_secs(86_400);

/// `[signing]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SigningKeys {
    /// Whether keys are made and mail is signed. Unless it is said: except on a site that is on the loopback address alone and names
    /// no name servers.
    pub(crate) enabled: Option<bool>,
    /// Kinds of keys: each message gets a signature by one of each.
    pub(crate) algorithms: Spanned<Vec<AlgorithmKeys>>,
    /// How long a key signs before the next is made.
    pub(crate) rotate: Spanned<Time>,
    /// How long the record of a key that has stopped stays needed.
    pub(crate) overlap: Spanned<Time>,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self {
            enabled: None,
            algorithms: Spanned::new(0..0, vec![AlgorithmKeys::Rsa, AlgorithmKeys::Ed25519]),
            rotate: Spanned::new(0..0, Time(DAY.saturating_mul(180))),
            overlap: Spanned::new(0..0, Time(DAY.saturating_mul(14))),
        }
    }
}

/// A kind of key, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlgorithmKeys {
    Rsa,
    Ed25519,
}

/// Whether a time is so many days at least, and ten years at most.
fn is_between(time: Duration, least_days: u32) -> bool {
    (DAY.saturating_mul(least_days)..=DAY.saturating_mul(3650)).contains(&time)
}

impl From<AlgorithmKeys> for Algorithm {
    fn from(keys: AlgorithmKeys) -> Self {
        match keys {
            AlgorithmKeys::Rsa => Self::Rsa,
            AlgorithmKeys::Ed25519 => Self::Ed25519,
        }
    }
}

impl SigningKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        let kinds = self.algorithms.get_ref();
        if kinds.is_empty() || !kinds.contains(&AlgorithmKeys::Rsa) {
            let reason = "algorithms holds \"rsa\" at least: many receivers know no other";
            return Err(at(self.algorithms.span(), reason.into()));
        }
        if !is_between(self.rotate.get_ref().0, 7) {
            let reason =
                "rotate lies between 7d, since somebody has to publish each new key, and 3650d";
            return Err(at(self.rotate.span(), reason.into()));
        }
        if !is_between(self.overlap.get_ref().0, 6) {
            let reason =
                "overlap lies between 6d, since mail may be under way for five days, and 3650d";
            return Err(at(self.overlap.span(), reason.into()));
        }
        Ok(())
    }

    /// For the transfer room; `None`: nothing is signed. `alone` is a site that nobody outside reaches.
    pub(crate) fn rules(
        &self,
        domains: Vec<Domain>,
        alone: bool,
    ) -> Option<transfer::signing::Rules> {
        self.enabled
            .unwrap_or(!alone)
            .then(|| transfer::signing::Rules {
                domains,
                algorithms: self
                    .algorithms
                    .get_ref()
                    .iter()
                    .map(|kind| (*kind).into())
                    .collect(),
                rotate: self.rotate.get_ref().0,
                overlap: self.overlap.get_ref().0,
            })
    }
}
