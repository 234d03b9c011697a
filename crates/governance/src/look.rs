//! Looking at all clauses: what each rests on is checked, changes and the day's look are told, and the work that has come round is opened.
//!
//! Looking reads one view of the store; what came of it is one commit. Who looks meanwhile, here or on another node, finds each thing
//! told once: what was there already in the commit is not told again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regulation::{Period, PeriodUnit};
use serde_json::{Map, Value, json};
use store::{Error, Recorded, Snapshot, Store, Tx};
use trail::{Actor, Event, Kind, Outcome};

use crate::{
    capacity,
    check::{self, Scene},
    expert,
    facts::Facts,
    matter::{self, Waiting},
    prepare,
    rules::Rules,
    schedule::Span,
    state::{Finding, State},
    tables::{
        occasion,
        standing::{self, Entry},
        task as tasks,
    },
    task,
    workflow::Workflow,
};

/// The item of the daily look.
const DAILY: &str = "look";
const DAY: Period = Period {
    count: 1,
    unit: PeriodUnit::Day,
};

/// The fact of a task that says in how many spans before nobody ran who could have met them, if there was any.
pub(crate) const MISSED: &str = "missed";
/// The fact that says when a task would have been due, had it been opened as its span began.
pub(crate) const REGULAR: &str = "regular_due";

/// How one check or workflow stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What was found.
    pub finding: Finding,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// When it was looked at.
    pub checked_at: Timestamp,
}

/// How everything stands, by the names that clauses rest on.
pub type Standings = BTreeMap<String, Standing>;

/// Looks, and changes nothing.
///
/// # Errors
/// The store's.
pub async fn now(store: &Store, rules: &Rules, facts: &Facts) -> Result<Standings, Error> {
    let (rules, facts, now) = (rules.clone(), facts.clone(), store.now());
    let read = move |snapshot: &mut Snapshot<'_>| standings(snapshot, &rules, &facts, now);
    store.read(read).await
}

/// Looks, tells of what changed, and opens what came round.
///
/// # Errors
/// The store's: then nothing has happened, and it can be looked again.
pub async fn look(store: &Store, rules: &Rules, facts: &Facts) -> Result<Standings, Error> {
    // What else keeps it from being counted ahead keeps the check from counting it, too, which says so.
    if let Err(Error::Closed) = check::screening::count_ahead(store).await {
        return Err(Error::Closed);
    }
    let now = store.now();
    let (seen, plan) = {
        let (rules, facts) = (rules.clone(), facts.clone());
        let read = move |snapshot: &mut Snapshot<'_>| {
            let seen = standings(snapshot, &rules, &facts, now)?;
            let plan = Plan::make(snapshot, &rules, &facts, now, &seen)?;
            Ok::<_, Error>((seen, plan))
        };
        store.read(read).await?
    };
    if !plan.is_empty() {
        let rules = rules.clone();
        let carry_out = move |tx: &mut Tx<'_>| plan.carry_out(tx, &rules);
        match store.commit(Vec::new(), carry_out).await {
            Ok(_) | Err(Untold::Already) => {}
            Err(Untold::Store(error)) => return Err(error),
        }
    }
    Ok(seen)
}

pub(crate) fn standings(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    facts: &Facts,
    now: Timestamp,
) -> Result<Standings, Error> {
    // As the store keeps times.
    let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let known = known(standing::all(snapshot)?);
    let mut found = Vec::new();
    let mut scene = Scene {
        snapshot,
        facts,
        rules,
        now,
        traffic: None,
        counted: None,
    };
    for check in check::all() {
        let finding = match (check.look)(&mut scene) {
            Ok(finding) => finding,
            Err(Error::Closed) => return Err(Error::Closed),
            Err(error) => Finding::unknown(
                format!("点検を実行できなかった: {error}"),
                format!("the check could not be run: {error}"),
            ),
        };
        found.push((check.name.to_owned(), finding));
    }
    for workflow in rules.workflows.iter() {
        if !workflow.on_demand && rules.needs(&workflow.name) {
            let finding = task::stands(snapshot, rules, workflow, now)?;
            found.push((workflow.name.clone(), finding));
        }
    }
    let standings = found.into_iter().map(|(name, finding)| {
        let before = known.get(&name);
        let before = before.filter(|entry| entry.finding.state == finding.state);
        let standing = Standing {
            since: before.map_or(now, |entry| entry.since),
            checked_at: now,
            finding,
        };
        (name, standing)
    });
    Ok(standings.collect())
}

fn known(entries: Vec<Entry>) -> BTreeMap<String, Entry> {
    let entries = entries.into_iter();
    entries.map(|entry| (entry.name.clone(), entry)).collect()
}

