//! Who gets mail from outside: aliases, sub-addresses, role addresses, a catch-all that was set, and nobody
//! whose mailbox is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::{Letter, Person, Site, site, smtp};

const SOON: Duration = Duration::from_secs(20);

/// The reply to RCPT, in a transaction of its own.
#[track_caller]
fn rcpt(site: &Site, to: &str) -> smtp::Reply {
    let mut session = site.smtp();
    session.expect("MAIL FROM:<friend@elsewhere.example>", 250);
    session.say(&format!("RCPT TO:<{to}>"))
}

#[track_caller]
fn send(site: &Site, name: &str, to: &str) {
    let letter = Letter::new(name, "friend@elsewhere.example", to);
    let reply = site
        .smtp()
        .send(&letter.from, &[to], &letter.content())
        .unwrap();
    assert_eq!(reply.code, 250, "{to}: {reply:?}");
}

#[test]
fn mail_finds_its_account_by_every_name_it_has() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    site.give(&["account", "alias", &tanaka.address, "soumu@city.example"]);
    site.give(&[
        "account",
        "role",
        &tanaka.address,
        "postmaster@city.example",
    ]);
    let names = [
        "tanaka@city.example",
        "TANAKA@City.Example",
        "tanaka+council@city.example",
        "soumu@city.example",
        "postmaster@city.example",
        "Postmaster",
    ];
    let mut count = 0;
    for name in names {
        count += 1;
        send(&site, &format!("name-{count}"), name);
        site.imap(&tanaka).holds("INBOX", count, SOON);
    }
    // abuse@ is accepted although nobody was named for it.
    send(&site, "abuse", "abuse@city.example");
    site.give(&[
        "account",
        "alias",
        &tanaka.address,
        "soumu@city.example",
        "--remove",
    ]);
    assert_eq!(rcpt(&site, "soumu@city.example").code, 550);
}

#[test]
fn tricks_never_relay_and_nobody_learns_who_exists() {
    let site = Site::served("city.example");
    site.person("tanaka");
    for trick in [
        "victim@other.example",
        "victim%other.example@city.example",
        "other.example!victim@city.example",
        "\"victim@other.example\"@city.example",
        "victim@[192.0.2.1]",
        "victim@[127.0.0.1]",
        "victim@other.example@city.example",
        "<victim@other.example>",
        "victim@city.example.other.example",
    ] {
        let reply = rcpt(&site, trick);
        assert!((500..600).contains(&reply.code), "{trick}: {reply:?}");
    }
    // A source route is read as its last part: ours stays ours, others' is refused.
    assert!((500..600).contains(&rcpt(&site, "@city.example:victim@other.example").code));
    let mut session = site.smtp();
    let known = session.say("VRFY tanaka@city.example");
    let unknown = session.say("VRFY nobody@city.example");
    assert_eq!((known.code, known.text), (252, unknown.text));
    for command in ["EXPN staff", "ETRN other.example", "TURN", "XCLIENT NAME=x"] {
        let reply = session.say(command);
        assert!(matches!(reply.code, 500 | 502), "{command}: {reply:?}");
    }
    assert!(site.give(&["queue", "list"]).is_empty());
}

#[test]
fn a_catch_all_exists_only_where_it_was_set() {
    let mut site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    assert_eq!(rcpt(&site, "whoever@city.example").code, 550);
    let text = site.settings().replacen(
        "name = \"city.example\"\n",
        "name = \"city.example\"\ncatch_all = \"tanaka@city.example\"\n",
        1,
    );
    site.write_settings(&text);
    site.server().signal(rustix::process::Signal::HUP);
    support::until("the catch-all is in force", SOON, || {
        (rcpt(&site, "whoever@city.example").code == 250).then_some(())
    });
    send(&site, "caught", "whoever@city.example");
    site.imap(&tanaka).holds("INBOX", 1, SOON);
}

#[test]
fn a_full_mailbox_refuses_at_rcpt_and_takes_again_when_there_is_room() {
    let site = Site::served("city.example");
    site.give(&["person", "add", "tanaka", "--full-name", "Tanaka"]);
    site.give(&["person", "acknowledge", "tanaka", "--on-paper"]);
    let words = [
        "order",
        "issue",
        "--for",
        "tanaka",
        "--address",
        "tanaka@city.example",
        "--quota",
        "1MiB",
    ];
    site.give(&words);
    site.give(&["order", "approve", "1"]);
    let issued = site.give(&["account", "issue", "--order", "1"]);
    let tanaka = Person {
        name: "tanaka".to_owned(),
        address: "tanaka@city.example".to_owned(),
        password: issued[0]["password"].as_str().unwrap().to_owned(),
    };
    let half =
        |name: &str| Letter::large(name, "friend@elsewhere.example", &tanaka.address, 600 << 10);
    let mut taken = 0;
    let refusal = loop {
        assert!(taken < 4, "the quota is never reached");
        let letter = half(&format!("half-{taken}"));
        let mut session = site.smtp();
        session.expect(&format!("MAIL FROM:<{}>", letter.from), 250);
        let reply = session.say(&format!("RCPT TO:<{}>", letter.to));
        if reply.code != 250 {
            break reply;
        }
        session.expect("DATA", 354);
        session
            .lines
            .write(&smtp::stuffed(&letter.content()))
            .unwrap();
        let reply = session.reply().unwrap();
        if reply.code != 250 {
            break reply;
        }
        taken += 1;
    };
    assert!(matches!(refusal.code, 452 | 552), "{refusal:?}");
    assert!(
        refusal.text[0].contains("2.2"),
        "the mailbox is full (X.2.2): {refusal:?}"
    );
    let mut imap = site.imap(&tanaka);
    imap.holds("INBOX", taken, SOON);
    let quota = imap.ok("GETQUOTAROOT INBOX").text().concat();
    assert!(quota.contains("STORAGE"), "{quota}");
    let big = "x".repeat(900 << 10);
    let tag = imap
        .begin(&format!("APPEND INBOX {{{}+}}\r\n{big}", big.len()))
        .unwrap();
    let answer = imap.end(&tag).unwrap();
    assert!(answer.tagged.contains("OVERQUOTA"), "{}", answer.tagged);
    imap.ok("STORE 1:* +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    send(&site, "room again", &tanaka.address);
    assert!(
        site.give(&["queue", "list"]).is_empty(),
        "nothing was accepted and returned"
    );
}

#[test]
fn only_named_networks_submit_without_a_login() {
    let mut site = Site::new("city.example");
    site.unset("unauthenticated_networks");
    site.set(
        "submission",
        "unauthenticated_networks = [\"127.0.0.1/32\"]",
    );
    site.serve();
    let tanaka = site.person("tanaka");
    let letter = Letter::new("printer", &tanaka.address, &tanaka.address);
    let from_here = |site: &Site| {
        let mut session = smtp::Session::open(site.address, site::SUBMISSION);
        session
            .send(&letter.from, &[&letter.to], &letter.content())
            .unwrap()
            .code
    };
    assert_eq!(from_here(&site), 250);
    site.imap(&tanaka).holds("INBOX", 1, SOON);
    site.unset("unauthenticated_networks");
    site.set(
        "submission",
        "unauthenticated_networks = [\"192.0.2.0/24\"]",
    );
    site.server().signal(rustix::process::Signal::HUP);
    support::until("a login is needed again", SOON, || {
        (from_here(&site) == 530).then_some(())
    });
    assert!(!site.events(&["--kind", "submission.refused"]).is_empty());
}
