//! The site's own listeners, probed as a stranger would (clauses 4.3(6), 5.1(1), 6.1(1)): nothing is delivered, since messages go to an
//! address at which they are thrown away, and nobody's login fails. Each run is an event.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use directory::{
    Resolution,
    alarm::Alarm,
    command::incident::{self, IncidentKind},
};
use message::address::{Address, Domain};
use probe::{Family, Plan, Protocol, Report, Tls, Verdict};
use serde_json::json;
use trail::{By, Kind, Outcome};
use world::Timestamp;

use crate::{
    incidents::{self, When},
    settings::{Role, Service},
    site::Site,
};

/// Ids of checks in one event; all listeners together have fewer.
const MOST_IDS: usize = 500;

/// How the last run ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Last {
    /// When.
    pub(crate) at: Timestamp,
    /// The listeners that were probed, or could not be.
    pub(crate) listeners: Vec<String>,
    /// What failed: listener and check.
    pub(crate) failed: Vec<String>,
    /// What came to no end that says anything, in the same form.
    pub(crate) could_not_tell: Vec<String>,
    /// Listeners that could not be probed.
    pub(crate) unreached: Vec<String>,
}

/// Why the listeners were not probed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    /// Another run.
    #[error("the listeners are being probed already")]
    Busy,
    /// The settings.
    #[error("[probe] in kakitome.toml: {0}")]
    Settings(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What was found at one listener.
pub(crate) struct Probed {
    /// The service; where it listens on several addresses, with which: `smtp@192.0.2.7:25`.
    pub(crate) service: String,
    /// What was found, or why nothing could be.
    pub(crate) report: Result<Report, String>,
}

/// What a run hears: which listener, and how far it is there.
pub(crate) type Tell<'t> = &'t (dyn Fn(&str, u64, u64) + Sync);

/// Probes every listener that is for mail, and records what was found.
pub(crate) async fn run(
    site: &Site,
    by: &By,
    only: &[Family],
    tell: Tell<'_>,
) -> Result<Vec<Probed>, OwnError> {
    let _alone = site.probing.try_lock().map_err(|_| OwnError::Busy)?;
    let mut all = Vec::new();
    // So that the trail tells the probe's attempts to relay from others'.
    let mark = format!(
        "relay-probe-{:016x}",
        u64::from_le_bytes(site.world.bytes())
    );
    let (plans, _sink) = plans(site, only, &mark).await?;
    let begun = by.event(Kind::ProbeBegun).detail("mark", mark);
    site.record(begun).await?;
    for (service, plan) in plans {
        let report = probe::run(&plan, &site.world, |progress| {
            tell(&service, progress.done as u64, progress.total as u64);
        });
        let report = report.await.map_err(|error| error.to_string());
        all.push(Probed { service, report });
    }
    record(site, by, only, &all).await?;
    Ok(all)
}

/// Each listener's name with its plan, and what takes the messages that are sent, until it is dropped.
type Plans = (Vec<(String, Plan)>, Option<transfer::Sink>);

/// One plan for each address that a service listens on: one may be guarded, and another not.
async fn plans(site: &Site, only: &[Family], mark: &str) -> Result<Plans, OwnError> {
    let settings = site.settings();
    let roots = settings
        .probe
        .roots(&site.path)
        .map_err(OwnError::Settings)?;
    let domain = settings
        .domains
        .first()
        .map(|keys| keys.name.get_ref().clone());
    let sink = sink(site, domain.as_deref());
    // Without one that is taken, refusals could be this client's alone.
    let recipient = known_address(site, domain.as_deref()).await?;
    let thrown_away = sink.as_ref().map(|(address, _)| address.to_string());
    let recipient = recipient.or(thrown_away);
    let mut plans: Vec<(String, Plan)> = Vec::new();
    let listeners = site.listeners();
    for (service, address) in listeners.iter().copied() {
        let Some((protocol, tls)) = spoken(service) else {
            continue;
        };
        let to = reachable(address);
        let mut plan = Plan::new(to.ip().to_string(), to.port(), protocol, tls);
        plan.name = Some(settings.server.hostname.get_ref().clone());
        plan.roots.clone_from(&roots);
        plan.domain.clone_from(&domain);
        plan.recipient.clone_from(&recipient);
        plan.outside = format!("{mark}@{}", outside(domain.as_deref()));
        plan.only = only.to_vec();
        if let Some((address, _)) = &sink {
            plan.deliver = true;
            plan.deliver_to = Some(address.to_string());
        }
        let name = name(service, address, &listeners);
        plans.push((name, plan));
    }
    Ok((plans, sink.map(|(_, sink)| sink)))
}

/// An address that messages of the probe are sent to and thrown away at; `None`: this site takes no mail from strangers.
fn sink(site: &Site, domain: Option<&str>) -> Option<(Address, transfer::Sink)> {
    if !site.settings().has(Role::Exchange) {
        return None;
    }
    let domain = Domain::parse(domain?).ok()?;
    let chance: [u8; 16] = site.world.bytes();
    let name: String = chance.iter().map(|octet| format!("{octet:02x}")).collect();
    let address = Address::new(&format!("probe-{name}"), domain).ok()?;
    let sink = site.transfer.throw_away_at(address.clone());
    Some((address, sink))
}

/// A domain that is not the site's (RFC 2606, section 3).
fn outside(own: Option<&str>) -> &'static str {
    match own.is_some_and(|own| own.eq_ignore_ascii_case("example.com")) {
        true => "example.net",
        false => "example.com",
    }
}

