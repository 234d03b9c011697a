//! `plan-of-action-and-milestones`: what is not shown to be met.

use serde_json::{Value, json};

use super::{Document, POAM, Writer, assessment, component, line, property, without_empty};
use crate::{Clause, Language};

/// The document; `None` when nothing is open.
pub(super) fn document(writer: &Writer<'_>) -> Option<Document> {
    let open: Vec<&Clause> = assessment::open(writer).collect();
    if open.is_empty() {
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
    let items: Vec<Value> = open.iter().map(|clause| item(writer, clause)).collect();
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
