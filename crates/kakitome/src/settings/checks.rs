//! `[checks]`: within which times things have to be done before the clause that demands them turns red.

use governance::facts::Terms;
use jiff::SignedDuration;
use serde::Deserialize;
use toml::Spanned;

use super::{Settings, SettingsError, policy::At};
use crate::site::SMTP_CONNECTIONS;

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
    /// Bounces of a day from which on somebody has to look into them (clause 5.5(1)).
    conspicuous_bounces: Spanned<u64>,
    /// That somebody did (clauses 5.5(1), 8.2(3)).
    analysed_days: Spanned<i64>,
    /// How long it holds that somebody did (clauses 5.5(1), 8.2(3)).
    analysis_holds_days: Spanned<i64>,
    /// That the trail was analysed for an incident about a password (clause 4.1(1)c).
    credential_analysed_days: Spanned<i64>,
    /// That those whom it concerns are told of a decision on a shared identifier (clauses 7.1(2)a, 8.1(2)).
    sharing_told_days: Spanned<i64>,
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
            conspicuous_bounces: Spanned::new(0..0, usual.conspicuous_bounces),
            analysed_days: days(usual.analysed),
            analysis_holds_days: days(usual.analysis_holds),
            credential_analysed_days: days(usual.credential_analysed),
            sharing_told_days: days(usual.sharing_told),
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
        for (name, least) in [
            ("conspicuous", &self.conspicuous),
            ("conspicuous_bounces", &self.conspicuous_bounces),
        ] {
            if *least.get_ref() == 0 {
                let reason = format!("{name} is at least 1: of nothing, nothing can be looked at");
                return Err(at(least.span(), reason));
            }
        }
        for (name, days) in [
            ("trail_verified_days", &self.trail_verified_days),
            ("analysed_days", &self.analysed_days),
            ("analysis_holds_days", &self.analysis_holds_days),
            ("credential_analysed_days", &self.credential_analysed_days),
            ("sharing_told_days", &self.sharing_told_days),
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
            conspicuous_bounces: *self.conspicuous_bounces.get_ref(),
            analysed: *self.analysed_days.get_ref(),
            analysis_holds: *self.analysis_holds_days.get_ref(),
            credential_analysed: *self.credential_analysed_days.get_ref(),
            sharing_told: *self.sharing_told_days.get_ref(),
            abuse_decided: *self.abuse_decided_days.get_ref(),
            outbreak_told: *self.outbreak_told_days.get_ref(),
            outbreak_pulled: *self.outbreak_pulled_days.get_ref(),
            case_reported: *self.case_reported_days.get_ref(),
            case_acted: *self.case_acted_days.get_ref(),
            case_shared: *self.case_shared_days.get_ref(),
        }
    }
}

/// What of other sections the checks are handed.
impl Settings {
    /// Transactions without a sender that may be open at once.
    pub(crate) fn null_sender_transactions(&self) -> usize {
        let usual = transfer::Limits::default().null_sender_transactions;
        self.limits.null_sender_transactions.unwrap_or(usual)
    }

    /// SMTP connections that may be open at once.
    pub(crate) fn smtp_connections(&self) -> usize {
        self.limits.smtp_connections.unwrap_or(SMTP_CONNECTIONS.0)
    }

    /// How long mail waits in the queue before it is returned.
    pub(crate) fn expire_after(&self) -> SignedDuration {
        let usual = transfer::Retry::default().expire_after;
        let set = self.delivery.expire_after.map_or(usual, |time| time.0);
        SignedDuration::try_from(set).unwrap_or(SignedDuration::MAX)
    }
}
