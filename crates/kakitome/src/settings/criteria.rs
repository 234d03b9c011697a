//! `[[screening.rule]]`, `[[screening.pattern]]`, `[[screening.dns_list]]`, `[screening.conduct]`, `[screening.history]` and
//! `[screening.words]`: a site's own rules about mail, and the criteria beside who it is from (clause 5.3(1)).

use std::collections::BTreeSet;

use message::address::Domain;
use screening::{
    AddressForm, Answers, Condition, ConductPolicy, DnsList, Finding, Greylisting, HelloForm,
    HistoryPolicy, ListedBy, NameForm, Pattern, Place, Policy, Rule, Treatment, WordsPolicy,
};
use serde::Deserialize;
use toml::Spanned;
use wire::ExplicitNetwork;

use super::{
    SettingsError, Time,
    policy::At,
    screening::{ChoiceKeys, TroubleKeys},
};

/// Each costs a question for each message.
const MOST_LISTS: usize = 20;
const MOST_RULES: usize = 500;
/// Each is looked for in each message.
const MOST_PATTERNS: usize = 200;
/// Texts and expressions of one pattern, and values of one condition.
const MOST_VALUES: usize = 1000;
/// Characters of a name.
const MOST_NAME: usize = 60;

/// `[[screening.dns_list]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsListKeys {
    /// Where it is asked.
    zone: Spanned<String>,
    /// What is looked for.
    #[serde(default)]
    by: ByKeys,
    /// The answers that count.
    #[serde(default)]
    answers: Vec<Spanned<String>>,
    /// What is done with mail that is listed.
    #[serde(default = "refuse")]
    then: ThenKeys,
    /// What is done where the list does not answer.
    #[serde(default = "accept_trouble")]
    trouble: TroubleKeys,
}

/// What is looked for in a list.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ByKeys {
    #[default]
    Address,
    Name,
    Hello,
    Sender,
    Author,
    Text,
}

/// What is done, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ThenKeys {
    Accept,
    Mark,
    Quarantine,
    Defer,
    Discard,
    Refuse,
}

fn refuse() -> ThenKeys {
    ThenKeys::Refuse
}

fn accept_trouble() -> TroubleKeys {
    TroubleKeys::Accept
}

/// `[[screening.pattern]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternKeys {
    name: Spanned<String>,
    /// `subject`, `text`, `file-name`, or `header:NAME`.
    #[serde(rename = "in")]
    place: Spanned<String>,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    expressions: Vec<String>,
}

/// `[[screening.rule]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleKeys {
    name: Spanned<String>,
    then: ThenKeys,
    #[serde(default)]
    submissions: bool,
    peer: Option<Vec<Spanned<String>>>,
    peer_name: Option<Vec<Spanned<String>>>,
    hello: Option<Vec<Spanned<String>>>,
    hello_form: Option<Vec<HelloForm>>,
    sender: Option<Vec<Spanned<String>>>,
    author: Option<Vec<Spanned<String>>>,
    signer: Option<Vec<Spanned<String>>>,
    spf: Option<Vec<Finding>>,
    dmarc: Option<Vec<Finding>>,
    arc: Option<Vec<Finding>>,
    iprev: Option<Vec<Finding>>,
    listed: Option<Vec<Spanned<String>>>,
    pattern: Option<Vec<Spanned<String>>>,
    early: Option<bool>,
    tls: Option<bool>,
    known: Option<bool>,
    junk_words: Option<Spanned<u16>>,
    size: Option<super::Size>,
}

/// `[screening.conduct]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConductKeys {
    early: ChoiceKeys,
    hello_own: ChoiceKeys,
    hello_address: ChoiceKeys,
    hello_bare: ChoiceKeys,
    no_name: ChoiceKeys,
    guessing: ChoiceKeys,
    many_refused: u32,
}

