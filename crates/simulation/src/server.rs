//! The whole server, as `kakitome serve` wires it, over a simulated disk and network.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use directory::{Directory, Options, OwnDomain};
use message::address::Domain;
use parking_lot::Mutex;
use retrieval::Retrieval;
use store::{
    QueueId, Store,
    index::Index,
    queue::{self, Selection},
};
use tokio::{io::DuplexStream, time::Instant};
use trail::Kind;
use transfer::{
    Answer, ClientTls, Dialer, Dialing, FixedResolver, Mx, Parts, Transfer,
    command::{self, CommandError, Which},
};
use wire::{Identity, IdentityHandle, ShutdownHandle, Stream};
use world::{Clock, Timestamp, World};

use crate::{
    chance::Chance, disk::SimulatedDisk, network::Network, people::ADMINISTRATOR, sink::Sink,
};

/// Where the site lies on its disk.
pub(crate) const SITE: &str = "/site";
/// The site's own domain.
pub(crate) const OWN: &str = "example.jp";
/// A domain elsewhere, whose mail the [`Sink`] takes.
pub(crate) const REMOTE: &str = "remote.example";
/// Clients in this network may submit and read mail without TLS.
pub(crate) const OFFICE: &str = "198.51.100.7:4000";
/// Somebody on the Internet.
pub(crate) const STRANGER: &str = "192.0.2.9:4000";

/// A running server.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    transfer: Transfer,
    retrieval: Retrieval,
    pub(crate) index: Index,
    network: Network,
    shutdown: ShutdownHandle,
    watcher: wire::Shutdown,
    queue: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// The civil time of a history: where its last life left it, and how long this one has lasted.
struct HistoryClock {
    from: Timestamp,
    since: Instant,
}

impl Clock for HistoryClock {
    fn now(&self) -> Timestamp {
        self.from + self.since.elapsed()
    }
}

/// A world at `from` in which time passes as the runtime's does.
pub(crate) fn world(from: Timestamp, chance: &Chance) -> World {
    let since = Instant::now();
    World::new(HistoryClock { from, since }, chance.fork()).on_one_thread()
}

impl Server {
    /// Opens the site on `disk`.
    ///
    /// # Errors
    /// Those of the store: the disk may fail.
    pub(crate) fn start(
        disk: &SimulatedDisk,
        world: &World,
        network: Network,
        sink: &Sink,
    ) -> Result<Self, store::Error> {
        let site = Path::new(SITE);
        let options = store::Options {
            // Small, so that histories see many of them.
            segment_size: 96 << 10,
            log_bytes: 512 << 10,
            roll_from: 3,
            checkpoint_every: Duration::from_secs(2),
            reserve_bytes: 16 << 10,
            waste_bytes: 1 << 10,
            ..store::Options::default()
        };
        let store = Store::open_on(site, &options, world.clone(), Arc::new(disk.clone()))?;
        let directory = Directory::new(store.clone(), world.clone(), directory_options());
        let identity = identity();
        let transfer = Transfer::new(Parts {
            store: store.clone(),
            directory: directory.clone(),
            world: world.clone(),
            settings: Arc::new(ArcSwap::from_pointee(transfer_settings())),
            identity: Arc::clone(&identity),
            resolver: Arc::new(names()),
            screener: None,
            scanners: None,
            dialer: Arc::new(ToSink {
                network: network.clone(),
                sink: sink.clone(),
            }),
            tls: client_tls(),
        });
        let index = Index::open(&site.join("index"), store.clone())?;
        let retrieval = Retrieval::new(
            store.clone(),
            directory.clone(),
            index.clone(),
            world.clone(),
            Arc::new(ArcSwap::from_pointee(retrieval_settings())),
            identity,
        );
        let (shutdown, watcher) = ShutdownHandle::new();
        Ok(Self {
            store,
            directory,
            transfer,
            retrieval,
            index,
            network,
            shutdown,
            watcher,
            queue: Mutex::default(),
        })
    }

    /// Begins to work off the queue.
    pub(crate) fn run_queue(&self) {
        let (transfer, until) = (self.transfer.clone(), self.watcher.clone());
        let queue = tokio::spawn(async move { transfer.run_queue(until).await });
        *self.queue.lock() = Some(queue);
    }

    /// A connection to an SMTP listener.
    pub(crate) fn smtp(&self, listener: transfer::Listener) -> DuplexStream {
        let (client, server) = self.network.connect();
        let from = match listener {
            transfer::Listener::Exchange => STRANGER,
            _ => OFFICE,
        };
        let (transfer, shutdown) = (self.transfer.clone(), self.watcher.clone());
        let peer = address(from);
        tokio::spawn(async move {
            let stream = Stream::plain(server);
            transfer.serve(stream, peer, listener, shutdown).await;
        });
        client
    }

