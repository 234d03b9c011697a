//! What is prepared for the work that comes round: the facts of its span, gathered when its task is opened.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::{Error, Snapshot, event::Filter, quarantine::figures};
use trail::Kind;

use crate::{
    attacks, capacity,
    check::{Scene, screening},
    clause::newest,
    fault,
    look::Standings,
    schedule::Span,
    tables,
    workflow::Workflow,
};

/// Changes of standing that are named at most, the newest.
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
    facts.insert(
        tables::task::FROM.to_owned(),
        about.start.to_string().into(),
    );
    facts.insert(tables::task::TO.to_owned(), about.end.to_string().into());
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
    let (named, earlier) = changes(scene, about)?;
    facts.insert("changes".to_owned(), named);
    if earlier > 0 {
        facts.insert("earlier_changes".to_owned(), earlier.into());
    }
    if workflow.name == "trail-review" {
        let thresholds = scene.facts.analysis;
        let found = attacks::prepared(scene.snapshot, about, thresholds)?;
        facts.insert("analysis".to_owned(), found);
    }
    if workflow.name == "mailbox-cleanup" {
        let forecast = capacity::forecast(scene.snapshot, scene.facts, scene.now)?;
        facts.insert("capacity".to_owned(), capacity::prepared(&forecast));
    }
    if workflow.name == SHARED {
        facts.insert("shared".to_owned(), shared(scene)?);
    }
    if workflow.name == SCREENING {
        let counted = figures::between(scene.snapshot, about.start, about.end)?;
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
    let filter = within(about.start, about.end, &[Kind::ScreeningTried]);
    let (newest, _) = newest(snapshot, filter, MOST_TRIALS)?;
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

/// What came to stand otherwise within the span, the newest, and how often that was so before.
fn changes(scene: &mut Scene<'_, '_>, about: &Span) -> Result<(Value, u64), Error> {
    let filter = within(about.start, about.end, &[Kind::ClauseStanding]);
    let (found, earlier) = newest(scene.snapshot, filter, MOST_CHANGES)?;
    let changes = found.into_iter().map(|one| {
        json!({ "at": one.at, "name": one.event.subject, "state": one.event.detail.get("state") })
    });
    Ok((changes.collect::<Vec<_>>().into(), earlier))
}

fn within(from: Timestamp, to: Timestamp, kinds: &[Kind]) -> Filter {
    Filter {
        from: Some(from),
        to: Some(to),
        kinds: kinds.to_vec(),
        ..Filter::default()
    }
}
