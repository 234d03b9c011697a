//! `incident open | list | show | step | close`: a password that another may have used (clause 4.1).
//!
//! Opening suspends the identifier everywhere at once and holds what it has queued; mail for it keeps arriving. Then each
//! step of the clause has to be taken before the incident can be closed.

use jiff::{SignedDuration, Timestamp};
use message::address::Address;
use serde::Serialize;
use store::{
    Error, Recorded, Topic, Tx,
    queue::{self, Selection, State},
    sql::Sql,
};
use trail::{Actor, Event, Kind};

use super::{
    Caller, CommandError, Executor,
    account::{MAY_SUSPEND, MOST_REASON, present},
    plain_text,
};
use crate::{
    Directory, Role,
    tables::{
        account, app_password, forward,
        incident::{self as table, Entry, New},
    },
};

const MAY_ACKNOWLEDGE: &[Role] = &[Role::SecurityOfficer];
const MAY_HAND_OVER: &[Role] = &[Role::AccountManager];
/// How far back is looked when the owner vouches for nothing.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The only kind there is so far.
const CREDENTIAL: &str = "credential";

/// A step of an incident, in the order in which they are usually taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The identifier is suspended (clause 4.1(1)a); by opening.
    Suspended,
    /// What it has queued since the owner's last sure use is held; by opening.
    QueueHeld,
    /// The trail was analysed (clause 4.1(1)c); by the server.
    Analysed,
    /// The security officer was sent the analysis (clause 4.1(1)d); by the server.
    Reported,
    /// The security officer has read it.
    Acknowledged,
    /// A new password is set (clause 4.1(1)b).
    PasswordRenewed,
    /// It was handed over to the owner, and to nobody else.
    HandedOver,
    /// The identifier can be used again.
    Resumed,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Suspended,
        Self::QueueHeld,
        Self::Analysed,
        Self::Reported,
        Self::Acknowledged,
        Self::PasswordRenewed,
        Self::HandedOver,
        Self::Resumed,
    ];

    /// Its name on the command line and in the trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::QueueHeld => "queue-held",
            Self::Analysed => "analysed",
            Self::Reported => "reported",
            Self::Acknowledged => "acknowledged",
            Self::PasswordRenewed => "password-renewed",
            Self::HandedOver => "handed-over",
            Self::Resumed => "resumed",
        }
    }
}

/// An incident, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentView {
    /// Its number.
    pub number: i64,
    /// Its kind: `credential`.
    pub kind: String,
    /// The identifier whose password it is.
    pub identifier: String,
    /// Why it was opened.
    pub reason: String,
    /// The owner's last sure use: what came after is analysed.
    pub since: Timestamp,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened_at: Timestamp,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// When.
    pub closed_at: Option<Timestamp>,
    /// The steps taken.
    pub steps: Vec<StepView>,
    /// Those that are still to be taken.
    pub missing: Vec<Step>,
}

/// A step that was taken, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Which.
    pub step: String,
    /// By whom; `None`: the server.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What is to be said of it.
    pub note: String,
}

/// An incident to open.
#[derive(Clone, Debug)]
pub struct Open {
    /// The identifier whose password another may have used.
    pub name: String,
    /// What was reported.
    pub reason: String,
    /// The owner's last sure use; 30 days ago when nothing is said.
    pub since: Option<Timestamp>,
}

/// Opens an incident: suspends the identifier and holds its queued mail, in one commit. What is still to be done is told by the
/// answer.
///
/// # Errors
/// [`CommandError`]; one identifier has one open incident at most.
pub async fn open(caller: &Caller, args: Open) -> Result<IncidentView, CommandError> {
    let words = format!("incident open --kind {CREDENTIAL} {}", args.name);
    let options = caller.directory.options();
    let work = async {
        let reason = plain_text("the reason", &args.reason, MOST_REASON)?;
        caller
            .change(&words, MAY_SUSPEND, move |tx, me| {
                let account = present(tx, &options, &args.name)?;
                carry_out(tx, me, &account, &reason, args.since)
            })
            .await
    };
    caller.run(&words, work).await
}

