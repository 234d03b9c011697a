//! `demo --year`: a year of an office passes, all of its work is done but one review, and at the end the clauses say exactly that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::Duration,
};

use jiff::{ToSpan as _, Zoned};
use rustix::process::Signal;
use serde_json::Value;
use support::{Process, Program, place, until};

/// How long a year may take on a busy machine without optimisation.
const YEAR: Duration = Duration::from_secs(900);
const STOP: Duration = Duration::from_secs(60);
/// Few people, and traffic is watched in the last weeks alone: what takes the time is the same for many.
const SMALL: &[&str] = &["--people", "26", "--watched-weeks", "3"];

/// Clauses that are not met at the end of the year, each with its reason: no others.
const NOT_MET: &[(&str, &str, &str)] =
    &[("8.2-2", "not-met", "the review of the trail was forgotten")];

/// A year that was let pass, and is served.
struct Year {
    demo: Process,
    directory: std::path::PathBuf,
}

impl Year {
    fn begin(place: &Path, name: &str, from: &str, base: u16) -> Self {
        let directory = place.join(name);
        let demo = Process::start(
            name,
            Command::new(env!("CARGO_BIN_EXE_kakitome"))
                .arg("demo")
                .arg(&directory)
                .args(["--year", "--seed", "7", "--from", from])
                .args(["--port-base", &base.to_string()])
                .args(SMALL)
                .env("KAKITOME_LOG", "error"),
            &place.join(format!("{name}.log")),
        );
        Self { demo, directory }
    }

    fn is_over(&mut self) {
        let demo = &mut self.demo;
        until("the year is over", YEAR, || {
            assert!(demo.is_running(), "the demo ended: {}", demo.printed());
            demo.printed().contains("^C ends it.").then_some(())
        });
    }

