//! `incident list | show | close`, and what an incident is. It is opened by [`super::opening`] or by the server ([`crate::alarm`],
//! [`crate::isolation`]), goes by its runbook ([`crate::runbook`]), and is over when each step of that was taken
//! ([`super::stepping`]) and what the server looks at by itself is so.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use message::address::Address;
use serde::Serialize;
use store::{
    Error, Recorded, Snapshot, Tx,
    event::{self, Filter},
    sql::Sql,
};
use trail::{Actor, Event, Kind, Recorded as Told};

use super::{Caller, CommandError, Executor, leaving, lever, restrain};
use crate::{
    Directory, Role,
    runbook::{self, Condition, Part, Runbook, StepRule},
    tables::{
        account,
        incident::{self as table, Entry},
    },
};

pub(super) use super::stepping::{handed_over, nothing_held, said, take, taken};
pub use super::{
    lever::LeverView,
    opening::{Open, open},
    step::{IncidentKind, Step},
    stepping::{Permitted, others_hold, step, step_in},
};

/// The listener's checks that say who gets in: these have an incident opened, and have to pass before it is closed.
const DOORS: [&str; 8] = [
    "relay.",
    "login.",
    "commands.",
    "imap.plaintext",
    "imap.preauth",
    "imap.before-login",
    "pop3.plaintext",
    "pop3.before-login",
];
/// Probes that are looked through for the last whole one.
const MOST_PROBES: usize = 1000;

/// An incident, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentView {
    /// Its number.
    pub number: i64,
    /// Its kind, as [`IncidentKind`] names it.
    pub kind: String,
    /// What its runbook calls it.
    pub title: runbook::Words,
    /// The version of the runbook that it goes by; `None`: the program's, of an incident from before any was kept.
    pub runbook: Option<i64>,
    /// Whose officer it is for.
    pub officer: Role,
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
    pub missing: Vec<String>,
    /// Those of them that could be taken now, or soon, and until when.
    pub due: Vec<Due>,
    /// When it will have lain without a step for longer than its runbook permits; `None`: it is closed.
    pub idle_at: Option<Timestamp>,
    /// What people did from it.
    pub levers: Vec<LeverView>,
}

impl IncidentView {
    /// What its levers did and is in force still.
    #[must_use]
    pub fn in_force(&self) -> Vec<String> {
        let left = self.levers.iter().filter(|lever| lever.in_force);
        left.map(|one| format!("{} {}", one.lever, one.target))
            .collect()
    }
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

/// A step that is to be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Which.
    pub step: String,
    /// Who takes it; empty: the server.
    pub roles: Vec<Role>,
    /// What is to be done.
    pub text: runbook::Words,
    /// Until when; `None`: no time is set.
    pub due_at: Option<Timestamp>,
}

/// An incident with the runbook that it goes by.
pub(super) struct Case {
    pub(super) entry: Entry,
    pub(super) version: Option<i64>,
    pub(super) book: Arc<Runbook>,
}

impl Case {
    /// The step of that name, if it is one of this incident.
    pub(super) fn rule(&self, key: &str) -> Option<&StepRule> {
        self.book.step(key, self.entry.account.is_some())
    }

    pub(super) fn has(&self, step: Step) -> bool {
        self.rule(step.as_str()).is_some()
    }

    fn missing<'a>(&'a self, steps: &'a [table::Step]) -> impl Iterator<Item = &'a StepRule> {
        let is_missing = |rule: &&StepRule| !steps.iter().any(|taken| taken.name == rule.key);
        let all = self.book.steps(self.entry.account.is_some());
        all.filter(is_missing)
    }

    /// The steps that are missing and that nothing else has to come before.
    fn due(&self, steps: &[table::Step]) -> Vec<Due> {
        let at = |key: &String| steps.iter().find(|taken| taken.name == *key);
        let mut due = Vec::new();
        for rule in self.missing(steps) {
            let before: Option<Vec<Timestamp>> =
                rule.after.iter().map(|key| Some(at(key)?.at)).collect();
            let Some(before) = before else { continue };
            let from = before.into_iter().max().unwrap_or(self.entry.opened_at);
            let within = rule.within;
            due.push(Due {
                step: rule.key.clone(),
                roles: rule.roles.clone(),
                text: rule.text.clone(),
                due_at: within.map(|time| from.checked_add(time).unwrap_or(Timestamp::MAX)),
            });
        }
        due
    }

