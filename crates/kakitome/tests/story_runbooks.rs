//! Incidents go by their runbooks: each kind from its opening to its end, by hand and by the server; a site's own runbook, and a bad
//! one; versions; levers; reports (clauses 4.1, 4.4, 5.2, 5.5, 8.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Letter, Site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(60);

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn show(site: &Site, number: &str) -> Value {
    site.give(&["incident", "show", number]).remove(0)
}

fn missing(view: &Value) -> Vec<String> {
    let all = view["missing"].as_array().unwrap().iter();
    all.map(|step| step.as_str().unwrap().to_owned()).collect()
}

/// Waits until the server has taken its steps.
fn analysed(site: &Site, number: &str) -> Value {
    until("the server takes its steps", SOON, || {
        let view = show(site, number);
        let server = ["analysed", "owner-told"];
        let waits = missing(&view)
            .iter()
            .any(|step| server.contains(&step.as_str()));
        (!waits).then_some(view)
    })
}

/// Takes each step that is due, until none is missing; what is refused out of order is refused.
fn follow(site: &Site, number: &str) {
    analysed(site, number);
    for _ in 0..20 {
        let view = show(site, number);
        let mut all = view["due"].as_array().unwrap().iter();
        // The server's own steps wait for nobody.
        let Some(due) = all.find(|due| !due["roles"].as_array().unwrap().is_empty()) else {
            assert!(missing(&view).is_empty(), "{view}");
            return;
        };
        let why = site.refused(&["incident", "close", number]);
        assert!(why.contains("cannot be closed"), "{why}");
        let step = text(due, "step").to_owned();
        if let Some(later) = missing(&view).iter().find(|key| {
            let due = view["due"].as_array().unwrap();
            !due.iter().any(|one| text(one, "step") == key.as_str()) && **key != "reported"
        }) {
            let why = site.refused(&["incident", "step", number, later, "--note", "x"]);
            assert!(
                why.contains("comes after") || why.contains("by itself"),
                "{why}"
            );
        }
        site.give(&["incident", "step", number, &step, "--note", "調べ、行った"]);
    }
    panic!("the steps of incident {number} have no end");
}

#[test]
fn each_kind_is_opened_by_hand_and_followed_to_its_end() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let mut number = 0;
    for kind in [
        "other",
        "malware-outside",
        "backscatter",
        "dos",
        "trail-gap",
        "clock-jump",
        "relay",
        "submission-surge",
    ] {
        let mut open = vec!["incident", "open", "--kind", kind];
        let wrong = match kind {
            "submission-surge" => {
                let why = site.refused(&[&open[..], &["--reason", "x"][..]].concat());
                open.push(&tanaka.address);
                why
            }
            "other" | "malware-outside" => {
                site.refused(&[&open[..], &["nobody"][..], &["--reason", "x"][..]].concat())
            }
            _ => {
                site.refused(&[&open[..], &[tanaka.address.as_str(), "--reason", "x"][..]].concat())
            }
        };
        assert!(
            wrong.contains("identifier") || wrong.contains("does not exist"),
            "{kind}: {wrong}"
        );
        let opened = site
            .give(&[&open[..], &["--reason", "報告があった"][..]].concat())
            .remove(0);
        number += 1;
        let named = number.to_string();
        assert_eq!(opened["number"], number);
        assert_eq!(text(&opened, "kind"), kind);
        assert!(
            opened["runbook"]
                .as_i64()
                .is_some_and(|version| version > 0),
            "{opened}"
        );
        assert_eq!(text(&opened, "opened_by"), me());
        let about_the_site = !["other", "malware-outside"].contains(&kind);
        if about_the_site {
            let again = site.refused(&[&open[..], &["--reason", "x"][..]].concat());
            assert!(
                again.contains(&format!("incident {number} is open")),
                "{again}"
            );
        }
        let counted = opened["facts"]["events"].as_object();
        assert_eq!(counted.is_some(), kind != "other", "{opened}");
        if kind == "relay" {
            let unprobed = site.refused(&["incident", "close", &named]);
            assert!(unprobed.contains("were not probed since"), "{unprobed}");
            // The certificate of a new site vouches for itself, which is no matter of who gets in.
            site.refused(&["probe", "--own"]);
        }
        follow(&site, &named);
        let closed = site.give(&["incident", "close", &named]).remove(0);
        assert_eq!(closed["missing"], json!([]), "{closed}");
        site.refused(&["incident", "step", &named, "acknowledged"]);
    }
    // Two reports of each: what was opened was acknowledged with its step, what was closed waits.
    let reports = site.give(&["report", "list"]);
    let of = |word: &str| {
        reports
            .iter()
            .filter(|one| text(one, "title").contains(word))
            .count()
    };
    assert_eq!((of("opened:"), of("closed:")), (8, 8), "{reports:?}");
    for report in &reports {
        let acknowledged = !text(report, "acknowledged_by").is_empty();
        assert_eq!(
            acknowledged,
            text(report, "title").contains("opened:"),
            "{report}"
        );
    }
    let end = reports
        .iter()
        .find(|one| text(one, "title").contains("Incident 4 closed"));
    let end = end.unwrap()["number"].to_string();
    let shown = site.give(&["report", "show", &end]).remove(0);
    for words in ["サービス不能攻撃", "measure-taken", "調べ、行った"] {
        assert!(text(&shown, "text").contains(words), "{words} in {shown}");
    }
    site.give(&["report", "acknowledge", &end]);
    // An interface's names for two of them.
    for (word, kind) in [
        ("malware", "malware-inside"),
        ("bounce-surge", "backscatter"),
    ] {
        let view = site.give(&["runbook", "show", word]).remove(0);
        assert_eq!(text(&view, "kind"), kind);
    }
}

