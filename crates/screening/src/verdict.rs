//! From evidence to a verdict, without I/O.

use serde::{Deserialize, Serialize};

use crate::{
    Author, Choice, Evidence, Finding, Policy, Published, Trouble,
    evidence::MOST_SEALERS,
    outbreak,
    vote::{Vote, strictest, weight},
};

/// What is done with a message, from the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handling {
    /// It goes where it is addressed to.
    Accept,
    /// It goes into the Junk mailboxes of its recipients.
    Mark,
    /// It is taken and set apart: its recipients get it when somebody releases it.
    Quarantine,
    /// The client is told to come again (4xx).
    Defer,
    /// It is taken and thrown away: who sent it is told nothing, and the trail tells it.
    Discard,
    /// The client is told that it is not wanted (5xx).
    Refuse,
}

impl Handling {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Mark => "mark",
            Self::Quarantine => "quarantine",
            Self::Defer => "defer",
            Self::Discard => "discard",
            Self::Refuse => "refuse",
        }
    }
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing speaks against it.
    NothingAgainst,
    /// DMARC failed, and the author's domain asks that such mail is refused.
    DmarcReject,
    /// DMARC failed, and the author's domain asks that such mail is set apart.
    DmarcQuarantine,
    /// DMARC failed, and the author's domain asks for nothing.
    DmarcNone,
    /// DMARC failed, but the mail came from a network that is an exception.
    TrustedNetwork,
    /// DMARC failed, but passed for the first of the sealers, who are all exceptions.
    TrustedSealer,
    /// DMARC could not be checked now.
    DmarcTrouble,
    /// The domain of MAIL FROM says that the peer is none of its own.
    SpfFail,
    /// SPF could not be checked now.
    SpfTrouble,
    /// From is missing, or does not name one domain.
    UnclearAuthor,
    /// A rule against an outbreak means it.
    OutbreakRule,
    /// A scanner knows something in it as malware.
    MalwareFound,
    /// A rule of the site for YARA matches it whose tag the site has decided about.
    YaraRule,
    /// It holds what can be run.
    Executable,
    /// It holds names or files that are not what they are shown as.
    Deception,
    /// It holds a page that brings a file in itself.
    Smuggling,
    /// It holds a document with code.
    Macros,
    /// It holds what opens with a password only.
    Encrypted,
    /// It is a part of a message that comes in several.
    Partial,
    /// It only says where a part of it is.
    ExternalBody,
    /// Something in it could not be looked at.
    Incomplete,
    /// A scanner did not answer.
    ScannerDown,
    /// A scanner's definitions are too old.
    OldDefinitions,
    /// A rule of the site decided.
    Rule,
    /// The client, or a name that the message comes under, is on a DNS list.
    Listed,
    /// A DNS list could not be asked now.
    ListTrouble,
    /// The client behaved as programs do that send much.
    Conduct,
    /// What came from there before was not wanted.
    BadHistory,
    /// Nobody is shown to send it, and the client was not here before.
    Greylisted,
    /// Its words are those of unwanted mail.
    Words,
    /// rspamd speaks against it.
    Rspamd,
    /// rspamd did not answer.
    RspamdDown,
    /// A milter speaks against it.
    Milter,
    /// A milter failed.
    MilterDown,
}

