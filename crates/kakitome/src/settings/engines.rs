//! `[screening.rspamd]` and `[[screening.milter]]`: programs of others that judge mail, and what is done about what they say
//! (clause 5.3).

use std::{collections::BTreeSet, time::Duration};

use ::engines::{Address, Engines, May, Milter, MilterLimits, Rspamd, RspamdLimits, Shown};
use screening::{EnginePolicy, MilterPolicy, RspamdPolicy, Treatment};
use serde::Deserialize;
use toml::Spanned;

use super::{
    SettingsError, Size, Time, malware::TreatmentKeys, policy::At, screening::TroubleKeys,
};

/// A client waits ten minutes for the reply to its data (RFC 5321, section 4.5.3.2.6); scanners and the DNS take their part.
const MOST_TIME: Duration = Duration::from_secs(300);
/// Milters of a site.
const MOST_MILTERS: usize = 8;
/// Octets of a milter's name.
const LONGEST_NAME: usize = 32;
/// Messages at once.
const MOST_CONCURRENCY: usize = 1000;

/// `[screening.rspamd]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RspamdKeys {
    /// Where its normal worker is. Default: nobody asks one.
    address: Option<Spanned<String>>,
    /// Which mail it is asked about.
    listeners: ShownKeys,
    /// Messages at once; more wait.
    concurrency: Spanned<usize>,
    connect_time: Time,
    /// For one message.
    time: Spanned<Time>,
    /// Mail that it does not answer about.
    failure: TroubleKeys,
    /// What is done about each of its actions.
    greylist: ActionKeys,
    soft_reject: ActionKeys,
    add_header: ActionKeys,
    rewrite_subject: ActionKeys,
    quarantine: ActionKeys,
    discard: ActionKeys,
    reject: ActionKeys,
}

impl Default for RspamdKeys {
    fn default() -> Self {
        let (limits, policy) = (RspamdLimits::default(), RspamdPolicy::default());
        Self {
            address: None,
            listeners: ShownKeys::Exchange,
            concurrency: Spanned::new(0..0, limits.concurrency),
            connect_time: Time(limits.connect_time),
            time: Spanned::new(0..0, Time(limits.time)),
            failure: TroubleKeys::Defer,
            greylist: policy.greylist.into(),
            soft_reject: policy.soft_reject.into(),
            add_header: policy.add_header.into(),
            rewrite_subject: policy.rewrite_subject.into(),
            quarantine: policy.quarantine.into(),
            discard: policy.discard.into(),
            reject: policy.reject.into(),
        }
    }
}

/// `[[screening.milter]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MilterKeys {
    /// What it is called: in the trail, and as `engine` in the metrics.
    name: Spanned<String>,
    /// Where it is.
    address: Spanned<String>,
    /// Which mail it is shown.
    #[serde(default = "both")]
    listeners: ShownKeys,
    /// What it may change.
    #[serde(default = "header")]
    may: Vec<MayKeys>,
    /// Mail about which it fails.
    #[serde(default = "defer")]
    failure: TroubleKeys,
    /// Messages at once; more wait.
    #[serde(default)]
    concurrency: Option<Spanned<usize>>,
    #[serde(default)]
    connect_time: Option<Time>,
    /// For the reply to each step before the end.
    #[serde(default)]
    command_time: Option<Time>,
    /// For the reply to the end of the message.
    #[serde(default)]
    end_time: Option<Time>,
    /// For all of one message.
    #[serde(default)]
    time: Option<Spanned<Time>>,
}

/// Which mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ShownKeys {
    Exchange,
    Submission,
    Both,
}

/// What a milter may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MayKeys {
    Header,
    Body,
}

/// What is done about an action, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionKeys {
    Discard,
    #[serde(untagged)]
    Other(TreatmentKeys),
}

fn both() -> ShownKeys {
    ShownKeys::Both
}

fn header() -> Vec<MayKeys> {
    vec![MayKeys::Header]
}

