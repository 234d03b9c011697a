//! `clause`, `task`, `report`: how clauses stand, what people owe, and what came of it.

use std::{collections::BTreeMap, path::PathBuf};

use directory::{Role, command::Caller};
use governance::{clause, fault::Named, report, task};
use jiff::civil::Date;
use serde_json::{Value, json};
use trail::Outcome;
use world::Timestamp;

use super::{Answer, Failure, audit::bundle};
use crate::{
    cli::{BundleSpan, ClauseCommand, ReportCommand, TaskCommand},
    governing,
    site::Site,
};

pub(super) async fn clauses(
    site: &Site,
    caller: &Caller,
    command: ClauseCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let (rules, facts) = (site.rules(), governing::gather(site).await);
    match command {
        ClauseCommand::List { state } => {
            let clauses = clause::list(caller, &rules, &facts).await?;
            let wanted = clauses
                .iter()
                .filter(|clause| state.is_none_or(|state| clause.state == state));
            // Why is told by `show`: a list is to fit on a screen.
            for clause in wanted {
                let row = json!({
                    "id": clause.id,
                    "state": clause.state,
                    "since": clause.since,
                    "last_evidence": clause.last_evidence,
                    "next_due": clause.next_due,
                    "title_ja": clause.title_ja,
                    "title": clause.title,
                });
                answer.item(&row).await?;
            }
            Ok(())
        }
        ClauseCommand::Show { id } => {
            answer
                .row(&clause::show(caller, &rules, &facts, &id).await?)
                .await
        }
        ClauseCommand::Check { id } => {
            answer
                .row(&clause::check(caller, &rules, &facts, &id).await?)
                .await
        }
        ClauseCommand::Evidence {
            id,
            to: Some(to),
            span,
        } => bundled(site, caller, (id, to), &span, answer).await,
        ClauseCommand::Evidence { id, to: None, .. } => {
            let evidence = clause::evidence(caller, &rules, &facts, &id).await?;
            for way in &evidence.clause.ways {
                let row =
                    evidence_row("standing", &way.by, way.since, way.state.as_str(), &way.why);
                answer.item(&row).await?;
            }
            for task in &evidence.tasks {
                let at = task.closed_at.or(Some(task.opened_at));
                let (number, of) = (task.number.to_string(), &task.period);
                let row = evidence_row(
                    "task",
                    &number,
                    at,
                    task.state,
                    &format!("{} {of}", task.workflow),
                );
                answer.item(&row).await?;
            }
            for report in &evidence.reports {
                let state = match report.acknowledged_at {
                    Some(_) => "acknowledged",
                    None => "waits",
                };
                let number = report.number.to_string();
                let row = evidence_row(
                    "report",
                    &number,
                    Some(report.made_at),
                    state,
                    &report.title,
                );
                answer.item(&row).await?;
            }
            for one in &evidence.events {
                let event = &one.event;
                let state = event.detail.get("state").and_then(|state| state.as_str());
                let state = state.unwrap_or(event.outcome.as_str());
                let about = format!("{} {}", event.kind.as_str(), event.subject);
                let row = evidence_row(
                    "event",
                    &one.id.to_string(),
                    Some(one.at),
                    state,
                    about.trim(),
                );
                answer.item(&row).await?;
            }
            if evidence.left_out > 0 {
                let left = evidence.left_out;
                answer
                    .note(format!("{left} earlier events are not shown: `clause evidence {id} --to DIRECTORY` writes all of them, with proofs."))
                    .await;
            }
            Ok(())
        }
    }
}

/// Writes what is behind a clause into a directory, with proofs.
async fn bundled(
    site: &Site,
    caller: &Caller,
    (id, to): (String, PathBuf),
    span: &BundleSpan,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let words = format!("clause evidence {id} --to {}", to.display());
    let permitted = caller.permit(&words, clause::MAY_SEE_EVENTS, |me| async { Ok(me) });
    let caller = permitted.await?;
    let order = bundle::Order {
        clause: Some(id),
        to,
        by: caller.by(),
        given: Some(caller.given(&words)),
    };
    let made = bundle::make(site, order, span, answer).await;
    if let Err(error) = &made {
        let outcome = match error {
            Failure::Failed(_) => Outcome::Failure,
            _ => Outcome::Refused,
        };
        let event = caller.given(&words).outcome(outcome);
        site.record(event.detail("reason", error.to_string()))
            .await?;
    }
    made
}

/// One thing behind a clause. What an event holds is told by `audit search`, and that it is in the trail by `audit prove ID`.
fn evidence_row(what: &str, id: &str, at: Option<Timestamp>, state: &str, about: &str) -> Value {
    json!({ "what": what, "id": id, "at": at, "state": state, "about": about })
}

pub(super) async fn tasks(
    site: &Site,
    caller: &Caller,
    command: TaskCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let rules = site.rules();
    let after = match command {
        TaskCommand::List { role, due, all } => {
            let which = task::Which {
                role,
                late: due,
                closed: all,
            };
            for task in task::list(caller, &rules, which).await? {
                answer.item(&task).await?;
            }
            return Ok(());
        }
        TaskCommand::Show { number } => {
            return answer.row(&task::show(caller, &rules, number).await?).await;
        }
        TaskCommand::Done {
            number,
            answers,
            faults,
            due,
            role,
        } => {
            let mut given = BTreeMap::new();
            for (key, text) in answers {
                if given.insert(key.clone(), text).is_some() {
                    return Err(Failure::Words(format!("{key} is answered twice")));
                }
            }
            let faults = named(faults, &due, &role)?;
            task::done(caller, &rules, number, given, faults).await?
        }
        TaskCommand::Approve { number } => task::approve(caller, &rules, number).await?,
        TaskCommand::Reject { number, reason } => {
            task::reject(caller, &rules, number, &reason).await?
        }
    };
    // Those who approve, or who are reported to, hear of it soon.
    site.look_at_clauses.notify_one();
    answer.row(&after).await
}

/// Each fault with its day and its role.
fn named(faults: Vec<String>, due: &[Date], roles: &[Role]) -> Result<Vec<Named>, Failure> {
    if faults.len() != due.len() {
        return Err(Failure::Words(format!(
            "{} faults and {} days: each --fault has a --due",
            faults.len(),
            due.len()
        )));
    }
    if roles.len() > 1 && roles.len() != faults.len() {
        return Err(Failure::Words(format!(
            "{} faults and {} roles: one --role is for all faults, several are for one each",
            faults.len(),
            roles.len()
        )));
    }
    let dated = faults.into_iter().zip(due).enumerate();
    let named = dated.map(|(index, (fault, due))| Named {
        fault,
        due: *due,
        role: roles.get(index).or_else(|| roles.first()).copied(),
    });
    Ok(named.collect())
}

pub(super) async fn reports(
    caller: &Caller,
    command: ReportCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        ReportCommand::List => {
            for report in report::list(caller).await? {
                answer.item(&report).await?;
            }
            Ok(())
        }
        ReportCommand::Show { number } => answer.row(&report::show(caller, number).await?).await,
        ReportCommand::Acknowledge { number } => {
            answer
                .row(&report::acknowledge(caller, number).await?)
                .await
        }
    }
}
