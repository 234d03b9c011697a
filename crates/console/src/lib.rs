//! The web pages, over HTTPS: where staff change their password, see their logins, and look after app passwords and second
//! factors (clauses 4.1, 7.1), and after mail that is set apart for them (clause 5.3(2)); and where officers see notices to staff that wait to be
//! approved (clause 5.2(2)). Rendered here, in Japanese and English, with nothing from elsewhere. One small script of our own
//! asks the browser for passkeys; whoever has switched scripts off misses nothing else.
//!
//! # How data enters and leaves
//!
//! ```text
//! wire::Stream ──▶ TLS ──▶ HTTP/1.1 (hyper) ──▶ guard ──▶ a page's function ──▶ directory's commands
//!                                               │  origin, size, time
//!                                               └▶ the session's cookie ──▶ sessions
//! ```
//!
//! A session begins with a proof that the directory has recorded, and ends with silence, with time, or as soon as that proof
//! does not hold any more: every request asks. Sessions live in memory; a restart ends them.
//!
//! # What it never does
//!
//! It holds no rule that the command line lacks: what a page does, a command of `directory` or `transfer` does, authorised and recorded there. It shows no mail but who wrote what is set apart, and about what.
//!
//! # Example
//!
//! ```no_run
//! # async fn serve(console: console::Console, stream: wire::Stream, shutdown: wire::Shutdown) {
//! let peer = ([192, 0, 2, 1], 50_000).into();
//! console.serve(stream, peer, shutdown).await;
//! # }
//! ```

mod causes;
mod form;
mod guard;
mod login;
mod pages;
mod policy;
mod quarantine;
mod second_factors;
mod sessions;
mod view;
mod visit;
mod words;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use directory::Directory;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jiff::tz::TimeZone;
use tokio::time::timeout;
use transfer::Transfer;
use wire::{IdentityHandle, Shutdown, Stream};
use world::World;

use sessions::Sessions;

/// Settings of the pages.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's name, as it stands on the pages and in what programs for codes show.
    pub hostname: String,
    /// The organisation's time zone, by which pages tell times and days are meant that people type. Default UTC.
    pub zone: TimeZone,
    /// How long a session may be silent. Default 15 minutes.
    pub silence: Duration,
    /// How long a session lasts at most. Default 8 hours.
    pub session_time: Duration,
    /// Time for the TLS handshake, for a request to come, and for its answer. Default 60 seconds; an answer to a login is held
    /// back after failures, so it should exceed the directory's `longest_delay`.
    pub request_time: Duration,
    /// How long one connection lasts at most, but for the answer that is on its way then. Default 10 minutes.
    pub connection_time: Duration,
    /// What is served at `https://mta-sts.<domain>/.well-known/mta-sts.txt` (RFC 8461), by domain in lower case. Default: nothing.
    pub sts_policies: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            zone: TimeZone::UTC,
            silence: Duration::from_secs(15 * 60),
            session_time: Duration::from_secs(8 * 60 * 60),
            request_time: Duration::from_secs(60),
            connection_time: Duration::from_secs(10 * 60),
            sts_policies: BTreeMap::new(),
        }
    }
}

/// Settings that a reload may replace.
pub type SettingsHandle = Arc<ArcSwap<Settings>>;

/// The pages of one site. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    inner: Arc<Inner>,
}

struct Inner {
    directory: Directory,
    transfer: Transfer,
    world: World,
    identity: IdentityHandle,
    settings: SettingsHandle,
    sessions: Sessions,
}

impl Console {
    /// The pages over `directory`, and over what `transfer` has set apart.
    #[must_use]
    pub fn new(
        directory: Directory,
        transfer: Transfer,
        world: World,
        identity: IdentityHandle,
        settings: SettingsHandle,
    ) -> Self {
        let inner = Inner {
            sessions: Sessions::new(&world),
            directory,
            transfer,
            world,
            identity,
            settings,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Serves one connection until the client ends it, it has lasted long enough, or `shutdown` begins.
    pub async fn serve(&self, stream: Stream, peer: SocketAddr, mut shutdown: Shutdown) {
        let settings = self.inner.settings.load_full();
        let identity = self.inner.identity.load_full();
        let stream = match timeout(settings.request_time, stream.accept_tls(&identity)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "no TLS with a browser");
                return;
            }
            Err(_) => return,
        };
        let router = pages::router(self.clone(), peer);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.request_time)
            .max_buf_size(guard::MOST_HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = shutdown.begun() => None,
            () = tokio::time::sleep(settings.connection_time) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                // What was asked is answered; a client that does not take it is let go.
                connection.as_mut().graceful_shutdown();
                match timeout(settings.request_time, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a browser's connection ended");
        }
    }
}
