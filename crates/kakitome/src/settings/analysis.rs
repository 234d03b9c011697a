//! `[audit.analysis]`: from where on the analyses of the trail call something conspicuous (clause 8.2(3)).

use jiff::SignedDuration;
use serde::Deserialize;
use trail::analysis::Thresholds;

use super::Time;

/// Events of one kind that are counted at most: so many are known of each identifier and host.
const MOST_EVENTS: usize = 1000;
/// Identifiers, hosts and networks that can be followed at most.
const MOST_FOLLOWED: usize = 1_000_000;
/// A window is longer than nothing and at most as long as what is usual is learned from.
const LONGEST: u64 = 90 * 86_400;

/// `[audit.analysis]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AnalysisKeys {
    /// Within this time.
    pub(crate) window: Time,
    /// Failures against one identifier.
    pub(crate) guesses: usize,
    /// Within this time slow guessing is looked for.
    pub(crate) slow_window: Time,
    /// Failures against one identifier within it.
    pub(crate) slow_guesses: usize,
    /// Identifiers that one host fails to prove.
    pub(crate) identifiers: usize,
    /// Hosts that fail with as many identifiers.
    pub(crate) hosts: usize,
    /// Failures before a success.
    pub(crate) before_success: usize,
    /// Two networks within this time are two places at once.
    pub(crate) at_once: Time,
    /// Refused relaying of one host.
    pub(crate) relaying: usize,
    /// Identifiers and hosts that are followed.
    pub(crate) followed: usize,
    /// How long the report of an incident waits for the end of the sessions that it shut out.
    pub(crate) sessions_end: Time,
}

impl Default for AnalysisKeys {
    fn default() -> Self {
        let usual = Thresholds::default();
        let time = |time: SignedDuration| Time(time.unsigned_abs());
        Self {
            window: time(usual.window),
            guesses: usual.guesses,
            slow_window: time(usual.slow_window),
            slow_guesses: usual.slow_guesses,
            identifiers: usual.identifiers,
            hosts: usual.hosts,
            before_success: usual.before_success,
            at_once: time(usual.at_once),
            relaying: usual.relaying,
            followed: usual.most,
            sessions_end: Time::seconds(10),
        }
    }
}

impl AnalysisKeys {
    /// The key that has a value which means nothing, and why.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let counts = [
            ("guesses", self.guesses),
            ("slow_guesses", self.slow_guesses),
            ("identifiers", self.identifiers),
            ("hosts", self.hosts),
            ("before_success", self.before_success),
            ("relaying", self.relaying),
        ];
        let wrong = counts
            .into_iter()
            .find(|(_, count)| !(1..=MOST_EVENTS).contains(count));
        if let Some((key, _)) = wrong {
            return Some((key, format!("{key} must be from 1 to {MOST_EVENTS}")));
        }
        if !(1..=MOST_FOLLOWED).contains(&self.followed) {
            let why = format!("followed must be from 1 to {MOST_FOLLOWED}");
            return Some(("followed", why));
        }
        let times = [
            ("window", self.window),
            ("slow_window", self.slow_window),
            ("at_once", self.at_once),
        ];
        let wrong = times
            .into_iter()
            .find(|(_, time)| !(1..=LONGEST).contains(&time.0.as_secs()));
        if let Some((key, _)) = wrong {
            return Some((key, format!("{key} must be from 1s to 90d")));
        }
        (self.slow_window.0 < self.window.0).then(|| {
            let why = "slow_window must not be shorter than window";
            ("slow_window", why.to_owned())
        })
    }

    /// As an analysis takes them.
    pub(crate) fn thresholds(&self) -> Thresholds {
        // Checked: at most 90 days.
        let time = |time: Time| SignedDuration::try_from(time.0).unwrap_or(SignedDuration::MAX);
        Thresholds {
            window: time(self.window),
            guesses: self.guesses,
            slow_window: time(self.slow_window),
            slow_guesses: self.slow_guesses,
            identifiers: self.identifiers,
            hosts: self.hosts,
            before_success: self.before_success,
            at_once: time(self.at_once),
            relaying: self.relaying,
            most: self.followed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_analysis_and_nonsense_is_named() {
        let keys = AnalysisKeys::default();
        assert_eq!(keys.thresholds(), Thresholds::default());
        assert_eq!(keys.fault(), None);
        for (wrong, key) in [
            (AnalysisKeys { guesses: 0, ..keys }, "guesses"),
            (
                AnalysisKeys {
                    slow_guesses: 1001,
                    ..keys
                },
                "slow_guesses",
            ),
            (
                AnalysisKeys {
                    followed: 0,
                    ..keys
                },
                "followed",
            ),
            (
                AnalysisKeys {
                    at_once: Time::seconds(0),
                    ..keys
                },
                "at_once",
            ),
            (
                AnalysisKeys {
                    slow_window: Time::seconds(60),
                    ..keys
                },
                "slow_window",
            ),
        ] {
            assert_eq!(wrong.fault().map(|(key, _)| key), Some(key));
        }
    }
}
