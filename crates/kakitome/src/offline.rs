//! `audit verify --offline`: volumes and bundles of any site, verified with nothing but their directories and the public key.

use std::{fs, path::Path};

use miette::{IntoDiagnostic as _, Result, WrapErr as _, miette};
use serde_json::json;
use trail::{
    bundle,
    note::VerifierKey,
    volume::{Report, verify},
};

use crate::{cli::TrailVerifyArgs, control::CallError, tell};

pub(crate) fn run(words: &TrailVerifyArgs, json: bool) -> Result<()> {
    let Some(key) = &words.key else {
        let words = "name the public key with --key: as it was noted when the site was set up (`audit checkpoint` shows it), \
                     not as the medium has it, which proves nothing";
        return Err(CallError::Usage(words.to_owned()).into());
    };
    let key = key_of(key)?;
    let witness = words.witness.as_deref().map(read).transpose()?;
    // One that was saved of a mail has the mail's line ends.
    let witness = witness.map(|note| note.replace("\r\n", "\n"));
    let witnesses: Vec<String> = witness.into_iter().collect();
    let (mut reports, mut faults, mut compared) = (Vec::new(), 0, 0);
    for directory in &words.offline {
        if bundle::is_bundle(directory) {
            let found = bundle::verify(directory, &key, &witnesses, |_| {}).into_diagnostic()?;
            faults += found.faults.len();
            compared += found.witnesses;
            show_bundle(directory, &found, json)?;
        } else {
            let found = verify(directory, &key, &witnesses, |_| {}).into_diagnostic()?;
            faults += found.faults.len();
            compared += found.witnesses;
            show(directory, &found, json)?;
            reports.push(found);
        }
    }
    reports.sort_by_key(|report| report.manifest.first);
    for (report, next) in reports.iter().zip(reports.iter().skip(1)) {
        if let Some(why) = gap(report, next) {
            faults += 1;
            tell(&[if json {
                json!({ "finding": why }).to_string()
            } else {
                why
            }])?;
        }
    }
    if words.witness.is_some() && compared == 0 {
        faults += 1;
        let why = "the checkpoint that was kept elsewhere ends in none of these: it was compared with nothing";
        tell(&[match json {
            true => json!({ "finding": why }).to_string(),
            false => why.to_owned(),
        }])?;
    }
    match faults {
        0 => Ok(()),
        _ => Err(miette!("{faults} findings: this is not what was written")),
    }
}

/// The key, as it was typed or from a file.
fn key_of(text: &str) -> Result<VerifierKey> {
    match text.parse() {
        Ok(key) => Ok(key),
        Err(_) if Path::new(text).exists() => {
            read(Path::new(text))?.trim().parse().into_diagnostic()
        }
        Err(error) => Err(error).into_diagnostic(),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", path.display()))
}

fn show(directory: &Path, report: &Report, json: bool) -> Result<()> {
    let manifest = &report.manifest;
    if json {
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        let row = json!({
            "path": directory, "log": manifest.origin, "volume": manifest.volume,
            "from": manifest.from, "to": manifest.to, "events": report.events, "erased": report.erased,
            "checkpoints": report.checkpoints, "retain_until": manifest.retain_until, "findings": faults,
        });
        return tell(&[row.to_string()]);
    }
    let mut lines = vec![format!(
        "{}: volume {} of {}, {} to {}: {} events, {} erased, {} checkpoints",
        directory.display(),
        manifest.volume,
        manifest.origin,
        manifest.from,
        manifest.to,
        report.events,
        report.erased,
        report.checkpoints
    )];
    if report.is_whole() {
        lines.push("  is what was written".to_owned());
    }
    lines.extend(report.faults.iter().map(|fault| format!("  {fault}")));
    tell(&lines)
}

fn show_bundle(directory: &Path, report: &bundle::Report, json: bool) -> Result<()> {
    let manifest = &report.manifest;
    if json {
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        let erased: Vec<u64> = manifest.erased.iter().map(|one| one.volume).collect();
        let row = json!({
            "path": directory, "log": manifest.origin, "about": manifest.about, "made": manifest.made,
            "from": manifest.from, "to": manifest.to, "files": manifest.files.len(), "events": report.events,
            "left_out": report.left_out(), "erased_volumes": erased, "checkpoints": report.checkpoints, "findings": faults,
        });
        return tell(&[row.to_string()]);
    }
    let mut lines = vec![format!(
        "{}: bundle of {} ({}), {} to {}, made {}: {} files, {} events, {} checkpoints",
        directory.display(),
        manifest.origin,
        manifest.about,
        manifest.from,
        manifest.to,
        manifest.made,
        manifest.files.len(),
        report.events,
        report.checkpoints
    )];
    if report.left_out() > 0 {
        lines.push(format!(
            "  {} events were left out of it: there were more than was permitted",
            report.left_out()
        ));
    }
    for one in &manifest.erased {
        lines.push(format!(
            "  volume {}, {} events, was erased on an officer's decision: nothing of it can be here",
            one.volume,
            one.last.saturating_sub(one.first)
        ));
    }
    if report.is_whole() {
        lines.push("  is what was written".to_owned());
    }
    lines.extend(report.faults.iter().map(|fault| format!("  {fault}")));
    tell(&lines)
}

/// What does not fit where one volume ends and the next begins.
fn gap(report: &Report, next: &Report) -> Option<String> {
    let (end, begin) = (&report.manifest, &next.manifest);
    if end.last != begin.first {
        return Some(format!(
            "between volume {} and volume {}, the events from place {} to place {} are not here",
            end.volume, begin.volume, end.last, begin.first
        ));
    }
    (end.root != begin.before.root()).then(|| {
        format!(
            "volume {} does not continue the trail that volume {} ends: one of them is of another history",
            begin.volume, end.volume
        )
    })
}
