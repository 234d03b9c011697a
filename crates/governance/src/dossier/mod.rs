//! What an auditor is given: how each clause stands, and the tasks, reports, incidents and events behind it, as data and as [`page`]s that people
//! read. Who writes it into files, with proofs, is the caller.

pub(crate) mod behind;
pub mod page;

use directory::command::{
    CommandError, incident,
    incident::{IncidentKind, IncidentView},
};
use jiff::Timestamp;
use regulation::{Clause, Kind as ClauseKind};
use serde::Serialize;
use store::{Error, Snapshot, event::Filter, sql::Sql};

use crate::{
    check,
    clause::{ClauseDetails, Scene, known, ways},
    facts::Facts,
    report::{ReportText, view as report_view},
    rules::Rules,
    tables::{incident as incident_reports, report as reports, task as tasks},
    task::{TaskDetails, details},
};

pub use behind::{Behind, behind};

/// Tasks, reports and incidents of each sort that a dossier has at most, the newest; what more there is is counted.
pub const MOST_DOCUMENTS: u32 = 10_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// One clause; `None`: all that demand something, and the incidents.
    pub clause: Option<String>,
    /// Not before this.
    pub from: Timestamp,
    /// Before this.
    pub to: Timestamp,
}

/// Clauses with what is behind them.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// The clauses, in the order of the regulation.
    pub clauses: Vec<Clauses>,
    /// Tasks that were open at any time of the period, ascending.
    pub tasks: Vec<TaskDetails>,
    /// Reports that were made in it, ascending.
    pub reports: Vec<ReportText>,
    /// Incidents that were open at any time of it, ascending; none if one clause was asked for.
    pub incidents: Vec<IncidentView>,
    /// Whether there were more tasks, reports or incidents than [`MOST_DOCUMENTS`], so that older ones are not here.
    pub more: bool,
}

/// A clause with what is behind it.
#[derive(Clone, Debug, Serialize)]
pub struct Clauses {
    /// How it stands.
    #[serde(flatten)]
    pub clause: ClauseDetails,
    /// When it was looked at for this.
    pub looked_at: Timestamp,
    /// The numbers of its tasks in the period.
    pub tasks: Vec<i64>,
    /// The numbers of the reports that came of them.
    pub reports: Vec<i64>,
    /// Which events are behind it: see [`behind`].
    #[serde(skip)]
    pub events: Vec<Filter>,
}

/// Gathers what is wanted from one view of the store.
///
/// # Errors
/// [`CommandError::NoSuch`] for a clause that is none; when the store fails.
pub fn gather(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    facts: &Facts,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Dossier, CommandError> {
    let asked: Vec<&Clause> = match &wanted.clause {
        Some(id) => vec![known(rules, id)?],
        None => {
            let all = rules.regulation.clauses();
            all.filter(|clause| clause.kind != ClauseKind::Definition)
                .collect()
        }
    };
    let mut dossier = documents(snapshot, rules, wanted, now)?;
    let scene = Scene::see(snapshot, rules, facts, now)?;
    let mut named = Vec::new();
    for clause in asked {
        let ways = ways(rules, clause);
        let mine = |workflow: &str| ways.contains(&workflow);
        let of_it = dossier.tasks.iter();
        let of_it = of_it.filter(|one| {
            let review = one.facts.get("review").and_then(|name| name.as_str());
            mine(&one.task.workflow) || review.is_some_and(mine)
        });
        let numbers: Vec<i64> = of_it.map(|one| one.task.number).collect();
        let incidents = incidents_of(snapshot, &ways)?;
        let mut of_others = reports_of(snapshot, incidents.as_deref())?;
        of_others.extend(reports_of_cases(snapshot, &ways)?);
        let came = dossier.reports.iter().filter(|one| {
            let task = one.report.task;
            task.is_some_and(|task| numbers.contains(&task))
                || of_others.contains(&one.report.number)
        });
        let came: Vec<i64> = came.map(|one| one.report.number).collect();
        let own = behind::Own {
            from: wanted.from,
            to: Some(wanted.to),
            ways: &ways,
            tasks: &numbers,
            reports: &came,
            incidents: incidents.as_deref(),
        };
        named.extend(numbers.iter().copied());
        dossier.clauses.push(Clauses {
            clause: scene.details(clause),
            looked_at: now,
            events: behind::filters(clause, &own),
            tasks: numbers,
            reports: came,
        });
    }
    if wanted.clause.is_some() {
        dossier.tasks.retain(|one| named.contains(&one.task.number));
        let mine: Vec<i64> = dossier
            .clauses
            .iter()
            .flat_map(|clause| clause.reports.iter().copied())
            .collect();
        dossier
            .reports
            .retain(|one| mine.contains(&one.report.number));
    }
    Ok(dossier)
}

/// The numbers of the incidents of the kinds that a clause rests on; `None`: it rests on none.
pub(crate) fn incidents_of(sql: &mut dyn Sql, ways: &[&str]) -> Result<Option<Vec<i64>>, Error> {
    let kinds: Vec<IncidentKind> = ways
        .iter()
        .flat_map(|way| check::incident_kinds(way))
        .collect();
    match kinds.is_empty() {
        true => Ok(None),
        false => Ok(Some(incident_reports::numbers_of(sql, &kinds)?)),
    }
}

/// The numbers of the reports that were made of incidents.
pub(crate) fn reports_of(sql: &mut dyn Sql, incidents: Option<&[i64]>) -> Result<Vec<i64>, Error> {
    let mut found = Vec::new();
    for incident in incidents.unwrap_or_default() {
        found.extend(incident_reports::of(sql, *incident)?);
    }
    Ok(found)
}

/// The numbers of the reports of cases of vulnerabilities, if a clause rests on what becomes of cases (4.3(3), (5)).
pub(crate) fn reports_of_cases(sql: &mut dyn Sql, ways: &[&str]) -> Result<Vec<i64>, Error> {
    let of_cases = ["vulnerability-case", "verified-update"];
    match ways.iter().any(|way| of_cases.contains(way)) {
        true => reports::of_cases(sql),
        false => Ok(Vec::new()),
    }
}

/// The documents of the period, of whatever clause.
fn documents(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Dossier, CommandError> {
    let most = usize::try_from(MOST_DOCUMENTS).unwrap_or(usize::MAX);
    // Open at any time of the period.
    let within = |from: Timestamp, to: Option<Timestamp>| {
        from < wanted.to && to.is_none_or(|to| to >= wanted.from)
    };
    let mut found = tasks::newest(snapshot, MOST_DOCUMENTS)?;
    let mut more = found.len() >= most;
    found.reverse();
    found.retain(|task| within(task.opened_at, task.closed_at));
    let mut shown = Vec::with_capacity(found.len());
    for task in found {
        shown.push(details(snapshot, rules, task, now)?);
    }
    let mut made = reports::newest(snapshot, MOST_DOCUMENTS)?;
    more |= made.len() >= most;
    made.reverse();
    made.retain(|report| within(report.made_at, Some(report.made_at)));
    let made = made.into_iter().map(|report| ReportText {
        text: report.text.clone(),
        report: report_view(report),
    });
    let made = made.collect();
    let mut incidents = Vec::new();
    if wanted.clause.is_none() {
        incidents = incident::opened_or_open(snapshot, wanted.from, wanted.to)?;
        more |= incidents.len() > most;
        incidents.truncate(most);
        incidents.reverse();
    }
    Ok(Dossier {
        clauses: Vec::new(),
        tasks: shown,
        reports: made,
        incidents,
        more,
    })
}
