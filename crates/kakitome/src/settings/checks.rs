//! `[checks]`: within which times things have to be done before the clause that demands them turns red.

use governance::facts::Terms;
use serde::Deserialize;
use toml::Spanned;

use super::{SettingsError, policy::At};

/// The longest time, in days.
const MOST_DAYS: i64 = 3650;

/// `[checks]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckKeys {
    /// That all of the trail was verified; else it is unknown whether it is whole (clause 4.2).
    trail_verified_days: Spanned<i64>,
    /// Refusals of relaying, or failed logins, of a day from which on somebody has to look closer (clause 8.2(3)).
    conspicuous: Spanned<u64>,
    /// That somebody did (clause 8.2(3)).
    analysed_days: Spanned<i64>,
    /// How long it holds that somebody did (clause 8.2(3)).
    analysis_holds_days: Spanned<i64>,
    /// That it is decided what becomes of a report of abuse (clause 5.2(6)).
    abuse_decided_days: Spanned<i64>,
    /// That staff are told of an outbreak (clause 5.2(2)).
    outbreak_told_days: Spanned<i64>,
    /// That what was found of it is pulled (clause 5.2(2)).
    outbreak_pulled_days: Spanned<i64>,
    /// That a case of a vulnerability is reported (clause 4.3(3)).
    case_reported_days: Spanned<i64>,
    /// That it is planned, approved and ordered, and that what was ordered is done (clauses 4.3(4), 8.3(4), 8.3(5)).
    case_acted_days: Spanned<i64>,
    /// That it is decided whether officers elsewhere are told (clause 8.3(6)).
    case_shared_days: Spanned<i64>,
}

impl Default for CheckKeys {
    fn default() -> Self {
        let usual = Terms::default();
        let days = |days: i64| Spanned::new(0..0, days);
        Self {
            trail_verified_days: days(usual.trail_verified),
            conspicuous: Spanned::new(0..0, usual.conspicuous),
            analysed_days: days(usual.analysed),
            analysis_holds_days: days(usual.analysis_holds),
            abuse_decided_days: days(usual.abuse_decided),
            outbreak_told_days: days(usual.outbreak_told),
            outbreak_pulled_days: days(usual.outbreak_pulled),
            case_reported_days: days(usual.case_reported),
            case_acted_days: days(usual.case_acted),
            case_shared_days: days(usual.case_shared),
        }
    }
}

impl CheckKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        if *self.conspicuous.get_ref() == 0 {
            let reason = "conspicuous is at least 1: of nothing, nothing can be looked at";
            return Err(at(self.conspicuous.span(), reason.into()));
        }
        for (name, days) in [
            ("trail_verified_days", &self.trail_verified_days),
            ("analysed_days", &self.analysed_days),
            ("analysis_holds_days", &self.analysis_holds_days),
            ("abuse_decided_days", &self.abuse_decided_days),
            ("outbreak_told_days", &self.outbreak_told_days),
            ("outbreak_pulled_days", &self.outbreak_pulled_days),
            ("case_reported_days", &self.case_reported_days),
            ("case_acted_days", &self.case_acted_days),
            ("case_shared_days", &self.case_shared_days),
        ] {
            if !(1..=MOST_DAYS).contains(days.get_ref()) {
                let reason = format!("{name} lies between 1 and {MOST_DAYS}");
                return Err(at(days.span(), reason));
            }
        }
        Ok(())
    }

    /// For the checks.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            trail_verified: *self.trail_verified_days.get_ref(),
            conspicuous: *self.conspicuous.get_ref(),
            analysed: *self.analysed_days.get_ref(),
            analysis_holds: *self.analysis_holds_days.get_ref(),
            abuse_decided: *self.abuse_decided_days.get_ref(),
            outbreak_told: *self.outbreak_told_days.get_ref(),
            outbreak_pulled: *self.outbreak_pulled_days.get_ref(),
            case_reported: *self.case_reported_days.get_ref(),
            case_acted: *self.case_acted_days.get_ref(),
            case_shared: *self.case_shared_days.get_ref(),
        }
    }
}
