//! The clock is watched: one that was set makes the times of the trail untrue (clause 4.2), so each jump is an event, and an incident
//! of the kind `clock-jump` is opened unless one is open.
//!
//! While the server runs, the clock is compared with the time that passed since the last look; at a start, with the last event. Times
//! of the trail never go back, whatever the clock does.

use std::{sync::Arc, time::Duration};

use directory::{alarm::Alarm, command::incident::IncidentKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::Instant;
use trail::{Actor, Event, Kind, Outcome};
use wire::Shutdown;

use crate::{
    incidents::{self, When},
    site::Site,
};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);

/// Watches until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let behind = site.store.clock_behind();
    let mut last = (site.world.now(), Instant::now());
    let mut found = is_jump(&site, -behind).then(|| jump(last.0, -behind, false));
    loop {
        if let Some(one) = &found {
            match tell(&site, one).await {
                Ok(()) => found = None,
                Err(store::Error::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "the clock was set, and this could not be recorded; it is tried again");
                }
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = (site.world.now(), Instant::now());
        let by = by(last, now);
        last = now;
        if is_jump(&site, by) {
            found = Some(jump(now.0, by, true));
        }
    }
}

/// What is told of a clock that was set.
#[derive(Clone, Debug)]
struct Jump {
    clock: Timestamp,
    by: SignedDuration,
    running: bool,
}

fn jump(clock: Timestamp, by: SignedDuration, running: bool) -> Jump {
    Jump { clock, by, running }
}

/// By how much the clock was set between two looks.
fn by(last: (Timestamp, Instant), now: (Timestamp, Instant)) -> SignedDuration {
    let passed = now.1.saturating_duration_since(last.1);
    let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
    now.0.duration_since(last.0).saturating_sub(passed)
}

/// The limit of the settings; `None`: the clock is not watched.
fn limit(site: &Site) -> Option<SignedDuration> {
    let limit = site.settings().audit.clock_jump.0;
    let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
    (!limit.is_zero()).then_some(limit)
}

fn is_jump(site: &Site, by: SignedDuration) -> bool {
    limit(site).is_some_and(|limit| by.abs() > limit)
}

async fn tell(site: &Site, jump: &Jump) -> Result<(), store::Error> {
    let Some(limit) = limit(site) else {
        return Ok(());
    };
    let seconds = jump.by.as_secs();
    let expected = jump.clock.checked_sub(jump.by).unwrap_or(jump.clock);
    let (clock, expected) = (jump.clock.to_string(), expected.to_string());
    let facts = json!({
        "seconds": seconds,
        "clock": clock,
        "expected": expected,
        "limit": limit.as_secs(),
        "running": jump.running,
    });
    let event = Event::new(Kind::ClockJumped, Actor::System)
        .outcome(Outcome::Failure)
        .detail("seconds", seconds)
        .detail("clock", clock.as_str())
        .detail("expected", expected)
        .detail("limit", limit.as_secs())
        .detail("running", jump.running);
    let way = if seconds < 0 { "back" } else { "forward" };
    let alarm = Alarm {
        kind: IncidentKind::ClockJump,
        reason: format!(
            "the clock was set {way} by {} seconds",
            seconds.unsigned_abs()
        ),
        facts,
        since: jump.clock.min(site.store.now()),
    };
    incidents::record(site, event, Some((alarm, When::NoneOpen))).await?;
    tracing::warn!(seconds, clock, "the clock was set");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_clock_that_was_set_has_jumped() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let begun = Instant::now();
        let last = (at("2026-11-28T00:00:00Z"), begun);
        tokio::time::advance(Duration::from_secs(5)).await;
        for (clock, seconds) in [
            ("2026-11-28T00:00:05Z", 0),
            ("2026-11-28T01:00:05Z", 3600),
            ("2026-11-27T23:59:05Z", -60),
        ] {
            assert_eq!(by(last, (at(clock), Instant::now())).as_secs(), seconds);
        }
    }
}
