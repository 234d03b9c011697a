//! `[isolation]`: who sends malware from inside is shut out (clause 5.2(5)), and malware from outside opens an incident (clause 5.2(6)).

use std::time::Duration;

use directory::{isolation::Isolation, outside::Outside};
use serde::Deserialize;
use toml::Spanned;
use wire::ExplicitNetwork;

use super::{SettingsError, Time, policy::At};

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// `[isolation]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IsolationKeys {
    /// Whether it is done.
    pub(crate) enabled: bool,
    /// Networks that are never blocked, neither by the server nor by `block add`.
    pub(crate) except: Vec<Spanned<String>>,
    /// How long an address is blocked, unless somebody ends it before.
    pub(crate) block_time: Spanned<Time>,
    /// Whether malware from outside opens an incident.
    outside_incidents: bool,
    /// How long after one about a source no other is opened about it.
    outside_again_after: Spanned<Time>,
    /// Incidents about malware from outside that the server has open at once at most.
    outside_most_open: Spanned<u64>,
}

impl Default for IsolationKeys {
    fn default() -> Self {
        let usual = Isolation::default();
        let outside = Outside::default();
        let except = usual.except.iter();
        Self {
            enabled: true,
            except: except
                .map(|network| Spanned::new(0..0, network.to_string()))
                .collect(),
            block_time: Spanned::new(0..0, Time(usual.block_time)),
            outside_incidents: true,
            outside_again_after: Spanned::new(0..0, Time(outside.again_after)),
            outside_most_open: Spanned::new(0..0, outside.most_open),
        }
    }
}

impl IsolationKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for text in &self.except {
            let parsed = text.get_ref().parse::<ExplicitNetwork>();
            parsed.map_err(|error| at(text.span(), error.to_string()))?;
        }
        if !(SHORTEST..=LONGEST).contains(&self.block_time.get_ref().0) {
            let reason = "block_time lies between 1m and 3650d";
            return Err(at(self.block_time.span(), reason.into()));
        }
        if !(SHORTEST..=LONGEST).contains(&self.outside_again_after.get_ref().0) {
            let reason = "outside_again_after lies between 1m and 3650d";
            return Err(at(self.outside_again_after.span(), reason.into()));
        }
        if !(1..=1000).contains(self.outside_most_open.get_ref()) {
            let reason = "outside_most_open lies between 1 and 1000";
            return Err(at(self.outside_most_open.span(), reason.into()));
        }
        Ok(())
    }

    /// When malware from outside opens an incident.
    pub(super) fn outside(&self) -> Option<Outside> {
        self.outside_incidents.then(|| Outside {
            again_after: self.outside_again_after.get_ref().0,
            most_open: *self.outside_most_open.get_ref(),
        })
    }

    /// For the directory. The exchange servers that own mail comes by are never blocked either.
    pub(super) fn made(&self, exchange_servers: &[Spanned<String>]) -> Option<Isolation> {
        let networks = self.except.iter().chain(exchange_servers);
        self.enabled.then(|| Isolation {
            // They were checked when the settings were read.
            except: networks
                .filter_map(|text| text.get_ref().parse().ok())
                .collect(),
            block_time: self.block_time.get_ref().0,
        })
    }
}
