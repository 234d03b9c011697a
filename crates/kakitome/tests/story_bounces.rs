//! Bounces: those that come in are read and counted (clause 5.5(1)), and those for mail that was never sent are refused
//! (clause 5.5(2)).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use serde_json::Value;
use support::{
    Letter, Person, Site,
    postfix::{Postfix, Tls},
    site, smtp,
    smtp::Reply,
    until,
};

const SOON: Duration = Duration::from_secs(60);
const KEY: &str = "kakitome return path key 1\n\
    0707070707070707070707070707070707070707070707070707070707070707\n";

/// Two cities: what one sends, the other's server returns.
fn two_sites(since: &str) -> (Site, Site) {
    let (mut city, mut town) = (Site::new("city.example"), Site::new("town.example"));
    for (one, domain, other) in [
        (&city, "town.example", &town),
        (&town, "city.example", &city),
    ] {
        let hop = format!("host = \"[{}]\", port = {}", other.address, site::SMTP);
        one.route(domain, &hop);
        one.set("delivery", "retry = [\"1s\"]");
    }
    city.set("return_path", "enabled = true");
    if !since.is_empty() {
        let text = format!("{KEY}{since}\n");
        fs::write(city.path().join("keys/return-path.key"), text).unwrap();
    }
    city.serve();
    town.serve();
    (city, town)
}

