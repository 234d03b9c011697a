//! Tasks: work that a role owes, with facts that were prepared, points to be answered, and another person's approval where it takes two.
//!
//! Nothing that needs an answer closes itself: a task is closed by the person who answers all its points, or by the one who approves the
//! answers. What is only to be done ([`Workflow::on_record`]) the server closes when it sees that it was.
//!
//! | command | role |
//! |---|---|
//! | `task list`, `task show` | any officer's role |
//! | `task done` | the task's role |
//! | `task approve`, `task reject` | the role that approves, and not the person who did it |

use std::{borrow::Cow, collections::BTreeMap};

use directory::{
    Role,
    command::{Caller, CommandError, Executor, plain_text},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    Error, Tx,
    sql::{Sql, first},
};
use trail::{Event, Kind};

use crate::{
    fault::{self, Named},
    report,
    rules::Rules,
    state::{Finding, State},
    tables::{self, task as table},
    workflow::Workflow,
};

/// Characters of an answer.
const MOST_ANSWER: usize = 2000;
/// Characters of a reason.
const MOST_REASON: usize = 500;
/// Tasks that are listed at most.
const MOST_LISTED: u32 = 1000;

/// A task, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    /// Its number.
    pub number: i64,
    /// The workflow that it is of.
    pub workflow: String,
    /// What the workflow is called, in Japanese.
    pub title_ja: String,
    /// The same in English.
    pub title: String,
    /// The period that it is about.
    pub period: String,
    /// Who owes it now: the workflow's role, or the one that approves.
    pub role: String,
    /// `open`, `done` (it waits for approval) or `closed`.
    pub state: &'static str,
    /// Whether it is past its day.
    pub late: bool,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
    /// When it would have been due, if it was opened too late for that: the server was down.
    pub regular_due: Option<Timestamp>,
    /// How often it did not come round before, for the same reason: it is about those times, too.
    pub missed: u64,
    /// Who did it.
    pub done_by: Option<String>,
    /// When.
    pub done_at: Option<Timestamp>,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// When.
    pub closed_at: Option<Timestamp>,
}

/// A task with all that belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct TaskDetails {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// What is to be done, in Japanese.
    pub demand_ja: String,
    /// The same in English.
    pub demand: String,
    /// The ids of the clauses that demand it.
    pub clauses: Vec<String>,
    /// What has to be answered: by key, the question in Japanese and in English.
    pub points: BTreeMap<String, (String, String)>,
    /// What was answered.
    pub answers: Option<Map<String, Value>>,
    /// What was prepared.
    pub facts: Map<String, Value>,
    /// What became of it so far.
    pub steps: Vec<StepView>,
    /// Numbers of the reports that came of it.
    pub reports: Vec<i64>,
}

/// A step, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Which.
    pub what: String,
    /// By whom; `None`: the server.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What is to be said of it.
    pub note: String,
}

/// Which tasks are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which {
    /// Those that this role owes now.
    pub role: Option<Role>,
    /// Those that are past their day.
    pub late: bool,
    /// Those that are closed, too.
    pub closed: bool,
}

/// Tasks, those that are due first before the others; closed ones the newest first.
///
/// # Errors
/// [`CommandError`].
pub async fn list(
    caller: &Caller,
    rules: &Rules,
    which: Which,
) -> Result<Vec<TaskView>, CommandError> {
    let (rules, now) = (rules.clone(), caller.store().now());
    let look = caller.look("task list", &Role::OFFICERS, move |snapshot, _| {
        let found = match which.closed {
            true => table::newest(snapshot, MOST_LISTED)?,
            false => table::open(snapshot)?,
        };
        let views = found.iter().map(|entry| view(&rules, entry, now));
        let wanted = views.filter(|view| {
            let role = which.role.is_none_or(|role| view.role == role.as_str());
            role && (view.late || !which.late)
        });
        Ok(wanted.collect())
    });
    look.await
}

