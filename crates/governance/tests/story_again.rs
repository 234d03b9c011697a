//! Work comes round whole when its period is changed, and what waits again after its task was closed has another task.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;
mod support;

use directory::Role;
use governance::{Rules, State, remind, task};
use jiff::{SignedDuration, Timestamp};
use regulation::Value;
use site::Site;
use store::{Tx, params};
use support::{good, look, rules, state};
use trail::{Actor, Event, Kind};

const REVIEW: &str = "trail-review";

/// Statements that no command would make.
async fn around(site: &Site, statements: &str) {
    let statements = statements.to_owned();
    let work = move |tx: &mut Tx<'_>| {
        for statement in statements.split("; ") {
            tx.execute(statement, params![])?;
        }
        tx.record(&Event::new(Kind::ServerStopped, Actor::System), ())
    };
    let done = site.store.commit::<(), store::Error>(Vec::new(), work);
    done.await.unwrap();
}

/// The rules with another period of the review of the trail, in months.
fn every(months: i64) -> Rules {
    let mut rules = rules();
    let mut choices = (*rules.choices).clone();
    choices
        .set_parameter(&rules.regulation, REVIEW, Value::Number(months))
        .unwrap();
    rules.choices = choices.into();
    rules
}

/// All tasks of a workflow, the oldest first.
async fn tasks(site: &Site, workflow: &str) -> Vec<task::TaskDetails> {
    let (chief, rules) = (site.caller("chief").await, rules());
    let which = task::Which {
        closed: true,
        ..task::Which::default()
    };
    let mut numbers: Vec<i64> = task::list(&chief, &rules, which)
        .await
        .unwrap()
        .iter()
        .filter(|one| one.workflow == workflow)
        .map(|one| one.number)
        .collect();
    numbers.sort_unstable();
    let mut found = Vec::new();
    for number in numbers {
        found.push(task::show(&chief, &rules, number).await.unwrap());
    }
    found
}

async fn periods(site: &Site, workflow: &str) -> Vec<String> {
    let found = tasks(site, workflow).await;
    found.into_iter().map(|one| one.task.period).collect()
}

#[tokio::test]
async fn a_review_whose_period_is_changed_in_mid_year_leaves_no_day_out() {
    // It is September 2026, and the site's year begins in April.
    let site = Site::open().await;
    // To which day, with which period, and what is opened on it.
    let days = [
        ("2026-09-25", 3, None),
        ("2026-10-02", 3, Some("2026-07")),
        ("2027-01-02", 3, Some("2026-10")),
        ("2027-04-02", 3, Some("2027-01")),
        ("2027-07-02", 3, Some("2027-04")),
        // Longer: the half-year has a review of what its first quarter's left.
        ("2027-08-10", 6, None),
        ("2027-10-02", 6, Some("2027-07")),
        // Longer still.
        ("2027-11-10", 12, None),
        ("2028-04-02", 12, Some("2027-10")),
        // Shorter.
        ("2028-05-10", 3, None),
        ("2028-07-02", 3, Some("2028-04")),
        ("2028-07-10", 6, None),
        ("2028-10-02", 6, Some("2028-07")),
        // Shorter, after the first quarter: it is reviewed at once.
        ("2029-02-10", 3, Some("2028-10")),
        ("2029-04-02", 3, Some("2029-01")),
    ];
    let mut expected = Vec::new();
    for (day, months, opened) in days {
        let at: Timestamp = format!("{day}T03:00:00Z").parse().unwrap();
        let ahead = at.duration_since(site.store.now());
        site.clock.advance(ahead.unsigned_abs());
        look(&site, &every(months), &good(&site)).await;
        expected.extend(opened);
        assert_eq!(periods(&site, REVIEW).await, expected, "{day}");
    }
    let reviews = tasks(&site, REVIEW).await;
    for pair in reviews.windows(2) {
        assert_eq!(pair[0].facts["to"], pair[1].facts["from"]);
    }
}

#[tokio::test]
async fn a_period_made_shorter_late_in_the_year_and_a_time_when_nobody_ran_leave_no_day_out() {
    let site = Site::open().await;
    let day = async |day: &str, months: i64| {
        let at: Timestamp = format!("{day}T03:00:00Z").parse().unwrap();
        let ahead = at.duration_since(site.store.now());
        site.clock.advance(ahead.unsigned_abs());
        look(&site, &every(months), &good(&site)).await;
        tasks(&site, REVIEW).await
    };
    // A review a year, until January; then one a quarter.
    assert!(day("2026-09-25", 12).await.is_empty());
    assert!(day("2026-11-10", 12).await.is_empty());
    let [first] = day("2027-01-10", 3).await.try_into().unwrap();
    assert_eq!(first.task.period, "2026-04");
    assert_eq!(first.facts["from"], "2026-03-31T15:00:00Z");
    assert_eq!(first.facts["to"], "2026-12-31T15:00:00Z");
    assert_eq!(first.task.missed, 0, "no quarter was due then");
    // Nobody runs in two quarters.
    let [_, second] = day("2027-10-02", 3).await.try_into().unwrap();
    assert_eq!(second.task.period, "2027-01");
    assert_eq!(second.facts["from"], first.facts["to"]);
    assert_eq!(second.facts["to"], "2027-09-30T15:00:00Z");
    assert_eq!(second.task.missed, 2);
}