    fn shown(self, steps: Vec<table::Step>, levers: Vec<LeverView>) -> IncidentView {
        let missing = self.missing(&steps).map(|rule| rule.key.clone()).collect();
        let due = match self.entry.closed_at {
            None => self.due(&steps),
            Some(_) => Vec::new(),
        };
        let Self {
            entry,
            version,
            book,
        } = self;
        let acts = steps.iter().map(|step| step.at);
        let acts = acts.chain(levers.iter().map(|lever| lever.at));
        let last = acts.max().unwrap_or(entry.opened_at);
        let idle_at = last.checked_add(book.idle).unwrap_or(Timestamp::MAX);
        IncidentView {
            missing,
            due,
            idle_at: entry.closed_at.is_none().then_some(idle_at),
            levers,
            title: book.title.clone(),
            runbook: version,
            officer: book.officer,
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
}

/// Those that the server opens by itself or for a person, are open, and were not analysed and reported yet. For the server's own
/// reports. Those about a password are analysed by the command that opens them: they are among these once that has had `patience` for
/// it, since then it was cut short.
///
/// # Errors
/// When the store cannot be read.
pub async fn unreported(
    directory: &Directory,
    patience: Duration,
) -> Result<Vec<IncidentView>, Error> {
    let mut open = open_now(directory).await?;
    let now = directory.inner.store.now();
    let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
    let cut_short = |found: &IncidentView| now.duration_since(found.opened_at) > patience;
    let credential = IncidentKind::Credential.as_str();
    let analysed = Step::Analysed.as_str();
    open.retain(|found| {
        let waits = found.kind == credential && !cut_short(found);
        !waits && found.missing.iter().any(|step| step == analysed)
    });
    Ok(open)
}

/// All that are not closed, the newest first. For the server's own reports.
///
/// # Errors
/// When the store cannot be read.
pub async fn open_now(directory: &Directory) -> Result<Vec<IncidentView>, Error> {
    let read = |snapshot: &mut Snapshot<'_>| open_in(snapshot);
    directory.inner.store.read(read).await
}

/// The same, as a snapshot or a transaction has it.
///
/// # Errors
/// When the store cannot be read.
pub fn open_in(sql: &mut dyn Sql) -> Result<Vec<IncidentView>, Error> {
    all(sql, |entry| entry.closed_at.is_none())
}

/// All incidents, the newest first.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<IncidentView>, CommandError> {
    caller
        .look("incident list", &Role::OFFICERS, |snapshot, _| {
            Ok(all(snapshot, |_| true)?)
        })
        .await
}

/// Those that were open at any time of a span, the newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn opened_or_open(
    snapshot: &mut Snapshot<'_>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<IncidentView>, CommandError> {
    let within =
        |one: &Entry| one.opened_at < to && one.closed_at.is_none_or(|closed| closed >= from);
    Ok(all(snapshot, within)?)
}

fn all(sql: &mut dyn Sql, wanted: impl Fn(&Entry) -> bool) -> Result<Vec<IncidentView>, Error> {
    let mut known = BTreeMap::new();
    let mut views = Vec::new();
    for entry in table::all(sql)?.into_iter().filter(|entry| wanted(entry)) {
        let steps = table::steps(sql, entry.number)?;
        let (version, book) = runbook::of_incidents(sql, &mut known, &entry)?;
        let case = Case {
            entry,
            version,
            book,
        };
        let levers = lever::used(sql, case.entry.number)?;
        views.push(case.shown(steps, levers));
    }
    Ok(views)
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

/// One incident, as a transaction or a snapshot has it. For rooms that build upon this one.
///
/// # Errors
/// [`CommandError::NoSuch`]; the store's.
pub fn view_of(sql: &mut dyn Sql, number: i64) -> Result<IncidentView, CommandError> {
    let entry = by_number(sql, number)?;
    let steps = table::steps(sql, number)?;
    let levers = lever::used(sql, number)?;
    Ok(case_of(sql, entry)?.shown(steps, levers))
}

/// What the server looks at before an incident is closed, besides what the transaction sees.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How far the clock is behind the trail.
    behind: SignedDuration,
    /// The last probe of the own listeners as a whole.
    probed: Option<Probed>,
}