/// Why nothing was told.
enum Untold {
    /// Another node told of all of it meanwhile.
    Already,
    Store(Error),
}

impl From<Error> for Untold {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// What a look leads to.
struct Plan {
    now: Timestamp,
    /// What stands otherwise than it was told last.
    changed: Vec<(String, Finding)>,
    /// The day that nobody told of yet, how many were missed before, and everything that is told of it.
    day: Option<(Span, u16, Standings)>,
    /// Work that came round.
    due: Vec<Due>,
    /// Work that something calls for.
    calls: Vec<Call>,
    /// Tasks whose matter waits no more.
    settled: Vec<tasks::Entry>,
    /// The period for which mailboxes are to be measured, and how many were missed before.
    measure: Option<(Span, u16)>,
    facts: Facts,
}

/// Work that something calls for, whenever that is.
pub(crate) struct Call {
    /// The workflow.
    pub(crate) workflow: &'static str,
    /// What it is about: the same is opened once.
    pub(crate) period: String,
    /// When it is due.
    pub(crate) due_at: Timestamp,
    /// What is known.
    pub(crate) facts: Map<String, Value>,
}

/// Work that came round in a span.
struct Due {
    workflow: Workflow,
    /// The span that has begun.
    span: Span,
    missed: u16,
    /// What it is about, with what was prepared: the span before, and all before that which no task covers. `None`: it only begins to come
    /// round, or earlier tasks cover it all.
    about: Option<(Span, Map<String, Value>)>,
}

impl Plan {
    fn make(
        snapshot: &mut Snapshot<'_>,
        rules: &Rules,
        facts: &Facts,
        now: Timestamp,
        seen: &Standings,
    ) -> Result<Self, Error> {
        let known = known(standing::all(snapshot)?);
        let changed = seen.iter().filter(|(name, standing)| {
            let before = known.get(*name);
            before.is_none_or(|before| before.finding.state != standing.finding.state)
        });
        let changed = changed.map(|(name, standing)| (name.clone(), standing.finding.clone()));
        let changed = changed.collect();
        let missed = |round: Option<(Span, Option<String>)>, period| {
            let (span, last) = round?;
            let missed = last.map(|last| rules.calendar.missed(period, &last, &span));
            Some((span, missed.unwrap_or_default()))
        };
        let day = missed(comes_round(snapshot, rules, DAILY, DAY, now)?, DAY);
        let mut due = Vec::new();
        for workflow in rules.workflows.iter().filter(|one| !one.on_demand) {
            let Some(period) = rules
                .period(workflow)
                .filter(|_| rules.needs(&workflow.name))
            else {
                continue;
            };
            let round = comes_round(snapshot, rules, &workflow.name, period, now)?;
            let Some((span, last)) = round else {
                continue;
            };
            let (about, missed) = match (rules.calendar.before(period, &span), last) {
                (Some(about), Some(last)) => (
                    uncovered(snapshot, rules, workflow, &about)?,
                    unattended(snapshot, rules, period, (&last, &span))?,
                ),
                _ => (None, 0),
            };
            let about = match about {
                Some(about) => {
                    let mut scene = Scene {
                        snapshot,
                        facts,
                        rules,
                        now,
                        traffic: None,
                        counted: None,
                    };
                    let prepared = prepare::facts(&mut scene, workflow, &about, seen)?;
                    Some((about, prepared))
                }
                None => None,
            };
            due.push(Due {
                workflow: workflow.clone(),
                span,
                missed,
                about,
            });
        }
        let waiting = matter::waiting(snapshot, rules, facts, now)?;
        let settled = settled(snapshot, rules, &waiting)?;
        let mut called = waiting.calls;
        if rules.needs("expert-at-hand") {
            called.extend(expert::calls(snapshot, rules, now)?);
        }
        let mut calls = Vec::new();
        for call in called {
            if !tasks::is_there(snapshot, call.workflow, &call.period)? {
                calls.push(call);
            }
        }
        let measured = capacity::period(rules);
        let measure = comes_round(snapshot, rules, capacity::ITEM, measured, now)?;
        Ok(Self {
            now,
            calls,
            settled,
            measure: missed(measure, measured),
            facts: facts.clone(),
            changed,
            day: day.map(|(span, missed)| (span, missed, seen.clone())),
            due,
        })
    }

    fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && self.day.is_none()
            && self.due.is_empty()
            && self.calls.is_empty()
            && self.settled.is_empty()
            && self.measure.is_none()
    }

