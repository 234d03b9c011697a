//! Every name that a clause rests on is a check or a workflow, and the other way round.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use regulation::{Regulation, WayKind};

use ::trail::{Kind, schema};

use super::all;
use crate::workflow::Workflow;

#[test]
fn every_clause_rests_on_what_there_is() {
    let regulation = Regulation::built_in().unwrap();
    let checks: BTreeSet<&str> = all().map(|check| check.name).collect();
    let workflows = Workflow::built_in().unwrap();
    // What no clause has come round is no clause's to name.
    let workflows = workflows.iter().filter(|one| !one.on_demand);
    let workflows: BTreeSet<&str> = workflows.map(|one| one.name.as_str()).collect();
    assert_eq!(checks.len(), all().count(), "a check is there twice");
    assert!(checks.is_disjoint(&workflows));
    let named: BTreeSet<&str> = regulation.machinery().into_iter().collect();
    let there: BTreeSet<&str> = checks.union(&workflows).copied().collect();
    assert_eq!(
        named.difference(&there).collect::<Vec<_>>(),
        Vec::<&&str>::new()
    );
    assert_eq!(
        there.difference(&named).collect::<Vec<_>>(),
        Vec::<&&str>::new()
    );
    for clause in regulation.clauses() {
        for way in &clause.ways {
            let people = way.way == WayKind::Workflow;
            assert!(
                people || !workflows.contains(way.by.as_str()),
                "{}",
                clause.id
            );
        }
    }
}

/// Chapters of the schema whose events this room makes.
const OWN: [&str; 3] = [
    "Clauses at work",
    "Traffic",
    "Software and its vulnerabilities",
];

/// What this room puts into the trail is evidence of some clause, so that `clause evidence` shows it; what the catalogue names exists.
#[test]
fn what_this_room_makes_is_evidence_of_a_clause() {
    let regulation = Regulation::built_in().unwrap();
    let evidence = regulation.clauses().flat_map(|clause| &clause.evidence);
    let named: BTreeSet<&str> = evidence.map(String::as_str).collect();
    for name in &named {
        assert!(name.parse::<Kind>().is_ok(), "{name} is no kind of event");
    }
    let own = schema::CHAPTERS
        .iter()
        .filter(|(title, _)| OWN.contains(title));
    let mut chapters = 0;
    for (_, schemas) in own {
        chapters += 1;
        for schema in *schemas {
            // That one every clause shows of what it rests on itself.
            if schema.kind != Kind::ClauseStanding {
                let name = schema.kind.as_str();
                assert!(named.contains(name), "{name} is no clause's evidence");
            }
        }
    }
    assert_eq!(chapters, OWN.len());
}