impl Cause {
    /// The word, as it is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NothingAgainst => "nothing-against",
            Self::DmarcReject => "dmarc-reject",
            Self::DmarcQuarantine => "dmarc-quarantine",
            Self::DmarcNone => "dmarc-none",
            Self::TrustedNetwork => "trusted-network",
            Self::TrustedSealer => "trusted-sealer",
            Self::DmarcTrouble => "dmarc-trouble",
            Self::SpfFail => "spf-fail",
            Self::SpfTrouble => "spf-trouble",
            Self::UnclearAuthor => "unclear-author",
            Self::OutbreakRule => "outbreak-rule",
            Self::MalwareFound => "malware-found",
            Self::YaraRule => "yara-rule",
            Self::Executable => "executable",
            Self::Deception => "deception",
            Self::Smuggling => "smuggling",
            Self::Macros => "macros",
            Self::Encrypted => "encrypted",
            Self::Partial => "partial",
            Self::ExternalBody => "external-body",
            Self::Incomplete => "incomplete",
            Self::ScannerDown => "scanner-down",
            Self::OldDefinitions => "old-definitions",
            Self::Rule => "rule",
            Self::Listed => "listed",
            Self::ListTrouble => "list-trouble",
            Self::Conduct => "conduct",
            Self::BadHistory => "bad-history",
            Self::Greylisted => "greylisted",
            Self::Words => "words",
            Self::Rspamd => "rspamd",
            Self::RspamdDown => "rspamd-down",
            Self::Milter => "milter",
            Self::MilterDown => "milter-down",
        }
    }

    /// Whether mail that was set apart for this is dangerous to whoever opens it, so that only an administrator may release it.
    #[must_use]
    pub fn is_strict(self) -> bool {
        matches!(
            self,
            Self::OutbreakRule
                | Self::MalwareFound
                | Self::YaraRule
                | Self::Executable
                | Self::Deception
                | Self::Smuggling
                | Self::Partial
        )
    }
}

/// What was decided about one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is done.
    pub handling: Handling,
    /// Why.
    pub because: Cause,
    /// The domain that this is about; empty when it is about none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// What was found, or where; empty when it is about no file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Which of the site's criteria of this cause decided, by a name that stays the same from message to message, so that each can be
    /// counted: the DNS list, the rule, the tag, the milter. In at most 120 octets; empty where there is but one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub criterion: String,
    /// The policy that decided: [`Policy::digest`].
    pub policy: String,
}

/// What a client is told that may not hand its message over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reply code.
    pub code: u16,
    /// Subject and detail of the enhanced status code (RFC 3463, 7372).
    pub detail: (u8, u8),
    /// What failed, in words for who has to mend it.
    pub text: String,
}

impl Policy {
    /// What is done with a message of which this is known: what the first of the site's rules says that holds; where none does, the
    /// strictest of what speaks against it. What scanners say is never overruled but by what is stricter.
    #[must_use]
    pub fn judge(&self, evidence: &Evidence) -> Verdict {
        self.judge_as(evidence, &self.digest())
    }

    /// The same, where the policy's name ([`Policy::digest`]) is known.
    #[must_use]
    pub fn judge_as(&self, evidence: &Evidence, name: &str) -> Verdict {
        let nothing = Vote::new(Handling::Accept, Cause::NothingAgainst);
        let [rspamd, milters] = self.engines.votes(evidence);
        let criteria = || {
            self.by_criteria(evidence)
                .into_iter()
                .chain(rspamd.map(Vote::from))
        };
        let decided = self
            .by_rule(evidence)
            .or_else(|| strictest(criteria()))
            .unwrap_or(nothing)
            .told(evidence.own);
        // Staff hear of it, whatever strangers do.
        let malware = self.malware.vote(evidence.malware.as_ref());
        let rule = evidence.blocked.as_ref().map(outbreak::vote);
        let others = [malware, rule, milters].into_iter().flatten();
        let vote = match strictest(others.map(|vote| Vote::from(vote).told(evidence.own))) {
            Some(vote)
                if weight(vote.handling, vote.cause) > weight(decided.handling, decided.cause)
                    || decided.cause == Cause::NothingAgainst =>
            {
                vote
            }
            _ => decided,
        };
        Verdict {
            handling: vote.handling,
            because: vote.cause,
            domain: vote.domain,
            what: vote.what,
            criterion: vote.criterion,
            policy: name.to_owned(),
        }
    }

    /// What each criterion says of mail from outside. What was overruled by an exception is told as well, though it comes to nothing.
    fn by_criteria(&self, evidence: &Evidence) -> Vec<Vote> {
        if !evidence.authentication {
            return Vec::new();
        }
        let mut votes: Vec<Vote> = Vec::new();
        votes.extend(self.by_dmarc(evidence));
        votes.extend(self.by_spf(evidence));
        votes.extend(self.lists.iter().filter_map(|list| list.vote(evidence)));
        votes.extend(self.conduct.votes(evidence));
        votes.extend(self.history.votes(evidence));
        let known = self.history.knows_well(evidence);
        votes.extend(self.words.vote(evidence).filter(|_| !known));
        votes
    }