    fn give(&self, words: &[&str]) -> Vec<Value> {
        let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .word("-C")
            .word(self.directory.join("site"))
            .word("--json")
            .words(words)
            .succeeds();
        told.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// How each clause stands.
    fn clauses(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = self.give(&["clause", "list"]);
        all.iter()
            .map(|one| (text(&one["id"]), text(&one["state"])))
            .collect()
    }

    /// Events of these kinds, in order.
    fn events(&self, kinds: &[&str]) -> Vec<Value> {
        let mut words = vec!["audit", "search", "--limit", "100000"];
        words.extend(kinds.iter().flat_map(|kind| ["--kind", kind]));
        self.give(&words)
    }

    /// The steps of the incident of that number, in order.
    fn steps(&self, number: &str) -> Vec<String> {
        let all = self.events(&["incident.step"]);
        let own = all.iter().filter(|one| one["subject"] == number);
        own.map(|one| one["detail"]["step"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Three blocks of ports, none of which is taken.
fn port_bases() -> (u16, u16) {
    let taken = |base: u16| {
        [25, 26, 53, 465, 587, 110, 995, 143, 993, 90, 310]
            .iter()
            .any(|port| std::net::TcpListener::bind(("127.0.0.1", base + port)).is_err())
    };
    let first = 25_000 + u16::try_from(std::process::id() % 10).unwrap() * 2000;
    let mut free = (0..20)
        .map(|step| first + step * 1000)
        .filter(|base| !taken(*base));
    (free.next().unwrap(), free.next().unwrap())
}

#[test]
fn a_year_passes_and_all_is_done_but_one_review() {
    let place = place();
    let (base, other) = port_bases();
    let from = Zoned::now().date().saturating_sub(1.year()).to_string();
    let mut year = Year::begin(place.path(), "one", &from, base);
    let mut again = Year::begin(place.path(), "again", &from, other);
    year.is_over();
    again.is_over();

    // The same seed gives the same year.
    let clauses = year.clauses();
    assert_eq!(clauses, again.clauses());
    again.demo.signal(Signal::INT);
    assert!(again.demo.ended(STOP).success());

    let fulfilled = ["met", "not-adopted"];
    let found: BTreeSet<(&str, &str)> = clauses
        .iter()
        .filter(|(_, state)| !fulfilled.contains(&state.as_str()))
        .map(|(id, state)| (id.as_str(), state.as_str()))
        .collect();
    let known: BTreeSet<(&str, &str)> =
        NOT_MET.iter().map(|(id, state, _)| (*id, *state)).collect();
    assert_eq!(found, known, "{}", year.demo.printed());

    the_forgotten_review_is_red_with_its_dates(&year);
    what_happened_took_its_course(&year);
    what_is_shared_was_decided_and_reviewed(&year);
    the_regular_work_left_its_products(&year);
    the_auditor_finds_what_was_written(&year);
    year.demo.signal(Signal::INT);
    assert!(year.demo.ended(STOP).success());
}

fn the_forgotten_review_is_red_with_its_dates(year: &Year) {
    let late = year.give(&["task", "list", "--due"]);
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!(late[0]["workflow"], "trail-review");
    let due = late[0]["due_at"].as_str().unwrap();
    let red = year.give(&["clause", "show", "8.2-2"]).remove(0);
    let why = red["why"].as_str().unwrap();
    // It is due to the end of a day, which is the next one's begin.
    let day: jiff::Timestamp = due.parse().unwrap();
    let day = day.saturating_sub(1.second()).unwrap();
    let day = day
        .to_zoned(jiff::tz::TimeZone::system())
        .date()
        .to_string();
    assert!(why.contains(&day), "{why} {day}");
    // Who owes it, and those above, were told of it every week.
    let number = late[0]["number"].to_string();
    let told = year.events(&["task.reminded"]);
    let own = told.iter().filter(|one| one["subject"] == number.as_str());
    let whys: Vec<&str> = own
        .map(|one| one["detail"]["why"].as_str().unwrap())
        .collect();
    assert_eq!(
        whys.get(..3),
        Some(&["opened", "near", "overdue"][..]),
        "{whys:?}"
    );
    // Every other task was done in time, and approved.
    let all = year.give(&["task", "list", "--all"]);
    assert!(all.len() > 25, "{}", all.len());
    let done = year.events(&["task.done"]);
    assert!(done.iter().all(|one| one["detail"]["late"] == false));
    let reports = year.give(&["report", "list"]);
    assert!(reports.len() >= 4, "{reports:?}");
}

fn what_happened_took_its_course(year: &Year) {
    let incidents = year.give(&["incident", "list"]);
    let kinds: Vec<&str> = incidents
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    let happened = [
        "dos",
        "credential",
        "malware-outside",
        "malware-inside",
        "credential",
    ];
    assert_eq!(kinds, happened);
    assert!(incidents.iter().all(|one| one["closed_at"].is_string()));
    let course = [
        "reported",
        "analysed",
        "acknowledged",
        "password-renewed",
        "handed-over",
        "resumed",
    ];
    for number in ["1", "4"] {
        let mut steps = year.steps(number);
        // By the server if nothing was held, by a person before the end if something was.
        let settled = steps.iter().position(|step| step == "queue-settled");
        steps.remove(settled.unwrap());
        assert_eq!(steps, course);
    }
    let inside = year.steps("2");
    for step in [
        "terminal-cleaned",
        "queue-settled",
        "handed-over",
        "resumed",
    ] {
        assert!(inside.iter().any(|taken| taken == step), "{inside:?}");
    }
    assert_eq!(year.events(&["abuse.sent"]).len(), 1);
    let limits = year.events(&["limit.placed", "limit.lifted"]);
    assert_eq!(limits.len(), 2, "{limits:?}");
    // What clauses 5.2(5) and 5.2(6) rest on did happen.
    for (clause, kind) in [("5.2-5", "malware-inside"), ("5.2-6", "malware-outside")] {
        let evidence = year.give(&["clause", "evidence", clause]);
        let told = evidence.iter().any(|one| one.to_string().contains(kind));
        assert!(told, "{clause}: {evidence:?}");
    }
    let flood = year.steps("5");
    for step in ["analysed", "acknowledged", "measure-taken"] {
        assert!(flood.iter().any(|taken| taken == step), "{flood:?}");
    }
    let states = year.events(&["traffic.state"]);
    let alarm = states.iter().position(|one| one["subject"] == "alarm");
    let states: Vec<&str> = states
        .iter()
        .map(|one| one["subject"].as_str().unwrap())
        .collect();
    let after = states.get(alarm.unwrap()..).unwrap();
    assert!(after.contains(&"normal"), "{states:?}");

    let case = year.events(&["vuln.step"]);
    let case: Vec<&str> = case
        .iter()
        .map(|one| one["detail"]["step"].as_str().unwrap())
        .collect();
    let case = case.join(" ");
    let course = "reported planned approved ordered accepted tested executed verified closed";
    assert!(case.starts_with(course), "{case}");
    let rule = year.give(&["outbreak", "show", "1"]).remove(0);
    assert!(rule["read"].as_u64().unwrap() > 0, "{rule}");
    let approved = year.events(&["outbreak.notice-approved"]);
    assert_eq!(approved.len(), 1, "{approved:?}");
    assert!(
        approved[0]["detail"]["single_person"].is_null(),
        "{approved:?}"
    );
    let found = year.give(&["outbreak", "found", "1"]);
    assert_eq!(found.len(), 6, "{found:?}");
    // By two people each.
    for event in year.events(&["order.approved"]) {
        assert!(event["detail"]["single_person"].is_null(), "{event}");
    }
}

/// One identifier is used by three, each by a secret of their own; it was decided on twice, and the administrators were told of both.
fn what_is_shared_was_decided_and_reviewed(year: &Year) {
    let decisions = year.events(&["account.shared"]);
    assert_eq!(decisions.len(), 2, "{decisions:?}");
    assert!(decisions.iter().all(|one| one["order"].is_i64()));
    assert_eq!(decisions[0]["detail"]["users"].as_array().unwrap().len(), 3);
    let told = year.events(&["account.sharing-told"]);
    let of: Vec<&Value> = told.iter().map(|one| &one["detail"]["decision"]).collect();
    let wanted: Vec<Value> = decisions
        .iter()
        .map(|one| one["id"].to_string().into())
        .collect();
    assert_eq!(of, wanted.iter().collect::<Vec<_>>());
    for one in &told {
        assert!(
            !one["detail"]["administrators"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        assert_eq!(one["detail"]["users"].as_array().unwrap().len(), 3);
    }
    assert_eq!(year.events(&["account.review-warned"]).len(), 1);
    let shared = year.give(&["account", "shared"]);
    assert_eq!(shared[0]["suspended"], false, "{shared:?}");
    // Each of them is named where they came in.
    let logins = year.events(&["authentication.succeeded"]);
    let by: BTreeSet<&str> = logins
        .iter()
        .filter_map(|one| one["detail"]["person"].as_str())
        .collect();
    assert!(by.len() >= 3, "{by:?}");
    // Definitions are of the day, each day.
    let definitions = year.events(&["scanner.definitions"]);
    assert!(definitions.len() > 360, "{}", definitions.len());
}

fn the_regular_work_left_its_products(year: &Year) {
    let volumes = year.give(&["audit", "volumes"]);
    assert_eq!(volumes.len(), 12, "{volumes:?}");
    // On the first of a month the last one may still wait for it.
    let kept = volumes.iter().filter(|one| one["custody_entries"] == 1);
    assert!(kept.count() >= 11, "{volumes:?}");
    assert!(year.directory.join("medium/volume-1").is_dir());
    assert!(year.events(&["store.backed-up"]).len() >= 3);
    // Each day all clauses were looked at.
    let reviewed = year.events(&["clause.reviewed"]);
    assert!(reviewed.len() >= 365, "{}", reviewed.len());
    assert!(reviewed.iter().all(|one| one["detail"]["missed"] == 0));
    // The trail is what was written, and the store is whole.
    year.give(&["audit", "verify"]);
    assert!(
        year.give(&["verify"])
            .iter()
            .all(|one| one.get("finding").is_none())
    );
}

fn the_auditor_finds_what_was_written(year: &Year) {
    let bundle = year.directory.join("bundle");
    let key = year.give(&["audit", "checkpoint"]).remove(0)["key"].clone();
    let key = key.as_str().unwrap();
    Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["audit", "verify", "--key", key, "--offline"])
        .word(&bundle)
        .succeeds();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_trail.py");
    let verified = Program::new("python3").word(script).words(["--key", key]);
    verified.word(&bundle).succeeds();
}

#[test]
fn a_year_that_cannot_be_had_says_why() {
    let place = place();
    let demo = |words: &[&str]| {
        Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .words(["demo", "--year"])
            .words(words)
            .env("TMPDIR", place.path())
            .fails()
    };
    assert!(demo(&["--people", "5"]).contains("--people lies between"));
    assert!(demo(&["--from", "2999-01-01"]).contains("a year from 2999-01-01"));
    let left = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 0);
}
