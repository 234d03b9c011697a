//! `status`: what runs, and what needs attention.

use directory::{
    Resolution, Role,
    command::{idle, incident, reading, second_factor, shared},
};
use governance::State;
use malware::{Landlocked, Workers};
use message::address::{Address, Domain};
use serde_json::{Value, json};

use store::tree::{self, Length};
use transfer::signing::{self, records};

use super::{Answer, Failure};
use crate::{
    backups::{self, State as BackupState},
    governing,
    recording::Unordered,
    site::Site,
    traffic, vulnerabilities,
};
use ::traffic::State as Traffic;
use governance::traffic::{Standing, standing};

/// Days before the certificate's end at which `status` asks for attention.
const CERTIFICATE_WARNING_DAYS: i64 = 21;

/// Figures of the service for everybody; what needs attention, and names people and what is about them, for officers alone
/// (clause 7.1(4)).
pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let mut figures = figures(site).await?;
    if Role::OFFICERS.iter().any(|role| caller.has(*role)) {
        let (single_person, attention) = attention(site).await?;
        figures["allow_single_person"] = single_person.into();
        figures["attention"] = attention.into();
    } else {
        answer
            .note("What needs attention is told to those who hold an officer's role.")
            .await;
    }
    answer.row(&figures).await
}

/// What runs, and how much there is of what.
async fn figures(site: &Site) -> Result<Value, Failure> {
    let settings = site.settings();
    let totals = transfer::command::totals(&site.store).await?;
    let listeners: Vec<String> = site
        .listeners()
        .iter()
        .map(|(service, address)| format!("{} {address}", service.name()))
        .collect();
    let (free, size) = disk(site)?;
    let days = certificate_days(site);
    let (quarantined, _) = site
        .store
        .read(|sql| store::quarantine::totals(sql))
        .await?;
    let now = site.world.now();
    let length = site.store.read(move |sql| tree::length(sql, now));
    let length: Result<Length, store::Error> = length.await;
    let length = length?;
    let traffic = standing_now(site).await?;
    let roles: Vec<&str> = settings
        .server
        .roles
        .get_ref()
        .iter()
        .map(|role| role.as_str())
        .collect();
    Ok(json!({
        "hostname": settings.server.hostname.get_ref(),
        "version": env!("CARGO_PKG_VERSION"),
        "roles": roles,
        "started": site.started,
        "listeners": listeners,
        "queue_messages": totals.messages,
        "queue_recipients": totals.recipients,
        "queue_held": totals.held,
        "queue_oldest": totals.oldest,
        "quarantine_messages": quarantined,
        "disk_free_bytes": free,
        "disk_size_bytes": size,
        "certificate_days": days,
        "trail_events": length.events,
        "trail_checkpoint": length.checkpoint.as_ref().map(|signed| signed.at),
        "trail_bytes_a_year": length.octets_a_year,
        "traffic": traffic.state,
        "traffic_since": traffic.since,
        "traffic_known_percent": traffic.known,
    }))
}

