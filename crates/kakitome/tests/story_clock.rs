//! The clock is set while the server runs, forward and back (clause 4.2): an incident is opened by itself, goes by its runbook, and is not
//! closed while the clock is behind the trail. What sets it is a
//! library of the story's own, loaded before the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::fs::FileExt as _, path::PathBuf, time::Duration};

use serde_json::Value;
use support::{Program, Site, until};

const SOON: Duration = Duration::from_secs(60);

/// A clock that the story sets: see `programs/clock.c`.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn true_for(site: &Site) -> Self {
        let (library, file) = (site.beside("clock.so"), site.beside("clock"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/clock.c");
        Program::new("gcc")
            .words(["-O2", "-shared", "-fPIC", "-o"])
            .word(&library)
            .word(source)
            .succeeds();
        fs::write(&file, 0_i64.to_ne_bytes()).unwrap();
        Self { library, file }
    }

    /// Sets it so many seconds beside the true time. The file is mapped: it is written in its place.
    fn set(&self, seconds: i64) {
        let file = fs::OpenOptions::new().write(true).open(&self.file);
        let octets = seconds.to_ne_bytes();
        file.unwrap().write_all_at(&octets, 0).unwrap();
    }
}

fn incident(site: &Site, number: usize) -> Value {
    until("an incident is opened and analysed", SOON, || {
        let all = site.give(&["incident", "list"]);
        let found = all.iter().find(|one| one["number"] == number)?;
        let analysed = !found["missing"].to_string().contains("analysed");
        analysed.then(|| found.clone())
    })
}

fn follow(site: &Site, number: &str) {
    site.give(&["incident", "step", number, "acknowledged"]);
    let note = "chronyd was started late";
    let step = ["incident", "step", number, "cause-found", "--note", note];
    site.give(&step);
}

#[test]
fn a_clock_that_is_set_opens_an_incident_that_ends_when_it_is_true_again() {
    let mut site = Site::new("city.example");
    let clock = Clock::true_for(&site);
    site.with_variable("LD_PRELOAD", clock.library.display().to_string());
    site.with_variable("STORY_CLOCK", clock.file.display().to_string());
    site.serve();
    assert!(site.give(&["incident", "list"]).is_empty());

    clock.set(7200);
    let found = incident(&site, 1);
    assert_eq!(found["kind"], "clock-jump");
    assert_eq!(found["opened_by"], Value::Null);
    let seconds = found["facts"]["seconds"].as_i64().unwrap();
    assert!((7190..=7210).contains(&seconds), "{found}");
    let clause = site.give(&["clause", "check", "4.2-1-a"]).remove(0);
    assert!(
        clause["ways"].to_string().contains("clock-jump-incident"),
        "{clause}"
    );
    let why = site.refused(&["incident", "close", "1"]);
    assert!(why.contains("cannot be closed"), "{why}");
    follow(&site, "1");
    site.give(&["incident", "close", "1"]);

    // Back: the trail's times stay, and what is behind them is told until it is not.
    clock.set(0);
    let found = incident(&site, 2);
    assert!(
        found["facts"]["seconds"].as_i64().unwrap() < -7000,
        "{found}"
    );
    follow(&site, "2");
    let why = site.refused(&["incident", "close", "2"]);
    assert!(why.contains("seconds behind the trail"), "{why}");
    clock.set(7300);
    until("the third jump is told", SOON, || {
        let told = site.events(&["--kind", "server.clock-jumped"]);
        (told.len() == 3).then_some(())
    });
    site.give(&["incident", "close", "2"]);
    assert_eq!(
        site.give(&["incident", "list"]).len(),
        2,
        "none beside the open one"
    );
    let events = site.events(&["--kind", "incident.opened"]);
    assert_eq!(events.len(), 2);
    site.give(&["audit", "verify"]);
}

/// The time of the day an hour ago.
fn an_hour_ago() -> String {
    let told = Program::new("date").words(["-d", "1 hour ago", "+%H:%M"]);
    told.succeeds().trim().to_owned()
}

#[test]
fn a_canary_whose_time_came_while_the_server_was_down_is_made_up_for() {
    let mut site = Site::new("city.example");
    let clock = Clock::true_for(&site);
    site.with_variable("LD_PRELOAD", clock.library.display().to_string());
    site.with_variable("STORY_CLOCK", clock.file.display().to_string());
    let canary = format!("canary = \"daily {}\"", an_hour_ago());
    site.set("screening.malware", &canary);
    site.serve();
    let sent = site.give(&["screening", "canary"]).remove(0);
    assert_eq!(
        (&sent["is_caught"], &sent["due"]),
        (&Value::Bool(true), &Value::Null)
    );
    site.stop();
    // Three days without a server: it is due since an hour.
    clock.set(3 * 86_400);
    site.serve();
    let events = until("it is made up for", SOON, || {
        let events = site.events(&["--kind", "scanner.canary"]);
        (events.len() == 2).then_some(events)
    });
    assert_eq!(events[1]["result"], "success", "{events:?}");
    assert!(events[0]["detail"].get("due").is_none(), "{events:?}");
    let due = events[1]["detail"]["due"].as_str().unwrap();
    assert!(!due.is_empty(), "{events:?}");
}