#[test]
fn the_report_of_an_opening_is_acknowledged_with_its_step() {
    let site = Site::served("city.example");
    site.give(&["incident", "open", "--kind", "other", "--reason", "盗難"]);
    analysed(&site, "1");
    let reports = site.give(&["report", "list"]);
    assert_eq!(reports.len(), 1, "{reports:?}");
    site.give(&["report", "acknowledge", &reports[0]["number"].to_string()]);
    assert_eq!(missing(&show(&site, "1")), ["measure-taken"]);
    let again = site.refused(&["incident", "step", "1", "acknowledged"]);
    assert!(again.contains("was taken before"), "{again}");
    let why = site.refused(&["incident", "step", "1", "measure-taken"]);
    assert!(why.contains("the note of this step"), "{why}");
    let why = site.refused(&["incident", "step", "1", "terminal-cleaned", "--note", "x"]);
    assert!(
        why.contains("it has analysed, reported, acknowledged, measure-taken"),
        "{why}"
    );
}

#[test]
fn the_server_opens_what_its_own_probe_finds() {
    let mut site = Site::new("city.example");
    site.set("retrieval", "plaintext_networks = [\"127.0.0.0/8\"]");
    site.serve();
    site.refused(&["probe", "--own"]);
    let open = site.give(&["incident", "list"]);
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(text(&open[0], "kind"), "relay");
    assert_eq!(open[0]["opened_by"], Value::Null);
    let failed = open[0]["facts"]["failed"].to_string();
    assert!(failed.contains("imap.plaintext-login"), "{failed}");
    // Once, however often it is found.
    site.refused(&["probe", "--own"]);
    assert_eq!(site.give(&["incident", "list"]).len(), 1);
    follow(&site, "1");
    let why = site.refused(&["incident", "close", "1"]);
    assert!(
        why.contains("the probe of") && why.contains("imap.plaintext"),
        "{why}"
    );
    site.unset("plaintext_networks");
    site.reload();
    site.refused(&["probe", "--own"]);
    site.give(&["incident", "close", "1"]);
}

