//! Mail leaves over TLS that the other domain vouches for by DNSSEC (DANE, RFC 7672): by a validating name server and zones that
//! other people's programs signed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use serde_json::Value;
use support::{
    Letter, Program, Site,
    dnssec::{Validating, Zone},
    site, smtp, until,
};

const SOON: Duration = Duration::from_secs(60);

/// A domain that the receiving site serves, and what its TLSA records say.
const DOMAINS: [&str; 6] = [
    "right.example",
    "anchor.example",
    "wrong.example",
    "unusable.example",
    "forged.example",
    "bare.example",
];

/// The SHA-256 digests of the certificate's public key and of the whole, in hexadecimal, as openssl has them.
fn digests(town: &Site) -> (String, String) {
    let script = "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum; \
                  openssl x509 -in \"$0\" -outform DER | sha256sum";
    let told = Program::new("sh")
        .words(["-c", script])
        .word(town.certificate())
        .succeeds();
    let mut words = told.lines().map(|line| line[..64].to_owned());
    (words.next().unwrap(), words.next().unwrap())
}

/// The receiving site, which serves all of [`DOMAINS`] and `open.example` as hosts `mx.<domain>`.
fn receiver() -> Site {
    let town = Site::new("town.example");
    let mut text = town.settings();
    for domain in DOMAINS.iter().chain(&["open.example"]) {
        text.push_str(&format!("\n[[domain]]\nname = \"{domain}\"\n"));
    }
    town.write_settings(&text);
    town
}

fn zone(town: &Site) -> Zone {
    let (key, whole) = digests(town);
    let zeros = "0".repeat(64);
    let zone = DOMAINS.iter().fold(Zone::default(), |zone, domain| {
        zone.exchanger(domain, town.address)
    });
    let at =
        |zone: Zone, domain: &str, says: &str| zone.tlsa(&format!("mx.{domain}"), site::SMTP, says);
    // The certificate is self-signed, for another name; neither counts for an end entity.
    let zone = at(zone, "right.example", &format!("3 1 1 {key}"));
    let zone = at(zone, "anchor.example", &format!("2 0 1 {whole}"));
    let zone = at(zone, "wrong.example", &format!("3 1 1 {zeros}"));
    let zone = at(zone, "unusable.example", &format!("1 1 1 {key}"));
    let forged = format!("3 0 1 {whole}");
    let zone = at(zone, "forged.example", &forged);
    zone.forged(&forged, &format!("3 0 1 {zeros}"))
        .open("open.example. 60 IN MX 10 mx.open.example.")
        .open(&format!("mx.open.example. 60 IN A {}", town.address))
        .open(&format!(
            "_{}._tcp.mx.open.example. 60 IN TLSA 3 1 1 {zeros}",
            site::SMTP
        ))
}

/// What became of mail to `to`, as its first event tells.
#[track_caller]
fn outcome(city: &Site, to: &str) -> Value {
    until(&format!("an attempt for {to}"), SOON, || {
        let mut all = Vec::new();
        for kind in ["delivery.relayed", "delivery.deferred", "delivery.failed"] {
            all.extend(city.events(&["--kind", kind]));
        }
        all.into_iter()
            .find(|event| event["detail"]["recipient"] == to)
    })
}

