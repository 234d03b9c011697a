//! A site with two people over a real store, and the peers that it speaks to.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

pub mod peer;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use directory::{
    Directory, Options, OwnDomain, Person, Role,
    command::{Caller, account, arrival, bootstrap, order, person, role},
};
use message::address::{Address, Domain};
use protocol::sasl::Secret;
use store::{AccountId, Snapshot, Store, event::Filter, mailbox};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};
use trail::{Kind, Recorded};
use transfer::{ClientTls, FixedResolver, Listener, Parts, Settings, TcpDialer, Transfer};
use wire::{Identity, ShutdownHandle, Stream};
use world::{ManualClock, Random, Timestamp, World};

pub const TARO: &str = "taro@example.jp";
pub const JIRO: &str = "jiro@example.jp";
pub const CLIENT: &str = "192.0.2.9:4000";

pub struct Site {
    pub transfer: Transfer,
    pub store: Store,
    pub directory: Directory,
    pub clock: ManualClock,
    pub resolver: Arc<FixedResolver>,
    pub password: Secret,
    pub certificate: Certificate,
    shutdown: ShutdownHandle,
    watcher: wire::Shutdown,
    _folder: tempfile::TempDir,
}

/// A self-signed certificate for one host, and who trusts it.
pub struct Certificate {
    pub identity: wire::IdentityHandle,
    pub roots: rustls::RootCertStore,
}

pub fn certificate(host: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der.clone()).unwrap();
    Certificate {
        identity: Identity::new(vec![der], key).unwrap().into_handle(),
        roots,
    }
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

impl Site {
    /// example.jp on mx.example.jp, with taro (no limit) and jiro (a small quota).
    pub async fn open(set: impl FnOnce(&mut Settings)) -> Self {
        Self::with_roots(rustls::RootCertStore::empty(), set).await
    }

    /// The same, trusting `roots` when it connects.
    pub async fn with_roots(roots: rustls::RootCertStore, set: impl FnOnce(&mut Settings)) -> Self {
        Self::over(store::Options::default(), roots, set).await
    }

