//! `[screening]`: what is looked at in mail from outside, and what is done about what is found (clauses 5.1 to 5.3).

use std::{net::IpAddr, time::Duration};

use message::address::Domain;
use screening::{Choice, Policy, Trouble};
use serde::Deserialize;
use toml::Spanned;
use wire::ExplicitNetwork;

use super::{
    SettingsError, Size, Time,
    bounds::Places,
    criteria::{ConductKeys, Criteria, DnsListKeys, HistoryKeys, PatternKeys, RuleKeys, WordsKeys},
    engines::{self, MilterKeys, RspamdKeys},
    malware::MalwareKeys,
    policy::At,
};

/// A client waits ten minutes for the reply to its data (RFC 5321, section 4.5.3.2.6), and the commit takes its part.
const MOST_TIME: Duration = Duration::from_secs(300);
/// RFC 5321, section 4.5.3.2.1, has clients wait for the greeting 5 minutes; many wait half a minute.
const MOST_GREETING_WAIT: Duration = Duration::from_secs(30);
/// Signatures of one message: each costs a question, and the work of public-key cryptography.
const MOST_SIGNATURES: usize = 20;
/// Domains of one message that lists may be asked about: each is up to three questions to each list.
const MOST_TEXT_DOMAINS: usize = 100;

/// Characters of a field's name.
const MOST_FIELD_NAME: usize = 60;

/// Whether a field of that name can be this server's alone: none that a standard gives a meaning to, or that the server writes otherwise.
fn is_own_field(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    let begin = name.get(..2).unwrap_or_default();
    begin.eq_ignore_ascii_case("X-")
        && (3..=MOST_FIELD_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && !name.to_ascii_lowercase().starts_with("x-kakitome-")
}

/// `[screening]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScreeningKeys {
    /// Whether mail from outside is screened at all. Unless it is said: except on a site that is on the loopback address alone and
    /// names no name servers, such as one to try things out.
    pub(crate) enabled: Option<bool>,
    /// For all that is asked about one message; what is not known then is a temporary error.
    pub(crate) time: Spanned<Time>,
    /// DKIM signatures of one message that are verified.
    pub(crate) signatures: Spanned<usize>,
    /// Domains that links in the text lead to that lists are asked about.
    pub(crate) text_domains: Spanned<usize>,
    /// Mail that fails DMARC and whose author's domain says `p=reject`.
    pub(crate) dmarc_reject: ChoiceKeys,
    /// Mail that fails DMARC and whose author's domain says `p=quarantine`.
    pub(crate) dmarc_quarantine: ChoiceKeys,
    /// Domains whose ARC seals, and networks whose mail, are exceptions from DMARC: mailing lists and forwarders.
    pub(crate) dmarc_exceptions: Vec<Spanned<String>>,
    /// Mail whose MAIL FROM fails SPF hard.
    pub(crate) spf_fail: ChoiceKeys,
    /// Mail that does not say which one domain it is from.
    pub(crate) unclear_author: ChoiceKeys,
    /// Mail about which the DNS could not be asked, where the answer would have decided.
    pub(crate) dns_trouble: TroubleKeys,
    /// The field that tells recipients' programs the verdict; empty: none does.
    pub(crate) status_field: Spanned<String>,
    /// Who looks for malware, and what is done about it.
    pub(crate) malware: MalwareKeys,
    /// How long strangers wait for the greeting.
    pub(crate) greeting_wait: Spanned<Time>,
    /// The site's own rules, in their order.
    pub(crate) rule: Vec<RuleKeys>,
    /// What rules may ask for by name.
    pub(crate) pattern: Vec<PatternKeys>,
    /// DNS lists.
    pub(crate) dns_list: Vec<DnsListKeys>,
    /// How clients behave.
    pub(crate) conduct: ConductKeys,
    /// What is remembered of those who send.
    pub(crate) history: HistoryKeys,
    /// What was learned of words.
    pub(crate) words: WordsKeys,
    /// rspamd, if one is asked.
    pub(crate) rspamd: RspamdKeys,
    /// Milters, in the order in which they are shown a message.
    pub(crate) milter: Vec<MilterKeys>,
}

