//! Once a day domains that ask for it are told how TLS with their servers came to be (RFC 8460).

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use transfer::tls_reports::{self, Sent};
use wire::Shutdown;

use crate::site::Site;

/// How often it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(30);
/// How long after trouble it is tried again.
const AGAIN: Duration = Duration::from_secs(1800);
/// Minutes after midnight, in UTC, within which reports go out: not all of the world's at once (RFC 8460, section 4.1).
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
                tracing::error!(%error, "reports about TLS could not be sent; it is tried again");
                AGAIN
            }
        };
    }
}

/// Sends what is due at `now`. Whether nothing is left to do.
async fn due(site: &Site, now: Timestamp) -> Result<bool, store::Error> {
    let reports = site.tls_report_keys().reporter.is_some();
    let days = i64::from(*site.settings().tls_reports.days.get_ref());
    let today = store::tls_report::day(now);
    let mut all = true;
    for day in tls_reports::due_days(&site.transfer, now).await? {
        let sent = tls_reports::send(&site.transfer, day, end_of(day)).await?;
        let old = day < today.saturating_sub(days);
        if sent.unknown > 0 && !old {
            all = false;
            continue;
        }
        let why = match sent.unknown {
            _ if !reports => Some("reports are off"),
            0 => None,
            _ => Some("its time is over"),
        };
        tls_reports::finish(&site.transfer, day, sent, why).await?;
        tracing::info!(day = %end_of(day), reports = sent.reports, failed = sent.failed, "domains were told of TLS with their servers");
    }
    Ok(all)
}

/// The midnight that ends a day.
fn end_of(day: i64) -> Timestamp {
    let seconds = day.saturating_add(1).saturating_mul(86_400);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// Sends what is not sent yet, up to `now`: what comes later in the day is for the next report.
///
/// # Errors
/// The store's.
pub(crate) async fn send_until(site: &Site, now: Timestamp) -> Result<Sent, store::Error> {
    let mut all = Sent::default();
    let mut days: Vec<(i64, Timestamp)> = tls_reports::due_days(&site.transfer, now)
        .await?
        .into_iter()
        .map(|day| (day, end_of(day)))
        .collect();
    days.push((store::tls_report::day(now), now));
    for (day, until) in days {
        let sent = tls_reports::send(&site.transfer, day, until).await?;
        all.reports = all.reports.saturating_add(sent.reports);
        all.failed = all.failed.saturating_add(sent.failed);
        all.unknown = all.unknown.saturating_add(sent.unknown);
    }
    Ok(all)
}
