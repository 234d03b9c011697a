//! Mail addresses: what a value of these types holds is valid and can be written anywhere safely.
//!
//! ```
//! use message::address::{Address, Host};
//! let a = Address::parse("Taro+news@EXAMPLE.jp").unwrap();
//! assert_eq!(a.split_tag(), ("Taro", Some("news")));
//! assert_eq!(a.to_string(), "Taro+news@example.jp");
//! assert_eq!(Address::parse("\"a..b\"@docomo.example").unwrap().local(), "a..b");
//! assert!(matches!(Host::parse("[IPv6:2001:db8::1]"), Ok(Host::Literal(_))));
//! ```

mod domain;
mod host;
mod local;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

pub use domain::{Domain, DomainError};
pub use host::Host;
pub use local::{MAX_LOCAL_OCTETS, is_atext, is_dot_string};

/// An address with a domain: `local@domain`, the `Mailbox` of RFC 5321, section 4.1.2.
///
/// Two addresses are equal when their local parts are the same and their domains are the same
/// without regard to case or to U-label and A-label forms. For look-ups that disregard the case of
/// the local part too, compare [`Address::canonical`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    domain: Domain,
    local: String,
}

impl Address {
    /// Reads an address as SMTP writes it, without angle brackets.
    ///
    /// Liberal where RFC 5321 lets a receiver be: dots at the ends of the local part or side by
    /// side are accepted without quotes, as Japanese carriers once issued them.
    ///
    /// # Errors
    /// What is wrong with the address. An address literal after the `@` is
    /// [`AddressError::Literal`], so that a caller can refuse it in its own words.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, rest) = local::parse(text)?;
        let domain = rest.strip_prefix('@').ok_or(AddressError::NoDomain)?;
        match Host::parse(domain)? {
            Host::Domain(domain) => Ok(Self { domain, local }),
            Host::Literal(ip) => Err(AddressError::Literal(ip)),
        }
    }

    /// Joins a local part in its decoded form (no quotes, no backslashes) with a domain.
    ///
    /// # Errors
    /// When the local part is empty, too long, or holds control characters.
    pub fn new(local: &str, domain: Domain) -> Result<Self, AddressError> {
        local::check(local)?;
        Ok(Self {
            domain,
            local: local.to_owned(),
        })
    }

    /// The local part, decoded: without quotes and backslashes.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Octets of the local part as it is written, with quotes and backslashes where it needs them: what the 64 octets of RFC 5321,
    /// section 4.5.3.1.1, are counted in, since a `Local-part` is what goes over the wire.
    #[must_use]
    pub fn local_octets(&self) -> usize {
        local::Written(&self.local).octets()
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form for look-ups in a directory: the local part in NFC and lower case.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let lower: String = self
            .local
            .nfc()
            .flat_map(char::to_lowercase)
            .nfc()
            .collect();
        Self {
            domain: self.domain.clone(),
            local: if local::check(&lower).is_ok() {
                lower
            } else {
                self.local.clone()
            },
        }
    }

    /// The local part before the first `+`, and what follows it (sub-addressing, RFC 5233).
    /// A local part that begins with `+` has no tag.
    #[must_use]
    pub fn split_tag(&self) -> (&str, Option<&str>) {
        match self.local.split_once('+') {
            Some((base, tag)) if !base.is_empty() => (base, Some(tag)),
            _ => (&self.local, None),
        }
    }

    /// The same address without its sub-address tag.
    #[must_use]
    pub fn without_tag(&self) -> Self {
        Self {
            domain: self.domain.clone(),
            local: self.split_tag().0.to_owned(),
        }
    }

    /// Whether this address can only be sent where SMTPUTF8 (RFC 6531) is offered. The domain never
    /// asks for it, since it is held as A-labels.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// The address for people: as [`fmt::Display`], with the domain in its own script.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        format!(
            "{}@{}",
            local::Written(&self.local),
            self.domain.to_unicode()
        )
    }
}

/// The form for SMTP and headers: quoted where the standard demands it, never with control characters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", local::Written(&self.local), self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The local part is empty.
    #[error("the part before @ is empty")]
    EmptyLocal,
    /// The local part has more than [`MAX_LOCAL_OCTETS`] octets.
    #[error("the part before @ is longer than {MAX_LOCAL_OCTETS} octets")]
    LocalTooLong,
    /// The local part holds a character that may not stand there.
    #[error("the part before @ may not contain {0:?}")]
    BadCharacter(char),
    /// A quoted local part has no closing quote.
    #[error("the quoted part before @ is not closed")]
    OpenQuote,
    /// There is no `@` and domain.
    #[error("there is no @ followed by a domain")]
    NoDomain,
    /// The domain is not valid.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A network address stands where a domain should.
    #[error("a network address ({0}) stands in place of a domain")]
    Literal(std::net::IpAddr),
}
