//! `[submission]`: who may submit, and how much (clauses 4.4, 5.5, 6.1(1)).

use directory::submission::{Jump, Limits, Rule};
use message::Address;
use serde::Deserialize;
use toml::Spanned;

use super::{
    SettingsError, Time,
    policy::{At, networks},
};

/// `[submission]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SubmissionKeys {
    /// Networks that may submit without authentication (clause 6.1(1)b).
    pub(crate) unauthenticated_networks: Vec<Spanned<String>>,
    /// How much one identifier may submit.
    pub(crate) limits: LimitsKeys,
    /// When submissions are held, since they are many times what is usual.
    pub(crate) jump: JumpKeys,
}

/// `[submission.limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsKeys {
    pub(crate) messages_per_hour: Option<u32>,
    pub(crate) messages_per_day: Option<u32>,
    pub(crate) recipients_per_hour: Option<u32>,
    pub(crate) recipients_per_day: Option<u32>,
    /// Identifiers with limits of their own.
    pub(crate) except: Vec<ExceptKeys>,
}

/// An identifier with limits of its own; what is not said is as for everybody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExceptKeys {
    pub(crate) identifier: Spanned<String>,
    #[serde(default)]
    pub(crate) messages_per_hour: Option<u32>,
    #[serde(default)]
    pub(crate) messages_per_day: Option<u32>,
    #[serde(default)]
    pub(crate) recipients_per_hour: Option<u32>,
    #[serde(default)]
    pub(crate) recipients_per_day: Option<u32>,
}

/// `[submission.jump]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JumpKeys {
    /// Whether anything is held.
    pub(crate) enabled: bool,
    /// More than so many times what is usual.
    pub(crate) factor: Spanned<u32>,
    /// And more than so many messages in an hour.
    pub(crate) messages: u32,
    /// Or so many recipients.
    pub(crate) recipients: u32,
    /// How long nothing is compared with the usual after an officer found it in order.
    pub(crate) excuse: Time,
}

impl Default for JumpKeys {
    fn default() -> Self {
        let usual = Jump::default();
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            enabled: true,
            factor: Spanned::new(0..0, small(usual.factor)),
            messages: small(usual.messages),
            recipients: small(usual.recipients),
            excuse: Time(usual.excuse),
        }
    }
}

impl SubmissionKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        networks(&self.unauthenticated_networks, at)?;
        let mut seen = Vec::new();
        for except in &self.limits.except {
            let text = &except.identifier;
            let address = Address::parse(text.get_ref()).map_err(|error| {
                let reason = format!("{:?} is not an identifier: {error}", text.get_ref());
                at(text.span(), reason)
            })?;
            let name = address.canonical().to_string();
            if seen.contains(&name) {
                return Err(at(text.span(), format!("{name} has limits already")));
            }
            seen.push(name);
        }
        if *self.jump.factor.get_ref() == 0 {
            let reason = "factor is at least 1: more than so many times what is usual is held";
            return Err(at(self.jump.factor.span(), reason.into()));
        }
        Ok(())
    }

    /// For the directory.
    pub(super) fn rule(&self) -> Rule {
        let usual = self.limits.made();
        let of = self.limits.except.iter().filter_map(|except| {
            // They were checked when the settings were read.
            let address = Address::parse(except.identifier.get_ref()).ok()?;
            Some((address.canonical().to_string(), except.made(usual)))
        });
        Rule {
            usual,
            of: of.collect(),
            jump: self.jump.enabled.then(|| Jump {
                factor: u64::from(*self.jump.factor.get_ref()),
                messages: u64::from(self.jump.messages),
                recipients: u64::from(self.jump.recipients),
                excuse: self.jump.excuse.0,
            }),
        }
    }
}

fn or(key: Option<u32>, usual: u64) -> u64 {
    key.map_or(usual, u64::from)
}

impl LimitsKeys {
    fn made(&self) -> Limits {
        let usual = Limits::of_a_site();
        Limits {
            messages_per_hour: or(self.messages_per_hour, usual.messages_per_hour),
            messages_per_day: or(self.messages_per_day, usual.messages_per_day),
            recipients_per_hour: or(self.recipients_per_hour, usual.recipients_per_hour),
            recipients_per_day: or(self.recipients_per_day, usual.recipients_per_day),
        }
    }
}

impl ExceptKeys {
    fn made(&self, usual: Limits) -> Limits {
        Limits {
            messages_per_hour: or(self.messages_per_hour, usual.messages_per_hour),
            messages_per_day: or(self.messages_per_day, usual.messages_per_day),
            recipients_per_hour: or(self.recipients_per_hour, usual.recipients_per_hour),
            recipients_per_day: or(self.recipients_per_day, usual.recipients_per_day),
        }
    }
}
