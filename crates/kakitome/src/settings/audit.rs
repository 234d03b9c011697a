//! `[audit]`: the audit trail (clauses 4.2, 8.2).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use message::address::Address;
use rustls::RootCertStore;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use toml::Spanned;
use trail::forward::Format;

use super::{
    Settings, SettingsError, Time,
    analysis::AnalysisKeys,
    policy::{At, roots},
    probe::Daily,
};

/// `[audit]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditKeys {
    /// How long events wait at most until a signed checkpoint tells of them.
    pub(crate) checkpoint_interval: Time,
    /// When, each day, all of the trail is verified, by the organisation's time zone; `false`: never.
    pub(crate) verify: Daily,
    /// Hundredths of one processor that this takes at most.
    pub(crate) verify_share: Spanned<u32>,
    /// A volume is sealed whenever so many months have ended (clause 4.2(2)).
    pub(crate) rotate_months: u16,
    /// How many years a volume is kept after its last event (clause 4.2(3)). It holds for volumes that are sealed from then on.
    pub(crate) retain_years: u16,
    /// Who is sent a checkpoint, to keep it where nobody who rules this machine can change it.
    pub(crate) witnesses: Vec<Spanned<String>>,
    /// How often.
    pub(crate) witness_interval: Time,
    /// How far the clock may be set at once before that is an incident; 0: it is not watched.
    pub(crate) clock_jump: Time,
    /// Other systems that are given the trail as it grows.
    pub(crate) forward: Vec<Spanned<ForwardKeys>>,
    /// What the analyses call conspicuous.
    pub(crate) analysis: AnalysisKeys,
}

/// `[[audit.forward]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForwardKeys {
    /// What it is called: how far it was given the trail is remembered under this name.
    pub(crate) name: String,
    /// The server's name or address.
    pub(crate) host: String,
    /// Its port for syslog over TLS (RFC 5425).
    #[serde(default = "syslog_port")]
    pub(crate) port: u16,
    /// How events are told.
    #[serde(default)]
    pub(crate) format: ForwardFormat,
    /// PEM file of the roots that vouch for it; relative to the site's directory. Default: the system's.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// The name its certificate must have. Default: `host`.
    #[serde(default)]
    pub(crate) certificate_name: Option<String>,
    /// Whether a destination of a new name is given all that there is, or only what comes from then on.
    #[serde(default)]
    pub(crate) from_beginning: bool,
}

/// How events are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ForwardFormat {
    /// The trail's own lines.
    #[default]
    Json,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
}

fn syslog_port() -> u16 {
    6514
}

/// A destination, ready to be connected to.
#[derive(Clone, Debug)]
pub(crate) struct ForwardTo {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) format: Format,
    pub(crate) roots: Option<RootCertStore>,
    pub(crate) certificate_name: ServerName<'static>,
    pub(crate) from_beginning: bool,
}

impl ForwardKeys {
    fn server_name(&self) -> Result<ServerName<'static>, String> {
        let name = self.certificate_name.as_ref().unwrap_or(&self.host);
        ServerName::try_from(name.clone())
            .map_err(|_| format!("{name:?} is no name that a certificate can have"))
    }

    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Err("name must have 1 to 64 letters, digits, or . _ -".to_owned());
        }
        self.server_name().map(drop)
    }

    /// As it is connected to. The file that it names is read.
    pub(super) fn ready(&self, directory: &Path) -> Result<ForwardTo, String> {
        let roots = self
            .ca_file
            .as_ref()
            .map(|file| roots(&directory.join(file)));
        Ok(ForwardTo {
            name: self.name.clone(),
            host: self.host.clone(),
            port: self.port,
            format: match self.format {
                ForwardFormat::Json => Format::Json,
                ForwardFormat::Ocsf => Format::Ocsf,
            },
            roots: roots.transpose()?,
            certificate_name: self.server_name()?,
            from_beginning: self.from_beginning,
        })
    }
}

impl Default for AuditKeys {
    fn default() -> Self {
        Self {
            checkpoint_interval: Time::seconds(60),
            verify: Daily(Some(jiff::civil::time(2, 20, 0, 0))),
            verify_share: Spanned::new(0..0, 25),
            clock_jump: Time::seconds(60),
            rotate_months: 1,
            retain_years: 10,
            witnesses: Vec::new(),
            witness_interval: Time::seconds(86_400),
            forward: Vec::new(),
            analysis: AnalysisKeys::default(),
        }
    }
}

impl AuditKeys {
    /// Checks the addresses.
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        if !(1..=100).contains(self.verify_share.get_ref()) {
            let reason = "verify_share lies between 1 and 100";
            return Err(at(self.verify_share.span(), reason.into()));
        }
        for witness in &self.witnesses {
            Address::parse(witness.get_ref())
                .map_err(|e| at(witness.span(), format!("this is not an address: {e}")))?;
        }
        let mut names = BTreeSet::new();
        for keys in &self.forward {
            let fault = |reason| at(keys.span(), reason);
            keys.get_ref().check().map_err(fault)?;
            if !names.insert(&keys.get_ref().name) {
                return Err(at(
                    keys.span(),
                    "another destination has this name".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// The destinations that are given the trail. Files that they name are read.
    pub(crate) fn forward_to(&self, directory: &Path) -> Result<Vec<ForwardTo>, String> {
        let ready = |keys: &Spanned<ForwardKeys>| {
            let told = |reason| format!("[[audit.forward]] {}: {reason}", keys.get_ref().name);
            keys.get_ref().ready(directory).map_err(told)
        };
        self.forward.iter().map(ready).collect()
    }

    /// Whether the same destinations are named as by `other`.
    pub(crate) fn forwards_as(&self, other: &Self) -> bool {
        let plain = |keys: &Self| -> Vec<ForwardKeys> {
            keys.forward
                .iter()
                .map(|keys| keys.get_ref().clone())
                .collect()
        };
        plain(self) == plain(other)
    }

    /// Hundredths of one processor that the daily verification takes at most.
    pub(crate) fn verify_share(&self) -> u32 {
        *self.verify_share.get_ref()
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
            compress_from: usize::try_from(self.store.compress_from.0).unwrap_or(usize::MAX),
            readers: self.store.readers.max(1),
            log_rest: self.store.log_rest.0,
            checkpoint_every: self.audit.checkpoint_interval.0,
            trail_origin: self.server.hostname.get_ref().clone(),
            ..store::Options::default()
        }
    }
}