#[tokio::test]
async fn a_task_whose_name_is_taken_is_opened_all_the_same() {
    let site = Site::open().await;
    look(&site, &rules(), &good(&site)).await;
    // As none that came round would be: it does not say what it covers.
    around(
        &site,
        "INSERT INTO task (number, workflow, period, opened_at, due_at, facts) VALUES (900, 'trail-review', '2026-07', 1, 2, '{}')",
    )
    .await;
    site.days(30);
    look(&site, &rules(), &good(&site)).await;
    assert_eq!(periods(&site, REVIEW).await, ["2026-07", "2026-07+2"]);
}

/// Tells everybody of what they are to be told of; of which tasks that was.
async fn told(site: &Site) -> Vec<i64> {
    let (rules, now) = (rules(), site.store.now());
    let due = site
        .store
        .read(move |snapshot| remind::due(snapshot, &rules, now))
        .await
        .unwrap();
    let numbers = due.iter().map(|one| one.task).collect();
    for reminder in due {
        let note = move |tx: &mut Tx<'_>| remind::note(tx, &reminder, &[]);
        site.store.commit(Vec::new(), note).await.unwrap();
    }
    numbers
}

#[tokio::test]
async fn a_case_that_is_listed_later_has_a_task_though_that_of_its_day_is_closed() {
    let site = Site::open().await;
    let workflow = "vulnerability-sharing";
    let opened = site.store.now().as_microsecond();
    around(
        &site,
        &format!(
            "INSERT INTO vuln_case (number, id, opened_at, told_at) VALUES (1, 'CVE-2026-0001', {opened}, {opened}), (2, 'CVE-2026-0002', {opened}, {opened}); \
             INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2026-0001', '2026-01-01', '', 0)"
        ),
    )
    .await;
    site.days(40);
    look(&site, &rules(), &good(&site)).await;
    let [first] = tasks(&site, workflow).await.try_into().unwrap();
    told(&site).await;
    around(
        &site,
        &format!(
            "INSERT INTO vuln_step (case_number, step, facts, at, number) VALUES (1, 'shared', '{{}}', {opened}, 1)"
        ),
    )
    .await;
    look(&site, &rules(), &good(&site)).await;
    assert_eq!(tasks(&site, workflow).await[0].task.state, "closed");
    // What is closed stays so while nothing waits.
    site.days(2);
    look(&site, &rules(), &good(&site)).await;
    assert_eq!(tasks(&site, workflow).await.len(), 1);
    told(&site).await;
    around(
        &site,
        "INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2026-0002', '2026-01-01', '', 0)",
    )
    .await;
    // It counts from the day on which people were told of both. The task is opened once, and stays open while it waits.
    for _ in 0..2 {
        look(&site, &rules(), &good(&site)).await;
    }
    let [_, second] = tasks(&site, workflow).await.try_into().unwrap();
    assert_eq!(second.task.state, "open");
    assert_ne!(second.task.period, first.task.period);
    assert!(second.task.period.starts_with(&first.task.period));
    assert_eq!(second.facts["waits"], serde_json::json!(["2"]));
    let days = good(&site).terms.case_shared;
    let term = SignedDuration::from_hours(days * 24);
    assert!(second.task.due_at >= site.store.now() + term - SignedDuration::from_secs(60));
    assert_eq!(told(&site).await, [second.task.number]);
    site.days(1);
    look(&site, &rules(), &good(&site)).await;
    assert_eq!(tasks(&site, workflow).await.len(), 2);
}

#[tokio::test]
async fn a_case_whose_exception_has_ended_has_another_task() {
    let site = Site::open().await;
    let workflow = "vulnerability-plan";
    let opened = site.store.now().as_microsecond();
    around(
        &site,
        &format!(
            "INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2026-0001', {opened}); \
             INSERT INTO vuln_step (case_number, step, facts, at, number) VALUES (1, 'reported', '{{}}', {opened}, 1)"
        ),
    )
    .await;
    site.days(20);
    look(&site, &rules(), &good(&site)).await;
    assert_eq!(tasks(&site, workflow).await.len(), 1);
    told(&site).await;
    let now = site.store.now();
    let until = now + SignedDuration::from_hours(10 * 24);
    around(
        &site,
        &format!(
            "INSERT INTO vuln_step (case_number, step, facts, at, number) VALUES (1, 'excepted', '{{\"until\":\"{until}\"}}', {}, 2)",
            now.as_microsecond()
        ),
    )
    .await;
    look(&site, &rules(), &good(&site)).await;
    assert_eq!(tasks(&site, workflow).await[0].task.state, "closed");
    site.days(11);
    let seen = look(&site, &rules(), &good(&site)).await;
    // Red at once, but the officer is not late: until now nobody owed a plan.
    assert_eq!(state(&seen, "open-vulnerabilities"), State::NotMet);
    assert_eq!(state(&seen, workflow), State::Met);
    let [first, second] = tasks(&site, workflow).await.try_into().unwrap();
    assert_eq!(first.task.state, "closed");
    assert_eq!(second.task.state, "open");
    let term = SignedDuration::from_hours(good(&site).terms.case_acted * 24);
    assert!(second.task.due_at >= until + term);
    assert_eq!(second.task.role, Role::SystemOfficer.as_str());
    assert!(told(&site).await.contains(&second.task.number));
    // The term counts from the exception's end.
    let over = good(&site).terms.case_acted;
    site.days(over.unsigned_abs());
    let seen = look(&site, &rules(), &good(&site)).await;
    assert_eq!(state(&seen, workflow), State::NotMet);
}
