//! What travels with a message but is no part of it: paths and their parameters.

use std::fmt;

use message::{Address, Domain};

/// Whom to tell of failure: the argument of MAIL (RFC 5321, section 4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody. Bounces and other automatic mail.
    Null,
    /// An address.
    Address(Address),
}

impl ReversePath {
    /// The address, unless it is null.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// Whether it is `<>`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl From<Option<Address>> for ReversePath {
    fn from(address: Option<Address>) -> Self {
        address.map_or(Self::Null, Self::Address)
    }
}

/// Without the angle brackets; empty for the null path.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Whom to give the message to: the argument of RCPT (RFC 5321, section 4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain: the postmaster of the receiving host (section 4.5.1).
    Postmaster,
    /// An address.
    Address(Address),
}

impl ForwardPath {
    /// The address, where `postmaster` alone is that of `domain`. `None` only if `postmaster` could not
    /// be joined with it, which no valid domain brings about.
    #[must_use]
    pub fn at(&self, domain: &Domain) -> Option<Address> {
        match self {
            Self::Postmaster => Address::new("postmaster", domain.clone()).ok(),
            Self::Address(address) => Some(address.clone()),
        }
    }
}

impl From<Address> for ForwardPath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

/// Without the angle brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What octets the content has (RFC 6152, 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BodyKind {
    /// ASCII in lines: `BODY=7BIT`, or no BODY parameter.
    #[default]
    SevenBit,
    /// Any octets in lines: `BODY=8BITMIME`.
    EightBitMime,
    /// Any octets, without regard to lines: `BODY=BINARYMIME`. Goes by BDAT only.
    BinaryMime,
}

impl BodyKind {
    /// The keyword of the BODY parameter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

/// How much of the message a failure notification shall carry (RFC 3461, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// All of it.
    Full,
    /// Its headers.
    Headers,
}

impl Ret {
    /// The keyword of the RET parameter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

/// When to notify the sender (RFC 3461, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notify {
    /// `NEVER`
    Never,
    /// On any of these events; at least one is set in a value that was parsed.
    On {
        /// On delivery.
        success: bool,
        /// On failure.
        failure: bool,
        /// On delay.
        delay: bool,
    },
}

impl Notify {
    /// What holds when the sender does not say: failure, and delay if the server likes.
    pub const DEFAULT: Self = Self::On {
        success: false,
        failure: true,
        delay: true,
    };

    /// Whether delivery is to be notified.
    #[must_use]
    pub fn on_success(self) -> bool {
        matches!(self, Self::On { success: true, .. })
    }

    /// Whether failure is to be notified.
    #[must_use]
    pub fn on_failure(self) -> bool {
        matches!(self, Self::On { failure: true, .. })
    }

    /// Whether delay is to be notified.
    #[must_use]
    pub fn on_delay(self) -> bool {
        matches!(self, Self::On { delay: true, .. })
    }
}

/// The value of the NOTIFY parameter.
impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::On {
            success,
            failure,
            delay,
        } = *self
        else {
            return f.write_str("NEVER");
        };
        let events = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
        let mut names = events.iter().filter(|(on, _)| *on).map(|(_, name)| *name);
        f.write_str(names.next().unwrap_or("NEVER"))?;
        names.try_for_each(|name| write!(f, ",{name}"))
    }
}

/// The address that the sender first gave, before any forwarding (RFC 3461, section 4.2; `utf-8`
/// addresses as RFC 6533 writes them).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Orcpt {
    /// Its type, as `rfc822` or `utf-8`.
    pub kind: String,
    /// The address, decoded from xtext. Printable; not necessarily valid.
    pub address: String,
}

/// The MAIL command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whom to tell of failure.
    pub reverse_path: ReversePath,
    /// Whether it was written with a source route (`<@a,@b:c@d>`), which was dropped.
    pub source_route: bool,
    /// SIZE, in octets, as declared.
    pub size: Option<u64>,
    /// BODY.
    pub body: BodyKind,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub requiretls: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded from xtext: printable ASCII, at most 100 octets.
    pub envid: Option<String>,
}

impl Mail {
    /// A MAIL command without parameters.
    #[must_use]
    pub fn from(reverse_path: ReversePath) -> Self {
        Self {
            reverse_path,
            source_route: false,
            size: None,
            body: BodyKind::SevenBit,
            smtputf8: false,
            requiretls: false,
            ret: None,
            envid: None,
        }
    }
}

/// The RCPT command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// Whom to give the message to.
    pub forward_path: ForwardPath,
    /// Whether it was written with a source route (`<@a,@b:c@d>`), which was dropped. Policy decides.
    pub source_route: bool,
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT.
    pub orcpt: Option<Orcpt>,
}

impl Rcpt {
    /// A RCPT command without parameters.
    #[must_use]
    pub fn to(forward_path: ForwardPath) -> Self {
        Self {
            forward_path,
            source_route: false,
            notify: None,
            orcpt: None,
        }
    }
}

/// An accepted envelope: MAIL and every RCPT that the driver accepted, in order. At least one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The MAIL command.
    pub mail: Mail,
    /// The accepted recipients.
    pub recipients: Vec<Rcpt>,
}
