//! Postfix delivers to Kakitome and Kakitome to Postfix: plain and with TLS, small and large, with
//! notifications both ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::{
    Letter, Person, Site,
    message::{body, digest},
    postfix::{self, Postfix, Tls},
    site::SMTP,
    smtp::Session,
    until,
};

const SOON: Duration = Duration::from_secs(60);
const LARGE: usize = 25 << 20;

/// A Kakitome for city.example and a Postfix for postfix.example, each knowing the other.
struct Neighbours {
    city: Site,
    postfix: Postfix,
    tanaka: Person,
}

fn neighbours(tls: Tls) -> Neighbours {
    let mut city = Site::new("city.example");
    let postfix = Postfix::start("postfix.example", &["yamada"], (city.address, SMTP), tls);
    let level = match tls {
        Tls::Never => "none".to_owned(),
        Tls::Always => {
            let file = city.path().join("keys/postfix.crt");
            std::fs::copy(postfix.certificate(), file).unwrap();
            "verified\", ca_file = \"keys/postfix.crt\", certificate_name = \"mail.postfix.example"
                .to_owned()
        }
    };
    city.route(
        "postfix.example",
        &format!(
            "host = \"[{}]\", port = {}, tls = \"{level}\"",
            postfix.address,
            postfix::PORT
        ),
    );
    city.set("delivery", "retry = [\"1s\"]");
    city.set("delivery", &format!("bind = \"{}\"", city.address));
    city.serve();
    let tanaka = city.person("tanaka");
    Neighbours {
        city,
        postfix,
        tanaka,
    }
}

