//! `[quarantine]`: mail that is set apart (clause 5.3(2)).

use std::time::Duration;

use jiff::civil;
use serde::Deserialize;
use toml::Spanned;

use super::{SettingsError, Time, policy::At};

const SHORTEST: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// `[quarantine]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QuarantineKeys {
    /// How long mail is set apart before it is deleted.
    pub(crate) keep: Spanned<Time>,
    /// When people are told each day what is set apart for them, in local time; or `off`.
    pub(crate) digest: Spanned<String>,
}

impl Default for QuarantineKeys {
    fn default() -> Self {
        Self {
            keep: Spanned::new(0..0, Time(Duration::from_secs(30 * 86_400))),
            digest: Spanned::new(0..0, "07:30".to_owned()),
        }
    }
}

impl QuarantineKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        if !(SHORTEST..=LONGEST).contains(&self.keep.get_ref().0) {
            let reason = "keep lies between 1d and 3650d: people need time to miss their mail";
            return Err(at(self.keep.span(), reason.into()));
        }
        daily(self.digest.get_ref())
            .map(drop)
            .map_err(|reason| at(self.digest.span(), reason))
    }

    /// When digests are sent each day; `None`: never.
    pub(crate) fn digest_time(&self) -> Option<civil::Time> {
        daily(self.digest.get_ref()).ok().flatten()
    }
}

/// A time of day such as `07:30`, or `off`.
fn daily(text: &str) -> Result<Option<civil::Time>, String> {
    if text == "off" {
        return Ok(None);
    }
    let parsed = civil::Time::strptime("%H:%M", text);
    parsed
        .map(Some)
        .map_err(|_| "a time of day such as 07:30 is expected, or off".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        assert_eq!(daily("off"), Ok(None));
        assert_eq!(daily("07:30"), Ok(Some(civil::time(7, 30, 0, 0))));
        for wrong in ["", "7", "25:00", "07:60", "on"] {
            assert!(daily(wrong).is_err(), "{wrong}");
        }
    }
}
