//! What an incident restrains (clauses 4.4(2), 8.4(1)): how much an identifier, a network and a domain may have, and that no new mail is
//! taken while what waits is delivered. It holds over a restart, and ends with `unlimit`, `undrain` or the incident.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::{Letter, Site, site, smtp, until};

const SOON: Duration = Duration::from_secs(60);

fn act(site: &Site, words: &[&str]) -> Value {
    site.give(&[&["incident", "act", "1"][..], words].concat())
        .remove(0)
}

fn detail<'a>(event: &'a Value, fact: &str) -> &'a Value {
    &event["detail"][fact]
}

/// The answer to a recipient, in a transaction that is given up.
fn rcpt(session: &mut smtp::Session, from: &str, to: &str) -> u16 {
    let mail = session.say(&format!("MAIL FROM:<{from}>"));
    let code = match mail.code {
        250 => session.say(&format!("RCPT TO:<{to}>")).code,
        refused => refused,
    };
    session.say("RSET");
    code
}

/// Steps of the runbook that a person takes, until it can be closed.
fn close(site: &Site) -> Value {
    until("the server takes its steps", SOON, || {
        let view = site.give(&["incident", "show", "1"]).remove(0);
        let missing = view["missing"].to_string();
        (!missing.contains("analysed")).then_some(())
    });
    site.give(&["incident", "step", "1", "acknowledged"]);
    site.give(&[
        "incident",
        "step",
        "1",
        "measure-taken",
        "--note",
        "制限した",
    ]);
    site.give(&["incident", "close", "1"]).remove(0)
}

#[test]
fn a_network_and_an_identifier_are_limited_over_a_restart_and_to_the_end_of_the_incident() {
    let mut site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    // What an identifier submits is counted by the hour of the clock.
    until("the next hour begins", Duration::from_secs(150), || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (3600 - now.as_secs() % 3600 > 120).then_some(())
    });
    site.give(&["incident", "open", "--kind", "dos", "--reason", "flood"]);
    for (words, told) in [
        (vec!["limit", "127.0.0.0/8"], "--rate"),
        (
            vec!["limit", "127.0.0.0/8", "--rate", "0/hour"],
            "is no rate",
        ),
        (
            vec![
                "limit",
                "--identifier",
                "nobody@city.example",
                "--rate",
                "5/hour",
            ],
            "identifier",
        ),
        (
            vec![
                "limit",
                "--identifier",
                &tanaka.address,
                "--rate",
                "2/minute",
            ],
            "--rate 120/hour",
        ),
        (vec!["unlimit", "127.0.0.0/8"], "does not limit"),
        (vec!["undrain", "exchange"], "it is not for incident 1"),
        (vec!["drain", "everything"], "exchange or submission"),
    ] {
        let words = [&["incident", "act", "1"][..], &words].concat();
        let output = site.command(&words);
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && why.contains(told),
            "{words:?}: {why}"
        );
    }
    act(&site, &["limit", "127.0.0.0/8", "--rate", "50/hour"]);
    let view = act(
        &site,
        &[
            "limit",
            "127.0.0.0/8",
            "--rate",
            "3/hour",
            "--note",
            "まだ多い",
        ],
    );
    let levers = view["levers"].as_array().unwrap();
    let in_force: Vec<bool> = levers.iter().map(|one| one["in_force"] == true).collect();
    assert_eq!(in_force, [false, true], "{view}");
    act(
        &site,
        &["limit", "--identifier", &tanaka.address, "--rate", "2/hour"],
    );
    let placed = site.events(&["--kind", "limit.placed"]);
    assert_eq!(placed.len(), 3);
    assert_eq!(detail(&placed[1], "before"), "50/hour");
    // A restart forgets none of it.
    site.stop();
    site.serve();
    let count = |site: &Site| {
        let mut session = site.smtp();
        let named = || rcpt(&mut session, "a@elsewhere.example", &tanaka.address);
        let codes: Vec<u16> = std::iter::repeat_with(named).take(5).collect();
        codes
    };
    assert_eq!(count(&site), [250, 250, 250, 450, 450]);
    act(&site, &["unlimit", "127.0.0.0/8"]);
    until("it is lifted", SOON, || {
        (count(&site) == [250; 5]).then_some(())
    });
    let mut session = smtp::Session::submission(&site, &tanaka);
    let mut submitted = Vec::new();
    for number in 0..3 {
        let letter = Letter::new(&format!("{number}"), &tanaka.address, &tanaka.address);
        let reply = session.send(&letter.from, &[&letter.to], &letter.content());
        submitted.push(reply.unwrap().code);
    }
    assert_eq!(submitted, [250, 250, 450]);
    let limited = site.events(&["--kind", "submission.limited"]).remove(0);
    assert_eq!(detail(&limited, "most"), 2);
    let closed = close(&site);
    assert!(
        closed["levers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["in_force"] == false)
    );
    let lifted = site.events(&["--kind", "limit.lifted"]);
    assert_eq!(lifted.len(), 2);
    assert_eq!(detail(&lifted[1], "reason"), "the incident is closed");
    until("the identifier may submit again", SOON, || {
        let code = rcpt(&mut session, &tanaka.address, &tanaka.address);
        (code == 250).then_some(())
    });
    // What was put off without events of its own is told in sum.
    until("the flood is told", Duration::from_secs(90), || {
        let told = site.events(&["--kind", "smtp.flood-refused"]);
        told.iter()
            .any(|one| detail(one, "limited") == 2)
            .then_some(())
    });
    site.give(&["verify"]);
}

