//! What other domains demand of those who send them mail (MTA-STS, RFC 8461) is fetched, kept and heeded; and what own domains demand
//! is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, net::Ipv4Addr, path::PathBuf, process::Command, time::Duration};

use serde_json::{Value, json};
use support::{
    Letter, Person, Process, Program, Site, loopback, site, smtp,
    unbound::{Unbound, Zones},
    until,
};

const SOON: Duration = Duration::from_secs(60);

/// Domains that the receiving site serves.
const DOMAINS: [&str; 7] = [
    "good.example",
    "other.example",
    "name.example",
    "testing.example",
    "html.example",
    "moved.example",
    "later.example",
];

struct Story {
    town: Site,
    city: Site,
    tanaka: Person,
    host: Ipv4Addr,
    _policies: Process,
    names: Unbound,
}

impl Story {
    fn new() -> Self {
        let mut town = Site::new("town.example");
        let mut text = town.settings();
        for domain in DOMAINS {
            text.push_str(&format!("\n[[domain]]\nname = \"{domain}\"\n"));
        }
        town.write_settings(&text);
        town.serve();
        town.person("yamada");
        let mut city = Site::new("city.example");
        let host = loopback();
        let policies = policies(&city, host, &town);
        let names = Unbound::start(&zones(&town, host, &DOMAINS));
        city.set("dns", &format!("servers = [\"{}\"]", names.at()));
        city.set("dns", "time = \"3s\"");
        city.set("delivery", &format!("port = {}", site::SMTP));
        city.set("signing", "enabled = false");
        city.trusts(city.beside("roots.pem"));
        city.serve();
        let tanaka = city.person("tanaka");
        Self {
            town,
            city,
            tanaka,
            host,
            _policies: policies,
            names,
        }
    }