/// What needs attention, and whether one person may do what the regulation gives to two.
async fn attention(site: &Site) -> Result<(bool, Vec<String>), Failure> {
    let settings = site.settings();
    let (free, _) = disk(site)?;
    let days = certificate_days(site);
    let mut attention = Vec::new();
    let single_person = site.directory.permits_single_person().await?;
    if single_person {
        attention.push(
            "allow_single_person is on: one person may do what the regulation splits between two (clauses 7.1, 9), \
             until a second person holds an officer's role"
                .to_owned(),
        );
    }
    if let Some(from) = site.directory.alone_again_at().await? {
        attention.push(format!(
            "one officer is left, and another was one within [directory] order_lifetime: one person may do what the regulation splits between two \
             from {} on (allow_single_person)",
            site.local(from, "%Y-%m-%d %H:%M")
        ));
    }
    let officers = site.directory.officers().await?;
    if officers >= 2 && site.directory.holders(Role::SystemOfficer).await? < 2 {
        attention.push(
            "there is one system officer, and nobody else may approve what they order (clauses 7.1, 9): give another officer that role \
             (`person role grant NAME system-officer`)"
                .to_owned(),
        );
    }
    if !settings.directory.acknowledgement_required {
        attention.push(
            "acknowledgement_required is off: accounts are ordered for people of whom it is not on record that they know of the \
             records (clause 9.1(2))"
                .to_owned(),
        );
    }
    if !settings.directory.password_needs_order && officers >= 2 {
        attention.push(
            "password_needs_order is off: an account manager may set anybody's password, or remove a second factor, alone; security officers \
             are told by mail (clause 7.1(4))"
                .to_owned(),
        );
    }
    attention.extend(site.unordered.lock().as_ref().map(Unordered::words));
    attention.extend(super::letter::left_lying(site).await?);
    for keys in &settings.domains {
        let Ok(domain) = Domain::parse(keys.name.get_ref()) else {
            continue;
        };
        let Ok(postmaster) = Address::new("postmaster", domain) else {
            continue;
        };
        if site.directory.resolve(&postmaster, 0).await? == Resolution::Unattended {
            attention.push(format!(
                "mail to {postmaster} is put off, since no account takes it: issue one (RFC 5321, 4.5.1)"
            ));
        }
    }
    let behind = site.store.clock_behind().as_secs();
    if behind > 1 {
        attention.push(format!(
            "the clock is {behind} seconds behind the last event: events keep that time, and nothing that ended comes back (clause 4.2)"
        ));
    }
    if days < CERTIFICATE_WARNING_DAYS {
        attention.push(format!("the certificate ends in {days} days"));
    }
    if free < settings.store.reserve.0.saturating_mul(4) {
        attention.push("the disk is nearly full: mail will be put off (clause 5.4(1))".to_owned());
    }
    signing(site, &mut attention).await?;
    trail(site, free, &mut attention).await?;
    people(site, &mut attention).await?;
    traffic(site, &mut attention).await?;
    scanning(site, &mut attention);
    probed(site, &mut attention);
    clauses(site, &mut attention).await?;
    let standing = vulnerabilities::standing(site).await?;
    vulnerabilities::attention(&standing, &mut attention);
    for standing in site.standings.all() {
        if let Some((why, since)) = &standing.trouble {
            attention.push(format!(
                "the audit trail has not reached {} since {since}: {why} (clause 4.2)",
                standing.name
            ));
        }
    }
    Ok((single_person, attention))
}

/// Octets free and in all where the site is.
fn disk(site: &Site) -> Result<(u64, u64), Failure> {
    let disk = rustix::fs::statvfs(&site.path)
        .map_err(|error| Failure::Failed(format!("cannot measure the disk: {error}")))?;
    Ok((
        disk.f_bavail.saturating_mul(disk.f_frsize),
        disk.f_blocks.saturating_mul(disk.f_frsize),
    ))
}

fn certificate_days(site: &Site) -> i64 {
    (site.identity.load().not_after - site.world.now().as_second()) / 86_400
}

/// Scanners that cannot be used, are old, or missed the canary (clauses 5.2(3), 5.2(4)).
fn scanning(site: &Site, attention: &mut Vec<String>) {
    let (settings, scanners) = (site.settings(), site.scanners());
    let keys = &settings.screening.malware;
    if scanners.workers.is_none() && keys.inspect.is_none() {
        attention.push(
            "attachments are not looked into: kakitome-scanner is not beside this program (clause 5.2(4))".to_owned(),
        );
    }
    if scanners.workers.as_ref().and_then(Workers::landlock) == Some(Landlocked::Not) {
        attention.push(
            "this kernel has no landlock: attachments are looked into behind seccomp and resource limits alone (clause 5.2(4))"
                .to_owned(),
        );
    }
    if let Some(fault) = scanners
        .yara
        .as_ref()
        .and_then(|yara| yara.faults().into_iter().next())
    {
        attention.push(format!(
            "the YARA rules in force are not those of the files, which have a fault: {fault} (clause 5.2)"
        ));
    }
    let scanning = site.scanning.lock();
    for (scanner, (reason, since)) in &scanning.down {
        attention.push(format!(
            "the scanner {scanner} cannot be used since {since}: {reason} (clause 5.2(4))"
        ));
    }
    if let Some(definitions) = &scanning.definitions {
        let age = definitions.age(site.world.now());
        if keys.policy().is_old(age) {
            attention.push(match age {
                Some(age) => format!(
                    "the definitions of clamd are {} days old (clause 5.2(3))",
                    age / 86_400
                ),
                None => "clamd does not say how old its definitions are (clause 5.2(3))".to_owned(),
            });
        }
    }
    if let Some(canary) = scanning
        .canary
        .as_ref()
        .filter(|canary| !canary.is_caught())
    {
        attention.push(format!("{} (clause 5.2(3))", canary.words()));
    }
}

