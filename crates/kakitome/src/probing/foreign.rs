//! A server that need not be ours, probed by the command line itself: no site and no running server is needed.

use std::io::{self, IsTerminal as _};

use indicatif::ProgressBar;
use miette::{IntoDiagnostic as _, Result, miette};
use probe::{Check, Finding, Language, Plan, Protocol, Report, Show, Tls, Verdict, checks};
use serde_json::{Value, json};
use world::World;

use crate::{cli::ProbeArgs, control::CallError, settings, tell};

/// `probe HOST` and `probe --list`. An error when something fails.
pub(crate) async fn run(words: &ProbeArgs, json: bool) -> Result<()> {
    if words.list {
        return list(words, json);
    }
    let plan = plan(words).map_err(CallError::Usage)?;
    let world = World::system();
    let bar = (!json && io::stderr().is_terminal()).then(|| ProgressBar::new(0));
    let probed = probe::run(&plan, &world, |progress| {
        if let Some(bar) = &bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
        }
    });
    let probed = probed.await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let report = probed.into_diagnostic()?;
    show(&plan, &report, words, json)?;
    match report.count(Verdict::Fail) {
        0 => Ok(()),
        1 => Err(miette!("1 check failed")),
        failed => Err(miette!("{failed} checks failed")),
    }
}

fn show(plan: &Plan, report: &Report, words: &ProbeArgs, json: bool) -> Result<()> {
    if !json {
        return tell(&report.page(Show {
            language: language(words),
            all_dialogues: words.verbose,
        }));
    }
    let rows: Result<Vec<String>> = report
        .findings
        .iter()
        .map(|one| row(plan, report, one))
        .collect();
    tell(&rows?)
}

/// A finding with the server that it is of.
fn row(plan: &Plan, report: &Report, finding: &Finding) -> Result<String> {
    let mut row = json!({
        "host": plan.host,
        "port": plan.port,
        "address": report.address.ip(),
        "protocol": report.protocol.as_str(),
    });
    let finding = serde_json::to_value(finding).into_diagnostic()?;
    if let (Value::Object(row), Value::Object(finding)) = (&mut row, finding) {
        row.extend(finding);
    }
    Ok(row.to_string())
}

fn language(words: &ProbeArgs) -> Language {
    match words.lang.as_str() {
        "ja" => Language::Japanese,
        _ => Language::English,
    }
}

fn list(words: &ProbeArgs, json: bool) -> Result<()> {
    let wanted = |check: &&Check| words.only.is_empty() || words.only.contains(&check.family);
    let lines: Vec<String> = checks()
        .filter(wanted)
        .map(|check| {
            let protocols: Vec<&str> = check.protocols.iter().map(|one| one.as_str()).collect();
            match (json, language(words)) {
                (true, _) => json!({
                    "check": check.id, "title": check.english, "title_ja": check.japanese, "clause": check.clause,
                    "protocols": protocols, "before_tls": check.before_tls,
                })
                .to_string(),
                (false, Language::English) => format!("{:28}  {}", check.id, check.english),
                (false, Language::Japanese) => format!("{:28}  {}", check.id, check.japanese),
            }
        })
        .collect();
    tell(&lines)
}

/// The plan that the words mean.
fn plan(words: &ProbeArgs) -> Result<Plan, String> {
    let server = words.server.as_deref().unwrap_or_default();
    let (host, port) = probe::host_and_port(server)?;
    let known = port.and_then(probe::of_port);
    let protocol = match (words.protocol, known, port) {
        (Some(protocol), _, _) => protocol,
        (None, Some((protocol, _)), _) => protocol,
        (None, None, None) => Protocol::Smtp,
        (None, None, Some(port)) => {
            return Err(format!(
                "port {port} does not tell what is spoken there: say it with --protocol"
            ));
        }
    };
    let tls = match known {
        _ if words.tls => Tls::Implicit,
        _ if words.starttls => Tls::StartTls,
        Some((by_port, tls)) if by_port == protocol => tls,
        _ => Tls::AsUsual,
    };
    let mut plan = Plan::new(host, port.unwrap_or(protocol.port(tls)), protocol, tls);
    plan.roots = words.ca.as_deref().map(settings::roots).transpose()?;
    plan.name.clone_from(&words.name);
    plan.domain.clone_from(&words.domain);
    plan.recipient.clone_from(&words.recipient);
    plan.from.clone_from(&words.from);
    plan.outside.clone_from(&words.outside);
    plan.only.clone_from(&words.only);
    plan.deliver = words.deliver;
    plan.logins = words.logins;
    plan.step_time = words.timeout;
    plan.total_time = words.total_time;
    plan.samples = words.samples;
    plan.check()?;
    Ok(plan)
}