impl Default for ConductKeys {
    fn default() -> Self {
        let policy = ConductPolicy::default();
        Self {
            early: policy.early.into(),
            hello_own: policy.hello_own.into(),
            hello_address: policy.hello_address.into(),
            hello_bare: policy.hello_bare.into(),
            no_name: policy.no_name.into(),
            guessing: policy.guessing.into(),
            many_refused: policy.many_refused,
        }
    }
}

/// `[screening.history]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HistoryKeys {
    bad: ChoiceKeys,
    least: u32,
    bad_percent: Spanned<u32>,
    good_percent: Spanned<u32>,
    /// How long mail is put off that nobody is shown to send.
    greylisting: Option<Spanned<Time>>,
    remembers_networks: bool,
    /// Whether an address answers before its domain.
    addresses: bool,
}

impl Default for HistoryKeys {
    fn default() -> Self {
        let policy = HistoryPolicy::default();
        Self {
            bad: policy.bad.into(),
            least: policy.least,
            bad_percent: Spanned::new(0..0, policy.bad_share),
            good_percent: Spanned::new(0..0, policy.good_share),
            greylisting: None,
            remembers_networks: Greylisting::default().remembers_networks,
            addresses: policy.addresses,
        }
    }
}

/// `[screening.words]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WordsKeys {
    junk: ChoiceKeys,
    junk_from: Spanned<u16>,
    lessons: u32,
}

impl Default for WordsKeys {
    fn default() -> Self {
        let policy = WordsPolicy::default();
        Self {
            junk: policy.junk.into(),
            junk_from: Spanned::new(0..0, policy.junk_from),
            lessons: policy.lessons,
        }
    }
}

/// The criteria of a site, as it writes them.
pub(super) struct Criteria<'k> {
    pub(super) rules: &'k [RuleKeys],
    pub(super) patterns: &'k [PatternKeys],
    pub(super) lists: &'k [DnsListKeys],
}

/// What is wrong, and where.
type Wrong = (std::ops::Range<usize>, String);

impl Criteria<'_> {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        self.put(&mut Policy::default())
            .map_err(|(span, reason)| at(span, reason))
    }

    /// Puts them into a policy.
    pub(super) fn put(&self, policy: &mut Policy) -> Result<(), Wrong> {
        policy.lists = self.lists.iter().map(list).collect::<Result<_, _>>()?;
        policy.patterns = self
            .patterns
            .iter()
            .map(pattern)
            .collect::<Result<_, _>>()?;
        self.counts()?;
        policy.rules = self
            .rules
            .iter()
            .map(|keys| rule(keys, policy))
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    /// That there are not too many, and none twice.
    fn counts(&self) -> Result<(), Wrong> {
        if let Some(list) = self.lists.get(MOST_LISTS) {
            return Err((
                list.zone.span(),
                format!("at most {MOST_LISTS} DNS lists can be asked"),
            ));
        }
        if let Some(pattern) = self.patterns.get(MOST_PATTERNS) {
            return Err((
                pattern.name.span(),
                format!("at most {MOST_PATTERNS} patterns can be looked for"),
            ));
        }
        if let Some(rule) = self.rules.get(MOST_RULES) {
            return Err((
                rule.name.span(),
                format!("there can be at most {MOST_RULES} rules"),
            ));
        }
        let rules = self.rules.iter().map(|rule| ("rule", &rule.name));
        let patterns = self
            .patterns
            .iter()
            .map(|pattern| ("pattern", &pattern.name));
        let mut seen = BTreeSet::new();
        for (what, name) in rules.chain(patterns) {
            let text = name.get_ref();
            let count = text.chars().count();
            if !(1..=MOST_NAME).contains(&count) || text.chars().any(char::is_control) {
                return Err((
                    name.span(),
                    format!("a {what} has a name of 1 to {MOST_NAME} characters"),
                ));
            }
            if !seen.insert((what, text)) {
                return Err((
                    name.span(),
                    format!("there is another {what} called {text:?}"),
                ));
            }
        }
        Ok(())
    }
}

