//! How mail leaves.

use std::{net::IpAddr, sync::Arc, time::Duration};

use message::address::Host;
use protocol::sasl::Secret;
use rustls::RootCertStore;

/// The TLS that a connection to another server needs at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsPolicy {
    /// None is tried: for servers whose STARTTLS is broken.
    None,
    /// Tried; when it fails, mail goes in plain text, as between strangers (RFC 7435).
    #[default]
    Opportunistic,
    /// Demanded, with a certificate that belongs to the host and that the roots vouch for.
    Verified,
}

/// A server named by settings: the mailbox server, or a smarthost.
#[derive(Clone, Debug)]
pub struct NextHop {
    /// Its name, or its address in brackets.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Lowest TLS. The mailbox server is always [`TlsPolicy::Verified`].
    pub tls: TlsPolicy,
    /// Whether TLS begins with the connection (port 465) and not with STARTTLS.
    pub implicit_tls: bool,
    /// Whether MX records of the name are asked for. Default for smarthosts: no.
    pub use_mx: bool,
    /// The roots that vouch for its certificate; none: those of the system.
    pub roots: Option<Arc<RootCertStore>>,
    /// The name that its certificate must have; none: `host`.
    pub certificate_name: Option<Host>,
    /// What to log in with; none: no AUTH.
    pub credentials: Option<Credentials>,
}

impl NextHop {
    /// `host` and `port` with opportunistic TLS and no login.
    #[must_use]
    pub fn new(host: Host, port: u16) -> Self {
        Self {
            host,
            port,
            tls: TlsPolicy::Opportunistic,
            implicit_tls: false,
            use_mx: false,
            roots: None,
            certificate_name: None,
            credentials: None,
        }
    }

    /// The destination that mail by this hop shares: `host:port`.
    #[must_use]
    pub fn destination(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// What to log in to a smarthost with. Used under TLS only.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The identity.
    pub identity: String,
    /// Its password.
    pub password: Secret,
}

/// When to try again, to warn, and to give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Waits after the first, second … failed attempt; the last repeats. Default 5, 10, 20, 40 minutes, 1, 2, 4 hours.
    pub delays: Vec<Duration>,
    /// Each wait is longer by up to this many percent at random, so that a herd spreads. Default 20.
    pub jitter_percent: u32,
    /// The sender is told of the delay after this time. Default 4 hours.
    pub warn_after: Duration,
    /// The message is returned after this time. RFC 5321, section 4.5.4.1: at least 4 to 5 days. Default 5 days.
    pub expire_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            delays: [5, 10, 20, 40, 60, 120, 240]
                .map(|minutes| Duration::from_secs(minutes * 60))
                .to_vec(),
            jitter_percent: 20,
            warn_after: Duration::from_secs(4 * 3600),
            expire_after: Duration::from_secs(5 * 86_400),
        }
    }
}

/// What becomes of 8-bit text for a server that does not offer 8BITMIME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EightBit {
    /// It is sent as it is, and the event says so: nearly all servers take it.
    #[default]
    Send,
    /// It is returned to its sender (RFC 6152, section 3).
    Refuse,
}

/// How mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The port of MX hosts. Default 25.
    pub relay_port: u16,
    /// The address to connect from; none: the system chooses.
    pub bind: Option<IpAddr>,
    /// Deliveries at once, in all. Default 100.
    pub concurrency: usize,
    /// Deliveries at once to one destination. Default 5.
    pub destination_concurrency: usize,
    /// How long an idle connection is kept for the next message. Default 10 s.
    pub idle: Duration,
    /// Messages over one connection at most. Default 100.
    pub messages_per_connection: usize,
    /// MX hosts tried in one attempt at most. Default 10.
    pub hosts_per_attempt: usize,
    /// Addresses of one host tried in one attempt at most. Default 4.
    pub addresses_per_host: usize,
    /// Waits of the client, as RFC 5321, section 4.5.3.2, has them.
    pub waits: Waits,
    /// What becomes of 8-bit text for a server without 8BITMIME. Default: it is sent.
    pub eight_bit: EightBit,
    /// Whether policies of other domains (MTA-STS, RFC 8461) are asked for and heeded. Default true.
    pub mta_sts: bool,
    /// The scheduler looks at the queue at least this often. Default 1 minute.
    pub longest_sleep: Duration,
    /// How long deliveries may go on after shutdown began. Default 20 s.
    pub drain: Duration,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            relay_port: 25,
            bind: None,
            concurrency: 100,
            destination_concurrency: 5,
            idle: Duration::from_secs(10),
            messages_per_connection: 100,
            hosts_per_attempt: 10,
            addresses_per_host: 4,
            waits: Waits::default(),
            eight_bit: EightBit::Send,
            mta_sts: true,
            longest_sleep: Duration::from_secs(60),
            drain: Duration::from_secs(20),
        }
    }
}

/// How long the client waits for each reply (RFC 5321, section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The connection. Default 30 s.
    pub connect: Duration,
    /// The greeting. Default 5 minutes.
    pub greeting: Duration,
    /// The TLS handshake. Default 1 minute.
    pub handshake: Duration,
    /// EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET. Default 5 minutes.
    pub command: Duration,
    /// The reply to DATA. Default 2 minutes.
    pub data_start: Duration,
    /// Progress of one block of data. Default 3 minutes.
    pub data_block: Duration,
    /// The reply to the end of data. Default 10 minutes.
    pub data_end: Duration,
    /// QUIT. Default 5 s.
    pub quit: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            greeting: Duration::from_secs(300),
            handshake: Duration::from_secs(60),
            command: Duration::from_secs(300),
            data_start: Duration::from_secs(120),
            data_block: Duration::from_secs(180),
            data_end: Duration::from_secs(600),
            quit: Duration::from_secs(5),
        }
    }
}
