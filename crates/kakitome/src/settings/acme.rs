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
    /// How names are proven. Default `http-01`.
    #[serde(default)]
    pub(crate) challenge: Challenge,
    /// The port at which the authority's questions (tls-alpn-01) come in. Default 443. The site's own pages may be there.
    #[serde(default)]
    pub(crate) tls_port: Option<u16>,
    /// The root that vouches for the authority's own server. Default: those of the system.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// How names are proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Challenge {
    /// By an answer over HTTP (RFC 8555, section 8.3).
    #[default]
    #[serde(rename = "http-01")]
    Http,
    /// By a certificate within TLS (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
}

impl Challenge {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
        }
    }
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
    /// How they are proven.
    pub(crate) challenge: Challenge,
    /// The port at which the authority's questions come in.
    pub(crate) port: u16,
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
        let other = match self.challenge {
            Challenge::Http => self.tls_port.is_some().then_some("tls_port"),
            Challenge::TlsAlpn => self.http_port.is_some().then_some("http_port"),
        };
        if let Some(other) = other {
            let challenge = self.challenge.name();
            let reason = format!("{other} is the port of another challenge than {challenge}");
            return Err(at(self.directory.span(), reason));
        }
        for name in &self.names {
            Domain::parse(name.get_ref()).map_err(|error| {
                let shown = name.get_ref();
                at(
                    name.span(),
                    format!("{shown:?} is no name that can be proven: {error}"),
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
            challenge: keys.challenge,
            port: match keys.challenge {
                Challenge::Http => keys.http_port.unwrap_or(80),
                Challenge::TlsAlpn => keys.tls_port.unwrap_or(443),
            },
            ca_file: keys.ca_file.as_ref().map(|path| directory.join(path)),
        })
    }
}
