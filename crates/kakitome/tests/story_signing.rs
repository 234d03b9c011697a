//! Mail that leaves is signed (RFC 6376, 8463) and what goes on is sealed (RFC 8617): verified by another site of ours and by a
//! program that others wrote; and the life of keys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};
use support::{
    Letter, Person, Program, Site, site, smtp,
    unbound::{Unbound, Zones},
    until,
};

const SOON: Duration = Duration::from_secs(40);

/// A site that signs, one beside it that looks, and what the DNS shows to both.
struct Story {
    city: Site,
    town: Site,
    tanaka: Person,
    yamada: Person,
    shown: BTreeMap<String, String>,
    names: Unbound,
}

impl Story {
    fn new() -> Self {
        let shown = BTreeMap::new();
        let names = Unbound::start(&zones(&shown));
        let (mut city, mut town) = (Site::new("city.example"), Site::new("town.example"));
        for (one, domain, other) in [
            (&city, "town.example", &town),
            (&town, "city.example", &city),
        ] {
            let hop = format!("host = \"[{}]\", port = {}", other.address, site::SMTP);
            one.route(domain, &hop);
            one.screened(&names.at());
            one.set("screening", "dmarc_reject = \"accept\"");
        }
        // Only one of them signs.
        town.set("signing", "enabled = false");
        for site in [&mut city, &mut town] {
            site.set("delivery", "retry = [\"1s\"]");
            site.serve();
        }
        let (tanaka, yamada) = (city.person("tanaka"), town.person("yamada"));
        Self {
            city,
            town,
            tanaka,
            yamada,
            shown,
            names,
        }
    }

    fn keys(&self) -> Vec<Value> {
        self.city.give(&["dkim", "list"])
    }

    #[track_caller]
    fn key(&self, algorithm: &str, standing: &str) -> Value {
        let all = self.keys();
        let is_it = |key: &&Value| key["algorithm"] == algorithm && key["standing"] == standing;
        let found = all.iter().find(is_it);
        found
            .unwrap_or_else(|| panic!("no {algorithm} key is {standing}: {all:?}"))
            .clone()
    }

    /// Publishes the records of all keys that there are, and has both sites ask for them.
    fn publish(&mut self) {
        for key in self.keys() {
            let text = |name: &str| key[name].as_str().unwrap().to_owned();
            self.shown.insert(text("name"), text("record"));
        }
        let before = self.names.at();
        self.names = Unbound::start(&zones(&self.shown));
        let at = self.names.at();
        for site in [&mut self.city, &mut self.town] {
            let text = site.settings().replace(&before, &at);
            site.write_settings(&text);
            site.reload();
        }
    }

    /// tanaka writes to yamada; the message as it arrives.
    #[track_caller]
    fn sent(&self, name: &str) -> String {
        let mut letter = Letter::new(name, &self.tanaka.address, &self.yamada.address);
        // White space of every kind at the end, which some programs take for part of the body.
        letter.body = "会議  \t\r\n\r\n.dots\r\n \r\n\t\r\n\r\n"
            .as_bytes()
            .to_vec();
        let mut session = smtp::Session::submission(&self.city, &self.tanaka);
        let reply = session.send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
        self.arrived(name)
    }

    #[track_caller]
    fn arrived(&self, name: &str) -> String {
        until(&format!("{name} arrives"), SOON, || {
            let mut imap = self.town.imap(&self.yamada);
            let count = imap.select("INBOX");
            let mut all = (1..=count).map(|number| String::from_utf8(imap.fetch(number)).unwrap());
            all.find(|message| message.contains(&format!("Subject: {name}")))
        })
    }

    /// What another program finds in it.
    fn verified(&self, message: &str) -> Value {
        let place = support::place();
        let zone = serde_json::to_vec(&self.shown).unwrap();
        fs::write(place.path().join("zone.json"), zone).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/sign.py");
        let program = Program::new("/usr/bin/python3").words(["-I", script, "verify"]);
        let told = program.word(place.path()).input(message).succeeds();
        serde_json::from_str(&told).unwrap()
    }
}

fn zones(shown: &BTreeMap<String, String>) -> Zones {
    let zones = Zones::default()
        .txt("_dmarc.city.example", "v=DMARC1; p=reject")
        .txt("_dmarc.strict.example", "v=DMARC1; p=reject");
    shown
        .iter()
        .fold(zones, |zones, (name, text)| zones.txt(name, text))
}

/// The one field of our results, unfolded.
#[track_caller]
fn results(message: &str) -> String {
    let head = message.split("\r\n\r\n").next().unwrap();
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let found = head
        .lines()
        .find_map(|line| line.strip_prefix("Authentication-Results: "));
    found
        .unwrap_or_else(|| panic!("no results: {message}"))
        .to_owned()
}

