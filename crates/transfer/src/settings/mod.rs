//! Everything that can be set, with its meaning, unit and default.
//!
//! The binary reads `kakitome.toml` into these values and stores new ones on SIGHUP. A session takes the
//! settings once when it begins; the queue takes them for each attempt.

mod in_force;
mod limits;
mod outbound;

pub use in_force::{InForce, Made};
pub use limits::{Limits, Times};
pub use outbound::{Credentials, EightBit, NextHop, Outbound, Retry, TlsPolicy, Waits};

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use engines::Engines;
use jiff::tz::TimeZone;
use message::address::Domain;
use screening::{EnginePolicy, MalwarePolicy, Policy};

use crate::ExplicitNetwork;

/// Settings that a reload can replace under running sessions.
pub type SettingsHandle = Arc<ArcSwap<Settings>>;

/// What this server is (regulation, articles 5 and 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// Meets the outside world; hands own-domain mail to the mailbox server.
    Exchange,
    /// Holds the mailboxes; takes own-domain mail from the named exchange servers only.
    Mailbox,
    /// Both: own-domain mail goes straight into mailboxes.
    Both,
}

impl Roles {
    /// Whether mailboxes are here.
    #[must_use]
    pub fn has_mailboxes(self) -> bool {
        matches!(self, Self::Mailbox | Self::Both)
    }
}

/// Settings of receiving, submission, queue and delivery.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of this server, in greetings, Received lines and notifications. Default `localhost`.
    pub hostname: Domain,
    /// The organisation's time zone, in which mail of the server's own tells people of times. Default UTC.
    pub zone: TimeZone,
    /// What this server is. Default both.
    pub roles: Roles,
    /// The policy that [`Settings::policy`] made.
    pub made_policy: Made,
    /// Limits on what one session may ask for.
    pub limits: Limits,
    /// Time that each phase of a session may take.
    pub times: Times,
    /// Octets of messages that may be in memory at once in all sessions; a session that would pass it
    /// waits. Never below one message of the largest size. Default 512 MiB.
    pub memory: u64,
    /// Networks that may submit without authentication (clause 6.1(1)b). Default none.
    pub submission_networks: Vec<ExplicitNetwork>,
    /// Whether networks of [`Settings::submission_networks`] may use any sender of own domains. They have no
    /// identifier that a sender could belong to. Senders of foreign domains are refused always. Default true.
    pub submission_requires_own_domain: bool,
    /// Exchange servers that may hand mail to a server with the mailbox role only (clause 6.1(1)a). Default none.
    pub exchange_peers: Vec<ExplicitNetwork>,
    /// Whether exchange peers must use TLS. Default true.
    pub exchange_peers_need_tls: bool,
    /// Where a server with the exchange role only hands own-domain mail; verified TLS is demanded. Default none.
    pub mailbox_server: Option<NextHop>,
    /// How long an exchange server remembers that the mailbox server knows an address: used in place of
    /// a question, and at length while the mailbox server cannot be asked. Default 10 minutes and 7 days.
    pub recipient_memory: RecipientMemory,
    /// Next hops by destination domain; subdomains are not included. Default none.
    pub routes: BTreeMap<Domain, NextHop>,
    /// Next hop for all domains without a route. Default none: MX records decide.
    pub default_route: Option<NextHop>,
    /// Lowest TLS by destination domain. Default none.
    pub minimum_tls: BTreeMap<Domain, TlsPolicy>,
    /// TLS for domains without an entry. Default opportunistic.
    pub default_tls: TlsPolicy,
    /// When to try again, to warn, and to give up.
    pub retry: Retry,
    /// How mail leaves.
    pub outbound: Outbound,
    /// How it is found out who mail from outside is from, and what is done about it. Default `None`: it is not.
    pub screening: Option<Screening>,
    /// The field that tells recipients' programs the verdict on mail from outside; `None`: none does. Default `X-Spam-Status`.
    pub status_field: Option<String>,
    /// How return paths of own mail are signed. Default `None`: they are not.
    pub return_path: Option<crate::ReturnPath>,
    /// When refused bounces to mail that was never sent from here are a surge (clause 5.5(2)); `None`: never. Default
    /// [`crate::BounceSurge`]'s.
    pub bounce_surge: Option<crate::BounceSurge>,
    /// How long mail is set apart before it is deleted. Default 30 days.
    pub quarantine_time: Duration,
    /// What is done about what the scanners say, of mail from outside and of submissions (clause 5.2(4)). Default `None`: they are
    /// not asked.
    pub malware: Option<MalwarePolicy>,
    /// Reports about mail in other domains' names, and about mail in own domains' names (RFC 9990). Default: none are sent, and
    /// none are looked for.
    pub dmarc_reports: crate::dmarc_reports::Keys,
    /// Reports about TLS with other domains' servers, and with own servers (RFC 8460). Default: nothing is counted or sent, and none
    /// are looked for.
    pub tls_reports: crate::tls_reports::Keys,
    /// Programs of others that are asked about mail from outside and submissions. Default none.
    pub engines: Arc<Engines>,
    /// What is done about what they say.
    pub engine_policy: EnginePolicy,
}

