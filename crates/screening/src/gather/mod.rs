//! The half that asks: the DNS and the message's own signatures. It decides nothing.
//!
//! `spf`, `dkim`, `arc` and `dmarc` each ask for one thing; this file gives them their time. `body` hashes what was signed.
//! The library mail-auth does the standards' work; what it leaves to its callers, or does otherwise than its standard says, is
//! here, with the reason.

mod arc;
mod arc_form;
mod author;
mod body;
mod dkim;
mod dmarc;
mod lists;
mod spf;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub use author::author_address;
pub use dmarc::{DnsTrouble, ReportRequest};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use mail_auth::{
    AuthenticatedMessage, IprevResult, MessageAuthenticator, Txt, common::cache::NoCache,
};
use message::{Address, header::Header};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use world::World;

use crate::{Evidence, Finding, Iprev, evidence};

/// Answers that are remembered, negative ones among them.
const REMEMBERED_ANSWERS: u64 = 32_768;
/// However long an answer says that it holds.
const LONGEST_MEMORY: Duration = Duration::from_secs(86_400);
/// The same of an answer that there is nothing.
const LONGEST_NEGATIVE_MEMORY: Duration = Duration::from_secs(3600);
/// Parts of the whole time that SPF, DKIM and ARC may take, side by side; the rest is for DMARC, which needs what they found.
const SHARE_OF_FIRST: (u32, u32) = (3, 4);

/// The resolver remembers answers; the library need not as well.
const NO_CACHE: Option<&NoCache<Box<str>, Txt>> = None;

/// What the peer said before the message.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its address.
    pub peer: IpAddr,
    /// The name in HELO or EHLO.
    pub hello: &'a str,
    /// MAIL FROM; `None` is the null sender.
    pub sender: Option<&'a Address>,
}

/// How much is looked at, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All of it, from the end of the data to the evidence. Default 20 s.
    pub time: Duration,
    /// DKIM signatures of one message that are verified. Default 10.
    pub signatures: usize,
    /// Domains that links in the text lead to that lists are asked about. Default 20.
    pub text_domains: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(20),
            signatures: 10,
            text_domains: 20,
        }
    }
}

/// Why nothing can be asked: the system's resolver settings cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the resolver for screening cannot be set up: {0}")]
pub struct ScreenerError(String);

/// Who gathers evidence. Cheap to clone; clones share what the DNS said.
#[derive(Clone)]
pub struct Screener {
    asking: MessageAuthenticator,
    world: World,
    /// When it was tried whether a list answers as a list, and what came of it.
    tried: Tried,
}

/// By zone, and whether it lists addresses. No longer than the site's lists.
type Tried = Arc<Mutex<HashMap<(String, bool), (Instant, Result<(), String>)>>>;

impl std::fmt::Debug for Screener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Screener")
    }
}

impl Screener {
    /// One that asks `servers`, or those of the operating system when none are named, and waits `question_time` for each
    /// answer (5 s when nothing is said).
    ///
    /// # Errors
    /// When no servers are named and the system's settings (`/etc/resolv.conf`) cannot be read.
    pub fn new(
        servers: &[SocketAddr],
        question_time: Option<Duration>,
        world: World,
    ) -> Result<Self, ScreenerError> {
        let failed = |error: NetError| ScreenerError(error.to_string());
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(failed)?
        } else {
            let servers = servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        if let Some(time) = question_time {
            options.timeout = time;
        }
        options.cache_size = REMEMBERED_ANSWERS;
        options.positive_max_ttl = Some(LONGEST_MEMORY);
        options.negative_max_ttl = Some(LONGEST_NEGATIVE_MEMORY);
        // What a machine's own file says proves nothing about who may send.
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self {
            asking: MessageAuthenticator(builder.build().map_err(failed)?),
            world,
            tried: Tried::default(),
        })
    }

    /// What can be known of `raw` within the limits. Never fails: what could not be found out says so.
    ///
    /// Whoever reads the message meanwhile may; nobody keeps it when this returns.
    pub async fn gather(
        &self,
        arrival: Arrival<'_>,
        raw: &Arc<Vec<u8>>,
        limits: Limits,
    ) -> Evidence {
        let begun = Instant::now();
        let (share, of) = SHARE_OF_FIRST;
        let first_by = begun + limits.time * share / of;
        let all_by = begun + limits.time;
        let mut found = Evidence::of_peer(arrival.peer, arrival.hello);
        let header = Header::parse(raw, &message::Limits::default());
        let head = raw.get(..header.body_start()).unwrap_or(raw);
        let parsed = dkim::within_bounds(&header, head).then(|| {
            // Not strictly: what a length (`l=`) covers is looked at here.
            AuthenticatedMessage::parse_with_opts(head, None, false)
        });
        let message = match parsed.flatten() {
            Some(message) => self.with_body_hashes(message, raw).await,
            None => AuthenticatedMessage::default(),
        };
        let (singles, more) = dkim::select(&message, limits.signatures, self.world.now());
        let (iprev, spf, dkim, arc) = tokio::join!(
            self.iprev(arrival.peer, first_by),
            self.spf(arrival, first_by),
            self.dkim(&singles, first_by),
            self.arc(&message, first_by),
        );
        found.iprev = iprev;
        found.arc = arc;
        let (author, domain, address) = author::read(raw);
        found.author = address.map(|address| evidence::address(&address.to_string()));
        found.dmarc = self
            .dmarc(
                author,
                domain,
                (&spf.sender, spf.about),
                &dkim.signed,
                all_by,
            )
            .await;
        found.spf_helo = spf.hello;
        found.spf = spf.sender;
        found.dkim = dkim.told;
        found.dkim_more = more;
        tracing::debug!(peer = %arrival.peer, took = ?begun.elapsed(), "evidence was gathered");
        found
    }

    /// Whether the address has a name, and the name the address (RFC 8601, section 3).
    async fn iprev(&self, peer: IpAddr, by: Instant) -> Iprev {
        let Ok(output) = timeout_at(by, self.asking.verify_iprev(peer)).await else {
            return Iprev {
                result: Finding::Temperror,
                name: None,
            };
        };
        let result = match output.result() {
            IprevResult::Pass => Finding::Pass,
            IprevResult::Fail(_) => Finding::Fail,
            IprevResult::TempError(_) => Finding::Temperror,
            IprevResult::PermError(_) => Finding::Permerror,
            IprevResult::None => Finding::None,
        };
        let first = output.ptr.as_ref().and_then(|names| names.first());
        Iprev {
            result,
            name: first.map(|name| evidence::name(name.trim_end_matches('.'))),
        }
    }
}