/// One task.
///
/// # Errors
/// [`CommandError`].
pub async fn show(
    caller: &Caller,
    rules: &Rules,
    number: i64,
) -> Result<TaskDetails, CommandError> {
    let (rules, now) = (rules.clone(), caller.store().now());
    let words = format!("task show {number}");
    let look = caller.look(&words, &Role::OFFICERS, move |snapshot, _| {
        let entry = by_number(snapshot, number)?;
        details(snapshot, &rules, entry, now)
    });
    look.await
}

/// Does a task: every point of its workflow is answered. It is closed with that, unless another person has to approve it. Each of
/// `faults` that a review found becomes a task when it is closed.
///
/// # Errors
/// [`CommandError`]: a point without an answer, an answer to no point, and a task that is done already among them.
pub async fn done(
    caller: &Caller,
    rules: &Rules,
    number: i64,
    answers: BTreeMap<String, String>,
    faults: Vec<Named>,
) -> Result<TaskDetails, CommandError> {
    let rules = rules.clone();
    let words = format!("task done {number}");
    let change = caller.change(&words, &Role::OFFICERS, move |tx, me| {
        let entry = by_number(tx, number)?;
        let workflow = workflow(&rules, &entry)?;
        let workflow = workflow.as_ref();
        must_hold(me, workflow.role)?;
        if workflow.on_record {
            return Err(CommandError::State(format!(
                "task {number} needs no answer: the server closes it when what it is about is done ({})",
                workflow.demand.en
            )));
        }
        if entry.done_at.is_some() {
            return Err(CommandError::State(format!(
                "task {number} is done already"
            )));
        }
        let mut answers = answered(workflow, answers)?;
        fault::take_in(&rules, workflow, &faults, tx.now(), &mut answers)?;
        let late = entry.due_at < tx.now();
        table::done(tx, number, me.id, &answers)?;
        table::step(tx, number, "done", Some(me.id), "")?;
        let closed = workflow.approver.is_none();
        let mut event = me
            .event(Kind::TaskDone, number.to_string())
            .detail("workflow", workflow.name.as_str())
            .detail("period", entry.period.as_str())
            .detail("late", late)
            .detail("closed", closed);
        if let Some(faults) = fault::fact(&answers) {
            event = event.detail("faults", faults);
        }
        event = event.detail("answers", Value::Object(answers));
        let mut events = vec![event];
        if closed {
            close(tx, &rules, workflow, number, me, &mut events)?;
        }
        let (entry, now) = (by_number(tx, number)?, tx.now());
        Ok((details(tx, &rules, entry, now)?, events))
    });
    caller.run(&words, change).await
}

/// Approves what another person did, which closes the task.
///
/// # Errors
/// [`CommandError`]: among them that the caller did it, unless the site permits one person for both.
pub async fn approve(
    caller: &Caller,
    rules: &Rules,
    number: i64,
) -> Result<TaskDetails, CommandError> {
    let (rules, permitted) = (rules.clone(), caller.single_person());
    let words = format!("task approve {number}");
    let change = caller.change(&words, &Role::OFFICERS, move |tx, me| {
        let (entry, workflow, done_by) = waiting(tx, &rules, number, me)?;
        let single = done_by.0 == me.id;
        if single && !permitted(tx)? {
            return Err(CommandError::State(format!(
                "task {number} was done by you: another person approves it"
            )));
        }
        table::step(tx, number, "approved", Some(me.id), "")?;
        let mut event = me
            .event(Kind::TaskApproved, number.to_string())
            .detail("workflow", entry.workflow.as_str())
            .detail("done_by", done_by.1.as_str());
        if single {
            event = event.detail("single_person", true);
        }
        let mut events = vec![event];
        close(tx, &rules, &workflow, number, me, &mut events)?;
        let (entry, now) = (by_number(tx, number)?, tx.now());
        Ok((details(tx, &rules, entry, now)?, events))
    });
    caller.run(&words, change).await
}

