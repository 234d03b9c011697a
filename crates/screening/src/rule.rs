//! A site's own rules: conditions on the evidence, in an order; the first rule whose conditions all hold decides.

use message::Domain;
use wire::ExplicitNetwork;

use crate::{Cause, Evidence, Finding, HelloForm, Policy, Treatment, pattern, vote::Vote};

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, in verdicts and events.
    pub name: String,
    /// Whether it is about mail that the site's own people submit; else it is about mail from outside.
    pub submissions: bool,
    /// What must hold, all of it.
    pub all: Vec<Condition>,
    /// What is done then.
    pub then: Treatment,
}

/// One thing that a rule asks for; where it names several values, one of them suffices.
#[derive(Clone, Debug)]
pub enum Condition {
    /// The client's address.
    Peer(Vec<ExplicitNetwork>),
    /// The name of the client's address, if the name has the address.
    PeerName(Vec<NameForm>),
    /// What the client called itself.
    Hello(Vec<NameForm>),
    /// MAIL FROM.
    Sender(Vec<AddressForm>),
    /// The domain in From.
    Author(Vec<NameForm>),
    /// A domain whose DKIM signature holds.
    Signer(Vec<NameForm>),
    /// How SPF ended.
    Spf(Vec<Finding>),
    /// How DMARC ended.
    Dmarc(Vec<Finding>),
    /// How the ARC chain ended.
    Arc(Vec<Finding>),
    /// How the name of the client's address ended.
    Iprev(Vec<Finding>),
    /// It is listed in one of these lists of the site.
    Listed(Vec<Domain>),
    /// One of these patterns of the site is in it.
    Pattern(Vec<String>),
    /// The client called itself so.
    HelloForm(Vec<HelloForm>),
    /// Whether the client talked before it was greeted.
    Early(bool),
    /// Whether it came under TLS.
    Tls(bool),
    /// Whether who answers for it has sent wanted mail before.
    Known(bool),
    /// The words say at least this, of 1000.
    JunkWords(u16),
    /// Octets, at least.
    Size(u64),
}

/// A name, or a name and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameForm {
    name: String,
    below: bool,
}

impl NameForm {
    /// Reads `example.jp`, or `*.example.jp` for what is below it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let domain = Domain::parse(name).map_err(|error| {
            format!("{text:?} is no name; write it as example.jp, or *.example.jp for all below: {error}")
        })?;
        Ok(Self {
            name: domain.as_str().to_owned(),
            below,
        })
    }

    fn holds(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        match self.below {
            false => name.eq_ignore_ascii_case(&self.name),
            true => {
                let ends = name
                    .len()
                    .checked_sub(self.name.len())
                    .and_then(|at| Some((name.get(..at)?, name.get(at..)?)));
                ends.is_some_and(|(before, end)| {
                    before.ends_with('.') && end.eq_ignore_ascii_case(&self.name)
                })
            }
        }
    }
}

/// An address, a domain's addresses, or the null sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressForm {
    /// `<>`.
    Null,
    /// One address.
    One(String),
    /// All of a domain, or of those below it.
    Of(NameForm),
}

impl AddressForm {
    /// Reads `<>`, `info@example.jp`, `example.jp` or `*.example.jp`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "<>" {
            return Ok(Self::Null);
        }
        if !text.contains('@') {
            return NameForm::parse(text).map(Self::Of);
        }
        let address = message::Address::parse(text).map_err(|error| {
            format!("{text:?} is no address; write it as info@example.jp, example.jp, *.example.jp or <>: {error}")
        })?;
        Ok(Self::One(address.to_string()))
    }

    fn holds(&self, sender: &str) -> bool {
        match self {
            Self::Null => sender.is_empty(),
            Self::One(address) => address.eq_ignore_ascii_case(sender),
            Self::Of(name) => sender
                .rsplit_once('@')
                .is_some_and(|(_, domain)| name.holds(domain)),
        }
    }
}

impl Rule {
    fn holds(&self, evidence: &Evidence, policy: &Policy) -> bool {
        self.submissions == evidence.own
            && self
                .all
                .iter()
                .all(|condition| condition.holds(evidence, policy))
    }

    /// Whether it takes mail for nothing but what the mail says of itself, which anybody may write.
    #[must_use]
    pub fn trusts_claims(&self) -> bool {
        let is_claim = |condition: &Condition| {
            matches!(
                condition,
                Condition::Sender(_)
                    | Condition::Author(_)
                    | Condition::Hello(_)
                    | Condition::Pattern(_)
                    | Condition::Size(_)
                    | Condition::Tls(_)
            )
        };
        self.then == Treatment::Accept && !self.submissions && self.all.iter().all(is_claim)
    }
}

