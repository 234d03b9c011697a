//! Each check is met when all is well, and each can be broken: it then turns red, or says that it cannot tell.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod scene;
#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use directory::{Role, command::role};
use governance::{State, check, clause, remind, task};
use jiff::SignedDuration;
use scene::{
    BY_DESIGN, Break, apply, around, breaks, clauses, events_of, good, peopled, rules, states,
};
use site::Site;
use support::{look, state};
use trail::{Actor, Kind, Outcome};

#[tokio::test]
async fn a_site_on_which_all_is_well_is_met_in_everything() {
    let site = peopled().await;
    let seen = look(&site, &rules(), &good(&site)).await;
    let mut not: Vec<String> = Vec::new();
    for check in check::all() {
        let standing = &seen[check.name];
        if standing.finding.state != State::Met {
            not.push(format!("{}: {:?}", check.name, standing.finding));
        }
        assert!(!standing.finding.why.ja.is_empty() && !standing.finding.why.en.is_empty());
    }
    assert!(not.is_empty(), "{not:#?}");
}

/// An exchange alone has no mailboxes to read: there is nothing to be probed, and nothing is said to be well.
#[tokio::test]
async fn what_a_site_does_not_serve_is_no_matter_of_a_probe() {
    let site = peopled().await;
    let mut facts = good(&site);
    facts.listening = vec!["smtp".to_owned()];
    facts.probe.as_mut().unwrap().listeners = vec!["smtp".to_owned()];
    let seen = look(&site, &rules(), &facts).await;
    assert_eq!(state(&seen, "probe-login-retrieval"), State::NotAdopted);
    assert_eq!(state(&seen, "probe-relay"), State::Met);
    // Times that chance decides say nothing against it.
    let probe = facts.probe.as_mut().unwrap();
    let unclear = "smtp enumeration.recipient-time".to_owned();
    probe.could_not_tell.push(unclear);
    let seen = look(&site, &rules(), &facts).await;
    assert_eq!(state(&seen, "probe-commands"), State::Met);
}

/// A mirror that answers and is not fed any more: it was read today, and what is newest in it is old (clause 4.3(2)).
#[tokio::test]
async fn a_feed_that_is_read_and_has_nothing_new_is_red() {
    let site = peopled().await;
    for (published, most, expected) in [
        ("", Some(45), State::Met),
        ("2020-01-01T00:00:00Z", None, State::Met),
        ("2020-01-01T00:00:00Z", Some(45), State::NotMet),
        ("2020-01-01", Some(45), State::NotMet),
        ("2020-01-01T00:00:00+0000", Some(45), State::NotMet),
        ("2099-01-01T00:00:00Z", Some(45), State::Met),
        ("once upon a time", Some(45), State::Met),
    ] {
        around(
            &site,
            &format!("UPDATE vuln_feed SET published = '{published}'"),
        )
        .await;
        let mut facts = good(&site);
        facts.feeds.most_published = most.map(|days| SignedDuration::from_hours(24 * days));
        let seen = look(&site, &rules(), &facts).await;
        assert_eq!(
            state(&seen, "vulnerability-feeds"),
            expected,
            "{published} {most:?}"
        );
        if expected == State::NotMet {
            let why = &seen["vulnerability-feeds"].finding.why.en;
            assert!(why.contains(published), "{why}");
        }
    }
}

/// However much there is, the newest is shown, and how much there was before it (`clause evidence`).
#[tokio::test]
async fn the_newest_evidence_is_shown() {
    let site = peopled().await;
    events_of(&site, "bounces-classified").await;
    let guard = site.caller("guard").await;
    let facts = good(&site);
    let behind = clause::evidence(&guard, &rules(), &facts, "5.5-1")
        .await
        .unwrap();
    let last = site.last_event(Kind::BounceReceived).await.id;
    let bounces = behind.events.iter();
    let bounces = bounces.filter(|one| one.event.kind == Kind::BounceReceived);
    let shown: Vec<i64> = bounces.map(|one| one.id).collect();
    assert_eq!(shown.last(), Some(&last));
    assert!(shown.len() <= 50 && behind.left_out >= 2450);
}

/// Work comes round as its workflow says where the clause does not, and then the clause says when it does.
#[tokio::test]
async fn a_clause_says_when_it_is_due_next_though_its_workflow_alone_comes_round() {
    let site = peopled().await;
    let seen = states(&site, &rules(), &good(&site)).await;
    for id in ["5.2-1", "6.2-2", "8.1-2", "10.1-2"] {
        assert!(seen[id].next_due.is_some(), "{id}");
    }
}

