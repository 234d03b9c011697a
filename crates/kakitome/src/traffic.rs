//! Traffic is watched each minute (clause 4.4): what only the running server knows of its service is sampled here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use governance::traffic::{Collector, Look, Options};
use store::{Facts, queue};
use traffic::{Gauge, State};
use wire::Shutdown;

use crate::site::Site;

/// Watches until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut watch = Watch::default();
    loop {
        let wait = site.settings().traffic.look.get_ref().0;
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
        }
        match watch.look(&site).await {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "traffic could not be counted; it is tried again");
            }
        }
    }
}

/// The watch over one site's traffic.
#[derive(Default)]
pub(crate) struct Watch {
    collector: Collector,
    /// The store's counts at the last look.
    last: Option<Facts>,
}

impl Watch {
    /// Looks once.
    ///
    /// # Errors
    /// The store's: what was not counted is counted at the next look.
    pub(crate) async fn look(&mut self, site: &Site) -> Result<(), store::Error> {
        let figures = figures(site, &mut self.last).await;
        let options = options(site);
        let look = self.collector.look(&site.store, &options, &figures).await?;
        tell(&look);
        Ok(())
    }
}

/// How the site's traffic is watched.
pub(crate) fn options(site: &Site) -> Options {
    let settings = site.settings();
    let domains = settings.own_domains();
    let own = domains.iter().map(ToString::to_string);
    settings.traffic.options(
        own.map(|domain| domain.to_ascii_lowercase()).collect(),
        settings.zone(),
    )
}

fn tell(look: &Look) {
    let number = match look.state {
        State::Normal => 0.0,
        State::Unknown => 1.0,
        State::Unusual => 2.0,
        State::Alarm => 3.0,
    };
    ::metrics::gauge!("kakitome_traffic_state").set(number);
    if let Some(before) = look.before {
        let (state, before) = (look.state.as_str(), before.as_str());
        let differs: Vec<&str> = look
            .found
            .deviations
            .iter()
            .map(|one| one.series.as_str())
            .collect();
        let suffers: Vec<&str> = look
            .found
            .harms
            .iter()
            .map(|one| one.what.as_str())
            .collect();
        tracing::warn!(
            state,
            before,
            differs = differs.join(", "),
            suffers = suffers.join(", "),
            "traffic is in another state (clause 4.4)"
        );
    }
    if look.opened {
        tracing::warn!(
            "an incident was opened: traffic differs much from what is usual, and service suffers"
        );
    }
}

/// What can be measured now; what cannot is not there.
async fn figures(site: &Site, last: &mut Option<Facts>) -> BTreeMap<Gauge, u64> {
    let mut figures = BTreeMap::new();
    let now = site.store.now();
    let read = |sql: &mut store::Snapshot<'_>| -> Result<_, store::Error> {
        Ok((queue::totals(sql)?, queue::next_due(sql)?))
    };
    match site.store.read(read).await {
        Ok((totals, next)) => {
            let age = |at: Option<jiff::Timestamp>| {
                let seconds = at.map_or(0, |at| now.duration_since(at).as_secs());
                u64::try_from(seconds).unwrap_or(0)
            };
            figures.insert(Gauge::Queue, totals.recipients);
            figures.insert(Gauge::Oldest, age(totals.oldest));
            figures.insert(Gauge::Overdue, age(next));
        }
        Err(error) => tracing::error!(%error, "the queue cannot be measured"),
    }
    match site.store.facts() {
        Ok(facts) => {
            if let Some(before) = last.as_ref() {
                figures.insert(Gauge::Commit, commit_time(before, &facts));
            }
            *last = Some(facts);
        }
        Err(error) => tracing::error!(%error, "the store cannot be measured"),
    }
    match rustix::fs::statvfs(&site.path) {
        Ok(disk) => {
            let free = disk
                .f_bavail
                .saturating_mul(1000)
                .checked_div(disk.f_blocks);
            figures.insert(Gauge::DiskFree, free.unwrap_or(0));
        }
        Err(error) => tracing::error!(%error, "the disk cannot be measured"),
    }
    figures
}

/// Microseconds that a batch took since the last time, on average.
fn commit_time(before: &Facts, now: &Facts) -> u64 {
    let batches = now.batches.saturating_sub(before.batches);
    let time = now.batch_time.saturating_sub(before.batch_time);
    let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    time.checked_div(batches).unwrap_or(0)
}

/// How long after a start an hour is missed.
pub(crate) const SETTLED: Duration = Duration::from_secs(3 * 3600);
