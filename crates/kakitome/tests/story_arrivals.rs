//! People come and go: the notice by mail, passwords that no terminal shows, the personnel's list, what a deleted account had queued
//! (clauses 7.1, 9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use serde_json::Value;
use support::{Letter, Person, Program, Site, imap, site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(30);

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The newest message of somebody's, as Python reads it.
fn newest(site: &Site, person: &Person, number: u32) -> String {
    let mut inbox = site.imap(person);
    inbox.holds("INBOX", number, SOON);
    let mail = String::from_utf8(inbox.fetch(number)).unwrap();
    Program::python("text_of.py").input(mail).succeeds()
}

fn attention(site: &Site) -> String {
    site.give(&["status"])[0]["attention"].to_string()
}

/// An account of the first person's, who holds the officers' roles.
fn officer(site: &Site) -> Person {
    let address = "officer@city.example";
    site.give(&["person", "acknowledge", &me()]);
    let order = ["order", "issue", "--for", &me(), "--address", address];
    let number = site.give(&order)[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    let issue = ["account", "issue", "--order", &number];
    let issued = site.give(&issue);
    Person {
        name: me(),
        address: address.to_owned(),
        password: text(&issued[0], "password").to_owned(),
    }
}

#[test]
fn whoever_comes_hears_of_the_records_by_mail_and_of_the_password_by_letter() {
    let mut site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    site.set("directory", "acknowledgement_required = true");
    site.reload();
    site.give(&["person", "add", "suzuki", "--full-name", "鈴木 一郎"]);
    let order = ["order", "issue", "--for", "suzuki"];
    let order = [&order[..], &["--address", "suzuki@city.example"]].concat();
    assert!(site.refused(&order).contains("9.1(2)"));

    // To where they read mail until they have an account; what reaches nobody is not on record.
    let notice = ["person", "notice", "suzuki", "--mail"];
    let nowhere = site.refused(&[&notice[..], &["nobody@city.example"]].concat());
    assert!(nowhere.contains("nothing was sent"), "{nowhere}");
    assert!(site.events(&["--kind", "person.notified"]).is_empty());
    site.give(&[&notice[..], &[&tanaka.address, "--lang", "en"]].concat());
    let mail = newest(&site, &tanaka, 1);
    assert!(mail.contains("person acknowledge suzuki"), "{mail}");
    let given = site.events(&["--kind", "person.notified"]).remove(0);
    assert_eq!(given["detail"]["sent_to"][0], tanaka.address);
    site.give(&["person", "acknowledge", "suzuki", "--on-paper"]);
    let number = site.give(&order)[0]["number"].to_string();
    let issued = site.events(&["--kind", "order.issued"]).pop().unwrap();
    assert_eq!(issued["detail"]["announced_by"], me());
    site.give(&["order", "approve", &number]);

    // No terminal shows the password where it goes by letter.
    let issued = site.give(&["account", "issue", "--order", &number, "--hide-password"]);
    assert_eq!(issued[0].get("password"), None, "{issued:?}");
    let event = site.events(&["--kind", "account.issued"]).pop().unwrap();
    assert_eq!(event["detail"]["password_shown"], false);
    assert_eq!(event["detail"]["acting_role"], "account-manager");
    let file = site.beside("letter.pdf");
    let path = file.display().to_string();
    site.give(&["account", "letter", "suzuki@city.example", "--to", &path]);
    assert!(attention(&site).contains(&path), "{}", attention(&site));
    let receipt = ["--handed-over", "in person, staff card seen"];
    let letter = ["account", "letter", "suzuki@city.example"];
    site.give(&[&letter[..], &receipt[..]].concat());
    assert!(attention(&site).contains(&path), "it is still there");
    fs::remove_file(&file).unwrap();
    assert!(!attention(&site).contains("letter"), "{}", attention(&site));

    // By which role commands of other rooms are given is on record, too.
    site.give(&["audit", "volumes"]);
    let volumes = site.events(&["--kind", "command.given"]);
    let volumes = volumes.iter().find(|one| one["subject"] == "audit volumes");
    let role = text(&volumes.unwrap()["detail"], "acting_role");
    assert_eq!(role, "administrator");

    assert!(!attention(&site).contains("acknowledgement_required"));
    site.unset("acknowledgement_required = true");
    site.reload();
    assert!(attention(&site).contains("acknowledgement_required is off"));
}

#[test]
fn whoever_is_not_on_the_roster_is_told_of_and_suspended() {
    let mut site = Site::new("city.example");
    site.set("directory", "roster_grace = \"3s\"");
    site.serve();
    let officer = officer(&site);
    let (tanaka, gone) = (site.person("tanaka"), site.person("gone"));
    let list = site.beside("roster.csv");
    let path = list.display().to_string();
    fs::write(&list, format!("name\n{}\ntanaka\n", me())).unwrap();
    let found = site.give(&["person", "roster", &path]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(text(&found[0], "person"), "gone");
    assert!(found[0]["suspends_at"].is_string(), "{found:?}");
    let mail = newest(&site, &officer, 1);
    assert!(
        mail.contains(&gone.address) && !mail.contains(&tanaka.address),
        "{mail}"
    );
    let compared = site.events(&["--kind", "person.roster"]).remove(0);
    assert_eq!(compared["detail"]["not_on_list"][0], "gone");
    let idle = site.give(&["account", "idle"]);
    assert_eq!(text(&idle[0], "off_roster_since"), text(&found[0], "since"));
    until(
        "the one who is not on the list to be suspended",
        SOON,
        || {
            site.give(&["account", "idle", "--act"]);
            let shown = site.give(&["account", "show", &gone.address]);
            (text(&shown[0], "state") == "suspended").then_some(())
        },
    );
    let shown = site.give(&["account", "show", &tanaka.address]);
    assert_eq!(text(&shown[0], "state"), "active");

    // Who leaves is shut out in that moment, with what is open.
    let mut reading = site.imap(&tanaka);
    reading.select("INBOX");
    reading.begin("IDLE").unwrap();
    reading.response().unwrap();
    site.give(&["person", "leave", "tanaka"]);
    until("the session's end", SOON, || {
        reading.response().is_err().then_some(())
    });
    let mut session = imap::Session::open_tls(&site, site::IMAPS);
    let login = format!("LOGIN \"{}\" \"{}\"", tanaka.address, tanaka.password);
    assert!(session.give(&login).tagged.starts_with("NO "));
}

#[test]
fn what_a_deleted_account_had_queued_is_kept_released_or_discarded_by_choice() {
    let mut site = Site::new("city.example");
    // A next hop that nobody listens at.
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    site.serve();
    let choices = [
        ("keep", "", "held"),
        ("release", "queue.released", "waiting"),
        ("discard", "queue.discarded", ""),
    ];
    for (choice, kind, state) in choices {
        let person = site.person(choice);
        let letter = Letter::new(choice, &person.address, "friend@nowhere.example");
        let sent = smtp::Session::submission(&site, &person).send(
            &letter.from,
            &[&letter.to],
            &letter.content(),
        );
        assert_eq!(sent.unwrap().code, 250);
        let own = ["--identifier", &person.address];
        site.give(&[&["queue", "hold"][..], &own].concat());
        site.give(&["order", "delete", "--for", choice]);
        let number = site.give(&["order", "list"]);
        let number = number.iter().map(|one| one["number"].as_i64().unwrap());
        let number = number.max().unwrap().to_string();
        site.give(&["order", "approve", &number]);
        let delete = ["account", "delete", "--order", &number, "--queue", choice];
        site.give(&delete);
        let left = site.give(&[&["queue", "list"][..], &own].concat());
        let states: Vec<&str> = left.iter().map(|one| text(one, "state")).collect();
        let expected: Vec<&str> = [state].into_iter().filter(|one| !one.is_empty()).collect();
        assert_eq!(states, expected, "{choice}");
        let deleted = site.events(&["--kind", "account.deleted"]).pop().unwrap();
        assert_eq!(deleted["detail"]["queue"], choice);
        if !kind.is_empty() {
            let event = site.events(&["--kind", kind]).pop().unwrap();
            assert_eq!(event["order"].to_string(), number, "{event}");
            assert_eq!(event["detail"]["recipients"][0], letter.to);
        }
    }
}

/// Who sets the password of another can log in with it: neither the trail nor the security officers miss that.
#[test]
fn officers_hear_of_a_password_that_another_set() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let officer = officer(&site);
    let file = site.beside("tanaka.pdf").display().to_string();
    site.give(&["account", "letter", &tanaka.address, "--to", &file]);
    site.give(&["account", "password", &tanaka.address]);
    // The letter opens nothing any more, and is not handed over.
    let letter = ["account", "letter", &tanaka.address];
    let handed = ["--handed-over", "in person, staff card seen"];
    let refused = site.refused(&[&letter[..], &handed[..]].concat());
    assert!(refused.contains("was replaced"), "{refused}");
    let mail = newest(&site, &officer, 1);
    assert!(mail.contains(&tanaka.address), "{mail}");
    let event = site.events(&["--kind", "account.password"]).pop().unwrap();
    assert_eq!(event["detail"]["by"], "account-manager");
    let given = site.events(&["--kind", "command.given"]);
    let words = format!("account password {}", tanaka.address);
    let given = given
        .iter()
        .find(|one| one["detail"]["words"] == words.as_str());
    assert_eq!(given.unwrap()["detail"]["told"][0], officer.address);
}
