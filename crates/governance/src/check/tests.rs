//! Every name that a clause rests on is a check or a workflow, and the other way round.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use regulation::{Regulation, WayKind};

use super::all;
use crate::workflow::Workflow;

#[test]
fn every_clause_rests_on_what_there_is() {
    let regulation = Regulation::built_in().unwrap();
    let checks: BTreeSet<&str> = all().map(|check| check.name).collect();
    let workflows = Workflow::built_in().unwrap();
    let workflows: BTreeSet<&str> = workflows.iter().map(|one| one.name.as_str()).collect();
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
