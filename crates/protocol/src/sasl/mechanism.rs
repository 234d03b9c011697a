//! The mechanisms that this room speaks.

use std::{fmt, str::FromStr};

/// A SASL mechanism (RFC 4422), strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// `LOGIN`: obsolete, but some programs know no other. Shows the password to the server.
    Login,
    /// `PLAIN` (RFC 4616). Shows the password to the server.
    Plain,
    /// `SCRAM-SHA-256` (RFC 5802, 7677).
    ScramSha256,
    /// `SCRAM-SHA-256-PLUS`: the same, bound to the TLS connection below it.
    ScramSha256Plus,
}

impl Mechanism {
    /// All of them, the strongest first: the order in which they are offered.
    pub const ALL: [Self; 4] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// Whether the password itself crosses the wire, so that the connection must be encrypted.
    #[must_use]
    pub const fn shows_password(self) -> bool {
        matches!(self, Self::Login | Self::Plain)
    }

    /// Whether it needs the connection's [`super::ChannelBindings`].
    #[must_use]
    pub const fn binds_channel(self) -> bool {
        matches!(self, Self::ScramSha256Plus)
    }

    /// Whether the client speaks first, so that an initial response makes sense.
    #[must_use]
    pub const fn client_first(self) -> bool {
        !matches!(self, Self::Login)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No mechanism of that name is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown SASL mechanism")]
pub struct UnknownMechanism;

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    /// Names are compared without regard to case.
    fn from_str(text: &str) -> Result<Self, UnknownMechanism> {
        Self::ALL
            .into_iter()
            .find(|m| m.name().eq_ignore_ascii_case(text))
            .ok_or(UnknownMechanism)
    }
}
