//! `[tls] acme`: the certificate is had from an authority, and renewed, by the server itself (RFC 8555).

use std::path::{Path, PathBuf};

use message::address::Domain;
use serde::Deserialize;
use toml::Spanned;

use super::{Settings, SettingsError, policy::At};

/// `[tls] acme`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcmeKeys {
    /// The URL of the authority's directory.
    pub(crate) directory: Spanned<String>,
    /// Whether the authority's terms of service are agreed to; nothing is asked of it otherwise.
    #[serde(default)]
    pub(crate) terms_agreed: bool,
    /// Whom the authority may write to, such as `mailto:postmaster@example.org`.
    #[serde(default)]
    pub(crate) contact: Vec<String>,
    /// The names that the certificate is for. Default: the server's, and `mta-sts.` before each own domain whose policy is served.
    #[serde(default)]
    pub(crate) names: Vec<Spanned<String>>,
    /// The port at which the authority's questions (http-01) come in. Default 80.
    #[serde(default)]
    pub(crate) http_port: Option<u16>,
    /// The root that vouches for the authority's own server. Default: those of the system.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// How the certificate is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcmeRules {
    /// The URL of the authority's directory.
    pub(crate) directory: String,
    /// Whom the authority may write to.
    pub(crate) contact: Vec<String>,
    /// The names that the certificate is for.
    pub(crate) names: Vec<String>,
    /// The port at which the authority's questions come in.
    pub(crate) http_port: u16,
    /// The root that vouches for the authority's own server.
    pub(crate) ca_file: Option<PathBuf>,
}

impl AcmeKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        if !self.directory.get_ref().starts_with("https://") {
            let reason = "the directory of an authority is a URL that begins with https://";
            return Err(at(self.directory.span(), reason.into()));
        }
        if !self.terms_agreed {
            let reason = "an authority gives nothing to who does not agree to its terms: terms_agreed = true, once they were read";
            return Err(at(self.directory.span(), reason.into()));
        }
        for name in &self.names {
            Domain::parse(name.get_ref()).map_err(|error| {
                let shown = name.get_ref();
                at(
                    name.span(),
                    format!("{shown:?} is no name that can be proven by http-01: {error}"),
                )
            })?;
        }
        Ok(())
    }
}

impl Settings {
    /// How the certificate of the site in `directory` is had; `None`: by whoever looks after its file.
    pub(crate) fn acme_rules(&self, directory: &Path) -> Option<AcmeRules> {
        let keys = self.tls.acme.as_ref()?;
        let lower = |name: &str| name.to_ascii_lowercase();
        let mut names: Vec<String> = keys
            .names
            .iter()
            .map(|name| lower(name.get_ref()))
            .collect();
        if names.is_empty() {
            names.push(lower(self.server.hostname.get_ref()));
            if self.mta_sts.mode.is_some() {
                let domains = self.domains.iter();
                names
                    .extend(domains.map(|keys| lower(&format!("mta-sts.{}", keys.name.get_ref()))));
            }
        }
        Some(AcmeRules {
            directory: keys.directory.get_ref().clone(),
            contact: keys.contact.clone(),
            names,
            http_port: keys.http_port.unwrap_or(80),
            ca_file: keys.ca_file.as_ref().map(|path| directory.join(path)),
        })
    }
}
