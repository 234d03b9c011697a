//! Reports that clauses name: documents with a number and a date, sent to the holders of a role, one of whom acknowledges each.
//!
//! | command | role |
//! |---|---|
//! | `report list`, `report show` | any officer's role |
//! | `report acknowledge` | the role that it is for |

use directory::{
    Role,
    command::{Caller, CommandError},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::{Error, Recorded, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    capacity, fault, incident,
    tables::{report as table, task},
    workflow::Workflow,
};

/// Days after which a report that nobody acknowledged makes what it came of `not-met`.
pub const DAYS_TO_ACKNOWLEDGE: u16 = 14;
/// Reports that are listed at most.
const MOST_LISTED: u32 = 1000;

/// A report, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct ReportView {
    /// Its number.
    pub number: i64,
    /// The task that it came of.
    pub task: Option<i64>,
    /// The role that it is for.
    pub to: String,
    /// Its title, in both languages.
    pub title: String,
    /// SHA-256 of its text.
    pub digest: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<Timestamp>,
}

/// A report with its text.
#[derive(Clone, Debug, Serialize)]
pub struct ReportText {
    /// The report.
    #[serde(flatten)]
    pub report: ReportView,
    /// Its text, in both languages.
    pub text: String,
}

/// A report to be sent.
#[derive(Clone, Debug)]
pub struct Unsent {
    /// Its number.
    pub number: i64,
    /// The role that it is for.
    pub to: Role,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// Reports, the newest first.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<ReportView>, CommandError> {
    let look = caller.look("report list", &Role::OFFICERS, |snapshot, _| {
        let found = table::newest(snapshot, MOST_LISTED)?.into_iter();
        Ok(found.map(view).collect())
    });
    look.await
}

/// One report.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, number: i64) -> Result<ReportText, CommandError> {
    let words = format!("report show {number}");
    let look = caller.look(&words, &Role::OFFICERS, move |snapshot, _| {
        let entry = by_number(snapshot, number)?;
        Ok(ReportText {
            text: entry.text.clone(),
            report: view(entry),
        })
    });
    look.await
}

/// Acknowledges a report.
///
/// # Errors
/// [`CommandError`]: among them that it is for another role, or was acknowledged.
pub async fn acknowledge(caller: &Caller, number: i64) -> Result<ReportView, CommandError> {
    let words = format!("report acknowledge {number}");
    let change = caller.change(&words, &Role::OFFICERS, move |tx, me| {
        let entry = by_number(tx, number)?;
        let role = role(&entry)?;
        if !me.has(role) {
            return Err(CommandError::NotPermitted(role.alone()));
        }
        if let Some(by) = &entry.acknowledged_by {
            return Err(CommandError::State(format!(
                "report {number} was acknowledged by {by} already"
            )));
        }
        table::acknowledge(tx, number, me.id)?;
        let event = me
            .event(Kind::ReportAcknowledged, number.to_string())
            .detail("digest", entry.digest.as_str());
        let mut events = vec![event];
        events.extend(incident::follow(tx, me, number)?);
        Ok((view(by_number(tx, number)?), events))
    });
    caller.run(&words, change).await
}

/// Reports that were not sent yet.
///
/// # Errors
/// The store's.
pub fn unsent(sql: &mut dyn Sql) -> Result<Vec<Unsent>, Error> {
    let found = table::unsent(sql)?.into_iter().map(|entry| {
        Ok(Unsent {
            number: entry.number,
            to: role(&entry)?,
            title: entry.title,
            text: entry.text,
        })
    });
    found.collect()
}

/// Notes that a report was sent, in the commit that sends it.
///
/// # Errors
/// The store's.
pub fn note_sent(
    tx: &mut Tx<'_>,
    number: i64,
    to: Role,
    told: &[message::Address],
) -> Result<Recorded<()>, Error> {
    table::sent(tx, number)?;
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let event = Event::new(Kind::ReportSent, Actor::System)
        .subject(number.to_string())
        .detail("role", to.as_str())
        .detail("told", told);
    tx.record(&event, ())
}

/// Makes the report of a task that was closed; its event.
pub(crate) fn of_task(
    tx: &mut Tx<'_>,
    workflow: &Workflow,
    entry: &task::Entry,
    to: Role,
) -> Result<Event, Error> {
    let number = table::next(tx)?;
    let period = &entry.period;
    let title = format!(
        "{}({period}) / {} ({period})",
        workflow.title.ja, workflow.title.en
    );
    let text = text_of(workflow, entry, number, tx.now());
    let digest = trail::volume::hex(&trail::merkle::sha256(&[text.as_bytes()]));
    let new = table::New {
        task: Some(entry.number),
        to_role: to.as_str(),
        title: &title,
        text: &text,
        digest: &digest,
    };
    table::insert(tx, number, &new)?;
    Ok(Event::new(Kind::ReportMade, Actor::System)
        .subject(number.to_string())
        .detail("task", entry.number)
        .detail("role", to.as_str())
        .detail("title", title)
        .detail("digest", digest))
}

