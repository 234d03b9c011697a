//! MTA and MSA: receive, route, queue, deliver, bounce.
//!
//! # What it does
//!
//! *Receiving* ([`Listener::Exchange`]): mail for own domains only, decided at RCPT; refused there when nobody
//! is behind the address. *Submission* ([`Listener::Submission`], [`Listener::Submissions`]): from identifiers
//! that have proved themselves under TLS, or from explicit networks (clause 6.1(1)b), with a sender that is
//! theirs. *Queue*: what goes to other servers waits in the store and is tried on a growing schedule.
//! *Notifications* (RFC 3464) tell senders what became of it.
//!
//! # How data enters and leaves
//!
//! Sockets are opened elsewhere and come in as [`wire::Stream`]s through [`Transfer::serve`]; names come from a
//! [`Resolver`], connections to other servers from a [`Dialer`], the time and chance from a [`world::World`].
//! A message is in memory until one commit puts it, its mailboxes' rows, its queue rows and its audit events on
//! stable storage; only that commit's receipt makes the reply 250. [`Transfer::run_queue`] takes mail out of
//! the queue in the same commit as the event that tells how it ended.
//!
//! # What it never does
//!
//! It reads no mailbox and relays for nobody: the only ways out are a submission and a notification. It makes no
//! notification for a null sender. It repairs no line ends: a bare CR or LF is refused.

pub mod abuse;
pub mod acquaintance;
mod bounces;
mod budget;
mod callout;
mod canary;
pub mod command;
mod connect;
mod content;
mod dane;
mod deliver;
pub mod dmarc_reports;
pub mod fetch;
mod flood;
mod https;
pub mod learning;
mod memory;
mod metrics;
pub mod notice;
mod notify;
pub mod outbreak;
mod outcome;
mod parcel;
pub mod quarantine;
mod queue;
mod report;
mod report_mail;
mod resolver;
mod restraint;
mod return_path;
mod route;
mod session;
mod settings;
pub mod signing;
pub mod sts;
mod surge;
mod text;
pub mod tls_reports;
mod trace;
mod trouble;
mod unpack;

use std::{net::SocketAddr, sync::Arc};

use directory::Directory;
use jiff::Timestamp;
use store::Store;
use wire::{IdentityHandle, Shutdown};
use world::World;

pub use canary::{Canary, Sink};
pub use connect::{ClientTls, ClientTlsError, Dialer, Dialing, TcpDialer, roots_from_pem};
pub use dane::names_certificate;
pub use resolver::{
    Answer, Answering, FixedResolver, HickoryResolver, Mx, Proven, Proving, Resolver,
    ResolverError, Tlsa,
};
pub use return_path::{ReturnPath, Unmarked};
pub use settings::{
    Credentials, Dns, Dnssec, EightBit, InForce, Limits, Made, NextHop, Outbound, RecipientMemory,
    Retry, Roles, STATUS_FIELD, Screening, Settings, SettingsHandle, Times, TlsPolicy, Waits,
};
pub use surge::BounceSurge;
pub use wire::{ExplicitNetwork, NetworkError};

/// A screener that a reload can replace under running sessions.
pub type ScreenerHandle = Arc<arc_swap::ArcSwap<screening::Screener>>;

/// Scanners that a reload can replace under running sessions.
pub type ScannersHandle = Arc<arc_swap::ArcSwap<malware::Scanners>>;

/// What the listener writes, before it closes, to a connection that [`wire::Admission`] does not let in.
pub const REFUSED_BUSY: &[u8] = b"421 4.3.2 Too many connections, try again later\r\n";

/// What the listener writes, before it closes, to a connection from an address that is blocked (RFC 5321, section 3.1).
pub const REFUSED_BLOCKED: &[u8] =
    b"554 5.7.1 Your address is blocked here, ask the administrators\r\n";

/// What a session came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// SMTP between servers (port 25).
    Exchange,
    /// Submission with STARTTLS (port 587).
    Submission,
    /// Submission with TLS from the first byte (port 465).
    Submissions,
}

impl Listener {
    /// Whether it takes submissions.
    #[must_use]
    pub fn is_submission(self) -> bool {
        matches!(self, Self::Submission | Self::Submissions)
    }
}

/// What a [`Transfer`] is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// Who is who.
    pub directory: Directory,
    /// Time and chance.
    pub world: World,
    /// Settings; a reload stores new ones.
    pub settings: SettingsHandle,
    /// The certificate shown to clients; a reload stores a new one.
    pub identity: IdentityHandle,
    /// Names.
    pub resolver: Arc<dyn Resolver>,
    /// Who gathers evidence on mail from outside; a reload stores a new one. `None`: such mail is not screened, whatever the
    /// settings say.
    pub screener: Option<ScreenerHandle>,
    /// Who looks for malware; a reload stores new ones. `None`: nobody does, whatever the settings say.
    pub scanners: Option<ScannersHandle>,
    /// Connections to other servers.
    pub dialer: Arc<dyn Dialer>,
    /// TLS as client.
    pub tls: ClientTls,
}

