//! How the connection to one host has to be secured, and how a connection is.

use std::sync::Arc;

use rustls::{ClientConfig, pki_types::ServerName};

use crate::{
    TlsPolicy,
    connect::{ClientTls, Watch},
    dane::Association,
    settings::NextHop,
    tls_reports::Trouble,
};

/// How the connection to one host has to be secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// As the settings say.
    Policy(TlsPolicy),
    /// By TLS with whomever: the host has DANE records, none of which can be used (RFC 7672, section 2.2).
    Encrypted,
    /// By TLS with a certificate that DANE names (RFC 7672).
    Dane(Arc<Association>),
    /// By TLS with a certificate that belongs to the host and that roots vouch for: the domain's policy says so (RFC 8461).
    Sts,
    /// As an opportunity alone; but the domain's policy (RFC 8461) is on trial, so it is noted where it would have failed.
    Trial(Watch),
}

impl Demand {
    /// Whether nothing at all may do, when TLS fails.
    pub(crate) fn may_be_plain(&self) -> bool {
        matches!(
            self,
            Self::Policy(TlsPolicy::None | TlsPolicy::Opportunistic) | Self::Trial(_)
        )
    }

    /// What a connection is once its handshake succeeded.
    pub(crate) fn met(&self) -> Secured {
        match self {
            Self::Policy(TlsPolicy::Verified) | Self::Sts => Secured::Verified,
            Self::Policy(TlsPolicy::None | TlsPolicy::Opportunistic)
            | Self::Encrypted
            | Self::Trial(_) => Secured::Encrypted,
            Self::Dane(_) => Secured::Dane,
        }
    }

    /// What a connection that came to be fell short of.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let Self::Trial(watch) = self else {
            return None;
        };
        Some(Trouble::of_tls(&watch.trouble()?))
    }

    /// In the word that events have.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Policy(TlsPolicy::None) => "none",
            Self::Policy(TlsPolicy::Opportunistic) => "opportunistic",
            Self::Policy(TlsPolicy::Verified) => "verified",
            Self::Encrypted => "dane-unusable",
            Self::Dane(_) => "dane",
            Self::Sts => "mta-sts",
            // What is on trial demands nothing.
            Self::Trial(_) => "opportunistic",
        }
    }

    /// TLS that holds the server to it.
    ///
    /// # Errors
    /// When rustls refuses the settings, in words.
    pub(crate) fn client(
        &self,
        tls: &ClientTls,
        hop: Option<&NextHop>,
    ) -> Result<Arc<ClientConfig>, String> {
        match self {
            Self::Policy(TlsPolicy::Verified) | Self::Sts => tls
                .verified(hop.and_then(|hop| hop.roots.as_ref()))
                .map_err(|e| e.to_string()),
            Self::Policy(TlsPolicy::None | TlsPolicy::Opportunistic) | Self::Encrypted => {
                Ok(tls.opportunistic())
            }
            Self::Trial(watch) => tls.watched(watch).map_err(|e| e.to_string()),
            Self::Dane(association) => association.client().map_err(|e| e.to_string()),
        }
    }

    /// The name that the server is told, where it is not the host's own.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        let Self::Dane(association) = self else {
            return None;
        };
        let name = association.server_name()?;
        ServerName::try_from(name.as_str().to_owned()).ok()
    }
}

/// How well a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secured {
    /// Not at all.
    Plain,
    /// Encrypted, to whomever.
    Encrypted,
    /// Encrypted, to the host that was meant: roots vouch for its certificate.
    Verified,
    /// Encrypted, to the host that was meant: DANE names its certificate.
    Dane,
}

impl Secured {
    /// Whether it is enough for a policy of the settings. Who asks for roots that vouch means those, whatever the DNS names.
    pub(crate) fn satisfies(self, policy: TlsPolicy) -> bool {
        match policy {
            TlsPolicy::None | TlsPolicy::Opportunistic => true,
            TlsPolicy::Verified => self == Self::Verified,
        }
    }

    /// Whether it is known who is on the other side.
    pub(crate) fn is_verified(self) -> bool {
        matches!(self, Self::Verified | Self::Dane)
    }
}
