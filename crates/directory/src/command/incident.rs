//! `incident open | list | show | step | close`: a password that another may have used (clause 4.1), and what the server opens by
//! itself ([`crate::isolation`], clauses 5.2(5), 5.5(2)).
//!
//! Opening suspends the identifier everywhere at once and holds what it has queued; mail for it keeps arriving. Then each
//! step of its kind has to be taken before the incident can be closed.

use jiff::{SignedDuration, Timestamp};
use message::address::Address;
use serde::Serialize;
use store::{
    Error, Recorded, Tx,
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
    isolation::{self, Cause},
    tables::{
        account,
        incident::{self as table, Entry, New},
    },
};

pub use super::step::{IncidentKind, Step};

pub(super) const MAY_ACKNOWLEDGE: &[Role] = &[Role::SecurityOfficer];
/// Those of whom one kind or another is for: [`is_for`] says which.
const MAY_DECIDE: &[Role] = &[Role::SecurityOfficer, Role::SystemOfficer];
const MAY_HAND_OVER: &[Role] = &[Role::AccountManager];
/// How far back is looked when the owner vouches for nothing.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

const MAY_CLEAN: &[Role] = &[Role::Administrator, Role::SecurityOfficer];
const CREDENTIAL: &str = IncidentKind::Credential.as_str();

/// An incident, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentView {
    /// Its number.
    pub number: i64,
    /// Its kind, as [`IncidentKind`] names it.
    pub kind: String,
    /// The identifier that it is about; empty if it is about none.
    pub identifier: String,
    /// Its account.
    #[serde(skip)]
    pub account: Option<store::AccountId>,
    /// The network address that it is about, if it is about one.
    pub address: Option<String>,
    /// Why it was opened.
    pub reason: String,
    /// What was known when it was opened: an object.
    pub facts: serde_json::Value,
    /// From when on the trail is analysed; of a password, the owner's last sure use.
    pub since: Timestamp,
    /// Who opened it; `None`: the server.
    pub opened_by: Option<String>,
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

