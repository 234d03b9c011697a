//! `[isolation]`: who sends malware from inside is shut out (clause 5.2(5)).

use std::time::Duration;

use directory::isolation::Isolation;
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
}

impl Default for IsolationKeys {
    fn default() -> Self {
        let usual = Isolation::default();
        let except = usual.except.iter();
        Self {
            enabled: true,
            except: except
                .map(|network| Spanned::new(0..0, network.to_string()))
                .collect(),
            block_time: Spanned::new(0..0, Time(usual.block_time)),
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
        Ok(())
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
