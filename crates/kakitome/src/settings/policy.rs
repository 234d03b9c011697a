//! Who may hand mail over, and to whom it goes: `[exchange]`, `[mailbox]`, `[submission]`.

use std::{
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use message::address::Host;
use protocol::sasl::Secret;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use toml::Spanned;
use transfer::{NextHop, TlsPolicy};
use wire::{ExplicitNetwork, NetworkError};

use super::{Role, Settings, SettingsError, bounds::HopFault};

/// An error at a place.
pub(super) type At<'a> = &'a dyn Fn(Range<usize>, String) -> SettingsError;

/// `[exchange]`: what the exchange role needs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExchangeKeys {
    /// Where own-domain mail is handed to when the mailbox role is elsewhere.
    pub(crate) mailbox_server: Option<Spanned<HopKeys>>,
}

/// A server named by settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HopKeys {
    /// Its name, or its address in brackets.
    pub(crate) host: Spanned<String>,
    /// Its port. Default 25.
    #[serde(default = "smtp_port")]
    pub(crate) port: u16,
    /// Whether TLS begins with the connection.
    #[serde(default)]
    pub(crate) implicit_tls: bool,
    /// Lowest TLS. The mailbox server is always `verified`.
    #[serde(default)]
    pub(crate) tls: Option<TlsKeys>,
    /// PEM file of the roots that vouch for it; relative to the site's directory. Default: the system's.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// The name its certificate must have. Default: `host`.
    #[serde(default)]
    pub(crate) certificate_name: Option<Spanned<String>>,
    /// Log in as.
    #[serde(default)]
    pub(crate) identity: Option<String>,
    /// File whose first line is the password; relative to the site's directory.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
    /// Ask for MX records of `host`.
    #[serde(default)]
    pub(crate) use_mx: bool,
}

fn smtp_port() -> u16 {
    25
}

/// Lowest TLS, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsKeys {
    None,
    Opportunistic,
    Verified,
}

impl From<TlsKeys> for TlsPolicy {
    fn from(keys: TlsKeys) -> Self {
        match keys {
            TlsKeys::None => Self::None,
            TlsKeys::Opportunistic => Self::Opportunistic,
            TlsKeys::Verified => Self::Verified,
        }
    }
}

/// `[mailbox]`: what the mailbox role needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MailboxKeys {
    /// Exchange servers that may hand over own-domain mail, when the exchange role is elsewhere (clause 6.1(1)a).
    pub(crate) exchange_servers: Vec<Spanned<String>>,
    /// Whether they must use TLS.
    pub(crate) exchange_servers_need_tls: bool,
}

impl Default for MailboxKeys {
    fn default() -> Self {
        Self {
            exchange_servers: Vec::new(),
            exchange_servers_need_tls: true,
        }
    }
}

impl ExchangeKeys {
    pub(super) fn check(&self, settings: &Settings, at: At<'_>) -> Result<(), SettingsError> {
        let alone = settings.has(Role::Exchange) && !settings.has(Role::Mailbox);
        match (&self.mailbox_server, alone) {
            (None, true) => Err(at(
                settings.server.roles.span(),
                "the exchange role alone needs [exchange] mailbox_server, to hand own mail to"
                    .into(),
            )),
            (Some(hop), false) => Err(at(
                hop.span(),
                "mailbox_server belongs to a server with the exchange role only".into(),
            )),
            (Some(hop), true) => hop.get_ref().check(at),
            (None, false) => Ok(()),
        }
    }
}

impl MailboxKeys {
    pub(super) fn check(&self, settings: &Settings, at: At<'_>) -> Result<(), SettingsError> {
        networks(&self.exchange_servers, at)?;
        let alone = settings.has(Role::Mailbox) && !settings.has(Role::Exchange);
        if alone && self.exchange_servers.is_empty() {
            return Err(at(
                settings.server.roles.span(),
                "the mailbox role alone needs [mailbox] exchange_servers, to take mail from".into(),
            ));
        }
        Ok(())
    }
}

/// The networks of `texts`; the first that is none, or that means everyone, is an error at its place.
pub(super) fn networks(
    texts: &[Spanned<String>],
    at: At<'_>,
) -> Result<Vec<ExplicitNetwork>, SettingsError> {
    texts
        .iter()
        .map(|text| {
            text.get_ref()
                .parse()
                .map_err(|error: NetworkError| at(text.span(), error.to_string()))
        })
        .collect()
}

impl HopKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for name in [Some(&self.host), self.certificate_name.as_ref()]
            .into_iter()
            .flatten()
        {
            host(name.get_ref()).map_err(|reason| at(name.span(), reason))?;
        }
        if self.port == 0 {
            return Err(at(self.host.span(), "there is no port 0".into()));
        }
        if self.identity.is_some() != self.password_file.is_some() {
            let reason = "identity and password_file go together".into();
            return Err(at(self.host.span(), reason));
        }
        if self.identity.is_some() && self.tls.is_some_and(|tls| tls != TlsKeys::Verified) {
            let reason =
                "a password is given to a verified server only: leave tls out or say \"verified\"";
            return Err(at(self.host.span(), reason.into()));
        }
        Ok(())
    }

    /// The next hop, with the files it names read. `directory` is the site's.
    pub(crate) fn next_hop(&self, directory: &Path) -> Result<NextHop, HopFault> {
        let at = |key| move |reason| HopFault::new(key, reason);
        let host_of = |name: &Spanned<String>| host(name.get_ref());
        let mut hop = NextHop::new(host_of(&self.host).map_err(at("host"))?, self.port);
        hop.implicit_tls = self.implicit_tls;
        hop.use_mx = self.use_mx;
        // Whoever diverts names or connections must not be handed the password.
        let default = match self.identity {
            Some(_) => TlsPolicy::Verified,
            None => TlsPolicy::Opportunistic,
        };
        hop.tls = self.tls.map_or(default, Into::into);
        if let Some(file) = &self.ca_file {
            let roots = roots(&directory.join(file)).map_err(at("ca_file"))?;
            hop.roots = Some(Arc::new(roots));
        }
        if let Some(name) = &self.certificate_name {
            hop.certificate_name = Some(host_of(name).map_err(at("certificate_name"))?);
        }
        if let (Some(identity), Some(file)) = (&self.identity, &self.password_file) {
            hop.credentials = Some(transfer::Credentials {
                identity: identity.clone(),
                password: password(&directory.join(file)).map_err(at("password_file"))?,
            });
        }
        Ok(hop)
    }
}

fn host(text: &str) -> Result<Host, String> {
    Host::parse(text).map_err(|error| format!("this is not a host: {error}"))
}

/// The first line of the file.
fn password(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match text.lines().next() {
        None | Some("") => Err(format!("{} holds no password", path.display())),
        Some(line) => Ok(Secret::from(line.as_bytes().to_vec())),
    }
}

/// The roots in a PEM file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, String> {
    let unreadable = |error: String| format!("cannot read {}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(format!("there is no certificate in {}", path.display()));
    }
    Ok(roots)
}

/// A name server.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| format!("{text:?} is not a name server such as 192.0.2.53 or 127.0.0.1:5353"))
}