/// Both directions, small and large.
fn letters_go_both_ways(tls: Tls) -> Neighbours {
    let near = neighbours(tls);
    let Neighbours {
        city,
        postfix,
        tanaka,
    } = &near;
    let yamada = "yamada@postfix.example";

    // Out: submitted here, delivered by Postfix there.
    let out = [
        Letter::new("out-small", &tanaka.address, yamada),
        Letter::large("out-large", &tanaka.address, yamada, LARGE),
    ];
    for letter in &out {
        let reply =
            Session::submission(city, tanaka).send(&letter.from, &[yamada], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
    }
    let arrived = until("two letters at Postfix", SOON, || {
        Some(postfix.maildir("yamada")).filter(|letters| letters.len() == 2)
    });
    for letter in &out {
        let same = arrived
            .iter()
            .filter(|content| digest(body(content)) == letter.digest())
            .count();
        assert_eq!(same, 1, "{}", letter.name);
    }
    city.drained(SOON);

    // In: given to Postfix there, delivered here. Postfix reads text with the system's line ends.
    let into = [
        Letter::new("in-small", yamada, &tanaka.address),
        Letter::large("in-large", yamada, &tanaka.address, LARGE),
    ];
    for letter in &into {
        let text = String::from_utf8(letter.content())
            .unwrap()
            .replace("\r\n", "\n");
        postfix.sendmail(yamada, &[], &tanaka.address, text.as_bytes());
    }
    let mut imap = city.imap(tanaka);
    imap.holds("INBOX", 2, SOON);
    let digests = [imap.body_digest(1), imap.body_digest(2)];
    for letter in &into {
        assert!(digests.contains(&letter.digest()), "{}", letter.name);
    }
    near
}

#[test]
fn letters_small_and_large_go_both_ways_in_the_clear() {
    let near = letters_go_both_ways(Tls::Never);
    let relayed = near.city.events(&["--kind", "delivery.relayed"]);
    assert_eq!(relayed.len(), 2);
    assert!(
        !near.postfix.log().contains("TLS connection established"),
        "no TLS was used"
    );
}

#[test]
fn letters_small_and_large_go_both_ways_over_tls() {
    let near = letters_go_both_ways(Tls::Always);
    let log = near.postfix.log();
    assert!(
        log.contains("TLS connection established from"),
        "Kakitome spoke TLS: {log}"
    );
    assert!(
        log.contains("TLS connection established to"),
        "Postfix spoke TLS: {log}"
    );
    let header =
        String::from_utf8_lossy(&near.city.imap(&near.tanaka).tap_inbox().fetch(1)).into_owned();
    assert!(
        header.replace("\r\n ", " ").contains("with ESMTPS"),
        "Received tells of TLS: {}",
        &header[..header.len().min(2000)]
    );
}

/// The report in the newest message of an INBOX that has `count`.
#[track_caller]
fn report(near: &Neighbours, count: u32) -> String {
    let mut imap = near.city.imap(&near.tanaka);
    imap.holds("INBOX", count, SOON);
    String::from_utf8_lossy(&imap.fetch(count)).into_owned()
}

#[test]
fn kakitome_tells_its_senders_what_postfix_did() {
    let near = neighbours(Tls::Never);
    let from = near.tanaka.address.as_str();

    // Unknown there: a failure comes back, though nobody asked for it.
    let letter = Letter::new("to-nobody", from, "nobody@postfix.example");
    let mut session = Session::submission(&near.city, &near.tanaka);
    assert_eq!(
        session
            .send(from, &[&letter.to], &letter.content())
            .unwrap()
            .code,
        250
    );
    let told = report(&near, 1);
    for wanted in [
        "multipart/report",
        "report-type=delivery-status",
        "Action: failed",
        "Final-Recipient: rfc822;nobody@postfix.example",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp;550 5.1.1",
        "to-nobody",
    ] {
        assert!(
            squeezed(&told).contains(&squeezed(wanted)),
            "{wanted:?} is missing in\n{told}"
        );
    }

    // NOTIFY=NEVER: nothing comes back. NOTIFY=SUCCESS with an ENVID: Postfix itself reports the delivery,
    // since it speaks DSN; Kakitome hands the wish over.
    for (name, to, options) in [
        ("never", "nobody@postfix.example", "NOTIFY=NEVER"),
        (
            "success",
            "yamada@postfix.example",
            "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;yamada@postfix.example",
        ),
    ] {
        let letter = Letter::new(name, from, to);
        session.expect(
            &format!("MAIL FROM:<{from}> RET=HDRS ENVID=story-{name}"),
            250,
        );
        session.expect(&format!("RCPT TO:<{to}> {options}"), 250);
        session.expect("DATA", 354);
        session
            .lines
            .write(&support::smtp::stuffed(&letter.content()))
            .unwrap();
        assert_eq!(session.reply().unwrap().code, 250);
    }
    let told = report(&near, 2);
    assert!(
        squeezed(&told).contains("original-envelope-id:story-success"),
        "{told}"
    );
    assert!(squeezed(&told).contains("action:delivered"), "{told}");
    near.city.drained(SOON);
    assert_eq!(
        near.city.imap(&near.tanaka).select("INBOX"),
        2,
        "NOTIFY=NEVER is kept"
    );
    assert_eq!(
        near.city.events(&["--kind", "delivery.notification"]).len(),
        1
    );
}

#[test]
fn postfix_tells_its_senders_what_kakitome_did() {
    let near = neighbours(Tls::Always);
    let from = "yamada@postfix.example";
    // Refused at RCPT, so Postfix makes the bounce.
    near.postfix
        .sendmail(from, &[], "nobody@city.example", b"Subject: lost\n\ntext\n");
    let told = until("Postfix bounces", SOON, || {
        near.postfix.maildir("yamada").pop()
    });
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(
        squeezed(&told).contains("action:failed") && told.contains("5.1.1"),
        "{told}"
    );

    // A success that Postfix' sender asked for: Kakitome made the final delivery, so Kakitome reports it.
    let options = ["-N", "success,failure", "-V", "postfix-17"];
    near.postfix.sendmail(
        from,
        &options,
        &near.tanaka.address,
        b"Subject: wanted\n\ntext\n",
    );
    let told = until("a report of success", SOON, || {
        near.postfix
            .maildir("yamada")
            .into_iter()
            .map(|content| String::from_utf8_lossy(&content).into_owned())
            .find(|content| squeezed(content).contains("action:delivered"))
    });
    assert!(
        squeezed(&told).contains("original-envelope-id:postfix-17"),
        "{told}"
    );
    assert!(
        squeezed(&told).contains("reporting-mta:dns;mail.city.example"),
        "{told}"
    );
    assert_eq!(near.city.imap(&near.tanaka).select("INBOX"), 1);
}

#[test]
fn what_must_be_encrypted_waits_rather_than_go_in_the_clear_or_to_a_stranger() {
    // Postfix offers no TLS here, or a certificate that nobody vouches for.
    for (tls, words) in [
        (Tls::Never, ["tls", "starttls"]),
        (Tls::Always, ["tls", "certificate"]),
    ] {
        let mut city = Site::new("city.example");
        let postfix = Postfix::start("postfix.example", &["yamada"], (city.address, SMTP), tls);
        let hop = format!(
            "host = \"[{}]\", port = {}, tls = \"verified\", certificate_name = \"mail.postfix.example\"",
            postfix.address,
            postfix::PORT
        );
        city.route("postfix.example", &hop);
        city.serve();
        let tanaka = city.person("tanaka");
        let secret = Letter::new("secret", &tanaka.address, "yamada@postfix.example");
        let mut session = Session::submission(&city, &tanaka);
        let reply = session.send(&secret.from, &[&secret.to], &secret.content());
        assert_eq!(reply.unwrap().code, 250);
        let why = until("the reason is told", SOON, || {
            let reply = city.give(&["queue", "list"]).first()?["last_reply"]
                .as_str()?
                .to_lowercase();
            (!reply.is_empty()).then_some(reply)
        });
        assert!(words.iter().any(|word| why.contains(word)), "{why}");
        assert!(postfix.maildir("yamada").is_empty());
    }
}

/// Without spaces and case, for comparing fields.
fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| *c != ' ')
        .collect::<String>()
        .to_lowercase()
}
