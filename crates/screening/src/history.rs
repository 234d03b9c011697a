//! What this server remembers of those who send: whether it knows them at all (greylisting), and what became of what they sent
//! before (reputation).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Cause, Choice, Evidence, Finding, Handling, vote::Vote};

/// What is remembered of where a message comes from, when it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Of the client's network: /24 of IPv4, /64 of IPv6.
    pub network: Standing,
    /// Of the domain that was shown to have sent it, by SPF or DKIM; `None`: none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Standing>,
    /// Of the address that such a domain says it is from; `None`: no domain stands behind an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Standing>,
    /// Seconds since mail with this MAIL FROM was first tried from that network; `None`: never before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_for: Option<u64>,
}

/// What became of earlier mail, the older the less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Who.
    pub name: String,
    /// Seconds since the first.
    pub known_for: u64,
    /// Weight of what was wanted: delivered (1), taken out of Junk by its recipient (5), written to by somebody here (5).
    pub good: u32,
    /// Weight of what was not: screened out or to Junk (1), moved into Junk by its recipient (5).
    pub bad: u32,
}

/// What is done with mail from those that are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPolicy {
    /// Mail from those whose mail was bad. Default mark.
    pub bad: Choice,
    /// Weight below which nobody has a reputation. Default 20.
    pub least: u32,
    /// Percent of all that makes it bad. Default 80.
    pub bad_share: u32,
    /// Percent of all up to which it is good: such mail is not greylisted, nor judged by its words. Default 10.
    pub good_share: u32,
    /// Whether an address of which enough is known answers for itself, before its domain does. Default true.
    pub addresses: bool,
    /// Greylisting; `None`: nobody is told to come again for being unknown. Default `None`.
    pub greylisting: Option<Greylisting>,
}

impl Default for HistoryPolicy {
    fn default() -> Self {
        Self {
            bad: Choice::Mark,
            least: 20,
            bad_share: 80,
            good_share: 10,
            addresses: true,
            greylisting: None,
        }
    }
}

/// Mail that nobody shows to be from where it says is put off once (RFC 6647): programs that only send do not come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greylisting {
    /// How long it is put off. Default 5 min.
    pub wait: Duration,
    /// A client whose mail passed so is not put off again for other mail while it is remembered. Default true.
    pub remembers_networks: bool,
}

impl Default for Greylisting {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(300),
            remembers_networks: true,
        }
    }
}

impl HistoryPolicy {
    /// What the history comes to.
    pub(crate) fn votes(&self, evidence: &Evidence) -> Vec<Vote> {
        let Some(history) = &evidence.history else {
            return Vec::new();
        };
        let mut votes = Vec::new();
        let (standing, of) = self.answering(history);
        if self.is_bad(standing) && self.bad != Choice::Accept {
            let what = format!(
                "{} of {} of what came from {} was not wanted",
                standing.bad,
                standing.bad.saturating_add(standing.good),
                standing.name
            );
            let vote = Vote::new(self.bad, Cause::BadHistory).what(what);
            votes.push(vote.criterion(of));
        }
        votes.extend(self.greylisted(evidence, history));
        votes
    }

    /// Who answers for it, and as what: an address of which enough is known; else a domain that was shown to send, whatever network it
    /// uses.
    fn answering<'h>(&self, history: &'h History) -> (&'h Standing, &'static str) {
        let address = self.known_address(history).map(|it| (it, "address"));
        let domain = history.domain.as_ref().map(|it| (it, "domain"));
        address.or(domain).unwrap_or((&history.network, "network"))
    }

    fn known_address<'h>(&self, history: &'h History) -> Option<&'h Standing> {
        let address = history.address.as_ref().filter(|_| self.addresses);
        address.filter(|address| self.share(address).is_some())
    }

    fn greylisted(&self, evidence: &Evidence, history: &History) -> Option<Vote> {
        let greylisting = self.greylisting.as_ref()?;
        if is_shown(evidence) || self.is_good(&history.network) {
            return None;
        }
        // One weight is what a message leaves that was taken.
        if greylisting.remembers_networks && history.network.good > 0 {
            return None;
        }
        let wait = greylisting.wait.as_secs();
        let left = wait.saturating_sub(history.tried_for.unwrap_or(0));
        if history.tried_for.is_some() && left == 0 {
            return None;
        }
        let what = format!("not before {left} seconds");
        Some(Vote::new(Handling::Defer, Cause::Greylisted).what(what))
    }

    /// Whether whoever answers for the message has sent what was wanted.
    pub(crate) fn knows_well(&self, evidence: &Evidence) -> bool {
        let shown = evidence.history.as_ref().and_then(|history| {
            let address = self.known_address(history);
            address.or(history.domain.as_ref())
        });
        shown.is_some_and(|standing| self.is_good(standing))
    }

    fn is_bad(&self, standing: &Standing) -> bool {
        self.share(standing)
            .is_some_and(|share| share >= self.bad_share)
    }

    fn is_good(&self, standing: &Standing) -> bool {
        self.share(standing)
            .is_some_and(|share| share <= self.good_share)
    }

    /// Percent of what was not wanted; `None`: too little is known.
    fn share(&self, standing: &Standing) -> Option<u32> {
        let all = standing.good.saturating_add(standing.bad);
        if all < self.least.max(1) {
            return None;
        }
        let share = u64::from(standing.bad) * 100 / u64::from(all);
        u32::try_from(share).ok()
    }
}

/// Whether somebody is shown to have sent it: a domain that answers for it.
fn is_shown(evidence: &Evidence) -> bool {
    evidence.responsible().is_some()
}

