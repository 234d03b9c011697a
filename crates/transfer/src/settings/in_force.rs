//! The policy of settings, made once: to make it and its name anew for each message costs more than to judge by it, and its
//! expressions forget what they had prepared.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use screening::{Evidence, Policy, Verdict};

/// A policy with its name.
#[derive(Debug)]
pub struct InForce {
    policy: Policy,
    digest: String,
    patterns: String,
}

impl InForce {
    fn new(policy: Policy) -> Self {
        let (digest, patterns) = (policy.digest(), policy.patterns_digest());
        Self {
            policy,
            digest,
            patterns,
        }
    }

    /// As [`Policy::judge`].
    #[must_use]
    pub fn judge(&self, evidence: &Evidence) -> Verdict {
        self.policy.judge_as(evidence, &self.digest)
    }

    /// As [`Policy::patterns_digest`].
    #[must_use]
    pub fn patterns_digest(&self) -> &str {
        &self.patterns
    }
}

impl Deref for InForce {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

/// Where settings keep their policy once it was made.
#[derive(Debug, Default)]
pub struct Made(OnceLock<Arc<InForce>>);

impl Made {
    pub(super) fn once(&self, make: impl FnOnce() -> Policy) -> Arc<InForce> {
        Arc::clone(self.0.get_or_init(|| Arc::new(InForce::new(make()))))
    }
}

impl Clone for Made {
    /// Nothing: the copy of the settings may be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}