pub(super) fn carry_out(
    tx: &mut Tx<'_>,
    me: &Executor,
    account: &account::Entry,
    reason: &str,
    since: Option<Timestamp>,
) -> Result<(IncidentView, Vec<Event>), CommandError> {
    let mut open = table::open_of(tx, account.id)?.into_iter();
    if let Some(open) = open.find(|open| open.kind == CREDENTIAL) {
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
    let new = New {
        kind: CREDENTIAL,
        account: Some(account.id),
        address: None,
        reason,
        facts: "{}",
        since,
        opened_by: Some(me.id),
    };
    let number = table::insert(tx, &new)?;
    let opened = me
        .event(Kind::IncidentOpened, number.to_string())
        .detail("incident_kind", CREDENTIAL)
        .detail("identifier", account.identifier.as_str())
        .detail("reason", reason)
        .detail("since", since.to_string());
    let mut events = vec![opened];
    let cause = Cause {
        actor: Actor::Person(me.name.clone()),
        incident: number,
        reason,
    };
    isolation::shut(tx, account, &cause, Some(since), &mut events)?;
    Ok((view_of(tx, number)?, events))
}

/// Opens an incident about malware that is known to be on a terminal, before the scanners met it: shuts out the identifier and, if it
/// is named, the address, as the server does by itself (clause 5.2(5)).
///
/// # Errors
/// [`CommandError`]; one identifier has one open incident of this kind at most.
pub async fn open_inside(
    caller: &Caller,
    name: &str,
    peer: Option<std::net::IpAddr>,
    reason: &str,
) -> Result<IncidentView, CommandError> {
    let kind = IncidentKind::MalwareInside.as_str();
    let words = format!("incident open --kind {kind} {name}");
    let options = caller.directory.options();
    let (name, reason) = (name.to_owned(), reason.to_owned());
    let work = async {
        let reason = plain_text("the reason", &reason, MOST_REASON)?;
        caller
            .change(&words, MAY_SUSPEND, move |tx, me| {
                let account = present(tx, &options, &name)?;
                let mut open = table::open_of(tx, account.id)?.into_iter();
                if let Some(open) = open.find(|open| open.kind == kind) {
                    return Err(CommandError::State(format!(
                        "incident {} is open for {} already",
                        open.number, account.identifier
                    )));
                }
                let found = isolation::Found {
                    account: Some(account.id),
                    peer,
                    malware: String::new(),
                    place: String::new(),
                };
                let rule = options.isolation.clone().unwrap_or_default();
                let by = Some((me.id, me.name.as_str(), reason.as_str()));
                let (number, events) = isolation::isolate(tx, &rule, &found, by)?;
                Ok((view_of(tx, number)?, events))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Those that the server opens by itself, are open, and were not analysed and reported yet. For the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn unreported(directory: &Directory) -> Result<Vec<IncidentView>, Error> {
    let read = |snapshot: &mut store::Snapshot<'_>| {
        let mut open = table::all(snapshot)?;
        open.retain(|incident| incident.closed_at.is_none() && incident.kind != CREDENTIAL);
        let mut found = Vec::new();
        for entry in open {
            let steps = table::steps(snapshot, entry.number)?;
            if missing(&entry, &steps).contains(&Step::Analysed) {
                found.push(shown(entry, steps));
            }
        }
        Ok(found)
    };
    directory.inner.store.read(read).await
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

/// Those that are not closed: number, what it is about, missing steps. For the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn still_open_all(directory: &Directory) -> Result<Vec<(i64, String, Vec<Step>)>, Error> {
    let read = |snapshot: &mut store::Snapshot<'_>| {
        let mut open = table::all(snapshot)?;
        open.retain(|incident| incident.closed_at.is_none());
        let mut told = Vec::with_capacity(open.len());
        for incident in open {
            let missing = missing(&incident, &table::steps(snapshot, incident.number)?);
            told.push((incident.number, name(&incident), missing));
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

/// The officer whose kind of incident it is has read the report. It counts as reported with this, if no officer could be sent mail.
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
    let work = caller.change(&words, MAY_DECIDE, move |tx, me| {
        let note = said(&note)?;
        let incident = still_open(tx, number)?;
        is_for(me, &incident)?;
        demanded(&incident, Step::Acknowledged)?;
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
        demanded(&incident, Step::HandedOver)?;
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
    let account = match &incident.account {
        Some((id, _)) => account::by_id(tx, *id)?,
        None => None,
    };
    if !account.is_some_and(|account| account.renewed) {
        return Err(CommandError::State(format!(
            "{} has no new password since it was suspended",
            incident.identifier()
        )));
    }
    let mut events = Vec::new();
    for step in [Step::PasswordRenewed, Step::HandedOver] {
        events.push(take(tx, me, incident.number, step, note)?);
    }
    Ok(events)
}

/// The terminal that malware came from is off the network or clean: `note` says what was done (clause 5.2(5)).
///
/// # Errors
/// [`CommandError`].
pub async fn clean(caller: &Caller, number: i64, note: &str) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {}", Step::TerminalCleaned.as_str());
    let note = note.to_owned();
    let work = caller.change(&words, MAY_CLEAN, move |tx, me| {
        let note = plain_text("the note on what was done", &note, MOST_REASON)?;
        demanded(&still_open(tx, number)?, Step::TerminalCleaned)?;
        let event = take(tx, me, number, Step::TerminalCleaned, &note)?;
        Ok((view_of(tx, number)?, vec![event]))
    });
    caller.run(&words, work).await
}

/// What was held is settled. Refused while mail of the identifier is held in the queue.
///
/// # Errors
/// [`CommandError`].
pub async fn settle(
    caller: &Caller,
    number: i64,
    note: &str,
) -> Result<IncidentView, CommandError> {
    let words = format!("incident step {number} {}", Step::QueueSettled.as_str());
    let note = note.to_owned();
    let work = caller.change(&words, MAY_CLEAN, move |tx, me| {
        let note = said(&note)?;
        let incident = still_open(tx, number)?;
        demanded(&incident, Step::QueueSettled)?;
        let identifier = incident.identifier();
        let held = Selection {
            identifier: Some(identifier.to_owned()),
            state: Some(State::Held),
            ..Selection::default()
        };
        let held = queue::ids(tx, &held)?.len();
        if held > 0 {
            return Err(CommandError::State(format!(
                "{held} messages of {identifier} are held still: `queue release`, `queue bounce` or `queue discard` with --identifier {identifier} --state held"
            )));
        }
        let event = take(tx, me, number, Step::QueueSettled, &note)?;
        if let Some((account, _)) = &incident.account
            && incident.kind == IncidentKind::SubmissionSurge.as_str()
        {
            crate::submission::decided(tx, *account, None, None)?;
        }
        Ok((view_of(tx, number)?, vec![event]))
    });
    caller.run(&words, work).await
}

/// Closes an incident: refused as long as a step is missing.
///
/// # Errors
/// [`CommandError`].
pub async fn close(caller: &Caller, number: i64) -> Result<IncidentView, CommandError> {
    let words = format!("incident close {number}");
    let work = caller.change(&words, MAY_DECIDE, move |tx, me| {
        let incident = still_open(tx, number)?;
        is_for(me, &incident)?;
        super::dos::may_close(tx, &incident)?;
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

/// Notes in a commit of the server's own that the owner of the identifier was told, or that there is nowhere to tell them.
///
/// # Errors
/// When the database fails.
pub fn note_owner_told(
    tx: &mut Tx<'_>,
    number: i64,
    told: &[Address],
) -> Result<Recorded<()>, Error> {
    let told: Vec<String> = told.iter().map(Address::to_string).collect();
    let step = Step::OwnerTold.as_str();
    table::take_step(tx, number, step, None, &told.join(", "))?;
    let event = Event::new(Kind::IncidentStep, Actor::System)
        .subject(number.to_string())
        .detail("step", step)
        .detail("recipients", told);
    tx.record(&event, ())
}

/// The open incidents that end with the identifier's resumption; refused while one of them forbids it.
pub(super) fn before_resumption(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<Vec<Entry>, CommandError> {
    let mut open = table::open_of(sql, account.id)?;
    open.retain(|incident| steps_of(incident).contains(&Step::Resumed));
    for incident in &open {
        for (step, why) in [
            (
                Step::HandedOver,
                "its new password was handed over to its owner",
            ),
            (Step::TerminalCleaned, "the terminal is clean"),
        ] {
            if steps_of(incident).contains(&step) && !taken(sql, incident.number, step)? {
                return Err(CommandError::State(format!(
                    "{} cannot be resumed before {why} (incident {})",
                    account.identifier, incident.number
                )));
            }
        }
    }
    Ok(open)
}

/// Refuses while an incident is open for the account.
pub(super) fn must_be_over(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<(), CommandError> {
    match table::open_of(sql, account.id)?.first() {
        None => Ok(()),
        Some(incident) => Err(CommandError::State(format!(
            "incident {} is open for {}",
            incident.number, account.identifier
        ))),
    }
}

/// The open incidents of an account that demand that a new password is handed over, and have not seen it yet.
pub(super) fn awaiting_password(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<Vec<Entry>, CommandError> {
    let mut awaiting = Vec::new();
    for incident in table::open_of(sql, account.id)? {
        let demands = steps_of(&incident).contains(&Step::HandedOver);
        if demands && !taken(sql, incident.number, Step::HandedOver)? {
            awaiting.push(incident);
        }
    }
    Ok(awaiting)
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

pub(super) fn taken(sql: &mut dyn Sql, number: i64, step: Step) -> Result<bool, Error> {
    let steps = table::steps(sql, number)?;
    Ok(steps.iter().any(|taken| taken.name == step.as_str()))
}

pub(super) fn said(note: &str) -> Result<String, CommandError> {
    if note.is_empty() {
        return Ok(String::new());
    }
    plain_text("the note", note, MOST_REASON)
}

/// Refuses an officer whose kind of incident it is not.
fn is_for(me: &Executor, incident: &Entry) -> Result<(), CommandError> {
    let kind = IncidentKind::named(&incident.kind).unwrap_or(IncidentKind::Credential);
    match me.has(kind.officer()) {
        true => Ok(()),
        false => Err(CommandError::NotPermitted(match kind {
            IncidentKind::Dos => &[Role::SystemOfficer],
            _ => MAY_ACKNOWLEDGE,
        })),
    }
}

fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    table::by_number(sql, number)?.ok_or_else(|| CommandError::NoSuch {
        what: "incident",
        name: number.to_string(),
    })
}

pub(super) fn still_open(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    let entry = by_number(sql, number)?;
    if entry.closed_at.is_some() {
        return Err(CommandError::State(format!("incident {number} is closed")));
    }
    Ok(entry)
}

fn steps_of(incident: &Entry) -> &'static [Step] {
    let kind = IncidentKind::named(&incident.kind);
    // A kind that is not known demands all that there was before there were several.
    let kind = kind.unwrap_or(IncidentKind::Credential);
    kind.steps(incident.account.is_some())
}

fn missing(incident: &Entry, steps: &[table::Step]) -> Vec<Step> {
    let is_missing = |step: &Step| !steps.iter().any(|taken| taken.name == step.as_str());
    steps_of(incident)
        .iter()
        .copied()
        .filter(is_missing)
        .collect()
}

/// What it is about, for people.
fn name(incident: &Entry) -> String {
    let (identifier, address) = (incident.identifier(), incident.address.as_deref());
    match (identifier.is_empty(), address) {
        (false, _) => identifier.to_owned(),
        (true, Some(address)) => address.to_owned(),
        (true, None) => incident.kind.clone(),
    }
}

/// Refuses a step that the incident's kind has not.
pub(super) fn demanded(incident: &Entry, step: Step) -> Result<(), CommandError> {
    if steps_of(incident).contains(&step) {
        return Ok(());
    }
    Err(CommandError::State(format!(
        "incident {} ({}) has no step {}",
        incident.number,
        incident.kind,
        step.as_str()
    )))
}

pub(super) fn view_of(sql: &mut dyn Sql, number: i64) -> Result<IncidentView, CommandError> {
    let entry = by_number(sql, number)?;
    view(sql, entry)
}

fn view(sql: &mut dyn Sql, entry: Entry) -> Result<IncidentView, CommandError> {
    let steps = table::steps(sql, entry.number)?;
    Ok(shown(entry, steps))
}

fn shown(entry: Entry, steps: Vec<table::Step>) -> IncidentView {
    IncidentView {
        missing: missing(&entry, &steps),
        identifier: entry.identifier().to_owned(),
        account: entry.account.as_ref().map(|(id, _)| *id),
        address: entry.address,
        // What is no JSON any more is shown as it is.
        facts: serde_json::from_str(&entry.facts)
            .unwrap_or_else(|_| serde_json::Value::String(entry.facts.clone())),
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
        reason: entry.reason,
        since: entry.since,
        opened_by: entry.opened_by,
        opened_at: entry.opened_at,
        closed_by: entry.closed_by,
        closed_at: entry.closed_at,
    }
}
