//! MRA: IMAP and POP3 sessions over mailboxes; search.
//!
//! # What it is for
//!
//! [`Retrieval::serve`] takes one connection and speaks IMAP4rev1, IMAP4rev2 or POP3 over it until it ends. The words of
//! the protocols come from `protocol`; who may come in is decided by `directory`; mailboxes and messages live in `store`.
//!
//! # How data enters and leaves
//!
//! A command that changes something is one commit with its audit event, and its tagged OK needs the receipt. What a
//! session sees of a mailbox is a list of UIDs and flags, brought up to date by MODSEQ at the moments where the protocol
//! permits it, and woken by the store: nothing polls. When a session ends, however it ends, one
//! [`RetrievalSession`](trail::Kind::RetrievalSession) event tells who fetched how much (clause 4.2(1)d).
//!
//! # What it never does
//!
//! It sends no mail, keeps no password, trusts no length that a client states, and holds no more message text in memory than
//! [`Settings::memory_budget`].
//!
//! ```no_run
//! # async fn run(store: store::Store, directory: directory::Directory, index: store::index::Index, identity: wire::IdentityHandle,
//! #   stream: wire::Stream, peer: std::net::SocketAddr, shutdown: wire::Shutdown) {
//! use std::sync::Arc;
//! use retrieval::{Listener, Retrieval, Settings};
//!
//! let settings = Arc::new(arc_swap::ArcSwap::from_pointee(Settings::default()));
//! let retrieval = Retrieval::new(store, directory, index, world::World::system(), settings, identity);
//! retrieval.serve(stream, peer, Listener::Imaps, shutdown).await;
//! # }
//! ```

mod audit;
mod budget;
mod connection;
mod gate;
mod imap;
mod login;
mod pop3;
mod settings;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use connection::Connection;

pub use gate::{Barred, Gate, Looking};
pub use settings::Settings;

/// Settings that a reload can replace under running sessions. Limits that are counted over all sessions
/// ([`Settings::memory_budget`], [`Settings::view_cache`], [`Settings::concurrent_searches`]) keep the value that [`Retrieval::new`] saw.
pub type SettingsHandle = Arc<ArcSwap<Settings>>;

/// What to write to an IMAP client that [`wire::Admission`] does not let in, before closing.
pub const IMAP_BUSY: &[u8] = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n";

/// What to write to a POP3 client that [`wire::Admission`] does not let in, before closing.
pub const POP3_BUSY: &[u8] = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n";

/// What to write to an IMAP client whose address is blocked, before closing.
pub const IMAP_BLOCKED: &[u8] =
    b"* BYE [ALERT] Your address is blocked here, ask the administrators\r\n";

/// What to write to a POP3 client whose address is blocked, before closing.
pub const POP3_BLOCKED: &[u8] =
    b"-ERR [SYS/PERM] Your address is blocked here, ask the administrators\r\n";

/// Which protocol a connection speaks, and whether it begins with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// IMAP with STARTTLS (port 143).
    Imap,
    /// IMAP inside TLS (port 993, RFC 8314).
    Imaps,
    /// POP3 with STLS (port 110).
    Pop3,
    /// POP3 inside TLS (port 995, RFC 8314).
    Pop3s,
}

impl Listener {
    /// Whether the connection begins with a TLS handshake.
    #[must_use]
    pub const fn is_implicit_tls(self) -> bool {
        matches!(self, Self::Imaps | Self::Pop3s)
    }

    /// What to write, in the clear, to a client that is not let in; empty inside TLS, where nothing can be said before the
    /// handshake.
    #[must_use]
    pub const fn busy(self) -> &'static [u8] {
        match self {
            Self::Imap => IMAP_BUSY,
            Self::Pop3 => POP3_BUSY,
            Self::Imaps | Self::Pop3s => b"",
        }
    }

    /// The same to a client whose address is blocked.
    #[must_use]
    pub const fn blocked(self) -> &'static [u8] {
        match self {
            Self::Imap => IMAP_BLOCKED,
            Self::Pop3 => POP3_BLOCKED,
            Self::Imaps | Self::Pop3s => b"",
        }
    }
}

/// The retrieval service of one installation. Cheap to clone; clones share their limits.
#[derive(Clone)]
pub struct Retrieval {
    shared: Arc<Shared>,
}