impl Condition {
    fn holds(&self, evidence: &Evidence, policy: &Policy) -> bool {
        let conduct = evidence.conduct.clone().unwrap_or_default();
        let any = |forms: &[NameForm], name: &str| forms.iter().any(|form| form.holds(name));
        match self {
            Self::Peer(networks) => networks
                .iter()
                .any(|network| network.contains(evidence.peer)),
            Self::PeerName(forms) => {
                let name = evidence
                    .iprev
                    .name
                    .as_deref()
                    .filter(|_| evidence.iprev.result == Finding::Pass);
                name.is_some_and(|name| any(forms, name))
            }
            Self::Hello(forms) => any(forms, &evidence.spf_helo.domain),
            Self::Sender(forms) => {
                let sender = evidence.sender.as_deref();
                sender.is_some_and(|sender| forms.iter().any(|form| form.holds(sender)))
            }
            Self::Author(forms) => any(forms, &evidence.dmarc.domain),
            Self::Signer(forms) => {
                let mut holding = evidence
                    .dkim
                    .iter()
                    .filter(|signature| signature.result == Finding::Pass);
                holding.any(|signature| any(forms, &signature.domain))
            }
            Self::Spf(ends) => ends.contains(&evidence.spf.result),
            Self::Dmarc(ends) => ends.contains(&evidence.dmarc.result),
            Self::Arc(ends) => ends.contains(&evidence.arc.result),
            Self::Iprev(ends) => ends.contains(&evidence.iprev.result),
            Self::Listed(zones) => {
                let mut lists = policy
                    .lists
                    .iter()
                    .filter(|list| zones.contains(&list.zone));
                lists.any(|list| list.lists(evidence))
            }
            Self::Pattern(names) => names.iter().any(|name| evidence.patterns.contains(name)),
            Self::HelloForm(forms) => evidence.conduct.is_some() && forms.contains(&conduct.hello),
            Self::Early(early) => conduct.early == *early,
            Self::Tls(tls) => conduct.tls == *tls,
            Self::Known(known) => policy.history.knows_well(evidence) == *known,
            Self::JunkWords(least) => {
                let guess = evidence.words.as_ref().and_then(|words| words.site);
                guess.is_some_and(|guess| guess.junk >= *least)
            }
            Self::Size(least) => evidence.size >= *least,
        }
    }
}

impl Policy {
    /// What the first rule says that holds.
    pub(crate) fn by_rule(&self, evidence: &Evidence) -> Option<Vote> {
        let rule = self.rules.iter().find(|rule| rule.holds(evidence, self))?;
        let vote = Vote::new(rule.then, Cause::Rule).what(rule.name.clone());
        Some(vote.criterion(&rule.name))
    }

    /// Whether the evidence does not tell of these patterns, since others were looked for then.
    #[must_use]
    pub fn looks_for_others(&self, evidence: &Evidence) -> bool {
        evidence.patterns_of != self.patterns_digest()
    }

    /// Names the patterns: 64 bits of a digest of all that they look for; empty when there are none.
    #[must_use]
    pub fn patterns_digest(&self) -> String {
        pattern::digest(&self.patterns)
    }

    /// Whether who answers for the message has sent what was wanted: its words are not asked then.
    #[must_use]
    pub fn knows_well(&self, evidence: &Evidence) -> bool {
        self.history.knows_well(evidence)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Choice, Handling, Published};

    fn names(texts: &[&str]) -> Vec<NameForm> {
        texts
            .iter()
            .map(|text| NameForm::parse(text).unwrap())
            .collect()
    }

    fn rule(name: &str, all: Vec<Condition>, then: Treatment) -> Rule {
        Rule {
            name: name.to_owned(),
            submissions: false,
            all,
            then,
        }
    }