    /// The same, over a store of one's own making.
    pub async fn over(
        options_of_store: store::Options,
        roots: rustls::RootCertStore,
        set: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap());
        let world = World::new(clock.clone(), SystemRandom);
        let store = Store::open(folder.path(), &options_of_store, world.clone()).unwrap();
        let directory = Directory::new(store.clone(), world.clone(), options());
        bootstrap(&store, "chief", "chief").await.unwrap();
        let certificate = certificate("mx.example.jp");
        let mut settings = Settings {
            hostname: domain("mx.example.jp"),
            ..Settings::default()
        };
        settings.outbound.longest_sleep = Duration::from_millis(20);
        settings.outbound.drain = Duration::from_secs(1);
        settings.retry.jitter_percent = 0;
        set(&mut settings);
        let resolver = Arc::new(FixedResolver::new());
        let transfer = Transfer::new(Parts {
            store: store.clone(),
            directory: directory.clone(),
            world,
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            identity: Arc::clone(&certificate.identity),
            resolver: Arc::clone(&resolver) as _,
            screener: None,
            scanners: None,
            dialer: Arc::new(TcpDialer),
            tls: ClientTls::new(roots).unwrap(),
        });
        let (shutdown, watcher) = ShutdownHandle::new();
        let mut site = Self {
            transfer,
            store,
            directory,
            clock,
            resolver,
            password: Secret::from(""),
            certificate,
            shutdown,
            watcher,
            _folder: folder,
        };
        site.people().await;
        site
    }

    async fn people(&mut self) {
        let chief = self.caller("chief").await;
        for (name, part) in [
            ("deputy", Some(Role::SystemOfficer)),
            ("manager", Some(Role::AccountManager)),
            ("admin", Some(Role::Administrator)),
            ("taro", None),
            ("jiro", None),
        ] {
            let add = person::Add {
                name: name.into(),
                full_name: None,
                os_user: Some(name.into()),
            };
            person::add(&chief, add).await.unwrap();
            arrival::acknowledge(&chief, name, true).await.unwrap();
            if let Some(part) = part {
                role::grant(&chief, name, part).await.unwrap();
            }
        }
        self.password = self.issue("taro", TARO, None).await;
        self.issue("jiro", JIRO, Some(4000)).await;
    }

    async fn caller(&self, user: &str) -> Caller {
        Caller::of_user(&self.directory, user, "test")
            .await
            .unwrap()
    }

    async fn issue(&self, whom: &str, what: &str, quota: Option<u64>) -> Secret {
        let args = order::IssueOrder {
            for_person: whom.into(),
            address: address(what),
            name: None,
            quota,
        };
        // Who announced somebody does not order for them.
        let number = order::issue(&self.caller("deputy").await, args)
            .await
            .unwrap();
        order::approve(&self.caller("chief").await, number)
            .await
            .unwrap();
        let args = account::Issue {
            order: number,
            address: None,
            shown: false,
        };
        let manager = self.caller("manager").await;
        account::issue(&manager, args).await.unwrap().password
    }

    pub fn administrator(&self) -> Person {
        Person::new("admin", vec![Role::Administrator])
    }

    /// A session from `CLIENT`.
    pub fn connect(&self, listener: Listener) -> Talk {
        self.connect_from(listener, CLIENT.parse().unwrap())
    }

    pub fn connect_from(&self, listener: Listener, peer: SocketAddr) -> Talk {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (transfer, shutdown) = (self.transfer.clone(), self.watcher.clone());
        let task = tokio::spawn(async move {
            transfer
                .serve(Stream::plain(theirs), peer, listener, shutdown)
                .await;
        });
        Talk {
            stream: Some(Stream::plain(ours)),
            buffer: Vec::new(),
            task,
        }
    }

    /// Listens on loopback as an exchange, as a real server does; gives its address.
    pub async fn listen(&self) -> SocketAddr {
        self.listen_as(Listener::Exchange).await
    }

    /// The same for another service.
    pub async fn listen_as(&self, service: Listener) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (transfer, shutdown) = (self.transfer.clone(), self.watcher.clone());
        tokio::spawn(async move {
            while let Ok((socket, peer)) = listener.accept().await {
                let (transfer, shutdown) = (transfer.clone(), shutdown.clone());
                tokio::spawn(async move {
                    transfer
                        .serve(Stream::plain(socket), peer, service, shutdown)
                        .await;
                });
            }
        });
        at
    }

    /// Runs the queue in the background.
    pub fn run_queue(&self) -> JoinHandle<()> {
        let (transfer, shutdown) = (self.transfer.clone(), self.watcher.clone());
        tokio::spawn(async move { transfer.run_queue(shutdown).await })
    }

    pub fn shut_down(&self) {
        self.shutdown.begin();
    }

    pub async fn account(&self, what: &str) -> AccountId {
        match self.directory.resolve(&address(what), 0).await.unwrap() {
            directory::Resolution::Local(found) => found[0].account,
            other => panic!("{what}: {other:?}"),
        }
    }

    /// The messages in an INBOX, as they are stored.
    pub async fn inbox(&self, what: &str) -> Vec<String> {
        let account = self.account(what).await;
        let entries = self
            .store
            .read(move |snapshot: &mut Snapshot<'_>| {
                let inbox = mailbox::by_name(snapshot, account, "INBOX")?.unwrap();
                mailbox::entries(snapshot, inbox.id, 1, u32::MAX)
            })
            .await
            .unwrap();
        let mut bodies = Vec::new();
        for entry in entries {
            let body = self.store.body(account, entry.body).await.unwrap();
            bodies.push(String::from_utf8_lossy(&body).into_owned());
        }
        bodies
    }

    /// Waits until the INBOX holds `count` messages.
    pub async fn inbox_of(&self, what: &str, count: usize) -> Vec<String> {
        for _ in 0..400 {
            let found = self.inbox(what).await;
            if found.len() >= count {
                assert_eq!(found.len(), count);
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{what} did not get {count} messages");
    }

    pub async fn events(&self, kind: Kind) -> Vec<Recorded> {
        self.search(Filter {
            kinds: vec![kind],
            ..Filter::default()
        })
        .await
    }

    /// Waits for `count` events of `kind`.
    pub async fn events_of(&self, kind: Kind, count: usize) -> Vec<Recorded> {
        for _ in 0..400 {
            let found = self.events(kind).await;
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("there were not {count} events {}", kind.as_str());
    }

    pub async fn queued(&self) -> Vec<transfer::command::Listed> {
        let all = store::queue::Selection::default();
        let mut listing = transfer::command::list(&self.store, &self.administrator(), all)
            .await
            .unwrap();
        let mut found = Vec::new();
        while let Some(page) = listing.next().await.unwrap() {
            found.extend(page);
        }
        found
    }

    /// What the trail says of `subject`.
    pub async fn events_about(&self, subject: &str) -> Vec<Recorded> {
        self.search(Filter {
            subject: Some(subject.to_owned()),
            ..Filter::default()
        })
        .await
    }

    /// What is found by a mail address.
    pub async fn events_with(&self, address: &str) -> Vec<Recorded> {
        self.search(Filter {
            address: Some(address.to_owned()),
            ..Filter::default()
        })
        .await
    }

    async fn search(&self, filter: Filter) -> Vec<Recorded> {
        self.store
            .read(move |snapshot: &mut Snapshot<'_>| {
                store::event::search(snapshot, &filter, 10_000)
            })
            .await
            .unwrap()
    }

    /// Waits until the queue is empty.
    pub async fn queue_empties(&self) {
        for _ in 0..400 {
            if self.queued().await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("still queued: {:?}", self.queued().await);
    }

    /// Puts a message from taro to `recipients` into the queue by submission with DSN parameters.
    pub async fn submit(&self, mail: &str, recipients: &[&str], content: &str) {
        let mut talk = self.submission().await;
        talk.say(mail, "250").await;
        for recipient in recipients {
            talk.say(recipient, "250").await;
        }
        talk.say("DATA", "354").await;
        talk.say(&format!("{content}\r\n."), "250").await;
        talk.say("QUIT", "221").await;
    }

    /// A submission session of taro's, logged in.
    pub async fn submission(&self) -> Talk {
        let mut talk = self.connect(Listener::Submission);
        talk.read("220").await;
        talk.say("EHLO pc.office", "250").await;
        talk.say("STARTTLS", "220").await;
        talk.start_tls(&self.certificate.roots).await;
        talk.say("EHLO pc.office", "250").await;
        let plain = format!("\0{TARO}\0{}", self.password.expose_str().unwrap());
        let plain = protocol::sasl::wire::encode(plain.as_bytes());
        talk.say(&format!("AUTH PLAIN {plain}"), "235").await;
        talk
    }
}

fn options() -> Options {
    Options {
        domains: vec![OwnDomain {
            name: domain("example.jp"),
            catch_all: None,
        }],
        argon2_memory_kib: 64,
        argon2_passes: 1,
        scram_iterations: 4096,
        concurrent_checks: 2,
        ..Options::default()
    }
}

/// The client's side of a session.
pub struct Talk {
    pub stream: Option<Stream>,
    buffer: Vec<u8>,
    pub task: JoinHandle<()>,
}

impl Talk {
    /// Sends a line and expects a reply that begins so; returns the whole reply.
    pub async fn say(&mut self, line: &str, expected: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        let reply = self.reply().await;
        assert!(reply.starts_with(expected), "{line}: {reply}");
        reply
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
    }

    /// Reads one reply that begins so.
    pub async fn read(&mut self, expected: &str) -> String {
        let reply = self.reply().await;
        assert!(reply.starts_with(expected), "{reply}");
        reply
    }

    /// One whole reply; empty when the connection has ended.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            while let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let line = String::from_utf8(line).unwrap();
                let last = line.as_bytes().get(3) != Some(&b'-');
                reply.push_str(&line);
                if last {
                    return reply;
                }
            }
            let mut chunk = [0; 4096];
            let reading = self.stream.as_mut().unwrap().read(&mut chunk);
            let count = tokio::time::timeout(Duration::from_secs(20), reading)
                .await
                .expect("no reply")
                .unwrap_or(0);
            if count == 0 {
                return reply;
            }
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }

    pub async fn start_tls(&mut self, roots: &rustls::RootCertStore) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let name = rustls_pki_types::ServerName::try_from("mx.example.jp").unwrap();
        let plain = self.stream.take().unwrap();
        self.stream = Some(plain.connect_tls(Arc::new(config), name).await.unwrap());
    }

    /// HELO to the end of one message; returns the reply to the end of data.
    pub async fn mail(&mut self, from: &str, to: &[&str], content: &str) -> String {
        self.say(&format!("MAIL FROM:<{from}>"), "250").await;
        for to in to {
            self.say(&format!("RCPT TO:<{to}>"), "250").await;
        }
        self.say("DATA", "354").await;
        self.write(format!("{content}\r\n.\r\n").as_bytes()).await;
        self.reply().await
    }
}

pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        World::system().fill(bytes);
    }
}
