//! nmap finds no open relay, and the capabilities that are meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use support::{Program, Site, site};

/// Runs `script` against a port, whatever service nmap takes it for.
#[track_caller]
fn nmap(site: &Site, port: u16, script: &str) -> String {
    Program::new("nmap")
        .words([
            "-sT",
            "-Pn",
            "-n",
            "-p",
            &port.to_string(),
            "--script",
            &format!("+{script}"),
        ])
        .words(["--script-args", "smtp-open-relay.domain=elsewhere.example"])
        .word(site.address.to_string())
        .succeeds()
}

#[track_caller]
fn all_within(told: &str, wanted: &[&str]) {
    for word in wanted {
        assert!(told.contains(word), "{word} is missing in\n{told}");
    }
}

#[test]
fn no_open_relay_is_found() {
    let site = Site::served("city.example");
    site.person("tanaka");
    for port in [site::SMTP, site::SUBMISSION, site::SUBMISSIONS] {
        let told = nmap(&site, port, "smtp-open-relay");
        assert!(!told.contains("Server is an open relay"), "{told}");
        if port == site::SMTP {
            all_within(
                &told,
                &["doesn't seem to be an open relay, all tests failed"],
            );
        }
    }
    assert!(site.give(&["queue", "list"]).is_empty());
    assert!(site.events(&["--kind", "smtp.accepted"]).is_empty());
    assert!(
        !site.events(&["--kind", "smtp.refused"]).is_empty(),
        "the attempts are in the trail"
    );
}

#[test]
fn what_is_meant_is_listed_and_nothing_else() {
    let site = Site::served("city.example");
    let told = nmap(&site, site::SMTP, "smtp-commands");
    all_within(
        &told,
        &[
            "mail.city.example",
            "PIPELINING",
            "SIZE ",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "DSN",
            "CHUNKING",
            "BINARYMIME",
            "LIMITS ",
        ],
    );
    for word in [
        "AUTH",
        "VRFY",
        "EXPN",
        "ETRN",
        "XCLIENT",
        "XFORWARD",
        "REQUIRETLS",
    ] {
        assert!(
            !told.contains(word),
            "{word} is listed before TLS on the exchange port:\n{told}"
        );
    }
    let told = nmap(&site, site::SUBMISSIONS, "smtp-commands");
    all_within(
        &told,
        &["AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"],
    );
    let told = nmap(&site, site::SUBMISSION, "smtp-commands");
    assert!(
        told.contains("STARTTLS") && !told.contains("AUTH"),
        "{told}"
    );

    let common = [
        "IMAP4rev1",
        "IMAP4rev2",
        "LITERAL+",
        "SASL-IR",
        "ID",
        "ENABLE",
        "IDLE",
        "NAMESPACE",
        "UNSELECT",
        "UIDPLUS",
        "MOVE",
        "ESEARCH",
        "SEARCHRES",
        "CHILDREN",
        "LIST-EXTENDED",
        "LIST-STATUS",
        "SPECIAL-USE",
        "CREATE-SPECIAL-USE",
        "CONDSTORE",
        "QRESYNC",
        "SORT",
        "THREAD=REFERENCES",
        "THREAD=ORDEREDSUBJECT",
        "MULTIAPPEND",
        "BINARY",
        "QUOTA",
        "STATUS=SIZE",
        "OBJECTID",
        "SAVEDATE",
        "APPENDLIMIT=",
        "WITHIN",
    ];
    let told = nmap(&site, site::IMAP, "imap-capabilities");
    all_within(&told, &common);
    all_within(&told, &["STARTTLS", "LOGINDISABLED"]);
    assert!(!told.contains("AUTH="), "no login without TLS:\n{told}");
    let told = nmap(&site, site::IMAPS, "imap-capabilities");
    all_within(&told, &common);
    all_within(&told, &["AUTH=PLAIN", "AUTH=SCRAM-SHA-256-PLUS"]);
    assert!(
        !told.contains("STARTTLS") && !told.contains("LOGINDISABLED"),
        "{told}"
    );
}
