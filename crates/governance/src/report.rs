//! Reports that clauses name: documents with a number and a date, sent to the holders of a role, one of whom acknowledges each.
//!
//! | command | role |
//! |---|---|
//! | `report list`, `report show` | any officer's role |
//! | `report acknowledge` | the role that it is for |

use directory::{
    Role,
    command::{Caller, CommandError, incident as opened},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use store::{Error, PersonId, Recorded, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    attacks, capacity, fault, incident,
    remind::above,
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
    /// The case of a vulnerability that it is of.
    pub case: Option<i64>,
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

/// Days after which it is told again that nobody has acknowledged a report, and how often from then on.
const DAYS_TO_REMIND: i64 = 7;

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
    /// Whether it is on record that there was nobody to be sent it.
    pub untold: bool,
}

/// A report that nobody has acknowledged, of which people are to be told again.
#[derive(Clone, Debug)]
pub struct Unacknowledged {
    /// Its number.
    pub number: i64,
    /// Whose holders are told: the role that it is for, and those above after another such time.
    pub roles: Vec<Role>,
    /// Its title.
    pub title: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When people were told last.
    last: Option<Timestamp>,
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
/// [`CommandError`]: among them that it is for another role, was acknowledged, or tells of what the caller did.
pub async fn acknowledge(caller: &Caller, number: i64) -> Result<ReportView, CommandError> {
    let (words, permitted) = (
        format!("report acknowledge {number}"),
        caller.single_person(),
    );
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
        let makers = makers(tx, &entry)?;
        let single = makers.contains(&me.name);
        // Where nobody else holds the role it is told of rather than left lying.
        if single && opened::others_hold(tx, &[role], &makers)? && !permitted(tx)? {
            return Err(CommandError::State(format!(
                "report {number} tells of what you did: another person acknowledges it"
            )));
        }
        table::acknowledge(tx, number, me.id)?;
        let mut event = me
            .event(Kind::ReportAcknowledged, number.to_string())
            .detail("digest", entry.digest.as_str());
        if single {
            event = event.detail("single_person", true);
        }
        let mut events = vec![event];
        events.extend(incident::follow(tx, me, number, &permitted)?);
        Ok((view(by_number(tx, number)?), events))
    });
    caller.run(&words, change).await
}

/// The names of those who did what a report tells of: its task, the opening of its incident, or the step of its case.
fn makers(sql: &mut dyn Sql, entry: &table::Entry) -> Result<Vec<String>, CommandError> {
    let mut makers: Vec<String> = entry.made_by.iter().cloned().collect();
    if let Some(task) = entry.task
        && let Some(task) = task::by_number(sql, task)?
    {
        makers.extend(task.done_by.map(|(_, name)| name));
        makers.extend(task.closed_by);
    }
    makers.extend(incident::opener(sql, entry.number)?);
    Ok(makers)
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
            untold: entry.untold_at.is_some(),
        })
    });
    found.collect()
}

/// Reports that nobody has acknowledged for long, of which nobody was told lately.
///
/// # Errors
/// The store's.
pub fn unacknowledged(sql: &mut dyn Sql, now: Timestamp) -> Result<Vec<Unacknowledged>, Error> {
    let after = |days: i64| SignedDuration::from_hours(days.saturating_mul(24));
    let mut found = Vec::new();
    for entry in table::waiting(sql)? {
        let waited = now.duration_since(entry.made_at);
        let last = entry.reminded_at.unwrap_or(entry.made_at);
        if now.duration_since(last) < after(DAYS_TO_REMIND) {
            continue;
        }
        let to = role(&entry)?;
        let mut roles = vec![to];
        if waited >= after(i64::from(DAYS_TO_ACKNOWLEDGE)) {
            roles.push(above(to));
        }
        found.push(Unacknowledged {
            number: entry.number,
            roles,
            title: entry.title,
            made_at: entry.made_at,
            last: entry.reminded_at,
        });
    }
    Ok(found)
}

/// Notes that people were told again of a report, in the commit that tells them.
///
/// # Errors
/// [`Error::NotFound`] when somebody has acknowledged it, or told of it, meanwhile: then nothing may be sent.
pub fn note_reminded(
    tx: &mut Tx<'_>,
    report: &Unacknowledged,
    told: &[message::Address],
) -> Result<Recorded<()>, Error> {
    if !table::reminded(tx, report.number, report.last)? {
        return Err(Error::NotFound(format!(
            "report {} to be told of",
            report.number
        )));
    }
    let roles: Vec<&str> = report.roles.iter().map(|role| role.as_str()).collect();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let event = Event::new(Kind::ReportSent, Actor::System)
        .subject(report.number.to_string())
        .detail("role", roles.first().copied())
        .detail("again", roles)
        .detail("told", told);
    tx.record(&event, ())
}

