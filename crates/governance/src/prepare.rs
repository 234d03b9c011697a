//! What is prepared for the work that comes round: the facts of its span, gathered when its task is opened.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::{
    Error, Snapshot,
    event::{self, Filter},
};
use trail::Kind;

use crate::{
    capacity,
    check::{Scene, screening},
    fault,
    look::Standings,
    schedule::Span,
    tables,
    workflow::Workflow,
};

/// Events that are counted in one go.
const PAGE: u32 = 100_000;
/// Changes of standing that are named at most.
const MOST_CHANGES: usize = 200;
/// Corrections that are named at most.
const MOST_CORRECTIONS: usize = 200;
/// The review of the whole (clause 4.3(6)): it is about everything, and about what all other reviews found.
const WHOLE: &str = "configuration-review";
/// The review of shared identifiers (clause 8.1).
const SHARED: &str = "shared-identifier-review";
/// The review of the policy against unwanted mail (clause 5.3).
const SCREENING: &str = "screening-review";
/// Trials of another policy that are named at most, the newest.
const MOST_TRIALS: usize = 50;
/// Sections that work is about besides those of its own clauses: who reviews the measures against malware (clause 10.1(1)) judges
/// what section 5.2 demands.
const BESIDES: &[(&str, &str)] = &[("malware-review", "5.2")];

/// The facts for one task: how all that its clauses rest on stands now, what changed in its span, and what other work of the span
/// is not done.
///
/// # Errors
/// The store's.
pub(crate) fn facts(
    scene: &mut Scene<'_, '_>,
    workflow: &Workflow,
    about: &Span,
    seen: &Standings,
) -> Result<Map<String, Value>, Error> {
    let mut facts = Map::new();
    facts.insert("from".to_owned(), about.start.to_string().into());
    facts.insert("to".to_owned(), about.end.to_string().into());
    let mut standings = Map::new();
    for name in looked_at(scene, workflow) {
        if let Some(standing) = seen.get(name) {
            let finding = &standing.finding;
            standings.insert(
                name.to_owned(),
                json!({ "state": finding.state, "ja": finding.why.ja, "en": finding.why.en, "since": standing.since, "facts": finding.facts }),
            );
        }
    }
    facts.insert("standings".to_owned(), Value::Object(standings));
    facts.insert("changes".to_owned(), changes(scene, about)?);
    if workflow.name == "trail-review" {
        facts.insert("authentication".to_owned(), refused(scene.snapshot, about)?);
    }
    if workflow.name == "mailbox-cleanup" {
        let forecast = capacity::forecast(scene.snapshot, scene.facts, scene.now)?;
        facts.insert("capacity".to_owned(), capacity::prepared(&forecast));
    }
    if workflow.name == SHARED {
        facts.insert("shared".to_owned(), shared(scene)?);
    }
    if workflow.name == SCREENING {
        let counted = screening::set_apart(scene, about.start, Some(about.end))?;
        facts.insert("false_positives".to_owned(), screening::rates(&counted));
        facts.insert("trials".to_owned(), trials(scene.snapshot, about)?);
    }
    let only = (workflow.name != WHOLE).then_some(workflow.name.as_str());
    // What is still open, and what was closed since the last review of this kind began.
    let corrections: Vec<Value> = fault::corrections(scene.snapshot, scene.rules, only)?
        .into_iter()
        .filter(|one| one.closed_at.is_none_or(|closed| closed >= about.start))
        .take(MOST_CORRECTIONS)
        .map(|one| json!(one))
        .collect();
    if !corrections.is_empty() {
        facts.insert("corrections".to_owned(), corrections.into());
    }
    let open = tables::task::open(scene.snapshot)?.into_iter();
    let late = open.filter(|task| task.due_at < scene.now);
    let late: Vec<Value> = late
        .map(|task| json!({ "task": task.number, "workflow": task.workflow, "period": task.period, "due": task.due_at }))
        .collect();
    facts.insert("late".to_owned(), late.into());
    Ok(facts)
}

