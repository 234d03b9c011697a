//! `probe --own`: the site probes its own listeners, on the word of somebody who answers for them.

use directory::{Person, Role};
use probe::{Finding, Verdict};
use serde_json::{Value, json};

use super::{Answer, Failure, need};
use crate::{
    cli::ProbeArgs,
    probing::own::{self, OwnError, Probed},
    site::Site,
};

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    words: &ProbeArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    if !words.own {
        let only = "the command line probes other servers by itself, without the site";
        return Err(Failure::Words(only.to_owned()));
    }
    need(
        caller,
        &[
            Role::Administrator,
            Role::SystemOfficer,
            Role::SecurityOfficer,
        ],
    )?;
    let ran = {
        let telling: &Answer = answer;
        let tell = |what: &str, done: u64, total: u64| telling.progress(what, done, Some(total));
        own::run(site, &caller.by(), &words.only, &tell).await
    };
    let all = ran.map_err(|error| match error {
        OwnError::Busy => Failure::Refused(error.to_string()),
        OwnError::Store(error) => error.into(),
        OwnError::Settings(_) => Failure::Failed(error.to_string()),
    })?;
    let mut failed = 0_usize;
    for probed in &all {
        failed = failed.saturating_add(show(probed, words, answer).await?);
    }
    match failed {
        0 => {
            answer
                .note("Nothing fails. --verbose shows what passed, with the dialogues.")
                .await;
            Ok(())
        }
        1 => Err(Failure::Failed("1 check failed".to_owned())),
        failed => Err(Failure::Failed(format!("{failed} checks failed"))),
    }
}

/// Shows what was found at one listener; how much of it failed.
async fn show(probed: &Probed, words: &ProbeArgs, answer: &mut Answer) -> Result<usize, Failure> {
    let report = match &probed.report {
        Ok(report) => report,
        Err(why) => {
            let row = json!({ "listener": probed.service, "check": "reached", "verdict": Verdict::Fail, "reason": why });
            answer.item(&row).await?;
            return Ok(1);
        }
    };
    let wanted = |one: &&Finding| words.verbose || one.verdict != Verdict::Pass;
    for finding in report.findings.iter().filter(wanted) {
        let title = match words.lang.as_str() {
            "ja" => finding.title_ja,
            _ => finding.title,
        };
        let mut row = json!({
            "listener": probed.service,
            "check": finding.check,
            "verdict": finding.verdict,
            "title": title,
            "reason": finding.reason,
            "clause": finding.clause,
        });
        if words.verbose {
            row["dialogue"] = serde_json::to_value(&finding.dialogue).unwrap_or(Value::Null);
        }
        answer.item(&row).await?;
    }
    Ok(report.count(Verdict::Fail))
}