impl Evidence {
    /// The domain that is shown to answer for the message: the author's if DMARC shows it, else the sender's by SPF, else that of the first
    /// signature that holds.
    #[must_use]
    pub fn responsible(&self) -> Option<&str> {
        if !self.authentication {
            return None;
        }
        let signed = || {
            let holds = |signature: &&crate::Signature| signature.result == Finding::Pass;
            self.dkim
                .iter()
                .find(holds)
                .map(|signature| signature.domain.as_str())
        };
        let shown = match () {
            () if self.dmarc.result == Finding::Pass => Some(self.dmarc.domain.as_str()),
            () if self.spf.result == Finding::Pass => Some(self.spf.domain.as_str()),
            () => signed(),
        };
        shown.filter(|domain| !domain.is_empty())
    }

    /// The address that the responsible domain stands behind: the author's if it is of that domain, else MAIL FROM if that is. Of
    /// another domain's address it says nothing.
    #[must_use]
    pub fn responsible_address(&self) -> Option<&str> {
        let domain = self.responsible()?;
        let is_of = |address: &&str| {
            let of = address.rsplit_once('@');
            of.is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain))
        };
        let sender = || self.sender.as_deref().filter(is_of);
        self.author.as_deref().filter(is_of).or_else(sender)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Policy;

    fn standing(good: u32, bad: u32) -> Standing {
        Standing {
            name: "x.example".into(),
            known_for: 1000,
            good,
            bad,
        }
    }

    fn judged(greylisting: bool, history: History, shown: bool) -> (Handling, Cause) {
        let mut policy = Policy::default();
        policy.history.greylisting = greylisting.then(Greylisting::default);
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
        if shown {
            evidence.spf.result = Finding::Pass;
        }
        evidence.history = Some(history);
        let verdict = policy.judge(&evidence);
        (verdict.handling, verdict.because)
    }

    #[test]
    fn who_sent_much_that_was_not_wanted_goes_to_junk() {
        let of_domain = |good, bad| History {
            domain: Some(standing(good, bad)),
            ..History::default()
        };
        assert_eq!(
            judged(false, of_domain(2, 17), true).0,
            Handling::Accept,
            "too little"
        );
        assert_eq!(
            judged(false, of_domain(4, 16), true),
            (Handling::Mark, Cause::BadHistory)
        );
        assert_eq!(judged(false, of_domain(5, 16), true).0, Handling::Accept);
        // A bad network is not held against a good domain.
        let history = History {
            network: standing(0, 1000),
            domain: Some(standing(30, 0)),
            ..History::default()
        };
        assert_eq!(judged(false, history, true).0, Handling::Accept);
        let history = History {
            network: standing(0, 1000),
            ..History::default()
        };
        assert_eq!(judged(false, history, false).0, Handling::Mark);
    }

    #[test]
    fn an_address_that_is_known_answers_before_its_domain() {
        let of = |address: (u32, u32), domain: (u32, u32)| History {
            address: Some(Standing {
                name: "a@x.example".into(),
                ..standing(address.0, address.1)
            }),
            domain: Some(standing(domain.0, domain.1)),
            ..History::default()
        };
        // One of a good domain that sends what nobody wants, and one good person at a bad provider.
        assert_eq!(
            judged(false, of((1, 30), (900, 30)), true),
            (Handling::Mark, Cause::BadHistory)
        );
        assert_eq!(
            judged(false, of((30, 0), (30, 900)), true).0,
            Handling::Accept
        );
        // Of whom too little is known the domain says more.
        assert_eq!(
            judged(false, of((0, 19), (900, 19)), true).0,
            Handling::Accept
        );
        assert_eq!(judged(false, of((5, 0), (30, 900)), true).0, Handling::Mark);
        let mut policy = Policy::default();
        policy.history.addresses = false;
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
        evidence.history = Some(of((1, 30), (900, 30)));
        assert_eq!(policy.judge(&evidence).handling, Handling::Accept);
    }

    #[test]
    fn a_domain_stands_behind_its_own_addresses_alone() {
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "c.example");
        evidence.author = Some("boss@bank.example".into());
        evidence.sender = Some("x@shown.example".into());
        assert_eq!(evidence.responsible_address(), None, "nobody was shown");
        evidence.spf.result = Finding::Pass;
        evidence.spf.domain = "shown.example".into();
        assert_eq!(evidence.responsible_address(), Some("x@shown.example"));
        evidence.dmarc.result = Finding::Pass;
        evidence.dmarc.domain = "bank.example".into();
        assert_eq!(evidence.responsible_address(), Some("boss@bank.example"));
        evidence.author = None;
        assert_eq!(evidence.responsible_address(), None);
    }

    #[test]
    fn only_the_unknown_who_is_shown_by_nobody_is_put_off_and_only_for_a_while() {
        let first = History::default();
        assert_eq!(judged(false, first.clone(), false).0, Handling::Accept);
        assert_eq!(judged(true, first.clone(), true).0, Handling::Accept);
        assert_eq!(
            judged(true, first, false),
            (Handling::Defer, Cause::Greylisted)
        );
        let tried = |seconds| History {
            tried_for: Some(seconds),
            ..History::default()
        };
        assert_eq!(judged(true, tried(299), false).0, Handling::Defer);
        assert_eq!(judged(true, tried(300), false).0, Handling::Accept);
        let passed = History {
            network: standing(1, 0),
            ..History::default()
        };
        assert_eq!(judged(true, passed, false).0, Handling::Accept);
    }
}
