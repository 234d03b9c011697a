//! One running site: the rooms, wired together, and what a reload replaces.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use console::Console;
use directory::Directory;
use governance::Rules;
use message::address::Domain;
use parking_lot::Mutex;
use retrieval::Retrieval;
use screening::Screener;
use store::{Recorded, Store, index::Index};
use tokio::sync::Notify;
use trail::{Actor, Event, Kind};
use transfer::{Answering, HickoryResolver, Mx, Proving, Resolver, Tlsa, Transfer};
use wire::{Admission, IdentityHandle, Shutdown, Stream};
use world::{Timestamp, World};

use crate::{
    forward::Standings,
    gate,
    listen::Bound,
    probing::own::Last,
    recording::{self, Unordered},
    scanners::Scanning,
    settings::{Service, Settings, SettingsError},
    tls, yara_rules,
};

/// A running site.
pub(crate) struct Site {
    /// Its directory.
    pub(crate) path: PathBuf,
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) transfer: Transfer,
    pub(crate) retrieval: Retrieval,
    console: Console,
    pub(crate) index: Index,
    pub(crate) world: World,
    /// When it began to serve.
    pub(crate) started: Timestamp,
    pub(crate) identity: IdentityHandle,
    resolver: Arc<Names>,
    screener: transfer::ScreenerHandle,
    scanners: transfer::ScannersHandle,
    settings: ArcSwap<Settings>,
    /// The regulation, with what the site has chosen of it.
    rules: ArcSwap<Rules>,
    /// Has all clauses looked at soon.
    pub(crate) look_at_clauses: Notify,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    /// One backup is purged at a time.
    pub(crate) purging: tokio::sync::Mutex<()>,
    /// Feeds of vulnerabilities are read one after the other.
    pub(crate) importing: tokio::sync::Mutex<()>,
    /// The listeners are probed once at a time.
    pub(crate) probing: tokio::sync::Mutex<()>,
    /// Keys for DKIM are looked after once at a time: by the clock, or by command.
    pub(crate) keying: tokio::sync::Mutex<()>,
    /// How they were found last.
    pub(crate) probed: Mutex<Option<Last>>,
    transfer_settings: transfer::SettingsHandle,
    retrieval_settings: retrieval::SettingsHandle,
    web_settings: console::SettingsHandle,
    admissions: Admissions,
    listeners: Mutex<Vec<(Service, SocketAddr)>>,
    /// How far other systems were given the trail.
    pub(crate) standings: Standings,
    /// Counts how often the blocked networks were read anew.
    pub(crate) blocks_read: tokio::sync::watch::Sender<u64>,
    /// How the scanners do.
    pub(crate) scanning: Mutex<Scanning>,
    /// What is chosen of the regulation, if nobody ordered it.
    pub(crate) unordered: Mutex<Option<Unordered>>,
}

/// Why a site cannot be opened or reloaded.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum SiteError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(#[from] SettingsError),
    #[error("kakitome.toml: {0}")]
    Values(String),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tls(#[from] tls::TlsError),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    #[error("the name servers: {0}")]
    Resolver(String),
}

/// Connections that each group of listeners may have.
struct Admissions {
    smtp: Admission,
    submission: Admission,
    retrieval: Admission,
    web: Admission,
}

/// Connections in all and from one address, by default.
pub(crate) const SMTP_CONNECTIONS: (usize, usize) = (1000, 50);
const SUBMISSION_CONNECTIONS: (usize, usize) = (1000, 100);
const RETRIEVAL_CONNECTIONS: (usize, usize) = (20_000, 500);
const WEB_CONNECTIONS: (usize, usize) = (1000, 100);

impl Site {
    /// What the settings say of DMARC's reports.
    pub(crate) fn dmarc_report_keys(&self) -> transfer::dmarc_reports::Keys {
        self.transfer_settings.load().dmarc_reports.clone()
    }

    /// What the settings say of reports about TLS.
    pub(crate) fn tls_report_keys(&self) -> transfer::tls_reports::Keys {
        self.transfer_settings.load().tls_reports.clone()
    }

