//! The audit trail is verified every day (clauses 4.2(1), 4.2(2)); what is found is told as by `audit verify`.

use std::{sync::Arc, time::Duration};

use directory::{alarm::Alarm, command::incident::IncidentKind};
use jiff::{ToSpan as _, tz::TimeZone};
use serde_json::json;
use store::{
    event::{self, Filter},
    verify::Step,
};
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
        if last.is_some_and(|last| !is_due(time, last, now, &TimeZone::system())) {
            continue;
        }
        let ended = tokio::select! {
            () = shutdown.begun() => return,
            ended = once(&site) => ended,
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
/// normal work goes on.
///
/// # Errors
/// The store's: then nothing is recorded.
pub(crate) async fn once(site: &Site) -> Result<u64, store::Error> {
    let signed = site.store.checkpoint().await?;
    let mut faults = Faults::default();
    let mut verification = site.store.trail_verification();
    while let Some(step) = verification.next().await? {
        if let Step::Found(finding) = step {
            faults.take(&finding.to_string());
        }
    }
    let events = signed.map_or(0, |signed| signed.size);
    faults
        .record(site, &Actor::System.into(), events, false)
        .await?;
    Ok(faults.found)
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