/// The MTA and MSA of one installation. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Transfer {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    memory: memory::Memory,
    pool: deliver::Pool,
    callouts: callout::Callouts,
    ring: signing::Ring,
    null_senders: budget::Budget,
    floods: flood::Floods,
    meters: restraint::Meters,
    canary: canary::Nest,
    report_reader: tokio::sync::Mutex<()>,
    reporting: tokio::sync::Mutex<()>,
    sts_failures: sts::Failures,
    rules: outbreak::Rules,
    lessons: learning::Known,
    surge: surge::Surge,
}

impl Transfer {
    /// An MTA and MSA of these parts. Nothing runs yet. The memory for messages is that of the settings as they
    /// are now.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        metrics::describe();
        let settings = parts.settings.load();
        let memory = memory::Memory::new(settings.memory, settings.limits.message_octets);
        drop(settings);
        Self {
            shared: Arc::new(Shared {
                parts,
                memory,
                pool: deliver::Pool::default(),
                callouts: callout::Callouts::default(),
                ring: signing::Ring::default(),
                null_senders: budget::Budget::default(),
                floods: flood::Floods::default(),
                meters: restraint::Meters::default(),
                canary: canary::Nest::default(),
                report_reader: tokio::sync::Mutex::default(),
                reporting: tokio::sync::Mutex::default(),
                sts_failures: sts::Failures::default(),
                rules: outbreak::Rules::default(),
                lessons: learning::Known::default(),
                surge: surge::Surge::default(),
            }),
        }
    }

    /// Serves one connection from its greeting to its end. Never fails: what goes wrong is answered, recorded
    /// and logged.
    pub async fn serve(
        &self,
        stream: wire::Stream,
        peer: SocketAddr,
        listener: Listener,
        shutdown: Shutdown,
    ) {
        session::run(self, stream, peer, listener, shutdown).await;
    }

    /// Delivers what is queued until shutdown, then lets deliveries in flight end within their limit. To be run
    /// once.
    pub async fn run_queue(&self, shutdown: Shutdown) {
        queue::run(self, shutdown).await;
    }

    /// Tries all that is due now and waits for what comes of it: for a site whose time somebody else moves on. Not while
    /// [`Transfer::run_queue`] runs.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn try_queue(&self) -> Result<(), store::Error> {
        queue::once(self).await
    }

    fn store(&self) -> &Store {
        &self.shared.parts.store
    }

    fn directory(&self) -> &Directory {
        &self.shared.parts.directory
    }

    fn world(&self) -> &World {
        &self.shared.parts.world
    }

    fn settings(&self) -> Arc<Settings> {
        self.shared.parts.settings.load_full()
    }

    /// A time as people here read it: in the organisation's zone, which need not be the machine's. `format` is that of `strftime`.
    fn local(&self, at: Timestamp, format: &str) -> String {
        let zone = self.settings().zone.clone();
        at.to_zoned(zone).strftime(format).to_string()
    }

    fn identity(&self) -> Arc<wire::Identity> {
        self.shared.parts.identity.load_full()
    }

    fn resolver(&self) -> &dyn Resolver {
        self.shared.parts.resolver.as_ref()
    }

    fn screener(&self) -> Option<Arc<screening::Screener>> {
        let handle = self.shared.parts.screener.as_ref();
        handle.map(|handle| handle.load_full())
    }

    fn scanners(&self) -> Option<Arc<malware::Scanners>> {
        let handle = self.shared.parts.scanners.as_ref();
        handle.map(|handle| handle.load_full())
    }

    /// Who tells others what came in their names holds it, so that nobody is told twice.
    fn reporting(&self) -> &tokio::sync::Mutex<()> {
        &self.shared.reporting
    }

    /// Who reads a report holds it.
    fn report_reader(&self) -> &tokio::sync::Mutex<()> {
        &self.shared.report_reader
    }

    fn canary(&self) -> &canary::Nest {
        &self.shared.canary
    }

    fn meters(&self) -> &restraint::Meters {
        &self.shared.meters
    }

    fn surge(&self) -> &surge::Surge {
        &self.shared.surge
    }

    fn rules(&self) -> &outbreak::Rules {
        &self.shared.rules
    }

    fn dialer(&self) -> &dyn Dialer {
        self.shared.parts.dialer.as_ref()
    }

    fn client_tls(&self) -> &ClientTls {
        &self.shared.parts.tls
    }

    fn memory(&self) -> &memory::Memory {
        &self.shared.memory
    }

    fn pool(&self) -> &deliver::Pool {
        &self.shared.pool
    }

    fn sts_failures(&self) -> &sts::Failures {
        &self.shared.sts_failures
    }

    fn ring(&self) -> &signing::Ring {
        &self.shared.ring
    }

    fn null_senders(&self) -> &budget::Budget {
        &self.shared.null_senders
    }

    fn floods(&self) -> &flood::Floods {
        &self.shared.floods
    }

    fn callouts(&self) -> &callout::Callouts {
        &self.shared.callouts
    }
}