/// What all sessions share.
struct Shared {
    store: store::Store,
    directory: directory::Directory,
    index: store::index::Index,
    world: world::World,
    settings: SettingsHandle,
    identity: wire::IdentityHandle,
    /// Who looks at what is appended.
    gate: std::sync::OnceLock<Arc<dyn Gate>>,
    /// Room for message text.
    memory: budget::Memory,
    /// Rolls of mailboxes that were selected lately.
    rolls: Arc<imap::Rolls>,
    /// Turns for reading text in searches.
    searches: tokio::sync::Semaphore,
    /// Sessions of each identifier.
    sessions: budget::Sessions,
    /// Maildrops that POP3 sessions hold.
    maildrops: budget::Maildrops,
}

impl Retrieval {
    /// The service over `store` and `directory`, showing the certificate of `identity`.
    #[must_use]
    pub fn new(
        store: store::Store,
        directory: directory::Directory,
        index: store::index::Index,
        world: world::World,
        settings: SettingsHandle,
        identity: wire::IdentityHandle,
    ) -> Self {
        let now = settings.load();
        let (memory, searches) = (now.memory_budget, now.concurrent_searches.max(1));
        let rolls = Arc::new(imap::Rolls::new(now.view_cache));
        drop(now);
        Self {
            shared: Arc::new(Shared {
                store,
                directory,
                index,
                world,
                settings,
                identity,
                gate: std::sync::OnceLock::new(),
                memory: budget::Memory::new(memory),
                rolls,
                searches: tokio::sync::Semaphore::new(searches),
                sessions: budget::Sessions::default(),
                maildrops: budget::Maildrops::default(),
            }),
        }
    }

    /// The same with somebody who looks at what is appended, as [`Settings::append_gated`] says. The first counts.
    #[must_use]
    pub fn with_gate(self, gate: Arc<dyn Gate>) -> Self {
        self.shared.gate.get_or_init(|| gate);
        self
    }

    /// Waits until the sessions of an account have ended and their events are in the trail, but not longer than `within`; returns how
    /// many have not. A suspension ends them all, each where it stands.
    pub async fn sessions_ended(&self, account: store::AccountId, within: Duration) -> usize {
        let ended = self.shared.sessions.ended(account);
        match tokio::time::timeout(within, ended).await {
            Ok(()) => 0,
            Err(_) => self.shared.sessions.count(account),
        }
    }

    /// Serves one connection until it ends: by the client, by a time-out, by `shutdown` at the next safe point.
    ///
    /// A plain `stream` of a listener with implicit TLS gets its handshake here. The caller admits the connection first
    /// and holds the permit as long as this runs.
    pub async fn serve(
        &self,
        stream: wire::Stream,
        peer: SocketAddr,
        listener: Listener,
        shutdown: wire::Shutdown,
    ) {
        let settings = self.shared.settings.load_full();
        let mut connection = Connection::new(stream, settings.stall_timeout, settings.minimum_rate);
        if listener.is_implicit_tls() && connection.tls().is_none() {
            let identity = self.shared.identity.load_full();
            connection = match connection
                .accept_tls(&identity, settings.handshake_timeout)
                .await
            {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::debug!(%error, %peer, "a TLS handshake failed");
                    return;
                }
            };
        }
        let shared = Arc::clone(&self.shared);
        let _open = Open::begin(listener);
        match listener {
            Listener::Imap | Listener::Imaps => {
                imap::serve(shared, connection, peer, shutdown).await;
            }
            Listener::Pop3 | Listener::Pop3s => {
                pop3::serve(shared, connection, peer, shutdown).await;
            }
        }
    }
}

/// An open session, in the metrics.
struct Open(&'static str);

impl Open {
    fn begin(listener: Listener) -> Self {
        let protocol = match listener {
            Listener::Imap | Listener::Imaps => "imap",
            Listener::Pop3 | Listener::Pop3s => "pop3",
        };
        metrics::counter!("retrieval_sessions_total", "protocol" => protocol).increment(1);
        metrics::gauge!("retrieval_sessions_open", "protocol" => protocol).increment(1);
        Self(protocol)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("retrieval_sessions_open", "protocol" => self.0).decrement(1);
    }
}
