//! `profile`: what the site has adopted, and the values that it has set.

use serde_json::{Value, json};

use super::{
    Document, PROFILE, Writer, catalog, control, line, parameter, property, without_empty,
};
use crate::{Catalogue, Kind, Language};

pub(super) fn document(writer: &Writer<'_>) -> Document {
    let catalogues = writer.regulation.catalogues().iter();
    let imports: Vec<Value> = catalogues
        .filter_map(|catalogue| import(writer, catalogue))
        .collect();
    let choices = &writer.facts.choices;
    let options = writer.regulation.options().map(|option| {
        let on = if choices.is_on(&option.key) {
            "yes"
        } else {
            "no"
        };
        property(&format!("option-{}", option.key), on)
    });
    let mut metadata = writer.metadata("What the site has adopted of its regulation");
    if let Value::Object(members) = &mut metadata {
        members.insert("props".to_owned(), Value::Array(options.collect()));
    }
    let parameters = writer.regulation.parameters();
    let set: Vec<Value> = parameters
        .filter_map(|entry| {
            let said = choices.said(&entry.key, Language::En)?;
            let said_ja = choices.said(&entry.key, Language::Ja)?;
            Some(json!({
                "param-id": parameter(&entry.key),
                "props": [property("value-ja", &said_ja)],
                "values": [line(&said)],
            }))
        })
        .collect();
    Document {
        file: PROFILE.to_owned(),
        json: json!({
            "profile": {
                "uuid": writer.uuid("profile", ""),
                "metadata": metadata,
                "imports": imports,
                "merge": { "as-is": true },
                "modify": without_empty(json!({ "set-parameters": set })),
            }
        }),
    }
}

fn import(writer: &Writer<'_>, catalogue: &Catalogue) -> Option<Value> {
    let clauses = catalogue.clauses();
    let adopted = clauses.filter(|one| {
        one.kind != Kind::Definition && writer.facts.choices.demands(writer.regulation, one)
    });
    let ids: Vec<String> = adopted.map(|clause| control(&clause.id)).collect();
    // OSCAL knows no import of nothing.
    if ids.is_empty() {
        return None;
    }
    Some(json!({
        "href": catalog::file(catalogue),
        "include-controls": [{ "with-child-controls": "no", "with-ids": ids }],
    }))
}