/// What waits for somebody: incidents (clause 4.1), idle identifiers (clause 7.1(3)), accounts of those who left (clause 9.2).
async fn people(site: &Site, attention: &mut Vec<String>) -> Result<(), Failure> {
    let now = site.store.now();
    for found in incident::open_now(&site.directory).await? {
        let about = match (found.identifier.is_empty(), &found.address) {
            (false, _) => &found.identifier,
            (true, Some(address)) => address,
            (true, None) => &found.kind,
        };
        let late: Vec<&str> = found
            .due
            .iter()
            .filter(|due| due.due_at.is_some_and(|at| at < now))
            .map(|due| due.step.as_str())
            .collect();
        attention.push(format!(
            "incident {} ({about}) is open: {}{}",
            found.number,
            match found.missing.is_empty() {
                true => "`incident close` ends it".to_owned(),
                false => format!("missing {}", found.missing.join(", ")),
            },
            match late.is_empty() {
                true => String::new(),
                false => format!("; late: {}", late.join(", ")),
            }
        ));
    }
    let holding = backups::list(site).await?.into_iter();
    let holding: Vec<_> = holding
        .filter(|known| known.state != BackupState::Clean)
        .collect();
    if let Some(first) = holding.first() {
        attention.push(format!(
            "{} backups may hold accounts that were deleted since, or not know of addresses that were given up; the first is {}: `backups list` (clause 7.1(3))",
            holding.len(),
            first.backup.display()
        ));
    }
    for (identifier, review_at) in shared::near(&site.directory).await? {
        attention.push(format!(
            "the decision to share {identifier} is to be reviewed by {review_at}: `order shared` (clause 8.1)"
        ));
    }
    for access in reading::found(&site.directory).await? {
        attention.push(format!(
            "{} reads the mailbox of {} until {}, on order {} (clause 7.1(4))",
            access.person, access.identifier, access.until, access.order
        ));
    }
    let single = second_factor::missing(&site.directory).await?;
    if !single.is_empty() {
        attention.push(format!(
            "{} identifiers of people with roles have no second factor, the first is {}: its holder adds one on the pages (clause 7.1)",
            single.len(),
            single.first().map_or("", String::as_str)
        ));
    }
    let idle = idle::found(&site.directory).await?;
    let left = idle.iter().filter(|idle| idle.person_left).count();
    let unused = idle.iter().filter(|idle| !idle.person_left).count();
    if unused > 0 {
        attention.push(format!(
            "{unused} identifiers lie idle: `account idle` (clause 7.1(3))"
        ));
    }
    if left > 0 {
        attention.push(format!(
            "{left} accounts are of people who have left: each needs an order to delete it (clause 9.2(1))"
        ));
    }
    Ok(())
}

/// What the last probe of the own listeners found (clauses 4.3(6), 5.1(1)).
fn probed(site: &Site, attention: &mut Vec<String>) {
    let Some(last) = site.probed.lock().clone() else {
        return;
    };
    if !last.failed.is_empty() {
        attention.push(format!(
            "{} checks of the own listeners failed at {}: {}; `probe --own` tells why (clauses 4.3(6), 5.1(1))",
            last.failed.len(),
            last.at,
            last.failed.join(", ")
        ));
    }
    if !last.unreached.is_empty() {
        attention.push(format!(
            "listeners could not be probed at {}: {} (clauses 4.3(6), 5.1(1))",
            last.at,
            last.unreached.join(", ")
        ));
    }
}