    /// Opens the site in `path`, whose clock and chance are those of `world`.
    pub(crate) fn open(path: &Path, world: World) -> Result<Self, SiteError> {
        let settings = Settings::load(path)?;
        settings
            .make_keys(path, &world)
            .map_err(SiteError::Values)?;
        let rules = settings.rules(path).map_err(SiteError::Values)?;
        let transfer_settings = Arc::new(ArcSwap::from_pointee(
            settings
                .transfer_settings(path)
                .map_err(SiteError::Values)?,
        ));
        let retrieval_settings = Arc::new(ArcSwap::from_pointee(
            settings.retrieval_settings().map_err(SiteError::Values)?,
        ));
        let web_settings = Arc::new(ArcSwap::from_pointee(settings.web_settings()));
        let dns = settings.dns().map_err(SiteError::Values)?;
        let resolver = Arc::new(Names::new(&dns)?);
        let screener = Arc::new(ArcSwap::from_pointee(screener(&dns, &world)?));
        let scanners = settings.scanners(path).map_err(SiteError::Values)?;
        let scanners = Arc::new(ArcSwap::from_pointee(scanners));
        let client_tls = transfer::ClientTls::system()
            .map_err(|error| SiteError::Resolver(error.to_string()))?;
        let identity = load_identity(path, &settings)?.into_handle();
        let store = Store::open(path, &settings.store_options(), world.clone())?;
        let directory = Directory::new(store.clone(), world.clone(), settings.directory_options());
        let transfer = Transfer::new(transfer::Parts {
            store: store.clone(),
            directory: directory.clone(),
            world: world.clone(),
            settings: Arc::clone(&transfer_settings),
            identity: Arc::clone(&identity),
            resolver: Arc::clone(&resolver) as Arc<dyn Resolver>,
            screener: Some(Arc::clone(&screener)),
            scanners: Some(Arc::clone(&scanners)),
            dialer: Arc::new(transfer::TcpDialer),
            tls: client_tls,
        });
        let index = Index::open(&path.join("index"), store.clone())?;
        let retrieval = Retrieval::new(
            store.clone(),
            directory.clone(),
            index.clone(),
            world.clone(),
            Arc::clone(&retrieval_settings),
            Arc::clone(&identity),
        )
        .with_gate(Arc::new(gate::ScannerGate {
            scanners: Arc::clone(&scanners),
            settings: Arc::clone(&transfer_settings),
            transfer: transfer.clone(),
            world: world.clone(),
        }));
        let console = Console::new(
            directory.clone(),
            transfer.clone(),
            world.clone(),
            Arc::clone(&identity),
            Arc::clone(&web_settings),
        );
        Ok(Self {
            console,
            web_settings,
            path: path.to_owned(),
            started: world.now(),
            admissions: Admissions::new(&settings),
            settings: ArcSwap::from_pointee(settings),
            rules: ArcSwap::from_pointee(rules),
            look_at_clauses: Notify::new(),
            store,
            directory,
            transfer,
            retrieval,
            index,
            world,
            identity,
            resolver,
            screener,
            scanners,
            reloading: tokio::sync::Mutex::new(()),
            purging: tokio::sync::Mutex::new(()),
            importing: tokio::sync::Mutex::new(()),
            probing: tokio::sync::Mutex::new(()),
            keying: tokio::sync::Mutex::new(()),
            probed: Mutex::new(None),
            transfer_settings,
            retrieval_settings,
            listeners: Mutex::new(Vec::new()),
            standings: Standings::default(),
            blocks_read: tokio::sync::watch::Sender::new(0),
            scanning: Mutex::new(Scanning::default()),
            unordered: Mutex::new(None),
        })
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Whether return paths of what leaves are signed.
    pub(crate) fn signs_return_paths(&self) -> bool {
        self.transfer_settings.load().return_path.is_some()
    }

    /// The regulation in force, with what the site has chosen of it.
    pub(crate) fn rules(&self) -> Rules {
        self.rules.load().as_ref().clone()
    }

    /// The scanners in force.
    pub(crate) fn scanners(&self) -> Arc<malware::Scanners> {
        self.scanners.load_full()
    }

    /// The programs of others in force that judge mail.
    pub(crate) fn engines(&self) -> Arc<engines::Engines> {
        Arc::clone(&self.transfer_settings.load().engines)
    }

    /// The admission that `service` shares.
    pub(crate) fn admission(&self, service: Service) -> Admission {
        match service {
            Service::Smtp => &self.admissions.smtp,
            Service::Submission | Service::Submissions => &self.admissions.submission,
            Service::Https => &self.admissions.web,
            _ => &self.admissions.retrieval,
        }
        .clone()
    }

    /// Notes where a service listens.
    pub(crate) fn note_listener(&self, bound: &Bound) {
        self.listeners.lock().push((bound.service, bound.address));
    }

    /// Where services listen.
    pub(crate) fn listeners(&self) -> Vec<(Service, SocketAddr)> {
        self.listeners.lock().clone()
    }

    /// Serves one connection.
    pub(crate) async fn session(
        &self,
        service: Service,
        stream: Stream,
        peer: SocketAddr,
        shutdown: Shutdown,
    ) {
        match kind(service) {
            SessionKind::Transfer(listener) => {
                self.transfer.serve(stream, peer, listener, shutdown).await;
            }
            SessionKind::Retrieval(listener) => {
                self.retrieval.serve(stream, peer, listener, shutdown).await;
            }
            SessionKind::Web => self.console.serve(stream, peer, shutdown).await,
            SessionKind::None => {}
        }
    }

    /// What a client hears that is not let in.
    pub(crate) fn busy(&self, service: Service) -> &'static [u8] {
        match kind(service) {
            SessionKind::Transfer(listener) => match listener {
                // Nothing can be said before the handshake.
                transfer::Listener::Submissions => b"",
                _ => transfer::REFUSED_BUSY,
            },
            SessionKind::Retrieval(listener) => listener.busy(),
            // Nothing can be said before the handshake.
            SessionKind::Web | SessionKind::None => b"",
        }
    }

