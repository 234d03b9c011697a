//! `incident step N STEP`: a person takes a step that the incident's runbook has for their role.

use store::{
    Error, Tx,
    queue::{self, Selection, State},
    sql::Sql,
};
use trail::{Event, Kind};

use super::{
    Caller, CommandError, Executor,
    account::MOST_REASON,
    incident::{Case, IncidentKind, IncidentView, Step, may_take, still_open, view_of},
    person, plain_text, renewed,
};
use crate::{
    Role,
    tables::{
        account,
        incident::{self as table, Entry},
    },
};

/// Takes a step. What the server has to look at is looked at in the same commit: a new password before it is handed over, and that
/// nothing is held before what was held is settled.
///
/// # Errors
/// [`CommandError`]: among them that the incident has no such step, that another comes before, or that a note is missing.
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
        step_in(tx, me, number, &key, &note, &permitted)
    });
    caller.run(&words, work).await
}

/// Whether one person may do now what the regulation gives to two: [`Caller::single_person`].
pub type Permitted = dyn Fn(&mut dyn Sql) -> Result<bool, Error>;

/// Whether anybody but `besides` is here who holds one of the roles.
///
/// # Errors
/// The store's.
pub fn others_hold(
    sql: &mut dyn Sql,
    roles: &[Role],
    besides: &[String],
) -> Result<bool, CommandError> {
    let people = person::everybody(sql)?;
    let mut others = people
        .iter()
        .filter(|one| !one.left && !besides.contains(&one.name));
    Ok(others.any(|one| one.roles.iter().any(|role| roles.contains(role))))
}

/// The same within a transaction. Who opened an incident does not acknowledge it, unless nobody else could, or `permitted` says that one
/// person may do both.
///
/// # Errors
/// [`CommandError`].
pub fn step_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    number: i64,
    key: &str,
    note: &str,
    permitted: &Permitted,
) -> Result<(IncidentView, Vec<Event>), CommandError> {
    let case = still_open(tx, number)?;
    let rule = case.rule(key).ok_or_else(|| no_such(&case, key))?;
    may_take(tx, me, &case, rule)?;
    let note = match rule.note {
        true => plain_text("the note of this step", note, MOST_REASON)?,
        false => said(note)?,
    };
    let mut events = Vec::new();
    match Step::named(key) {
        Some(Step::Acknowledged) => {
            let opener = view_of(tx, number)?.opened_by;
            let single = opener.is_some_and(|opener| opener == me.name);
            if single
                && others_hold(tx, &rule.roles, std::slice::from_ref(&me.name))?
                && !permitted(tx)?
            {
                return Err(CommandError::State(format!(
                    "incident {number} was opened by you: another person acknowledges it"
                )));
            }
            if case.has(Step::Reported) && !taken(tx, number, Step::Reported)? {
                let reported = Step::Reported.as_str();
                events.push(take(tx, me, number, reported, "shown by command")?);
            }
            let mut event = take(tx, me, number, key, &note)?;
            if single {
                event = event.detail("single_person", true);
            }
            events.push(event);
        }
        Some(Step::HandedOver | Step::PasswordRenewed) => {
            events = handed_over(tx, me, &case.entry, &note)?;
        }
        Some(Step::Resumed) => {
            return Err(CommandError::State(format!(
                "the step resumed of incident {number} is taken by `account resume {}`",
                case.entry.identifier()
            )));
        }
        Some(Step::QueueSettled) => events.push(settle(tx, me, &case.entry, &note)?),
        _ => events.push(take(tx, me, number, key, &note)?),
    }
    Ok((view_of(tx, number)?, events))
}

fn no_such(case: &Case, key: &str) -> CommandError {
    let all = case.book.steps(case.entry.account.is_some());
    let names: Vec<&str> = all.map(|rule| rule.key.as_str()).collect();
    CommandError::State(format!(
        "incident {} ({}) has no step {key}; it has {}",
        case.entry.number,
        case.entry.kind,
        names.join(", ")
    ))
}

/// Notes that the new password reached the owner. Refused until one has been set since the suspension.
pub(super) fn handed_over(
    tx: &mut Tx<'_>,
    me: &Executor,
    incident: &Entry,
    note: &str,
) -> Result<Vec<Event>, CommandError> {
    let account = match &incident.account {
        Some((id, _)) => account::by_id(tx, *id)?,
        None => None,
    };
    // Of those who share an identifier, the last that was waited for may have left.
    let is_renewed = match &account {
        Some(account) => account.renewed || renewed::now_by_all(tx, account)?,
        None => false,
    };
    let now = tx.now();
    if let Some(account) = account.as_ref().filter(|_| !is_renewed)
        && let Some(refused) = renewed::refusal(tx, account, now)?
    {
        return Err(refused);
    }
    if !is_renewed {
        return Err(CommandError::State(format!(
            "{} has no new password since it was suspended",
            incident.identifier()
        )));
    }
    let mut events = Vec::new();
    for step in [Step::PasswordRenewed, Step::HandedOver] {
        events.push(take(tx, me, incident.number, step.as_str(), note)?);
    }
    Ok(events)
}

/// What was held is settled. Refused while mail of the identifier is held in the queue.
fn settle(
    tx: &mut Tx<'_>,
    me: &Executor,
    incident: &Entry,
    note: &str,
) -> Result<Event, CommandError> {
    let identifier = incident.identifier();
    let held = held(tx, identifier)?;
    if held > 0 {
        return Err(CommandError::State(format!(
            "{held} messages of {identifier} are held still: `queue release`, `queue bounce` or `queue discard` with --identifier {identifier} --state held"
        )));
    }
    let event = take(tx, me, incident.number, Step::QueueSettled.as_str(), note)?;
    if let Some((account, _)) = &incident.account
        && incident.kind == IncidentKind::SubmissionSurge.as_str()
    {
        crate::submission::decided(tx, *account, None, None)?;
    }
    Ok(event)
}

/// How many messages of an identifier are held in the queue.
fn held(sql: &mut dyn Sql, identifier: &str) -> Result<usize, Error> {
    let held = Selection {
        identifier: Some(identifier.to_owned()),
        state: Some(State::Held),
        ..Selection::default()
    };
    Ok(queue::ids(sql, &held)?.len())
}

/// Whether no mail of an identifier is held in the queue.
pub(super) fn nothing_held(sql: &mut dyn Sql, identifier: &str) -> Result<bool, Error> {
    Ok(held(sql, identifier)? == 0)
}

/// Notes a step, and its event.
pub(super) fn take(
    tx: &mut Tx<'_>,
    me: &Executor,
    number: i64,
    step: &str,
    note: &str,
) -> Result<Event, CommandError> {
    if !table::take_step(tx, number, step, Some(me.id), note)? {
        return Err(CommandError::State(format!(
            "the step {step} of incident {number} was taken before"
        )));
    }
    Ok(me
        .event(Kind::IncidentStep, number.to_string())
        .detail("step", step)
        .detail("note", note))
}

pub(super) fn taken(sql: &mut dyn Sql, number: i64, step: Step) -> Result<bool, Error> {
    let steps = table::steps(sql, number)?;
    Ok(steps.iter().any(|taken| taken.name == step.as_str()))
}

/// A note that may be left out.
pub(super) fn said(note: &str) -> Result<String, CommandError> {
    if note.is_empty() {
        return Ok(String::new());
    }
    plain_text("the note", note, MOST_REASON)
}