    fn by_dmarc(&self, evidence: &Evidence) -> Option<Vote> {
        let dmarc = &evidence.dmarc;
        let domain = dmarc.domain.as_str();
        if dmarc.author != Author::One {
            // Programs that send reports often leave From out: what has no sender and names nobody passes for nobody.
            let has_sender = evidence
                .sender
                .as_ref()
                .is_some_and(|sender| !sender.is_empty());
            let is_report = dmarc.author == Author::Missing && !has_sender;
            let harmless = is_report || self.is_from_trusted_network(evidence);
            let handling = match harmless {
                true => Handling::Accept,
                false => self.unclear_author.into(),
            };
            return Some(Vote::new(handling, Cause::UnclearAuthor));
        }
        let asked = match dmarc.result {
            Finding::Fail => dmarc.policy?,
            Finding::Temperror if self.would_pass(evidence) => return None,
            Finding::Temperror => {
                return Some(Vote::new(self.dns_trouble, Cause::DmarcTrouble).domain(domain));
            }
            _ => return None,
        };
        let (handling, cause) = match asked {
            Published::Reject => (self.dmarc_reject.into(), Cause::DmarcReject),
            Published::Quarantine => (self.dmarc_quarantine.into(), Cause::DmarcQuarantine),
            Published::None => (Handling::Accept, Cause::DmarcNone),
        };
        let (handling, cause) = match handling {
            Handling::Accept => (handling, cause),
            _ if self.is_from_trusted_network(evidence) => {
                (Handling::Accept, Cause::TrustedNetwork)
            }
            _ if self.trusts_chain(evidence) => (Handling::Accept, Cause::TrustedSealer),
            // The chain could have saved it.
            _ if self.chain_is_in_doubt(evidence) && self.dns_trouble == Trouble::Defer => {
                (Handling::Defer, Cause::DmarcTrouble)
            }
            _ => (handling, cause),
        };
        Some(Vote::new(handling, cause).domain(domain))
    }

    /// Whether the outcome of a check that could not be made would have changed nothing.
    fn would_pass(&self, evidence: &Evidence) -> bool {
        let dmarc = &evidence.dmarc;
        let harmless = match dmarc.policy {
            Some(Published::None) => true,
            Some(Published::Quarantine) => self.dmarc_quarantine == Choice::Accept,
            Some(Published::Reject) => self.dmarc_reject == Choice::Accept,
            // Whatever the record would have said.
            None => self.dmarc_quarantine == Choice::Accept && self.dmarc_reject == Choice::Accept,
        };
        harmless
            || dmarc.spf_aligned
            || dmarc.dkim_aligned
            || self.is_from_trusted_network(evidence)
            || self.trusts_chain(evidence)
    }

    fn by_spf(&self, evidence: &Evidence) -> Option<Vote> {
        let spf = &evidence.spf;
        if self.spf_fail == Choice::Accept || self.is_from_trusted_network(evidence) {
            return None;
        }
        match spf.result {
            Finding::Fail => Some(Vote::new(self.spf_fail, Cause::SpfFail).domain(&spf.domain)),
            Finding::Temperror => {
                Some(Vote::new(self.dns_trouble, Cause::SpfTrouble).domain(&spf.domain))
            }
            _ => None,
        }
    }

    fn is_from_trusted_network(&self, evidence: &Evidence) -> bool {
        let mut networks = self.trusted_networks.iter();
        networks.any(|network| network.contains(evidence.peer))
    }

    /// Whether a list that changed the message vouches that it was genuine before (RFC 8617, section 7.2.1). Each sealer must be
    /// trusted: the first set is written by the first, and one that nobody knows could write anything there.
    fn trusts_chain(&self, evidence: &Evidence) -> bool {
        let arc = &evidence.arc;
        arc.result == Finding::Pass && arc.first_dmarc == "pass" && self.trusts_sealers(evidence)
    }

