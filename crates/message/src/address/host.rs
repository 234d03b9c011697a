//! What may stand after `@` or `EHLO`: a domain or an address literal.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Domain, DomainError};

/// A domain, or an address literal (RFC 5321, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// `mail.example.jp`
    Domain(Domain),
    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`
    Literal(IpAddr),
}

impl Host {
    /// Reads a domain or a literal with its brackets. An IPv6 literal without its tag is accepted,
    /// since some clients greet so.
    ///
    /// # Errors
    /// When it is neither. A general literal (`[tag:…]`) is never valid: no tag but IPv6 is registered.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let Some(rest) = text.strip_prefix('[') else {
            return Domain::parse(text).map(Self::Domain);
        };
        let inner = rest.strip_suffix(']').ok_or(DomainError::BadLiteral)?;
        let v6 = match inner.get(..5) {
            Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner.get(5..).unwrap_or_default(),
            _ => inner,
        };
        if let Ok(ip) = inner.parse::<Ipv4Addr>() {
            return Ok(Self::Literal(ip.into()));
        }
        v6.parse::<Ipv6Addr>()
            .map(|ip| Self::Literal(ip.into()))
            .map_err(|_| DomainError::BadLiteral)
    }
}

impl From<Domain> for Host {
    fn from(domain: Domain) -> Self {
        Self::Domain(domain)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}