/// What waits has a task long before its term is over, which the server closes when it is done.
#[tokio::test]
async fn what_waits_has_a_task_that_ends_when_it_is_done() {
    let site = peopled().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    let reported = site.store.now();
    let report = format!(
        "INSERT INTO abuse_report (message, at, source, reverse_name, domain, sender, malware, header, state) VALUES (1, {}, '', '', '', '', '', '', 'open')",
        reported.as_microsecond()
    );
    around(&site, &report).await;
    let chief = site.caller("chief").await;
    let tasks = async || {
        let all = task::list(
            &chief,
            &rules,
            task::Which {
                closed: true,
                ..task::Which::default()
            },
        );
        let mut all = all.await.unwrap();
        all.retain(|task| task.workflow == "abuse-report");
        all
    };
    site.days(6);
    look(&site, &rules, &good(&site)).await;
    assert!(tasks().await.is_empty(), "half of its term has not passed");
    site.days(1);
    look(&site, &rules, &good(&site)).await;
    look(&site, &rules, &good(&site)).await;
    let open = tasks().await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(
        (open[0].role.as_str(), open[0].state),
        ("administrator", "open")
    );
    let term = SignedDuration::from_hours(14 * 24);
    assert_eq!(open[0].due_at, reported + term);
    let shown = task::show(&chief, &rules, open[0].number).await.unwrap();
    let id = store::QueueId(1).to_string();
    assert_eq!(shown.facts["waits"][0], id.as_str());
    assert!(
        shown.clauses.contains(&"5.2-6".to_owned()),
        "{:?}",
        shown.clauses
    );
    // Nothing is answered: it is done, or it is not.
    role::grant(&chief, "deputy", Role::Administrator)
        .await
        .unwrap();
    let deputy = site.caller("deputy").await;
    let done = task::done(&deputy, &rules, open[0].number, BTreeMap::new(), Vec::new()).await;
    assert!(
        done.unwrap_err()
            .to_string()
            .contains("the server closes it")
    );
    let now = site.store.now();
    let told = {
        let rules = rules.clone();
        site.store
            .read(move |sql| remind::due(sql, &rules, now))
            .await
            .unwrap()
    };
    let told = told.iter().find(|one| one.task == open[0].number).unwrap();
    assert!(told.text.en.contains(&format!("- {id}\n")) && !told.text.en.contains("task done"));

    around(&site, "UPDATE abuse_report SET state = 'dropped'").await;
    look(&site, &rules, &good(&site)).await;
    let closed = tasks().await;
    assert_eq!((closed[0].state, closed[0].late), ("closed", false));
    assert_eq!((&closed[0].closed_by, &closed[0].done_by), (&None, &None));
    let done = site.last_event(Kind::TaskDone).await;
    assert_eq!(done.event.actor, Actor::System);
    assert_eq!(done.event.subject, open[0].number.to_string());
    // It is not opened again.
    look(&site, &rules, &good(&site)).await;
    assert_eq!(tasks().await.len(), 1);
}

/// A feed that fails is red when a day has passed without it, however long the settings would wait; an empty one is red at once.
#[tokio::test]
async fn a_feed_that_fails_is_red_after_a_day() {
    let site = peopled().await;
    let now = site.store.now().as_microsecond();
    let ago = |hours: i64| now - hours * 3_600_000_000;
    for (good_at, failed, records, most, expected) in [
        (ago(23), "no answer", 1, 36, State::Met),
        (ago(25), "no answer", 1, 36, State::NotMet),
        (ago(25), "", 1, 36, State::Met),
        (ago(37), "", 1, 36, State::NotMet),
        (ago(1), "", 0, 36, State::NotMet),
        (ago(1), "", 1, 72, State::NotMet),
    ] {
        let feed = format!(
            "UPDATE vuln_feed SET good_at = {good_at}, failed = '{failed}', records = {records}"
        );
        around(&site, &feed).await;
        let mut facts = good(&site);
        facts.feeds.most_age = SignedDuration::from_hours(most);
        let seen = look(&site, &rules(), &facts).await;
        let finding = &seen["vulnerability-feeds"].finding;
        assert_eq!(finding.state, expected, "{good_at} {finding:?}");
    }
    // Of one that was read it is told if not all of it could be.
    let feed =
        format!("UPDATE vuln_feed SET good_at = {now}, failed = '', records = 9, skipped = 2");
    around(&site, &feed).await;
    let seen = look(&site, &rules(), &good(&site)).await;
    let finding = &seen["vulnerability-feeds"].finding;
    assert_eq!(finding.state, State::Met);
    assert!(finding.why.en.contains("rustsec (2)"), "{finding:?}");
    assert_eq!(finding.facts["unread_records"][0], "rustsec (2)");
}

/// What an officer let be is told of, and what is exploited meanwhile is not said to be well.
#[tokio::test]
async fn an_exception_is_told_of_and_does_not_make_the_exploited_well() {
    let site = peopled().await;
    let until = site.store.now() + SignedDuration::from_hours(240);
    let case = format!(
        "INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2024-0001', 1); \
         INSERT INTO vuln_step (case_number, step, facts, at, number) VALUES (1, 'excepted', '{{\"until\":\"{until}\"}}', 2, 1)"
    );
    around(&site, &case).await;
    let seen = look(&site, &rules(), &good(&site)).await;
    let finding = &seen["open-vulnerabilities"].finding;
    assert_eq!(finding.state, State::Met);
    assert!(finding.why.en.contains("let be until"), "{finding:?}");
    assert_eq!(finding.facts["excepted"].as_array().unwrap().len(), 1);
    let exploited = "INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2024-0001', '2026-01-01', '', 0)";
    around(&site, exploited).await;
    let seen = look(&site, &rules(), &good(&site)).await;
    assert_eq!(state(&seen, "open-vulnerabilities"), State::Pending);
}