    /// A connection to the IMAP listener.
    pub(crate) fn imap(&self) -> DuplexStream {
        let (client, server) = self.network.connect();
        let (retrieval, shutdown) = (self.retrieval.clone(), self.watcher.clone());
        tokio::spawn(async move {
            let stream = Stream::plain(server);
            let listener = retrieval::Listener::Imap;
            retrieval
                .serve(stream, address(OFFICE), listener, shutdown)
                .await;
        });
        client
    }

    /// The messages that wait for elsewhere.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn queued(&self) -> Result<Vec<QueueId>, store::Error> {
        let all = Selection::default();
        let found = self
            .store
            .read(move |snapshot| queue::select(snapshot, &all, 1000));
        Ok(found
            .await?
            .iter()
            .map(|queued| queued.message.id)
            .collect())
    }

    /// Takes a message out of the queue, as the administrator's `queue discard` and `queue bounce` do; of how many recipients.
    ///
    /// # Errors
    /// Those of the command: the disk may fail.
    pub(crate) async fn take_out(&self, id: QueueId, kind: Kind) -> Result<u64, CommandError> {
        let caller = self.directory.person_of_user(ADMINISTRATOR).await;
        let caller = caller.ok().flatten();
        let caller = caller.ok_or(CommandError::NoSuchMessage(id))?;
        let which = Which::Selected(Box::new(Selection {
            ids: vec![id],
            ..Selection::default()
        }));
        let reason = "a history wants it";
        match kind {
            Kind::QueueDiscarded => command::discard(&self.store, &caller, which, reason).await,
            _ => command::bounce(&self.transfer, &caller, which, reason).await,
        }
    }

    /// Stops in order, as after SIGTERM.
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        let queue = self.queue.lock().take();
        if let Some(queue) = queue {
            // One that panicked has told so already, and the history ends by its own checks.
            queue.await.ok();
        }
        self.index.close().await;
        self.store.close().await;
    }
}

/// Opens connections to the [`Sink`], whatever the address.
struct ToSink {
    network: Network,
    sink: Sink,
}

impl Dialer for ToSink {
    fn dial(&self, _to: SocketAddr, _bind: Option<IpAddr>) -> Dialing<'_> {
        Box::pin(async move {
            if self.sink.refuses() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (client, server) = self.network.connect();
            self.sink.serve(server);
            Ok(Stream::plain(client))
        })
    }
}

fn names() -> FixedResolver {
    let names = FixedResolver::new();
    let host = domain("mx.remote.example");
    let mx = Mx {
        preference: 10,
        host: Some(host.clone()),
    };
    names.set_mx(domain(REMOTE), Answer::Found(vec![mx]));
    let at = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
    names.set_host(host, Answer::Found(vec![at]));
    names
}

pub(crate) fn directory_options() -> Options {
    Options {
        domains: vec![OwnDomain {
            name: domain(OWN),
            catch_all: None,
        }],
        argon2_memory_kib: 64,
        argon2_passes: 1,
        scram_iterations: 4096,
        ..Options::default()
    }
}

fn transfer_settings() -> transfer::Settings {
    let mut settings = transfer::Settings {
        hostname: domain("mx.example.jp"),
        submission_networks: office(),
        ..transfer::Settings::default()
    };
    settings.outbound.drain = Duration::from_secs(5);
    settings
}

fn retrieval_settings() -> retrieval::Settings {
    retrieval::Settings {
        plaintext_networks: office(),
        ..retrieval::Settings::default()
    }
}

fn office() -> Vec<wire::ExplicitNetwork> {
    "198.51.100.0/24".parse().into_iter().collect()
}

/// One certificate for all histories: what it is plays no part in them.
#[allow(clippy::expect_used, reason = "values of our own")]
fn identity() -> IdentityHandle {
    static IDENTITY: OnceLock<IdentityHandle> = OnceLock::new();
    let made = IDENTITY.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["mx.example.jp".to_owned()])
            .expect("a certificate can be made");
        let key = rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Identity::new(vec![made.cert.der().clone()], key)
            .expect("the certificate fits its key")
            .into_handle()
    });
    Arc::clone(made)
}

#[allow(clippy::expect_used, reason = "an empty list of roots")]
fn client_tls() -> ClientTls {
    static TLS: OnceLock<ClientTls> = OnceLock::new();
    let made = TLS
        .get_or_init(|| ClientTls::new(rustls::RootCertStore::empty()).expect("TLS can be set up"));
    made.clone()
}

#[allow(clippy::expect_used, reason = "names of our own")]
pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a name of ours is a domain")
}

#[allow(clippy::expect_used, reason = "addresses of our own")]
fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of ours is one")
}
