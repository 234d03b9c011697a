//! Mail that is set apart (clause 5.3(2)): who sees it, who releases it, and that none of it is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use serde_json::Value;
use support::{
    Letter, Person, Site,
    browser::Browser,
    site::SMTP,
    smtp::Reply,
    unbound::{Unbound, Zones},
};

const SOON: Duration = Duration::from_secs(40);
const CHOSEN: &str = "Nagai-Michi-9";
/// Its owner asks that forged mail is set apart, and none of this mail is from there.
const FORGED: &str = "boss@apart.example";

fn names() -> Unbound {
    let zones = Zones::default()
        .txt("_dmarc.apart.example", "v=DMARC1; p=quarantine")
        .txt("apart.example", "v=spf1 ip4:192.0.2.1 -all");
    Unbound::start(&zones)
}

struct Story {
    site: Site,
    tanaka: Person,
    suzuki: Person,
    _names: Unbound,
}

impl Story {
    fn new() -> Self {
        let names = names();
        let mut site = Site::new("city.example");
        site.screened(&names.at());
        site.set("screening", "dmarc_quarantine = \"quarantine\"");
        site.serve();
        let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
        Self {
            site,
            tanaka,
            suzuki,
            _names: names,
        }
    }

    /// Forged mail; its id.
    #[track_caller]
    fn forge(&self, name: &str, to: &[&Person]) -> String {
        let to: Vec<&str> = to.iter().map(|person| person.address.as_str()).collect();
        let letter = Letter::new(name, FORGED, to[0]);
        taken(
            &self
                .site
                .smtp()
                .send("x@apart.example", &to, &letter.content())
                .unwrap(),
        )
    }

    fn count(&self, person: &Person, mailbox: &str) -> u32 {
        self.site.imap(person).select(mailbox)
    }

    fn apart(&self) -> Vec<Value> {
        self.site.give(&["quarantine", "list"])
    }

    fn told(&self, kind: &str) -> Vec<Value> {
        self.site.events(&["--kind", kind])
    }

    /// In a browser, with a password of their own.
    fn at_home(&self, person: &Person) -> Browser {
        let browser = Browser::new(&self.site, &person.name);
        browser.log_in(&person.address, &person.password, "");
        let key = browser.open("/password").key();
        let fields = [
            ("key", key.as_str()),
            ("present", person.password.as_str()),
            ("chosen", CHOSEN),
            ("again", CHOSEN),
        ];
        browser.send("/password", &fields);
        browser.log_in(&person.address, CHOSEN, "");
        browser
    }
}

#[track_caller]
fn taken(reply: &Reply) -> String {
    assert_eq!(reply.code, 250, "{reply:?}");
    let text = reply.text.join(" ");
    text.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn what_is_set_apart_is_durable_and_nobodys_until_it_is_released() {
    let mut story = Story::new();
    let first = story.forge("first", &[&story.tanaka, &story.suzuki]);
    let second = story.forge("second", &[&story.tanaka]);
    let third = story.forge("third", &[&story.tanaka]);
    story.site.kill_hard();
    story.site.serve();
    for (person, mailbox) in [
        (&story.tanaka, "INBOX"),
        (&story.tanaka, "Junk"),
        (&story.suzuki, "INBOX"),
        (&story.suzuki, "Junk"),
    ] {
        assert_eq!(story.count(person, mailbox), 0, "{mailbox}");
    }
    assert!(story.told("delivery.local").is_empty());
    let listed = story.apart();
    let ids: Vec<&str> = listed
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&first, &second, &third]);
    assert_eq!(
        listed[0]["subject"], "",
        "others' mail is looked into one by one"
    );
    let shown = story.site.give(&["quarantine", "show", &first]);
    assert_eq!(shown[0]["subject"], "first");
    assert_eq!(listed[0]["cause"], "dmarc-quarantine");
    assert_eq!(listed[0]["strict"], false);
    let kept = story.told("quarantine.kept");
    assert_eq!(kept[0]["detail"]["recipients"].as_array().unwrap().len(), 2);
    assert!(kept[0]["detail"]["until"].is_string());
    let explained = story.site.give(&["screening", "explain", &first]);
    assert_eq!(explained[0]["verdict"]["handling"], "quarantine");
    assert_eq!(story.site.give(&["status"])[0]["quarantine_messages"], 3);

    // Nothing without being told what, and nothing that is not there.
    for words in [
        &["quarantine", "release"][..],
        &["quarantine", "delete"],
        &["quarantine", "release", "0000000000001"],
        &["quarantine", "show", "0000000000001"],
    ] {
        story.site.refused(words);
    }
    story.site.give(&["quarantine", "release", &first]);
    story.site.refused(&["quarantine", "release", &first]);
    for person in [&story.tanaka, &story.suzuki] {
        let mut imap = story.site.imap(person);
        assert_eq!(imap.select("INBOX"), 1);
        let message = String::from_utf8_lossy(&imap.fetch(1)).into_owned();
        for part in [
            "Subject: first",
            "Authentication-Results: ",
            "dmarc=fail",
            &first,
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(message.matches("Return-Path: <x@apart.example>").count(), 1);
    }
    let released = story.told("quarantine.released");
    assert_eq!(released.len(), 1);
    assert_eq!(released[0]["subject"], first.as_str());
    assert_eq!(released[0]["detail"]["cause"], "dmarc-quarantine");

    story.site.give(&[
        "quarantine",
        "delete",
        "--cause",
        "dmarc-quarantine",
        &second,
    ]);
    assert_eq!(story.told("quarantine.deleted").len(), 1);
    story.site.give(&["quarantine", "show", &third]);
    let figures = story.site.give(&["quarantine", "figures"]);
    assert_eq!(figures.len(), 1);
    for (name, count) in [("kept", 3), ("released", 1), ("deleted", 1), ("expired", 0)] {
        assert_eq!(figures[0][name], count, "{name}: {figures:?}");
    }
    assert_eq!(figures[0]["wrong_percent"], 50.0);
    story.site.give(&["quarantine", "release", "--all"]);
    assert!(story.apart().is_empty());
    assert_eq!(story.count(&story.tanaka, "INBOX"), 2);
    story.site.give(&["verify"]);
}