#[test]
fn a_domain_is_limited_and_a_drained_site_delivers_what_waits() {
    let (mut city, town) = (Site::new("city.example"), Site::served("town.example"));
    let hop = format!("host = \"[{}]\", port = {}", town.address, site::SMTP);
    city.route("town.example", &hop);
    city.serve();
    let (tanaka, suzuki) = (city.person("tanaka"), town.person("suzuki"));
    city.give(&["incident", "open", "--kind", "dos", "--reason", "flood"]);
    act(
        &city,
        &["limit", "--domain", "town.example", "--rate", "2/hour"],
    );
    // A limit that is read at the start of a server is in force before the first mail.
    city.stop();
    city.serve();
    let mut session = smtp::Session::submission(&city, &tanaka);
    for number in 0..5 {
        let letter = Letter::new(&format!("{number}"), &tanaka.address, &suzuki.address);
        let reply = session.send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
    }
    let relayed = || city.events(&["--kind", "delivery.relayed"]).len();
    until("two are delivered", SOON, || (relayed() == 2).then_some(()));
    // No new mail is taken; what waits is tried at once, and the limit still holds.
    act(&city, &["drain", "submission"]);
    act(&city, &["drain", "exchange"]);
    let again = city.refused(&["incident", "act", "1", "drain", "exchange"]);
    assert!(again.contains("already"), "{again}");
    let begun = city.events(&["--kind", "drain.begun"]);
    assert_eq!(detail(&begun[0], "due"), 3);
    let mut outside = city.smtp();
    until("new mail is put off", SOON, || {
        let submitted = rcpt(&mut session, &tanaka.address, &tanaka.address);
        let came = rcpt(&mut outside, "a@elsewhere.example", &tanaka.address);
        ((submitted, came) == (451, 451)).then_some(())
    });
    assert_eq!(relayed(), 2);
    assert_eq!(city.give(&["queue", "list"]).len(), 3);
    act(&city, &["unlimit", "--domain", "town.example"]);
    until("the queue is drained", SOON, || {
        (relayed() == 5).then_some(())
    });
    act(&city, &["undrain", "submission"]);
    until("submissions are taken again", SOON, || {
        let code = rcpt(&mut session, &tanaka.address, &tanaka.address);
        (code == 250).then_some(())
    });
    assert_eq!(
        rcpt(&mut outside, "a@elsewhere.example", &tanaka.address),
        451
    );
    close(&city);
    until("all mail is taken again", SOON, || {
        let code = rcpt(&mut outside, "a@elsewhere.example", &tanaka.address);
        (code == 250).then_some(())
    });
    assert_eq!(city.events(&["--kind", "drain.ended"]).len(), 2);
    city.give(&["verify"]);
}
