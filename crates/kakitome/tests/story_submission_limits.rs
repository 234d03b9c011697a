//! How much an identifier may submit: limits that no number of sessions passes, and submissions that are many times what is usual,
//! which are held until an officer decides (clauses 4.4, 5.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::{Letter, Person, Program, Site, imap, site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(40);
const AWAY: &str = "someone@nowhere.example";

/// A site, and an officer with a mailbox.
fn office(settings: &[(&str, &str)]) -> (Site, Person, Person) {
    let mut site = Site::new("city.example");
    // A next hop that nobody listens at.
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    for (section, line) in settings {
        site.set(section, line);
    }
    site.serve();
    let officer = officer(&site);
    let tanaka = site.informed_person("tanaka");
    (site, officer, tanaka)
}

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

/// What is counted by the hour must not be cut in two by its end.
fn well_within_an_hour() {
    let left = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        3600 - now.as_secs() % 3600
    };
    until("the next hour begins", Duration::from_secs(150), || {
        (left() > 120).then_some(())
    });
}

fn submit_many(site: &Site, person: &Person, sessions: u32, messages: u32) -> String {
    Program::python("submit_many.py")
        .word(site.address.to_string())
        .word(site::SUBMISSIONS.to_string())
        .word(site.certificate())
        .word(&person.address)
        .words([sessions.to_string(), messages.to_string()])
        .word(AWAY)
        .input(person.password.clone().into_bytes())
        .succeeds()
}

fn send(session: &mut smtp::Session, from: &Person, to: &[&str]) -> smtp::Reply {
    let letter = Letter::new("one more", &from.address, to[0]);
    session.send(&from.address, to, &letter.content()).unwrap()
}

fn states(site: &Site) -> Vec<Value> {
    let list = site.give(&["queue", "list"]);
    list.iter().map(|one| one["state"].clone()).collect()
}

fn decoded(inbox: &mut imap::Session, number: u32) -> String {
    let mail = String::from_utf8(inbox.fetch(number)).unwrap();
    Program::python("text_of.py").input(mail).succeeds()
}

fn login(site: &Site, person: &Person) -> bool {
    let mut session = imap::Session::open_tls(site, site::IMAPS);
    let words = format!("LOGIN \"{}\" \"{}\"", person.address, person.password);
    session.give(&words).is_ok()
}

#[test]
fn no_number_of_sessions_passes_a_limit_and_no_crash_forgets_what_was_sent() {
    let (mut site, _, tanaka) = office(&[
        ("submission.limits", "messages_per_day = 20"),
        ("submission.limits", "recipients_per_day = 40"),
        (
            "submission.limits",
            "except = [{ identifier = \"Suzuki@city.example\", messages_per_day = 0, recipients_per_day = 3 }]",
        ),
        ("submission.jump", "enabled = false"),
    ]);
    let suzuki = site.informed_person("suzuki");
    let told = submit_many(&site, &tanaka, 5, 10);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "taken 20", "{told}");
    assert_eq!(lines.len(), 2, "one text alone: {told}");
    let words = "450 4.7.1 You have reached the limit of 20 messages per day, try again after 20";
    assert!(lines[1].starts_with(words), "{told}");
    assert_eq!(site.give(&["queue", "list"]).len(), 20);
    let accepted = site.events(&["--kind", "submission.accepted"]);
    assert_eq!(accepted.len(), 20);
    // One event, not one for each try.
    let limited = site.events(&["--kind", "submission.limited"]);
    assert_eq!(limited.len(), 1, "{limited:?}");
    assert_eq!(limited[0]["subject"], tanaka.address.as_str());
    assert_eq!(limited[0]["detail"]["limit"], "messages-per-day");
    assert_eq!(limited[0]["detail"]["most"], 20);

    site.kill_hard();
    site.serve();
    let mut session = smtp::Session::submission(&site, &tanaka);
    assert_eq!(send(&mut session, &tanaka, &[AWAY]).code, 450);
    // Others have limits of their own; the fourth recipient is one too many, and the message goes to the three.
    let mut session = smtp::Session::submission(&site, &suzuki);
    session.expect(&format!("MAIL FROM:<{}>", suzuki.address), 250);
    for count in 0..3 {
        session.expect(&format!("RCPT TO:<{count}@nowhere.example>"), 250);
    }
    let over = session.expect("RCPT TO:<3@nowhere.example>", 450);
    assert!(over.text[0].contains("3 recipients per day"), "{over:?}");
    session.expect("DATA", 354);
    let letter = Letter::new("three", &suzuki.address, "0@nowhere.example");
    session
        .lines
        .write(&smtp::stuffed(&letter.content()))
        .unwrap();
    assert_eq!(session.reply().unwrap().code, 250);
    session.expect(&format!("MAIL FROM:<{}>", suzuki.address), 450);
    assert_eq!(site.events(&["--kind", "submission.limited"]).len(), 2);
    // Limits may be raised.
    site.unset("messages_per_day");
    site.unset("recipients_per_day");
    let raised = "messages_per_day = 21";
    site.set("submission.limits", raised);
    site.stop();
    site.serve();
    let mut session = smtp::Session::submission(&site, &tanaka);
    assert_eq!(send(&mut session, &tanaka, &[AWAY]).code, 250);
    assert_eq!(send(&mut session, &tanaka, &[AWAY]).code, 450);
    assert!(
        site.give(&["verify"])
            .iter()
            .all(|line| line["finding"].is_null())
    );
}

