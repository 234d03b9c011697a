//! What governance has to do with incidents: the reports of their opening and of their end, and reminders of steps that are late.
//!
//! The incidents themselves, their steps and their runbooks are `directory`'s. Whoever acknowledges the report of an opening takes the
//! step `acknowledged`, and the other way round, in one commit.

use std::collections::BTreeSet;

use directory::{
    Directory, Role,
    command::{
        Caller, CommandError, Executor,
        incident::{self, Due, IncidentView, Step},
    },
};
use jiff::{SignedDuration, Timestamp};
use message::Address;
use store::{Error, Recorded, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::tables::{
    incident::{self as table, CLOSED, OPENED},
    report,
};

/// How often people are told of steps that stay late.
const AGAIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `incident step`: see [`incident::step_in`]. With the step `acknowledged` the reports of the opening are acknowledged.
///
/// # Errors
/// [`CommandError`].
pub async fn step(
    caller: &Caller,
    number: i64,
    key: &str,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {key}");
    let (key, note) = (key.to_owned(), note.to_owned());
    let permitted = caller.single_person();
    let work = caller.change(&words, &Role::OFFICERS, move |tx, me| {
        let (view, mut events) = incident::step_in(tx, me, number, &key, &note, &permitted)?;
        if key == Step::Acknowledged.as_str() {
            for waiting in table::waiting(tx, number)? {
                events.push(acknowledged(tx, me, waiting)?);
            }
        }
        Ok((view, events))
    });
    caller.run(&words, work).await
}

/// Acknowledges a report; its event.
fn acknowledged(tx: &mut Tx<'_>, me: &Executor, number: i64) -> Result<Event, Error> {
    report::acknowledge(tx, number, me.id)?;
    let digest = report::by_number(tx, number)?.map_or_else(String::new, |entry| entry.digest);
    let event = me.event(Kind::ReportAcknowledged, number.to_string());
    Ok(event.detail("digest", digest))
}

/// Takes the step `acknowledged` of the incident whose opening `number` reports, unless it was taken; the events of it.
pub(crate) fn follow(
    tx: &mut Tx<'_>,
    me: &Executor,
    number: i64,
    permitted: &incident::Permitted,
) -> Result<Vec<Event>, CommandError> {
    let Some(of) = table::opening_of(tx, number)? else {
        return Ok(Vec::new());
    };
    let key = Step::Acknowledged.as_str();
    let view = incident::view_of(tx, of)?;
    let waits = view.closed_at.is_none() && view.missing.iter().any(|step| step == key);
    match waits {
        false => Ok(Vec::new()),
        true => {
            let note = format!("report {number}");
            Ok(incident::step_in(tx, me, of, key, &note, permitted)?.1)
        }
    }
}

/// Who opened the incident that a report is of; `None`: it is of none, or the server did.
pub(crate) fn opener(sql: &mut dyn Sql, report: i64) -> Result<Option<String>, CommandError> {
    match table::opening_of(sql, report)? {
        Some(of) => Ok(incident::view_of(sql, of)?.opened_by),
        None => Ok(None),
    }
}

/// `incident close`: see [`incident::close_in`]. A report of what was done is made in the same commit.
///
/// # Errors
/// [`CommandError`].
pub async fn close(caller: &Caller, number: i64) -> Result<IncidentView, CommandError> {
    let words = format!("incident close {number}");
    let work = async {
        let seen = incident::seen(caller, number).await?;
        caller
            .change(&words, &Role::OFFICERS, move |tx, me| {
                let (view, mut events) = incident::close_in(tx, me, number, &seen)?;
                events.push(made(tx, &view, CLOSED, &text_of_end(&view))?.1);
                Ok((view, events))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Makes the report of an opening out of the mail that tells of it, in the commit that sends it to `told`.
///
/// # Errors
/// The store's.
pub fn report_opening(
    tx: &mut Tx<'_>,
    view: &IncidentView,
    text: &str,
    told: &[Address],
) -> Result<i64, Error> {
    let (number, event) = made(tx, view, OPENED, text)?;
    drop(tx.record(&event, ())?);
    if !told.is_empty() {
        drop(crate::report::note_sent(tx, number, view.officer, told)?);
    }
    Ok(number)
}

fn made(
    tx: &mut Tx<'_>,
    view: &IncidentView,
    what: &str,
    text: &str,
) -> Result<(i64, Event), Error> {
    let number = report::next(tx)?;
    let (ja, en) = match what {
        CLOSED => ("終了", "closed"),
        _ => ("発生", "opened"),
    };
    let title = format!(
        "インシデント {of} の{ja}: {} / Incident {of} {en}: {}",
        view.title.ja,
        view.title.en,
        of = view.number
    );
    let digest = trail::volume::hex(&trail::merkle::sha256(&[text.as_bytes()]));
    let new = report::New {
        task: None,
        to_role: view.officer.as_str(),
        title: &title,
        text,
        digest: &digest,
        ..report::New::default()
    };
    report::insert(tx, number, &new)?;
    table::link(tx, number, view.number, what)?;
    let event = Event::new(Kind::ReportMade, Actor::System)
        .subject(number.to_string())
        .detail("task", serde_json::Value::Null)
        .detail("incident", view.number)
        .detail("role", view.officer.as_str())
        .detail("title", title)
        .detail("digest", digest);
    Ok((number, event))
}

/// What was done, from the opening to the end.
fn text_of_end(view: &IncidentView) -> String {
    let none = |text: &str| match text.is_empty() {
        true => "-".to_owned(),
        false => text.to_owned(),
    };
    let server = "サーバ / the server";
    let by = |name: &Option<String>| name.clone().unwrap_or_else(|| server.to_owned());
    let closed_at = view.closed_at.map_or_else(String::new, |at| at.to_string());
    let mut lines = vec![
        format!("{} / {}", view.title.ja, view.title.en),
        String::new(),
        format!("インシデント / Incident: {} ({})", view.number, view.kind),
        format!("内容 / What: {}", view.reason),
        format!("識別コード / Identifier: {}", none(&view.identifier)),
        format!(
            "開始 / Opened: {} ({})",
            view.opened_at,
            by(&view.opened_by)
        ),
        format!("終了 / Closed: {closed_at} ({})", by(&view.closed_by)),
        String::new(),
        "行った手順 / Steps taken".to_owned(),
    ];
    for step in &view.steps {
        lines.push(format!("- {} {} ({})", step.at, step.step, by(&step.by)));
        if !step.note.is_empty() {
            lines.push(format!("  {}", step.note));
        }
    }
    if !view.levers.is_empty() {
        lines.push(String::new());
        lines.push("行った措置 / Levers used".to_owned());
    }
    for lever in &view.levers {
        let still = match lever.in_force {
            true => " ※現在も有効 / still in force",
            false => "",
        };
        let (at, name, target) = (lever.at, &lever.lever, &lever.target);
        lines.push(format!("- {at} {name} {target} ({}){still}", lever.by));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Mail that is to be sent about steps of an incident that are late.
#[derive(Clone, Debug)]
pub struct Late {
    /// The incident's number.
    pub incident: i64,
    /// The steps.
    pub steps: Vec<String>,
    /// Whose holders are told: those who may take them, and the incident's officer.
    pub roles: Vec<Role>,
    /// The mail's subject, in both languages.
    pub subject: String,
    /// Its text, in both languages.
    pub text: String,
    /// When they were told last.
    last: Option<Timestamp>,
}

/// What is to be sent now: once a step is late, and then every week as long as one is.
///
/// # Errors
/// The store's.
pub async fn late(directory: &Directory, store: &store::Store) -> Result<Vec<Late>, Error> {
    let now = store.now();
    let mut late = Vec::new();
    for view in incident::open_now(directory).await? {
        let is_late = |due: &&Due| !due.roles.is_empty() && due.due_at.is_some_and(|at| at <= now);
        let due: Vec<&Due> = view.due.iter().filter(is_late).collect();
        if due.is_empty() {
            continue;
        }
        let number = view.number;
        let last = store.read(move |sql| table::reminded(sql, number)).await?;
        if is_to_be_told(&due, last, now) {
            late.push(of(&view, &due, last));
        }
    }
    Ok(late)
}

fn is_to_be_told(due: &[&Due], last: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    let is_new = due.iter().any(|due| due.due_at.is_some_and(|at| last < at));
    is_new || now.duration_since(last) >= AGAIN
}

fn of(view: &IncidentView, due: &[&Due], last: Option<Timestamp>) -> Late {
    let number = view.number;
    let mut roles: BTreeSet<Role> = due.iter().flat_map(|due| due.roles.clone()).collect();
    roles.insert(view.officer);
    let mut lines = vec![
        format!(
            "インシデント {number}({})の手順が期限を過ぎています。",
            view.title.ja
        ),
        format!("Steps of incident {number} ({}) are late.", view.title.en),
    ];
    for due in due {
        let until = due.due_at.map_or_else(String::new, |at| at.to_string());
        lines.push(String::new());
        lines.push(format!("- {} ({until})", due.step));
        lines.push(format!("  {}", due.text.ja));
        lines.push(format!("  {}", due.text.en));
    }
    lines.push(String::new());
    lines.push(format!("kakitome incident show {number}"));
    lines.push(String::new());
    Late {
        incident: number,
        steps: due.iter().map(|due| due.step.clone()).collect(),
        roles: roles.into_iter().collect(),
        subject: format!(
            "[Kakitome] インシデント {number}: 期限を過ぎた手順 / incident {number}: steps are late"
        ),
        text: lines.join("\n"),
        last,
    }
}

/// Notes who was told, in the commit that tells them.
///
/// # Errors
/// [`Error::NotFound`] when somebody told them meanwhile: then nothing may be sent.
pub fn note_late(tx: &mut Tx<'_>, late: &Late, told: &[Address]) -> Result<Recorded<()>, Error> {
    if table::reminded(tx, late.incident)? != late.last {
        return Err(Error::NotFound(format!(
            "a reminder of incident {}",
            late.incident
        )));
    }
    table::remind(tx, late.incident)?;
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let event = Event::new(Kind::IncidentReminded, Actor::System)
        .subject(late.incident.to_string())
        .detail("steps", late.steps.clone())
        .detail("recipients", told);
    tx.record(&event, ())
}