fn selectors(message: &str) -> Vec<String> {
    let text: String = message
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .collect();
    let signatures = text.split("DKIM-Signature:").skip(1);
    signatures
        .map(|one| {
            one.split(";s=")
                .nth(1)
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn what_leaves_is_signed_once_the_dns_shows_the_keys() {
    let mut story = Story::new();
    story.city.give(&["dkim", "look"]);
    let (rsa, ed) = (story.key("rsa", "waiting"), story.key("ed25519", "waiting"));
    assert_eq!(
        story.keys().len(),
        2,
        "one of each kind, however often it is looked"
    );
    let attention = story.city.give(&["status"])[0]["attention"].to_string();
    assert!(
        attention.contains("without a DKIM signature"),
        "{attention}"
    );
    let unsigned = story.sent("before");
    assert!(!unsigned.contains("DKIM-Signature"), "{unsigned}");

    story.publish();
    story.city.give(&["dkim", "look"]);
    let signed = story.sent("after");
    let both = [&rsa, &ed].map(|key| key["selector"].as_str().unwrap().to_owned());
    assert_eq!(selectors(&signed).len(), 2, "{signed}");
    assert!(
        both.iter()
            .all(|selector| selectors(&signed).contains(selector))
    );
    let told = results(&signed);
    assert_eq!(
        told.matches("dkim=pass header.d=city.example").count(),
        2,
        "{told}"
    );
    assert!(told.contains("dmarc=pass"), "{told}");
    assert_eq!(story.verified(&signed)["dkim"], json!([true, true]));
    for changed in [
        signed.replace("会議", "買議"),
        signed.replace("Subject: after", "Subject: changed"),
        signed.replace("From: <tanaka", "From: <suzuki"),
        format!("Subject: added\r\n{signed}"),
        format!("Reply-To: <thief@elsewhere.example>\r\n{signed}"),
    ] {
        assert_ne!(changed, signed);
        let held = story.verified(&changed)["dkim"].clone();
        let held = held.as_array().unwrap();
        assert!(
            held.iter().all(|one| *one != json!(true)),
            "{held:?}: {changed}"
        );
    }
    assert_eq!(story.city.events(&["--kind", "signing.started"]).len(), 2);
    let attention = story.city.give(&["status"])[0]["attention"].to_string();
    assert!(!attention.contains("DKIM"), "{attention}");
    let checked = story
        .city
        .command(&["check", story.city.path().to_str().unwrap()]);
    let printed = String::from_utf8_lossy(&checked.stdout).into_owned();
    let name = rsa["name"].as_str().unwrap();
    assert!(
        printed.contains(&format!("{name} is in the DNS; its key is signing")),
        "{printed}"
    );
    // What stays here needs no signature.
    let letter = Letter::new("at home", &story.tanaka.address, &story.tanaka.address);
    let mut session = smtp::Session::submission(&story.city, &story.tanaka);
    session
        .send(&letter.from, &[&letter.to], &letter.content())
        .unwrap();
    let mut imap = story.city.imap(&story.tanaka);
    imap.holds("INBOX", 1, SOON);
    assert!(!String::from_utf8_lossy(&imap.fetch(1)).contains("DKIM-Signature"));
}

#[test]
fn keys_change_without_a_gap() {
    let mut story = Story::new();
    story.city.give(&["dkim", "look"]);
    story.publish();
    story.city.give(&["dkim", "look"]);
    let old = story.key("rsa", "signing");
    story
        .city
        .give(&["dkim", "make", "--domain", "city.example"]);
    let new = story.key("rsa", "waiting");
    story.city.give(&["dkim", "look"]);
    let message = story.sent("between");
    assert!(selectors(&message).contains(&old["selector"].as_str().unwrap().to_owned()));
    story.publish();
    story.city.give(&["dkim", "look"]);
    let message = story.sent("changed");
    let used = selectors(&message);
    assert!(
        used.contains(&new["selector"].as_str().unwrap().to_owned()),
        "{used:?}"
    );
    assert!(
        !used.contains(&old["selector"].as_str().unwrap().to_owned()),
        "{used:?}"
    );
    assert_eq!(results(&message).matches("dkim=pass").count(), 2);
    let stopped = story.key("rsa", "stopped");
    assert_eq!(stopped["number"], old["number"]);
    assert!(
        !stopped["record"].as_str().unwrap().is_empty(),
        "for mail under way"
    );

    // The keys outlast a crash, and the private part of the old one is nowhere.
    story.city.kill_hard();
    story.city.serve();
    assert_eq!(selectors(&story.sent("again")).len(), 2);
    let ed = story.key("ed25519", "signing");
    let number = ed["number"].to_string();
    story.city.refused(&["dkim", "start", &number]);
    story.city.give(&["dkim", "stop", &number]);
    story.city.refused(&["dkim", "stop", &number]);
    story.city.refused(&["dkim", "start", &number]);
    story.city.refused(&["dkim", "stop", "99"]);
    story
        .city
        .refused(&["dkim", "make", "--domain", "elsewhere.example"]);
    assert_eq!(selectors(&story.sent("stopped")).len(), 1);
    assert_eq!(story.city.events(&["--kind", "signing.stopped"]).len(), 2);
    story.city.stop();
    let script = "import sqlite3, sys\n\
                  handle = sqlite3.connect('file:' + sys.argv[1] + '/store.db?mode=ro', uri=True)\n\
                  print(*handle.execute(\"SELECT count(*) FROM dkim_key WHERE signs_until IS NOT NULL AND secret = ''\").fetchone())\n";
    let counted = Program::new("python3")
        .words(["-c", script])
        .word(story.city.path());
    assert_eq!(counted.succeeds().trim(), "2");
}

#[test]
fn what_goes_on_is_sealed_and_notices_of_the_server_are_signed() {
    let mut story = Story::new();
    story.city.give(&["dkim", "look"]);
    story.publish();
    story.city.give(&["dkim", "look"]);
    let (from, to) = (&story.tanaka.address, &story.yamada.address);
    let order = story
        .city
        .give(&["order", "forward", "--address", from, "--to", to]);
    let number = order[0]["number"].to_string();
    story.city.give(&["order", "approve", &number]);
    story
        .city
        .give(&["account", "forward", "add", from, to, "--order", &number]);
    let letter = Letter::new("goes on", "boss@strict.example", from);
    let sent = story
        .city
        .smtp()
        .send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(sent.unwrap().code, 250);
    let message = story.arrived("goes on");
    let told = results(&message);
    assert!(told.contains("arc=pass"), "{told}");
    let verified = story.verified(&message);
    assert_eq!(verified["arc"], "pass", "{verified}");
    assert!(
        message.contains("ARC-Authentication-Results: i=1; mail.city.example;"),
        "{message}"
    );
    assert!(message.contains("cv=none"), "{message}");

    // A chain that is there is gone on with.
    let at = message.find("ARC-Seal:").unwrap();
    let once = &message.as_bytes()[at..];
    let sent = story.city.smtp().send("boss@strict.example", &[from], once);
    assert_eq!(sent.unwrap().code, 250);
    let twice = until("it goes on again", SOON, || {
        let mut imap = story.town.imap(&story.yamada);
        let count = imap.select("INBOX");
        let mut all = (1..=count).map(|number| String::from_utf8(imap.fetch(number)).unwrap());
        all.find(|message| message.contains("i=2;"))
    });
    assert!(twice.contains("cv=pass"), "{twice}");
    assert_eq!(story.verified(&twice)["arc"], "pass");
    assert!(results(&twice).contains("arc=pass"), "{twice}");

    // Who asked nothing about it has nothing to vouch for.
    story.city.set("screening", "enabled = false");
    story.city.reload();
    let letter = Letter::new("unasked", "boss@strict.example", from);
    let sent = story
        .city
        .smtp()
        .send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(sent.unwrap().code, 250);
    let message = story.arrived("unasked");
    assert!(!message.contains("ARC-Seal"), "{message}");
}

/// What the server itself writes is signed in the name of the domain above its own.
#[test]
fn a_notification_that_leaves_is_signed() {
    let mut story = Story::new();
    story.city.give(&["dkim", "look"]);
    story.publish();
    story.city.give(&["dkim", "look"]);
    let mut session = story.city.smtp();
    for command in [
        "EHLO client.example".to_owned(),
        format!("MAIL FROM:<{}>", story.yamada.address),
        format!("RCPT TO:<{}> NOTIFY=SUCCESS", story.tanaka.address),
    ] {
        session.expect(&command, 250);
    }
    session.expect("DATA", 354);
    let text = "From: <yamada@town.example>\r\nSubject: tell me\r\n\r\nx\r\n.";
    session.expect(text, 250);
    let report = until("the notification arrives", SOON, || {
        let mut imap = story.town.imap(&story.yamada);
        let count = imap.select("INBOX");
        let mut all = (1..=count).map(|number| String::from_utf8(imap.fetch(number)).unwrap());
        all.find(|message| message.contains("multipart/report"))
    });
    assert!(
        results(&report).contains("dkim=pass header.d=city.example"),
        "{report}"
    );
    assert_eq!(story.verified(&report)["dkim"], json!([true, true]));
}