    /// tanaka writes to `to`; what became of the first attempt.
    #[track_caller]
    fn sent(&self, to: &str) -> Value {
        let letter = Letter::new("MTA-STS", &self.tanaka.address, to);
        let mut session = smtp::Session::submission(&self.city, &self.tanaka);
        let reply = session.send(&letter.from, &[to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
        until(&format!("an attempt for {to}"), SOON, || {
            let mut all = Vec::new();
            for kind in ["delivery.relayed", "delivery.deferred", "delivery.failed"] {
                all.extend(self.city.events(&["--kind", kind]));
            }
            all.into_iter()
                .find(|event| event["detail"]["recipient"] == to)
        })
    }

    fn kept(&self, domain: &str) -> Vec<Value> {
        self.city
            .events(&["--kind", "sts.kept", "--subject", domain])
    }
}

/// Each domain is served by a host of the receiving site; `told` are those whose record tells of a policy.
fn zones(town: &Site, host: Ipv4Addr, told: &[&str]) -> Zones {
    let address = town.address.to_string();
    let mut zones = Zones::default().a("mail.town.example", &address);
    for domain in DOMAINS {
        // The certificate of the receiving site is for mail.town.example and nothing else.
        let is_named = ["good.example", "other.example", "later.example"].contains(&domain);
        let exchanger = if is_named {
            "mail.town.example".to_owned()
        } else {
            format!("mx.{domain}")
        };
        zones = zones
            .mx(domain, &exchanger)
            .a(&format!("mta-sts.{domain}"), &host.to_string());
        if !is_named {
            zones = zones.a(&exchanger, &address);
        }
        if told.contains(&domain) {
            zones = zones.txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=1;");
        }
    }
    zones
}

/// The host of all policies, with a certificate for all of them; `roots.pem` beside the site vouches for it and for the receiving site.
fn policies(city: &Site, host: Ipv4Addr, town: &Site) -> Process {
    let names: Vec<String> = DOMAINS
        .iter()
        .map(|domain| format!("DNS:mta-sts.{domain}"))
        .collect();
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
        let text = format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86401\n");
        json!([200, "text/plain", text])
    };
    let html = json!([
        200,
        "text/html",
        "version: STSv1\nmode: enforce\nmx: x.example\nmax_age: 86400\n"
    ]);
    write_policies(
        city,
        &json!({
            "mta-sts.good.example": policy("enforce", "*.town.example"),
            "mta-sts.other.example": policy("enforce", "mail.elsewhere.example"),
            "mta-sts.name.example": policy("enforce", "mx.name.example"),
            "mta-sts.testing.example": policy("testing", "mail.elsewhere.example"),
            "mta-sts.html.example": html,
            "mta-sts.moved.example": [302, "text/plain", ""],
        }),
    );
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

fn write_policies(city: &Site, told: &Value) {
    fs::write(city.beside("policies.json"), told.to_string()).unwrap();
}

#[test]
fn policies_are_heeded_kept_over_a_restart_and_made_new() {
    let mut story = Story::new();
    for (domain, result, policy, verified) in [
        ("good.example", "success", "mta-sts", Some(true)),
        // Its exchanger is none that the policy names: nobody is spoken to.
        ("other.example", "deferred", "", None),
        // The certificate is for another name.
        ("name.example", "deferred", "mta-sts", None),
        ("testing.example", "success", "opportunistic", Some(false)),
        // What is served is no policy.
        ("html.example", "success", "opportunistic", Some(false)),
        ("moved.example", "success", "opportunistic", Some(false)),
        ("later.example", "success", "opportunistic", Some(false)),
    ] {
        let event = story.sent(&format!("postmaster@{domain}"));
        let detail = &event["detail"];
        assert_eq!(event["result"], result, "{domain}: {event}");
        assert_eq!(
            detail["tls_policy"].as_str().unwrap_or_default(),
            policy,
            "{domain}: {event}"
        );
        assert_eq!(
            detail["tls_verified"].as_bool(),
            verified,
            "{domain}: {event}"
        );
        let keeps = [
            "good.example",
            "other.example",
            "name.example",
            "testing.example",
        ];
        assert_eq!(
            story.kept(domain).len(),
            usize::from(keeps.contains(&domain)),
            "{domain}"
        );
    }
    let event = story.kept("good.example").remove(0);
    assert_eq!(event["detail"]["mode"], "enforce", "{event}");
    assert_eq!(event["detail"]["mx"], json!(["*.town.example"]), "{event}");

    // Whoever can take the records away, and hide the policy's host, undoes nothing that is known.
    story.city.kill_hard();
    write_policies(&story.city, &json!({}));
    let before = story.names.at();
    story.names = Unbound::start(&zones(&story.town, story.host, &[]));
    let text = story.city.settings().replace(&before, &story.names.at());
    story.city.write_settings(&text);
    story.city.serve();
    let event = story.sent("abuse@other.example");
    assert_eq!(event["result"], "deferred", "{event}");
    assert!(
        event["detail"]["reply"].to_string().contains("MTA-STS"),
        "{event}"
    );
    let event = story.sent("abuse@good.example");
    assert_eq!(event["detail"]["tls_policy"], "mta-sts", "{event}");

    // And what is known shows.
    let rows = story.city.give(&["sts", "list"]);
    let domains: Vec<&str> = rows
        .iter()
        .map(|row| row["domain"].as_str().unwrap())
        .collect();
    assert_eq!(
        domains,
        [
            "good.example",
            "name.example",
            "other.example",
            "testing.example"
        ]
    );
    assert_eq!(rows[0]["mode"], "enforce");
}

#[test]
fn the_policy_of_own_domains_is_served_and_its_record_told() {
    let mut town = Site::new("town.example");
    town.set("mta_sts", "mode = \"testing\"");
    town.serve();
    let fetch = |host: &str| {
        Program::new("curl")
            .words(["-s", "-k", "-i", "--resolve"])
            .word(format!("{host}:{}:{}", site::HTTPS, town.address))
            .word(format!(
                "https://{host}:{}/.well-known/mta-sts.txt",
                site::HTTPS
            ))
            .succeeds()
    };
    let answer = fetch("mta-sts.town.example");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        head.to_lowercase().contains("content-type: text/plain"),
        "{answer}"
    );
    assert_eq!(
        text,
        "version: STSv1\r\nmode: testing\r\nmx: mail.town.example\r\nmax_age: 604800\r\n"
    );
    for host in ["mail.town.example", "mta-sts.city.example"] {
        assert!(fetch(host).starts_with("HTTP/1.1 404"), "{host}");
    }

    let record = |site: &Site| {
        let names = Unbound::start(&Zones::default());
        site.unset("servers =");
        site.set("dns", &format!("servers = [\"{}\"]", names.at()));
        let ran = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .words(["check", "--json"])
            .word(site.path())
            .run();
        let told = String::from_utf8_lossy(&ran.output.stdout).into_owned();
        let rows = told
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut records = rows
            .filter(|row| row["level"] == "publish" && row["subject"] == "MTA-STS")
            .map(|row| row["text"].as_str().unwrap().to_owned());
        let found = records.find(|text| text.starts_with("_mta-sts.town.example. TXT"));
        found.unwrap_or_else(|| panic!("no record is told: {told}"))
    };
    let before = record(&town);
    assert_eq!(record(&town), before);
    town.unset("mode =");
    town.set("mta_sts", "mode = \"enforce\"");
    assert_ne!(record(&town), before);
}