impl Default for ScreeningKeys {
    fn default() -> Self {
        let (limits, policy) = (screening::Limits::default(), Policy::default());
        Self {
            enabled: None,
            time: Spanned::new(0..0, Time(limits.time)),
            signatures: Spanned::new(0..0, limits.signatures),
            text_domains: Spanned::new(0..0, limits.text_domains),
            dmarc_reject: policy.dmarc_reject.into(),
            dmarc_quarantine: policy.dmarc_quarantine.into(),
            dmarc_exceptions: Vec::new(),
            spf_fail: policy.spf_fail.into(),
            unclear_author: policy.unclear_author.into(),
            dns_trouble: TroubleKeys::Defer,
            status_field: Spanned::new(0..0, transfer::STATUS_FIELD.to_owned()),
            malware: MalwareKeys::default(),
            greeting_wait: Spanned::new(0..0, Time(Duration::ZERO)),
            rule: Vec::new(),
            pattern: Vec::new(),
            dns_list: Vec::new(),
            conduct: ConductKeys::default(),
            history: HistoryKeys::default(),
            words: WordsKeys::default(),
            rspamd: RspamdKeys::default(),
            milter: Vec::new(),
        }
    }
}

/// What is done, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChoiceKeys {
    Accept,
    Mark,
    Quarantine,
    Refuse,
}

/// What is done about trouble, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TroubleKeys {
    Defer,
    Accept,
}

/// `[screening]` of a text that may hold all other settings too.
#[derive(Debug, Deserialize)]
struct Alone {
    #[serde(default)]
    screening: ScreeningKeys,
}

/// The policy of `[screening]` in a settings file called `name`; all else in it is passed over.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn policy_of(name: &str, text: &str) -> Result<Policy, SettingsError> {
    let keys: Alone =
        toml::from_str(text).map_err(|error| SettingsError::syntax(name, text, &error))?;
    let places = Places { name, text };
    keys.screening
        .check(&|span, message| places.at(span, message))?;
    let made = keys.screening.policy();
    made.map_err(|reason| places.at(0..0, reason))
}

/// `[screening]` of a settings file, as it is kept: without what else the file holds.
pub(crate) fn kept(text: &str) -> String {
    let mut whole: toml::Table = toml::from_str(text).unwrap_or_default();
    whole.retain(|name, _| name == "screening");
    toml::to_string(&whole).unwrap_or_default()
}

/// One of `dmarc_exceptions`.
enum Exception {
    Sealer(Domain),
    Network(ExplicitNetwork),
}

impl Exception {
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('/') || text.parse::<IpAddr>().is_ok() {
            let network = text.parse().map_err(|error| format!("{error}"))?;
            return Ok(Self::Network(network));
        }
        Domain::parse(text).map(Self::Sealer).map_err(|error| {
            format!("this is neither a domain that seals (ARC) nor a network: {error}")
        })
    }
}