/// The site's own times are those that count.
#[tokio::test]
async fn a_check_waits_as_long_as_the_site_says() {
    let site = peopled().await;
    let now = site.store.now().as_microsecond();
    let days = |days: i64| now - days * 86_400_000_000;
    let report = format!(
        "INSERT INTO abuse_report (message, at, source, reverse_name, domain, sender, malware, header, state) VALUES (1, {}, '', '', '', '', '', '', 'open')",
        days(20)
    );
    around(&site, &report).await;
    for (most, expected) in [(14, State::NotMet), (21, State::Pending)] {
        let mut facts = good(&site);
        facts.terms.abuse_decided = most;
        let seen = look(&site, &rules(), &facts).await;
        assert_eq!(state(&seen, "abuse-report"), expected, "{most}");
    }
}

/// What the server itself permits is never taken for a trace of somebody who went around it.
#[tokio::test]
async fn imported_passwords_and_an_alias_that_one_of_several_gave_up_break_nothing() {
    let site = peopled().await;
    for scheme in [
        "ARGON2ID",
        "ARGON2I",
        "SHA512-CRYPT",
        "SSHA512",
        "BLF-CRYPT",
    ] {
        around(&site, &format!("UPDATE credential SET scheme = '{scheme}'")).await;
        let seen = look(&site, &rules(), &good(&site)).await;
        assert_eq!(state(&seen, "passwords-hashed"), State::Met, "{scheme}");
    }
    let given_up = "INSERT INTO retired_address (local, domain, account, retired_at) SELECT 'kumi', 'example.jp', MIN(id), 1 FROM account; \
                    INSERT INTO address (local, domain, account, kind, added_at) SELECT 'kumi', 'example.jp', MAX(id), 'alias', 1 FROM account";
    around(&site, given_up).await;
    let seen = look(&site, &rules(), &good(&site)).await;
    assert_eq!(state(&seen, "identifiers-retired"), State::Met);
}

/// Breaks a check on a site on which it is met, and says what is otherwise than the tables have it.
async fn broken(site: &Site, name: &str, how: Break, expected: State) -> Vec<String> {
    let rules = rules();
    let mut wrong = Vec::new();
    let before = look(site, &rules, &good(site)).await;
    if state(&before, name) != State::Met {
        let finding = &before[name].finding;
        wrong.push(format!("{name} was not met before: {finding:?}"));
    }
    let clauses_before = states(site, &rules, &good(site)).await;
    let facts = apply(site, name, how).await;
    let after = look(site, &rules, &facts).await;
    if state(&after, name) != expected {
        wrong.push(format!("{name}: {:?}", after[name].finding));
        return wrong;
    }
    let clauses_after = states(site, &rules, &facts).await;
    for id in clauses::broken_by(name) {
        let (was, is) = (clauses_before[id].state, clauses_after[id].state);
        if was.needs_attention() || is < expected {
            wrong.push(format!("clause {id} by {name}: {was}, then {is}"));
        }
    }
    let told = site.events(Kind::ClauseStanding).await;
    let mut told = told.iter().rev();
    let last = told.find(|one| one.event.subject == name).unwrap();
    assert_eq!(last.event.detail["state"], expected.as_str(), "{name}");
    let failed = last.event.outcome == Outcome::Failure;
    assert_eq!(failed, expected.needs_attention(), "{name}");
    wrong
}

/// Each check turns red, and so does each clause that the table of clauses names for it: by what the server tells of itself.
#[tokio::test]
async fn each_check_turns_red_by_what_the_server_tells() {
    let site = peopled().await;
    let mut wrong = Vec::new();
    for (name, (how, expected)) in breaks() {
        if matches!(how, Break::Facts(_)) {
            wrong.extend(broken(&site, name, how, expected).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The same by what is in the store, and by time; a part of them, each on a site of its own.
async fn broken_in_part(part: usize) {
    let mut wrong = Vec::new();
    let all = breaks().into_iter();
    let own = all.filter(|(_, (how, _))| !matches!(how, Break::Facts(_)));
    for (number, (name, (how, expected))) in own.enumerate() {
        if number % PARTS == part {
            let site = peopled().await;
            wrong.extend(broken(&site, name, how, expected).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Parts that run side by side.
const PARTS: usize = 4;

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not() {
    broken_in_part(0).await;
}

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not_second_part() {
    broken_in_part(1).await;
}

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not_third_part() {
    broken_in_part(2).await;
}

#[tokio::test]
async fn each_check_turns_red_by_what_is_there_and_what_is_not_last_part() {
    broken_in_part(3).await;
}

#[test]
fn no_check_is_left_out() {
    let broken: BTreeSet<&str> = breaks()
        .into_iter()
        .map(|(name, _)| name)
        .chain(BY_DESIGN.iter().copied())
        .collect();
    let missing: Vec<&str> = check::all()
        .map(|check| check.name)
        .filter(|name| !broken.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
