//! What a site has decided to do about what may be found.

use message::Domain;
use wire::ExplicitNetwork;

use crate::{
    ConductPolicy, DnsList, EnginePolicy, HistoryPolicy, MalwarePolicy, Pattern, Rule, WordsPolicy,
};

/// What is done with mail that something speaks against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is taken as if nothing was found.
    Accept,
    /// It is taken into the recipients' Junk mailboxes.
    Mark,
    /// It is taken and set apart, until somebody releases it.
    Quarantine,
    /// It is refused for good, before it is taken.
    Refuse,
}

/// What is done with mail about which the DNS could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The client is told to come again.
    Defer,
    /// It is taken.
    Accept,
}

/// What a site has decided. Read from its settings; [`Policy::digest`] names it in verdicts.
#[derive(Clone, Debug)]
pub struct Policy {
    /// With mail whose DMARC fails and whose author's domain says `p=reject`. Default refuse.
    pub dmarc_reject: Choice,
    /// The same for `p=quarantine`. Default mark.
    pub dmarc_quarantine: Choice,
    /// With mail whose MAIL FROM fails SPF hard (`-all`), whatever DMARC says. Default accept: DMARC decides.
    pub spf_fail: Choice,
    /// With mail that has no From, or whose From fields name several domains or none that can be read: nobody can be asked about it, and
    /// so it could pass for anybody's. What has no sender either, such as a bounce, passes for nobody's and is taken. Default mark.
    pub unclear_author: Choice,
    /// Where a check that would have decided could not be made. Default defer.
    pub dns_trouble: Trouble,
    /// Domains whose ARC seals are trusted: mail that fails DMARC is taken when its chain holds, all its seals are theirs,
    /// and its first set says that DMARC passed then. Default none.
    pub trusted_sealers: Vec<Domain>,
    /// Networks whose mail is taken although DMARC or SPF fails. Default none.
    pub trusted_networks: Vec<ExplicitNetwork>,
    /// With what the scanners found, of mail from outside and of submissions.
    pub malware: MalwarePolicy,
    /// The site's own rules: the first that holds decides in place of all but malware and milters. Default none.
    pub rules: Vec<Rule>,
    /// What rules may ask for by name, in what a message holds. Default none.
    pub patterns: Vec<Pattern>,
    /// DNS lists. Default none.
    pub lists: Vec<DnsList>,
    /// With mail of clients that behave so.
    pub conduct: ConductPolicy,
    /// With mail from those that are remembered, or that nobody knows.
    pub history: HistoryPolicy,
    /// With mail whose words are those of unwanted mail.
    pub words: WordsPolicy,
    /// With what programs of others said, of mail from outside and of submissions.
    pub engines: EnginePolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            dmarc_reject: Choice::Refuse,
            dmarc_quarantine: Choice::Mark,
            spf_fail: Choice::Accept,
            unclear_author: Choice::Mark,
            dns_trouble: Trouble::Defer,
            trusted_sealers: Vec::new(),
            trusted_networks: Vec::new(),
            malware: MalwarePolicy::default(),
            rules: Vec::new(),
            patterns: Vec::new(),
            lists: Vec::new(),
            conduct: ConductPolicy::default(),
            history: HistoryPolicy::default(),
            words: WordsPolicy::default(),
            engines: EnginePolicy::default(),
        }
    }
}

/// Raised when [`Policy::judge`] comes to another verdict for the same evidence and settings.
const RULES: u32 = 2;

impl Policy {
    /// Names this policy: the version of the rules, and 64 bits of a digest of what the settings say.
    #[must_use]
    pub fn digest(&self) -> String {
        let whole = blake3::hash(format!("{self:?}").as_bytes()).to_hex();
        format!("{RULES}-{}", whole.get(..16).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_another_name() {
        let usual = Policy::default();
        assert_eq!(usual.digest(), Policy::default().digest());
        let changed = Policy {
            spf_fail: Choice::Mark,
            ..Policy::default()
        };
        assert_ne!(usual.digest(), changed.digest());
        assert!(usual.digest().starts_with("2-"), "{}", usual.digest());
    }
}