fn carry_out(
    tx: &mut Tx<'_>,
    me: &Executor,
    account: &account::Entry,
    reason: &str,
    since: Option<Timestamp>,
) -> Result<(IncidentView, Vec<Event>), CommandError> {
    if let Some(open) = table::open_of(tx, account.id)? {
        return Err(CommandError::State(format!(
            "incident {} is open for {} already",
            open.number, account.identifier
        )));
    }
    let now = tx.now();
    let since = since.unwrap_or_else(|| now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN));
    if since > now {
        return Err(CommandError::Argument(
            "the owner's last sure use cannot be in the future".to_owned(),
        ));
    }
    let was_suspended = account.suspended_at.is_some();
    // Also one that is suspended: a password that was set since does not count any more.
    account::suspend(tx, account.id)?;
    // Whoever had the password could make more of them.
    let app_passwords = app_password::revoke_all(tx, account.id)?;
    let (mut ended, mut left) = (Vec::new(), Vec::new());
    for forward in forward::of(tx, account.id)? {
        if forward.order.is_none() {
            forward::delete(tx, account.id, &forward.target)?;
            ended.push(forward.target.to_string());
        } else {
            left.push(forward.target.to_string());
        }
    }
    tx.touch(Topic::Account(account.id));
    let selection = Selection {
        identifier: Some(account.identifier.clone()),
        queued_from: Some(since),
        state: Some(State::Waiting),
        ..Selection::default()
    };
    let held = queue::set_state(tx, &selection, State::Held)?;
    let new = New {
        kind: CREDENTIAL,
        account: account.id,
        reason,
        since,
        opened_by: me.id,
    };
    let number = table::insert(tx, &new)?;
    let note = format!("{held} recipients");
    table::take_step(tx, number, Step::Suspended.as_str(), None, "")?;
    table::take_step(tx, number, Step::QueueHeld.as_str(), None, &note)?;
    let opened = me
        .event(Kind::IncidentOpened, number.to_string())
        .detail("incident_kind", CREDENTIAL)
        .detail("identifier", account.identifier.as_str())
        .detail("reason", reason)
        .detail("since", since.to_string());
    let suspended = me
        .event(Kind::AccountSuspended, &account.identifier)
        .detail("reason", reason)
        .detail("incident", number)
        .detail("app_passwords_revoked", app_passwords)
        .detail("forwards_left", left)
        .detail("before", if was_suspended { "suspended" } else { "active" })
        .detail("after", "suspended");
    let mut events = vec![opened, suspended];
    for target in ended {
        let event = me
            .event(Kind::ForwardRemoved, &account.identifier)
            .detail("target", target)
            .detail("why", "incident")
            .detail("incident", number);
        events.push(event);
    }
    if held > 0 {
        let event = me.event(Kind::QueueHeld, &account.identifier);
        events.push(event.detail("recipients", held).detail("incident", number));
    }
    Ok((view_of(tx, number)?, events))
}

/// All incidents, the newest first.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<IncidentView>, CommandError> {
    caller
        .look("incident list", &Role::OFFICERS, |snapshot, _| {
            let all = table::all(snapshot)?;
            all.into_iter().map(|entry| view(snapshot, entry)).collect()
        })
        .await
}

/// Those that are not closed: number, identifier, missing steps. For the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn still_open_all(directory: &Directory) -> Result<Vec<(i64, String, Vec<Step>)>, Error> {
    let read = |snapshot: &mut store::Snapshot<'_>| {
        let mut open = table::all(snapshot)?;
        open.retain(|incident| incident.closed_at.is_none());
        let mut told = Vec::with_capacity(open.len());
        for incident in open {
            let missing = missing(&table::steps(snapshot, incident.number)?);
            told.push((incident.number, incident.account.1, missing));
        }
        Ok(told)
    };
    directory.inner.store.read(read).await
}

