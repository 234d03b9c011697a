//! `runbook list | show | export`: what is done about an incident of each kind. For any officer.

use serde::Serialize;
use store::Snapshot;

use super::{Caller, CommandError, incident::IncidentKind};
use crate::{
    Role,
    runbook::{self, About, Condition, Lever, Runbook, StepRule, Version, Words},
};

/// A runbook, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct RunbookView {
    /// The kind of incident.
    pub kind: &'static str,
    /// What it is called.
    pub title: Words,
    /// Which version of it; `None`: none was kept yet, and it is the program's.
    pub version: Option<Version>,
    /// Whether it is in force.
    pub in_force: bool,
    /// The clauses that demand it.
    pub clauses: Vec<String>,
    /// Whose officer reads the report, acknowledges and closes.
    pub officer: Role,
    /// Who may open one by hand.
    pub open: Vec<Role>,
    /// What it is about.
    pub about: About,
    /// Hours that one may lie without a step.
    pub idle_hours: i64,
    /// What can be done from it.
    pub levers: Vec<Lever>,
    /// What the server looks at before it can be closed.
    pub closing: Vec<Condition>,
    /// The steps.
    pub steps: Vec<StepRule>,
    /// The file.
    #[serde(skip)]
    pub text: String,
}

/// Those in force, one of each kind.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<RunbookView>, CommandError> {
    let look = caller.look("runbook list", &Role::OFFICERS, |snapshot, _| {
        let kinds = IncidentKind::ALL.into_iter();
        kinds.map(|kind| of_kind(snapshot, kind, None)).collect()
    });
    look.await
}

/// All versions that came into force, of one kind or of all, the newest first.
///
/// # Errors
/// [`CommandError`].
pub async fn versions(
    caller: &Caller,
    kind: Option<IncidentKind>,
) -> Result<Vec<Version>, CommandError> {
    let look = caller.look("runbook list --all", &Role::OFFICERS, move |snapshot, _| {
        let mut all = runbook::versions(snapshot)?;
        all.retain(|version| kind.is_none_or(|kind| version.kind == kind.as_str()));
        Ok(all)
    });
    look.await
}

/// The one in force of a kind, or another version of it.
///
/// # Errors
/// [`CommandError`].
pub async fn show(
    caller: &Caller,
    kind: IncidentKind,
    version: Option<i64>,
) -> Result<RunbookView, CommandError> {
    let words = format!("runbook show {}", kind.as_str());
    let look = caller.look(&words, &Role::OFFICERS, move |snapshot, _| {
        of_kind(snapshot, kind, version)
    });
    look.await
}

fn of_kind(
    snapshot: &mut Snapshot<'_>,
    kind: IncidentKind,
    wanted: Option<i64>,
) -> Result<RunbookView, CommandError> {
    let mut all = runbook::versions(snapshot)?;
    all.retain(|version| version.kind == kind.as_str());
    let newest = all.first().map(|version| version.number);
    let Some(wanted) = wanted.or(newest) else {
        let book = runbook::in_force(snapshot, kind)?;
        return Ok(view(&book, None, true));
    };
    let found = all.into_iter().find(|version| version.number == wanted);
    let version = found.ok_or_else(|| CommandError::NoSuch {
        what: "version",
        name: format!("{wanted} of the runbook {}", kind.as_str()),
    })?;
    let book = runbook::parsed(&version)?;
    Ok(view(&book, Some(version), newest == Some(wanted)))
}

fn view(book: &Runbook, version: Option<Version>, in_force: bool) -> RunbookView {
    RunbookView {
        kind: book.kind.as_str(),
        title: book.title.clone(),
        version,
        in_force,
        clauses: book.clauses.clone(),
        officer: book.officer,
        open: book.open.clone(),
        about: book.about,
        idle_hours: book.idle.as_hours(),
        levers: book.levers.clone(),
        closing: book.closing.clone(),
        steps: book.steps.clone(),
        text: book.text.clone(),
    }
}