fn defer() -> TroubleKeys {
    TroubleKeys::Defer
}

impl RspamdKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        if let Some(address) = &self.address {
            check_address(address, at)?;
        }
        check_concurrency(&self.concurrency, at)?;
        check_time(&self.time, at)
    }

    fn policy(&self) -> RspamdPolicy {
        RspamdPolicy {
            greylist: self.greylist.into(),
            soft_reject: self.soft_reject.into(),
            add_header: self.add_header.into(),
            rewrite_subject: self.rewrite_subject.into(),
            quarantine: self.quarantine.into(),
            discard: self.discard.into(),
            reject: self.reject.into(),
            failure: self.failure.into(),
        }
    }

    fn made(&self) -> Result<Option<(Shown, Rspamd)>, String> {
        let Some(text) = &self.address else {
            return Ok(None);
        };
        let limits = RspamdLimits {
            concurrency: *self.concurrency.get_ref(),
            connect_time: self.connect_time.0,
            time: self.time.get_ref().0,
        };
        Ok(Some((
            self.listeners.into(),
            Rspamd::new(address(text)?, limits),
        )))
    }
}

impl MilterKeys {
    /// `size` is the largest message of the site.
    fn made(&self, size: Size) -> Result<(Shown, Milter), String> {
        let usual = MilterLimits::default();
        let time = |time: Option<Time>, usual| time.map_or(usual, |time: Time| time.0);
        let limits = MilterLimits {
            concurrency: self
                .concurrency
                .as_ref()
                .map_or(usual.concurrency, |count| *count.get_ref()),
            connect_time: time(self.connect_time, usual.connect_time),
            command_time: time(self.command_time, usual.command_time),
            end_time: time(self.end_time, usual.end_time),
            time: self.whole_time(),
            body_octets: usize::try_from(size.0).unwrap_or(usize::MAX),
        };
        let may = May {
            fields: self.may.contains(&MayKeys::Header),
            body: self.may.contains(&MayKeys::Body),
        };
        let milter = Milter::new(self.name.get_ref(), address(&self.address)?, may, limits);
        Ok((self.listeners.into(), milter))
    }

    fn whole_time(&self) -> Duration {
        let usual = MilterLimits::default().time;
        self.time.as_ref().map_or(usual, |time| time.get_ref().0)
    }
}

/// What is wrong with them, together too.
pub(super) fn check_milters(milters: &[MilterKeys], at: At<'_>) -> Result<(), SettingsError> {
    let mut names = BTreeSet::new();
    let mut all = Duration::ZERO;
    for (number, milter) in milters.iter().enumerate() {
        let (name, span) = (milter.name.get_ref().as_str(), milter.name.span());
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
            let reason =
                format!("a name is of letters, digits and -_. alone, {LONGEST_NAME} at most");
            return Err(at(span, reason));
        }
        if !names.insert(name) || name == "rspamd" {
            return Err(at(
                span,
                "this name is another's: each has its own".to_owned(),
            ));
        }
        if number >= MOST_MILTERS {
            return Err(at(span, format!("{MOST_MILTERS} milters at most")));
        }
        check_address(&milter.address, at)?;
        if let Some(count) = &milter.concurrency {
            check_concurrency(count, at)?;
        }
        if let Some(time) = &milter.time {
            check_time(time, at)?;
        }
        all = all.saturating_add(milter.whole_time());
        if all > MOST_TIME {
            let span = milter.time.as_ref().map_or(span, Spanned::span);
            let reason =
                "the times of all milters come to more than 5m: the client waits meanwhile";
            return Err(at(span, reason.to_owned()));
        }
    }
    Ok(())
}

fn check_address(text: &Spanned<String>, at: At<'_>) -> Result<(), SettingsError> {
    address(text)
        .map(drop)
        .map_err(|reason| at(text.span(), reason))
}

