//! The audit trail is verified every day (clauses 4.2(1), 4.2(2)); what is found is told as by `audit verify`.

use std::{sync::Arc, time::Duration};

use directory::{alarm::Alarm, command::incident::IncidentKind};
use jiff::ToSpan as _;
use serde_json::json;
use store::{
    event::{self, Filter},
    verify::Step,
};
use tokio::time::Instant;
use trail::{Actor, By, Kind, Outcome};
use wire::Shutdown;
use world::Timestamp;

use crate::{
    incidents::{self, When},
    probing::daily::is_due,
    site::Site,
};

/// How often it is looked whether the time has come.
const LOOK: Duration = Duration::from_secs(10);
/// A rest between two steps, at most: a step that had to wait for the disk is not paid for with minutes.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// How far back the trail is asked for the last verification, in days.
const BACK: i64 = 3;
/// Verifications within that time that are looked through.
const RUNS: usize = 1000;
/// Findings that an incident shows.
const MOST_SAMPLES: usize = 10;
/// Characters of one.
const MOST_FINDING: usize = 300;

/// Verifies every day, until the server stops. A trail that was not verified these days (a new site's, or one that was down) is verified
/// at once.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut last = match last_run(&site).await {
        Ok(last) => last,
        Err(error) => {
            tracing::error!(%error, "the trail does not tell when it was verified");
            None
        }
    };
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = site.world.now();
        let Some(time) = site.settings().audit.verify.0 else {
            continue;
        };
        if last.is_some_and(|last| !is_due(time, last, now, &site.settings().zone())) {
            continue;
        }
        let ended = tokio::select! {
            () = shutdown.begun() => return,
            ended = once(&site, Some(site.settings().audit.verify_share())) => ended,
        };
        match ended {
            Ok(0) => tracing::info!("the audit trail was verified: it is what was written"),
            Ok(findings) => tracing::error!(
                findings,
                "the audit trail is not what was written: `kakitome audit verify` tells of each fault"
            ),
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the audit trail was not verified; it is tried again tomorrow");
            }
        }
        last = Some(now);
    }
}

/// Verifies the trail once and records what came of it; how many faults were found. Each step reads a part in a view of its own, so
/// normal work goes on. With a `share`, it takes so many hundredths of a processor at most: each step is followed by a rest.
///
/// # Errors
/// The store's: then nothing is recorded.
pub(crate) async fn once(site: &Site, share: Option<u32>) -> Result<u64, store::Error> {
    let signed = site.store.checkpoint().await?;
    let mut faults = Faults::default();
    let mut verification = site.store.trail_verification();
    loop {
        let begun = Instant::now();
        let Some(step) = verification.next().await? else {
            break;
        };
        if let Step::Found(finding) = step {
            faults.take(&finding.to_string());
        }
        if let Some(rest) = share.map(|share| rest(begun.elapsed(), share)) {
            tokio::time::sleep(rest).await;
        }
    }
    let events = signed.map_or(0, |signed| signed.size);
    faults
        .record(site, &Actor::System.into(), events, false)
        .await?;
    Ok(faults.found)
}

/// How long to rest after work that took `took`, so that it takes `share` hundredths of the time.
fn rest(took: Duration, share: u32) -> Duration {
    let share = share.clamp(1, 100);
    let rest = took.saturating_mul(100_u32.saturating_sub(share)) / share;
    rest.min(LONGEST_REST)
}

/// When the trail was last verified, by whomever, if that was lately.
async fn last_run(site: &Site) -> Result<Option<Timestamp>, store::Error> {
    let hours = BACK.saturating_mul(24).hours();
    let filter = Filter {
        from: site.world.now().checked_sub(hours).ok(),
        kinds: vec![Kind::TrailVerified],
        ..Filter::default()
    };
    let found = site
        .store
        .read(move |snapshot| event::search(snapshot, &filter, RUNS))
        .await?;
    Ok(found.last().map(|one| one.at))
}

/// What a verification found.
#[derive(Default)]
pub(crate) struct Faults {
    /// How many faults.
    pub(crate) found: u64,
    samples: Vec<String>,
    digest: blake3::Hasher,
}

impl Faults {
    /// Takes one in.
    pub(crate) fn take(&mut self, finding: &str) {
        self.found = self.found.saturating_add(1);
        self.digest.update(finding.as_bytes());
        self.digest.update(b"\n");
        if self.samples.len() < MOST_SAMPLES {
            self.samples
                .push(finding.chars().take(MOST_FINDING).collect());
        }
    }

    /// Records that the trail was verified by `by`, up to a checkpoint over so many `events`, and whether by a `witness` too; faults
    /// open an incident.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn record(
        &self,
        site: &Site,
        by: &By,
        events: u64,
        witness: bool,
    ) -> Result<(), store::Error> {
        let outcome = match self.found {
            0 => Outcome::Success,
            _ => Outcome::Failure,
        };
        let event = by
            .event(Kind::TrailVerified)
            .outcome(outcome)
            .detail("events", events)
            .detail("findings", self.found)
            .detail("witness", witness);
        // What stays as it was is not told of at each look.
        let alarm = (self.found > 0).then(|| (self.alarm(site), When::Unknown("digest")));
        incidents::record(site, event, alarm).await?;
        Ok(())
    }

    fn alarm(&self, site: &Site) -> Alarm {
        let found = self.found;
        let first = self.samples.first().map_or("", String::as_str);
        Alarm {
            kind: IncidentKind::TrailGap,
            reason: format!("{found} findings in the audit trail, the first is: {first}"),
            facts: json!({
                "findings": found,
                "samples": self.samples,
                "digest": self.digest.finalize().to_hex().to_string(),
            }),
            since: site.store.now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_rest_are_in_the_proportion_that_is_set() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(second, 100), Duration::ZERO);
        assert_eq!(rest(second, 50), second);
        assert_eq!(rest(second, 25), second * 3);
        assert_eq!(
            rest(Duration::from_millis(4), 20),
            Duration::from_millis(16)
        );
        assert_eq!(rest(Duration::from_secs(60), 1), LONGEST_REST);
        assert_eq!(rest(second, 0), rest(second, 1));
    }
}