#[test]
fn the_server_opens_what_the_verification_of_the_trail_finds() {
    let (site, other) = (Site::served("city.example"), Site::served("other.example"));
    let foreign = site.beside("foreign.txt").display().to_string();
    other.give(&["audit", "checkpoint", "--to", &foreign]);
    let verify = ["audit", "verify", "--witness", &foreign];
    site.refused(&verify);
    let open = site.give(&["incident", "list"]);
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(text(&open[0], "kind"), "trail-gap");
    assert_eq!(open[0]["facts"]["findings"], 1);
    follow(&site, "1");
    site.give(&["incident", "close", "1"]);
    // It is what is known; another fault is not.
    site.refused(&verify);
    assert_eq!(site.give(&["incident", "list"]).len(), 1);
    site.give(&["audit", "verify"]);
}

/// A site's own step.
const OWN_STEP: &str = "\n[[step]]\nkey = \"press-told\"\nroles = [\"system-officer\"]\nafter = [\"acknowledged\"]\ndays = 1\n\
                        text.ja = \"広報に知らせる。\"\ntext.en = \"The press office is told.\"\n";

#[test]
fn a_site_edits_a_runbook_and_each_incident_goes_by_its_own_version() {
    let mut site = Site::served("city.example");
    until("the runbooks as they come into force", SOON, || {
        let kept = site.events(&["--kind", "runbook.in-force"]);
        (kept.len() == 10).then_some(())
    });
    site.give(&["incident", "open", "--kind", "other", "--reason", "before"]);
    let file = site.path().join("runbooks/other.toml");
    fs::create_dir(site.path().join("runbooks")).unwrap();
    let begun = file.display().to_string();
    site.give(&["runbook", "export", "other", "--to", &begun]);
    site.refused(&["runbook", "export", "other", "--to", &begun]);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{whole}{OWN_STEP}")).unwrap();
    site.reload();
    site.give(&["incident", "open", "--kind", "other", "--reason", "after"]);
    let versions: Vec<i64> = ["1", "2"]
        .map(|number| show(&site, number)["runbook"].as_i64().unwrap())
        .to_vec();
    assert!(versions[0] < versions[1], "{versions:?}");
    let kept = site.events(&["--kind", "runbook.in-force"]);
    let last = &kept.last().unwrap()["detail"];
    assert_eq!(kept.len(), 11);
    assert_eq!(
        (&last["source"], &last["before"]),
        (&json!("site"), &json!(versions[0])),
        "{last}"
    );
    follow(&site, "1");
    site.give(&["incident", "close", "1"]);
    analysed(&site, "2");
    site.give(&["incident", "step", "2", "acknowledged"]);
    site.give(&["incident", "step", "2", "measure-taken", "--note", "x"]);
    let why = site.refused(&["incident", "close", "2"]);
    assert!(why.contains("press-told missing"), "{why}");

    // What the clause demands cannot be left out, and what cannot be read changes nothing.
    for (bad, told) in [
        (
            whole.replace("key = \"measure-taken\"", "key = \"measured\""),
            "other.toml:43:",
        ),
        (whole.replace("note = true\n", ""), "leaves out what"),
        (
            whole.replace("clauses = []", "clauses = [\"99.9\"]"),
            "no clause is called",
        ),
    ] {
        fs::write(&file, bad).unwrap();
        site.server().signal(Signal::HUP);
        until("it is refused", SOON, || {
            site.log().contains(told).then_some(())
        });
    }
    assert_eq!(site.events(&["--kind", "runbook.in-force"]).len(), 11);
    let view = site.give(&["runbook", "show", "other"]).remove(0);
    assert_eq!(view["version"]["number"].as_i64(), Some(versions[1]));
    // A backup takes it along.
    let copy = site.beside("copy");
    site.give(&["backup", &copy.display().to_string()]);
    assert!(copy.join("runbooks/other.toml").exists());
    // Taken away, the built-in one is in force again; the incident goes on as it was opened.
    fs::remove_file(&file).unwrap();
    site.reload();
    assert!(missing(&show(&site, "2")).contains(&"press-told".to_owned()));
    site.give(&["incident", "step", "2", "press-told"]);
    site.give(&["incident", "close", "2"]);
    let all = site.give(&["runbook", "list", "--all"]);
    assert_eq!(all.len(), 12, "{all:?}");
    let old = site.command(&[
        "runbook",
        "show",
        "other",
        "--version",
        &versions[1].to_string(),
        "--lang",
        "ja",
    ]);
    let old = String::from_utf8_lossy(&old.stdout).into_owned();
    assert!(old.contains("広報に知らせる。"), "{old}");
    site.give(&["verify"]);
}