    fn carry_out(self, tx: &mut Tx<'_>, rules: &Rules) -> Result<Recorded<()>, Untold> {
        let now = self.now;
        let mut events = Vec::new();
        let mut known = known(standing::all(tx)?);
        for (name, finding) in self.changed {
            let before = known.remove(&name);
            let before = before.as_ref().map(|entry| entry.finding.state);
            if before == Some(finding.state) {
                continue;
            }
            events.push(changed_event(rules, &name, before, &finding));
            standing::put(tx, &entry(name, finding, now, now))?;
        }
        if let Some((span, missed, seen)) = self.day
            && occasion::meet(tx, DAILY, &span, missed)?
        {
            events.push(day_event(rules, &span, missed, &seen));
            for (name, seen) in seen {
                standing::put(tx, &entry(name, seen.finding, seen.since, now))?;
            }
        }
        for due in self.due {
            open(tx, rules, due, &mut events)?;
        }
        if let Some((span, missed)) = self.measure
            && occasion::meet(tx, capacity::ITEM, &span, missed)?
        {
            events.push(capacity::measure(tx, &span.name, &self.facts)?);
        }
        for call in self.calls {
            answer(tx, rules, call, &mut events)?;
        }
        for task in self.settled {
            settle(tx, &task, &mut events)?;
        }
        match events.split_last() {
            Some((last, others)) => {
                for event in others {
                    drop(tx.record(event, ())?);
                }
                Ok(tx.record(last, ())?)
            }
            None => Err(Untold::Already),
        }
    }
}

fn entry(name: String, finding: Finding, since: Timestamp, told_at: Timestamp) -> Entry {
    Entry {
        name,
        finding,
        since,
        told_at,
    }
}

/// The span that has begun and that nobody met yet, and the name of the last one that was met: `None` if the item begins only now to come
/// round.
fn comes_round(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    item: &str,
    period: Period,
    now: Timestamp,
) -> Result<Option<(Span, Option<String>)>, Error> {
    let Some(span) = rules.calendar.span(period, now) else {
        return Ok(None);
    };
    let last = occasion::last(snapshot, item)?;
    // The clock may have been put back, or the period made longer: what was met is not met again.
    let is_met = last.as_ref().is_some_and(|last| *last >= span.name);
    Ok((!is_met).then_some((span, last)))
}

