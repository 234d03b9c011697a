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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ::engines::Symbol;

    use super::*;
    use crate::Signature;

    /// An event has other things to tell.
    #[test]
    fn however_much_engines_say_the_evidence_fits() {
        let long = "語".repeat(160);
        let said: Vec<MilterSaid> = (0..8)
            .map(|number| {
                let told = serde_json::json!({ "milter": format!("{number}{}", "m".repeat(31)), "result": "quarantine",
                    "at": "connect", "words": long, "recipient": long, "reason": long,
                    "changed": vec!["add ".to_owned() + &"x".repeat(40); 6] });
                serde_json::from_value(told).unwrap()
            })
            .collect();
        let symbol = Symbol {
            name: "S".repeat(48),
            score: 1.0.into(),
        };
        let mut evidence = Evidence::of_peer("2001:db8::1".parse().unwrap(), "h.example");
        evidence.dkim = vec![Signature::default(); 20];
        let rspamd = RspamdSaid {
            symbols: vec![symbol; 16],
            ..RspamdSaid::default()
        };
        let evidence = evidence.with_rspamd(rspamd).with_milters(said);
        let text = serde_json::to_string(&evidence).unwrap();
        assert!(text.len() <= 6 << 10, "{}", text.len());
        assert_eq!(evidence.milters.len(), 8, "each is told of");
        let mut all = evidence.milters.iter();
        assert!(all.any(|said| said.words.ends_with('…')));
    }
}
