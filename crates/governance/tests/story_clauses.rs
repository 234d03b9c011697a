//! Every clause of the catalogue stands in one table: met when all is well and all work of a year is done, and not met when it is broken.
//! The breaks of checks are in `story_checks`; here are the year, and the work that nobody does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod scene;
#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use directory::{Role, command::role};
use governance::{Rules, State, check, report, task, workflow::Workflow};
use regulation::{Kind, WayKind};
use scene::{
    BY_DESIGN, around, breaks,
    clauses::{CLAUSES, ENFORCED, Met, broken_by},
    good, peopled, refresh, rules, states,
};
use site::Site;
use support::{answers, look, state};

/// The workflows that clauses rest on and that come round.
fn rounds(rules: &Rules) -> Vec<&Workflow> {
    let all = rules.workflows.iter();
    all.filter(|workflow| !workflow.on_demand && rules.needs(&workflow.name))
        .collect()
}

#[test]
fn every_clause_is_in_the_table_once_with_what_breaks_it() {
    let rules = rules();
    let regulation = &rules.regulation;
    let ids: Vec<&str> = CLAUSES.iter().map(|row| row.id).collect();
    let once: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), once.len(), "a clause stands there twice");
    let wanted: BTreeSet<&str> = regulation.clauses().map(|one| one.id.as_str()).collect();
    assert_eq!(once, wanted);

    let lapses: Vec<&str> = rounds(&rules).iter().map(|one| one.name.as_str()).collect();
    let red: BTreeSet<&str> = breaks()
        .into_iter()
        .filter(|(_, (_, state))| *state == State::NotMet)
        .map(|(name, _)| name)
        .chain(lapses)
        .collect();
    for row in CLAUSES {
        let clause = regulation.clause(row.id).unwrap();
        let mut own: BTreeSet<&str> = BTreeSet::new();
        let mut left = vec![clause];
        while let Some(one) = left.pop() {
            own.extend(one.ways.iter().map(|way| way.by.as_str()));
            left.extend(regulation.items(&one.id));
        }
        match row.met {
            Met::Defines => {
                assert_eq!(clause.kind, Kind::Definition, "{}", row.id);
                assert!(row.broken.is_empty() && own.is_empty(), "{}", row.id);
                continue;
            }
            Met::NotAdopted => assert!(!rules.demands(clause), "{}", row.id),
            Met::Seen => assert!(rules.demands(clause), "{}", row.id),
        }
        for name in row.broken {
            assert!(own.contains(name), "{} does not rest on {name}", row.id);
        }
        let is_red = row.broken.iter().any(|name| red.contains(name));
        assert!(is_red, "nothing turns {} red", row.id);
        let unnamed = clause.ways.iter().map(|way| way.by.as_str());
        let unnamed: Vec<&str> = unnamed
            .filter(|by| !row.broken.contains(by) && !BY_DESIGN.contains(by))
            .collect();
        assert_eq!(unnamed, Vec::<&str>::new(), "{}", row.id);
    }
}

/// What the server makes impossible has a test that shows it, which is there.
#[test]
fn what_is_enforced_names_its_test() {
    let rules = rules();
    let named: Vec<&str> = ENFORCED.iter().map(|(check, ..)| *check).collect();
    let once: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(named.len(), once.len());
    let ways = rules.regulation.clauses().flat_map(|clause| &clause.ways);
    let enforced = ways.filter(|way| way.way == WayKind::Enforce);
    let enforced: BTreeSet<&str> = enforced.map(|way| way.by.as_str()).collect();
    assert_eq!(once, enforced);
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (check, file, function) in ENFORCED {
        let text = std::fs::read_to_string(crates.join(file)).unwrap();
        assert!(text.contains(&format!("fn {function}(")), "{check}: {file}");
    }
}

/// All work that is open is done, approved, and its reports are acknowledged.
async fn all_work_is_done(site: &Site, rules: &Rules) -> usize {
    let mut done = 0;
    let chief = site.caller("chief").await;
    for open in task::list(&chief, rules, task::Which::default())
        .await
        .unwrap()
    {
        let workflow = rules.workflows.iter().find(|one| one.name == open.workflow);
        let workflow = workflow.unwrap();
        // That is done by other commands, and closed by the server.
        if workflow.on_record {
            continue;
        }
        let by = site.caller(holder(workflow.role)).await;
        let all = answers(rules, &workflow.name);
        task::done(&by, rules, open.number, all, Vec::new())
            .await
            .unwrap();
        if let Some(approver) = workflow.approver {
            let by = site.caller(holder(approver)).await;
            task::approve(&by, rules, open.number).await.unwrap();
        }
        done += 1;
    }
    for waiting in report::list(&chief).await.unwrap() {
        if waiting.acknowledged_at.is_none() {
            let by = site.caller(holder(waiting.to.parse().unwrap())).await;
            report::acknowledge(&by, waiting.number).await.unwrap();
        }
    }
    done
}

fn holder(role: Role) -> &'static str {
    match role {
        Role::Administrator => "deputy",
        Role::AccountManager => "manager",
        Role::SystemOfficer => "chief",
        Role::SecurityOfficer => "guard",
        Role::PersonnelClerk => "clerk",
        Role::Staff => "taro",
    }
}

