//! `assessment-plan` and `assessment-results`: what is looked at, and how each clause stands.

use serde_json::{Value, json};

use super::{
    COMPONENT, Document, PLAN, RESULTS, Writer, both, component, control, line, property,
    statement, without_empty,
};
use crate::{Clause, Mark, Standing, WayKind};

pub(super) fn plan(writer: &Writer<'_>) -> Document {
    let description = writer.lasting("resource", "system");
    Document {
        file: PLAN.to_owned(),
        json: json!({
            "assessment-plan": {
                "uuid": plan_uuid(writer),
                "metadata": writer.metadata("What the server looks at, and what people review"),
                // There is no system security plan: the component definition tells how the clauses are met.
                "import-ssp": { "href": format!("#{description}") },
                "local-definitions": without_empty(json!({ "activities": activities(writer) })),
                "reviewed-controls": reviewed(writer),
                "assessment-subjects": [{ "type": "component", "include-all": {} }],
                "back-matter": {
                    "resources": [{
                        "uuid": description,
                        "title": "In place of a system security plan: the component definition",
                        "rlinks": [{ "href": COMPONENT, "media-type": "application/json" }],
                    }]
                },
            }
        }),
    }
}

fn plan_uuid(writer: &Writer<'_>) -> String {
    writer.uuid("assessment-plan", "")
}

/// Each check and each workflow once, with the controls that rest on it.
fn activities(writer: &Writer<'_>) -> Vec<Value> {
    let names = writer.regulation.machinery();
    let activities = names.into_iter().filter_map(|name| {
        let resting: Vec<&Clause> = writer
            .adopted()
            .filter(|clause| clause.ways.iter().any(|way| way.by == name))
            .collect();
        let ways = resting.iter().flat_map(|clause| &clause.ways);
        let way = ways.clone().find(|way| way.by == name)?;
        let ids: Vec<Value> = resting
            .iter()
            .map(|clause| json!({ "control-id": control(&clause.id) }))
            .collect();
        Some(json!({
            "uuid": writer.lasting("activity", name),
            "title": name,
            "description": both(&way.text),
            "props": [{ "name": "method", "value": method(way.way) }],
            "related-controls": { "control-selections": [{ "include-controls": ids }] },
        }))
    });
    activities.collect()
}

/// OSCAL's name of how something is assessed.
const fn method(way: WayKind) -> &'static str {
    match way {
        WayKind::Measure => "TEST",
        WayKind::Enforce | WayKind::Workflow => "EXAMINE",
    }
}

fn reviewed(writer: &Writer<'_>) -> Value {
    let ids: Vec<Value> = writer
        .adopted()
        .map(|clause| json!({ "control-id": control(&clause.id) }))
        .collect();
    if ids.is_empty() {
        return json!({ "control-selections": [{ "include-all": {} }] });
    }
    json!({ "control-selections": [{ "include-controls": ids }] })
}

pub(super) fn results(writer: &Writer<'_>) -> Document {
    let assessed: Vec<&Clause> = assessed(writer).collect();
    let observations: Vec<Value> = assessed
        .iter()
        .filter_map(|clause| observation(writer, clause))
        .collect();
    let findings: Vec<Value> = assessed
        .iter()
        .map(|clause| finding(writer, clause))
        .collect();
    let out: Vec<Value> = writer
        .not_adopted()
        .map(|clause| property("not-applicable", &control(&clause.id)))
        .collect();
    let at = writer.facts.at.to_string();
    Document {
        file: RESULTS.to_owned(),
        json: json!({
            "assessment-results": {
                "uuid": writer.uuid("assessment-results", ""),
                "metadata": writer.metadata("How the clauses of the regulation stand"),
                "import-ap": { "href": PLAN },
                "results": [without_empty(json!({
                    "uuid": writer.uuid("result", ""),
                    "title": "Standing of all clauses",
                    "description": "How each clause stood when this was made, as the server knew it.",
                    "start": at,
                    "end": at,
                    "props": out,
                    "local-definitions": {
                        "components": [{
                            "uuid": component::uuid(),
                            "type": "software",
                            "title": "Kakitome",
                            "description": line(&writer.facts.hostname),
                            "props": [{ "name": "version", "value": writer.program }],
                            "status": { "state": "operational" },
                        }]
                    },
                    "reviewed-controls": reviewed(writer),
                    "observations": observations,
                    "findings": findings,
                }))],
            }
        }),
    }
}

