//! A site with two mailboxes over a real store, and a client that speaks lines.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use directory::{
    Directory, Options, OwnDomain, Role,
    command::{Caller, account, arrival, bootstrap, order, person, role},
};
use message::address::{Address, Domain};
use retrieval::{Listener, Retrieval, Settings};
use store::{AccountId, Snapshot, Store, event::Filter, index::Index};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use trail::{Kind, Recorded};
use world::World;

pub struct Site {
    pub store: Store,
    pub index: Index,
    pub directory: Directory,
    pub retrieval: Retrieval,
    pub settings: Arc<ArcSwap<Settings>>,
    pub shutdown: wire::ShutdownHandle,
    watcher: wire::Shutdown,
    pub password: String,
    pub identity: wire::IdentityHandle,
    _folder: tempfile::TempDir,
}

pub const PEER: &str = "192.0.2.9:4000";
pub const TARO: &str = "taro@example.jp";

impl Site {
    /// taro@example.jp has a mailbox with what `create_initial` makes.
    pub async fn open() -> Self {
        Self::open_with(Settings::default()).await
    }

    /// As [`Site::open`], with settings of one's own.
    pub async fn open_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = World::system();
        let store = Store::open(
            &folder.path().join("store"),
            &store::Options::default(),
            world.clone(),
        )
        .unwrap();
        let index = Index::open(&folder.path().join("index"), store.clone()).unwrap();
        let own = OwnDomain {
            name: Domain::parse("example.jp").unwrap(),
            catch_all: None,
        };
        let options = Options {
            domains: vec![own],
            argon2_memory_kib: 64,
            argon2_passes: 1,
            scram_iterations: 4096,
            concurrent_checks: 2,
            ..Options::default()
        };
        let directory = Directory::new(store.clone(), world.clone(), options);
        let password = issue(&store, &directory).await;
        let settings = Settings {
            plaintext_networks: vec!["192.0.2.0/24".parse().unwrap()],
            ..settings
        };
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (shutdown, watcher) = wire::ShutdownHandle::new();
        let identity = identity();
        let retrieval = Retrieval::new(
            store.clone(),
            directory.clone(),
            index.clone(),
            world,
            Arc::clone(&settings),
            Arc::clone(&identity),
        );
        Self {
            store,
            index,
            directory,
            retrieval,
            settings,
            shutdown,
            watcher,
            password,
            identity,
            _folder: folder,
        }
    }

    /// A connection that has heard its greeting.
    pub async fn connect(&self, listener: Listener) -> Client {
        let (mut client, greeting) = self.connect_to(listener, PEER).await;
        client.greeting = greeting;
        client
    }

    pub async fn connect_to(&self, listener: Listener, peer: &str) -> (Client, String) {
        let (near, far) = tokio::io::duplex(16 << 10);
        let (retrieval, watcher) = (self.retrieval.clone(), self.watcher.clone());
        let peer: SocketAddr = peer.parse().unwrap();
        tokio::spawn(async move {
            retrieval
                .serve(wire::Stream::plain(far), peer, listener, watcher)
                .await;
        });
        let mut client = Client {
            io: Box::new(near),
            waiting: Vec::new(),
            tag: 0,
            greeting: String::new(),
        };
        let greeting = client.line().await;
        (client, greeting)
    }

    /// An IMAP client that has logged in as taro.
    pub async fn imap(&self) -> Client {
        let mut client = self.connect(Listener::Imap).await;
        let answer = client
            .ok(&format!("LOGIN {TARO} \"{}\"", self.password))
            .await;
        assert!(answer.contains("CAPABILITY IMAP4rev1"), "{answer}");
        client
    }

    /// An IMAP client with INBOX selected.
    pub async fn inbox(&self) -> Client {
        let mut client = self.imap().await;
        client.ok("SELECT INBOX").await;
        client
    }

    /// Octets that a waiting session takes for its state.
    pub fn session_size(&self, listener: Listener) -> usize {
        let (_, far) = tokio::io::duplex(1);
        let peer: SocketAddr = PEER.parse().unwrap();
        let stream = wire::Stream::plain(far);
        size_of_val(
            &self
                .retrieval
                .serve(stream, peer, listener, self.watcher.clone()),
        )
    }

    /// A command caller who manages accounts.
    pub async fn manager(&self) -> Caller {
        Caller::of_user(&self.directory, "manager", "test")
            .await
            .unwrap()
    }

    pub async fn account(&self) -> AccountId {
        let address = Address::parse(TARO).unwrap();
        match self.directory.resolve(&address, 0).await.unwrap() {
            directory::Resolution::Local(found) => found[0].account,
            other => panic!("{other:?}"),
        }
    }

    pub async fn events(&self, kind: Kind) -> Vec<Recorded> {
        let filter = Filter {
            kinds: vec![kind],
            ..Filter::default()
        };
        self.store
            .read(move |snapshot: &mut Snapshot<'_>| {
                store::event::search(snapshot, &filter, 10_000)
            })
            .await
            .unwrap()
    }

    /// Waits for the event of a session's end: it is recorded after the client has gone.
    pub async fn session_event(&self) -> Recorded {
        for _ in 0..500 {
            if let Some(event) = self.events(Kind::RetrievalSession).await.pop() {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no session was recorded");
    }

    /// Waits until so many sessions have ended.
    pub async fn sessions_ended(&self, count: usize) {
        for _ in 0..500 {
            if self.events(Kind::RetrievalSession).await.len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("fewer than {count} sessions have ended");
    }
}

async fn issue(store: &Store, directory: &Directory) -> String {
    bootstrap(store, "chief", "chief").await.unwrap();
    let chief = Caller::of_user(directory, "chief", "test").await.unwrap();
    for (name, part) in [
        ("deputy", Some(Role::SystemOfficer)),
        ("manager", Some(Role::AccountManager)),
        ("taro", None),
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
    let args = order::IssueOrder {
        for_person: "taro".into(),
        address: Address::parse(TARO).unwrap(),
        name: None,
        quota: None,
    };
    // Who announced somebody does not order for them.
    let deputy = Caller::of_user(directory, "deputy", "test").await.unwrap();
    let number = order::issue(&deputy, args).await.unwrap();
    order::approve(&chief, number).await.unwrap();
    let manager = Caller::of_user(directory, "manager", "test").await.unwrap();
    let issued = account::issue(
        &manager,
        account::Issue {
            order: number,
            address: None,
            shown: false,
        },
    )
    .await
    .unwrap();
    issued.password.expose_str().unwrap().to_owned()
}

fn identity() -> wire::IdentityHandle {
    let made = rcgen::generate_simple_self_signed(vec!["mail.example.jp".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    wire::Identity::new(vec![made.cert.der().clone()], key)
        .unwrap()
        .into_handle()
}

/// A client of lines. Nothing it waits for may take longer than ten seconds.
pub struct Client {
    io: Box<dyn wire::Io>,
    waiting: Vec<u8>,
    tag: u32,
    pub greeting: String,
}

impl Client {
    /// The TLS handshake, trusting whatever certificate comes; with the channel bindings that SCRAM-PLUS needs.
    pub async fn start_tls(self) -> (Self, protocol::sasl::ChannelBindings) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("mail.example.jp").unwrap();
        let stream = wire::Stream::plain(self.io)
            .connect_tls(Arc::new(config), name)
            .await
            .unwrap();
        let bindings = protocol::sasl::ChannelBindings {
            server_end_point: None,
            exporter: Some(stream.tls().unwrap().exporter.to_vec()),
        };
        let client = Self {
            io: Box::new(stream),
            ..self
        };
        (client, bindings)
    }

    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.io.write_all(octets.as_ref()).await.unwrap();
    }

    /// One line, with the literals in it, without its end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            let end = self.until_newline().await;
            let part: Vec<u8> = self.waiting.drain(..end).collect();
            line.push_str(&String::from_utf8_lossy(&part));
            let Some(size) = literal_size(&line) else {
                return line.trim_end_matches("\r\n").to_owned();
            };
            while self.waiting.len() < size {
                assert!(self.read_more().await, "the server left inside a literal");
            }
            let literal: Vec<u8> = self.waiting.drain(..size).collect();
            line.push_str(&String::from_utf8_lossy(&literal));
        }
    }

    async fn until_newline(&mut self) -> usize {
        loop {
            if let Some(at) = self.waiting.iter().position(|octet| *octet == b'\n') {
                return at + 1;
            }
            let rest = String::from_utf8_lossy(&self.waiting).into_owned();
            assert!(
                self.read_more().await,
                "the server left; it had said: {rest}"
            );
        }
    }

    async fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), self.io.read(&mut buffer));
        let count = read.await.expect("the server answers in time").unwrap();
        self.waiting.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// Some of what the server says, as it comes.
    pub async fn piece(&mut self) -> String {
        assert!(self.read_more().await, "the server left");
        String::from_utf8_lossy(&std::mem::take(&mut self.waiting)).into_owned()
    }

    /// Whether the server closed the connection, having said nothing more.
    pub async fn is_closed(&mut self) -> bool {
        self.waiting.is_empty() && !self.read_more().await
    }

    /// Sends an IMAP command and returns its untagged lines and its tagged one.
    pub async fn ask(&mut self, command: &str) -> (Vec<String>, String) {
        self.tag += 1;
        let tag = format!("a{}", self.tag);
        self.send(format!("{tag} {command}\r\n")).await;
        let mut untagged = Vec::new();
        loop {
            let line = self.line().await;
            match line.strip_prefix(&format!("{tag} ")) {
                Some(end) => return (untagged, end.to_owned()),
                None => untagged.push(line),
            }
        }
    }

    /// All that the server says to an IMAP command that it has to obey: a line each, the tagged one last.
    pub async fn ok(&mut self, command: &str) -> String {
        let (untagged, end) = self.ask(command).await;
        assert!(end.starts_with("OK"), "{command}: {end} after {untagged:?}");
        let mut all = untagged;
        all.push(end);
        all.join("\n")
    }

    /// The tagged line of an IMAP command that the server has to refuse.
    pub async fn refused(&mut self, command: &str) -> String {
        let (untagged, end) = self.ask(command).await;
        assert!(
            !end.starts_with("OK"),
            "{command}: {end} after {untagged:?}"
        );
        end
    }

    /// Plays a conversation: `C: ` lines are sent, each `S: ` line must be what the server says next. `…` at the end of a
    /// line stands for anything.
    pub async fn play(&mut self, script: &str) {
        for step in script
            .lines()
            .map(str::trim)
            .filter(|step| !step.is_empty())
        {
            if let Some(command) = step.strip_prefix("C:") {
                self.send(format!(
                    "{}\r\n",
                    command.strip_prefix(' ').unwrap_or(command)
                ))
                .await;
                continue;
            }
            let expected = step
                .strip_prefix("S:")
                .map_or_else(|| panic!("no step: {step}"), str::trim_start);
            let said = self.line().await.replace("\r\n", "|");
            match expected.strip_suffix('…') {
                Some(start) => assert!(
                    said.starts_with(start),
                    "expected {expected:?}, heard {said:?}"
                ),
                None => assert_eq!(said, expected),
            }
        }
    }

    /// Appends a message with LITERAL+.
    pub async fn append(
        &mut self,
        mailbox: &str,
        flags: &str,
        message: impl AsRef<[u8]>,
    ) -> String {
        let message = message.as_ref();
        self.tag += 1;
        let tag = format!("a{}", self.tag);
        let mut command =
            format!("{tag} APPEND {mailbox} {flags} {{{}+}}\r\n", message.len()).into_bytes();
        command.extend_from_slice(message);
        command.extend_from_slice(b"\r\n");
        self.send(command).await;
        loop {
            let line = self.line().await;
            if let Some(end) = line.strip_prefix(&format!("{tag} ")) {
                assert!(end.starts_with("OK"), "{end}");
                return end.to_owned();
            }
        }
    }
}

fn literal_size(line: &str) -> Option<usize> {
    let inside = line.strip_suffix("}\r\n")?;
    let digits = &inside[inside.rfind('{')? + 1..];
    digits.parse().ok()
}

/// Trusts every certificate: the test speaks to itself.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