#[track_caller]
fn submit(site: &Site, person: &Person, to: &str, name: &str) {
    let letter = Letter::new(name, &person.address, to);
    let mut session = smtp::Session::submission(site, person);
    let reply = session
        .send(&letter.from, &[to], &letter.content())
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// A bounce by hand; the reply to RCPT, or to the data if that was accepted.
#[track_caller]
fn bounce(site: &Site, to: &str, content: &str) -> Reply {
    let mut session = site.smtp();
    session.expect("EHLO far.example", 250);
    session.expect("MAIL FROM:<>", 250);
    let reply = session.say(&format!("RCPT TO:<{to}>"));
    if reply.code != 250 {
        return reply;
    }
    session.expect("DATA", 354);
    session.say(&format!("{}\r\n.", content.replace('\n', "\r\n")))
}

const FREE: &str = "From: MAILER-DAEMON@far.example\nSubject: failure notice\n\n<who@far.example>:\n550 5.1.1 no such user\n";
const RECEIPT: &str = "From: hanako@far.example\nSubject: read\nMIME-Version: 1.0\n\
    Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b\n\
    Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; hanako@far.example\n\
    Disposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n";

#[test]
fn bounces_come_back_and_are_counted() {
    let (city, town) = two_sites("2026-01-01T00:00:00Z");
    let tanaka = city.person("tanaka");
    town.person("yamada");
    submit(&city, &tanaka, "yamada@town.example", "arrives");
    // A path that the other server saw: marked, and of one day and sender only.
    let path = until("it arrives", SOON, || {
        let taken = town.events(&["--kind", "smtp.accepted"]);
        taken
            .first()
            .map(|event| event["detail"]["sender"].as_str().unwrap().to_owned())
    });
    assert!(
        path.starts_with("prvs=0") && path.ends_with("=tanaka@city.example"),
        "{path}"
    );
    let relayed = city.events(&["--kind", "delivery.relayed"]);
    assert_eq!(
        relayed[0]["detail"]["sender"],
        tanaka.address.as_str(),
        "at home it is plain"
    );

    let reply = bounce(&city, &path, FREE);
    assert_eq!(reply.code, 250, "{reply:?}");
    // A real server that has taken such mail, and then finds nobody.
    let next = (city.address, site::SMTP);
    let postfix = Postfix::start("far.example", &["hanako"], next, Tls::Never);
    let content = Letter::new("for-nobody", &tanaka.address, "nobody@far.example").content();
    postfix.sendmail(&path, &[], "nobody@far.example", &content);
    let mut imap = city.imap(&tanaka);
    imap.holds("INBOX", 2, SOON);
    let received = city.events(&["--kind", "bounce.received"]);
    let told: Vec<&Value> = received.iter().map(|event| &event["detail"]).collect();
    assert_eq!(told.len(), 2);
    for (detail, recipient, standard) in [
        (told[0], "who@far.example", false),
        (told[1], "nobody@far.example", true),
    ] {
        assert_eq!(detail["cause"], "no-mailbox", "{detail}");
        assert_eq!(detail["recipient"], recipient);
        assert_eq!(detail["standard"], standard);
        assert_eq!(detail["to"], serde_json::json!([tanaka.address]));
    }
    assert_eq!(told[1]["about"], "for-nobody@story.example");
    let counted = city.give(&["bounces"]);
    assert_eq!(counted.len(), 1, "{counted:?}");
    // That somebody looked is on record.
    let read = city.events(&["--kind", "audit.read"]);
    let looked = read
        .iter()
        .any(|one| one["detail"]["bounces"]["from"].is_string());
    assert!(looked, "{read:?}");
    assert_eq!(
        (&counted[0]["domain"], &counted[0]["bounces"]),
        (&"far.example".into(), &2.into())
    );
    assert_eq!(
        city.give(&["bounces", "--by", "day", "--cause", "no-mailbox"])
            .len(),
        1
    );
    assert!(
        city.give(&["bounces", "--domain", "other.example"])
            .is_empty()
    );
}

#[test]
fn bounces_for_what_was_never_sent_are_refused() {
    let (city, _town) = two_sites("2026-01-01T00:00:00Z");
    let tanaka = city.person("tanaka");
    let address = tanaka.address.as_str();
    let refused = bounce(&city, address, FREE);
    assert_eq!(refused.code, 550, "{refused:?}");
    for forged in [
        "prvs=0123abcdef01=tanaka@city.example",
        "prvs=0999ffffffff=tanaka@city.example",
    ] {
        let mut session = city.smtp();
        session.expect("EHLO far.example", 250);
        session.expect("MAIL FROM:<>", 250);
        session.expect(&format!("RCPT TO:<{forged}>"), 550);
    }
    // People answer such an address long after, and no bounce is refused by who must take everything.
    for (sender, to) in [
        ("<x@far.example>", "prvs=0999ffffffff=tanaka@city.example"),
        ("<>", "prvs=0999ffffffff=postmaster@city.example"),
    ] {
        let mut session = city.smtp();
        session.expect("EHLO far.example", 250);
        session.expect(&format!("MAIL FROM:{sender}"), 250);
        session.expect(&format!("RCPT TO:<{to}>"), 250);
    }
    // A receipt answers mail too, and its program does not know the return path.
    assert_eq!(bounce(&city, address, RECEIPT).code, 250);
    // What has a sender is nobody's bounce, whatever it says.
    let reply = city.smtp().send(
        "x@far.example",
        &[address],
        FREE.replace('\n', "\r\n").as_bytes(),
    );
    assert_eq!(reply.unwrap().code, 250);
    let mut imap = city.imap(&tanaka);
    imap.holds("INBOX", 2, SOON);
    let counted = city.give(&["bounces", "--cause", "forged-sender"]);
    let all: i64 = counted
        .iter()
        .map(|row: &Value| row["bounces"].as_i64().unwrap())
        .sum();
    assert_eq!(all, 3, "{counted:?}");
    assert_eq!(counted.len(), 1, "{counted:?}");
    assert_eq!(counted[0]["domain"], "city.example");

    // Where the site wants it, at once and whatever it is, but for addresses that take everything.
    let (mut strict, _town) = two_sites("2026-01-01T00:00:00Z");
    let suzuki = strict.person("suzuki");
    strict.stop();
    strict.set("return_path", "unmarked = \"refuse-all\"");
    strict.serve();
    let mut session = strict.smtp();
    session.expect("EHLO far.example", 250);
    session.expect("MAIL FROM:<>", 250);
    session.expect(&format!("RCPT TO:<{}>", suzuki.address), 550);
    session.expect("RCPT TO:<postmaster@city.example>", 250);
}

/// While mail may be under way that left without a mark, nothing is refused.
#[test]
fn a_new_site_refuses_no_bounce_yet() {
    let (city, _town) = two_sites("");
    let tanaka = city.person("tanaka");
    assert_eq!(bounce(&city, &tanaka.address, FREE).code, 250);
    let text = fs::read_to_string(city.path().join("keys/return-path.key")).unwrap();
    assert!(text.starts_with("kakitome return path key 1\n"));
    let mode = mode_of_key(&city);
    assert_eq!(mode, 0o600);
}

fn mode_of_key(site: &Site) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    let path = site.path().join("keys/return-path.key");
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
