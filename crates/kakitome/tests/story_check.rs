//! `kakitome check` says what is good, what is wrong, and what to publish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::net::SocketAddr;

use serde_json::Value;
use support::{Program, Site, dns::NameServer, site};

/// What `check` found, by level and subject; and whether it ended well.
fn check(site: &Site) -> (Vec<(String, String, String)>, bool) {
    let ran = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["check", "--json"])
        .word(site.path())
        .run();
    let found = String::from_utf8_lossy(&ran.output.stdout)
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("level"), text("subject"), text("text"))
        })
        .collect();
    (found, ran.output.status.success())
}

#[test]
fn a_site_that_the_dns_knows_is_good_and_one_that_it_does_not_is_told_what_to_publish() {
    let mut site = Site::new("city.example");
    let server = SocketAddr::from((site.address, 5353));
    site.set("dns", &format!("servers = [\"{server}\"]"));
    site.set("dns", "time = \"1s\"");
    // An address that is nobody's: resolvers answer for loopback by themselves.
    let names = NameServer::start(server, "city.example", [192, 0, 2, 25].into());
    let (found, well) = check(&site);
    let is = |level: &str, subject: &str| {
        let of = |(l, s, _): &&(String, String, String)| l == level && s == subject;
        found.iter().any(|finding| of(&finding))
    };
    assert!(well, "{found:?}");
    for subject in [
        "settings",
        "certificate",
        "scanners",
        "MX",
        "PTR",
        "SPF",
        "DMARC",
    ] {
        assert!(is("good", subject), "{subject}: {found:?}");
    }
    assert!(is("good", "port 20025 (smtp)"), "{found:?}");
    assert!(is("warning", "certificate"), "self-signed: {found:?}");
    assert!(is("note", "TLSA"), "{found:?}");
    // Metrics listen on an address of their own.
    let metrics = |(_, subject, text): &&(String, String, String)| {
        subject.contains("metrics") && text.contains(&site.address.to_string())
    };
    assert_eq!(found.iter().filter(metrics).count(), 1, "{found:?}");

    // While it is served, its own ports are no fault.
    site.serve();
    let (found, well) = check(&site);
    assert!(well, "{found:?}");
    assert!(found.iter().any(|(_, subject, _)| subject == "ports"));
    site.stop();

    // Somebody else's are.
    let taken = std::net::TcpListener::bind((site.address, site::SMTP)).unwrap();
    let (found, well) = check(&site);
    assert!(!well);
    let of_port = |(level, subject, _): &(String, String, String)| {
        level == "error" && subject == "port 20025 (smtp)"
    };
    assert!(found.iter().any(of_port), "{found:?}");
    drop(taken);

    drop(names);
    let _other = NameServer::start(server, "elsewhere.example", site.address);
    let (found, well) = check(&site);
    assert!(!well);
    for record in [
        "city.example. MX 10 mail.city.example.",
        "city.example. TXT \"v=spf1 mx -all\"",
        "_dmarc.city.example. TXT \"v=DMARC1; p=none; rua=mailto:postmaster@city.example\"",
    ] {
        let says =
            |(level, _, text): &(String, String, String)| level == "publish" && text == record;
        assert!(found.iter().any(says), "{record}: {found:?}");
    }
}
