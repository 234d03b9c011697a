//! The trail is given to other systems as it grows: syslog over TLS (RFC 5425), in the trail's own JSON or in OCSF.
//!
//! The trail itself is the queue: what a destination was given is noted in the store, and after a failure or a restart it is
//! given from there on. TCP does not tell whether the peer's program has what was sent, so what was sent within the last seconds of
//! a connection is sent again: each event at least once, and each has its id.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use trail::{Actor, Event, Kind, forward::frame};
use wire::{Shutdown, Stream};

use crate::{settings::ForwardTo, site::Site};

/// Events given in one go.
const BATCH: u32 = 500;
/// Octets after which a write ends early: a slow line must be able to carry them in time.
const BATCH_OCTETS: usize = 256 << 10;
/// How often it is looked for new events.
const LOOK: Duration = Duration::from_secs(1);
/// How long what was sent must have gone well before it counts as given.
const SETTLE: Duration = Duration::from_secs(5);
/// How long connecting, with TLS, and each write may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again: doubled each time, up to the second.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];

/// How a destination stands, for `status`.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Its name.
    pub(crate) name: String,
    /// The last event that counts as given.
    pub(crate) given: i64,
    /// Why it is given nothing now, and since when.
    pub(crate) trouble: Option<(String, Timestamp)>,
}

/// How all destinations stand.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<Vec<Standing>>);

impl Standings {
    /// All of them.
    pub(crate) fn all(&self) -> Vec<Standing> {
        self.0.lock().clone()
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut Standing)) {
        let mut all = self.0.lock();
        if let Some(found) = all.iter_mut().find(|standing| standing.name == name) {
            return change(found);
        }
        let mut standing = Standing {
            name: name.to_owned(),
            given: 0,
            trouble: None,
        };
        change(&mut standing);
        all.push(standing);
    }
}

/// Why a destination was given nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("{0}")]
    Network(#[from] io::Error),
    #[error("no answer in time")]
    Time,
    #[error("it ended the connection")]
    Ended,
    #[error("{0}")]
    Tls(#[from] transfer::ClientTlsError),
}

/// Gives one destination what is new, until the server stops.
pub(crate) async fn run(site: Arc<Site>, to: ForwardTo, mut shutdown: Shutdown) {
    let [mut wait, longest] = AGAIN;
    loop {
        let trouble = tokio::select! {
            () = shutdown.begun() => return,
            trouble = give(&site, &to, &mut wait) => trouble,
        };
        if matches!(trouble, Trouble::Store(store::Error::Closed)) {
            return;
        }
        tracing::warn!(destination = to.name, %trouble, "the audit trail is not forwarded now");
        let now = site.world.now();
        site.standings.set(&to.name, |standing| {
            let since = standing.trouble.as_ref().map_or(now, |(_, since)| *since);
            standing.trouble = Some((trouble.to_string(), since));
        });
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(longest);
    }
}

/// Gives over one connection as long as it lasts.
async fn give(site: &Site, to: &ForwardTo, wait: &mut Duration) -> Trouble {
    match try_to_give(site, to, wait).await {
        Ok(never) => match never {},
        Err(trouble) => trouble,
    }
}

async fn try_to_give(
    site: &Site,
    to: &ForwardTo,
    wait: &mut Duration,
) -> Result<std::convert::Infallible, Trouble> {
    let store = &site.store;
    let mut position = match store.forwarded(&to.name).await? {
        Some(position) => position,
        None => {
            let position = match to.from_beginning {
                true => 0,
                false => store.newest_event().await?,
            };
            store.note_forwarded(&to.name, position).await?;
            position
        }
    };
    let mut stream = connect(to).await?;
    let begun = Event::new(Kind::TrailForwarded, Actor::System)
        .subject(to.name.as_str())
        .detail("host", format!("{}:{}", to.host, to.port))
        .detail("after", position.to_string());
    site.record(begun).await?;
    site.standings.set(&to.name, |standing| {
        standing.given = position;
        standing.trouble = None;
    });
    let host = site.settings().server.hostname.get_ref().clone();
    // What was sent lately: when, and the last event of it.
    let mut lately: VecDeque<(Instant, i64)> = VecDeque::new();
    loop {
        let entries = store.entries_after(position, BATCH).await?;
        let mut frames = Vec::new();
        let mut last = None;
        for entry in &entries {
            if frames.len() > BATCH_OCTETS {
                break;
            }
            let version = env!("CARGO_PKG_VERSION");
            frames.extend_from_slice(&frame(entry, &host, version, to.format));
            last = Some(entry.id);
        }
        if let Some(last) = last {
            let sending = async {
                stream.write_all(&frames).await?;
                stream.flush().await
            };
            timeout(PATIENCE, sending)
                .await
                .map_err(|_| Trouble::Time)??;
            position = last;
            lately.push_back((Instant::now(), position));
        }
        if entries.last().is_none_or(|newest| newest.id == position) {
            rest(&mut stream).await?;
        }
        let mut settled = None;
        while let Some((sent, last)) = lately.front().copied()
            && sent.elapsed() >= SETTLE
        {
            settled = Some(last);
            lately.pop_front();
        }
        if let Some(last) = settled {
            store.note_forwarded(&to.name, last).await?;
            // Only now: a peer that takes connections and drops them is not asked every second.
            [*wait, _] = AGAIN;
            site.standings
                .set(&to.name, |standing| standing.given = last);
        }
    }
}

/// Waits for new events, and hears meanwhile whether the peer is still there; it has nothing to say.
async fn rest(stream: &mut Stream) -> Result<(), Trouble> {
    let mut said = [0; 512];
    match timeout(LOOK, stream.read(&mut said)).await {
        Err(_) => Ok(()),
        Ok(Ok(0)) => Err(Trouble::Ended),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
    }
}

async fn connect(to: &ForwardTo) -> Result<Stream, Trouble> {
    let tls = match &to.roots {
        Some(roots) => transfer::ClientTls::new(roots.clone())?,
        None => transfer::ClientTls::system()?,
    };
    let config = tls.verified(None)?;
    let connecting = async {
        let tcp = TcpStream::connect((to.host.as_str(), to.port)).await?;
        tcp.set_nodelay(true)?;
        Stream::plain(tcp)
            .connect_tls(config, to.certificate_name.clone())
            .await
    };
    let connected = timeout(PATIENCE, connecting).await;
    Ok(connected.map_err(|_| Trouble::Time)??)
}
