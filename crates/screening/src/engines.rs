//! What a site has decided about programs of others (room `engines`), all together.

use ::engines::{MilterSaid, RspamdSaid};

use crate::{Evidence, MilterPolicy, RspamdPolicy, malware::Vote};

/// What a site has decided about rspamd and milters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnginePolicy {
    /// About rspamd.
    pub rspamd: RspamdPolicy,
    /// About milters.
    pub milters: MilterPolicy,
}

impl EnginePolicy {
    /// What each of them comes to.
    pub(crate) fn votes(&self, evidence: &Evidence) -> [Option<Vote>; 2] {
        [
            self.rspamd.vote(evidence.rspamd.as_ref()),
            self.milters.vote(&evidence.milters),
        ]
    }
}

impl Evidence {
    /// The same with what rspamd said, in bounds.
    #[must_use]
    pub fn with_rspamd(mut self, said: RspamdSaid) -> Self {
        self.rspamd = Some(said);
        self.in_bounds()
    }

    /// The same with what the milters said, in their order, in bounds.
    #[must_use]
    pub fn with_milters(mut self, said: Vec<MilterSaid>) -> Self {
        self.milters = said;
        self.in_bounds()
    }

    /// Leaves out the last of what engines told beside their word; `false` when nothing is left of that.
    pub(crate) fn shorten_engines(&mut self) -> bool {
        self.rspamd.as_mut().is_some_and(RspamdSaid::shorten)
            || self.milters.iter_mut().rev().any(MilterSaid::shorten)
    }
}