    fn chain_is_in_doubt(&self, evidence: &Evidence) -> bool {
        let arc = &evidence.arc;
        arc.result == Finding::Temperror
            && arc.first_dmarc == "pass"
            && self.trusts_sealers(evidence)
    }

    fn trusts_sealers(&self, evidence: &Evidence) -> bool {
        let sealers = &evidence.arc.sealers;
        let trusted = |sealer: &String| {
            self.trusted_sealers
                .iter()
                .any(|domain| domain.as_str() == sealer)
        };
        !sealers.is_empty()
            && sealers.len() <= MOST_SEALERS
            && u32::try_from(sealers.len()).ok() == Some(evidence.arc.sets)
            && sealers.iter().all(trusted)
    }
}

impl From<Choice> for Handling {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Accept => Self::Accept,
            Choice::Mark => Self::Mark,
            Choice::Quarantine => Self::Quarantine,
            Choice::Refuse => Self::Refuse,
        }
    }
}

impl From<Trouble> for Handling {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Defer => Self::Defer,
            Trouble::Accept => Self::Accept,
        }
    }
}

/// Security, other or undefined is not used: RFC 7372 has these, RFC 3463 those before.
const NOT_AUTHORIZED: (u8, u8) = (7, 1);
const SPF_FAILED: (u8, u8) = (7, 23);
const SPF_ERROR: (u8, u8) = (7, 24);
const DIRECTORY_FAILURE: (u8, u8) = (4, 3);
const REFUSED: u16 = 550;
const COME_AGAIN: u16 = 451;

impl Verdict {
    /// What the client is told, if the message is not taken.
    #[must_use]
    pub fn refusal(&self) -> Option<Refused> {
        let code = match self.handling {
            Handling::Accept | Handling::Mark | Handling::Quarantine | Handling::Discard => {
                return None;
            }
            Handling::Defer => COME_AGAIN,
            Handling::Refuse => REFUSED,
        };
        let of_others = crate::malware::refused(self)
            .or_else(|| crate::rspamd::refused(self))
            .or_else(|| crate::milter::refused(self));
        if of_others.is_some() {
            return of_others;
        }
        let domain = &self.domain;
        let (detail, text) = match self.because {
            Cause::DmarcReject | Cause::DmarcQuarantine | Cause::DmarcNone => (
                NOT_AUTHORIZED,
                format!(
                    "Refused by the DMARC policy of {domain}: neither SPF nor DKIM shows that it is from there"
                ),
            ),
            Cause::SpfFail => (
                SPF_FAILED,
                format!("The SPF record of {domain} says that this server may not send its mail"),
            ),
            Cause::SpfTrouble => (
                SPF_ERROR,
                format!("The SPF record of {domain} cannot be looked up now, try again later"),
            ),
            Cause::Rule => (
                NOT_AUTHORIZED,
                "The message is not taken by a rule of this site".to_owned(),
            ),
            Cause::Listed => (
                NOT_AUTHORIZED,
                format!("The message is not taken: {}", self.what),
            ),
            Cause::ListTrouble => (
                DIRECTORY_FAILURE,
                "A list cannot be asked about this now, try again later".to_owned(),
            ),
            Cause::Conduct => (
                NOT_AUTHORIZED,
                format!(
                    "The message is not taken for how its client behaved: {}",
                    self.what
                ),
            ),
            Cause::BadHistory => (
                NOT_AUTHORIZED,
                format!("The message is not taken: {}", self.what),
            ),
            Cause::Greylisted => (
                NOT_AUTHORIZED,
                format!(
                    "Neither you nor this sender is known here, try again ({})",
                    self.what
                ),
            ),
            Cause::Words => (
                NOT_AUTHORIZED,
                "The message reads like mail that nobody here wanted".to_owned(),
            ),
            Cause::UnclearAuthor => (
                NOT_AUTHORIZED,
                "The message has not one From field with addresses of one domain".to_owned(),
            ),
            _ => (
                DIRECTORY_FAILURE,
                format!(
                    "Whether this is from {domain} cannot be looked up now (DMARC), try again later"
                ),
            ),
        };
        Some(Refused { code, detail, text })
    }
}

#[cfg(test)]
mod tests;
