//! Mail that goes on: to others here, to outside on an order, in a circle, and to aliases that only some may write to
//! (clause 7.1(4)).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::{Letter, Person, Site, browser::Browser, site, smtp, until};

const SOON: Duration = Duration::from_secs(40);

/// A site that knows the way to another one.
fn beside(site: &Site, domain: &str, other: &Site) {
    let hop = format!("host = \"[{}]\", port = {}", other.address, site::SMTP);
    site.route(domain, &hop);
}

/// Two cities whose servers know each other.
fn two_sites() -> (Site, Site) {
    let (mut city, mut town) = (Site::new("city.example"), Site::new("town.example"));
    beside(&city, "town.example", &town);
    beside(&town, "city.example", &city);
    for site in [&mut city, &mut town] {
        site.set("delivery", "retry = [\"1s\"]");
        site.serve();
    }
    (city, town)
}

/// The whole chain of an order for a forward to outside.
fn ordered(site: &Site, from: &str, to: &str) {
    let refused = site.refused(&["account", "forward", "add", from, to]);
    assert!(refused.contains("only for the holder"), "{refused}");
    let order = site.give(&["order", "forward", "--address", from, "--to", to]);
    let number = order[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    let add = ["account", "forward", "add", from, to, "--order", &number];
    site.give(&add);
    site.refused(&add);
}

fn arrives(site: &Site, letter: &Letter) {
    let content = letter.content();
    let sent = site.smtp().send(&letter.from, &[&letter.to], &content);
    assert_eq!(sent.unwrap().code, 250);
}

/// The text of the only message in the INBOX.
fn only_mail(site: &Site, person: &Person) -> String {
    let mut inbox = site.imap(person);
    inbox.holds("INBOX", 1, SOON);
    String::from_utf8(inbox.fetch(1)).unwrap()
}

#[test]
fn a_forward_to_outside_begins_with_an_order_and_ends_with_the_account() {
    let (city, town) = two_sites();
    let (tanaka, yamada) = (city.person("tanaka"), town.person("yamada"));
    ordered(&city, &tanaka.address, &yamada.address);
    let letter = Letter::new("first", "friend@elsewhere.example", &tanaka.address);
    arrives(&city, &letter);
    // It is in both mailboxes, and was sent on in tanaka's name.
    let kept = only_mail(&city, &tanaka);
    assert!(
        kept.starts_with("Return-Path: <friend@elsewhere.example>"),
        "{kept}"
    );
    let gone_on = only_mail(&town, &yamada);
    let by = format!("Return-Path: <{}>", tanaka.address);
    assert!(gone_on.starts_with(&by), "{gone_on}");
    let body = |mail: &str| mail.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&kept), body(&gone_on));
    for id in ["<first@story.example>", "first@story.example"] {
        let accepted = city.events(&["--message-id", id]);
        assert_eq!(accepted.len(), 1, "{id}: {accepted:?}");
        let whole = city.events(&["--subject", accepted[0]["subject"].as_str().unwrap()]);
        assert!(whole.len() > 1, "{whole:?}");
    }
    assert!(
        city.events(&["--message-id", "second@story.example"])
            .is_empty()
    );
    let told = city.events(&["--kind", "delivery.forwarded"]);
    assert_eq!(told[0]["detail"]["account"], tanaka.address.as_str());
    assert_eq!(told[0]["detail"]["recipients"][0], yamada.address.as_str());

    // The holder sees it on the page; officers see all of them.
    let listed = city.give(&["account", "forward", "list"]);
    assert_eq!(listed[0]["outside"], true);
    assert_eq!(listed[0]["order"], told_order(&city));
    let browser = Browser::new(&city, "tanaka");
    browser.log_in(&tanaka.address, &tanaka.password, "");
    let key = browser.open("/password").key();
    let chosen = "Nagai-Michi-9";
    let fields = [
        ("key", key.as_str()),
        ("present", &tanaka.password),
        ("chosen", chosen),
        ("again", chosen),
    ];
    browser.send("/password", &fields);
    let home = browser.log_in(&tanaka.address, chosen, "");
    home.says(&yamada.address);
    let outside = [("key", &*home.key()), ("target", "other@elsewhere.example")];
    assert_eq!(browser.send("/forward", &outside).status, 422);

    // It dies with the account, and the order is used up.
    let order = city.give(&["order", "delete", "--for", "tanaka"]);
    let number = order[0]["number"].to_string();
    city.give(&["order", "approve", &number]);
    let deleted = city.give(&["account", "delete", "--order", &number]);
    let references = deleted[0]["references"].to_string();
    assert!(references.contains("forward to"), "{references}");
    assert!(city.give(&["account", "forward", "list"]).is_empty());
}