/// What has a standing of its own: what only leads in to items stands as they do.
fn assessed<'a>(writer: &'a Writer<'_>) -> impl Iterator<Item = &'a Clause> {
    let adopted = writer.adopted();
    adopted
        .filter(|clause| !clause.ways.is_empty() || writer.facts.standings.contains_key(&clause.id))
}

/// Clauses that are not shown to be met.
pub(super) fn open<'a>(writer: &'a Writer<'_>) -> impl Iterator<Item = &'a Clause> {
    assessed(writer).filter(|clause| {
        let standing = writer.facts.standings.get(&clause.id);
        standing.is_none_or(|standing| !standing.mark.is_met())
    })
}

/// What was seen of a clause, if it was looked at.
pub(super) fn observation(writer: &Writer<'_>, clause: &Clause) -> Option<Value> {
    let standing = writer.facts.standings.get(&clause.id)?;
    let mut methods: Vec<&str> = clause.ways.iter().map(|way| method(way.way)).collect();
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() {
        methods.push("EXAMINE");
    }
    let mut props = vec![property("standing", standing.mark.as_str())];
    if let Some(since) = standing.since {
        props.push(property("since", &since.to_string()));
    }
    let evidence: Vec<Value> = clause
        .evidence
        .iter()
        .map(|kind| {
            json!({ "description": format!("Events of kind {kind} in the audit trail."),
                "props": [property("event-kind", kind)] })
        })
        .collect();
    Some(without_empty(json!({
        "uuid": observation_uuid(writer, clause),
        "title": clause.title.en,
        "description": described(standing),
        "props": props,
        "methods": methods,
        "subjects": [{ "subject-uuid": component::uuid(), "type": "component" }],
        "relevant-evidence": evidence,
        "collected": standing.seen.unwrap_or(writer.facts.at).to_string(),
    })))
}

fn observation_uuid(writer: &Writer<'_>, clause: &Clause) -> String {
    writer.uuid("observation", &clause.id)
}

fn described(standing: &Standing) -> String {
    match &standing.note {
        Some(note) => both(note),
        None => match standing.mark {
            Mark::ByDesign => "The server makes anything else impossible.",
            Mark::Measured => "The server looked, and found it in order.",
            Mark::Workflow => "People did what was due, as the server recorded it.",
            Mark::NotMet => "It is not met.",
            Mark::Unknown => "It could not be told.",
        }
        .to_owned(),
    }
}

/// How a clause stands.
pub(super) fn finding(writer: &Writer<'_>, clause: &Clause) -> Value {
    let standing = writer.facts.standings.get(&clause.id);
    let met = standing.is_some_and(|standing| standing.mark.is_met());
    let broken = standing.is_some_and(|standing| standing.mark == Mark::NotMet);
    let said = standing.map_or("not-assessed", |standing| standing.mark.as_str());
    let (state, reason) = match (met, broken) {
        (true, _) => ("satisfied", "pass"),
        (false, true) => ("not-satisfied", "fail"),
        (false, false) => ("not-satisfied", "other"),
    };
    let related: Vec<Value> = standing
        .map(|_| json!({ "observation-uuid": observation_uuid(writer, clause) }))
        .into_iter()
        .collect();
    let description =
        standing.map_or_else(|| "It has not been assessed yet.".to_owned(), described);
    without_empty(json!({
        "uuid": finding_uuid(writer, clause),
        "title": clause.title.en,
        "description": description,
        "props": [property("standing", said)],
        "target": {
            "type": "statement-id",
            "target-id": statement(&clause.id),
            "props": [property("control-id", &control(&clause.id))],
            "status": { "state": state, "reason": reason },
        },
        "related-observations": related,
    }))
}

pub(super) fn finding_uuid(writer: &Writer<'_>, clause: &Clause) -> String {
    writer.uuid("finding", &clause.id)
}
