//! How a client behaves.

use crate::sasl::{Nonce, Secret};

/// How a client behaves on one connection.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that EHLO gives: this host's domain.
    pub hostname: String,
    /// Whether to use STARTTLS. Without effect when TLS is up before the greeting.
    pub tls: TlsPolicy,
    /// Whom to log in as. Needs TLS; without it, the session fails rather than go on unauthenticated.
    pub login: Option<Login>,
    /// Send 8BITMIME content even where the server does not offer it (RFC 6152 says not to; nearly all
    /// servers take it).
    pub force_8bit: bool,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// A client that uses TLS where it is offered, does not log in, and keeps to RFC 6152.
    #[must_use]
    pub fn new(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            tls: TlsPolicy::IfOffered,
            login: None,
            force_8bit: false,
            limits: Limits::default(),
        }
    }
}

/// When to use STARTTLS. What a certificate must show is the driver's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// Not at all.
    Never,
    /// Where the server offers it and does not refuse.
    IfOffered,
    /// Always: no mail without.
    Required,
}

/// Whom to log in as, at a smarthost.
#[derive(Clone, Debug)]
pub struct Login {
    /// The identity.
    pub identity: String,
    /// Its password.
    pub password: Secret,
    /// A fresh nonce for this connection.
    pub nonce: Nonce,
}

/// Bounds on what a server may make this side hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a reply line. RFC 5321, section 4.5.3.1.5, says 512; AUTH challenges are longer.
    pub reply_line: usize,
    /// Lines of a reply.
    pub reply_lines: usize,
    /// Commands that are sent before their replies are read: a bound on replies in flight, so that the
    /// two sides never wait for each other with full buffers (RFC 2920, section 3.1).
    pub pipelined_commands: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reply_line: 4_096,
            reply_lines: 128,
            pipelined_commands: 100,
        }
    }
}
