//! The regulation and how it is met, in NIST's Open Security Controls Assessment Language (OSCAL 1.2), as JSON.
//!
//! A clause is a control, and an item a control in it. Ids are those of the catalogue with `c-` before them, since OSCAL wants a letter
//! first; universal ones are made of what they name (UUID version 5), so the same facts give the same files. OSCAL's findings know
//! only `satisfied` and `not-satisfied`: what is unknown or has not been assessed is `not-satisfied` with a property `standing` in
//! the name space [`NAMESPACE`] that tells it, and what is not adopted has no finding but a property `not-applicable` of the result.

mod assessment;
mod catalog;
mod component;
mod poam;
mod profile;
mod uuid;

use serde_json::{Value, json};

use crate::{Clause, Kind, Regulation, SiteFacts, Text};

/// The version of OSCAL that the documents are of.
pub const VERSION: &str = "1.2.3";
/// The name space of properties that OSCAL does not know.
pub const NAMESPACE: &str = "urn:kakitome:oscal";

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What its file is called; the documents name each other by these.
    pub file: String,
    /// What it says.
    pub json: Value,
}

/// All documents of a site: a catalog for each catalogue, the profile of what is adopted, the component definition, the assessment
/// plan, its results, and, where anything is not shown to be met, the plan of action and milestones (OSCAL knows no empty one).
/// `program` is the version of the server.
#[must_use]
pub fn documents(regulation: &Regulation, facts: &SiteFacts, program: &str) -> Vec<Document> {
    let writer = Writer {
        regulation,
        facts,
        program,
    };
    let mut made = catalog::documents(&writer);
    made.push(profile::document(&writer));
    made.push(component::document(&writer));
    made.push(assessment::plan(&writer));
    made.push(assessment::results(&writer));
    made.extend(poam::document(&writer));
    made
}

const PROFILE: &str = "profile.json";
const COMPONENT: &str = "component-definition.json";
const PLAN: &str = "assessment-plan.json";
const RESULTS: &str = "assessment-results.json";
const POAM: &str = "plan-of-action-and-milestones.json";

/// What documents are written from.
struct Writer<'a> {
    regulation: &'a Regulation,
    facts: &'a SiteFacts,
    program: &'a str,
}

impl Writer<'_> {
    /// The universal id of something of this site as it is now.
    fn uuid(&self, what: &str, id: &str) -> String {
        let facts = self.facts;
        uuid::of(&["site", &facts.hostname, &facts.at.to_string(), what, id])
    }

    /// The universal id of something of this site that stays the same from one export to the next.
    fn lasting(&self, what: &str, id: &str) -> String {
        uuid::of(&["site", &self.facts.hostname, what, id])
    }

    /// `metadata`, with the roles and the organisation.
    fn metadata(&self, title: &str) -> Value {
        let party = self.lasting("party", "organisation");
        json!({
            "title": title,
            "last-modified": self.facts.at.to_string(),
            "version": self.facts.edition.to_string(),
            "oscal-version": VERSION,
            "roles": roles(self.regulation),
            "parties": [{
                "uuid": party,
                "type": "organization",
                "name": line(&self.facts.organisation),
            }],
        })
    }

    /// Clauses and items that the site has adopted, and the assumptions: what there are controls of.
    fn adopted(&self) -> impl Iterator<Item = &Clause> {
        let choices = &self.facts.choices;
        controls(self.regulation).filter(move |one| choices.demands(self.regulation, one))
    }

    /// Those that are not.
    fn not_adopted(&self) -> impl Iterator<Item = &Clause> {
        let choices = &self.facts.choices;
        controls(self.regulation).filter(move |one| !choices.demands(self.regulation, one))
    }
}

/// What becomes a control: all but definitions.
fn controls(regulation: &Regulation) -> impl Iterator<Item = &Clause> {
    let clauses = regulation.clauses();
    clauses.filter(|clause| clause.kind != Kind::Definition)
}

/// A clause's id as OSCAL may have it.
fn control(id: &str) -> String {
    format!("c-{id}")
}

/// The id of a control's statement.
fn statement(id: &str) -> String {
    format!("c-{id}_smt")
}

fn parameter(key: &str) -> String {
    format!("p-{key}")
}

fn roles(regulation: &Regulation) -> Vec<Value> {
    let roles = regulation.roles();
    roles
        .map(|role| {
            json!({
                "id": role.key,
                "title": role.title.en,
                "description": both(&role.duty),
            })
        })
        .collect()
}

/// A property of our own.
fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": line(value) })
}

/// Text of one line, as properties need it; never empty.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.join(" ") {
        empty if empty.is_empty() => "-".to_owned(),
        line => line,
    }
}

/// Both languages in one text.
fn both(text: &Text) -> String {
    format!("{}\n\n{}", text.en, text.ja)
}

/// `object` without members that are empty lists, which OSCAL does not allow.
fn without_empty(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !matches!(value, Value::Array(list) if list.is_empty()));
    }
    object
}