#[test]
fn staff_release_their_own_and_see_nobody_elses() {
    let story = Story::new();
    let both = story.forge("for both", &[&story.tanaka, &story.suzuki]);
    let hers = story.forge("for suzuki", &[&story.suzuki]);
    let browser = story.at_home(&story.tanaka);
    let page = browser.open("/quarantine");
    page.says("for both");
    page.says("差出人を確認できません");
    assert!(!page.text.contains("for suzuki"), "{}", page.text);
    let key = page.key();
    for (key, id) in [
        ("wrong", both.as_str()),
        (&key, &hers),
        (&key, "1"),
        (&key, "x"),
    ] {
        for path in ["/quarantine/release", "/quarantine/delete"] {
            let shown = browser.send(path, &[("key", key), ("id", id)]);
            assert!(shown.status >= 400, "{path} {id}: {}", shown.status);
        }
    }
    assert_eq!(story.apart().len(), 2);
    let shown = browser.send("/quarantine/release", &[("key", &key), ("id", &both)]);
    assert_eq!((shown.status, shown.path.as_str()), (200, "/quarantine"));
    shown.says("隔離されたメールはありません");
    let tanaka = Person {
        password: CHOSEN.to_owned(),
        ..story.tanaka.clone()
    };
    assert_eq!(story.count(&tanaka, "INBOX"), 1);
    assert_eq!(
        story.count(&story.suzuki, "INBOX"),
        0,
        "only the one who asked"
    );
    let released = story.told("quarantine.released");
    assert_eq!(released[0]["actor"], "person:tanaka");
    let names = released[0]["detail"]["recipients"].as_array().unwrap();
    assert_eq!(names, &[Value::from(tanaka.address.as_str())]);

    let browser = story.at_home(&story.suzuki);
    let page = browser.open("/quarantine");
    page.says("for both");
    page.says("for suzuki");
    let shown = browser.send("/quarantine/delete", &[("key", &page.key()), ("id", &hers)]);
    assert_eq!(shown.status, 200);
    assert_eq!(story.apart().len(), 1);
}

#[test]
fn staff_release_nothing_that_a_rule_in_force_means() {
    let story = Story::new();
    let id = story.forge("for tanaka", &[&story.tanaka]);
    let browser = story.at_home(&story.tanaka);
    let key = browser.open("/quarantine").key();
    let begin = ["outbreak", "begin", "--reason", "x", "--no-notice"];
    let begin = [&begin[..], &["--subject", "*tanaka*"]].concat();
    story.site.give(&begin);
    let shown = browser.send("/quarantine/release", &[("key", &key), ("id", &id)]);
    assert_eq!(shown.status, 422);
    shown.says("管理者だけ");
    assert_eq!(story.apart().len(), 1);
    story.site.give(&["outbreak", "end", "1", "--reason", "x"]);
    let shown = browser.send("/quarantine/release", &[("key", &key), ("id", &id)]);
    assert_eq!(shown.status, 200);
    // Administrators decide for themselves.
    let id = story.forge("for tanaka again", &[&story.tanaka]);
    story.site.give(&begin);
    story.site.give(&["quarantine", "release", &id]);
    assert!(story.apart().is_empty());
}

