//! `check`: would this site work? Settings, certificate, ports and DNS, with what to publish.

mod criteria;
pub(crate) mod dmarc;
mod protection;
pub(crate) mod tls_report;

use std::{net::IpAddr, path::Path};

use malware::Landlocked;
use message::address::{Address, Domain};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;
use transfer::{Answer, HickoryResolver, Resolver};

use crate::{
    settings::{Role, Settings},
    tell, tls,
};

/// What was found, in the order that it is told.
#[derive(Default)]
struct Findings {
    lines: Vec<Finding>,
}

struct Finding {
    level: Level,
    subject: String,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Good,
    Warning,
    Error,
    Publish,
    Note,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Publish => "publish",
            Self::Note => "note",
        }
    }
}

impl Findings {
    fn add(&mut self, level: Level, subject: impl Into<String>, text: impl Into<String>) {
        self.lines.push(Finding {
            level,
            subject: subject.into(),
            text: text.into(),
        });
    }
}

/// Days before the certificate's end that are worth a warning.
const CERTIFICATE_WARNING_DAYS: i64 = 21;

/// Checks the site in `path` and prints what was found. An error when anything is wrong.
pub(crate) async fn run(path: &Path, json: bool) -> Result<()> {
    let settings = Settings::load(path)?;
    let mut found = Findings::default();
    check_rooms(path, &settings, &mut found);
    check_certificate(path, &settings, &mut found);
    check_ports(path, &settings, &mut found);
    check_scanners(path, &settings, &mut found).await;
    check_engines(&settings, &mut found).await;
    criteria::check(&settings, &mut found).await;
    let dns = settings.dns().map_err(|error| miette!("{error}"))?;
    match HickoryResolver::new(&dns) {
        Ok(resolver) => {
            check_dns(path, &resolver, &settings, &mut found).await?;
            check_signing(path, &resolver, &settings, &mut found).await;
        }
        Err(error) => found.add(Level::Error, "dns", error.to_string()),
    }
    print(&found, json)?;
    let errors = found
        .lines
        .iter()
        .filter(|line| line.level == Level::Error)
        .count();
    if errors > 0 {
        return Err(miette!("{errors} errors; what to do stands beside each"));
    }
    Ok(())
}

fn print(found: &Findings, json: bool) -> Result<()> {
    let lines: Vec<String> = found
        .lines
        .iter()
        .map(|line| {
            if json {
                json!({"level": line.level.as_str(), "subject": line.subject, "text": line.text})
                    .to_string()
            } else {
                format!("{:8} {}: {}", line.level.as_str(), line.subject, line.text)
            }
        })
        .collect();
    tell(&lines)
}

/// Whether the rooms can be made of the settings.
fn check_rooms(path: &Path, settings: &Settings, found: &mut Findings) {
    let rooms = settings
        .transfer_settings(path)
        .and_then(|_| settings.retrieval_settings());
    match rooms {
        Ok(_) => found.add(Level::Good, "settings", "kakitome.toml is in order"),
        Err(error) => found.add(Level::Error, "settings", error),
    }
}

/// Whether the scanners answer, and how old what they know is (clause 5.2(3)).
async fn check_scanners(path: &Path, settings: &Settings, found: &mut Findings) {
    let scanners = match settings.scanners(path) {
        Ok(scanners) => scanners,
        Err(error) => return found.add(Level::Error, "scanners", error),
    };
    if let Some(yara) = &scanners.yara {
        check_rules(yara, found).await;
    }
    let (definitions, troubles) = scanners.probe().await;
    for trouble in &troubles {
        let text = format!("{} cannot be used: {}", trouble.scanner, trouble.reason);
        found.add(Level::Error, "scanners", text);
    }
    match &scanners.workers {
        None => found.add(Level::Note, "scanners", "attachments are not looked into"),
        Some(workers) if workers.landlock() == Some(Landlocked::Not) => found.add(
            Level::Warning,
            "scanners",
            "this kernel has no landlock: attachments are looked into behind seccomp and resource limits alone",
        ),
        Some(workers) if workers.landlock().is_some() => {
            found.add(Level::Good, "scanners", "attachments are looked into without rights");
        }
        Some(_) => {}
    }
    if scanners.clamd.is_none() {
        let text =
            "there is no clamd, so known malware is not known here: [screening.malware] clamd";
        found.add(Level::Note, "scanners", text);
    }
    if let Some(definitions) = definitions {
        let age = definitions.age(jiff::Timestamp::now());
        let days = age.map_or_else(
            || "of unknown age".to_owned(),
            |age| format!("{} days old", age / 86_400),
        );
        let level = match settings.screening.malware.policy().is_old(age) {
            true => Level::Error,
            false => Level::Good,
        };
        let text = format!("{} answers; its definitions are {days}", definitions.engine);
        found.add(level, "scanners", text);
    }
}

