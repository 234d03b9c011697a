//! Work comes round on the clauses' schedules, is done by those who owe it, and turns red when it is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use std::{collections::BTreeMap, sync::Arc};

use directory::{
    Role,
    command::{CommandError, role},
};
use governance::{State, clause, facts::Facts, fault, remind, report, task};
use site::Site;
use store::Tx;
use support::{answers, good, look, rules, state};
use trail::Kind;

const REVIEW: &str = "trail-review";

#[tokio::test]
async fn what_is_seen_is_told_once_and_a_look_is_told_once_a_day() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    let told = site.events(Kind::ClauseStanding).await.len();
    assert!(told > 60, "{told}");
    assert_eq!(site.events(Kind::ClausesReviewed).await.len(), 1);
    look(&site, &rules, &good(&site)).await;
    assert_eq!(site.events(Kind::ClauseStanding).await.len(), told);
    // A clause stands as its items do, and the event names it too.
    let all = site.events(Kind::ClauseStanding).await;
    let probe = all.iter().find(|one| one.event.subject == "probe-commands");
    let detail = &probe.unwrap().event.detail;
    assert_eq!(detail["clauses"], serde_json::json!(["4.3-6-c"]));
    assert_eq!(detail["by_items"], serde_json::json!(["4.3-6"]));
    // Nobody looked for two days.
    site.days(3);
    look(&site, &rules, &good(&site)).await;
    let days = site.events(Kind::ClausesReviewed).await;
    assert_eq!(days.len(), 2);
    assert_eq!(days[1].event.detail["missed"], 2);
    assert_eq!(days[1].event.detail["catalogues"][0], "2006 1.0.0");
}

#[tokio::test]
async fn many_who_look_at_once_open_one_task() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    site.days(92);
    let facts = good(&site);
    let looks = (0..8).map(|_| governance::look::look(&site.store, &rules, &facts));
    for looked in futures(looks).await {
        looked.unwrap();
    }
    let opened = site.events(Kind::TaskOpened).await;
    let reviews = opened
        .iter()
        .filter(|one| one.event.detail["workflow"] == REVIEW);
    assert_eq!(reviews.count(), 1);
    assert_eq!(site.events(Kind::ClausesReviewed).await.len(), 2);
}

async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        match all.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done
}

