//! The own listeners are probed once a day (clauses 4.3(6), 5.1(1)).

use std::{sync::Arc, time::Duration};

use jiff::{ToSpan as _, civil, tz::TimeZone};
use store::event::{self, Filter};
use trail::{Actor, Kind, Recorded};
use wire::Shutdown;
use world::Timestamp;

use super::own::{self, Last, OwnError};
use crate::site::Site;

/// How often it is looked whether the time has come.
const LOOK: Duration = Duration::from_secs(10);
/// How far back the trail is asked for the last run.
const BACK: i64 = 3;
/// Runs within that time that are looked through.
const RUNS: usize = 1000;

/// Probes every day, until the server stops. What was missed while it was down is made up for at once.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut last = match last_run(&site).await {
        Ok(last) => last,
        Err(error) => {
            tracing::error!(%error, "the trail does not tell when the listeners were probed");
            None
        }
    };
    if let Some(last) = &last {
        site.probed.lock().get_or_insert_with(|| last.clone());
    }
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let since = last.as_ref().map_or(site.started, |last| last.at);
        let now = site.world.now();
        let due = site.settings().probe.daily.0;
        if !due.is_some_and(|time| is_due(time, since, now, &site.settings().zone())) {
            continue;
        }
        let server = Actor::System.into();
        let ended = tokio::select! {
            () = shutdown.begun() => return,
            ended = own::run(&site, &server, &[], &|_, _, _| {}) => ended,
        };
        match ended {
            Ok(_) => tell(&site),
            Err(OwnError::Store(store::Error::Closed)) => return,
            // It is looked again after that one.
            Err(OwnError::Busy) => continue,
            Err(error) => {
                tracing::error!(%error, "the listeners were not probed; it is tried again tomorrow");
            }
        }
        last = Some(Last {
            at: now,
            ..Last::default()
        });
    }
}

fn tell(site: &Site) {
    let Some(last) = site.probed.lock().clone() else {
        return;
    };
    match last.failed.is_empty() && last.unreached.is_empty() {
        true => tracing::info!("the listeners were probed: nothing fails"),
        false => tracing::warn!(
            failed = last.failed.join(", "),
            unreached = last.unreached.join(", "),
            "the listeners were probed: `kakitome probe --own` tells of each fault"
        ),
    }
}

/// Whether the time of the day has come between the last run and now.
pub(crate) fn is_due(time: civil::Time, last: Timestamp, now: Timestamp, zone: &TimeZone) -> bool {
    let today = now.to_zoned(zone.clone()).date();
    let days = [Some(today), today.checked_sub(1.day()).ok()];
    days.into_iter().flatten().any(|day| {
        let at = day.to_datetime(time).to_zoned(zone.clone());
        at.is_ok_and(|at| last < at.timestamp() && at.timestamp() <= now)
    })
}

/// The last whole run that the trail tells of.
async fn last_run(site: &Site) -> Result<Option<Last>, store::Error> {
    let hours = BACK.saturating_mul(24).hours();
    let filter = Filter {
        from: site.world.now().checked_sub(hours).ok(),
        kinds: vec![Kind::ProbeDone],
        ..Filter::default()
    };
    let found = site
        .store
        .read(move |snapshot| event::search(snapshot, &filter, RUNS))
        .await?;
    let whole = found
        .iter()
        .rev()
        .find(|one| !one.event.detail.contains_key("only"));
    Ok(whole.map(told))
}

fn told(recorded: &Recorded) -> Last {
    let list = |name: &str| -> Vec<String> {
        let list = recorded
            .event
            .detail
            .get(name)
            .and_then(|list| list.as_array());
        let texts = list.into_iter().flatten().filter_map(|text| text.as_str());
        texts.map(str::to_owned).collect()
    };
    Last {
        at: recorded.at,
        listeners: list("listeners"),
        failed: list("failed"),
        could_not_tell: list("could-not-tell"),
        unreached: list("unreached"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_due_once_a_day() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let due = |last: &str, now: &str| {
            let (last, now) = (last.parse().unwrap(), now.parse().unwrap());
            is_due(civil::time(4, 40, 0, 0), last, now, &zone)
        };
        // 04:40 in Tokyo is 19:40 of the day before.
        assert!(!due("2026-11-27T10:00:00Z", "2026-11-27T19:39:59Z"));
        assert!(due("2026-11-27T10:00:00Z", "2026-11-27T19:40:00Z"));
        assert!(!due("2026-11-27T19:40:00Z", "2026-11-28T19:39:00Z"));
        // Missed while the server was down.
        assert!(due("2026-11-25T19:40:00Z", "2026-11-27T10:00:00Z"));
        // The clock was put back.
        assert!(!due("2026-11-30T19:40:00Z", "2026-11-27T20:00:00Z"));
    }
}
