//! Whether the scanners, and programs of others that judge mail, can be used, and how old what they know is (clause 5.2(3)): looked
//! at again and again, told in the trail when it changes, and as metrics always.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use malware::{Definitions, Scanners};
use serde_json::Value;
use store::event::{self, Filter};
use trail::{Actor, Event, Kind, Outcome};
use wire::Shutdown;

use crate::{canary, site::Site};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(60);
/// How long after a scan that failed, so that many of them do not make many questions.
const SOON: Duration = Duration::from_secs(1);

/// How the scanners do.
#[derive(Debug, Default)]
pub(crate) struct Scanning {
    /// What clamd said of itself last; `None`: nothing yet, or it cannot be asked.
    pub(crate) definitions: Option<Definitions>,
    /// What cannot be used, why and since when.
    pub(crate) down: BTreeMap<String, (String, Timestamp)>,
    /// How the last canary fared.
    pub(crate) canary: Option<canary::Outcome>,
}

/// Looks until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    loop {
        match look(&site).await {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "how the scanners do was not recorded; it is tried again");
            }
        }
        let scanners = site.scanners();
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
            () = scanners.any_failed() => tokio::time::sleep(SOON).await,
        }
    }
}

/// Looks how the scanners do, and records what has changed.
///
/// # Errors
/// The store's.
pub(crate) async fn look(site: &Site) -> Result<(), store::Error> {
    let scanners = site.scanners();
    let (definitions, troubles) = scanners.probe().await;
    let engines = site.engines();
    let probed = engines.probe().await;
    let of_scanners = troubles.into_iter();
    let of_scanners = of_scanners.map(|trouble| (trouble.scanner.to_owned(), trouble.reason));
    let of_engines = probed.iter();
    let of_engines = of_engines.filter_map(|(name, why)| Some((name.clone(), why.clone()?)));
    let troubles: BTreeMap<String, String> = of_scanners.chain(of_engines).collect();
    let now = site.world.now();
    let mut events = Vec::new();
    if let Some(definitions) = &definitions {
        events.extend(new_definitions(site, definitions).await?);
    }
    let mut down = site.scanning.lock().down.clone();
    for (scanner, reason) in &troubles {
        if !down.contains_key(scanner) {
            tracing::error!(scanner, reason, "a scanner cannot be used");
            let event = Event::new(Kind::ScannerDown, Actor::System)
                .outcome(Outcome::Failure)
                .subject(scanner.as_str())
                .detail("reason", reason.as_str());
            events.push(event);
        }
        let since = down.get(scanner).map_or(now, |(_, since)| *since);
        down.insert(scanner.clone(), (reason.clone(), since));
    }
    down.retain(|scanner, (_, since)| {
        if troubles.contains_key(scanner) {
            return true;
        }
        tracing::info!(scanner, "a scanner can be used again");
        let event = Event::new(Kind::ScannerUp, Actor::System)
            .subject(scanner.as_str())
            .detail("since", since.to_string());
        events.push(event);
        false
    });
    measure(&scanners, definitions.as_ref(), &down, now);
    for (name, why) in probed {
        let is_up = f64::from(u8::from(why.is_none()));
        metrics::gauge!("kakitome_scanner_up", "scanner" => name).set(is_up);
    }
    for event in events {
        site.record(event).await?;
    }
    let mut scanning = site.scanning.lock();
    scanning.definitions = definitions;
    scanning.down = down;
    Ok(())
}

/// The event that tells of definitions which the trail does not know as the last ones.
async fn new_definitions(
    site: &Site,
    definitions: &Definitions,
) -> Result<Option<Event>, store::Error> {
    if site.scanning.lock().definitions.as_ref() == Some(definitions) {
        return Ok(None);
    }
    let event = Event::new(Kind::ScannerDefinitions, Actor::System)
        .subject("clamd")
        .detail("engine", definitions.engine.as_str())
        .detail("definitions", definitions.version)
        .detail("made", definitions.made.map(|made| made.to_string()));
    let last = last(site, Kind::ScannerDefinitions, Timestamp::MIN).await?;
    let is_told = last.is_some_and(|(_, told)| told == Value::Object(event.detail.clone()));
    Ok((!is_told).then_some(event))
}

/// The last event of a kind after a time, in whole: when it was, and its facts.
pub(crate) async fn last(
    site: &Site,
    kind: Kind,
    after: Timestamp,
) -> Result<Option<(Timestamp, Value)>, store::Error> {
    /// Events that are looked at in one go.
    const PAGE: usize = 1000;
    let mut filter = Filter {
        from: Some(after),
        kinds: vec![kind],
        ..Filter::default()
    };
    let mut last = None;
    loop {
        let page = filter.clone();
        let found = site
            .store
            .read(move |snapshot| event::search(snapshot, &page, PAGE))
            .await?;
        let is_all = found.len() < PAGE;
        if let Some(newest) = found.into_iter().next_back() {
            filter.after = Some(newest.id);
            last = Some((newest.at, Value::Object(newest.event.detail)));
        }
        if is_all {
            return Ok(last);
        }
    }
}

fn measure(
    scanners: &Scanners,
    definitions: Option<&Definitions>,
    down: &BTreeMap<String, (String, Timestamp)>,
    now: Timestamp,
) {
    let up = |scanner: &'static str| {
        let is_up = !down.contains_key(scanner);
        metrics::gauge!("kakitome_scanner_up", "scanner" => scanner)
            .set(f64::from(u8::from(is_up)));
    };
    if scanners.clamd.is_some() {
        up("clamd");
    }
    if scanners.workers.is_some() {
        up("inspection");
    }
    if scanners.yara.is_some() {
        up("yara");
    }
    if let Some(version) = definitions.and_then(|known| known.version) {
        metrics::gauge!("kakitome_scanner_definitions_version").set(f64::from(version));
    }
    if let Some(age) = definitions.and_then(|known| known.age(now)) {
        let age = u32::try_from(age).unwrap_or(u32::MAX);
        metrics::gauge!("kakitome_scanner_definitions_age_seconds").set(f64::from(age));
    }
}
