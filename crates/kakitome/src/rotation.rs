//! The trail's volumes are sealed when their months have ended (clause 4.2(2)).

use std::{sync::Arc, time::Duration};

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use store::tree::Seal;
use trail::Actor;
use wire::Shutdown;
use world::Timestamp;

use crate::site::Site;

/// How often it is looked whether a month has ended.
const LOOK: Duration = Duration::from_secs(60);

/// Seals volumes as months end, until the server stops. What ended while it was down is sealed at once.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut done = None;
    loop {
        match look(&site, &mut done).await {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the volume of the audit trail is not sealed yet; it is tried again");
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Seals what ended before the period in which it is now, unless that was `done`.
///
/// # Errors
/// The store's: then it is not done yet.
pub(crate) async fn look(site: &Site, done: &mut Option<Timestamp>) -> Result<(), store::Error> {
    let settings = site.settings();
    let months = settings.audit.rotate_months;
    let boundary = period_start(site.world.now(), months, &settings.zone());
    if boundary != *done {
        seal(site, boundary).await?;
        *done = boundary;
    }
    Ok(())
}

async fn seal(site: &Site, before: Option<Timestamp>) -> Result<(), store::Error> {
    let how = Seal {
        before,
        retain_years: site.settings().audit.retain_years,
        by: Actor::System.into(),
    };
    if let Some(volume) = site.store.seal_volume(how).await? {
        tracing::info!(
            volume = volume.number,
            events = volume.last - volume.first,
            "a volume of the audit trail was sealed: export it (`kakitome audit export`)"
        );
    }
    Ok(())
}

/// When the period of so many months began in which `now` lies, counted from January.
fn period_start(now: Timestamp, months: u16, zone: &TimeZone) -> Option<Timestamp> {
    let today: Date = now.to_zoned(zone.clone()).date();
    let months = i64::from(months.max(1));
    let into = (i64::from(today.month()) - 1) % months;
    let first = today.first_of_month().checked_sub(into.months()).ok()?;
    let start = first.to_zoned(zone.clone()).ok()?;
    Some(start.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn months_begin_in_the_zone_of_the_site() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let start = |now: &str, months| {
            let start = period_start(now.parse().unwrap(), months, &zone);
            start.unwrap().to_string()
        };
        assert_eq!(start("2026-11-30T14:59:59Z", 1), "2026-10-31T15:00:00Z");
        assert_eq!(start("2026-11-30T15:00:00Z", 1), "2026-11-30T15:00:00Z");
        assert_eq!(start("2026-11-30T15:00:00Z", 3), "2026-09-30T15:00:00Z");
        assert_eq!(start("2027-01-05T00:00:00Z", 6), "2026-12-31T15:00:00Z");
    }
}
