//! What the checks are handed of the running server.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use governance::facts::{Canary, Disk, Facts, Probe, Scanning};
use malware::Scanners;

use crate::{
    canary,
    probing::own,
    settings::{Role, Service, Settings},
    site::Site,
    traffic, vulnerabilities,
};

/// Bits of a file's mode by which others than its owner may read it.
const READ_BY_OTHERS: u32 = 0o044;
/// What of a site holds the trail or its keys.
const TRAIL: [&str; 5] = ["store.db", "store.db-wal", "keys", "index", "segments"];

/// The facts as they are now.
pub(crate) async fn gather(site: &Site) -> Facts {
    let settings = site.settings();
    let networks = |list: &[toml::Spanned<String>]| {
        let names = list.iter().map(|one| one.get_ref().clone());
        names.collect::<Vec<String>>()
    };
    let path = site.path.clone();
    let readable = tokio::task::spawn_blocking(move || readable_by_others(&path)).await;
    Facts {
        mailboxes: settings.has(Role::Mailbox),
        pages: settings
            .services()
            .iter()
            .any(|(service, _)| *service == Service::Https),
        plaintext_networks: settings.plaintext_networks(),
        plaintext_warned_every: settings.plaintext_warned_every(),
        unauthenticated_networks: networks(&settings.submission.unauthenticated_networks),
        retain_years: u32::from(settings.audit.retain_years),
        rotate_months: u32::from(settings.audit.rotate_months),
        shortest_password: settings.directory.shortest_password,
        initial_only_to_change: settings.directory.initial_only_to_change,
        password_needs_order: settings.directory.password_needs_order,
        acknowledgement_required: settings.directory.acknowledgement_required,
        order_lifetime: jiff::SignedDuration::try_from(settings.directory.order_lifetime.0)
            .unwrap_or(jiff::SignedDuration::MAX),
        capacity: settings.capacity.options(),
        default_quota: settings.directory.default_quota.map(|size| size.0),
        screening: settings.screens(),
        scanning: scanning(site, &settings),
        isolation: settings.isolation.enabled,
        return_paths: site.signs_return_paths(),
        null_sender_transactions: settings.null_sender_transactions(),
        smtp_connections: settings.smtp_connections(),
        expire_after: settings.expire_after(),
        listening: listening(&settings),
        probe: site.probed.lock().clone().map(|last| Probe {
            at: last.at,
            listeners: last.listeners,
            failed: last.failed,
            could_not_tell: last.could_not_tell,
            unreached: last.unreached,
        }),
        probed_daily: settings.probe.daily.0.is_some(),
        disk: disk(&site.path, &settings),
        readable_by_others: readable.unwrap_or_default(),
        traffic: Some(traffic::options(site)),
        feeds: vulnerabilities::watched(site),
        terms: settings.checks.terms(),
        analysis: settings.audit.analysis.thresholds(),
        clock_behind: u64::try_from(site.store.clock_behind().as_secs()).unwrap_or_default(),
    }
}

/// Services that the settings have, of those that a probe can look at; each once.
fn listening(settings: &Settings) -> Vec<String> {
    let services = settings.services().into_iter().map(|(service, _)| service);
    let mut names: Vec<String> = services
        .filter(|service| own::spoken(*service).is_some())
        .map(|service| service.name().to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn scanning(site: &Site, settings: &Settings) -> Scanning {
    let scanners = site.scanners();
    let keys = &settings.screening.malware;
    let policy = keys.policy();
    let state = site.scanning.lock();
    let age = state
        .definitions
        .as_ref()
        .map(|definitions| definitions.age(site.world.now()));
    Scanning {
        scanners: names(&scanners),
        down: state.down.clone(),
        has_definitions: scanners.clamd.is_some(),
        definitions_age: age.flatten(),
        definitions_old: age.is_some_and(|age| policy.is_old(age)),
        puts_off: keys.puts_off(),
        append: keys.append,
        canary_daily: keys.canary().is_some(),
        canary_elsewhere: canary::elsewhere(settings).is_some(),
        canary: state.canary.as_ref().map(|outcome| Canary {
            at: outcome.at(),
            caught: outcome.is_caught(),
            told: outcome.is_told(),
            words: outcome.words(),
        }),
    }
}

fn names(scanners: &Scanners) -> Vec<String> {
    let mut names = Vec::new();
    if scanners.clamd.is_some() {
        names.push("clamd".to_owned());
    }
    if scanners.workers.is_some() {
        names.push("inspection".to_owned());
    }
    if scanners.yara.is_some() {
        names.push("yara".to_owned());
    }
    names
}

fn disk(path: &Path, settings: &Settings) -> Option<Disk> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(Disk {
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        size: disk.f_blocks.saturating_mul(disk.f_frsize),
        reserve: settings.store.reserve.0,
    })
}

/// Files of the trail that others may read: those that are there, and open to others along the whole way to them.
fn readable_by_others(site: &Path) -> Vec<String> {
    let open = |path: &Path, bits: u32| {
        let mode = std::fs::metadata(path).map(|found| found.mode());
        mode.is_ok_and(|mode| mode & bits != 0)
    };
    // A directory that others may not enter keeps them from all that is in it.
    if !open(site, 0o011) {
        return Vec::new();
    }
    let open = TRAIL
        .into_iter()
        .filter(|name| open(&site.join(name), READ_BY_OTHERS));
    open.map(str::to_owned).collect()
}