fn list(keys: &DnsListKeys) -> Result<DnsList, Wrong> {
    let zone = Domain::parse(keys.zone.get_ref()).map_err(|error| {
        (
            keys.zone.span(),
            format!("this is no name of a list: {error}"),
        )
    })?;
    let answers = each(&keys.answers, Answers::parse)?;
    Ok(DnsList {
        zone,
        by: match keys.by {
            ByKeys::Address => ListedBy::Address,
            ByKeys::Name => ListedBy::Name,
            ByKeys::Hello => ListedBy::Hello,
            ByKeys::Sender => ListedBy::Sender,
            ByKeys::Author => ListedBy::Author,
            ByKeys::Text => ListedBy::Text,
        },
        answers,
        then: keys.then.into(),
        trouble: keys.trouble.into(),
    })
}

fn pattern(keys: &PatternKeys) -> Result<Pattern, Wrong> {
    let place = match keys.place.get_ref().as_str() {
        "subject" => Place::Subject,
        "text" => Place::Text,
        "file-name" => Place::FileName,
        other => match other.strip_prefix("header:") {
            Some(name)
                if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':') =>
            {
                Place::Header(name.to_owned())
            }
            _ => {
                let reason = "in is one of \"subject\", \"text\", \"file-name\", \"header:NAME\"";
                return Err((keys.place.span(), reason.to_owned()));
            }
        },
    };
    if keys.texts.len().max(keys.expressions.len()) > MOST_VALUES {
        return Err((
            keys.name.span(),
            format!("a pattern has at most {MOST_VALUES} texts and expressions"),
        ));
    }
    Pattern::new(keys.name.get_ref(), place, &keys.texts, &keys.expressions)
        .map_err(|reason| (keys.name.span(), reason))
}

fn rule(keys: &RuleKeys, policy: &Policy) -> Result<Rule, Wrong> {
    let mut all = Vec::new();
    let names = |keys: &Option<Vec<Spanned<String>>>, make: fn(Vec<NameForm>) -> Condition| {
        let names = keys
            .as_ref()
            .map(|names| each(names, NameForm::parse))
            .transpose()?;
        Ok::<_, Wrong>(names.map(make))
    };
    if let Some(networks) = &keys.peer {
        let parse = |text: &str| {
            text.parse::<ExplicitNetwork>()
                .map_err(|error| error.to_string())
        };
        all.push(Condition::Peer(each(networks, parse)?));
    }
    all.extend(names(&keys.peer_name, Condition::PeerName)?);
    all.extend(names(&keys.hello, Condition::Hello)?);
    all.extend(names(&keys.author, Condition::Author)?);
    all.extend(names(&keys.signer, Condition::Signer)?);
    if let Some(senders) = &keys.sender {
        all.push(Condition::Sender(each(senders, AddressForm::parse)?));
    }
    all.extend(keys.hello_form.clone().map(Condition::HelloForm));
    all.extend(keys.spf.clone().map(Condition::Spf));
    all.extend(keys.dmarc.clone().map(Condition::Dmarc));
    all.extend(keys.arc.clone().map(Condition::Arc));
    all.extend(keys.iprev.clone().map(Condition::Iprev));
    if let Some(zones) = &keys.listed {
        let known = |text: &str| {
            let zone = policy
                .lists
                .iter()
                .map(|list| &list.zone)
                .find(|zone| zone.as_str() == text);
            zone.cloned()
                .ok_or_else(|| format!("no [[screening.dns_list]] has the zone {text:?}"))
        };
        all.push(Condition::Listed(each(zones, known)?));
    }
    if let Some(patterns) = &keys.pattern {
        let known = |text: &str| {
            let is_known = policy.patterns.iter().any(|pattern| pattern.name == text);
            is_known
                .then(|| text.to_owned())
                .ok_or_else(|| format!("no [[screening.pattern]] is called {text:?}"))
        };
        all.push(Condition::Pattern(each(patterns, known)?));
    }
    all.extend(keys.early.map(Condition::Early));
    all.extend(keys.tls.map(Condition::Tls));
    all.extend(keys.known.map(Condition::Known));
    if let Some(least) = &keys.junk_words {
        if *least.get_ref() > 1000 {
            return Err((
                least.span(),
                "junk_words lies between 0 and 1000".to_owned(),
            ));
        }
        all.push(Condition::JunkWords(*least.get_ref()));
    }
    all.extend(keys.size.as_ref().map(|size| Condition::Size(size.0)));
    if all.is_empty() {
        return Err((
            keys.name.span(),
            "a rule has at least one condition, or it would be about all mail".to_owned(),
        ));
    }
    Ok(Rule {
        name: keys.name.get_ref().clone(),
        submissions: keys.submissions,
        all,
        then: keys.then.into(),
    })
}