    /// The same of one whose address is blocked.
    pub(crate) fn blocked(service: Service) -> &'static [u8] {
        match kind(service) {
            SessionKind::Transfer(transfer::Listener::Submissions)
            | SessionKind::Web
            | SessionKind::None => b"",
            SessionKind::Transfer(_) => transfer::REFUSED_BLOCKED,
            SessionKind::Retrieval(listener) => listener.blocked(),
        }
    }

    /// Reads settings and certificates again. When anything is wrong, all stays as it was. Listeners,
    /// roles and the store's own settings need a restart; `Ok` says which of them changed.
    pub(crate) async fn reload(&self) -> Result<Vec<&'static str>, SiteError> {
        let _alone = self.reloading.lock().await;
        let fresh = Settings::load(&self.path)?;
        fresh
            .make_keys(&self.path, &self.world)
            .map_err(SiteError::Values)?;
        let mut transfer_settings = fresh
            .transfer_settings(&self.path)
            .map_err(SiteError::Values)?;
        let dns = fresh.dns().map_err(SiteError::Values)?;
        let names = Names::new(&dns)?;
        let asking = screener(&dns, &self.world)?;
        let scanners = fresh.scanners(&self.path).map_err(SiteError::Values)?;
        let retrieval_settings = fresh.retrieval_settings().map_err(SiteError::Values)?;
        let identity = load_identity(&self.path, &fresh)?;
        let rules = fresh.rules(&self.path).map_err(SiteError::Values)?;
        let old = self.settings();
        let mut need_restart = Vec::new();
        if old.server.roles.get_ref() != fresh.server.roles.get_ref() {
            need_restart.push("[server] roles");
            // Half a change would send own mail away while IMAP still listens.
            transfer_settings.roles = self.transfer_settings.load().roles;
        }
        if old.audit.checkpoint_interval.0 != fresh.audit.checkpoint_interval.0 {
            need_restart.push("[audit] checkpoint_interval");
        }
        if !old.audit.forwards_as(&fresh.audit) {
            need_restart.push("[[audit.forward]]");
        }
        if !old.store.is_same(&fresh.store) {
            need_restart.push("[store]");
        }
        if old.limits.memory != fresh.limits.memory {
            need_restart.push("[limits] memory");
        }
        if Service::ALL
            .iter()
            .any(|service| old.listen.port(*service) != fresh.listen.port(*service))
            || old.listen.addresses.get_ref() != fresh.listen.addresses.get_ref()
            || old.listen.metrics_address != fresh.listen.metrics_address
        {
            need_restart.push("[listen]");
        }
        let options = fresh.directory_options();
        recording::record(self, &fresh, &rules.regulation).await?;
        self.directory.reload(options);
        self.transfer_settings.store(Arc::new(transfer_settings));
        self.retrieval_settings.store(Arc::new(retrieval_settings));
        self.web_settings.store(Arc::new(fresh.web_settings()));
        self.show(identity);
        self.resolver.replace(&names);
        self.screener.store(Arc::new(asking));
        if let (Some(fresh), Some(old)) = (&scanners.yara, &self.scanners().yara) {
            fresh.follow(old);
        }
        let scanners = Arc::new(scanners);
        self.scanners.store(Arc::clone(&scanners));
        self.rules.store(Arc::new(rules));
        self.admissions.set_limits(&fresh);
        self.settings.store(Arc::new(fresh));
        if let Some(yara) = &scanners.yara {
            // Whether they are in order or not, the trail says so.
            yara_rules::load(self, yara).await?;
        }
        Ok(need_restart)
    }

    /// Puts a certificate that an authority gave in the place of the one there was, for sessions that begin from now on.
    ///
    /// # Errors
    /// When it is not for the key, or cannot be written, in words; then the old one stays.
    pub(crate) async fn install_certificate(&self, pem: &str, from: &str) -> Result<(), String> {
        let _alone = self.reloading.lock().await;
        let settings = self.settings();
        let (certificate, key) = (&settings.tls.certificate, &settings.tls.key);
        let (certificate, key) = (self.path.join(certificate), self.path.join(key));
        let identity = tls::replace(&certificate, &key, pem).map_err(|error| error.to_string())?;
        self.show(identity);
        let facts = tls::describe(&certificate).map_err(|error| error.to_string())?;
        let until = Timestamp::from_second(facts.not_after).unwrap_or(Timestamp::MAX);
        tracing::info!(names = facts.names.join(", "), %until, "a certificate was had from the authority");
        let event = Event::new(Kind::CertificateObtained, Actor::System)
            .subject(facts.names.join(" "))
            .detail("directory", from)
            .detail("until", until.to_string());
        self.record(event).await.map_err(|error| {
            format!("the certificate is in use, but the trail does not tell it: {error}")
        })
    }

    /// Shows another certificate from now on; an order for the next one that is under way goes on.
    fn show(&self, identity: wire::Identity) {
        let challenges = self.identity.load().challenges.clone();
        let identity = identity.with_challenges(challenges);
        self.identity.store(Arc::new(identity));
    }

    /// Closes what is open on the disk.
    pub(crate) async fn close(&self) {
        self.index.close().await;
        self.store.close().await;
    }

    /// Records an event that stands for itself.
    pub(crate) async fn record(&self, event: Event) -> Result<(), store::Error> {
        let done = self
            .store
            .commit(
                Vec::new(),
                move |tx| -> Result<Recorded<()>, store::Error> { tx.record(&event, ()) },
            )
            .await?;
        let () = done.value;
        Ok(())
    }
}