#[test]
fn what_is_many_times_the_usual_is_held_and_goes_out_when_it_is_in_order() {
    let (mut site, officer, tanaka) = office(&[("submission.jump", "messages = 5")]);
    let suzuki = site.informed_person("suzuki");
    well_within_an_hour();
    assert!(submit_many(&site, &tanaka, 1, 5).starts_with("taken 5"));
    assert_eq!(states(&site), vec![json!("waiting"); 5]);
    assert!(site.give(&["incident", "list"]).is_empty());
    // Of several at once, one is the first that is too many; none is refused, and nothing that waited goes out any more.
    assert!(submit_many(&site, &tanaka, 3, 1).starts_with("taken 3"));
    assert_eq!(states(&site), vec![json!("held"); 8]);
    let open = site.give(&["incident", "list"]);
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["kind"], "submission-surge");
    assert_eq!(open[0]["identifier"], tanaka.address.as_str());
    assert_eq!(open[0]["facts"]["messages"], 6);
    assert_eq!(open[0]["facts"]["usual_messages"], 0);
    let samples = open[0]["facts"]["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 6);
    assert_eq!(samples[0]["recipients"], json!([AWAY]));
    // Others are not concerned, and neither is mail within the house.
    let mut other = smtp::Session::submission(&site, &suzuki);
    assert_eq!(send(&mut other, &suzuki, &[AWAY]).code, 250);
    let mut session = smtp::Session::submission(&site, &tanaka);
    assert_eq!(send(&mut session, &tanaka, &[&suzuki.address]).code, 250);
    site.imap(&suzuki).holds("INBOX", 1, SOON);
    // Both are told, in both languages.
    let mut inbox = site.imap(&officer);
    inbox.holds("INBOX", 1, SOON);
    let told = decoded(&mut inbox, 1);
    for words in [
        "送信の急増",
        "surge of submissions",
        &tanaka.address,
        AWAY,
        "6 messages to 6 recipients",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let mut inbox = site.imap(&tanaka);
    inbox.holds("INBOX", 1, SOON);
    let told = decoded(&mut inbox, 1);
    for words in [
        "パスワードを他人に",
        "somebody else may be using your password",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }

    // It is held over a crash, and what follows is too.
    site.kill_hard();
    site.serve();
    let mut session = smtp::Session::submission(&site, &tanaka);
    assert_eq!(send(&mut session, &tanaka, &[AWAY]).code, 250);
    let held = site.give(&["queue", "list", "--identifier", &tanaka.address]);
    assert!(held.iter().all(|one| one["state"] == "held"), "{held:?}");
    assert_eq!(held.len(), 9);
    let why = site.refused(&["incident", "step", "1", "queue-settled"]);
    assert!(why.contains("9 messages"), "{why}");

    site.give(&["incident", "step", "1", "mail-released", "--note", "案内状"]);
    assert_eq!(states(&site), vec![json!("waiting"); 10]);
    let released = site.events(&["--kind", "queue.released"]);
    assert_eq!(released.len(), 9);
    let told = |one: &Value| one["detail"]["incident"] == 1;
    assert!(released.iter().all(told), "{released:?}");
    let why = site.refused(&["incident", "step", "1", "rejected", "--note", "x"]);
    assert!(why.contains("is decided"), "{why}");
    // And nothing is compared for a while.
    assert!(submit_many(&site, &tanaka, 1, 3).starts_with("taken 3"));
    assert_eq!(states(&site), vec![json!("waiting"); 13]);
    site.give(&["incident", "step", "1", "acknowledged"]);
    let closed = site.give(&["incident", "close", "1"]);
    assert_eq!(closed[0]["missing"], json!([]));
    assert_eq!(site.give(&["incident", "list"]).len(), 1);
    assert!(
        site.give(&["verify"])
            .iter()
            .all(|line| line["finding"].is_null())
    );
}

#[test]
fn who_is_rejected_is_suspended_and_what_was_held_never_goes_out() {
    let (site, _, tanaka) = office(&[("submission.jump", "recipients = 3")]);
    well_within_an_hour();
    let mut session = smtp::Session::submission(&site, &tanaka);
    let to: Vec<String> = (0..4).map(|n| format!("{n}@nowhere.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    assert_eq!(send(&mut session, &tanaka, &to).code, 250);
    assert_eq!(states(&site), vec![json!("held")]);
    let step = |name: &str, note: &str| site.give(&["incident", "step", "1", name, "--note", note]);
    let why = site.refused(&["incident", "step", "1", "rejected"]);
    assert!(why.contains("the note"), "{why}");
    step("rejected", "本人は送っていない");
    assert!(!login(&site, &tanaka));
    assert_eq!(send(&mut session, &tanaka, &[AWAY]).code, 535);
    let open = site.give(&["incident", "list"]);
    let kinds: Vec<&Value> = open.iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["credential", "submission-surge"]);
    let why = site.refused(&["incident", "step", "1", "mail-released"]);
    assert!(why.contains("is decided"), "{why}");
    let held = ["--identifier", &tanaka.address, "--state", "held"];
    site.give(&[&["queue", "discard", "--reason", "不正送信"], &held[..]].concat());
    assert!(states(&site).is_empty());
    step("queue-settled", "");
    until("the officers are told", SOON, || {
        let shown = site.give(&["incident", "show", "1"]).remove(0);
        (shown["missing"] == json!(["acknowledged"])).then_some(())
    });
    step("acknowledged", "");
    site.give(&["incident", "close", "1"]);
    // The other one goes its own way.
    let why = site.refused(&["incident", "step", "2", "mail-released"]);
    assert!(why.contains("not about submissions that are held"), "{why}");
    assert!(
        site.refused(&["incident", "close", "2"])
            .contains("handed-over")
    );
}

#[test]
fn settings_that_cannot_be_are_told_with_their_place() {
    let site = Site::new("city.example");
    for (section, line, why) in [
        (
            "submission.limits",
            "messages_per_hour = -1",
            "expected u32",
        ),
        (
            "submission.limits",
            "except = [{ identifier = \"nobody\" }]",
            "is not an identifier",
        ),
        ("submission.jump", "factor = 0", "factor is at least 1"),
        ("submission.jump", "faktor = 2", "faktor"),
    ] {
        let before = site.settings();
        site.set(section, line);
        let ran = site.command(&["check", site.path().to_str().unwrap()]);
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(
            !ran.status.success() && told.contains(why),
            "{line}: {told}"
        );
        assert!(told.contains("kakitome.toml"), "{told}");
        site.write_settings(&before);
    }
}