/// Whether the YARA rules are in order; what is not is told with file, line and column.
async fn check_rules(yara: &malware::Yara, found: &mut Findings) {
    match yara.load(jiff::Timestamp::now()).await {
        malware::Loading::Faulty { faults, .. } => {
            for fault in faults {
                found.add(Level::Error, "yara", fault);
            }
        }
        malware::Loading::Same | malware::Loading::Loaded(_) => {
            let loaded = yara.loaded();
            let count = loaded.as_ref().map_or(0, |loaded| loaded.count());
            let digest = loaded.as_ref().map_or("", |loaded| loaded.set.digest());
            let text = format!("{count} YARA rules are in order: set {digest}");
            found.add(Level::Good, "yara", text);
        }
    }
}

/// Whether programs of others that judge mail can be used (clause 5.3).
async fn check_engines(settings: &Settings, found: &mut Findings) {
    let engines = match settings.engines() {
        Ok(engines) => engines,
        Err(error) => return found.add(Level::Error, "engines", error),
    };
    for (name, reason) in engines.probe().await {
        match reason {
            None => found.add(Level::Good, "engines", format!("{name} answers")),
            Some(reason) => {
                let text = format!("{name} cannot be used: {reason}");
                found.add(Level::Error, "engines", text);
            }
        }
    }
}

fn check_certificate(path: &Path, settings: &Settings, found: &mut Findings) {
    let certificate = path.join(&settings.tls.certificate);
    let identity = match tls::load(&certificate, &path.join(&settings.tls.key)) {
        Ok(identity) => identity,
        Err(error) => return found.add(Level::Error, "certificate", error.to_string()),
    };
    let days = (identity.not_after - jiff::Timestamp::now().as_second()) / 86_400;
    if days < 0 {
        found.add(
            Level::Error,
            "certificate",
            format!("it ended {} days ago: get a new one", -days),
        );
    } else if days < CERTIFICATE_WARNING_DAYS {
        found.add(
            Level::Warning,
            "certificate",
            format!("it ends in {days} days: renew it"),
        );
    } else {
        found.add(
            Level::Good,
            "certificate",
            format!("it is readable and good for {days} days"),
        );
    }
    match tls::describe(&certificate) {
        Ok(facts) => {
            let hostname = settings.server.hostname.get_ref();
            if !facts.names.iter().any(|name| is_for(name, hostname)) {
                let names = facts.names.join(", ");
                found.add(
                    Level::Error,
                    "certificate",
                    format!("it is for {names}, not for {hostname}: mail programs will refuse it"),
                );
            }
            if facts.self_signed {
                found.add(
                    Level::Warning,
                    "certificate",
                    "it is self-signed: mail programs will ask; install one of a public authority",
                );
            }
        }
        Err(error) => found.add(Level::Error, "certificate", error.to_string()),
    }
}

/// Whether a name of a certificate means `host`. A wildcard stands for exactly one label (RFC 9525, section 6.3).
fn is_for(name: &str, host: &str) -> bool {
    let parent = |host: &str| host.split_once('.').map(|(_, parent)| parent.to_owned());
    match name.strip_prefix("*.") {
        Some(wild) => parent(host).is_some_and(|parent| parent.eq_ignore_ascii_case(wild)),
        None => name.eq_ignore_ascii_case(host),
    }
}

fn check_ports(path: &Path, settings: &Settings, found: &mut Findings) {
    if crate::control::is_answered(path) {
        return found.add(Level::Good, "ports", "the site is being served");
    }
    for (service, port) in settings.services() {
        for address in settings.listen.addresses_of(service) {
            let subject = format!("port {port} ({})", service.name());
            match std::net::TcpListener::bind((*address, port)) {
                Ok(_) => found.add(Level::Good, subject, format!("free on {address}")),
                Err(error) => found.add(
                    Level::Error,
                    subject,
                    format!("cannot be had on {address}: {error}"),
                ),
            }
        }
    }
}

async fn check_dns(
    path: &Path,
    resolver: &HickoryResolver,
    settings: &Settings,
    found: &mut Findings,
) -> Result<()> {
    let hostname = Domain::parse(settings.server.hostname.get_ref()).into_diagnostic()?;
    check_host(resolver, &hostname, found).await;
    let reports = settings.dmarc_reports.address();
    let about_tls = settings.tls_reports.address();
    for keys in &settings.domains {
        let domain = Domain::parse(keys.name.get_ref()).into_diagnostic()?;
        if settings.has(Role::Exchange) {
            check_domain(resolver, &hostname, &domain, reports.as_ref(), found).await;
            tls_report::check(resolver, &domain, about_tls.as_ref(), found).await;
            protection::check_sts(path, resolver, settings, &domain, found).await;
        }
    }
    if settings.has(Role::Exchange) {
        protection::check_tlsa(path, resolver, settings, &hostname, found).await;
        protection::check_dnssec(resolver, found).await;
    }
    Ok(())
}

