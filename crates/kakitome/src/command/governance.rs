//! `clause`, `task`, `report`: how clauses stand, what people owe, and what came of it.

use std::collections::BTreeMap;

use directory::command::Caller;
use governance::{clause, report, task};
use serde_json::json;

use super::{Answer, Failure};
use crate::{
    cli::{ClauseCommand, ReportCommand, TaskCommand},
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
            for clause in wanted {
                answer.item(clause).await?;
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
        ClauseCommand::Evidence { id } => {
            let evidence = clause::evidence(caller, &rules, &facts, &id).await?;
            answer.item(&evidence.clause).await?;
            for task in &evidence.tasks {
                answer.item(&json!({ "task": task })).await?;
            }
            for report in &evidence.reports {
                answer.item(&json!({ "report": report })).await?;
            }
            for event in &evidence.events {
                answer.item(&json!({ "event": event })).await?;
            }
            Ok(())
        }
    }
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
        TaskCommand::Done { number, answers } => {
            let mut given = BTreeMap::new();
            for (key, text) in answers {
                if given.insert(key.clone(), text).is_some() {
                    return Err(Failure::Words(format!("{key} is answered twice")));
                }
            }
            task::done(caller, &rules, number, given).await?
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