#[tokio::test]
async fn a_review_is_prepared_done_reported_and_acknowledged() {
    let site = Site::open().await;
    let rules = rules();
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, REVIEW), State::Pending);
    site.days(92);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, REVIEW), State::Pending);
    let chief = site.caller("chief").await;
    let which = task::Which {
        role: Some(Role::SystemOfficer),
        ..task::Which::default()
    };
    let open = task::list(&chief, &rules, which).await.unwrap();
    let review = open.iter().find(|task| task.workflow == REVIEW).unwrap();
    // The site's year begins in April: its quarters begin in July and October. It was opened in the one after September.
    assert_eq!(review.period, "2026-07");
    let number = review.number;
    let shown = task::show(&chief, &rules, number).await.unwrap();
    assert!(
        shown.clauses.contains(&"8.2-2".to_owned()),
        "{:?}",
        shown.clauses
    );
    assert!(
        shown.facts["standings"].get("trail-unbroken").is_some()
            || shown.facts["standings"]
                .get("analysis-relay-refusals")
                .is_some()
    );
    assert!(shown.facts.contains_key("analysis"));

    // Nobody else does it, and not by halves.
    let manager = site.caller("manager").await;
    let all = answers(&rules, REVIEW);
    let refused = task::done(&manager, &rules, number, all.clone(), Vec::new()).await;
    assert!(
        matches!(refused, Err(CommandError::NotPermitted(_))),
        "{refused:?}"
    );
    let mut some = all.clone();
    some.remove("cracking");
    let refused = task::done(&chief, &rules, number, some, Vec::new())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("cracking"), "{refused}");
    let mut more = all.clone();
    more.insert("weather".to_owned(), "fine".to_owned());
    let refused = task::done(&chief, &rules, number, more, Vec::new())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("weather"), "{refused}");

    let done = task::done(&chief, &rules, number, all.clone(), Vec::new())
        .await
        .unwrap();
    assert_eq!(done.task.state, "closed");
    assert!(
        task::done(&chief, &rules, number, all, Vec::new())
            .await
            .is_err()
    );
    let report = report::show(&chief, done.reports[0]).await.unwrap();
    assert_eq!(report.report.to, "security-officer");
    assert!(
        report.text.contains("証跡の点検と分析") && report.text.contains("answer to measures"),
        "{}",
        report.text
    );
    let deputy = site.caller("deputy").await;
    let refused = report::acknowledge(&deputy, report.report.number).await;
    assert!(matches!(refused, Err(CommandError::NotPermitted(_))));
    let guard = site.caller("guard").await;
    report::acknowledge(&guard, report.report.number)
        .await
        .unwrap();
    assert!(
        report::acknowledge(&guard, report.report.number)
            .await
            .is_err()
    );
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, REVIEW), State::Met);
    let view = clause::show(&chief, &rules, &good(&site), "8.2-2")
        .await
        .unwrap();
    assert_eq!(view.clause.state, State::Met);
    let evidence = clause::evidence(&chief, &rules, &good(&site), "8.2-2")
        .await
        .unwrap();
    assert_eq!(evidence.tasks.len(), 1);
    assert_eq!(evidence.reports.len(), 1);
    assert!(
        evidence
            .events
            .iter()
            .any(|one| one.event.kind == Kind::ClauseStanding)
    );
    // What became of another workflow's tasks is the evidence of that one's clause, and of no other.
    let of_tasks = [Kind::TaskBegins, Kind::TaskOpened, Kind::TaskDone];
    let mut all = Vec::new();
    for (id, workflow) in [("8.2-2", REVIEW), ("6.2-2", "mailbox-cleanup")] {
        let evidence = clause::evidence(&chief, &rules, &good(&site), id)
            .await
            .unwrap();
        let told = evidence.events.iter().map(|one| &one.event);
        let told = told.filter(|event| of_tasks.contains(&event.kind));
        let mut count = 0;
        for event in told {
            let of = event.detail.get("workflow").and_then(|name| name.as_str());
            assert_eq!(of.unwrap_or(&event.subject), workflow, "{id}");
            count += 1;
        }
        assert!(count > 0, "{id}");
        let reports: Vec<String> = evidence
            .events
            .iter()
            .map(|one| &one.event)
            .filter(|event| event.kind == Kind::ReportMade)
            .map(|event| event.subject.clone())
            .collect();
        let listed: Vec<String> = evidence
            .reports
            .iter()
            .map(|one| one.number.to_string())
            .collect();
        assert_eq!(reports, listed, "{id}");
        all.extend(reports);
    }
    assert!(!all.is_empty());
}

/// The yearly review is about all that is demanded and about what other reviews found; that of the measures against malware is about 5.2.
#[tokio::test]
async fn a_review_is_prepared_with_all_that_it_is_about() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    site.days(92);
    look(&site, &rules, &good(&site)).await;
    let chief = site.caller("chief").await;
    let of_quarter = open_task(&site, &rules, REVIEW).await;
    let today = rules.calendar.date(site.store.now());
    let fault = fault::Named {
        fault: "failed logins are not looked at".to_owned(),
        due: today.checked_add(jiff::Span::new().days(20)).unwrap(),
        role: None,
    };
    let all = answers(&rules, REVIEW);
    task::done(&chief, &rules, of_quarter, all, vec![fault])
        .await
        .unwrap();
    site.days(274);
    look(&site, &rules, &good(&site)).await;

    let yearly = open_task(&site, &rules, "configuration-review").await;
    let yearly = task::show(&chief, &rules, yearly).await.unwrap();
    let standings = yearly.facts["standings"].as_object().unwrap();
    // Of 4.3, 5.1, 6.1 and of what lies beyond.
    for name in [
        "open-vulnerabilities",
        "own-domains-only",
        "submission-authenticated",
        "malware-definitions",
        "trail-review",
    ] {
        assert!(standings.contains_key(name), "{name}: {standings:?}");
    }
    assert!(!standings.contains_key("configuration-review"));
    // What the site has not adopted is nobody's to review.
    assert!(!rules.choices.is_on("plaintext-login"));
    assert!(!standings.contains_key("plaintext-warning"));
    let corrections = yearly.facts["corrections"].as_array().unwrap();
    assert_eq!(corrections.len(), 1, "{corrections:?}");
    assert_eq!(corrections[0]["review"], REVIEW);

    let malware = open_task(&site, &rules, "malware-review").await;
    let malware = task::show(&chief, &rules, malware).await.unwrap();
    let standings = malware.facts["standings"].as_object().unwrap();
    for name in [
        "every-path-scanned",
        "malware-canary",
        "malware-definitions",
        "isolation",
        "outbreak-notice",
    ] {
        assert!(standings.contains_key(name), "{name}: {standings:?}");
    }
    assert!(!standings.contains_key("own-domains-only"));
}