/// Whether the DNS shows the keys that mail is signed with. They are the running server's to tell of.
async fn check_signing(
    path: &Path,
    resolver: &HickoryResolver,
    settings: &Settings,
    found: &mut Findings,
) {
    if settings.signing_rules().is_none() {
        let text = "mail is not signed: [signing] enabled is off";
        return found.add(Level::Note, "DKIM", text);
    }
    if !crate::control::is_answered(path) {
        let text = "keys are made by the server, so their records are told while it runs";
        return found.add(Level::Note, "DKIM", text);
    }
    let keys = match crate::control::ask(path, &["dkim", "list"]) {
        Ok(keys) => keys,
        Err(error) => return found.add(Level::Warning, "DKIM", error.to_string()),
    };
    for key in keys {
        let text = |name: &str| key.get(name).and_then(|value| value.as_str()).unwrap_or("");
        let (name, record, standing) = (text("name"), text("record"), text("standing"));
        if record.is_empty() {
            continue;
        }
        let public = record.rsplit("p=").next().unwrap_or_default();
        let is_shown = match resolver.txt(name).await {
            Answer::Found(texts) => texts
                .iter()
                .any(|text| screening::sign::shows(text, public)),
            _ => false,
        };
        if is_shown {
            let text = format!("{name} is in the DNS; its key is {standing}");
            found.add(Level::Good, "DKIM", text);
            continue;
        }
        let text = match standing {
            "signing" => format!("{name} is not in the DNS: what its key signs cannot be verified"),
            "stopped" => {
                format!("{name} left the DNS while mail that its key signed may be under way")
            }
            _ => format!("{name} is not in the DNS: nothing is signed with its key yet"),
        };
        found.add(Level::Warning, "DKIM", text);
        let strings = crate::signing::strings(record);
        found.add(Level::Publish, "DKIM", format!("{name}. TXT {strings}"));
    }
}

/// A and AAAA of the server's name, and their PTR.
async fn check_host(resolver: &HickoryResolver, hostname: &Domain, found: &mut Findings) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    if let Answer::Found(v4) = resolver.a(hostname).await.answer {
        addresses.extend(v4.into_iter().map(IpAddr::V4));
    }
    if let Answer::Found(v6) = resolver.aaaa(hostname).await.answer {
        addresses.extend(v6.into_iter().map(IpAddr::V6));
    }
    if addresses.is_empty() {
        let text = format!("{hostname} has no address that a name server tells");
        found.add(Level::Error, "A/AAAA", text);
        let record = format!("{hostname}. A <the server's IPv4 address>  and, if it has one, AAAA");
        return found.add(Level::Publish, "A/AAAA", record);
    }
    for address in addresses {
        match resolver.ptr(address).await {
            Answer::Found(names)
                if names
                    .iter()
                    .any(|n| n.eq_ignore_ascii_case(hostname.as_str())) =>
            {
                found.add(Level::Good, "PTR", format!("{address} is {hostname}"));
            }
            Answer::Found(names) => found.add(
                Level::Warning,
                "PTR",
                format!(
                    "{address} is {}, not {hostname}: many servers distrust that",
                    names.join(", ")
                ),
            ),
            _ => found.add(
                Level::Warning,
                "PTR",
                format!(
                    "{address} has no name: ask whoever runs its network for a PTR to {hostname}"
                ),
            ),
        }
    }
}

/// MX, SPF and DMARC of an own domain.
async fn check_domain(
    resolver: &HickoryResolver,
    hostname: &Domain,
    domain: &Domain,
    reports: Option<&Address>,
    found: &mut Findings,
) {
    match resolver.mx(domain).await.answer {
        Answer::Found(records) if records.iter().any(|mx| mx.host.as_ref() == Some(hostname)) => {
            found.add(
                Level::Good,
                "MX",
                format!("{domain} is served by {hostname}"),
            );
        }
        Answer::Temporary(why) => found.add(Level::Error, "MX", why),
        _ => {
            found.add(
                Level::Error,
                "MX",
                format!("{domain} does not name {hostname} as its server"),
            );
            found.add(Level::Publish, "MX", format!("{domain}. MX 10 {hostname}."));
        }
    }
    let spf = resolver.txt(domain.as_str()).await;
    if begins(&spf, "v=spf1") {
        found.add(Level::Good, "SPF", format!("{domain} has a policy"));
    } else {
        found.add(Level::Warning, "SPF", format!("{domain} has no policy"));
        found.add(
            Level::Publish,
            "SPF",
            format!("{domain}. TXT \"v=spf1 mx -all\""),
        );
    }
    dmarc::check(resolver, domain, reports, found).await;
}

fn begins(answer: &Answer<String>, tag: &str) -> bool {
    matches!(answer, Answer::Found(texts) if texts.iter().any(|text| text.starts_with(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_for_one_label() {
        assert!(is_for("*.Example.org", "mail.example.org"));
        assert!(is_for("mail.example.org", "MAIL.example.org"));
        for host in ["example.org", "a.mail.example.org", "mail.example.com"] {
            assert!(!is_for("*.example.org", host), "{host}");
        }
    }
}
