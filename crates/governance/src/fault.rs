//! Faults that a review found, and the tasks that put them right (clause 4.3(6)).
//!
//! Whoever does a review names what is at fault, until when it is put right and by which role. When the review is closed, each fault
//! becomes a task of its own, which another person approves. Until then it is part of what was said, and goes with it if the review is
//! rejected. A review's clauses are not met while a task of this kind is late.

use std::borrow::Cow;

use directory::{
    Role,
    command::{CommandError, plain_text},
};
use jiff::{Timestamp, civil::Date};
use regulation::Text;
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{Error, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    rules::Rules,
    tables::task::{self as table, Entry},
    workflow::Workflow,
};

/// The workflow of tasks that put a fault right.
pub const CORRECTION: &str = "correction";
/// Faults that one review names at most.
const MOST_FAULTS: usize = 50;
/// Characters of a fault.
const MOST_FAULT: usize = 300;
/// Days until which a fault has to be put right at most.
const MOST_DAYS: i32 = 731;
/// Where the faults stand among the answers. No point of a workflow is called so: a test holds that.
const FAULTS: &str = "faults";
/// Corrections that are looked through for those of one review.
const MOST_LISTED: u32 = 1000;

/// A fault, as whoever does a review names it.
#[derive(Clone, Debug)]
pub struct Named {
    /// What is at fault.
    pub fault: String,
    /// The day by which it is put right.
    pub due: Date,
    /// Who owes that; `None`: the role that owes the review.
    pub role: Option<Role>,
}

/// A task that puts a fault right, as documents tell of it.
#[derive(Clone, Debug, Serialize)]
pub struct Correction {
    /// The task's number.
    pub task: i64,
    /// The review that found the fault: its task.
    pub of: i64,
    /// The workflow of the review.
    pub review: String,
    /// What is at fault.
    pub fault: String,
    /// The role that owes it.
    pub role: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The ids of the clauses that demand the review.
    pub clauses: Vec<String>,
}

/// Takes the faults of a review into its answers, where it has any.
pub(crate) fn take_in(
    rules: &Rules,
    workflow: &Workflow,
    named: &[Named],
    now: Timestamp,
    answers: &mut Map<String, Value>,
) -> Result<(), CommandError> {
    if named.is_empty() {
        return Ok(());
    }
    if workflow.name == CORRECTION {
        return Err(CommandError::Argument(
            "what puts a fault right names no faults of its own: a review does".to_owned(),
        ));
    }
    if named.len() > MOST_FAULTS {
        return Err(CommandError::Argument(format!(
            "a review names at most {MOST_FAULTS} faults"
        )));
    }
    let today = rules.calendar.date(now);
    let last = today.checked_add(jiff::Span::new().days(MOST_DAYS));
    let last = last.unwrap_or(Date::MAX);
    let mut faults = Vec::new();
    for one in named {
        let fault = plain_text("the fault", &one.fault, MOST_FAULT)?;
        if one.due < today || one.due > last {
            return Err(CommandError::Argument(format!(
                "{fault:?} is due on {}: a day from {today} to {last} is expected",
                one.due
            )));
        }
        let role = one.role.unwrap_or(workflow.role);
        if role == Role::Staff {
            return Err(CommandError::Argument(format!(
                "{fault:?} is owed by staff: an officer's role is expected"
            )));
        }
        let due = rules.calendar.working_day(one.due);
        faults.push(json!({ "fault": fault, "due": due.to_string(), "role": role.as_str() }));
    }
    answers.insert(FAULTS.to_owned(), faults.into());
    Ok(())
}

/// What was named, as the answers hold it: fault, day and role.
pub(crate) fn named(answers: Option<&Map<String, Value>>) -> Vec<&Map<String, Value>> {
    let faults = answers.and_then(|answers| answers.get(FAULTS)?.as_array());
    faults
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect()
}

/// The faults among the answers, for the event of a review.
pub(crate) fn fact(answers: &Map<String, Value>) -> Option<Value> {
    answers.get(FAULTS).cloned()
}