/// A clause that has ways of its own and items is not met while an item is not; what is not adopted does not count.
#[tokio::test]
async fn a_clause_stands_as_the_worst_of_its_own_ways_and_of_its_items() {
    let site = Site::open().await;
    let mut rules = rules();
    let chief = site.caller("chief").await;
    let stands = async |rules: &governance::Rules, facts: &Facts, id: &str| {
        let shown = clause::show(&chief, rules, facts, id).await.unwrap();
        shown.clause
    };
    let well = good(&site);
    let issue = ["7.1-1", "7.1-1-a", "7.1-1-a-i"];
    for id in issue {
        assert_eq!(stands(&rules, &well, id).await.state, State::Met, "{id}");
    }
    let short = Facts {
        shortest_password: 6,
        ..good(&site)
    };
    let reason = stands(&rules, &short, "7.1-1-a-i").await.why;
    for id in issue {
        let view = stands(&rules, &short, id).await;
        assert_eq!(
            (view.state, view.why),
            (State::NotMet, reason.clone()),
            "{id}"
        );
    }

    let review = "4.3-6";
    let before = stands(&rules, &well, review).await.state;
    assert_ne!(before, State::NotMet);
    let open = Facts {
        screening: false,
        ..good(&site)
    };
    assert_eq!(stands(&rules, &open, review).await.state, State::NotMet);
    let regulation = Arc::clone(&rules.regulation);
    let choices = Arc::make_mut(&mut rules.choices);
    choices
        .set_option(&regulation, "spam-measures", false)
        .unwrap();
    let item = stands(&rules, &open, "4.3-6-e").await.state;
    assert_eq!(item, State::NotAdopted);
    assert_eq!(stands(&rules, &open, review).await.state, before);
}

/// The number of the task of that workflow that is open.
async fn open_task(site: &Site, rules: &governance::Rules, workflow: &str) -> i64 {
    let chief = site.caller("chief").await;
    let open = task::list(&chief, rules, task::Which::default())
        .await
        .unwrap();
    let found = open.iter().find(|task| task.workflow == workflow);
    found.unwrap().number
}

#[tokio::test]
async fn a_review_that_was_forgotten_is_red_with_its_dates_and_those_above_are_told() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    site.days(92);
    look(&site, &rules, &good(&site)).await;
    let due = reminders(&site, &rules).await;
    assert!(
        due.iter()
            .any(|one| one.workflow == REVIEW && one.why == remind::Why::Opened)
    );
    for reminder in due {
        let note = move |tx: &mut Tx<'_>| remind::note(tx, &reminder, &[]);
        site.store.commit(Vec::new(), note).await.unwrap();
    }
    assert!(reminders(&site, &rules).await.is_empty());
    site.days(60);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, REVIEW), State::NotMet);
    let why = &seen[REVIEW].finding.why;
    assert!(
        why.en.contains("2026-07") && why.ja.contains("期限"),
        "{why:?}"
    );
    let late = reminders(&site, &rules).await;
    let late = late.iter().find(|one| one.workflow == REVIEW).unwrap();
    assert_eq!(late.why, remind::Why::Overdue);
    assert_eq!(late.roles, [Role::SystemOfficer, Role::SecurityOfficer]);
    // It stays red, whatever comes round after it, until it is done.
    site.days(90);
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, REVIEW), State::NotMet);
    let told = site.events(Kind::ClauseStanding).await;
    let red = told
        .iter()
        .filter(|one| one.event.subject == REVIEW && one.event.detail["state"] == "not-met");
    assert_eq!(red.count(), 1);
}