/// Clauses that are not met or cannot be told, and work that waits.
async fn clauses(site: &Site, attention: &mut Vec<String>) -> Result<(), Failure> {
    let (rules, facts, now) = (
        site.rules(),
        governing::gather(site).await,
        site.world.now(),
    );
    let read = site.store.read(move |snapshot| -> Result<_, store::Error> {
        let states = governance::clause::states(snapshot, &rules, &facts, now)?;
        Ok((states, governance::task::count_open(snapshot, now)?))
    });
    let (states, (open, late)) = read.await?;
    for state in [State::NotMet, State::Unknown] {
        let ids = states.values().filter(|clause| clause.state == state);
        let ids: Vec<&str> = ids.map(|clause| clause.id.as_str()).collect();
        if !ids.is_empty() {
            attention.push(format!(
                "clauses that are {state}: {}; `clause show ID` tells why",
                ids.join(", ")
            ));
        }
    }
    if open > 0 {
        attention.push(format!(
            "{open} tasks are open, {late} of them late: `task list`"
        ));
    }
    Ok(())
}

/// How traffic is (clause 4.4).
async fn standing_now(site: &Site) -> Result<Standing, Failure> {
    let (options, now) = (traffic::options(site), site.store.now());
    let read = move |snapshot: &mut store::Snapshot<'_>| standing(snapshot, &options, now);
    Ok(site.store.read(read).await?)
}

/// What of it needs attention.
async fn traffic(site: &Site, attention: &mut Vec<String>) -> Result<(), Failure> {
    let (found, now) = (standing_now(site).await?, site.store.now());
    let since = found
        .since
        .map_or_else(String::new, |since| since.to_string());
    match found.state {
        Traffic::Alarm => attention.push(format!(
            "traffic differs much from what is usual since {since}, and service suffers: `traffic deviations` (clause 4.4(2))"
        )),
        Traffic::Unusual => attention.push(format!(
            "traffic differs much from what is usual since {since}; service does not suffer: `traffic deviations` (clause 4.4(1))"
        )),
        Traffic::Normal | Traffic::Unknown => {}
    }
    let runs_for = now.duration_since(site.started);
    let is_settled =
        std::time::Duration::try_from(runs_for).is_ok_and(|time| time > traffic::SETTLED);
    if found.is_late && is_settled {
        attention.push(
            "traffic is not counted: no hour was recorded for three hours, and the log says why (clause 4.4(1))"
                .to_owned(),
        );
    }
    Ok(())
}

/// Domains whose mail leaves without a signature.
async fn signing(site: &Site, attention: &mut Vec<String>) -> Result<(), Failure> {
    let Some(rules) = site.settings().signing_rules() else {
        return Ok(());
    };
    let keys = site.store.read(|snapshot| records(snapshot)).await?;
    for domain in rules.domains {
        let mut own = keys.iter().filter(|key| key.domain == domain.as_str());
        if !own.any(|key| key.standing == signing::Standing::Signing) {
            attention.push(format!(
                "mail of {domain} leaves without a DKIM signature until the DNS shows a key: `dkim list` has the records (clause 5.1)"
            ));
        }
    }
    Ok(())
}

/// How long the trail is, and what it needs: room, and what its volumes wait for (clauses 4.2, 8.2).
async fn trail(site: &Site, free: u64, attention: &mut Vec<String>) -> Result<(), Failure> {
    let now = site.world.now();
    let read = site.store.read(move |sql| -> Result<_, store::Error> {
        let mut volumes = Vec::new();
        for volume in tree::volumes(sql)? {
            let due = tree::is_due(sql, &volume, now)?;
            volumes.push((volume, due));
        }
        Ok((tree::length(sql, now)?, volumes, tree::custody(sql, None)?))
    });
    let (length, volumes, custody) = read.await?;
    for (volume, due) in &volumes {
        let number = volume.number;
        if volume.erased.is_none() && custody.iter().all(|noted| noted.volume != number) {
            attention.push(format!(
                "volume {number} of the audit trail is on no medium: `audit export {number}`, and note where it is kept (clauses 4.2(2), 8.2(1)b)"
            ));
        }
        if volume.erased.is_none() && *due {
            attention.push(match &volume.decided {
                None => format!(
                    "volume {number} of the audit trail is due: an officer decides, `audit decide {number}` (clause 4.2(3))"
                ),
                Some(_) => format!(
                    "volume {number} of the audit trail is to be erased: `audit erase-due` (clause 4.2(3))"
                ),
            });
        }
    }
    if length.octets_a_year > free {
        attention.push(format!(
            "the audit trail of a year will take {} MiB at its present rate, and {} MiB are free (clause 4.2(2))",
            length.octets_a_year >> 20,
            free >> 20
        ));
    }
    Ok(())
}
