//! Traffic is counted by the hour, exactly once; what is usual is learned; a flood that harms opens one incident (clause 4.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Letter, Person, Program, Site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(60);

/// A site that looks each second, and whose mail to nowhere.example has to wait.
fn watched() -> Site {
    let mut site = Site::new("city.example");
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    for line in [
        "look = \"1s\"",
        "rise = \"0s\"",
        "fall = \"4s\"",
        "least = 20",
        "queue = 20",
        // The disk on which this runs may be nearly full.
        "disk_free_percent = 0",
    ] {
        site.set("traffic", line);
    }
    site.serve();
    site
}

/// The first person, with a mailbox: a system officer among other things.
fn officer(site: &Site) -> Person {
    let address = "officer@city.example";
    site.give(&["person", "acknowledge", &me()]);
    site.give(&["order", "issue", "--for", &me(), "--address", address]);
    let number = site.give(&["order", "list"]).last().unwrap()["number"].to_string();
    site.give(&["order", "approve", &number]);
    let issued = site.give(&["account", "issue", "--order", &number]);
    Person {
        name: me(),
        address: address.to_owned(),
        password: issued[0]["password"].as_str().unwrap().to_owned(),
    }
}

/// One series of all hours together.
fn seen(site: &Site, series: &str) -> u64 {
    let hours = site.give(&["traffic", "list", "--series", series]);
    // Before the first look there is no hour.
    let counts = hours
        .iter()
        .filter_map(|hour| hour["counts"][series].as_u64());
    counts.sum()
}

fn arrives(site: &Site, to: &Person, count: usize) {
    for number in 0..count {
        let letter = Letter::new(&format!("in{number}"), "friend@away.example", &to.address);
        let sent = site
            .smtp()
            .send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(sent.unwrap().code, 250);
    }
}

fn leaves(site: &Site, from: &Person, to: &str, count: usize) {
    let mut session = smtp::Session::submission(site, from);
    for number in 0..count {
        let letter = Letter::new(&format!("out{number}"), &from.address, to);
        let sent = session.send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(sent.unwrap().code, 250);
    }
}

/// Carries out a script on the database of a site that is stopped; `sql` and `hour`, the current one, are at hand.
fn on_store(site: &Site, script: &str) {
    let script = format!(
        "import sqlite3, sys, time, json\n\
         handle = sqlite3.connect(sys.argv[1])\n\
         sql = handle.execute\n\
         hour = int(time.time()) // 3600\n\
         {script}\n\
         handle.commit()\n"
    );
    Program::new("python3")
        .words(["-I", "-c", &script])
        .word(site.path().join("store.db"))
        .succeeds();
}

/// Weeks in which there was little mail in each hour.
const WEEKS: &str = "text = json.dumps({'minutes': 60, 'state': 'normal', 'counts': {'in-accepted': 2, 'submitted': 2}})\n\
    for past in range(1, 84 * 24):\n    \
    sql('INSERT OR REPLACE INTO traffic_span (hour, hours, closed, content) VALUES (?, 1, 1, ?)', (hour - past, text))";