    fn forged() -> Evidence {
        let mut evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "out.list.example");
        evidence.sender = Some("bounce@list.example".into());
        evidence.dmarc.author = crate::Author::One;
        evidence.dmarc.domain = "example.jp".into();
        evidence.dmarc.result = Finding::Fail;
        evidence.dmarc.policy = Some(Published::Reject);
        evidence
    }

    #[test]
    fn the_first_rule_that_holds_decides_before_all_criteria() {
        let mut policy = Policy::default();
        assert_eq!(policy.judge(&forged()).handling, Handling::Refuse);
        policy.rules = vec![
            rule(
                "another",
                vec![Condition::Author(names(&["*.example.jp"]))],
                Treatment::Discard,
            ),
            rule(
                "our list",
                vec![
                    Condition::Peer(vec!["192.0.2.0/24".parse().unwrap()]),
                    Condition::Sender(vec![AddressForm::parse("list.example").unwrap()]),
                ],
                Treatment::Accept,
            ),
            rule("last", Vec::new(), Treatment::Refuse),
        ];
        let verdict = policy.judge(&forged());
        assert_eq!(
            (verdict.handling, verdict.because),
            (Handling::Accept, Cause::Rule)
        );
        assert_eq!(
            (&*verdict.what, &*verdict.criterion),
            ("our list", "our list")
        );
        let mut other = forged();
        other.peer = "198.51.100.1".parse().unwrap();
        assert_eq!(policy.judge(&other).what, "last");
        // What own people send is judged by other rules.
        let mut own = forged();
        own.own = true;
        own.authentication = false;
        assert_eq!(policy.judge(&own).handling, Handling::Accept);
    }

    #[test]
    fn no_rule_lets_malware_in() {
        let policy = Policy {
            rules: vec![rule("all", Vec::new(), Treatment::Accept)],
            ..Policy::default()
        };
        let mut facts = malware::Facts::default();
        facts.note(malware::Note::new(malware::What::Executable, "a.exe", ""));
        let said = malware::Malware {
            inspection: Some(malware::Inspection {
                facts: Some(facts),
                reason: String::new(),
            }),
            ..malware::Malware::default()
        };
        let verdict = policy.judge(&forged().with_malware(said));
        assert_eq!(verdict.handling, Handling::Refuse);
    }

    #[test]
    fn forms_hold_what_they_say() {
        let below = NameForm::parse("*.example.jp").unwrap();
        assert!(below.holds("a.example.jp") && below.holds("A.B.Example.JP."));
        assert!(!below.holds("example.jp") && !below.holds("xexample.jp") && !below.holds("jp"));
        let one = AddressForm::parse("info@example.jp").unwrap();
        assert!(one.holds("info@EXAMPLE.jp") && !one.holds("x@example.jp"));
        assert!(AddressForm::parse("<>").unwrap().holds(""));
        assert!(AddressForm::parse("a b@").is_err() && NameForm::parse("*").is_err());
    }

    #[test]
    fn who_believes_what_anybody_may_write_is_told() {
        let author = Condition::Author(names(&["example.jp"]));
        assert!(rule("x", vec![author.clone()], Treatment::Accept).trusts_claims());
        assert!(!rule("x", vec![author.clone()], Treatment::Refuse).trusts_claims());
        let shown = Condition::Dmarc(vec![Finding::Pass]);
        assert!(!rule("x", vec![author, shown], Treatment::Accept).trusts_claims());
    }

    #[test]
    fn criteria_of_the_client_hold() {
        let mut evidence = forged();
        evidence.conduct = Some(crate::Conduct {
            early: true,
            hello: HelloForm::Bare,
            tls: true,
            refused: 0,
        });
        evidence.size = 1000;
        evidence.patterns = vec!["invoice".into()];
        evidence.words = Some(crate::Words {
            site: Some(crate::Guess {
                junk: 800,
                words: 9,
            }),
            accounts: Vec::new(),
        });
        let policy = Policy {
            unclear_author: Choice::Accept,
            ..Policy::default()
        };
        let holds = |condition: Condition| condition.holds(&evidence, &policy);
        assert!(holds(Condition::Early(true)) && !holds(Condition::Early(false)));
        assert!(holds(Condition::Tls(true)));
        assert!(holds(Condition::HelloForm(vec![HelloForm::Bare])));
        assert!(holds(Condition::Size(1000)) && !holds(Condition::Size(1001)));
        assert!(holds(Condition::Pattern(vec![
            "x".into(),
            "invoice".into()
        ])));
        assert!(holds(Condition::JunkWords(800)) && !holds(Condition::JunkWords(801)));
        assert!(holds(Condition::Known(false)));
        assert!(holds(Condition::Hello(names(&["*.list.example"]))));
        assert!(!holds(Condition::PeerName(names(&["*.list.example"]))));
        assert!(!holds(Condition::Signer(names(&["list.example"]))));
    }
}