/// A probe, as far as it says who gets in.
#[derive(Clone, Debug)]
struct Probed {
    at: Timestamp,
    /// Checks that failed.
    failed: Vec<String>,
    /// Checks that came to no end that says anything.
    unclear: Vec<String>,
    /// Listeners that could not be probed, and why.
    unreached: Vec<String>,
}

impl Probed {
    fn of(told: &Told) -> Self {
        Self {
            at: told.at,
            failed: doors(&listed(told, "failed")),
            unclear: doors(&listed(told, "could-not-tell")),
            unreached: listed(told, "unreached"),
        }
    }

    /// Why it does not show that nobody gets in; `None`: it does.
    fn trouble(&self) -> Option<String> {
        let at = self.at;
        let again = "(`probe --own`)";
        let (what, names) = if !self.failed.is_empty() {
            ("failed", &self.failed)
        } else if !self.unreached.is_empty() {
            ("did not reach all listeners", &self.unreached)
        } else if !self.unclear.is_empty() {
            ("could not tell", &self.unclear)
        } else {
            return None;
        };
        Some(format!(
            "the probe of {at} {what}: {} {again}",
            names.join(", ")
        ))
    }
}

/// Looks.
///
/// # Errors
/// When the store cannot be read.
pub async fn seen(caller: &Caller, number: i64) -> Result<Seen, CommandError> {
    let store = caller.store();
    let read = move |snapshot: &mut Snapshot<'_>| -> Result<_, Error> {
        let Some(entry) = table::by_number(snapshot, number)? else {
            return Ok(None);
        };
        let filter = Filter {
            from: Some(entry.opened_at),
            kinds: vec![Kind::ProbeDone],
            ..Filter::default()
        };
        let found = event::search(snapshot, &filter, MOST_PROBES)?;
        let whole = |one: &&Told| !one.event.detail.contains_key("only");
        let last = found.iter().rev().find(whole);
        Ok(last.map(Probed::of))
    };
    Ok(Seen {
        probed: store.read(read).await?,
        behind: store.clock_behind(),
    })
}

fn listed(probe: &Told, fact: &str) -> Vec<String> {
    let listed = probe.event.detail.get(fact);
    let all = listed.and_then(|list| list.as_array());
    let texts = all.into_iter().flatten().filter_map(|text| text.as_str());
    texts.map(str::to_owned).collect()
}

/// Those of the checks that failed (`listener check`) that say who gets in.
#[must_use]
pub fn doors(failed: &[String]) -> Vec<String> {
    let of = |name: &&String| {
        let check = name.rsplit_once(' ').map_or("", |(_, check)| check);
        DOORS.iter().any(|door| check.starts_with(door))
    };
    failed.iter().filter(of).cloned().collect()
}

/// Closes an incident within a transaction: refused as long as a step is missing, or what the server looks at is not so. Of one whose
/// holder has left no new password is waited for. What it limited or drained is as it was before.
///
/// # Errors
/// [`CommandError`].
pub fn close_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    number: i64,
    seen: &Seen,
) -> Result<(IncidentView, Vec<Event>), CommandError> {
    let case = still_open(tx, number)?;
    permitted(me, &[case.book.officer])?;
    let book = Arc::clone(&case.book);
    for condition in &book.closing {
        if let Some(why) = unmet(tx, &case.entry, *condition, seen)? {
            return Err(CommandError::State(format!(
                "incident {number} cannot be closed: {why}"
            )));
        }
    }
    let mut events = match &case.entry.account {
        Some((account, _)) => leaving::settle(tx, (number, *account), |step| case.has(step))?,
        None => Vec::new(),
    };
    let missing = view_of(tx, number)?.missing;
    if !missing.is_empty() {
        return Err(CommandError::State(format!(
            "incident {number} cannot be closed: {} missing",
            missing.join(", ")
        )));
    }
    events.extend(restrain::end(tx, me, number)?);
    table::close(tx, number, me.id)?;
    let closed = view_of(tx, number)?;
    let mut event = me
        .event(Kind::IncidentClosed, number.to_string())
        .detail("identifier", closed.identifier.as_str());
    let left = closed.in_force();
    if !left.is_empty() {
        event = event.detail("in_force", left);
    }
    events.push(event);
    Ok((closed, events))
}

