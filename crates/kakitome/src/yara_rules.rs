//! YARA rules that change under a running server (clause 5.2): looked for again and again, told in the trail when others are in force
//! or could not be put in force, and as metrics always.

use std::{sync::Arc, time::Duration};

use malware::{Loading, Yara};
use trail::{Actor, Event, Kind, Outcome};
use wire::Shutdown;

use crate::site::Site;

/// How often it is looked whether there is something to watch.
const IDLE: Duration = Duration::from_secs(30);

/// Loads the rules, and again whenever the files change, until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    loop {
        let watch = site.settings().screening.malware.yara.watch();
        let scanners = site.scanners();
        if let Some(yara) = &scanners.yara {
            let is_first = yara.loaded().is_none() && yara.faults().is_empty();
            if is_first || (watch.is_some() && yara.has_changed().await) {
                match load(&site, yara).await {
                    Ok(()) => {}
                    Err(store::Error::Closed) => return,
                    Err(error) => {
                        tracing::error!(%error, "what rules are in force was not recorded");
                    }
                }
            }
            measure(yara);
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(watch.unwrap_or(IDLE)) => {}
        }
    }
}

/// Loads the rules and records what came of it. Nothing is recorded when they are those in force.
///
/// # Errors
/// When it cannot be recorded.
pub(crate) async fn load(site: &Site, yara: &Yara) -> Result<(), store::Error> {
    let event = match yara.load(site.world.now()).await {
        Loading::Same => return Ok(()),
        Loading::Loaded(loaded) => {
            let files = loaded.set.files().iter().skip(1);
            let files: Vec<String> = files
                .map(|file| file.path.clone())
                .take(MOST_FILES)
                .collect();
            tracing::info!(
                digest = loaded.set.digest(),
                rules = loaded.count(),
                "YARA rules are in force"
            );
            Event::new(Kind::ScannerRules, Actor::System)
                .subject("yara")
                .detail("digest", loaded.set.digest())
                .detail("rules", loaded.count())
                .detail("files", files)
        }
        Loading::Faulty { digest, faults } => {
            tracing::error!(?faults, "YARA rules were not put in force");
            let loaded = yara.loaded();
            let in_force = loaded.map(|loaded| loaded.set.digest().to_owned());
            Event::new(Kind::ScannerRules, Actor::System)
                .outcome(Outcome::Failure)
                .subject("yara")
                .detail("digest", digest)
                .detail("faults", faults)
                .detail("in_force", in_force.unwrap_or_default())
        }
    };
    site.record(event).await?;
    measure(yara);
    Ok(())
}

/// Files that an event names.
const MOST_FILES: usize = 40;

fn measure(yara: &Yara) {
    let loaded = yara.loaded();
    let (count, since) = loaded.map_or((0, 0), |loaded| (loaded.count(), loaded.since.as_second()));
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!("kakitome_yara_rules").set(number(count));
    let since = u64::try_from(since).unwrap_or_default();
    metrics::gauge!("kakitome_yara_rules_loaded_timestamp_seconds").set(number(since));
    let faults = u64::try_from(yara.faults().len()).unwrap_or(u64::MAX);
    metrics::gauge!("kakitome_yara_rules_faults").set(number(faults));
}