/// Who gathers evidence on mail from outside, by the name servers of the settings.
fn screener(dns: &transfer::Dns, world: &World) -> Result<Screener, SiteError> {
    Screener::new(&dns.servers, dns.timeout, world.clone())
        .map_err(|error| SiteError::Resolver(error.to_string()))
}

/// The resolver in force; a reload replaces it under running deliveries.
struct Names(ArcSwap<HickoryResolver>);

impl Names {
    fn new(dns: &transfer::Dns) -> Result<Self, SiteError> {
        let resolver =
            HickoryResolver::new(dns).map_err(|error| SiteError::Resolver(error.to_string()))?;
        Ok(Self(ArcSwap::from_pointee(resolver)))
    }

    fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }
}

impl Resolver for Names {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Proving<'a, Mx> {
        let resolver = self.0.load_full();
        Box::pin(async move { resolver.mx(domain).await })
    }

    fn a<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv4Addr> {
        let resolver = self.0.load_full();
        Box::pin(async move { resolver.a(host).await })
    }

    fn aaaa<'a>(&'a self, host: &'a Domain) -> Proving<'a, Ipv6Addr> {
        let resolver = self.0.load_full();
        Box::pin(async move { resolver.aaaa(host).await })
    }

    fn alias<'a>(&'a self, host: &'a Domain) -> Proving<'a, Domain> {
        let resolver = self.0.load_full();
        Box::pin(async move { resolver.alias(host).await })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Proving<'a, Tlsa> {
        let resolver = self.0.load_full();
        Box::pin(async move { resolver.tlsa(name).await })
    }

    fn txt<'a>(&'a self, name: &'a str) -> Answering<'a, String> {
        let resolver = self.0.load_full();
        Box::pin(async move { resolver.txt(name).await })
    }
}