#[test]
fn people_are_told_once_what_is_set_apart_for_them() {
    let story = Story::new();
    let first = story.forge("first", &[&story.tanaka, &story.suzuki]);
    story.forge("second", &[&story.tanaka]);
    let sent = story.site.give(&["quarantine", "digest"]);
    assert_eq!(sent[0]["digests"], 2);
    assert_eq!(sent[0]["messages"], 3);
    let mut imap = story.site.imap(&story.tanaka);
    assert_eq!(imap.select("INBOX"), 1);
    let message = String::from_utf8(imap.fetch(1)).unwrap();
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    let body = decoded(body);
    for part in [
        first.as_str(),
        "first",
        "second",
        FORGED,
        "https://",
        "/quarantine",
        "削除されます",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let sent = story.site.give(&["quarantine", "digest"]);
    assert_eq!(sent[0]["digests"], 0);
    story.forge("third", &[&story.tanaka]);
    let sent = story.site.give(&["quarantine", "digest"]);
    assert_eq!(
        (&sent[0]["digests"], &sent[0]["messages"]),
        (&1.into(), &1.into())
    );
    let told = story.told("quarantine.told");
    assert_eq!(told.len(), 3);
    assert_eq!(story.count(&story.tanaka, "INBOX"), 2);
}

fn decoded(base64: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let text: String = base64.split_whitespace().collect();
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn an_exchange_server_sets_apart_and_the_mailbox_server_gets_what_is_released() {
    let names = names();
    let exchange = Site::with_roles("city.example", "exchange");
    let mailbox = Site::with_roles("city.example", "mailbox");
    let root = exchange.path().join("keys/mailbox.crt");
    fs::copy(mailbox.certificate(), root).unwrap();
    exchange.unset("mailbox_server");
    exchange.set(
        "exchange",
        &format!(
            "mailbox_server = {{ host = \"[{}]\", port = {SMTP}, ca_file = \"keys/mailbox.crt\", certificate_name = \"{}\" }}",
            mailbox.address,
            mailbox.hostname()
        ),
    );
    exchange.set("delivery", &format!("bind = \"{}\"", exchange.address));
    mailbox.unset("exchange_servers");
    mailbox.set(
        "mailbox",
        &format!("exchange_servers = [\"{}\"]", exchange.address),
    );
    let (mut exchange, mut mailbox) = (exchange, mailbox);
    for site in [&mut mailbox, &mut exchange] {
        site.screened(&names.at());
        site.set("screening", "dmarc_quarantine = \"quarantine\"");
        site.serve();
    }
    let tanaka = mailbox.person("tanaka");
    let letter = Letter::new("from outside", FORGED, &tanaka.address);
    let mut session = exchange.smtp();
    let id = taken(
        &session
            .send("x@apart.example", &[&tanaka.address], &letter.content())
            .unwrap(),
    );
    let listed = exchange.give(&["quarantine", "list"]);
    assert_eq!(listed[0]["recipients"][0], tanaka.address.as_str());
    assert!(exchange.give(&["queue", "list"]).is_empty());
    exchange.give(&["quarantine", "release", &id]);
    let mut imap = mailbox.imap(&tanaka);
    imap.holds("INBOX", 1, SOON);
    assert_eq!(support::message::body(&imap.fetch(1)), letter.body);
    let released = exchange.events(&["--kind", "quarantine.released"]);
    let queued = released[0]["detail"]["queued_as"].as_str().unwrap();
    let relayed = exchange.events(&["--kind", "delivery.relayed"]);
    assert_eq!(relayed[0]["subject"], queued);
    exchange.give(&["verify"]);
}

/// Deleting an account takes along what is set apart for it alone.
#[test]
fn a_deleted_account_leaves_nothing_set_apart() {
    let story = Story::new();
    story.forge("for both", &[&story.tanaka, &story.suzuki]);
    story.forge("for tanaka", &[&story.tanaka]);
    let ordered = story.site.give(&["order", "delete", "--for", "tanaka"]);
    let number = ordered[0]["number"].to_string();
    story.site.give(&["order", "approve", &number]);
    story.site.give(&["account", "delete", "--order", &number]);
    let left = story.apart();
    assert_eq!(left.len(), 1);
    assert_eq!(
        left[0]["recipients"],
        serde_json::json!([story.suzuki.address])
    );
    story.site.give(&["quarantine", "release", "--all"]);
    assert_eq!(story.count(&story.suzuki, "INBOX"), 1);
    story.site.give(&["verify"]);
}
