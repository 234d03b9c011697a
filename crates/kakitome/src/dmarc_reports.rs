//! Once a day domains that ask for it are told what came in their names (RFC 9990).

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use trail::{Actor, Event, Kind};
use transfer::dmarc_reports::{self, Sent};
use wire::Shutdown;

use crate::site::Site;

/// How often it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(30);
/// How long after trouble it is tried again.
const AGAIN: Duration = Duration::from_secs(1800);
/// Minutes after midnight, in UTC, within which reports go out: not all of the world's at once.
const SPREAD: u64 = 240;

/// Sends reports about each day that is over, until the server stops; about days that were missed as well.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let minutes = u64::from_le_bytes(site.world.bytes()) % SPREAD;
    let after = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or_default());
    let mut wait = LOOK;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match due(&site, site.world.now() - after).await {
            Ok(true) => LOOK,
            Ok(false) => AGAIN,
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "reports could not be sent; it is tried again");
                AGAIN
            }
        };
    }
}

/// Sends what is due at `now`. Whether nothing is left to do.
async fn due(site: &Site, now: Timestamp) -> Result<bool, store::Error> {
    if !reports(site) {
        return Ok(true);
    }
    let days = *site.settings().dmarc_reports.days.get_ref();
    let mut all = true;
    for (day, period) in dmarc_reports::last_days(&site.transfer, now, days).await? {
        let sent = dmarc_reports::send(&site.transfer, period).await?;
        if sent.unknown > 0 {
            all = false;
            continue;
        }
        let done = Event::new(Kind::DmarcReportsDone, Actor::System)
            .subject(day.to_string())
            .detail("reports", sent.reports)
            .detail("failed", sent.failed);
        site.record(done).await?;
        tracing::info!(%day, reports = sent.reports, failed = sent.failed, "domains were told of mail in their names");
    }
    Ok(all)
}

fn reports(site: &Site) -> bool {
    site.dmarc_report_keys().reporter.is_some()
}

/// Sends what is not sent yet, up to `now`: what comes later in the day is for the next report.
///
/// # Errors
/// The store's.
pub(crate) async fn send_until(site: &Site, now: Timestamp) -> Result<Sent, store::Error> {
    let mut all = Sent::default();
    let days = *site.settings().dmarc_reports.days.get_ref();
    let mut periods: Vec<(Timestamp, Timestamp)> =
        dmarc_reports::last_days(&site.transfer, now, days)
            .await?
            .into_iter()
            .map(|(_, period)| period)
            .collect();
    let today = now.to_zoned(TimeZone::UTC).start_of_day();
    if let Ok(begin) = today {
        periods.push((begin.timestamp(), now));
    }
    for period in periods {
        let sent = dmarc_reports::send(&site.transfer, period).await?;
        all.reports = all.reports.saturating_add(sent.reports);
        all.failed = all.failed.saturating_add(sent.failed);
        all.unknown = all.unknown.saturating_add(sent.unknown);
    }
    Ok(all)
}