/// One incident.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, number: i64) -> Result<IncidentView, CommandError> {
    let words = format!("incident show {number}");
    caller
        .look(&words, &Role::OFFICERS, move |snapshot, _| {
            view_of(snapshot, number)
        })
        .await
}

/// The security officer has read the report. It counts as reported with this, if no officer could be sent mail.
///
/// # Errors
/// [`CommandError`].
pub async fn acknowledge(
    caller: &Caller,
    number: i64,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {}", Step::Acknowledged.as_str());
    let note = note.to_owned();
    let work = caller.change(&words, MAY_ACKNOWLEDGE, move |tx, me| {
        let note = said(&note)?;
        still_open(tx, number)?;
        if !taken(tx, number, Step::Analysed)? {
            return Err(CommandError::State(format!(
                "incident {number} is not analysed yet; `incident step {number} analysed` does it"
            )));
        }
        let mut events = Vec::new();
        if !taken(tx, number, Step::Reported)? {
            events.push(take(tx, me, number, Step::Reported, "shown by command")?);
        }
        events.push(take(tx, me, number, Step::Acknowledged, &note)?);
        Ok((view_of(tx, number)?, events))
    });
    caller.run(&words, work).await
}

/// The new password was handed over to the owner: `note` says how. Refused until one has been set since the suspension.
///
/// # Errors
/// [`CommandError`].
pub async fn hand_over(
    caller: &Caller,
    number: i64,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {}", Step::HandedOver.as_str());
    let note = note.to_owned();
    let work = caller.change(&words, MAY_HAND_OVER, move |tx, me| {
        let note = plain_text("the note on how it was handed over", &note, MOST_REASON)?;
        let incident = still_open(tx, number)?;
        let events = handed_over(tx, me, &incident, &note)?;
        Ok((view_of(tx, number)?, events))
    });
    caller.run(&words, work).await
}

/// Notes that the new password reached the owner.
pub(super) fn handed_over(
    tx: &mut Tx<'_>,
    me: &Executor,
    incident: &Entry,
    note: &str,
) -> Result<Vec<Event>, CommandError> {
    let account = account::by_id(tx, incident.account.0)?;
    if !account.is_some_and(|account| account.renewed) {
        return Err(CommandError::State(format!(
            "{} has no new password since it was suspended",
            incident.account.1
        )));
    }
    let mut events = Vec::new();
    for step in [Step::PasswordRenewed, Step::HandedOver] {
        events.push(take(tx, me, incident.number, step, note)?);
    }
    Ok(events)
}

/// Closes an incident: refused as long as a step is missing.
///
/// # Errors
/// [`CommandError`].
pub async fn close(caller: &Caller, number: i64) -> Result<IncidentView, CommandError> {
    let words = format!("incident close {number}");
    let work = caller.change(&words, MAY_ACKNOWLEDGE, move |tx, me| {
        let incident = still_open(tx, number)?;
        let missing = view(tx, incident)?.missing;
        if !missing.is_empty() {
            let names: Vec<&str> = missing.into_iter().map(Step::as_str).collect();
            return Err(CommandError::State(format!(
                "incident {number} cannot be closed: {} missing",
                names.join(", ")
            )));
        }
        table::close(tx, number, me.id)?;
        let closed = view_of(tx, number)?;
        let event = me
            .event(Kind::IncidentClosed, number.to_string())
            .detail("identifier", closed.identifier.as_str());
        Ok((closed, vec![event]))
    });
    caller.run(&words, work).await
}