/// Why a condition is not met; `None`: it is.
fn unmet(
    sql: &mut dyn Sql,
    entry: &Entry,
    condition: Condition,
    seen: &Seen,
) -> Result<Option<String>, Error> {
    Ok(match condition {
        Condition::ServiceNormal => match store::traffic::mark(sql)? {
            Some(mark) if mark.state == "alarm" => Some(format!(
                "it goes on since {} (`traffic deviations`)",
                mark.since
            )),
            _ => None,
        },
        Condition::ProbePasses => match &seen.probed {
            None => Some(format!(
                "the own listeners were not probed since {}: `probe --own`",
                entry.opened_at
            )),
            Some(probed) => probed.trouble(),
        },
        Condition::ClockTrue => {
            let behind = seen.behind.as_secs();
            (behind > 0).then(|| format!("the clock is {behind} seconds behind the trail"))
        }
    })
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

/// The open incidents that end with the identifier's resumption; refused while a step is missing that has to come before.
pub(super) fn before_resumption(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<Vec<Entry>, CommandError> {
    let mut ending = Vec::new();
    for entry in table::open_of(sql, account.id)? {
        let case = case_of(sql, entry)?;
        let Some(rule) = case.rule(Step::Resumed.as_str()) else {
            continue;
        };
        let steps = table::steps(sql, case.entry.number)?;
        // It was resumed in this one, which waits to be closed only; what is to be done now is another one's.
        if steps.iter().any(|step| step.name == rule.key) {
            continue;
        }
        let before = case
            .missing(&steps)
            .find(|step| rule.after.contains(&step.key));
        if let Some(before) = before {
            return Err(CommandError::State(format!(
                "{} cannot be resumed before the step {} of incident {}: {}",
                account.identifier, before.key, case.entry.number, before.text.en
            )));
        }
        ending.push(case.entry);
    }
    Ok(ending)
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
    for entry in table::open_of(sql, account.id)? {
        let case = case_of(sql, entry)?;
        if case.has(Step::HandedOver) && !taken(sql, case.entry.number, Step::HandedOver)? {
            awaiting.push(case.entry);
        }
    }
    Ok(awaiting)
}

/// Refuses who holds none of the roles that a runbook names.
pub(super) fn permitted(me: &Executor, roles: &[Role]) -> Result<(), CommandError> {
    if roles.iter().any(|role| me.has(*role)) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(CommandError::NotOfRoles(names.join(" or ")))
}

fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Entry, CommandError> {
    table::by_number(sql, number)?.ok_or_else(|| CommandError::NoSuch {
        what: "incident",
        name: number.to_string(),
    })
}

fn case_of(sql: &mut dyn Sql, entry: Entry) -> Result<Case, Error> {
    let (version, book) = runbook::of_incident(sql, &entry)?;
    Ok(Case {
        entry,
        version,
        book,
    })
}

/// The incident of that number, if it is open, with its runbook.
pub(super) fn still_open(sql: &mut dyn Sql, number: i64) -> Result<Case, CommandError> {
    let entry = by_number(sql, number)?;
    if entry.closed_at.is_some() {
        return Err(CommandError::State(format!("incident {number} is closed")));
    }
    Ok(case_of(sql, entry)?)
}

/// What a step's rule refuses: that it is the server's, that another comes before, that the caller may not take it.
pub(super) fn may_take(
    sql: &mut dyn Sql,
    me: &Executor,
    case: &Case,
    rule: &StepRule,
) -> Result<(), CommandError> {
    let number = case.entry.number;
    let key = &rule.key;
    if rule.server == Part::Does {
        return Err(CommandError::State(format!(
            "the server takes the step {key} of incident {number} by itself"
        )));
    }
    permitted(me, &rule.roles)?;
    let steps = table::steps(sql, number)?;
    let before = case
        .missing(&steps)
        .find(|step| rule.after.contains(&step.key));
    match before {
        None => Ok(()),
        Some(before) => Err(CommandError::State(format!(
            "the step {key} of incident {number} comes after {}: {}",
            before.key, before.text.en
        ))),
    }
}