/// Does not approve it: it is to be done again.
///
/// # Errors
/// [`CommandError`].
pub async fn reject(
    caller: &Caller,
    rules: &Rules,
    number: i64,
    reason: &str,
) -> Result<TaskDetails, CommandError> {
    let (rules, reason) = (rules.clone(), reason.to_owned());
    let words = format!("task reject {number}");
    let change = caller.change(&words, &Role::OFFICERS, move |tx, me| {
        let reason = plain_text("the reason", &reason, MOST_REASON)?;
        let (entry, _, done_by) = waiting(tx, &rules, number, me)?;
        table::undo(tx, number)?;
        table::step(tx, number, "rejected", Some(me.id), &reason)?;
        let event = me
            .event(Kind::TaskRejected, number.to_string())
            .detail("workflow", entry.workflow.as_str())
            .detail("done_by", done_by.1.as_str())
            .detail("reason", reason);
        let (entry, now) = (by_number(tx, number)?, tx.now());
        Ok((details(tx, &rules, entry, now)?, vec![event]))
    });
    caller.run(&words, change).await
}

/// A task, its workflow, and who did it.
type Waiting<'a> = (table::Entry, Cow<'a, Workflow>, (store::PersonId, String));

/// A task that waits for the caller's approval.
fn waiting<'a>(
    tx: &mut Tx<'_>,
    rules: &'a Rules,
    number: i64,
    me: &Executor,
) -> Result<Waiting<'a>, CommandError> {
    let entry = by_number(tx, number)?;
    let workflow = workflow(rules, &entry)?;
    let nothing = |why: &str| CommandError::State(format!("task {number} {why}"));
    let approver = workflow
        .approver
        .ok_or_else(|| nothing("needs nobody's approval"))?;
    must_hold(me, approver)?;
    if entry.closed_at.is_some() {
        return Err(nothing("is closed already"));
    }
    let done_by = entry
        .done_by
        .clone()
        .ok_or_else(|| nothing("is not done yet"))?;
    Ok((entry, workflow, done_by))
}

/// Closes a task, opens what puts right the faults that it found, and makes the report that comes of it.
fn close(
    tx: &mut Tx<'_>,
    rules: &Rules,
    workflow: &Workflow,
    number: i64,
    me: &Executor,
    events: &mut Vec<Event>,
) -> Result<(), CommandError> {
    table::close(tx, number, me.id)?;
    let entry = by_number(tx, number)?;
    fault::open(tx, rules, &entry, events)?;
    if let Some(role) = workflow.report_to {
        events.push(report::of_task(tx, workflow, &entry, role)?);
    }
    Ok(())
}

/// Every point answered, and nothing else.
fn answered(
    workflow: &Workflow,
    mut given: BTreeMap<String, String>,
) -> Result<Map<String, Value>, CommandError> {
    let mut answers = Map::new();
    let mut missing = Vec::new();
    for point in &workflow.points {
        match given.remove(&point.key) {
            Some(answer) => {
                let what = format!("the answer to {}", point.key);
                let answer = plain_text(&what, &answer, MOST_ANSWER)?;
                answers.insert(point.key.clone(), answer.into());
            }
            None => missing.push(format!("{} ({})", point.key, point.question.en)),
        }
    }
    if !missing.is_empty() {
        return Err(CommandError::Argument(format!(
            "not answered: {}; answer each with --answer KEY=TEXT",
            missing.join(", ")
        )));
    }
    match given.keys().next() {
        Some(other) => Err(CommandError::Argument(format!(
            "{} has no point {other:?}",
            workflow.name
        ))),
        None => Ok(answers),
    }
}

fn must_hold(me: &Executor, role: Role) -> Result<(), CommandError> {
    if me.has(role) {
        return Ok(());
    }
    Err(CommandError::NotPermitted(role.alone()))
}