/// Notes in a commit of the server's own that the trail was analysed, and whom the report was sent to: perhaps to nobody.
///
/// # Errors
/// When the database fails.
pub fn note_report(
    tx: &mut Tx<'_>,
    number: i64,
    told: &[Address],
    digest: &str,
) -> Result<Recorded<()>, Error> {
    let told: Vec<String> = told.iter().map(Address::to_string).collect();
    let note = format!("sha256 {digest}");
    table::take_step(tx, number, Step::Analysed.as_str(), None, &note)?;
    let event = |step: Step| {
        Event::new(Kind::IncidentStep, Actor::System)
            .subject(number.to_string())
            .detail("step", step.as_str())
            .detail("sha256", digest)
    };
    if !told.is_empty() {
        let note = told.join(", ");
        if table::take_step(tx, number, Step::Reported.as_str(), None, &note)? {
            let reported = event(Step::Reported).detail("recipients", told);
            drop(tx.record(&reported, ())?);
        }
    }
    tx.record(&event(Step::Analysed), ())
}

/// What is still to be done before the identifier may be used again, if an incident is open for it.
pub(super) fn before_resumption(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<Option<Entry>, CommandError> {
    let Some(incident) = table::open_of(sql, account.id)? else {
        return Ok(None);
    };
    if taken(sql, incident.number, Step::HandedOver)? {
        return Ok(Some(incident));
    }
    Err(CommandError::State(format!(
        "{} cannot be resumed before its new password was handed over to its owner (incident {})",
        account.identifier, incident.number
    )))
}

/// Refuses while an incident is open for the account.
pub(super) fn must_be_over(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<(), CommandError> {
    match table::open_of(sql, account.id)? {
        None => Ok(()),
        Some(incident) => Err(CommandError::State(format!(
            "incident {} is open for {}",
            incident.number, account.identifier
        ))),
    }
}

/// The open incident of an account.
pub(super) fn of_account(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<Option<Entry>, CommandError> {
    Ok(table::open_of(sql, account.id)?)
}

pub(super) fn take(
    tx: &mut Tx<'_>,
    me: &Executor,
    number: i64,
    step: Step,
    note: &str,
) -> Result<Event, CommandError> {
    if !table::take_step(tx, number, step.as_str(), Some(me.id), note)? {
        return Err(CommandError::State(format!(
            "the step {} of incident {number} was taken before",
            step.as_str()
        )));
    }
    Ok(me
        .event(Kind::IncidentStep, number.to_string())
        .detail("step", step.as_str())
        .detail("note", note))
}

fn taken(sql: &mut dyn Sql, number: i64, step: Step) -> Result<bool, Error> {
    let steps = table::steps(sql, number)?;
    Ok(steps.iter().any(|taken| taken.name == step.as_str()))
}

fn said(note: &str) -> Result<String, CommandError> {
    if note.is_empty() {
        return Ok(String::new());
    }
    plain_text("the note", note, MOST_REASON)
}

fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    table::by_number(sql, number)?.ok_or_else(|| CommandError::NoSuch {
        what: "incident",
        name: number.to_string(),
    })
}

fn still_open(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    let entry = by_number(sql, number)?;
    if entry.closed_at.is_some() {
        return Err(CommandError::State(format!("incident {number} is closed")));
    }
    Ok(entry)
}

fn missing(steps: &[table::Step]) -> Vec<Step> {
    let is_missing = |step: &Step| !steps.iter().any(|taken| taken.name == step.as_str());
    Step::ALL.into_iter().filter(is_missing).collect()
}

fn view_of(sql: &mut dyn Sql, number: i64) -> Result<IncidentView, CommandError> {
    let entry = by_number(sql, number)?;
    view(sql, entry)
}

fn view(sql: &mut dyn Sql, entry: Entry) -> Result<IncidentView, CommandError> {
    let steps = table::steps(sql, entry.number)?;
    Ok(IncidentView {
        missing: missing(&steps),
        steps: steps
            .into_iter()
            .map(|step| StepView {
                step: step.name,
                by: step.by,
                at: step.at,
                note: step.note,
            })
            .collect(),
        number: entry.number,
        kind: entry.kind,
        identifier: entry.account.1,
        reason: entry.reason,
        since: entry.since,
        opened_by: entry.opened_by,
        opened_at: entry.opened_at,
        closed_by: entry.closed_by,
        closed_at: entry.closed_at,
    })
}
