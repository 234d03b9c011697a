//! `[mta_sts]`: what own domains demand of those who send them mail (RFC 8461).

use std::{collections::BTreeMap, time::Duration};

use message::address::Domain;
use serde::Deserialize;
use toml::Spanned;
use transfer::sts::{Mode, Policy};

use super::{Settings, SettingsError, Time, policy::At};

/// The shortest that a policy may last: who sends mail must be able to remember it from one message to the next.
const SHORTEST: Duration = Duration::from_secs(3600);
/// The longest (RFC 8461, section 3.2).
const LONGEST: Duration = Duration::from_secs(31_557_600);

/// `[mta_sts]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MtaStsKeys {
    /// What is demanded; none: no policy is served.
    pub(crate) mode: Option<ModeKeys>,
    /// The hosts that serve the own domains, with `*.` for any one label. Default: this server's name.
    pub(crate) mx: Vec<Spanned<String>>,
    /// How long others may remember it.
    pub(crate) max_age: Spanned<Time>,
}

impl Default for MtaStsKeys {
    fn default() -> Self {
        Self {
            mode: None,
            mx: Vec::new(),
            max_age: Spanned::new(0..0, Time(Duration::from_secs(7 * 86_400))),
        }
    }
}

/// What is demanded, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModeKeys {
    Enforce,
    Testing,
    None,
}

impl From<ModeKeys> for Mode {
    fn from(keys: ModeKeys) -> Self {
        match keys {
            ModeKeys::Enforce => Self::Enforce,
            ModeKeys::Testing => Self::Testing,
            ModeKeys::None => Self::None,
        }
    }
}

impl MtaStsKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for host in &self.mx {
            let name = host.get_ref();
            let name = name.strip_prefix("*.").unwrap_or(name);
            Domain::parse(name)
                .map_err(|e| at(host.span(), format!("{:?} is no host: {e}", host.get_ref())))?;
        }
        if !(SHORTEST..=LONGEST).contains(&self.max_age.get_ref().0) {
            let reason = "max_age lies between 1h and 31557600s, which is a year (RFC 8461)";
            return Err(at(self.max_age.span(), reason.into()));
        }
        Ok(())
    }
}

impl Settings {
    /// The policy of the own domains, if one is served.
    pub(crate) fn sts_policy(&self) -> Option<Policy> {
        let mode = Mode::from(self.mta_sts.mode?);
        let mut mx: Vec<String> = self
            .mta_sts
            .mx
            .iter()
            .map(|host| host.get_ref().to_ascii_lowercase())
            .collect();
        if mx.is_empty() {
            mx.push(self.server.hostname.get_ref().to_ascii_lowercase());
        }
        Some(Policy {
            mode,
            mx,
            max_age: self.mta_sts.max_age.get_ref().0,
        })
    }

    /// What is served for each own domain.
    pub(super) fn sts_policies(&self) -> BTreeMap<String, String> {
        let Some(policy) = self.sts_policy() else {
            return BTreeMap::new();
        };
        let domains = self.domains.iter();
        let domains = domains.filter_map(|keys| Domain::parse(keys.name.get_ref()).ok());
        domains
            .map(|domain| (domain.as_str().to_owned(), policy.to_text()))
            .collect()
    }
}

/// The TXT record that tells of `policy`. Its id is made of the text, so that it changes when the policy does.
pub(crate) fn record(policy: &Policy) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, policy.to_text().as_bytes());
    let hex = data_encoding::HEXLOWER.encode(digest.as_ref());
    let id: String = hex.chars().take(20).collect();
    format!("v=STSv1; id={id};")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_changes_with_the_policy_and_only_then() {
        let policy = Policy {
            mode: Mode::Testing,
            mx: vec!["mail.example.org".to_owned()],
            max_age: Duration::from_secs(86_400),
        };
        let told = record(&policy);
        assert!(
            transfer::sts::id(std::slice::from_ref(&told)).is_some(),
            "{told}"
        );
        assert_eq!(record(&policy.clone()), told);
        let mode = Mode::Enforce;
        assert_ne!(record(&Policy { mode, ..policy }), told);
    }
}
