//! What people are told and keep beside reviews: warnings of plaintext logins, each in their own language; experts at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use jiff::{ToSpan as _, Zoned};
use support::{Person, Program, Site, imap, until};

const SOON: Duration = Duration::from_secs(60);

/// A message's subject and text, as Python reads it.
fn decoded(inbox: &mut imap::Session, number: u32) -> String {
    let mail = String::from_utf8(inbox.fetch(number)).unwrap();
    Program::python("text_of.py").input(mail).succeeds()
}

fn state(site: &Site, id: &str) -> String {
    let clause = site.give(&["clause", "show", id]).remove(0);
    clause["state"].as_str().unwrap().to_owned()
}

#[test]
fn whoever_may_log_in_without_tls_is_warned_in_their_own_language_once() {
    let mut site = Site::new("city.example");
    // What stays on the machine crosses no network.
    site.set("retrieval", "plaintext_networks = [\"127.0.0.0/8\"]");
    site.serve();
    let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
    site.give(&["person", "language", "tanaka", "en"]);
    assert_eq!(state(&site, "4.1-2-a"), "not-adopted");
    site.unset("plaintext_networks = [\"127.0.0.0/8\"]");
    site.set("retrieval", "plaintext_networks = [\"192.0.2.0/24\"]");
    site.reload();
    let warned = ["--kind", "account.plaintext-warned"];
    until("both are warned", SOON, || {
        (site.events(&warned).len() == 2).then_some(())
    });
    assert_eq!(state(&site, "4.1-2-a"), "met");
    let mut inbox = site.imap(&tanaka);
    assert_eq!(inbox.select("INBOX"), 1);
    let text = decoded(&mut inbox, 1);
    assert!(
        text.contains("192.0.2.0/24") && text.contains("STARTTLS"),
        "{text}"
    );
    assert!(!text.contains("暗号化"), "{text}");
    let mut inbox = site.imap(&suzuki);
    assert_eq!(inbox.select("INBOX"), 1);
    let text = decoded(&mut inbox, 1);
    assert!(
        text.contains("暗号化") && text.contains("unencrypted"),
        "{text}"
    );
    // Nobody is told again within the period, whatever is reloaded.
    site.reload();
    site.give(&["clause", "check", "4.1-2-a"]);
    assert_eq!(site.events(&warned).len(), 2);
    site.refused(&["person", "language", "nobody", "en"]);
}

/// What is decided on a shared identifier between two reviews is known to the administrators and to those who use it (clauses 7.1(2)a,
/// 8.1(2)).
#[test]
fn a_decision_on_a_shared_identifier_is_mailed_to_administrators_and_users() {
    let mut site = Site::new("city.example");
    site.serve();
    let [desk, tanaka, suzuki] = ["madoguchi", "tanaka", "suzuki"].map(|name| site.person(name));
    let review = Zoned::now()
        .date()
        .checked_add(1.year())
        .unwrap()
        .to_string();
    let order = [
        "order",
        "shared",
        "--address",
        &desk.address,
        "--for",
        "suzuki",
        "--for",
        "madoguchi",
        "--review",
        &review,
    ];
    let number = site.give(&order)[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    site.give(&["account", "share", "--order", &number]);
    // From now on there are two with roles, so this comes last.
    site.give(&["person", "role", "grant", "tanaka", "administrator"]);
    assert_eq!(sharing(&site), "pending");
    site.reload();
    let told = |site: &Site, count: usize| {
        until("the decision is told", SOON, || {
            let all = site.events(&["--kind", "account.sharing-told"]);
            (all.len() == count).then_some(all)
        })
    };
    let event = told(&site, 1).remove(0);
    let decided = site.events(&["--kind", "account.shared"]).remove(0);
    assert_eq!(event["detail"]["decision"], decided["id"].to_string());
    assert_eq!(event["result"], "success");
    let administrators = event["detail"]["administrators"].to_string();
    assert!(administrators.contains("tanaka@"), "{event}");
    for person in [&tanaka, &suzuki] {
        let text = last(&site, person);
        for words in [
            &desk.address,
            &review,
            "suzuki",
            "アプリパスワード",
            "app password",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    assert_eq!(sharing(&site), "met");
    // Nobody is told twice, and the end is told too.
    site.reload();
    site.give(&["account", "unshare", &desk.address]);
    site.reload();
    let events = told(&site, 2);
    let users = events.last().unwrap()["detail"]["users"].to_string();
    assert!(users.contains("suzuki@"), "{users}");
    assert!(last(&site, &suzuki).contains("shared no more"));
}

/// The last message of somebody's mailbox.
fn last(site: &Site, person: &Person) -> String {
    let mut inbox = site.imap(person);
    let count = inbox.select("INBOX");
    assert!(count > 0, "{} has no mail", person.address);
    decoded(&mut inbox, count)
}

/// How the check of decisions on shared identifiers stands.
fn sharing(site: &Site) -> String {
    let clause = site.give(&["clause", "show", "8.1-2"]).remove(0);
    let ways = clause["ways"].as_array().unwrap();
    let way = ways.iter().find(|way| way["by"] == "sharing-told");
    way.unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn an_expert_is_at_hand_by_a_contract_that_the_regulation_names() {
    let mut site = Site::new("city.example");
    site.set("regulation", "options = { outside-experts = true }");
    site.serve();
    let today = Zoned::now().date();
    let until_day = today.checked_add(1.year()).unwrap().to_string();
    let today = today.to_string();
    let add = [
        "expert",
        "add",
        "Experts Ltd",
        "--contact",
        "03-0000-0000",
        "--from",
        &today,
        "--until",
        &until_day,
    ];
    assert_eq!(state(&site, "10.1-2"), "not-met");
    let added = site.give(&add).remove(0);
    assert_eq!(added["state"], "in-force", "{added}");
    let drill = ["expert", "drill", "1", "--result", "answered at once"];
    site.give(&drill);
    let listed = site.give(&["expert", "list"]).remove(0);
    assert_eq!(listed["reached"], true, "{listed}");
    let clause = site.give(&["clause", "show", "10.1-2"]).remove(0);
    let ways = clause["ways"].as_array().unwrap();
    let way = ways
        .iter()
        .find(|way| way["by"] == "expert-at-hand")
        .unwrap();
    assert_eq!(way["state"], "met", "{way}");
    let document = site.command(&["regulation", "render", "--lang", "en", "--format", "md"]);
    let document = String::from_utf8(document.stdout).unwrap();
    assert!(
        document.contains("Experts Ltd") && document.contains(&until_day),
        "{document}"
    );
    site.give(&["expert", "end", "1", "--reason", "another is better"]);
    assert_eq!(state(&site, "10.1-2"), "not-met");
    let evidence = site.give(&["clause", "evidence", "10.1-2"]);
    assert!(
        evidence.iter().any(|one| one["about"] == "expert.ended 1"),
        "{evidence:?}"
    );
    // A fault has its day, and a task is needed for both.
    site.refused(&["task", "done", "1", "--fault", "x", "--due", &today]);
}