#[tokio::test]
async fn what_takes_two_people_is_approved_by_the_other_or_done_again() {
    let site = Site::open().await;
    let rules = rules();
    let chief = site.caller("chief").await;
    // One person who does it and could approve it too.
    role::grant(&chief, "deputy", Role::Administrator)
        .await
        .unwrap();
    look(&site, &rules, &good(&site)).await;
    site.days(366);
    look(&site, &rules, &good(&site)).await;
    let deputy = site.caller("deputy").await;
    let open = task::list(&deputy, &rules, task::Which::default())
        .await
        .unwrap();
    let number = open
        .iter()
        .find(|task| task.workflow == "configuration-review")
        .unwrap()
        .number;
    assert!(
        task::approve(&chief, &rules, number).await.is_err(),
        "it is not done yet"
    );
    let all = answers(&rules, "configuration-review");
    let done = task::done(&deputy, &rules, number, all.clone(), Vec::new())
        .await
        .unwrap();
    assert_eq!(
        (done.task.state, done.task.role.as_str()),
        ("done", "system-officer")
    );
    let own = task::approve(&deputy, &rules, number).await.unwrap_err();
    assert!(own.to_string().contains("another person"), "{own}");
    let again = task::reject(&chief, &rules, number, "relaying was not looked at")
        .await
        .unwrap();
    assert_eq!(again.task.state, "open");
    assert_eq!(again.answers, None);
    task::done(&deputy, &rules, number, all, Vec::new())
        .await
        .unwrap();
    let closed = task::approve(&chief, &rules, number).await.unwrap();
    assert_eq!(closed.task.state, "closed");
    let steps: Vec<&str> = closed.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(steps, ["opened", "done", "rejected", "done", "approved"]);
    assert!(
        task::reject(&chief, &rules, number, "too late")
            .await
            .is_err()
    );
    assert_eq!(site.events(Kind::TaskApproved).await.len(), 1);
}

#[tokio::test]
async fn work_that_came_round_while_nobody_ran_is_opened_once_and_tells_what_was_missed() {
    let site = Site::open().await;
    let rules = rules();
    look(&site, &rules, &good(&site)).await;
    site.days(5 * 31);
    look(&site, &rules, &good(&site)).await;
    let opened = site.events(Kind::TaskOpened).await;
    let monthly: Vec<_> = opened
        .iter()
        .filter(|one| one.event.detail["workflow"] == "malware-notices")
        .collect();
    assert_eq!(monthly.len(), 1);
    assert_eq!(monthly[0].event.detail["missed"], 4);
    // Who came too late to open it is given days to do it all the same.
    let seen = look(&site, &rules, &good(&site)).await;
    assert_eq!(state(&seen, "malware-notices"), State::Pending);
}

async fn reminders(site: &Site, rules: &governance::Rules) -> Vec<remind::Reminder> {
    let (rules, now) = (rules.clone(), site.store.now());
    site.store
        .read(move |snapshot| remind::due(snapshot, &rules, now))
        .await
        .unwrap()
}

#[tokio::test]
async fn without_an_officer_s_role_nothing_is_shown() {
    let site = Site::open().await;
    let rules = rules();
    let taro = site.caller("taro").await;
    let facts = good(&site);
    assert!(clause::list(&taro, &rules, &facts).await.is_err());
    assert!(
        task::list(&taro, &rules, task::Which::default())
            .await
            .is_err()
    );
    assert!(
        task::done(&taro, &rules, 1, BTreeMap::new(), Vec::new())
            .await
            .is_err()
    );
    let clerk = site.caller("clerk").await;
    assert!(clause::list(&clerk, &rules, &facts).await.is_ok());
    // Events of the trail are shown to those who may read it.
    assert!(
        clause::evidence(&clerk, &rules, &facts, "8.2-2")
            .await
            .is_err()
    );
    assert!(
        clause::show(&clerk, &rules, &facts, "99.9-9")
            .await
            .is_err()
    );
}
