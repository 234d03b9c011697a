//! `catalog`: what is demanded.

use serde_json::{Value, json};

use super::{
    Document, VERSION, Writer, both, control, line, parameter, property, roles, statement, uuid,
    without_empty,
};
use crate::{
    Catalogue, Chapter, Clause, Kind, Language, Obligation, Parameter, Section, Text, citation,
};

/// A document for each catalogue of the regulation.
pub(super) fn documents(writer: &Writer<'_>) -> Vec<Document> {
    let catalogues = writer.regulation.catalogues().iter();
    catalogues
        .map(|catalogue| Document {
            file: file(catalogue),
            json: json!({ "catalog": one(writer, catalogue) }),
        })
        .collect()
}

pub(super) fn file(catalogue: &Catalogue) -> String {
    format!("catalog-{}.json", catalogue.id)
}

/// A catalogue says the same at every site, so its ids do not name the site.
fn one(writer: &Writer<'_>, catalogue: &Catalogue) -> Value {
    let id = uuid::of(&["catalog", &catalogue.id, &catalogue.version]);
    let source = &catalogue.source;
    let groups: Vec<Value> = catalogue
        .chapters
        .iter()
        .map(|chapter| group(writer, catalogue, chapter))
        .collect();
    without_empty(json!({
        "uuid": id,
        "metadata": {
            "title": catalogue.title.en,
            "last-modified": writer.facts.at.to_string(),
            "version": catalogue.version,
            "oscal-version": VERSION,
            "props": [
                property("title-ja", &catalogue.title.ja),
                property("source", &source.title.en),
                property("source-ja", &source.title.ja),
                property("source-publisher", &source.publisher.en),
                property("source-date", &source.date),
            ],
            "roles": roles(writer.regulation),
            "remarks": slips(catalogue),
        },
        "params": catalogue.parameters.iter().map(param).collect::<Vec<_>>(),
        "groups": groups,
    }))
}

/// Doubts in the source, as a text.
fn slips(catalogue: &Catalogue) -> String {
    let slips = catalogue.slips.iter().map(|slip| {
        format!(
            "- {}: {} {} / {} {}",
            slip.place, slip.what.en, slip.reading.en, slip.what.ja, slip.reading.ja
        )
    });
    let lines: Vec<String> = slips.collect();
    if lines.is_empty() {
        return "No doubts in the source were noted.".to_owned();
    }
    format!(
        "Doubts in the source, and how they are read:\n\n{}",
        lines.join("\n")
    )
}

fn param(entry: &Parameter) -> Value {
    let (least, most) = (entry.least, entry.most);
    let bounds = match (least, most) {
        (Some(least), Some(most)) => Some(format!("from {least} to {most}")),
        (Some(least), None) => Some(format!("{least} or more")),
        (None, Some(most)) => Some(format!("{most} or less")),
        (None, None) => None,
    };
    let constraints: Vec<Value> = bounds
        .into_iter()
        .map(|bounds| json!({ "description": bounds }))
        .collect();
    let default = entry.said(Language::En);
    let default_ja = entry.said(Language::Ja);
    without_empty(json!({
        "id": parameter(&entry.key),
        "props": [property("label-ja", &entry.title.ja), property("value-ja", &default_ja)],
        "label": entry.title.en,
        "constraints": constraints,
        "values": [line(&default)],
    }))
}

fn group(writer: &Writer<'_>, catalogue: &Catalogue, chapter: &Chapter) -> Value {
    let sections: Vec<Value> = chapter
        .sections
        .iter()
        .map(|section| section_group(writer, section))
        .collect();
    without_empty(json!({
        "id": format!("chapter-{}-{}", catalogue.id, chapter.number),
        "class": "chapter",
        "title": chapter.title.en,
        "props": [property("title-ja", &chapter.title.ja)],
        "groups": sections,
    }))
}

fn section_group(writer: &Writer<'_>, section: &Section) -> Value {
    let definitions = section.clauses.iter();
    let definitions = definitions.filter(|clause| clause.kind == Kind::Definition);
    let parts: Vec<Value> = definitions
        .map(|clause| {
            json!({
                "id": statement(&clause.id),
                "name": "overview",
                "title": clause.title.en,
                "props": [property("title-ja", &clause.title.ja)],
                "prose": both(&clause.demand),
            })
        })
        .collect();
    let controls = section.clauses.iter();
    let controls = controls.filter(|one| one.kind != Kind::Definition && one.parent().is_none());
    let controls: Vec<Value> = controls
        .map(|clause| control_of(writer, section, clause))
        .collect();
    without_empty(json!({
        "id": format!("section-{}", section.id),
        "class": "section",
        "title": section.title.en,
        "props": [property("title-ja", &section.title.ja)],
        "parts": parts,
        "controls": controls,
    }))
}

fn control_of(writer: &Writer<'_>, section: &Section, clause: &Clause) -> Value {
    let items = section.clauses.iter();
    let items = items.filter(|item| item.parent() == Some(&clause.id));
    let items: Vec<Value> = items
        .map(|item| control_of(writer, section, item))
        .collect();
    let mut props = vec![
        json!({ "name": "label", "value": citation(&clause.id) }),
        property("title-ja", &clause.title.ja),
        property("schedule", &clause.schedule.to_string()),
        property(
            "obligation",
            match clause.obligation {
                Obligation::Must => "must",
                Obligation::Should => "should",
            },
        ),
    ];
    if clause.strengthened {
        props.push(property("strengthened", "yes"));
    }
    if let Some(option) = clause.option.as_deref() {
        props.push(property("option", option));
        if let Some(entry) = writer.regulation.option(option) {
            props.push(property("condition", &entry.condition.en));
            props.push(property("condition-ja", &entry.condition.ja));
        }
    }
    props.extend(clause.owed_by.iter().map(|role| property("owed-by", role)));
    let links: Vec<Value> = clause
        .preconditions
        .iter()
        .map(|id| json!({ "href": format!("#{}", control(id)), "rel": "required" }))
        .collect();
    without_empty(json!({
        "id": control(&clause.id),
        "class": match clause.kind {
            Kind::Assumption => "assumption",
            _ => "duty",
        },
        "title": clause.title.en,
        "props": props,
        "links": links,
        "parts": [
            {
                "id": statement(&clause.id),
                "name": "statement",
                "prose": prose(&clause.demand, Language::En),
            },
            {
                "id": format!("{}.ja", statement(&clause.id)),
                "name": "statement-ja",
                "ns": super::NAMESPACE,
                "prose": prose(&clause.demand, Language::Ja),
            },
        ],
        "controls": items,
    }))
}

/// A demand with OSCAL's marks in the place of parameters.
fn prose(demand: &Text, language: Language) -> String {
    let mut made = String::new();
    let mut rest = demand.of(language);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((place, after)) = after.split_once('}') else {
            break;
        };
        made.push_str(before);
        let insert = |key: &str| format!("{{{{ insert: param, {} }}}}", parameter(key));
        match (place.split_once(':'), language) {
            (Some(("clause", id)), _) => made.push_str(&citation(id)),
            (Some((_, key)), Language::Ja) => made.push_str(&format!("{}に1度", insert(key))),
            (Some((_, key)), Language::En) if made.is_empty() => {
                made.push_str(&format!("Every {}", insert(key)));
            }
            (Some((_, key)), Language::En) => made.push_str(&format!("every {}", insert(key))),
            (None, _) => made.push_str(&insert(place)),
        }
        rest = after;
    }
    made.push_str(rest);
    made
}