enum SessionKind {
    Transfer(transfer::Listener),
    Retrieval(retrieval::Listener),
    Web,
    None,
}

fn kind(service: Service) -> SessionKind {
    match service {
        Service::Smtp => SessionKind::Transfer(transfer::Listener::Exchange),
        Service::Submission => SessionKind::Transfer(transfer::Listener::Submission),
        Service::Submissions => SessionKind::Transfer(transfer::Listener::Submissions),
        Service::Imap => SessionKind::Retrieval(retrieval::Listener::Imap),
        Service::Imaps => SessionKind::Retrieval(retrieval::Listener::Imaps),
        Service::Pop3 => SessionKind::Retrieval(retrieval::Listener::Pop3),
        Service::Pop3s => SessionKind::Retrieval(retrieval::Listener::Pop3s),
        Service::Https => SessionKind::Web,
        Service::Metrics => SessionKind::None,
    }
}

impl Admissions {
    fn new(settings: &Settings) -> Self {
        let [smtp, submission, retrieval, web] = Self::limits(settings);
        Self {
            smtp: Admission::new(smtp.0, smtp.1),
            submission: Admission::new(submission.0, submission.1),
            retrieval: Admission::new(retrieval.0, retrieval.1),
            web: Admission::new(web.0, web.1),
        }
    }

    fn set_limits(&self, settings: &Settings) {
        let [smtp, submission, retrieval, web] = Self::limits(settings);
        self.smtp.set_limits(smtp.0, smtp.1);
        self.submission.set_limits(submission.0, submission.1);
        self.retrieval.set_limits(retrieval.0, retrieval.1);
        self.web.set_limits(web.0, web.1);
    }

    fn limits(settings: &Settings) -> [(usize, usize); 4] {
        let keys = &settings.limits;
        [
            (
                keys.smtp_connections.unwrap_or(SMTP_CONNECTIONS.0),
                keys.smtp_connections_per_address
                    .unwrap_or(SMTP_CONNECTIONS.1),
            ),
            (
                keys.submission_connections
                    .unwrap_or(SUBMISSION_CONNECTIONS.0),
                keys.submission_connections_per_address
                    .unwrap_or(SUBMISSION_CONNECTIONS.1),
            ),
            (
                keys.retrieval_connections
                    .unwrap_or(RETRIEVAL_CONNECTIONS.0),
                keys.retrieval_connections_per_address
                    .unwrap_or(RETRIEVAL_CONNECTIONS.1),
            ),
            (
                keys.web_connections.unwrap_or(WEB_CONNECTIONS.0),
                keys.web_connections_per_address
                    .unwrap_or(WEB_CONNECTIONS.1),
            ),
        ]
    }
}

fn load_identity(path: &Path, settings: &Settings) -> Result<wire::Identity, tls::TlsError> {
    tls::load(
        &path.join(&settings.tls.certificate),
        &path.join(&settings.tls.key),
    )
}

/// The operating system's name for a user; its number when it has none.
pub(crate) fn user_name(uid: u32) -> String {
    uzers::get_user_by_uid(uid).map_or_else(
        || uid.to_string(),
        |user| user.name().to_string_lossy().into_owned(),
    )
}