fn each<T>(
    texts: &[Spanned<String>],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Wrong> {
    if let Some(text) = texts.get(MOST_VALUES) {
        return Err((
            text.span(),
            format!("there can be at most {MOST_VALUES} of these"),
        ));
    }
    let read =
        |text: &Spanned<String>| parse(text.get_ref()).map_err(|reason| (text.span(), reason));
    texts.iter().map(read).collect()
}

impl ConductKeys {
    pub(super) fn made(&self) -> ConductPolicy {
        ConductPolicy {
            early: self.early.into(),
            hello_own: self.hello_own.into(),
            hello_address: self.hello_address.into(),
            hello_bare: self.hello_bare.into(),
            no_name: self.no_name.into(),
            guessing: self.guessing.into(),
            many_refused: self.many_refused,
        }
    }
}

impl HistoryKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for percent in [&self.bad_percent, &self.good_percent] {
            if *percent.get_ref() > 100 {
                return Err(at(
                    percent.span(),
                    "percents lie between 0 and 100".to_owned(),
                ));
            }
        }
        let (bad, good) = (self.bad_percent.get_ref(), self.good_percent.get_ref());
        if good >= bad {
            return Err(at(
                self.good_percent.span(),
                "good_percent is less than bad_percent".to_owned(),
            ));
        }
        if let Some(wait) = &self.greylisting
            && !(1..=86_400).contains(&wait.get_ref().0.as_secs())
        {
            return Err(at(
                wait.span(),
                "greylisting lies between 1s and 1d".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn made(&self) -> HistoryPolicy {
        HistoryPolicy {
            bad: self.bad.into(),
            least: self.least,
            bad_share: *self.bad_percent.get_ref(),
            good_share: *self.good_percent.get_ref(),
            addresses: self.addresses,
            greylisting: self.greylisting.as_ref().map(|wait| Greylisting {
                wait: wait.get_ref().0,
                remembers_networks: self.remembers_networks,
            }),
        }
    }
}

impl WordsKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        match (501..=1000).contains(self.junk_from.get_ref()) {
            true => Ok(()),
            false => Err(at(
                self.junk_from.span(),
                "junk_from lies between 501 and 1000".to_owned(),
            )),
        }
    }

    pub(super) fn made(&self) -> WordsPolicy {
        WordsPolicy {
            junk: self.junk.into(),
            junk_from: *self.junk_from.get_ref(),
            lessons: self.lessons,
        }
    }
}

impl From<ThenKeys> for Treatment {
    fn from(keys: ThenKeys) -> Self {
        match keys {
            ThenKeys::Accept => Self::Accept,
            ThenKeys::Mark => Self::Mark,
            ThenKeys::Quarantine => Self::Quarantine,
            ThenKeys::Defer => Self::Defer,
            ThenKeys::Discard => Self::Discard,
            ThenKeys::Refuse => Self::Refuse,
        }
    }
}