/// The number of the order that permitted a forward.
fn told_order(site: &Site) -> i64 {
    let added = site.events(&["--kind", "account.forward"]);
    added[0]["order"].as_i64().unwrap()
}

#[test]
fn what_cannot_go_on_comes_back_to_the_account_and_nothing_is_lost() {
    let mut city = Site::new("city.example");
    let mut town = Site::new("town.example");
    beside(&city, "town.example", &town);
    town.serve();
    city.set("directory", "forwards_keep_copy = false");
    city.serve();
    let tanaka = city.person("tanaka");
    ordered(&city, &tanaka.address, "nobody@town.example");
    let letter = Letter::new("lost", "friend@elsewhere.example", &tanaka.address);
    arrives(&city, &letter);
    let report = only_mail(&city, &tanaka);
    assert!(report.contains("nobody@town.example"), "{report}");
    assert!(report.contains("5.1.1"), "{report}");
    // With what was to go on, whole or its header, as ever.
    assert!(report.contains("friend@elsewhere.example"), "{report}");
    // A report has no sender: it stays, and what goes on of it comes back to nobody.
    city.drained(SOON);
    let mut inbox = city.imap(&tanaka);
    inbox.holds("INBOX", 1, SOON);
}

#[test]
fn a_circle_over_two_servers_ends() {
    let (city, town) = two_sites();
    let (tanaka, yamada) = (city.person("tanaka"), town.person("yamada"));
    ordered(&city, &tanaka.address, &yamada.address);
    ordered(&town, &yamada.address, &tanaka.address);
    let letter = Letter::new("round", "friend@elsewhere.example", &tanaka.address);
    arrives(&city, &letter);
    let passes = |site: &Site| site.events(&["--kind", "delivery.forwarded"]).len();
    until("the circle ends", SOON, || {
        let quiet =
            city.give(&["queue", "list"]).is_empty() && town.give(&["queue", "list"]).is_empty();
        let rounds = (passes(&city), passes(&town));
        (quiet && rounds == (4, 4)).then_some(())
    });
    let mut inbox = city.imap(&tanaka);
    inbox.holds("INBOX", 5, SOON);
}

#[test]
fn an_alias_for_a_group_takes_mail_from_its_members_alone() {
    let site = Site::served("city.example");
    let (tanaka, suzuki, sato) = (
        site.person("tanaka"),
        site.person("suzuki"),
        site.person("sato"),
    );
    let team = "team@city.example";
    for member in [&tanaka, &suzuki] {
        site.give(&["account", "alias", &member.address, team]);
    }
    site.give(&["account", "writers", team, "members"]);
    let offer = |person: &Person| {
        let letter = Letter::new("to the team", &person.address, team);
        let mut session = smtp::Session::submission(&site, person);
        session.send(&letter.from, &[team], &letter.content())
    };
    assert_eq!(offer(&tanaka).unwrap().code, 250);
    for person in [&tanaka, &suzuki] {
        site.imap(person).holds("INBOX", 1, SOON);
    }
    assert!(!offer(&sato).is_ok_and(|reply| reply.is_positive()));
    let outside = Letter::new("forged", &tanaka.address, team);
    let forged = site.smtp().send(&outside.from, &[team], &outside.content());
    assert!(!forged.is_ok_and(|reply| reply.is_positive()));
    let refused = site.events(&["--kind", "smtp.refused"]);
    assert!(!refused.is_empty());
    site.give(&["account", "writers", team, "inside"]);
    assert_eq!(offer(&sato).unwrap().code, 250);

    // Or from those who are named, whether they are members or not.
    let nobody = site.refused(&["account", "writers", team, "named"]);
    assert!(nobody.contains("--writer"), "{nobody}");
    let named = ["account", "writers", team, "named", "--writer"];
    site.give(&[&named[..], &[&sato.address]].concat());
    assert_eq!(offer(&sato).unwrap().code, 250);
    for other in [&tanaka, &suzuki] {
        assert!(!offer(other).is_ok_and(|reply| reply.is_positive()));
    }
    let outside = Letter::new("forged", &sato.address, team);
    let forged = site.smtp().send(&outside.from, &[team], &outside.content());
    assert!(!forged.is_ok_and(|reply| reply.is_positive()));
    let shown = site.give(&["account", "writers", team]).remove(0);
    assert_eq!(shown["writers"], "named");
    assert_eq!(shown["named"], serde_json::json!([sato.address]));
}
