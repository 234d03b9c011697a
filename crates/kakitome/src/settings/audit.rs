//! `[audit]`: the audit trail (clauses 4.2, 8.2).

use message::address::Address;
use serde::Deserialize;
use toml::Spanned;

use super::{Settings, SettingsError, Time, policy::At};

/// `[audit]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditKeys {
    /// How long events wait at most until a signed checkpoint tells of them.
    pub(crate) checkpoint_interval: Time,
    /// A volume is sealed whenever so many months have ended (clause 4.2(2)).
    pub(crate) rotate_months: u16,
    /// How many years a volume is kept after its last event (clause 4.2(3)). It holds for volumes that are sealed from then on.
    pub(crate) retain_years: u16,
    /// Who is sent a checkpoint, to keep it where nobody who rules this machine can change it.
    pub(crate) witnesses: Vec<Spanned<String>>,
    /// How often.
    pub(crate) witness_interval: Time,
}

impl Default for AuditKeys {
    fn default() -> Self {
        Self {
            checkpoint_interval: Time::seconds(60),
            rotate_months: 1,
            retain_years: 10,
            witnesses: Vec::new(),
            witness_interval: Time::seconds(86_400),
        }
    }
}

impl AuditKeys {
    /// Checks the addresses.
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for witness in &self.witnesses {
            Address::parse(witness.get_ref())
                .map_err(|e| at(witness.span(), format!("this is not an address: {e}")))?;
        }
        Ok(())
    }

    /// Those who are sent checkpoints.
    pub(crate) fn witness_addresses(&self) -> Vec<Address> {
        let texts = self.witnesses.iter();
        texts
            .filter_map(|text| Address::parse(text.get_ref()).ok())
            .collect()
    }
}

impl Settings {
    /// As the store takes them.
    pub(crate) fn store_options(&self) -> store::Options {
        store::Options {
            segment_size: self.store.segment_size.0,
            reserve_bytes: self.store.reserve.0,
            waste_bytes: self.store.waste.0,
            readers: self.store.readers.max(1),
            checkpoint_every: self.audit.checkpoint_interval.0,
            trail_origin: self.server.hostname.get_ref().clone(),
            ..store::Options::default()
        }
    }
}
