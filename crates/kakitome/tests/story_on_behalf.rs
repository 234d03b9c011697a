//! What would let whoever does it read another's mail is told to the security officers, and goes by order where the site wants it (clause
//! 7.1(4)).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Nobody, Person, Program, Site, imap, site, site::me};

const SOON: Duration = Duration::from_secs(30);

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// An account of the first person's, who holds the officers' roles.
fn officer(site: &Site) -> Person {
    let address = "officer@city.example";
    let order = ["order", "issue", "--for", &me(), "--address", address];
    let number = site.give(&order)[0]["number"].to_string();
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

/// The newest message of somebody's, as Python reads it.
fn newest(site: &Site, person: &Person, number: u32) -> String {
    let mut inbox = site.imap(person);
    inbox.holds("INBOX", number, SOON);
    let mail = String::from_utf8(inbox.fetch(number)).unwrap();
    Program::python("text_of.py").input(mail).succeeds()
}

/// What a command says to the person, besides its result.
fn said(site: &Site, words: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kakitome"))
        .arg("-C")
        .arg(site.path())
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn login(site: &Site, address: &str, password: &str) -> String {
    let mut session = imap::Session::open_tls(site, site::IMAPS);
    let words = format!("LOGIN \"{address}\" \"{password}\"");
    session.give(&words).tagged
}

#[test]
fn anothers_password_goes_by_order_and_the_security_officers_hear_of_it() {
    let mut site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let address = tanaka.address.as_str();
    let password = ["account", "password", address];
    // Nobody can be told: that is said.
    let alone = said(&site, &password);
    assert!(alone.contains("none was told by mail"), "{alone}");
    let officer = officer(&site);
    let told = said(&site, &password);
    assert!(!told.contains("none was told"), "{told}");
    let mail = newest(&site, &officer, 1);
    for word in [address, "account.password", "本人以外"] {
        assert!(mail.contains(word), "{word} is missing:\n{mail}");
    }
    // The own is nobody's business.
    site.give(&["account", "password", &officer.address]);

    // From the day on that there is a second officer, an order is needed.
    site.give(&["person", "add", "kimura", "--os-user", "nobody"]);
    let attention = |site: &Site| site.give(&["status"])[0]["attention"].to_string();
    site.give(&["person", "role", "grant", "kimura", "administrator"]);
    assert!(attention(&site).contains("one system officer"));
    site.give(&["person", "role", "grant", "kimura", "system-officer"]);
    assert!(!attention(&site).contains("one system officer"));
    let kimura = Nobody::at(&site);
    let approved = |words: &[&str]| {
        let order = site.give(&[&["order"], words].concat());
        let number = order[0]["number"].to_string();
        site.refused(&["order", "approve", &number]);
        kimura.gives(&["order", "approve", &number]).succeeds();
        number
    };
    let file = site.beside("letter.pdf");
    let letter = [
        "account",
        "letter",
        address,
        "--to",
        file.to_str().unwrap(),
        "--again",
        "lost",
    ];
    for words in [&password[..], &letter[..]] {
        let refused = site.refused(words);
        assert!(refused.contains("order password"), "{refused}");
    }
    assert!(!file.exists(), "a letter that was refused leaves nothing");
    let refused = site.refused(&["person", "map", "tanaka", "--os-user", "mallory"]);
    assert!(refused.contains("order user"), "{refused}");

    let number = approved(&["password", "--for", "tanaka"]);
    let set = site.give(&[&password[..], &["--order", &number]].concat());
    let event = site.events(&["--kind", "account.password"]).pop().unwrap();
    assert_eq!(event["order"].to_string(), number);
    assert_eq!(event["detail"].get("single_person"), None);
    let opened = login(&site, address, text(&set[0], "password"));
    assert!(opened.starts_with("OK"), "{opened}");
    let used = site.refused(&[&password[..], &["--order", &number]].concat());
    assert!(used.contains("used already"), "{used}");
    let number = approved(&["user", "--for", "tanaka", "--os-user", "tanaka2"]);
    let map = ["person", "map", "tanaka", "--os-user", "tanaka2"];
    site.give(&[&map[..], &["--order", &number]].concat());

    // An incident that another opened demands a new password: it stands for the order.
    site.give(&["person", "role", "grant", "kimura", "security-officer"]);
    let open = ["incident", "open", "--kind", "credential", address];
    kimura.gives(&open).succeeds();
    site.give(&password);
    let event = site.events(&["--kind", "account.password"]).pop().unwrap();
    assert_eq!(event["detail"]["incident"], 1);
    assert_eq!(event["detail"].get("single_person"), None);

    // What is off is said, once there are two who could watch each other.
    assert!(!attention(&site).contains("password_needs_order"));
    site.set("directory", "password_needs_order = false");
    site.reload();
    assert!(attention(&site).contains("password_needs_order is off"));
    let fact = site.give(&["clause", "check", "7.1-4"]);
    let fact = fact[0].to_string();
    assert!(fact.contains("\"password_needs_order\":false"), "{fact}");
}

#[test]
fn a_mailbox_is_not_opened_where_no_security_officer_can_be_told() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let reader = me();
    let mut words = vec!["read", "--address", &tanaka.address, "--for", &reader];
    words.extend(["--purpose", "audit 3", "--until", "2099-01-01"]);
    let number = approved(&site, &words);
    let open = ["account", "reading", "open", "--order", &number];
    let refused = site.refused(&open);
    assert!(refused.contains("no security officer"), "{refused}");
    assert!(site.events(&["--kind", "account.reading"]).is_empty());
    let add = ["account", "app-password", "add", &tanaka.address];
    site.refused(&[&add[..], &["--name", "x"]].concat());
    // The order is not used up by it.
    let officer = officer(&site);
    site.give(&open);
    let mail = newest(&site, &officer, 1);
    assert!(mail.contains("audit 3"), "{mail}");
    let given = site.events(&["--kind", "command.given"]);
    let given = given
        .iter()
        .rfind(|one| one["subject"] == "account reading")
        .unwrap();
    assert_eq!(given["detail"]["told"][0], officer.address);
}

#[test]
fn changes_among_the_officers_are_told_and_make_nobody_alone() {
    let site = Site::served("city.example");
    let add = ["person", "add", "kimura", "--os-user", "nobody"];
    let grant = ["person", "role", "grant", "kimura", "system-officer"];
    site.give(&add);
    site.give(&["person", "acknowledge", "kimura", "--on-paper"]);
    // Nobody can be told yet: that is said. What staff get is nobody's business.
    let alone = said(
        &site,
        &["person", "role", "grant", "kimura", "administrator"],
    );
    assert!(alone.contains("none was told by mail"), "{alone}");
    site.give(&["person", "role", "revoke", "kimura", "administrator"]);
    // One person who was joined by another for a moment is not alone again at once.
    let attention = site.give(&["status"])[0]["attention"].to_string();
    assert!(attention.contains("one officer is left"), "{attention}");
    let order = ["order", "issue", "--for", "kimura"];
    let ordered = site.give(&[&order[..], &["--address", "kimura@city.example"]].concat());
    let number = ordered[0]["number"].to_string();
    let refused = site.refused(&["order", "approve", &number]);
    assert!(refused.contains("needs another person"), "{refused}");

    site.give(&grant);
    let kimura = Nobody::at(&site);
    kimura.gives(&["order", "approve", &number]).succeeds();
    // Whoever approved it carries it out: two people are enough.
    site.give(&["person", "role", "grant", "kimura", "account-manager"]);
    let issue = ["account", "issue", "--order", &number];
    let refused = site.refused(&issue);
    assert!(refused.contains("nor carry it out"), "{refused}");
    let issued = kimura.gives(&issue).succeeds();
    let issued: Value = serde_json::from_str(issued.lines().next().unwrap()).unwrap();
    let kimura_mail = Person {
        name: "kimura".to_owned(),
        address: "kimura@city.example".to_owned(),
        password: text(&issued, "password").to_owned(),
    };
    // There is no security officer but the one who does it: the other officer hears of it.
    site.give(&["person", "role", "grant", "kimura", "security-officer"]);
    let mail = newest(&site, &kimura_mail, 1);
    for word in ["kimura", "security-officer", "role.granted", "役割"] {
        assert!(mail.contains(word), "{word} is missing:\n{mail}");
    }
    // Two users of an officer's would be two people.
    let map = ["person", "map", "kimura", "--os-user", "mine2"];
    let refused = site.refused(&map);
    assert!(refused.contains("order user"), "{refused}");
    site.give(&["person", "add", "gon"]);
    site.give(&["person", "map", "gon", "--os-user", "mine3"]);
    site.give(&["person", "unmap", "gon", "--os-user", "mine3"]);
    site.give(&["person", "role", "grant", "gon", "personnel-clerk"]);
    let refused = site.refused(&["person", "map", "gon", "--os-user", "mine3"]);
    assert!(refused.contains("officer's role"), "{refused}");
    site.give(&["person", "depart", "gon", "--on", "2099-04-01"]);
    let mail = newest(&site, &kimura_mail, 3);
    assert!(mail.contains("person.departs"), "{mail}");
    site.give(&["person", "leave", "gon"]);
    let mail = newest(&site, &kimura_mail, 4);
    assert!(mail.contains("person.left"), "{mail}");
    site.give(&["person", "unmap", "kimura", "--os-user", "nobody"]);
    let mail = newest(&site, &kimura_mail, 5);
    assert!(mail.contains("person.unmapped"), "{mail}");
    let event = site.events(&["--kind", "person.unmapped"]).pop().unwrap();
    assert_eq!(event["detail"]["users_after"], serde_json::json!([]));
    kimura.gives(&["order", "list"]).fails();
    let refused = site.refused(&["person", "unmap", &me(), "--os-user", &me()]);
    assert!(refused.contains("the last"), "{refused}");
}