/// Opens a task for each fault of a review that is closed; their events.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    rules: &Rules,
    review: &Entry,
    events: &mut Vec<Event>,
) -> Result<(), CommandError> {
    for (index, fault) in named(review.answers.as_ref()).into_iter().enumerate() {
        let text = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
        let damaged =
            |what: &str| Error::Corrupt(format!("task {}: fault {index}: {what}", review.number));
        let role: Role = text("role").parse().map_err(|_| damaged("role"))?;
        let due: Date = text("due").parse().map_err(|_| damaged("day"))?;
        let end = rules.calendar.end_of(due).ok_or_else(|| damaged("day"))?;
        // The review may have waited for its approval until after the day.
        let due_at = end.max(rules.calendar.days_after(tx.now(), 1));
        let period = format!("{}-{}", review.number, index.saturating_add(1));
        let facts = json!({
            "of": review.number,
            "review": review.workflow,
            "fault": text("fault"),
            "role": role.as_str(),
            "approver": approver(role).as_str(),
        });
        let Value::Object(facts) = facts else {
            continue;
        };
        let opened = table::insert(tx, CORRECTION, &period, due_at, &facts)?;
        let Some(number) = opened else { continue };
        let prepared = Value::Object(facts.clone()).to_string();
        let digest = trail::merkle::sha256(&[prepared.as_bytes()]);
        let event = Event::new(Kind::TaskOpened, Actor::System)
            .subject(number.to_string())
            .detail("workflow", CORRECTION)
            .detail("period", period)
            .detail("role", role.as_str())
            .detail("due", due_at.to_string())
            .detail("missed", 0)
            .detail("prepared", trail::volume::hex(&digest))
            .detail("of", review.number)
            .detail("review", review.workflow.as_str())
            .detail("fault", text("fault"));
        events.push(event);
    }
    Ok(())
}

/// Who approves what a role put right.
fn approver(role: Role) -> Role {
    match role {
        Role::SystemOfficer => Role::SecurityOfficer,
        _ => Role::SystemOfficer,
    }
}

/// A fact of a correction.
fn text<'a>(entry: &'a Entry, name: &str) -> &'a str {
    entry
        .facts
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The workflow whose review found what a correction puts right; `None`: it is no correction.
pub(crate) fn review(entry: &Entry) -> Option<&str> {
    (entry.workflow == CORRECTION).then(|| text(entry, "review"))
}

/// The workflow that a task is of; of a correction with its own fault, role and approver, of what is on record with its own role.
pub(crate) fn workflow<'a>(rules: &'a Rules, entry: &Entry) -> Option<Cow<'a, Workflow>> {
    let mut workflows = rules.workflows.iter();
    let found = workflows.find(|workflow| workflow.name == entry.workflow)?;
    if found.on_record && !text(entry, "role").is_empty() {
        let mut own = found.clone();
        own.role = text(entry, "role").parse().ok()?;
        return Some(Cow::Owned(own));
    }
    if entry.workflow != CORRECTION {
        return Some(Cow::Borrowed(found));
    }
    let fault = text(entry, "fault");
    let mut own = found.clone();
    own.role = text(entry, "role").parse().ok()?;
    own.approver = Some(text(entry, "approver").parse().ok()?);
    own.title = Text::new(
        format!("{}: {fault}", found.title.ja),
        format!("{}: {fault}", found.title.en),
    );
    Some(Cow::Owned(own))
}

/// The ids of the clauses that demand a task; of a correction those of the review.
pub(crate) fn clauses<'a>(rules: &'a Rules, entry: &Entry) -> Vec<&'a str> {
    rules.resting_on(review(entry).unwrap_or(&entry.workflow))
}

/// All that puts right what reviews found, the newest first; `review` alone: of one workflow.
///
/// # Errors
/// The store's.
pub fn corrections(
    sql: &mut dyn Sql,
    rules: &Rules,
    only: Option<&str>,
) -> Result<Vec<Correction>, Error> {
    let found = table::of(sql, CORRECTION, MOST_LISTED)?.into_iter();
    let own = found.filter(|entry| only.is_none_or(|only| review(entry) == Some(only)));
    let views = own.map(|entry| Correction {
        task: entry.number,
        of: entry
            .facts
            .get("of")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        review: text(&entry, "review").to_owned(),
        fault: text(&entry, "fault").to_owned(),
        role: text(&entry, "role").to_owned(),
        opened_at: entry.opened_at,
        due_at: entry.due_at,
        closed_at: entry.closed_at,
        clauses: clauses(rules, &entry)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    });
    Ok(views.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_point_is_called_as_the_faults_are() {
        let workflows = Workflow::built_in().unwrap();
        let mut points = workflows.iter().flat_map(|workflow| &workflow.points);
        assert!(points.all(|point| point.key != FAULTS));
        assert!(workflows.iter().any(|workflow| workflow.name == CORRECTION));
    }
}
