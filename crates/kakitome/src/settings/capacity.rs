//! `[capacity]`: how the room that mailboxes take is judged (clause 6.2).

use std::time::Duration;

use governance::capacity::Options;
use serde::Deserialize;
use toml::Spanned;

use super::{SettingsError, Time, policy::At};

const DAY: Duration = Duration::from_secs(86_400);

/// `[capacity]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CapacityKeys {
    /// How long it is kept what single mailboxes took; sums are kept for ever.
    pub(crate) keep: Spanned<Time>,
    /// From so much of its quota on, in hundredths, a mailbox is nearly full.
    pub(crate) near_percent: Spanned<u64>,
    /// The disk has to last so many months, as mailboxes grow.
    pub(crate) lasts_months: Spanned<u64>,
}

impl Default for CapacityKeys {
    fn default() -> Self {
        let usual = Options::default();
        let keep = Duration::try_from(usual.keep).unwrap_or(DAY);
        Self {
            keep: Spanned::new(0..0, Time(keep)),
            near_percent: Spanned::new(0..0, usual.near_percent),
            lasts_months: Spanned::new(0..0, usual.lasts_months),
        }
    }
}

impl CapacityKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        let keep = self.keep.get_ref().0;
        if !(180 * DAY..=7300 * DAY).contains(&keep) {
            let reason = "keep lies between 180d, which growth is taken from, and 7300d";
            return Err(at(self.keep.span(), reason.into()));
        }
        if !(50..=100).contains(self.near_percent.get_ref()) {
            let reason = "near_percent lies between 50 and 100";
            return Err(at(self.near_percent.span(), reason.into()));
        }
        if *self.lasts_months.get_ref() > 120 {
            let reason = "lasts_months is at most 120";
            return Err(at(self.lasts_months.span(), reason.into()));
        }
        Ok(())
    }

    /// For the checks.
    pub(crate) fn options(&self) -> Options {
        let usual = Options::default();
        Options {
            keep: self.keep.get_ref().0.try_into().unwrap_or(usual.keep),
            near_percent: *self.near_percent.get_ref(),
            lasts_months: *self.lasts_months.get_ref(),
        }
    }
}
