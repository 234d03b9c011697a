//! What a session offers and how much of everything it takes.

use crate::sasl::Mechanism;

/// How a session behaves. One value serves all sessions of a listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name in the greeting and the EHLO reply.
    pub hostname: String,
    /// Whether STARTTLS is offered while there is no TLS.
    pub starttls: bool,
    /// Refuse MAIL without TLS (530).
    pub require_tls: bool,
    /// The mechanisms of AUTH, offered under TLS only. Empty: AUTH does not exist (the exchange role).
    pub mechanisms: Vec<Mechanism>,
    /// Refuse MAIL before AUTH (530).
    pub require_auth: bool,
    /// Offer SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// Offer DSN (RFC 3461).
    pub dsn: bool,
    /// Offer CHUNKING and BINARYMIME (RFC 3030).
    pub chunking: bool,
    /// Offer REQUIRETLS under TLS (RFC 8689).
    pub requiretls: bool,
    /// Accept a space between `FROM:` or `TO:` and the path, as some old programs write.
    pub lenient_space: bool,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// The exchange role: mail from anybody, no AUTH.
    #[must_use]
    pub fn exchange(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            starttls: true,
            require_tls: false,
            mechanisms: Vec::new(),
            require_auth: false,
            smtputf8: true,
            dsn: true,
            chunking: true,
            requiretls: true,
            lenient_space: true,
            limits: Limits::default(),
        }
    }

    /// The submission role (RFC 6409): mail from who has logged in, under TLS.
    #[must_use]
    pub fn submission(hostname: &str) -> Self {
        Self {
            require_tls: true,
            mechanisms: Mechanism::ALL.to_vec(),
            require_auth: true,
            ..Self::exchange(hostname)
        }
    }
}

/// Bounds on what one session may cost. Octets are counted with line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line. RFC 5321, section 4.5.3.1.4, obliges to 512; extensions add to that
    /// (DSN and SIZE, BODY, SMTPUTF8, AUTH parameters: about 1,200).
    pub command_line: usize,
    /// Octets of an AUTH command or of a line of the exchange (RFC 4954, section 4).
    pub auth_line: usize,
    /// Octets of a line of content by DATA. RFC 5321, section 4.5.3.1.6, says 1000; real mail has more.
    pub data_line: usize,
    /// Octets of a message: the SIZE extension's number.
    pub message_size: u64,
    /// Octets of refused content that are read and thrown away, so that the reply finds the client
    /// listening, before the session is closed.
    pub drained_content: u64,
    /// Recipients of one transaction: RCPTMAX of RFC 9422. RFC 5321, section 4.5.3.1.8, obliges to 100.
    pub recipients: usize,
    /// Transactions of one session: MAILMAX of RFC 9422.
    pub transactions: usize,
    /// Commands of one session.
    pub commands: usize,
    /// Commands of one session that were refused for good, recipients aside.
    pub errors: usize,
    /// Unknown commands of one session.
    pub unknown_commands: usize,
    /// Recipients of one session that were refused for good: a bound on guessing addresses.
    pub refused_recipients: usize,
    /// Failed authentications of one session.
    pub auth_failures: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 2_048,
            auth_line: crate::sasl::wire::DEFAULT_MAX_LINE,
            data_line: 65_536,
            message_size: 52_428_800,
            drained_content: 104_857_600,
            recipients: 1_000,
            transactions: 1_000,
            commands: 20_000,
            errors: 20,
            unknown_commands: 10,
            refused_recipients: 100,
            auth_failures: 3,
        }
    }
}