fn by_number(sql: &mut dyn Sql, number: i64) -> Result<table::Entry, CommandError> {
    let found = table::by_number(sql, number)?;
    found.ok_or_else(|| CommandError::NoSuch {
        what: "task",
        name: number.to_string(),
    })
}

fn workflow<'a>(rules: &'a Rules, entry: &table::Entry) -> Result<Cow<'a, Workflow>, CommandError> {
    fault::workflow(rules, entry).ok_or_else(|| CommandError::NoSuch {
        what: "workflow",
        name: entry.workflow.clone(),
    })
}

pub(crate) fn view(rules: &Rules, entry: &table::Entry, now: Timestamp) -> TaskView {
    let workflow = fault::workflow(rules, entry);
    let role = workflow
        .as_ref()
        .map(|workflow| match (workflow.approver, entry.done_at) {
            (Some(approver), Some(_)) => approver.as_str(),
            _ => workflow.role.as_str(),
        });
    let title = workflow.as_ref().map(|workflow| &workflow.title);
    TaskView {
        number: entry.number,
        workflow: entry.workflow.clone(),
        title_ja: title.map_or_else(|| entry.workflow.clone(), |title| title.ja.clone()),
        title: title.map_or_else(|| entry.workflow.clone(), |title| title.en.clone()),
        period: entry.period.clone(),
        role: role.unwrap_or_default().to_owned(),
        state: match (entry.done_at, entry.closed_at) {
            (_, Some(_)) => "closed",
            (Some(_), None) => "done",
            (None, None) => "open",
        },
        late: entry.closed_at.is_none() && entry.due_at < now,
        opened_at: entry.opened_at,
        due_at: entry.due_at,
        regular_due: table::regular(entry),
        missed: table::missed(entry),
        done_by: entry.done_by.as_ref().map(|(_, name)| name.clone()),
        done_at: entry.done_at,
        closed_by: entry.closed_by.clone(),
        closed_at: entry.closed_at,
    }
}

pub(crate) fn details(
    sql: &mut dyn Sql,
    rules: &Rules,
    entry: table::Entry,
    now: Timestamp,
) -> Result<TaskDetails, CommandError> {
    let workflow = fault::workflow(rules, &entry);
    let workflow = workflow.as_deref();
    let points = workflow.into_iter().flat_map(|workflow| &workflow.points);
    let points = points.map(|point| {
        let question = (point.question.ja.clone(), point.question.en.clone());
        (point.key.clone(), question)
    });
    let steps = table::steps(sql, entry.number)?.into_iter();
    let reports = tables::report::of_task(sql, entry.number)?.into_iter();
    let clauses = fault::clauses(rules, &entry).into_iter();
    Ok(TaskDetails {
        task: view(rules, &entry, now),
        demand_ja: workflow.map_or_else(String::new, |workflow| workflow.demand.ja.clone()),
        demand: workflow.map_or_else(String::new, |workflow| workflow.demand.en.clone()),
        clauses: clauses.map(str::to_owned).collect(),
        points: points.collect(),
        answers: entry.answers,
        facts: entry.facts,
        steps: steps
            .map(|step| StepView {
                what: step.what,
                by: step.by,
                at: step.at,
                note: step.note,
            })
            .collect(),
        reports: reports.map(|report| report.number).collect(),
    })
}