/// A site that has gone on for a year, with the work of the year open.
async fn after_a_year(rules: &Rules) -> Site {
    let site = peopled().await;
    let chief = site.caller("chief").await;
    role::grant(&chief, "deputy", Role::Administrator)
        .await
        .unwrap();
    look(&site, rules, &good(&site)).await;
    site.days(366);
    // Its trail was rotated and its media put away, its experts were called.
    let now = site.store.now().as_microsecond();
    let volume = format!(
        "INSERT INTO trail_volume (number, first, last, from_at, to_at, sealed_at, retain_until) VALUES (1, 0, 1, 1, 2, {now}, 9000000000000000)"
    );
    around(&site, &volume).await;
    let kept = format!(
        "INSERT INTO custody (id, volume, at, medium, place, key_holder, person, remark) VALUES (1, 1, {now}, 'LTO-001', 'safe', 'chief', 'deputy', '')"
    );
    around(&site, &kept).await;
    let day = rules.calendar.date(site.store.now());
    let called = format!(
        "INSERT INTO expert_drill (number, expert, on_day, reached, result, noted_by, noted_at) SELECT 1, 1, '{day}', 1, '', MIN(id), {now} FROM person"
    );
    around(&site, &called).await;
    refresh(&site).await;
    look(&site, rules, &good(&site)).await;
    site
}

#[tokio::test]
async fn every_clause_is_met_when_all_is_well_and_the_work_of_the_year_is_done() {
    let rules = rules();
    let site = after_a_year(&rules).await;
    assert!(all_work_is_done(&site, &rules).await >= rounds(&rules).len());
    look(&site, &rules, &good(&site)).await;
    let seen = states(&site, &rules, &good(&site)).await;
    let mut wrong = Vec::new();
    for row in CLAUSES {
        let expected = match row.met {
            Met::Seen => State::Met,
            Met::NotAdopted => State::NotAdopted,
            Met::Defines => {
                assert!(!seen.contains_key(row.id));
                continue;
            }
        };
        let view = &seen[row.id];
        if view.state != expected {
            wrong.push(format!("{}: {} {}", row.id, view.state, view.why));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Work that nobody does turns its clauses red, and says which task it was and until when.
#[tokio::test]
async fn work_that_lapses_turns_its_clauses_red_with_its_dates() {
    let rules = rules();
    let site = after_a_year(&rules).await;
    let chief = site.caller("chief").await;
    let open = task::list(&chief, &rules, task::Which::default())
        .await
        .unwrap();
    let due: BTreeMap<String, String> = open
        .iter()
        .map(|one| {
            (
                one.workflow.clone(),
                rules.calendar.due_day(one.due_at).to_string(),
            )
        })
        .collect();
    let before = look(&site, &rules, &good(&site)).await;
    for workflow in rounds(&rules) {
        assert_eq!(
            state(&before, &workflow.name),
            State::Pending,
            "{}",
            workflow.name
        );
    }
    site.days(40);
    refresh(&site).await;
    let seen = look(&site, &rules, &good(&site)).await;
    let clauses = states(&site, &rules, &good(&site)).await;
    let mut wrong = Vec::new();
    for workflow in rounds(&rules) {
        let name = workflow.name.as_str();
        let (standing, until) = (&seen[name], &due[name]);
        let why = &standing.finding.why;
        let has_dates = why.en.contains(until) && why.ja.contains(until);
        if standing.finding.state != State::NotMet || !has_dates {
            wrong.push(format!("{name}, due {until}: {:?}", standing.finding));
        }
        let mut count = 0;
        for id in broken_by(name) {
            count += 1;
            if clauses[id].state != State::NotMet {
                wrong.push(format!("clause {id} by {name}: {}", clauses[id].state));
            }
        }
        assert!(count > 0, "no clause of the table rests on {name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Done late, it is met again.
    all_work_is_done(&site, &rules).await;
    refresh(&site).await;
    let seen = look(&site, &rules, &good(&site)).await;
    for workflow in rounds(&rules) {
        assert_eq!(
            state(&seen, &workflow.name),
            State::Met,
            "{}",
            workflow.name
        );
    }
}

/// A secret that is kept as it was typed makes the clause bind that the design had ruled out (clause 4.1(3)).
#[tokio::test]
async fn a_password_that_is_kept_as_it_was_typed_is_red_though_nobody_adopted_it() {
    let site = peopled().await;
    let rules = rules();
    let clauses = ["4.1-3", "4.1-3-a", "4.1-3-b"];
    let before = states(&site, &rules, &good(&site)).await;
    for id in clauses {
        assert_eq!(before[id].state, State::NotAdopted, "{id}");
    }
    around(&site, "UPDATE credential SET scheme = 'PLAIN'").await;
    let after = states(&site, &rules, &good(&site)).await;
    for id in clauses {
        let view = &after[id];
        assert_eq!(view.state, State::NotMet, "{id}");
        assert!(
            view.why.contains("PLAIN") && view.since.is_some(),
            "{view:?}"
        );
    }
}

#[test]
fn each_check_that_clauses_rest_on_is_broken_in_the_table_or_by_design() {
    let named: BTreeSet<&str> = CLAUSES.iter().flat_map(|row| row.broken).copied().collect();
    let left: Vec<&str> = check::all()
        .map(|check| check.name)
        .filter(|name| !named.contains(name) && !BY_DESIGN.contains(name))
        .collect();
    assert_eq!(left, Vec::<&str>::new());
}