fn state(site: &Site) -> String {
    site.give(&["status"])[0]["traffic"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn incidents(site: &Site) -> Vec<Value> {
    let mut all = site.give(&["incident", "list"]);
    all.retain(|incident| incident["kind"] == "dos");
    all
}

#[test]
fn each_message_is_counted_once_whatever_crashes() {
    let mut site = watched();
    let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
    arrives(&site, &tanaka, 3);
    leaves(&site, &tanaka, &suzuki.address, 2);
    until("what came is counted", SOON, || {
        (seen(&site, "in-accepted") == 3 && seen(&site, "delivered") == 5).then_some(())
    });
    site.kill_hard();
    site.serve();
    // What came just before the next crash is counted after it.
    arrives(&site, &tanaka, 4);
    site.kill_hard();
    site.serve();
    let mut refused = site.smtp();
    refused.expect("MAIL FROM:<x@away.example>", 250);
    refused.expect("RCPT TO:<nobody@city.example>", 550);
    drop(refused);
    until("all of it is counted", SOON, || {
        (seen(&site, "in-refused-recipient") == 1).then_some(())
    });
    for (series, count) in [
        ("in-accepted", 7),
        ("submitted", 2),
        ("inside", 2),
        ("delivered", 9),
        ("relayed", 0),
    ] {
        assert_eq!(seen(&site, series), count, "{series}");
    }
    let hours = site.give(&["traffic", "list"]);
    let now = hours.last().unwrap();
    assert!(now["minutes"].as_u64().unwrap() >= 1, "{now}");
    assert!(now["service"]["queue"]["most"].is_u64(), "{now}");
    assert_eq!(now["over"], false);
    // Nothing is known yet, and that is what is said.
    assert_eq!(state(&site), "unknown");
    let usual = site.give(&["traffic", "normal"]);
    assert!(usual.len() == 192 && usual.iter().all(|slot| slot["usual"].is_null()));
    site.give(&["verify"]);
}

#[test]
fn hours_are_closed_by_an_event_and_folded_into_days() {
    let mut site = watched();
    let tanaka = site.person("tanaka");
    arrives(&site, &tanaka, 1);
    until("the mark is there", SOON, || {
        (seen(&site, "in-accepted") == 1).then_some(())
    });
    site.stop();
    on_store(
        &site,
        "text = json.dumps({'minutes': 60, 'counts': {'in-accepted': 9}, 'sources': {'named': {'192.0.2.0/24': 9}, 'rest': 0}})\n\
         sql('INSERT OR REPLACE INTO traffic_span VALUES (?, 1, 0, ?)', (hour - 2, text))\n\
         for past in range(500 * 24, 503 * 24):\n    \
         sql('INSERT INTO traffic_span VALUES (?, 1, 1, ?)', (hour - past, text))",
    );
    site.serve();
    let folded = until("old hours are folded", SOON, || {
        site.events(&["--kind", "traffic.folded"])
            .into_iter()
            .next()
    });
    assert_eq!(folded["detail"]["hours"], 72, "{folded}");
    let over = until("the hour is closed", SOON, || {
        let events = site.events(&["--kind", "traffic.hour"]);
        events
            .into_iter()
            .find(|event| event["detail"]["counts"]["in-accepted"] == 9)
    });
    assert_eq!(over["detail"]["state"], "unknown", "{over}");
    assert_eq!(over["detail"]["minutes"], 60, "{over}");
    let days = site.give(&["traffic", "list", "--days", "510"]);
    let days: Vec<&Value> = days.iter().filter(|row| row["hours"] != 1).collect();
    let counted = days
        .iter()
        .map(|day| day["counts"]["in-accepted"].as_u64().unwrap());
    assert_eq!(counted.sum::<u64>(), 72 * 9, "{days:?}");
    assert!(
        days[0]["sources"]["192.0.2.0/24"].as_u64().unwrap() > 0,
        "{days:?}"
    );
    site.give(&["verify"]);
}

#[test]
fn a_flood_that_harms_opens_one_incident_for_the_system_officer() {
    let mut site = watched();
    let officer = officer(&site);
    let tanaka = site.informed_person("tanaka");
    until("the mark is there", SOON, || {
        let hours = site.give(&["traffic", "list"]);
        (!hours.is_empty()).then_some(())
    });
    site.stop();
    on_store(&site, WEEKS);
    site.serve();
    until("what is usual is known", SOON, || {
        (state(&site) == "normal").then_some(())
    });
    let usual = site.give(&["traffic", "normal", "--series", "submitted"]);
    assert!(
        usual.iter().all(|slot| slot["usual"] == 2.0),
        "{:?}",
        usual[0]
    );

    // Much, and no harm: noted, no alarm.
    arrives(&site, &tanaka, 40);
    until("it is unusual", SOON, || {
        (state(&site) == "unusual").then_some(())
    });
    assert!(incidents(&site).is_empty());

    leaves(&site, &tanaka, "friend@nowhere.example", 40);
    let found = until("an incident is open", SOON, || {
        let open = incidents(&site).into_iter().next();
        open.filter(|open| open["missing"].as_array().unwrap().len() == 2)
    });
    let facts = &found["facts"];
    let of = |list: &str, name: &str, value: &str| {
        let all = facts[list].as_array().unwrap();
        all.iter().find(|one| one[name] == value).cloned().unwrap()
    };
    let submitted = of("deviations", "series", "submitted");
    assert!(
        submitted["seen"].as_u64().unwrap() >= 20 && submitted["expected"] == 2,
        "{facts}"
    );
    assert_eq!(of("harms", "what", "queue")["bound"], 20, "{facts}");
    let number = found["number"].to_string();
    let alarm = site.events(&["--kind", "traffic.state"]);
    assert_eq!(alarm.last().unwrap()["subject"], "alarm", "{alarm:?}");
    assert_eq!(state(&site), "alarm");

    let mut mail = site.imap(&officer);
    mail.holds("INBOX", 1, SOON);

    // In their order, and not closed while it goes on.
    let step = |step: &'static str| {
        ["incident", "step", &number, step, "--note", "limits set"]
            .map(str::to_owned)
            .to_vec()
    };
    let refused =
        |words: Vec<String>| site.refused(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let told = refused(step("measure-taken"));
    assert!(told.contains("comes after acknowledged"), "{told}");
    for taken in ["acknowledged", "measure-taken"] {
        site.give(&step(taken).iter().map(String::as_str).collect::<Vec<_>>());
    }
    let told = site.refused(&["incident", "close", &number]);
    assert!(told.contains("it goes on since"), "{told}");

    // It is still one when it comes again after a crash.
    site.kill_hard();
    site.serve();
    leaves(&site, &tanaka, "friend@nowhere.example", 5);
    until("it is counted", SOON, || {
        (seen(&site, "submitted") >= 45).then_some(())
    });
    assert_eq!(incidents(&site).len(), 1);

    site.give(&[
        "queue",
        "discard",
        "--domain",
        "nowhere.example",
        "--reason",
        "flood",
    ]);
    until("service does not suffer any more", SOON, || {
        (state(&site) == "unusual").then_some(())
    });
    site.give(&["incident", "close", &number]);
    let changes = site.give(&["traffic", "deviations"]);
    let states: Vec<&str> = changes
        .iter()
        .filter_map(|change| change["state"].as_str())
        .collect();
    assert_eq!(
        states,
        ["normal", "unusual", "alarm", "unusual"],
        "{changes:?}"
    );
    site.give(&["verify"]);
}