/// What a piece of work is about: everything else that its own clauses, and the clauses of their sections and of those [`BESIDES`], rest
/// on. The review of the [`WHOLE`] is about all that is demanded.
fn looked_at<'a>(scene: &Scene<'a, '_>, workflow: &Workflow) -> Vec<&'a str> {
    let rules = scene.rules;
    let mut sections: Vec<&str> = rules
        .resting_on(&workflow.name)
        .into_iter()
        .filter_map(|id| id.split('-').next())
        .collect();
    let besides = BESIDES.iter().filter(|(name, _)| *name == workflow.name);
    sections.extend(besides.map(|(_, section)| *section));
    let clauses = rules.regulation.clauses().filter(|clause| {
        let section = clause.id.split('-').next().unwrap_or_default();
        rules.demands(clause) && (workflow.name == WHOLE || sections.contains(&section))
    });
    let names = clauses
        .flat_map(|clause| &clause.ways)
        .map(|way| way.by.as_str());
    let mut names: Vec<&str> = names.filter(|name| *name != workflow.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Each shared identifier, with what it is to be decided on.
fn shared(scene: &mut Scene<'_, '_>) -> Result<Value, Error> {
    let all = directory::command::shared::listed(scene.snapshot)?;
    Ok(all
        .iter()
        .map(|one| json!(one))
        .collect::<Vec<Value>>()
        .into())
}

/// Trials of other policies within the span, the newest, with what each showed.
fn trials(snapshot: &mut Snapshot<'_>, about: &Span) -> Result<Value, Error> {
    let mut filter = within(about.start, about.end, &[Kind::ScreeningTried]);
    let mut newest = Vec::new();
    loop {
        let page = event::search(snapshot, &filter, MOST_CHANGES)?;
        let full = page.len() == MOST_CHANGES;
        filter.after = page.last().map(|last| last.id);
        newest.extend(page);
        newest.drain(..newest.len().saturating_sub(MOST_TRIALS));
        if !full {
            break;
        }
    }
    let trials = newest.into_iter().map(|one| {
        json!({
            "at": one.at,
            "by": one.event.actor.to_text(),
            "policy": one.event.subject,
            "judged": one.event.detail.get("judged"),
            "otherwise": one.event.detail.get("otherwise"),
            "changes": one.event.detail.get("changes"),
        })
    });
    Ok(trials.collect::<Vec<Value>>().into())
}

/// What came to stand otherwise within the span.
fn changes(scene: &mut Scene<'_, '_>, about: &Span) -> Result<Value, Error> {
    let filter = within(about.start, about.end, &[Kind::ClauseStanding]);
    let found = event::search(scene.snapshot, &filter, MOST_CHANGES)?;
    let changes = found.into_iter().map(|one| {
        json!({ "at": one.at, "name": one.event.subject, "state": one.event.detail.get("state") })
    });
    Ok(changes.collect::<Vec<_>>().into())
}

/// How many logins succeeded and failed, and how many transactions were refused, by the names of the events.
fn refused(snapshot: &mut Snapshot<'_>, about: &Span) -> Result<Value, Error> {
    let mut filter = within(about.start, about.end, &[]);
    let kinds = [
        Kind::AuthenticationSucceeded,
        Kind::AuthenticationFailed,
        Kind::TransactionRefused,
        Kind::SubmissionRefused,
    ];
    let mut counts = Map::new();
    loop {
        let page = event::tally(snapshot, &filter, PAGE)?;
        for ((kind, _), count) in page.counts {
            if kinds.iter().any(|wanted| wanted.as_str() == kind) {
                let sum = counts
                    .get(&kind)
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                counts.insert(kind, sum.saturating_add(count).into());
            }
        }
        match page.last {
            Some(last) => filter.after = Some(last),
            None => return Ok(Value::Object(counts)),
        }
    }
}

fn within(from: Timestamp, to: Timestamp, kinds: &[Kind]) -> Filter {
    Filter {
        from: Some(from),
        to: Some(to),
        kinds: kinds.to_vec(),
        ..Filter::default()
    }
}