#[test]
fn a_domain_that_names_its_certificate_gets_its_mail_over_that_or_not_at_all() {
    let mut town = receiver();
    town.serve();
    town.person("yamada");
    let names = Validating::start(&zone(&town));
    let mut city = Site::new("city.example");
    city.set("dns", &format!("servers = [\"{}\"]", names.at()));
    city.set("dns", "time = \"3s\"");
    city.set("delivery", &format!("port = {}", site::SMTP));
    city.set("signing", "enabled = false");
    city.serve();
    let tanaka = city.person("tanaka");
    let mut session = smtp::Session::submission(&city, &tanaka);
    let recipients: Vec<String> = DOMAINS
        .iter()
        .chain(&["open.example"])
        .map(|domain| format!("postmaster@{domain}"))
        .collect();
    for to in &recipients {
        let letter = Letter::new("DANE", &tanaka.address, to);
        let reply = session.send(&letter.from, &[to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
    }
    for (domain, result, policy, verified) in [
        ("right.example", "success", "dane", Some(true)),
        // What a trust anchor says is not about the certificate that stands at the end.
        ("anchor.example", "deferred", "dane", None),
        ("wrong.example", "deferred", "dane", None),
        ("unusable.example", "success", "dane-unusable", Some(false)),
        ("bare.example", "success", "opportunistic", Some(false)),
        // Its record is right for nobody; but nothing proves that it is its record.
        ("open.example", "success", "opportunistic", Some(false)),
    ] {
        let event = outcome(&city, &format!("postmaster@{domain}"));
        assert_eq!(event["result"], result, "{domain}: {event}");
        assert_eq!(event["detail"]["tls_policy"], policy, "{domain}: {event}");
        let was_verified = event["detail"]["tls_verified"].as_bool();
        assert_eq!(was_verified, verified, "{domain}: {event}");
    }
    // A record whose signature is a lie: nobody is spoken to.
    let event = outcome(&city, "postmaster@forged.example");
    assert_eq!(event["result"], "deferred", "{event}");
    assert!(event["detail"]["host"].is_null(), "{event}");
    assert!(
        event["detail"]["reply"].to_string().contains("TLSA"),
        "{event}"
    );

    // Whoever looks after the queue may decide otherwise, for one domain.
    city.set("delivery", "minimum_tls = { \"wrong.example\" = \"none\" }");
    city.reload();
    city.give(&["queue", "retry", "--recipient", "postmaster@wrong.example"]);
    let relayed = until("wrong.example gets its mail", SOON, || {
        let all = city.events(&["--kind", "delivery.relayed"]);
        all.into_iter()
            .find(|event| event["detail"]["recipient"] == "postmaster@wrong.example")
    });
    assert_eq!(relayed["detail"]["tls_policy"], "none", "{relayed}");
}

#[test]
fn a_name_server_that_does_not_validate_or_is_not_believed_proves_nothing() {
    let mut town = receiver();
    town.serve();
    town.person("yamada");
    let names = Validating::start(&zone(&town));
    let mut city = Site::new("city.example");
    city.set("dns", &format!("servers = [\"{}\"]", names.at()));
    city.set("dns", "time = \"3s\"");
    city.set("dns", "dnssec = \"off\"");
    city.set("delivery", &format!("port = {}", site::SMTP));
    city.set("signing", "enabled = false");
    city.serve();
    let tanaka = city.person("tanaka");
    let to = "postmaster@wrong.example";
    let letter = Letter::new("DANE", &tanaka.address, to);
    let mut session = smtp::Session::submission(&city, &tanaka);
    let reply = session.send(&letter.from, &[to], &letter.content());
    assert_eq!(reply.unwrap().code, 250);
    let event = outcome(&city, to);
    assert_eq!(event["result"], "success", "{event}");
    assert_eq!(event["detail"]["tls_policy"], "opportunistic", "{event}");
}

/// Postfix's own client, on the same zone, comes to the same judgement.
#[test]
fn postfix_judges_alike() {
    let mut town = receiver();
    town.serve();
    let names = Validating::start_at(&zone(&town), 53);
    let place = support::place();
    let resolv = place.path().join("resolv.conf");
    let text = format!("nameserver {}\noptions trust-ad edns0\n", names.address());
    fs::write(&resolv, text).unwrap();
    for (domain, verified) in [("right.example", true), ("wrong.example", false)] {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec posttls-finger -c -l dane -L summary \"$1\"";
        let ran = Program::new("unshare")
            .words(["-m", "sh", "-c", script])
            .word(&resolv)
            .word(format!("{domain}:{}", site::SMTP))
            .run();
        let told = String::from_utf8_lossy(&ran.output.stdout).into_owned()
            + &String::from_utf8_lossy(&ran.output.stderr);
        assert_eq!(told.contains("Verified TLS connection"), verified, "{told}");
    }
}
