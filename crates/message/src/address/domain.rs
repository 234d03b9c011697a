//! Domain names as mail uses them.

use std::{fmt, str::FromStr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

/// Longest domain in octets, without a final dot (RFC 1035, section 2.3.4).
const MAX_DOMAIN: usize = 253;
/// Longest label in octets.
const MAX_LABEL: usize = 63;
/// Longest text that is looked at, in octets: a U-label is never shorter than a quarter of its A-label
/// form in any way that matters, and mapping must not run on endless input.
const MAX_INPUT: usize = 1024;

/// A domain name: lower case, international labels as A-labels (RFC 5890), no final dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Reads a domain in either form, U-labels or A-labels, in any case.
    ///
    /// One label is enough (`localhost`). An underscore is accepted, since such hosts exist; a last
    /// label of digits only is not, since it could be taken for a network address.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() {
            return Err(DomainError::Empty);
        }
        if text.len() > MAX_INPUT {
            return Err(DomainError::TooLong);
        }
        let mut name = text.to_ascii_lowercase();
        if !name.is_ascii() || name.split('.').any(|label| label.starts_with("xn--")) {
            name = Uts46::new()
                .to_ascii(
                    name.as_bytes(),
                    AsciiDenyList::STD3,
                    Hyphens::CheckFirstLast,
                    DnsLength::Verify,
                )
                .map_err(|_| DomainError::NotIdna)?
                .into_owned();
        }
        check(&name)?;
        Ok(Self(name))
    }

    /// The name with A-labels, for protocols.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in its own script, for people. Falls back to the A-labels when those do not decode.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        match idna::domain_to_unicode(&self.0) {
            (unicode, Ok(())) => unicode,
            (_, Err(_)) => self.0.clone(),
        }
    }

    /// Whether this name is `parent` or lies below it.
    #[must_use]
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0
            .strip_suffix(parent.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

fn check(name: &str) -> Result<(), DomainError> {
    if name.len() > MAX_DOMAIN {
        return Err(DomainError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(DomainError::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return Err(DomainError::TooLong);
        }
        if let Some(bad) = label
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
        {
            return Err(DomainError::BadCharacter(bad));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(DomainError::Hyphen);
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DomainError::Numeric);
    }
    Ok(())
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = DomainError;

    fn try_from(text: String) -> Result<Self, DomainError> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// There is nothing.
    #[error("the domain is empty")]
    Empty,
    /// The name has more than 253 octets or a label more than 63.
    #[error("the domain, or a part of it, is too long")]
    TooLong,
    /// Two dots side by side, or one at an end.
    #[error("the domain has an empty part between dots")]
    EmptyLabel,
    /// A character that no host name has.
    #[error("a domain may not contain {0:?}")]
    BadCharacter(char),
    /// A label begins or ends with a hyphen.
    #[error("a part of the domain begins or ends with a hyphen")]
    Hyphen,
    /// The last label is a number.
    #[error("the domain ends in a number")]
    Numeric,
    /// International labels that IDNA does not allow.
    #[error("the international domain is not valid (IDNA)")]
    NotIdna,
    /// Square brackets with something other than an IPv4 or IPv6 address in them.
    #[error("the address literal is neither IPv4 nor IPv6")]
    BadLiteral,
}
