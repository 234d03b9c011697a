//! `runbook`: what is done about an incident of each kind.

use directory::{
    command::{
        Caller, incident,
        runbook::{self, RunbookView},
    },
    runbook::{Part, Words},
};

use super::{Answer, Failure, audit::verify::must_be_absolute};
use crate::{
    cli::{IncidentKind, RunbookCommand},
    files,
};

/// Whoever reads it may pass it on.
const MODE: u32 = 0o640;

pub(super) async fn run(
    caller: &Caller,
    command: RunbookCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        RunbookCommand::List { all: true } => {
            for version in runbook::versions(caller, None).await? {
                answer.item(&version).await?;
            }
            Ok(())
        }
        RunbookCommand::List { all: false } => {
            for view in runbook::list(caller).await? {
                answer.item(&brief(&view)).await?;
            }
            Ok(())
        }
        RunbookCommand::Show {
            kind,
            version,
            lang,
        } => {
            let view = runbook::show(caller, of(kind), version).await?;
            match lang.as_deref() {
                None => answer.row(&view).await,
                Some(lang) => {
                    answer.text(document(&view, lang == "ja")).await;
                    Ok(())
                }
            }
        }
        RunbookCommand::Export { kind, version, to } => {
            to.as_deref().map_or(Ok(()), must_be_absolute)?;
            let view = runbook::show(caller, of(kind), version).await?;
            let Some(to) = to else {
                answer.text(view.text).await;
                return Ok(());
            };
            files::write_new(&to, view.text.as_bytes(), MODE)
                .map_err(|error| Failure::Failed(format!("{}: {error}", to.display())))?;
            answer.row(&brief(&view)).await
        }
    }
}

/// The kind that a word of the command line means.
pub(super) fn of(kind: IncidentKind) -> incident::IncidentKind {
    match kind {
        IncidentKind::Credential => incident::IncidentKind::Credential,
        IncidentKind::MalwareInside => incident::IncidentKind::MalwareInside,
        IncidentKind::MalwareOutside => incident::IncidentKind::MalwareOutside,
        IncidentKind::Backscatter => incident::IncidentKind::Backscatter,
        IncidentKind::SubmissionSurge => incident::IncidentKind::SubmissionSurge,
        IncidentKind::Dos => incident::IncidentKind::Dos,
        IncidentKind::Relay => incident::IncidentKind::Relay,
        IncidentKind::TrailGap => incident::IncidentKind::TrailGap,
        IncidentKind::ClockJump => incident::IncidentKind::ClockJump,
        IncidentKind::Other => incident::IncidentKind::Other,
    }
}

fn brief(view: &RunbookView) -> serde_json::Value {
    let version = view.version.as_ref();
    serde_json::json!({
        "kind": view.kind,
        "title": view.title.en,
        "version": version.map(|version| version.number),
        "source": version.map_or("built-in", |version| version.source.as_str()),
        "since": version.map(|version| version.since),
        "digest": version.map(|version| version.digest.as_str()),
        "steps": view.steps.len(),
    })
}

/// As a page for people.
fn document(view: &RunbookView, ja: bool) -> String {
    let say = |words: &Words| {
        if ja {
            words.ja.clone()
        } else {
            words.en.clone()
        }
    };
    let names = |roles: &[directory::Role]| {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        names.join(", ")
    };
    let word = |in_ja: &'static str, in_en: &'static str| if ja { in_ja } else { in_en };
    let mut lines = vec![
        format!("{} ({})", say(&view.title), view.kind),
        String::new(),
        format!("{}: {}", word("条項", "Clauses"), view.clauses.join(", ")),
        format!("{}: {}", word("責任者", "Officer"), view.officer),
        format!("{}: {}", word("起こせる者", "Opened by"), names(&view.open)),
        format!(
            "{}: {}",
            word("手順なしに置ける時間", "May lie without a step"),
            hours(view.idle_hours, ja)
        ),
    ];
    if let Some(version) = &view.version {
        lines.push(format!(
            "{}: {} ({}, {})",
            word("版", "Version"),
            version.number,
            version.source,
            version.since
        ));
    }
    let levers: Vec<&str> = view.levers.iter().map(|lever| lever.as_str()).collect();
    let closing: Vec<&str> = view.closing.iter().map(|one| one.as_str()).collect();
    for (title, list) in [
        (word("使える措置", "Levers"), levers),
        (word("終了の条件", "Before it is closed"), closing),
    ] {
        if !list.is_empty() {
            lines.push(format!("{title}: {}", list.join(", ")));
        }
    }
    for (at, step) in view.steps.iter().enumerate() {
        let who = match step.server {
            Part::Does => word("サーバ", "the server").to_owned(),
            Part::Checks | Part::None => names(&step.roles),
        };
        lines.push(String::new());
        lines.push(format!("{}. {} ({who})", at.saturating_add(1), step.key));
        lines.push(format!("   {}", say(&step.text)));
        if step.only_identifier {
            let words = word(
                "識別コードに関する場合のみ",
                "only if it is about an identifier",
            );
            lines.push(format!("   {words}"));
        }
        if !step.after.is_empty() {
            let words = word("先に行う手順", "after");
            lines.push(format!("   {words}: {}", step.after.join(", ")));
        }
        if let Some(time) = step.within {
            let words = word("期限", "within");
            lines.push(format!("   {words}: {}", hours(time.as_hours(), ja)));
        }
        if step.note {
            lines.push(format!("   {}", word("--note が必要", "needs --note")));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn hours(hours: i64, ja: bool) -> String {
    match (hours % 24, ja) {
        (0, true) => format!("{} 日", hours / 24),
        (0, false) => format!("{} days", hours / 24),
        (_, true) => format!("{hours} 時間"),
        (_, false) => format!("{hours} hours"),
    }
}