fn check_concurrency(count: &Spanned<usize>, at: At<'_>) -> Result<(), SettingsError> {
    match (1..=MOST_CONCURRENCY).contains(count.get_ref()) {
        true => Ok(()),
        false => {
            let reason = format!("concurrency lies between 1 and {MOST_CONCURRENCY}");
            Err(at(count.span(), reason))
        }
    }
}

fn check_time(time: &Spanned<Time>, at: At<'_>) -> Result<(), SettingsError> {
    let value = time.get_ref().0;
    match value.is_zero() || value > MOST_TIME {
        false => Ok(()),
        true => {
            let reason = "time lies between 1ms and 5m: the client waits meanwhile";
            Err(at(time.span(), reason.to_owned()))
        }
    }
}

fn address(text: &Spanned<String>) -> Result<Address, String> {
    let parsed = text.get_ref().parse::<Address>();
    parsed.map_err(|error| error.to_string())
}

/// What is done about what they say.
pub(super) fn policy(rspamd: &RspamdKeys, milters: &[MilterKeys]) -> EnginePolicy {
    let failure = milters
        .iter()
        .map(|milter| (milter.name.get_ref().clone(), milter.failure.into()));
    EnginePolicy {
        rspamd: rspamd.policy(),
        milters: MilterPolicy {
            failure: failure.collect(),
        },
    }
}

/// Those that the settings name. `size` is the largest message of the site.
pub(super) fn made(
    rspamd: &RspamdKeys,
    milters: &[MilterKeys],
    size: Size,
) -> Result<Engines, String> {
    let milters = milters.iter().map(|milter| milter.made(size));
    Ok(Engines {
        rspamd: rspamd.made()?,
        milters: milters.collect::<Result<_, _>>()?,
    })
}

impl From<ShownKeys> for Shown {
    fn from(keys: ShownKeys) -> Self {
        match keys {
            ShownKeys::Exchange => Self::Exchange,
            ShownKeys::Submission => Self::Submission,
            ShownKeys::Both => Self::Both,
        }
    }
}

impl From<ActionKeys> for Treatment {
    fn from(keys: ActionKeys) -> Self {
        match keys {
            ActionKeys::Discard => Self::Discard,
            ActionKeys::Other(keys) => keys.into(),
        }
    }
}

impl From<Treatment> for ActionKeys {
    fn from(treatment: Treatment) -> Self {
        match treatment {
            Treatment::Accept => Self::Other(TreatmentKeys::Accept),
            Treatment::Mark => Self::Other(TreatmentKeys::Mark),
            Treatment::Quarantine => Self::Other(TreatmentKeys::Quarantine),
            Treatment::Defer => Self::Other(TreatmentKeys::Defer),
            Treatment::Refuse => Self::Other(TreatmentKeys::Refuse),
            Treatment::Discard => Self::Discard,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_usual_policy_is_that_of_the_room() {
        assert_eq!(RspamdKeys::default().policy(), RspamdPolicy::default());
        let made = made(&RspamdKeys::default(), &[], Size(1)).unwrap();
        assert!(made.rspamd.is_none() && made.milters.is_empty());
    }

    #[test]
    fn what_is_written_is_what_is_made() {
        let keys: RspamdKeys = toml::from_str(
            "address = \"127.0.0.1:11333\"\nlisteners = \"both\"\nreject = \"discard\"\nadd_header = \"quarantine\"\n",
        )
        .unwrap();
        assert_eq!(keys.policy().reject, Treatment::Discard);
        assert_eq!(keys.policy().add_header, Treatment::Quarantine);
        assert!(toml::from_str::<RspamdKeys>("reject = \"burn\"\n").is_err());
        let milter: MilterKeys = toml::from_str(
            "name = \"a\"\naddress = \"unix:/run/a\"\nmay = [\"body\"]\ntime = \"9s\"\n",
        )
        .unwrap();
        let (shown, made) = milter.made(Size(1)).unwrap();
        assert_eq!(shown, Shown::Both);
        assert_eq!(
            made.may(),
            May {
                fields: false,
                body: true
            }
        );
    }
}
