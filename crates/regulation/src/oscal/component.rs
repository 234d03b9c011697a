//! `component-definition`: how the server meets each clause.

use serde_json::{Value, json};

use super::{COMPONENT, Document, Writer, both, catalog, control, property, uuid, without_empty};
use crate::{Catalogue, Clause, Kind, WayKind};

pub(super) fn document(writer: &Writer<'_>) -> Document {
    let catalogues = writer.regulation.catalogues().iter();
    let implementations: Vec<Value> = catalogues
        .filter_map(|catalogue| implementation(writer, catalogue))
        .collect();
    Document {
        file: COMPONENT.to_owned(),
        json: json!({
            "component-definition": {
                "uuid": writer.uuid("component-definition", ""),
                "metadata": writer.metadata("How the mail server meets the regulation"),
                "components": [without_empty(json!({
                    "uuid": uuid(),
                    "type": "software",
                    "title": "Kakitome",
                    "description": "A mail server: MTA, MSA and MRA, and the regulation that they are run by.",
                    "props": [{ "name": "version", "value": writer.program }],
                    "control-implementations": implementations,
                }))],
            }
        }),
    }
}

/// The component's id: the same at every site.
pub(super) fn uuid() -> String {
    uuid::of(&["component", "kakitome"])
}

fn implementation(writer: &Writer<'_>, catalogue: &Catalogue) -> Option<Value> {
    let clauses = catalogue.clauses();
    let met = clauses.filter(|one| one.kind != Kind::Definition && !one.ways.is_empty());
    let requirements: Vec<Value> = met.map(|clause| requirement(writer, clause)).collect();
    if requirements.is_empty() {
        return None;
    }
    Some(json!({
        "uuid": writer.lasting("control-implementation", &catalogue.id),
        "source": catalog::file(catalogue),
        "description": "By design, by measurement, and by work of people that the server opens and records.",
        "implemented-requirements": requirements,
    }))
}

fn requirement(writer: &Writer<'_>, clause: &Clause) -> Value {
    let ways = clause.ways.iter();
    let description: Vec<String> = ways
        .map(|way| format!("{} ({}): {}", way.by, way.way.as_str(), both(&way.text)))
        .collect();
    let mut props: Vec<Value> = clause
        .ways
        .iter()
        .map(|way| {
            let name = match way.way {
                WayKind::Enforce => "enforced-by",
                WayKind::Measure => "measured-by",
                WayKind::Workflow => "worked-by",
            };
            property(name, &way.by)
        })
        .collect();
    props.extend(clause.settings.iter().map(|key| property("setting", key)));
    props.extend(
        clause
            .evidence
            .iter()
            .map(|kind| property("evidence", kind)),
    );
    let roles: Vec<Value> = clause
        .owed_by
        .iter()
        .map(|role| json!({ "role-id": role }))
        .collect();
    without_empty(json!({
        "uuid": writer.lasting("implemented-requirement", &clause.id),
        "control-id": control(&clause.id),
        "description": description.join("\n\n"),
        "props": props,
        "responsible-roles": roles,
    }))
}