pub(crate) fn spoken(service: Service) -> Option<(Protocol, Tls)> {
    Some(match service {
        Service::Smtp => (Protocol::Smtp, Tls::AsUsual),
        Service::Submission => (Protocol::Submission, Tls::AsUsual),
        Service::Submissions => (Protocol::Submission, Tls::Implicit),
        Service::Imap => (Protocol::Imap, Tls::AsUsual),
        Service::Imaps => (Protocol::Imap, Tls::Implicit),
        Service::Pop3 => (Protocol::Pop3, Tls::AsUsual),
        Service::Pop3s => (Protocol::Pop3, Tls::Implicit),
        Service::Https | Service::Metrics => return None,
    })
}

/// What a listener is called: by its service, and by its address where that has several.
fn name(service: Service, address: SocketAddr, all: &[(Service, SocketAddr)]) -> String {
    let alike = all.iter().filter(|(other, _)| *other == service);
    match alike.count() > 1 {
        true => format!("{}@{address}", service.name()),
        false => service.name().to_owned(),
    }
}

/// What listens on every address answers on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// An address that mail is taken for: the postmaster's, where somebody has it.
async fn known_address(site: &Site, domain: Option<&str>) -> Result<Option<String>, store::Error> {
    let domain = domain.and_then(|domain| Domain::parse(domain).ok());
    let Some(postmaster) = domain.and_then(|domain| Address::new("postmaster", domain).ok()) else {
        return Ok(None);
    };
    let found = site.directory.resolve(&postmaster, 0).await?;
    Ok(matches!(found, Resolution::Local(_)).then(|| postmaster.to_string()))
}

/// Who gets in is no matter of taste: an incident is opened when a check of that failed (clauses 5.1(1), 6.1(1)).
fn alarm(site: &Site, failed: &[String], unreached: &[String]) -> Option<Alarm> {
    let doors = incident::doors(failed);
    let first = doors.first()?;
    Some(Alarm {
        kind: IncidentKind::Relay,
        reason: format!(
            "the own probe failed in {} checks, the first is {first}",
            doors.len()
        ),
        facts: json!({ "failed": doors, "unreached": unreached }),
        since: site.store.now(),
    })
}

/// Writes the run down, and keeps its end for `status` and for the metrics.
async fn record(site: &Site, by: &By, only: &[Family], all: &[Probed]) -> Result<(), store::Error> {
    let with = |wanted: Verdict| -> Vec<String> {
        let reports = all
            .iter()
            .filter_map(|probed| Some((probed.service.as_str(), probed.report.as_ref().ok()?)));
        let ids = reports.flat_map(|(service, report)| {
            let ended = report
                .findings
                .iter()
                .filter(move |one| one.verdict == wanted);
            ended.map(move |one| format!("{service} {}", one.check))
        });
        ids.take(MOST_IDS).collect()
    };
    let count = |verdict| -> usize {
        let reports = all.iter().filter_map(|probed| probed.report.as_ref().ok());
        reports.map(|report| report.count(verdict)).sum()
    };
    let unreached: Vec<String> = all
        .iter()
        .filter_map(|probed| {
            let why = probed.report.as_ref().err()?;
            Some(format!("{}: {why}", probed.service))
        })
        .collect();
    let listeners: Vec<String> = all.iter().map(|probed| probed.service.clone()).collect();
    let failed = with(Verdict::Fail);
    let could_not_tell = with(Verdict::CouldNotTell);
    let mut event = by
        .event(Kind::ProbeDone)
        .outcome(match failed.is_empty() && unreached.is_empty() {
            true => Outcome::Success,
            false => Outcome::Failure,
        })
        .detail("listeners", listeners.clone())
        .detail("passed", count(Verdict::Pass))
        .detail("failed", failed.clone())
        .detail("warned", with(Verdict::Warn))
        .detail("could-not-tell", could_not_tell.clone())
        .detail("unreached", unreached.clone());
    if !only.is_empty() {
        let names: Vec<&str> = only.iter().map(|family| family.as_str()).collect();
        event = event.detail("only", json!(names));
    }
    let alarm = alarm(site, &failed, &unreached).map(|alarm| (alarm, When::NoneOpen));
    incidents::record(site, event, alarm).await?;
    if !only.is_empty() {
        // It says nothing of what failed elsewhere.
        return Ok(());
    }
    for verdict in Verdict::ALL {
        let value = u32::try_from(count(verdict)).unwrap_or(u32::MAX);
        metrics::gauge!("kakitome_probe_checks", "verdict" => verdict.as_str()).set(value);
    }
    let unreached_count = u32::try_from(unreached.len()).unwrap_or(u32::MAX);
    metrics::gauge!("kakitome_probe_unreached_listeners").set(unreached_count);
    let at = site.world.now();
    metrics::gauge!("kakitome_probe_time_seconds").set(at.as_duration().as_secs_f64());
    *site.probed.lock() = Some(Last {
        at,
        listeners,
        failed,
        could_not_tell,
        unreached,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_a_service_with_several_addresses_each_is_named() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let all = [
            (Service::Smtp, at("192.0.2.7:25")),
            (Service::Smtp, at("[2001:db8::7]:25")),
            (Service::Imaps, at("192.0.2.7:993")),
        ];
        let names = all.map(|(service, address)| name(service, address, &all));
        assert_eq!(
            names,
            ["smtp@192.0.2.7:25", "smtp@[2001:db8::7]:25", "imaps"]
        );
    }

    #[test]
    fn what_listens_everywhere_is_reached_on_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:25", "127.0.0.1:25"),
            ("[::]:993", "[::1]:993"),
            ("192.0.2.7:587", "192.0.2.7:587"),
        ] {
            assert_eq!(
                reachable(listens.parse().unwrap()),
                reached.parse().unwrap()
            );
        }
    }
}