#[test]
fn levers_act_from_an_incident_and_what_is_in_force_is_told() {
    let mut site = Site::new("city.example");
    // A next hop that nobody listens at.
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    site.serve();
    let tanaka = site.person("tanaka");
    let mut session = smtp::Session::submission(&site, &tanaka);
    let letter = Letter::new("flood", &tanaka.address, "friend@nowhere.example");
    let reply = session.send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(reply.unwrap().code, 250);
    site.give(&["incident", "open", "--kind", "dos", "--reason", "flood"]);
    let act = |words: &[&str]| {
        site.give(&[&["incident", "act", "1"][..], words].concat())
            .remove(0)
    };
    let state = || text(&site.give(&["queue", "list"])[0], "state").to_owned();
    act(&["hold", "--domain", "nowhere.example", "--note", "苦情"]);
    assert_eq!(state(), "held");
    act(&["release", "--domain", "nowhere.example"]);
    assert_eq!(state(), "waiting");
    act(&["hold", "--identifier", &tanaka.address]);
    act(&["block", "192.0.2.0/24", "--for", "7d"]);
    let blocks = site.give(&["block", "list"]);
    assert_eq!(blocks[0]["incident"], 1, "{blocks:?}");
    act(&["unblock", "192.0.2.0/24"]);
    assert!(site.give(&["block", "list"]).is_empty());
    act(&["block", "198.51.100.7"]);
    let view = act(&["suspend", &tanaka.address]);
    let used = view["levers"].as_array().unwrap().len();
    assert_eq!(used, 7, "{view}");
    // What the commands of their own refuse is refused here too.
    for (words, told) in [
        (vec!["block", "127.0.0.1"], "never is"),
        (
            vec!["suspend", tanaka.address.as_str()],
            "suspended already",
        ),
        (vec!["resume", tanaka.address.as_str()], "new password"),
        (
            vec!["hold", "--domain", "elsewhere.example"],
            "nothing in the queue",
        ),
        (vec!["hold", "192.0.2.1"], "is used on mail"),
    ] {
        let why = site.refused(&[&["incident", "act", "1"][..], &words].concat());
        assert!(why.contains(told), "{why}");
    }
    site.give(&["incident", "open", "--kind", "trail-gap", "--reason", "x"]);
    let why = site.refused(&["incident", "act", "2", "block", "192.0.2.1"]);
    assert!(why.contains("does not offer block"), "{why}");

    follow(&site, "1");
    let closed = site.give(&["incident", "close", "1"]).remove(0);
    let left: Vec<&str> = closed["levers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|lever| lever["in_force"] == true)
        .map(|lever| text(lever, "lever"))
        .collect();
    // The first hold is of the same mail, which is held again.
    assert_eq!(left, ["hold", "hold", "block", "suspend"], "{closed}");
    let event = site.events(&["--kind", "incident.closed"]).remove(0);
    assert_eq!(
        event["detail"]["in_force"].as_array().unwrap().len(),
        4,
        "{event}"
    );
    assert_eq!(site.events(&["--kind", "incident.acted"]).len(), 7);
    let reports = site.give(&["report", "list"]);
    let end = reports
        .iter()
        .find(|one| text(one, "title").contains("Incident 1 closed"));
    let shown = site.give(&["report", "show", &end.unwrap()["number"].to_string()]);
    assert!(
        text(&shown[0], "text").contains("still in force"),
        "{shown:?}"
    );
}