/// What programs know best that sort mail by it.
pub const STATUS_FIELD: &str = "X-Spam-Status";

/// How mail from outside is screened.
#[derive(Clone, Debug, Default)]
pub struct Screening {
    /// How much is looked at, and for how long.
    pub limits: screening::Limits,
    /// What is done about what is found.
    pub policy: Policy,
    /// How long a stranger waits for the greeting, to see whether it talks before. Default 0: it does not wait.
    pub greeting_wait: Duration,
}

/// How long an exchange server believes what the mailbox server said of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientMemory {
    /// A known address is not asked for again within this time. Default 10 minutes.
    pub fresh: Duration,
    /// While the mailbox server does not answer, a known address counts as known for this time. Default 7 days.
    pub stale: Duration,
    /// An unknown address is not asked for again within this time. Default 1 minute.
    pub unknown: Duration,
    /// Addresses remembered at most. Default 100,000.
    pub entries: usize,
}

impl Default for RecipientMemory {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(600),
            stale: Duration::from_secs(7 * 86_400),
            unknown: Duration::from_secs(60),
            entries: 100_000,
        }
    }
}

/// How names are looked up; read once, when the resolver is made.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// Name servers to ask. Empty: those of the operating system.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take. Default 5 s.
    pub timeout: Option<Duration>,
    /// Whether the servers are believed when they say that DNSSEC proves an answer. Default auto.
    pub dnssec: Dnssec,
}

/// Whether name servers are believed when they say that DNSSEC proves an answer. Without that there is no DANE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dnssec {
    /// If all of them are on this machine.
    #[default]
    Auto,
    /// Always: the settings vouch for the path to them.
    Trust,
    /// Never.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hostname: crate::text::localhost(),
            zone: TimeZone::UTC,
            roles: Roles::Both,
            made_policy: Made::default(),
            limits: Limits::default(),
            times: Times::default(),
            memory: 512 << 20,
            submission_networks: Vec::new(),
            submission_requires_own_domain: true,
            exchange_peers: Vec::new(),
            exchange_peers_need_tls: true,
            mailbox_server: None,
            recipient_memory: RecipientMemory::default(),
            routes: BTreeMap::new(),
            default_route: None,
            minimum_tls: BTreeMap::new(),
            default_tls: TlsPolicy::default(),
            retry: Retry::default(),
            outbound: Outbound::default(),
            screening: None,
            status_field: Some(STATUS_FIELD.to_owned()),
            return_path: None,
            bounce_surge: Some(crate::BounceSurge::default()),
            quarantine_time: Duration::from_secs(30 * 86_400),
            malware: None,
            dmarc_reports: crate::dmarc_reports::Keys::default(),
            tls_reports: crate::tls_reports::Keys::default(),
            engines: Arc::default(),
            engine_policy: EnginePolicy::default(),
        }
    }
}

impl Settings {
    /// What cannot work together, in words for the operator. Empty: the settings can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.roles == Roles::Exchange && self.mailbox_server.is_none() {
            problems.push(
                "a server with the exchange role only needs a mailbox server to hand mail to",
            );
        }
        if self.roles == Roles::Mailbox && self.exchange_peers.is_empty() {
            problems.push(
                "a server with the mailbox role only needs the networks of its exchange servers, or it receives nothing",
            );
        }
        if self.memory < self.limits.message_octets {
            problems.push("the memory for messages is below the size of one message");
        }
        if self.retry.delays.is_empty() {
            problems.push("the retry schedule is empty");
        }
        problems
    }

    /// What decides about a message of which all was asked that these settings ask.
    #[must_use]
    pub fn policy(&self) -> Arc<InForce> {
        self.made_policy.once(|| {
            let screening = self.screening.as_ref();
            let mut policy = screening.map_or_else(Policy::default, |keys| keys.policy.clone());
            policy.malware = self.malware.clone().unwrap_or_default();
            policy.engines = self.engine_policy.clone();
            policy
        })
    }

    /// The TLS that mail for `domain` needs at least.
    #[must_use]
    pub fn tls_for(&self, domain: &Domain) -> TlsPolicy {
        self.minimum_tls
            .get(domain)
            .copied()
            .unwrap_or(self.default_tls)
    }
}