/// How a workflow stands: by its tasks, and by the reports that came of them.
pub(crate) fn stands(
    sql: &mut dyn Sql,
    rules: &Rules,
    workflow: &Workflow,
    now: Timestamp,
) -> Result<Finding, Error> {
    let all = table::open(sql)?;
    let (open, corrections): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|task| {
            task.workflow == workflow.name || fault::review(task) == Some(workflow.name.as_str())
        })
        .partition(|task| task.workflow == workflow.name);
    let day = |at: Timestamp| rules.calendar.date(at).to_string();
    let due_day = |at: Timestamp| rules.calendar.due_day(at).to_string();
    let late: Vec<_> = open.iter().filter(|task| task.due_at < now).collect();
    if let Some(first) = late.first() {
        let (number, period, due) = (first.number, &first.period, due_day(first.due_at));
        return Ok(Finding::not_met(
            format!("タスク {number}({period} 分)が期限 {due} を過ぎても完了していない"),
            format!("task {number} (of {period}) was due on {due} and is not closed"),
        )
        .fact(
            "late",
            late.iter().map(|task| task.number).collect::<Vec<_>>(),
        ));
    }
    let late: Vec<_> = corrections
        .iter()
        .filter(|task| task.due_at < now)
        .collect();
    if let Some(first) = late.first() {
        let (number, due) = (first.number, due_day(first.due_at));
        return Ok(Finding::not_met(
            format!("点検で見つかった不備の是正(タスク {number})が期限 {due} を過ぎても完了していない"),
            format!("a fault that the review found was to be put right by {due}, and task {number} is not closed"),
        )
        .fact(
            "late",
            late.iter().map(|task| task.number).collect::<Vec<_>>(),
        ));
    }
    let unacknowledged = tables::report::waiting(sql)?;
    for report in unacknowledged {
        let of = report
            .task
            .map(|task| table::by_number(sql, task))
            .transpose()?;
        let own = of
            .flatten()
            .is_some_and(|task| task.workflow == workflow.name);
        let since = rules
            .calendar
            .days_after(report.made_at, report::DAYS_TO_ACKNOWLEDGE);
        if own && since < now {
            let (number, made) = (report.number, day(report.made_at));
            return Ok(Finding::not_met(
                format!("{made} の報告書 {number} がまだ確認されていない"),
                format!("report {number} of {made} was not acknowledged"),
            )
            .fact("report", number));
        }
    }
    let last = table::last_closed(sql, &workflow.name)?;
    let finding = match (open.first(), last) {
        (task, Some(last)) => {
            let (period, by) = (&last.period, last.closed_by.unwrap_or_default());
            let at = last.closed_at.map(day).unwrap_or_default();
            let mut finding = Finding::met(
                format!("{period} 分は {at} に {by} が完了した"),
                format!("that of {period} was closed on {at} by {by}"),
            )
            .fact("last_closed", last.number);
            if let Some(task) = task {
                finding = finding.fact("open", task.number);
            }
            if !corrections.is_empty() {
                let numbers: Vec<i64> = corrections.iter().map(|task| task.number).collect();
                finding = finding.fact("corrections", numbers);
            }
            finding
        }
        (Some(task), None) => Finding::new(
            State::Pending,
            format!(
                "最初のタスク {} の期限は {}",
                task.number,
                due_day(task.due_at)
            ),
            format!(
                "the first task, {}, is due by {}",
                task.number,
                due_day(task.due_at)
            ),
        )
        .fact("open", task.number),
        (None, None) => not_begun(rules, workflow, now),
    };
    Ok(finding)
}

/// No task of it was opened yet.
fn not_begun(rules: &Rules, workflow: &Workflow, now: Timestamp) -> Finding {
    let span = rules
        .period(workflow)
        .and_then(|period| rules.calendar.span(period, now));
    match span {
        Some(span) => {
            let end = rules.calendar.date(span.end);
            Finding::new(
                State::Pending,
                format!("最初のタスクは {end} に始まる"),
                format!("the first task is opened on {end}"),
            )
        }
        None => Finding::met("まだ必要になっていない", "nothing has called for it yet"),
    }
}

/// The number of open tasks and of those that are late, for `status`.
///
/// # Errors
/// The store's.
pub fn count_open(sql: &mut dyn Sql, now: Timestamp) -> Result<(u64, u64), Error> {
    let count = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN due_at < ?1 THEN 1 ELSE 0 END), 0) FROM task WHERE closed_at IS NULL";
    let read = |row: &dyn store::sql::Row| Ok((row.count(0)?, row.count(1)?));
    Ok(first(sql, count, store::params![now], read)?.unwrap_or_default())
}