fn text_of(workflow: &Workflow, entry: &task::Entry, number: i64, now: Timestamp) -> String {
    let done_by = entry.done_by.as_ref().map_or("", |(_, name)| name.as_str());
    let mut lines = vec![
        format!("報告書 {number} / Report {number}"),
        format!("日時 / Made at: {now}"),
        format!("対象期間 / Period: {}", entry.period),
        format!("タスク / Task: {}", entry.number),
        String::new(),
        workflow.title.ja.clone(),
        workflow.title.en.clone(),
        String::new(),
        format!("実施者 / Done by: {done_by}"),
        format!(
            "完了者 / Closed by: {}",
            entry.closed_by.as_deref().unwrap_or_default()
        ),
        String::new(),
    ];
    for point in &workflow.points {
        let answers = entry.answers.as_ref();
        let answer = answers.and_then(|answers| answers.get(&point.key));
        let answer = answer.and_then(Value::as_str).unwrap_or_default();
        let question = &point.question;
        lines.push(format!("- {} / {}", question.ja, question.en));
        lines.push(format!("  {answer}"));
    }
    if let Some(prepared) = entry.facts.get("capacity") {
        lines.extend(capacity::lines(prepared));
    }
    lines.extend(shared(entry));
    lines.extend(criteria(entry));
    lines.extend(faults(entry));
    lines.push(String::new());
    lines.push("点検結果 / Standings".to_owned());
    let standings = entry.facts.get("standings").and_then(Value::as_object);
    for (name, standing) in standings.into_iter().flatten() {
        let part = |key: &str| {
            standing
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        lines.push(format!("- {name}: {}", part("state")));
        lines.push(format!("  {}", part("ja")));
        lines.push(format!("  {}", part("en")));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The shared identifiers that were decided on (clause 8.1).
fn shared(entry: &task::Entry) -> Vec<String> {
    let Some(all) = entry.facts.get("shared").and_then(Value::as_array) else {
        return Vec::new();
    };
    let mut lines = vec![
        String::new(),
        "共有識別コード / Shared identifiers".to_owned(),
    ];
    if all.is_empty() {
        lines.push("- なし / none".to_owned());
    }
    for one in all {
        let part = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let users = one.get("users").and_then(Value::as_array);
        let users: Vec<&str> = users
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let order = one.get("order").and_then(Value::as_i64).unwrap_or_default();
        lines.push(format!(
            "- {} (指示 / order {order}, 見直し / review: {})",
            part("identifier"),
            part("review_at")
        ));
        lines.push(format!("  利用者 / users: {}", users.join(", ")));
    }
    lines
}

/// What each criterion against unwanted mail set apart, and how much of it wrongly (clause 5.3).
fn criteria(entry: &task::Entry) -> Vec<String> {
    let Some(all) = entry.facts.get("false_positives").and_then(Value::as_array) else {
        return Vec::new();
    };
    let heading = "基準ごとの隔離と誤り / Set apart by each criterion, and wrongly so";
    let mut lines = vec![String::new(), heading.to_owned()];
    if all.is_empty() {
        lines.push("- なし / none".to_owned());
    }
    for one in all {
        let count = |key: &str| one.get(key).and_then(Value::as_u64).unwrap_or_default();
        let cause = one.get("cause").and_then(Value::as_str).unwrap_or_default();
        let wrong = one.get("wrong_percent").and_then(Value::as_f64);
        let wrong = wrong.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"));
        lines.push(format!(
            "- {cause}: {} (救出 / released {}, 誤り / wrong {wrong})",
            count("set_apart"),
            count("released")
        ));
    }
    lines
}

/// The faults that were found, and what became of those that earlier reviews had found.
fn faults(entry: &task::Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let found = fault::named(entry.answers.as_ref());
    if !found.is_empty() {
        lines.push(String::new());
        lines.push("見つかった不備とその是正 / Faults that were found".to_owned());
    }
    for fault in found {
        let part = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default();
        let (text, due, role) = (part("fault"), part("due"), part("role"));
        lines.push(format!("- {text}"));
        lines.push(format!("  期限 / Due: {due}  担当 / Owed by: {role}"));
    }
    let before = entry.facts.get("corrections").and_then(Value::as_array);
    let before: Vec<&Value> = before.into_iter().flatten().collect();
    if !before.is_empty() {
        lines.push(String::new());
        lines.push("以前の点検で見つかった不備 / Faults of earlier reviews".to_owned());
    }
    for one in before {
        let part = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let task = one.get("task").and_then(Value::as_i64).unwrap_or_default();
        let state = match part("closed_at") {
            "" => "未了 / open".to_owned(),
            at => format!("完了 / closed: {at}"),
        };
        lines.push(format!("- {} (タスク / task {task})", part("fault")));
        lines.push(format!("  期限 / Due: {}  {state}", part("due_at")));
    }
    lines
}

fn role(entry: &table::Entry) -> Result<Role, Error> {
    let role = entry.to_role.parse();
    role.map_err(|error| Error::Corrupt(format!("report {}: {error}", entry.number)))
}

fn by_number(sql: &mut dyn Sql, number: i64) -> Result<table::Entry, CommandError> {
    let found = table::by_number(sql, number)?;
    found.ok_or_else(|| CommandError::NoSuch {
        what: "report",
        name: number.to_string(),
    })
}

pub(crate) fn view(entry: table::Entry) -> ReportView {
    ReportView {
        number: entry.number,
        task: entry.task,
        to: entry.to_role,
        title: entry.title,
        digest: entry.digest,
        made_at: entry.made_at,
        sent_at: entry.sent_at,
        acknowledged_by: entry.acknowledged_by,
        acknowledged_at: entry.acknowledged_at,
    }
}