/// Notes that a report was sent, in the commit that sends it; or once, that there was nobody to be sent it, so that it is tried again.
///
/// # Errors
/// [`Error::NotFound`] when it was sent meanwhile, or it is on record that there is nobody: then nothing may be sent.
pub fn note_sent(
    tx: &mut Tx<'_>,
    number: i64,
    to: Role,
    told: &[message::Address],
) -> Result<Recorded<()>, Error> {
    let is_new = match told.is_empty() {
        true => table::untold(tx, number)?,
        false => table::sent(tx, number)?,
    };
    if !is_new {
        return Err(Error::NotFound(format!("report {number} to be sent")));
    }
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
    let new = table::New {
        task: Some(entry.number),
        to_role: to.as_str(),
        title: &title,
        text: &text,
        ..table::New::default()
    };
    made(tx, number, new)
}

/// Makes the report of what a person did in a case of a vulnerability; its number and event.
pub(crate) fn of_case(
    tx: &mut Tx<'_>,
    case: i64,
    by: PersonId,
    title: &str,
    lines: &[String],
) -> Result<(i64, Event), Error> {
    let (number, now) = (table::next(tx)?, tx.now());
    let mut text = vec![
        format!("報告書 {number} / Report {number}"),
        format!("日時 / Made at: {now}"),
        String::new(),
        title.to_owned(),
        String::new(),
    ];
    text.extend_from_slice(lines);
    text.push(String::new());
    let new = table::New {
        case: Some(case),
        made_by: Some(by),
        to_role: Role::SystemOfficer.as_str(),
        title,
        text: &text.join("\n"),
        ..table::New::default()
    };
    Ok((number, made(tx, number, new)?))
}

/// Enters a report, with the digest of its text; its event.
fn made(tx: &mut Tx<'_>, number: i64, new: table::New<'_>) -> Result<Event, Error> {
    let digest = trail::volume::hex(&trail::merkle::sha256(&[new.text.as_bytes()]));
    let new = table::New {
        digest: &digest,
        ..new
    };
    table::insert(tx, number, &new)?;
    let mut event = Event::new(Kind::ReportMade, Actor::System)
        .subject(number.to_string())
        .detail("task", new.task)
        .detail("role", new.to_role)
        .detail("title", new.title)
        .detail("digest", digest.as_str());
    if let Some(case) = new.case {
        event = event.detail("case", case);
    }
    Ok(event)
}

fn text_of(workflow: &Workflow, entry: &task::Entry, number: i64, now: Timestamp) -> String {
    let done_by = entry.done_by.as_ref().map_or("", |(_, name)| name.as_str());
    let mut lines = vec![
        format!("報告書 {number} / Report {number}"),
        format!("日時 / Made at: {now}"),
        format!("対象期間 / Period: {}", entry.period),
        format!("タスク / Task: {}", entry.number),
    ];
    // What was done late, since nobody met the spans before or the server was down, is told as that.
    if let Some(regular) = task::regular(entry) {
        lines.push(format!("本来の期限 / Regularly due: {regular}"));
    }
    match task::missed(entry) {
        0 => {}
        missed => lines.push(format!("行われなかった回 / Missed before it: {missed}")),
    }
    lines.extend([
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
    ]);
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
    if let Some(prepared) = entry.facts.get("analysis") {
        lines.extend(attacks::lines(prepared));
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

/// What each criterion against unwanted mail set apart or put into Junk, and how much of it wrongly (clause 5.3).
fn criteria(entry: &task::Entry) -> Vec<String> {
    let Some(all) = entry.facts.get("false_positives").and_then(Value::as_array) else {
        return Vec::new();
    };
    let heading = "基準ごとの隔離・迷惑メール判定と誤り / Set apart or put into Junk by each criterion, and wrongly so";
    let mut lines = vec![String::new(), heading.to_owned()];
    if all.is_empty() {
        lines.push("- なし / none".to_owned());
    }
    for one in all {
        let count = |key: &str| one.get(key).and_then(Value::as_u64).unwrap_or_default();
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let share = |key: &str| {
            let percent = one.get(key).and_then(Value::as_f64);
            percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"))
        };
        let name = match text("criterion") {
            "" => text("cause").to_owned(),
            criterion => format!("{}: {criterion}", text("cause")),
        };
        lines.push(format!(
            "- {name}: 隔離 / set apart {} (救出 / released {}, 誤り / wrong {}), 迷惑メール / Junk {} (戻し / taken out {}, 誤り / wrong {})",
            count("set_apart"),
            count("released"),
            share("wrong_percent"),
            count("marked"),
            count("returned"),
            share("returned_percent"),
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
        case: entry.case,
        to: entry.to_role,
        title: entry.title,
        digest: entry.digest,
        made_at: entry.made_at,
        sent_at: entry.sent_at,
        acknowledged_by: entry.acknowledged_by,
        acknowledged_at: entry.acknowledged_at,
    }
}