/// In how many spans between the one called `last` and `span` nobody ran: who did would have met them. When the period was made shorter,
/// or a clause adopted anew, spans lie between that were none then.
fn unattended(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    period: Period,
    (last, span): (&str, &Span),
) -> Result<u16, Error> {
    let mut count = 0_u16;
    for between in rules.calendar.between(period, last, span) {
        let day = |at: Timestamp| rules.calendar.date(at).to_string();
        let (from, end) = (day(between.start), day(between.end));
        if !occasion::any(snapshot, DAILY, &from, &end)? {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

/// What until the end of `about` no task of the workflow covers. Spans may have been longer or shorter when the last was opened, or nobody
/// ran in those between: no day is left out.
fn uncovered(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    workflow: &Workflow,
    about: &Span,
) -> Result<Option<Span>, Error> {
    let covered = match tasks::covered(snapshot, &workflow.name, about.end)? {
        Some(covered) => covered,
        None => occasion::began(snapshot, &workflow.name)?
            .map_or(about.start, |began| began.min(about.start)),
    };
    Ok(rules.calendar.rest(about, covered))
}

fn changed_event(rules: &Rules, name: &str, before: Option<State>, finding: &Finding) -> Event {
    let outcome = match finding.state.needs_attention() {
        true => Outcome::Failure,
        false => Outcome::Success,
    };
    let clauses = rules.resting_on(name).into_iter().map(str::to_owned);
    let above = rules.resting_by_items(name).into_iter().map(str::to_owned);
    Event::new(Kind::ClauseStanding, Actor::System)
        .subject(name)
        .outcome(outcome)
        .detail("state", finding.state.as_str())
        .detail("before", before.map(State::as_str))
        .detail("why", finding.why.en.as_str())
        .detail("why_ja", finding.why.ja.as_str())
        .detail("clauses", clauses.collect::<Vec<String>>())
        .detail("by_items", above.collect::<Vec<String>>())
        .detail("facts", Value::Object(finding.facts.clone()))
}

fn day_event(rules: &Rules, span: &Span, missed: u16, seen: &Standings) -> Event {
    let states = seen.iter().map(|(name, standing)| {
        let state = standing.finding.state.as_str();
        (name.clone(), Value::from(state))
    });
    let catalogues = rules.regulation.catalogues().iter();
    let catalogues = catalogues.map(|one| format!("{} {}", one.id, one.version));
    Event::new(Kind::ClausesReviewed, Actor::System)
        .subject(span.name.as_str())
        .detail("standings", Value::Object(states.collect()))
        .detail("catalogues", catalogues.collect::<Vec<String>>())
        .detail("missed", u64::from(missed))
}

/// Notes that the work came round, and opens the task.
fn open(tx: &mut Tx<'_>, rules: &Rules, due: Due, events: &mut Vec<Event>) -> Result<(), Error> {
    let workflow = due.workflow;
    if !occasion::meet(tx, &workflow.name, &due.span, due.missed)? {
        return Ok(());
    }
    let Some((about, mut facts)) = due.about else {
        events.push(begun_event(&workflow, &due.span));
        return Ok(());
    };
    let due_at = rules.calendar.days_after(due.span.start, workflow.days);
    if due.missed > 0 {
        facts.insert(MISSED.to_owned(), due.missed.into());
    }
    facts.insert(REGULAR.to_owned(), json!(due_at));
    // Who was down over its time is not late by that: the days count from when it could be opened.
    let due_at = due_at.max(rules.calendar.days_after(tx.now(), workflow.days.min(7)));
    // Another task may have the name though it covers nothing of the span: work that came round is opened all the same.
    let mut period = about.name.clone();
    let mut more = 1_u32;
    let number = loop {
        if let Some(number) = tasks::insert(tx, &workflow.name, &period, due_at, &facts)? {
            break number;
        }
        more = more.saturating_add(1);
        period = format!("{}{}{more}", about.name, tasks::ANEW);
    };
    let event = opened_event(number, &workflow, &period, due_at, facts);
    events.push(event.detail("missed", u64::from(due.missed)));
    Ok(())
}

/// Opens the task that something calls for, unless there is one already.
fn answer(
    tx: &mut Tx<'_>,
    rules: &Rules,
    call: Call,
    events: &mut Vec<Event>,
) -> Result<(), Error> {
    let mut workflows = rules.workflows.iter();
    let Some(workflow) = workflows.find(|workflow| workflow.name == call.workflow) else {
        return Err(Error::NotFound(format!("workflow {}", call.workflow)));
    };
    // What is called for late is not late by that.
    let due_at = call
        .due_at
        .max(rules.calendar.days_after(tx.now(), workflow.days.min(7)));
    let opened = tasks::insert(tx, &workflow.name, &call.period, due_at, &call.facts)?;
    if let Some(number) = opened {
        let event = opened_event(number, workflow, &call.period, due_at, call.facts);
        events.push(event.detail("missed", 0));
    }
    Ok(())
}

/// The open tasks of what is on record whose matter waits no more.
fn settled(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    waiting: &Waiting,
) -> Result<Vec<tasks::Entry>, Error> {
    let on_record = |name: &str| {
        let mut workflows = rules.workflows.iter();
        workflows.any(|workflow| workflow.on_record && workflow.name == name)
    };
    let mut open = tasks::open(snapshot)?;
    open.retain(|task| {
        let mut standing = waiting.standing.iter();
        let matter = task.period.split(tasks::ANEW).next().unwrap_or_default();
        let waits =
            standing.any(|(workflow, period)| *workflow == task.workflow && period == matter);
        on_record(&task.workflow) && !waits
    });
    Ok(open)
}

/// Closes a task by what is on record.
fn settle(tx: &mut Tx<'_>, task: &tasks::Entry, events: &mut Vec<Event>) -> Result<(), Error> {
    if !tasks::settle(tx, task.number)? {
        return Ok(());
    }
    tasks::step(tx, task.number, "settled", None, "")?;
    let event = Event::new(Kind::TaskDone, Actor::System)
        .subject(task.number.to_string())
        .detail("workflow", task.workflow.as_str())
        .detail("period", task.period.as_str())
        .detail("answers", Value::Object(Map::new()))
        .detail("late", task.due_at < tx.now())
        .detail("closed", true);
    events.push(event);
    Ok(())
}

fn opened_event(
    number: i64,
    workflow: &Workflow,
    period: &str,
    due_at: Timestamp,
    facts: Map<String, Value>,
) -> Event {
    let prepared = Value::Object(facts).to_string();
    let digest = trail::merkle::sha256(&[prepared.as_bytes()]);
    Event::new(Kind::TaskOpened, Actor::System)
        .subject(number.to_string())
        .detail("workflow", workflow.name.as_str())
        .detail("period", period)
        .detail("role", workflow.role.as_str())
        .detail("due", due_at.to_string())
        .detail("prepared", trail::volume::hex(&digest))
}

fn begun_event(workflow: &Workflow, span: &Span) -> Event {
    Event::new(Kind::TaskBegins, Actor::System)
        .subject(workflow.name.as_str())
        .detail("period", span.name.as_str())
        .detail("first", span.end.to_string())
}
