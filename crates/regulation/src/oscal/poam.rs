//! `plan-of-action-and-milestones`: what is not shown to be met.

use serde_json::{Value, json};

use super::{
    Document, POAM, Writer, assessment, component, control, line, property, without_empty,
};
use crate::{Clause, Correction, Language};

/// The document; `None` when nothing is open: every clause is met, and what reviews found is right again.
pub(super) fn document(writer: &Writer<'_>) -> Option<Document> {
    let open: Vec<&Clause> = assessment::open(writer).collect();
    let corrections = &writer.facts.corrections;
    if open.is_empty() && corrections.is_empty() {
        return None;
    }
    let observations: Vec<Value> = open
        .iter()
        .filter_map(|clause| assessment::observation(writer, clause))
        .collect();
    let findings: Vec<Value> = open
        .iter()
        .map(|clause| assessment::finding(writer, clause))
        .collect();
    let items = open.iter().map(|clause| item(writer, clause));
    let items = items.chain(corrections.iter().map(|one| correction(writer, one)));
    let items: Vec<Value> = items.collect();
    let risks: Vec<Value> = corrections.iter().map(|one| risk(writer, one)).collect();
    Some(Document {
        file: POAM.to_owned(),
        json: json!({
            "plan-of-action-and-milestones": without_empty(json!({
                "uuid": writer.uuid("plan-of-action-and-milestones", ""),
                "metadata": writer.metadata("What is not shown to be met"),
                "system-id": {
                    "identifier-type": "http://ietf.org/rfc/rfc4122",
                    "id": writer.lasting("system", ""),
                },
                "local-definitions": {
                    "components": [{
                        "uuid": component::uuid(),
                        "type": "software",
                        "title": "Kakitome",
                        "description": line(&writer.facts.hostname),
                        "status": { "state": "operational" },
                    }]
                },
                "observations": observations,
                "risks": risks,
                "findings": findings,
                "poam-items": items,
            }))
        }),
    })
}

fn item(writer: &Writer<'_>, clause: &Clause) -> Value {
    let choices = &writer.facts.choices;
    let (en, ja) = (
        choices.demand(clause, Language::En),
        choices.demand(clause, Language::Ja),
    );
    let owed = clause.owed_by.iter().map(|role| property("owed-by", role));
    without_empty(json!({
        "uuid": writer.lasting("poam-item", &clause.id),
        "title": clause.title.en,
        "description": format!("{en}\n\n{ja}"),
        "props": owed.collect::<Vec<_>>(),
        "related-findings": [{ "finding-uuid": assessment::finding_uuid(writer, clause) }],
    }))
}

/// A fault that a review found: what is to be done, by whom.
fn correction(writer: &Writer<'_>, found: &Correction) -> Value {
    let mut props = vec![
        property("owed-by", &found.owed_by),
        property("task", &found.task.to_string()),
    ];
    props.extend(
        found
            .clauses
            .iter()
            .map(|id| property("clause", &control(id))),
    );
    json!({
        "uuid": writer.lasting("poam-item-of-task", &found.task.to_string()),
        "title": line(&found.fault),
        "description": format!("A review found a fault, which task {} puts right: {}", found.task, found.fault),
        "props": props,
        "related-risks": [{ "risk-uuid": risk_uuid(writer, found) }],
    })
}

/// The same as a risk, which has the day by which it is to be right.
fn risk(writer: &Writer<'_>, found: &Correction) -> Value {
    json!({
        "uuid": risk_uuid(writer, found),
        "title": line(&found.fault),
        "description": line(&found.fault),
        "statement": format!("Known since {}.", found.since),
        "status": "remediating",
        "deadline": found.due.to_string(),
    })
}

fn risk_uuid(writer: &Writer<'_>, found: &Correction) -> String {
    writer.lasting("risk-of-task", &found.task.to_string())
}