impl ScreeningKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        let time = self.time.get_ref().0;
        if time.is_zero() || time > MOST_TIME {
            let reason = "time lies between 1s and 5m: the client waits meanwhile";
            return Err(at(self.time.span(), reason.into()));
        }
        if !(1..=MOST_SIGNATURES).contains(self.signatures.get_ref()) {
            let reason = format!("signatures lies between 1 and {MOST_SIGNATURES}");
            return Err(at(self.signatures.span(), reason));
        }
        if !(1..=MOST_TEXT_DOMAINS).contains(self.text_domains.get_ref()) {
            let reason = format!("text_domains lies between 1 and {MOST_TEXT_DOMAINS}");
            return Err(at(self.text_domains.span(), reason));
        }
        for text in &self.dmarc_exceptions {
            Exception::parse(text.get_ref()).map_err(|reason| at(text.span(), reason))?;
        }
        let wait = self.greeting_wait.get_ref().0;
        if wait > MOST_GREETING_WAIT {
            let reason =
                "greeting_wait is at most 30s: the standard has clients wait for 5 minutes";
            return Err(at(self.greeting_wait.span(), reason.into()));
        }
        let name = self.status_field.get_ref();
        if !name.is_empty() && !is_own_field(name) {
            let reason = format!(
                "status_field is a name of {MOST_FIELD_NAME} characters at most that begins with X- and has letters, digits and -; \"\": no field"
            );
            return Err(at(self.status_field.span(), reason));
        }
        self.criteria().check(at)?;
        self.history.check(at)?;
        self.words.check(at)?;
        self.malware.check(at)?;
        self.rspamd.check(at)?;
        engines::check_milters(&self.milter, at)
    }

    /// The field that tells the verdict, if one does.
    pub(crate) fn status_field(&self) -> Option<String> {
        let name = self.status_field.get_ref();
        (!name.is_empty()).then(|| name.clone())
    }

    /// What is done about what rspamd and milters say.
    pub(crate) fn engine_policy(&self) -> screening::EnginePolicy {
        engines::policy(&self.rspamd, &self.milter)
    }

    /// rspamd and the milters. `size` is the largest message of the site.
    pub(crate) fn engines(&self, size: Size) -> Result<::engines::Engines, String> {
        engines::made(&self.rspamd, &self.milter, size)
    }

    fn criteria(&self) -> Criteria<'_> {
        Criteria {
            rules: &self.rule,
            patterns: &self.pattern,
            lists: &self.dns_list,
        }
    }

    /// What is decided about what is found.
    pub(crate) fn policy(&self) -> Result<Policy, String> {
        let mut policy = Policy {
            dmarc_reject: self.dmarc_reject.into(),
            dmarc_quarantine: self.dmarc_quarantine.into(),
            spf_fail: self.spf_fail.into(),
            unclear_author: self.unclear_author.into(),
            dns_trouble: self.dns_trouble.into(),
            malware: self.malware.policy(),
            engines: self.engine_policy(),
            conduct: self.conduct.made(),
            history: self.history.made(),
            words: self.words.made(),
            ..Policy::default()
        };
        self.criteria()
            .put(&mut policy)
            .map_err(|(_, reason)| reason)?;
        for text in &self.dmarc_exceptions {
            match Exception::parse(text.get_ref())? {
                Exception::Sealer(domain) => policy.trusted_sealers.push(domain),
                Exception::Network(network) => policy.trusted_networks.push(network),
            }
        }
        Ok(policy)
    }

    /// For the transfer room; `None`: nothing is screened. `alone` is a site that nobody outside reaches.
    pub(crate) fn made(&self, alone: bool) -> Result<Option<transfer::Screening>, String> {
        if !self.enabled.unwrap_or(!alone) {
            return Ok(None);
        }
        let policy = self.policy()?;
        let limits = screening::Limits {
            time: self.time.get_ref().0,
            signatures: *self.signatures.get_ref(),
            text_domains: *self.text_domains.get_ref(),
        };
        let greeting_wait = self.greeting_wait.get_ref().0;
        Ok(Some(transfer::Screening {
            limits,
            policy,
            greeting_wait,
        }))
    }
}

impl From<ChoiceKeys> for Choice {
    fn from(keys: ChoiceKeys) -> Self {
        match keys {
            ChoiceKeys::Accept => Self::Accept,
            ChoiceKeys::Mark => Self::Mark,
            ChoiceKeys::Quarantine => Self::Quarantine,
            ChoiceKeys::Refuse => Self::Refuse,
        }
    }
}

impl From<Choice> for ChoiceKeys {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Accept => Self::Accept,
            Choice::Mark => Self::Mark,
            Choice::Quarantine => Self::Quarantine,
            Choice::Refuse => Self::Refuse,
        }
    }
}

impl From<TroubleKeys> for Trouble {
    fn from(keys: TroubleKeys) -> Self {
        match keys {
            TroubleKeys::Defer => Self::Defer,
            TroubleKeys::Accept => Self::Accept,
        }
    }
}
