//! Domains are told how TLS with their servers came to be, and what others tell of own servers is read (RFC 8460): with a validating name
//! server (unbound), zones that others' programs signed, Postfix' sink, and another's reader of such reports (parsedmarc).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, net::Ipv4Addr, path::PathBuf, process::Command, time::Duration};

use serde_json::{Value, json};
use support::{
    Letter, Person, Process, Program, Site,
    dnssec::{Validating, Zone},
    loopback, parsedmarc, site, smtp,
    unbound::{Unbound, Zones},
    until,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

fn reports() -> Program {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/tls_report.py");
    Program::new("python3").word(path)
}

/// A report as parsedmarc reads it.
fn read(mail: &[u8]) -> Value {
    let program = reports().word("read").env("PYTHONPATH", parsedmarc());
    let read: Value = serde_json::from_str(&program.input(mail).succeeds()).unwrap();
    assert_eq!(read["report_type"], "smtp_tls", "{read}");
    read["report"].clone()
}

/// A site that serves `domains`, too.
fn receiver(domains: &[&str]) -> (Site, Person) {
    let mut town = Site::new("town.example");
    let mut text = town.settings();
    for domain in domains {
        text.push_str(&format!("\n[[domain]]\nname = \"{domain}\"\n"));
    }
    town.write_settings(&text);
    town.serve();
    let yamada = town.person("yamada");
    (town, yamada)
}

/// A site that sends, and asks the name server `names`.
fn sender(names: &str) -> Site {
    let city = Site::new("city.example");
    city.set("dns", &format!("servers = [\"{names}\"]"));
    city.set("dns", "time = \"3s\"");
    city.set("delivery", &format!("port = {}", site::SMTP));
    city.set("signing", "enabled = false");
    city.set("tls_reports", "organisation = \"City & Office\"");
    city.set("tls_reports", "contact = \"tanaka@city.example\"");
    city
}

/// Mail to postmaster at each domain, and one attempt for each.
#[track_caller]
fn write_to(city: &Site, tanaka: &Person, domains: &[&str]) {
    let mut session = smtp::Session::submission(city, tanaka);
    for domain in domains {
        let to = format!("postmaster@{domain}");
        let letter = Letter::new("TLS", &tanaka.address, &to);
        let reply = session.send(&letter.from, &[&to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
        attempted(city, &to);
    }
}

/// What became of the first attempt for `to`.
#[track_caller]
fn attempted(city: &Site, to: &str) -> Value {
    until(&format!("an attempt for {to}"), SOON, || {
        let mut all = Vec::new();
        for kind in ["delivery.relayed", "delivery.deferred", "delivery.failed"] {
            all.extend(city.events(&["--kind", kind]));
        }
        all.into_iter()
            .find(|event| event["detail"]["recipient"] == to)
    })
}

/// The reports in an INBOX, by the domain that they are about.
#[track_caller]
fn received(town: &Site, person: &Person, count: usize) -> Vec<(String, Vec<u8>)> {
    until(&format!("{count} reports"), SOON, || {
        let mut imap = town.imap(person);
        let all = imap.select("INBOX");
        let mails = (1..=all).map(|number| imap.fetch(number));
        let found: Vec<(String, Vec<u8>)> = mails
            .filter_map(|mail| {
                let text = String::from_utf8_lossy(&mail).into_owned();
                let (_, domain) = text.split_once("TLS-Report-Domain: ")?;
                Some((domain.lines().next()?.to_owned(), mail))
            })
            .collect();
        (found.len() == count).then_some(found)
    })
}

/// Postfix' own sink, which takes everything and knows no TLS.
struct Sink {
    _process: Process,
    address: Ipv4Addr,
    place: TempDir,
}

impl Sink {
    #[track_caller]
    fn start() -> Self {
        let (place, address) = (support::place(), loopback());
        let mails = place.path().join("mails");
        fs::create_dir(&mails).unwrap();
        let mut command = Command::new("/usr/sbin/smtp-sink");
        // The stories run as root, and the sink wants to hear that it is meant.
        command
            .args(["-u", "root", "-d"])
            .arg(mails.join("%s."))
            .arg(format!("inet:{address}:{}", site::SMTP))
            .arg("100")
            .current_dir(place.path());
        let process = Process::start("smtp-sink", &mut command, &place.path().join("log"));
        until("the sink listens", SOON, || {
            std::net::TcpStream::connect((address, site::SMTP)).ok()
        });
        Self {
            _process: process,
            address,
            place,
        }
    }

    /// What came, as it came.
    fn mails(&self) -> Vec<Vec<u8>> {
        let files = fs::read_dir(self.place.path().join("mails")).unwrap();
        let files = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        files.collect()
    }
}

#[test]
fn domains_are_told_how_dane_came_out_and_whether_there_is_tls() {
    let domains = [
        "right.example",
        "wrong.example",
        "unusable.example",
        "bare.example",
        "forged.example",
    ];
    let (town, yamada) = receiver(&domains);
    let plain = Sink::start();
    let script =
        "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum";
    let told = Program::new("sh")
        .words(["-c", script])
        .word(town.certificate())
        .succeeds();
    let key = told.split_once(' ').unwrap().0.to_owned();
    let zeros = "0".repeat(64);
    let mut zone = Zone::default().exchanger("plain.example", plain.address);
    for domain in domains.iter().chain(&["plain.example"]) {
        // Each wants its report where its TLS may be broken.
        zone = zone.record(&format!(
            "_smtp._tls.{domain}. 60 IN TXT \"v=TLSRPTv1; \" \"rua=mailto:postmaster@{domain}\""
        ));
    }
    for domain in domains {
        zone = zone.exchanger(domain, town.address);
    }
    // Its record says twice what it wants: then it wants nothing.
    zone =
        zone.record("_smtp._tls.bare.example. 60 IN TXT \"v=TLSRPTv1; rua=mailto:x@bare.example\"");
    let at =
        |zone: Zone, domain: &str, says: &str| zone.tlsa(&format!("mx.{domain}"), site::SMTP, says);
    zone = at(zone, "right.example", &format!("3 1 1 {key}"));
    zone = at(zone, "wrong.example", &format!("3 1 1 {zeros}"));
    zone = at(zone, "unusable.example", &format!("1 1 1 {key}"));
    zone = at(zone, "forged.example", &format!("2 1 1 {key}"));
    zone = zone.forged(&format!("2 1 1 {key}"), &format!("2 1 1 {zeros}"));
    let names = Validating::start(&zone);
    let mut city = sender(&names.at());
    city.serve();
    let tanaka = city.person("tanaka");
    let all: Vec<&str> = domains.iter().chain(&["plain.example"]).copied().collect();
    write_to(&city, &tanaka, &all);
    write_to(&city, &tanaka, &["right.example"]);

    let sent = city.give(&["tls", "reports", "send"]);
    assert_eq!(
        sent[0],
        json!({"reports": 5, "failed": 0, "unknown": 0}),
        "{sent:?}"
    );
    // Every report arrives, wherever TLS is broken, while the letter to wrong.example goes on waiting.
    let found = received(&town, &yamada, 4);
    let of = |domain: &str| {
        let found = found.iter().find(|(about, _)| about == domain);
        read(&found.unwrap_or_else(|| panic!("nothing about {domain}")).1)
    };
    let right = of("right.example");
    assert_eq!(right["organization_name"], "City & Office", "{right}");
    let applied = &right["policies"][0];
    assert_eq!(applied["policy_type"], "tlsa", "{right}");
    assert_eq!(
        applied["policy_strings"][0],
        format!("3 1 1 {key}"),
        "{right}"
    );
    // One or two sessions, by whether the second letter found the first one's connection.
    assert!(
        (1..=2).contains(&applied["successful_session_count"].as_u64().unwrap()),
        "{right}"
    );
    assert_eq!(applied["failed_session_count"], 0, "{right}");
    for (domain, kind, result) in [
        ("wrong.example", "tlsa", "certificate-not-trusted"),
        ("unusable.example", "tlsa", "tlsa-invalid"),
        ("forged.example", "tlsa", "dnssec-invalid"),
    ] {
        let report = of(domain);
        let applied = &report["policies"][0];
        assert_eq!(applied["policy_type"], kind, "{report}");
        assert!(
            applied["failed_session_count"].as_u64().unwrap() >= 1,
            "{report}"
        );
        let detail = &applied["failure_details"][0];
        assert_eq!(detail["result_type"], result, "{report}");
        assert_eq!(
            detail["receiving_mx_hostname"],
            format!("mx.{domain}"),
            "{report}"
        );
    }
    let mail = until("plain.example has its report", SOON, || {
        let mut mails = plain.mails().into_iter();
        mails.find(|mail| String::from_utf8_lossy(mail).contains("TLS-Report-Domain"))
    });
    let report = read(&mail);
    let applied = &report["policies"][0];
    assert_eq!(applied["policy_type"], "no-policy-found", "{report}");
    assert_eq!(
        applied["failure_details"][0]["result_type"], "starttls-not-supported",
        "{report}"
    );
    let waiting = city.give(&["queue", "list"]).len();
    assert_eq!(
        waiting, 2,
        "the letters to wrong.example and forged.example"
    );

    // What a report told of is told once, and reports tell nothing of themselves.
    let again = city.give(&["tls", "reports", "send"]);
    assert_eq!(again[0]["reports"], 0, "{again:?}");
    let listed = city.give(&[
        "tls",
        "reports",
        "list",
        "--sent",
        "--domain",
        "wrong.example",
    ]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["to"], json!(["postmaster@wrong.example"]));
}

/// Domains whose policies come out in different ways.
const POLICIES: [&str; 6] = [
    "good.example",
    "other.example",
    "name.example",
    "testing.example",
    "html.example",
    "moved.example",
];

/// The host of policies, which takes reports, too; `roots.pem` beside the site vouches for it and for the receiving site.
fn policies(city: &Site, host: Ipv4Addr, town: &Site) -> Process {
    let mut names: Vec<String> = POLICIES
        .iter()
        .map(|domain| format!("DNS:mta-sts.{domain}"))
        .collect();
    names.push("DNS:take.example,DNS:away.example".to_owned());
    let (certificate, key) = (city.beside("policies.crt"), city.beside("policies.key"));
    Program::new("openssl")
        .words([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .words(["-subj", "/CN=policies", "-addext"])
        .word(format!("subjectAltName={}", names.join(",")))
        .words(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .word(&key)
        .word("-out")
        .word(&certificate)
        .succeeds();
    let roots = fs::read_to_string(&certificate).unwrap()
        + &fs::read_to_string(town.certificate()).unwrap();
    fs::write(city.beside("roots.pem"), roots).unwrap();
    let policy = |mode: &str, mx: &str| {
        json!([
            200,
            "text/plain",
            format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86401\n")
        ])
    };
    let told = json!({
        "mta-sts.good.example": policy("enforce", "*.town.example"),
        "mta-sts.other.example": policy("enforce", "mail.elsewhere.example"),
        "mta-sts.name.example": policy("enforce", "mx.name.example"),
        "mta-sts.testing.example": policy("testing", "mx.testing.example"),
        "mta-sts.html.example": [200, "text/html", "version: STSv1\n"],
        "mta-sts.moved.example": [302, "text/plain", ""],
        "take.example": [201, "", "take"],
        "away.example": [503, "", ""],
    });
    fs::write(city.beside("policies.json"), told.to_string()).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/programs/policies.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-I").arg(script).arg(host.to_string()).args([
        certificate,
        key,
        city.beside("policies.json"),
    ]);
    let process = Process::start("policies", &mut command, &city.beside("policies.log"));
    until("policies are served", SOON, || {
        std::net::TcpStream::connect((host, 443)).ok()
    });
    process
}

#[test]
fn domains_are_told_how_their_policies_came_out_by_mail_and_by_https() {
    let (town, yamada) = receiver(&POLICIES);
    let host = loopback();
    let mut zones = Zones::default()
        .a("mail.town.example", &town.address.to_string())
        .a("take.example", &host.to_string())
        .a("away.example", &host.to_string());
    for domain in POLICIES {
        // The certificate of the receiving site is for mail.town.example and nothing else.
        let exchanger = match domain {
            "good.example" | "other.example" => "mail.town.example".to_owned(),
            _ => format!("mx.{domain}"),
        };
        let wants = match domain {
            "good.example" => "https://take.example/tls?v=1".to_owned(),
            "html.example" => "https://away.example/tls".to_owned(),
            "moved.example" => {
                "https://away.example/tls,mailto:postmaster@moved.example".to_owned()
            }
            _ => format!("mailto:postmaster@{domain}"),
        };
        zones = zones
            .mx(domain, &exchanger)
            .a(&format!("mta-sts.{domain}"), &host.to_string())
            .txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=1;")
            .txt(
                &format!("_smtp._tls.{domain}"),
                &format!("v=TLSRPTv1; rua={wants}"),
            );
        if exchanger.starts_with("mx.") {
            zones = zones.a(&exchanger, &town.address.to_string());
        }
    }
    let names = Unbound::start(&zones);
    let mut city = sender(&names.at());
    let _policies = policies(&city, host, &town);
    city.trusts(city.beside("roots.pem"));
    city.serve();
    let tanaka = city.person("tanaka");
    write_to(&city, &tanaka, &POLICIES);
    // A day's sessions outlast a crash.
    city.kill_hard();
    city.serve();
    let sent = city.give(&["tls", "reports", "send"]);
    // away.example does not take html.example's now; moved.example has another place.
    assert_eq!(
        sent[0],
        json!({"reports": 5, "failed": 0, "unknown": 1}),
        "{sent:?}"
    );
    let found = received(&town, &yamada, 4);
    for (domain, result) in [
        ("other.example", "validation-failure"),
        ("name.example", "certificate-host-mismatch"),
        ("testing.example", "certificate-host-mismatch"),
        ("moved.example", "sts-policy-fetch-error"),
    ] {
        let found = found.iter().find(|(about, _)| about == domain);
        let report = read(&found.unwrap_or_else(|| panic!("nothing about {domain}")).1);
        let applied = &report["policies"][0];
        assert_eq!(applied["policy_domain"], domain, "{report}");
        assert_eq!(applied["policy_type"], "sts", "{report}");
        assert_eq!(
            applied["failure_details"][0]["result_type"], result,
            "{report}"
        );
    }
    let posted = fs::read(city.beside("posted")).unwrap();
    let text = reports().word("unpack").input(posted).succeeds();
    let report: Value = serde_json::from_str(&text).unwrap();
    let applied = &report["policies"][0];
    assert_eq!(
        applied["policy"]["mx-host"],
        json!(["*.town.example"]),
        "{report}"
    );
    assert_eq!(
        applied["policy"]["policy-string"][1], "mode: enforce",
        "{report}"
    );
    assert_eq!(
        applied["summary"],
        json!({"total-successful-session-count": 1, "total-failure-session-count": 0})
    );
    let log = fs::read_to_string(city.beside("policies.log")).unwrap();
    assert!(
        log.contains("take.example POST /tls?v=1 application/tlsrpt+gzip"),
        "{log}"
    );
    let told = city.events(&["--kind", "tls.report-sent", "--subject", "moved.example"]);
    assert!(
        told[0]["detail"]["refused"][0]
            .as_str()
            .unwrap()
            .contains("503"),
        "{told:?}"
    );
    let told = city.events(&["--kind", "tls.report-sent", "--subject", "html.example"]);
    assert!(told.is_empty(), "{told:?}");
    // And what was wrong with the policy of html.example waits for its report.
    fs::write(
        city.beside("policies.json"),
        json!({"away.example": [200, "", "take"]}).to_string(),
    )
    .unwrap();
    let sent = city.give(&["tls", "reports", "send"]);
    assert_eq!(
        sent[0],
        json!({"reports": 1, "failed": 0, "unknown": 0}),
        "{sent:?}"
    );
    let posted = fs::read(city.beside("posted")).unwrap();
    let text = reports().word("unpack").input(posted).succeeds();
    assert!(text.contains("sts-policy-invalid"), "{text}");

    // A day that is over is told by itself, and what nobody wants to hear of it is forgotten.
    city.kill_hard();
    fs::remove_file(city.beside("posted")).unwrap();
    let told = json!({"take.example": [200, "", "take"]}).to_string();
    fs::write(city.beside("policies.json"), told).unwrap();
    let script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as store:\n  \
                  day = store.execute('SELECT max(at) / 86400000000 - 2 FROM event').fetchone()[0]\n  \
                  for domain in ('good.example', 'quiet.example'):\n    \
                  store.execute(\"INSERT INTO tls_session VALUES (?, ?, 'x', 'no-policy-found', '', '', '', 'mx', '', '', '', 7)\", (day, domain))\n";
    Program::new("/usr/bin/python3")
        .words(["-I", "-c", script])
        .word(city.path().join("store.db"))
        .succeeds();
    city.serve();
    let done = until("the day is done", SOON * 2, || {
        city.events(&["--kind", "tls.reports-done"]).pop()
    });
    assert_eq!(
        done["detail"],
        json!({"reports": 1, "failed": 0, "forgotten": 7}),
        "{done}"
    );
    assert!(city.beside("posted").exists());
    assert!(city.events(&["--kind", "tls.reports-done"]).len() == 1);
}

#[test]
fn what_others_report_is_read_counted_once_and_believed_no_further_than_it_is_shown() {
    let keys = support::place();
    let signer = || {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/sign.py");
        Program::new("/usr/bin/python3").word("-I").word(path)
    };
    let told = signer().word("keys").word(keys.path()).succeeds();
    let published: Value = serde_json::from_str(&told).unwrap();
    let zones = Zones::default()
        .txt("_dmarc.signed.example", "v=DMARC1; p=none")
        .txt(
            "rsa._domainkey.signed.example",
            published["rsa"].as_str().unwrap(),
        );
    let names = Unbound::start(&zones);
    let mut city = Site::new("city.example");
    city.screened(&names.at());
    city.set("tls_reports", "address = \"reports@city.example\"");
    city.set("dmarc_reports", "address = \"reports@city.example\"");
    city.serve();
    city.person("reports");
    let hand = |packing: &str, domain: &str, name: &str, signed: bool| {
        let (from, to) = ("noreply@signed.example", "reports@city.example");
        let mut message = reports()
            .word("make")
            .words([packing, domain, name, from, to])
            .succeeds();
        if signed {
            let program = signer().word("dkim").word(keys.path());
            message = program
                .words(["rsa", "signed.example", "rsa-sha256"])
                .input(message)
                .succeeds();
        }
        let message = message.replace("\r\n", "\n").replace('\n', "\r\n");
        let mut session = city.smtp();
        let reply = session.send("", &[to], message.as_bytes()).unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
    };
    // Who comes first with another's id takes nothing away from the one who is shown.
    hand("gzip", "city.example", "r1", false);
    hand("gzip", "city.example", "r1", true);
    hand("json", "City.Example", "r2", true);
    hand("gzip", "city.example", "r2", true);
    let listed = city.give(&["tls", "reports", "list"]);
    let seen: Vec<(bool, bool)> = listed
        .iter()
        .map(|row| {
            (
                row["shown"].as_bool().unwrap(),
                row["again"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(false, false), (true, false), (true, false), (true, true)],
        "{listed:?}"
    );
    assert_eq!(listed[1]["reporter"], "Other Ltd");
    assert_eq!(
        (&listed[1]["sessions"], &listed[1]["failed"]),
        (&json!(11), &json!(4))
    );
    let figures = city.give(&["tls", "reports", "figures"]);
    let line =
        json!({"domain": "city.example", "reporter": "Other Ltd", "sessions": 22, "failed": 8});
    assert_eq!(figures, [line]);
    let all = city.give(&[
        "tls",
        "reports",
        "figures",
        "--all",
        "--domain",
        "city.example",
    ]);
    assert_eq!(all[0]["sessions"], 33, "{all:?}");
    let by = city.give(&["tls", "reports", "figures", "--by", "failure"]);
    assert_eq!(
        by[0],
        json!({"domain": "city.example", "failure": "certificate-expired", "host": "mail.city.example", "failed": 6})
    );
    let by = city.give(&["tls", "reports", "figures", "--by", "day"]);
    assert_eq!(by[0]["day"], "2026-11-27");
    let rows = city.give(&["tls", "reports", "show", listed[1]["id"].as_str().unwrap()]);
    let row = &rows[0];
    assert_eq!(
        (&row["result"], &row["sessions"]),
        (&json!("certificate-expired"), &json!(3)),
        "{rows:?}"
    );
    assert_eq!(
        (&row["address"], &row["more"]),
        (&json!("192.0.2.7"), &json!("X509 code")),
        "{rows:?}"
    );
    city.refused(&["tls", "reports", "show", "nothing"]);
    assert!(
        city.log().contains("TLS with servers of this site fails"),
        "{}",
        city.log()
    );

    assert!(city.events(&["--kind", "tls.report-unreadable"]).is_empty());
    for (packing, domain, why) in [
        ("bomb", "city.example", "octets come out of it"),
        ("deep", "city.example", "invalid type"),
        ("lie", "city.example", "more than the sessions"),
        ("gzip", "other.example", "no domain of this site"),
    ] {
        hand(packing, domain, "bad", true);
        let unread = city.events(&["--kind", "tls.report-unreadable"]);
        let reason = unread.last().unwrap()["detail"]["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{packing}: {reason}");
    }
    hand("many", "city.example", "many", true);
    let listed = city.give(&["tls", "reports", "list", "--domain", "city.example"]);
    assert_eq!(listed.len(), 5, "{listed:?}");
    assert_eq!(listed[4]["sessions"], 11_000, "{listed:?}");
    assert!(
        city.events(&["--kind", "dmarc.report-unreadable"])
            .is_empty()
    );

    let records = city.give(&["tls", "records"]);
    let record = "_smtp._tls.city.example. TXT \"v=TLSRPTv1; rua=mailto:reports@city.example\"";
    assert_eq!(records[0]["record"], record);
}
