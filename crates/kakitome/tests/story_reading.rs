//! Another's mailbox is read on an order, and only read (clause 7.1(4)); an identifier is shared, and each event names who it was
//! (clause 8.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Letter, Person, Program, Site, imap, site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(30);

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// An account for the officer who runs these tests.
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
        password: text(&issued[0], "password").to_owned(),
    }
}

fn approved(site: &Site, words: &[&str]) -> String {
    let order = site.give(&[&["order"], words].concat());
    let number = order[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    number
}

/// A new app password of the officer for `address`.
fn app_password(site: &Site, address: &str) -> Person {
    let made = site.give(&["account", "app-password", "add", address, "--name", "desk"]);
    Person {
        name: me(),
        address: address.to_owned(),
        password: text(&made[0], "password").to_owned(),
    }
}

fn decoded(mail: Vec<u8>) -> String {
    Program::python("text_of.py").input(mail).succeeds()
}

#[test]
fn a_mailbox_is_read_on_an_order_and_nothing_in_it_changes() {
    let site = Site::served("city.example");
    let officer = officer(&site);
    let tanaka = site.person("tanaka");
    let address = tanaka.address.as_str();
    for name in ["one", "two"] {
        let letter = Letter::new(name, "friend@elsewhere.example", address);
        let sent = site
            .smtp()
            .send(&letter.from, &[address], &letter.content());
        assert_eq!(sent.unwrap().code, 250);
    }
    let add = ["account", "app-password", "add", address, "--name", "x"];
    let refused = site.refused(&add);
    assert!(refused.contains("only for the holder"), "{refused}");
    let reader = me();
    let mut words = vec!["read", "--address", address, "--for", &reader];
    words.extend(["--purpose", "監査第3号", "--until", "2099-01-01"]);
    let number = approved(&site, &words);
    let opened = site.give(&["account", "reading", "open", "--order", &number]);
    assert_eq!(text(&opened[0], "purpose"), "監査第3号");
    // The security officer is told, and `status` goes on telling.
    let mut inbox = site.imap(&officer);
    inbox.holds("INBOX", 1, SOON);
    let told = decoded(inbox.fetch(1));
    for word in [address, "監査第3号"] {
        assert!(told.contains(word), "{word} is missing:\n{told}");
    }
    let attention = site.give(&["status"])[0]["attention"].to_string();
    assert!(attention.contains("reads the mailbox of"), "{attention}");
    // So does the quarterly review.
    let file = site.beside("review.html");
    site.give(&["audit", "report", "--file", file.to_str().unwrap()]);
    let review = std::fs::read_to_string(&file).unwrap();
    let row = format!("<td>他者による閲覧</td><td>{address}</td><td>{reader} (監査第3号)</td>");
    assert!(review.contains(&row), "{review}");

    let key = app_password(&site, address);
    let mut reading = site.imap(&key);
    let selected = reading.give("SELECT INBOX");
    assert!(
        selected.tagged.starts_with("OK [READ-ONLY]"),
        "{}",
        selected.tagged
    );
    let mail = reading.fetch(1);
    assert!(mail.windows(3).any(|part| part == b"one"));
    reading.ok("UID SEARCH SUBJECT two");
    for change in [
        "STORE 1 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "COPY 1 INBOX",
        "MOVE 1 Trash",
        "CREATE mine",
        "DELETE Trash",
        "RENAME Trash Bin",
        "SUBSCRIBE x",
        "APPEND INBOX {3+}\r\nabc",
    ] {
        let answer = reading.give(change);
        assert!(
            answer.tagged.starts_with("NO [NOPERM]"),
            "{change}: {}",
            answer.tagged
        );
    }
    let mut holder = site.imap(&tanaka);
    holder.holds("INBOX", 2, SOON);
    let flags = holder.ok("FETCH 1:2 FLAGS").text().concat();
    assert!(
        !flags.contains("Seen") && !flags.contains("Deleted"),
        "{flags}"
    );
    let mut submission = smtp::Session::open(site.address, site::SUBMISSION).starttls(&site);
    assert_eq!(submission.auth_plain(&key).code, 535);

    let read = site.events(&["--kind", "mailbox.read"]);
    let asked: Vec<&str> = read
        .iter()
        .map(|event| text(&event["detail"], "asked"))
        .collect();
    assert_eq!(asked, ["select", "fetch", "search"], "{read:?}");
    for event in &read {
        assert_eq!(event["order"].to_string(), number);
        assert_eq!(text(&event["detail"], "person"), me());
    }
    // Ended: the session too, at once.
    reading.begin("IDLE").unwrap();
    reading.response().unwrap();
    site.give(&["account", "reading", "end", address, &me()]);
    until("the end of the session", SOON, || {
        reading.response().is_err().then_some(())
    });
    let mut again = imap::Session::open_tls(&site, site::IMAPS);
    let words = format!("LOGIN \"{address}\" \"{}\"", key.password);
    assert!(again.give(&words).tagged.starts_with("NO "));
}

#[test]
fn a_shared_identifier_is_used_by_name() {
    let site = Site::served("city.example");
    let officer = officer(&site);
    let office = site.person("office");
    let address = office.address.as_str();
    let user = me();
    let mut words = vec![
        "shared",
        "--address",
        address,
        "--for",
        &user,
        "--for",
        "office",
    ];
    words.extend(["--review", "2099-01-01"]);
    let number = approved(&site, &words);
    let shared = site.give(&["account", "share", "--order", &number]);
    let users = shared[0]["users"].as_array().unwrap();
    assert!(users.contains(&me().into()), "{users:?}");
    let mut inbox = site.imap(&officer);
    inbox.holds("INBOX", 1, SOON);
    assert!(decoded(inbox.fetch(1)).contains(address));
    let refused = site.refused(&["account", "password", address]);
    assert!(refused.contains("is shared"), "{refused}");
    let mine = app_password(&site, address);
    let mut session = smtp::Session::submission(&site, &mine);
    let letter = Letter::new("from the office", address, &officer.address);
    let sent = session.send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(sent.unwrap().code, 250);
    let accepted = site.events(&["--kind", "submission.accepted"]);
    let event = accepted.last().unwrap();
    assert_eq!(text(&event["detail"], "person"), me());
    assert_eq!(text(event, "actor"), format!("identifier:{address}"));
    let listed = site.give(&["account", "shared"]);
    assert_eq!(text(&listed[0], "identifier"), address);
    site.give(&["account", "unshare", address]);
    assert!(site.give(&["account", "shared"]).is_empty());
}
