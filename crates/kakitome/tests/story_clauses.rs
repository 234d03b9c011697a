//! An officer asks a running site how its clauses stand, since when, and how that is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::Value;
use support::{Site, until};

const SOON: Duration = Duration::from_secs(40);

fn clause(site: &Site, id: &str) -> Value {
    site.give(&["clause", "show", id]).remove(0)
}

fn state(site: &Site, id: &str) -> String {
    clause(site, id)["state"].as_str().unwrap().to_owned()
}

fn becomes(site: &Site, id: &str, wanted: &str) {
    until(wanted, SOON, || (state(site, id) == wanted).then_some(()));
}

#[test]
fn an_officer_asks_how_clauses_stand_and_how_that_is_known() {
    let mut site = Site::new("city.example");
    site.set("regulation", "time_zone = \"Asia/Tokyo\"");
    site.serve();
    let clauses = site.give(&["clause", "list"]);
    assert!(clauses.len() > 90, "{}", clauses.len());
    for one in &clauses {
        for text in ["id", "state", "title", "title_ja"] {
            assert!(!one[text].as_str().unwrap().is_empty(), "{one}");
        }
    }
    // Nothing scans here: that is not passed over.
    assert_eq!(state(&site, "5.2-3"), "not-met");
    // Nobody has probed yet: that is not taken for met.
    let relay = clause(&site, "4.3-6-b");
    assert_eq!(relay["state"], "unknown", "{relay}");
    // Quarters of a year that begins in April.
    let review = clause(&site, "8.2-2");
    assert_eq!(review["state"], "pending", "{review}");
    assert_eq!(review["schedule"], "every-3-months");
    let demand = review["demand"].as_str().unwrap();
    assert!(
        !demand.contains('{') && demand.contains("months"),
        "{demand}"
    );
    assert_eq!(state(&site, "4.2-3"), "met");
    assert_eq!(state(&site, "10.1-2"), "not-adopted");

    site.give(&["clause", "check", "4.2-3"]);
    let told = site.events(&["--kind", "clause.standing"]);
    assert!(told.iter().any(|one| one["subject"] == "trail-retention"));
    assert_eq!(site.events(&["--kind", "clause.reviewed"]).len(), 1);
    let behind = site.give(&["clause", "evidence", "4.2-3"]);
    let told = behind
        .iter()
        .find(|one| one["what"] == "event" && one["about"] == "clause.standing trail-retention");
    assert_eq!(told.unwrap()["state"], "met", "{behind:?}");
    let status = site.give(&["status"]).remove(0);
    let attention = status["attention"].to_string();
    assert!(
        attention.contains("clauses that are not-met") && attention.contains("5.2-3"),
        "{attention}"
    );
    site.refused(&["clause", "show", "99.9-9"]);
    site.refused(&["task", "done", "1"]);
    site.refused(&["report", "show", "1"]);
}

#[test]
fn a_setting_that_falls_short_turns_its_clause_red_and_back() {
    let mut site = Site::new("city.example");
    site.serve();
    assert_eq!(state(&site, "5.2-5"), "met");
    let since = clause(&site, "5.2-5")["since"].clone();
    site.set("isolation", "enabled = false");
    site.server().signal(Signal::HUP);
    becomes(&site, "5.2-5", "not-met");
    site.give(&["clause", "check", "5.2-5"]);
    let red = clause(&site, "5.2-5");
    assert_ne!(red["since"], since);
    assert!(
        red["why"].as_str().unwrap().contains("[isolation] enabled"),
        "{red}"
    );
    site.unset("enabled = false");
    site.server().signal(Signal::HUP);
    becomes(&site, "5.2-5", "met");
}

#[test]
fn a_site_has_clauses_of_its_own_and_says_where_they_are_wrong() {
    let mut site = Site::new("city.example");
    let folder = site.path().join("regulation");
    fs::create_dir(&folder).unwrap();
    let own = r#"
[catalogue]
id = "site-city"
version = "1.0.0"
title = { ja = "市の追加規程", en = "The city's own clauses" }
source.title = { ja = "市の定め", en = "The city's rules" }
source.publisher = { ja = "市", en = "The city" }
source.date = "2026-04"

[[chapter]]
number = 90
title = { ja = "市の定め", en = "The city's rules" }

[[section]]
chapter = 90
id = "site-city"
title = { ja = "保存", en = "Keeping" }

[[section.clause]]
id = "site-city-1"
title = { ja = "証跡の保存", en = "Keeping the trail" }
demand = { ja = "証跡を消さないこと。", en = "The trail is kept." }
owed_by = ["administrator"]
ways = [{ way = "measure", by = "trail-retention", text = { ja = "期間を確かめる。", en = "Its time is looked at." } }]
"#;
    fs::write(folder.join("city.toml"), own).unwrap();
    site.serve();
    assert_eq!(state(&site, "site-city-1"), "met");
    // A fault in it: the old one stays in force, and the file is named.
    fs::write(
        folder.join("city.toml"),
        own.replace("[[section.clause]]", "[[section.claus]]"),
    )
    .unwrap();
    site.server().signal(Signal::HUP);
    until("the log names the file", SOON, || {
        site.log().contains("city.toml").then_some(())
    });
    assert_eq!(state(&site, "site-city-1"), "met");
}
