//! Software, its vulnerabilities, and what is done about them (clauses 4.3, 8.3): feeds in the forms that their publishers use, over HTTP
//! and HTTPS, the whole course of a case, and documents for others, held against the published schemas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{Process, Program, Site, site::me, until};

const SOON: Duration = Duration::from_secs(40);
const FEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../advisory/tests/feeds");
const PACKAGES: &[&str] = &[
    "csaf-lib==0.1.0b12",
    "cyclonedx-python-lib==11.12.0",
    "jsonschema==4.26.0",
];
const OLD: &str = "1:9.2p1-2+deb12u2";
const NEW: &str = "1:9.2p1-2+deb12u3";

/// A site whose machine has an old OpenSSH and that has a Postfix beside it; its feeds lie in a directory.
fn site() -> (Site, PathBuf) {
    let site = Site::new("city.example");
    let place = site.beside("feeds");
    fs::create_dir_all(&place).unwrap();
    for name in ["debian.json", "kev.json", "epss.csv", "jvn.rdf"] {
        fs::copy(format!("{FEEDS}/{name}"), place.join(name)).unwrap();
    }
    installed(&site, OLD);
    fs::write(
        site.path().join("os-release"),
        "ID=debian\nVERSION_ID=\"12\"\n",
    )
    .unwrap();
    site.set("vulnerabilities", "dpkg_status = \"dpkg-status\"\nos_release = \"os-release\"\npackages = [\"openssh-server\"]");
    site.set(
        "vulnerabilities",
        "software = [{ name = \"Postfix\", version = \"3.7.6\", cpe = \"cpe:2.3:a:postfix:postfix:3.7.6:*:*:*:*:*:*:*\" }]",
    );
    (site, place)
}

fn installed(site: &Site, version: &str) {
    let status = format!(
        "Package: openssh-server\nStatus: install ok installed\nSource: openssh\nVersion: {version}\n\n"
    );
    fs::write(site.path().join("dpkg-status"), status).unwrap();
}

fn feeds(site: &Site, list: &[(&str, &str, &str, &str)]) {
    let list: Vec<String> = list
        .iter()
        .map(|(name, format, what, place)| {
            format!("{{ name = \"{name}\", format = \"{format}\", {what} = \"{place}\" }}")
        })
        .collect();
    site.set("vulnerabilities", &format!("feeds = [{}]", list.join(", ")));
}

fn serve(place: &Path, port: u16, secured: &[&Path]) -> Process {
    let mut command = Command::new("python3");
    command.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/programs/feeds.py"
    ));
    command
        .arg(place)
        .args(["127.0.0.1", &port.to_string()])
        .args(secured);
    let served = Process::start(
        "feeds",
        &mut command,
        &place.with_extension(format!("{port}.log")),
    );
    until("the feeds are served", SOON, || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    served
}

/// A port that nobody listens on.
fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A certificate for 127.0.0.1 that vouches for itself.
fn certificate(place: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (place.with_extension("crt"), place.with_extension("key"));
    Program::new("openssl")
        .words([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=feeds",
        ])
        .words([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
        ])
        .word(&key)
        .word("-out")
        .word(&certificate)
        .succeeds();
    (certificate, key)
}

/// Where pip puts others' validators; fetched when they are not there yet.
fn validators() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("documents-1");
    if !place.is_dir() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let got = Command::new("python3")
            .args([
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "--quiet",
                "--no-warn-script-location",
                "--target",
            ])
            .arg(fresh.path())
            .args(PACKAGES)
            .status()
            .expect("python3 with pip fetches validators (Debian: python3-pip)");
        assert!(got.success(), "pip could not fetch {PACKAGES:?}");
        // Another test of this file may have been faster.
        let moved = fs::rename(fresh.keep(), &place);
        assert!(moved.is_ok() || place.is_dir(), "{moved:?}");
    }
    place
}

#[track_caller]
fn is_valid(kind: &str, document: &Value) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/documents.py");
    let program = Program::new("python3").word(script).word(kind);
    let program = program.env("PYTHONPATH", validators());
    program.input(document.to_string()).succeeds();
}

/// The number of the open case of a vulnerability.
#[track_caller]
fn case(site: &Site, id: &str) -> String {
    let all = site.give(&["vuln", "list"]);
    let found = all.iter().find(|case| case["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {all:?}"))["number"].to_string()
}

fn officer(site: &Site) {
    let address = "officer@city.example";
    site.give(&["person", "acknowledge", &me()]);
    site.give(&["order", "issue", "--for", &me(), "--address", address]);
    let number = site.give(&["order", "list"]).last().unwrap()["number"].to_string();
    site.give(&["order", "approve", &number]);
    site.give(&["account", "issue", "--order", &number]);
}

#[test]
fn a_case_goes_its_course_and_nothing_closes_itself() {
    let (mut site, place) = site();
    let (plain, secured) = (port(), port());
    let (certificate, key) = certificate(&place);
    let _plain = serve(&place, plain, &[]);
    let _secured = serve(&place, secured, &[&certificate, &key]);
    site.set(
        "vulnerabilities",
        &format!("ca_file = \"{}\"", certificate.display()),
    );
    let kev = place.join("kev.json");
    feeds(
        &site,
        &[
            (
                "debian",
                "osv",
                "url",
                &format!("https://127.0.0.1:{secured}/moved/debian.json"),
            ),
            (
                "jvn",
                "jvn",
                "url",
                &format!("http://127.0.0.1:{plain}/jvn.rdf"),
            ),
            ("kev", "kev", "file", kev.to_str().unwrap()),
            (
                "epss",
                "epss",
                "url",
                &format!("http://127.0.0.1:{plain}/epss.csv"),
            ),
        ],
    );
    site.serve();
    officer(&site);
    // Nothing is fetched by a site that is alone, unless it is said.
    assert!(site.give(&["vuln", "feeds"]).is_empty());
    let imported = site.give(&["vuln", "import"]);
    assert_eq!(imported.len(), 4, "{imported:?}");
    assert_eq!(imported[1]["skipped"], 1, "{imported:?}");
    let software = site.give(&["vuln", "inventory"]);
    for name in ["kakitome", "tokio", "openssh-server", "Postfix"] {
        assert!(software.iter().any(|one| one["name"] == name), "{name}");
    }
    is_valid("cyclonedx", &site.give(&["vuln", "sbom"])[0]);

    let ssh = case(&site, "CVE-2024-6387");
    let shown = &site.give(&["vuln", "show", &ssh])[0];
    assert_eq!(shown["state"], "open");
    assert_eq!(shown["exploited_since"], "2024-07-02");
    assert_eq!(shown["score"][0], 970_000);
    assert_eq!(shown["software"][0]["certainty"], "affected");
    assert_eq!(shown["software"][0]["fixed"][0], NEW);
    assert!(
        shown["report"]["exploit"]
            .as_str()
            .unwrap()
            .contains("known to be exploited")
    );
    let told = site.events(&["--kind", "vuln.told"]);
    assert_eq!(told[0]["subject"], "officer@city.example", "{told:?}");
    let red = site.give(&["status"])[0]["attention"].to_string();
    assert!(
        red.contains("were not reported") && red.contains("known to be exploited"),
        "{red}"
    );

    let vuln = |words: &[&str]| site.give(&[&["vuln"], words].concat());
    let refused = |words: &[&str]| site.refused(&[&["vuln"], words].concat());
    assert!(refused(&["plan", &ssh, "--need", "yes"]).contains("not reported"));
    assert!(
        refused(&["except", &ssh, "--until", "2099-01-01", "--reason", "x"])
            .contains("not reported")
    );
    vuln(&["report", &ssh]);
    // The report is a document, with what is known in it (clause 4.3(3)).
    let report = site.give(&["report", "list"]).remove(0);
    assert_eq!(report["case"].to_string(), ssh);
    assert_eq!(report["to"], "system-officer");
    let number = report["number"].to_string();
    let text = site.give(&["report", "show", &number])[0]["text"].to_string();
    assert!(
        text.contains("CVE-2024-6387") && text.contains("openssh-server"),
        "{text}"
    );
    let behind = format!("{:?}", site.give(&["clause", "evidence", "4.3-3"]));
    assert!(behind.contains("CVE-2024-6387"), "{behind}");
    vuln(&[
        "plan",
        &ssh,
        "--need",
        "yes: reachable from outside",
        "--method",
        "apt-get install openssh-server",
    ]);
    let why = refused(&["approve", &ssh]);
    assert!(
        why.contains("workaround") && why.contains("test-schedule") && !why.contains("to need"),
        "{why}"
    );
    vuln(&[
        "plan",
        &ssh,
        "--workaround",
        "LoginGraceTime 0",
        "--effect",
        "sessions are cut for a minute",
        "--schedule",
        "tonight",
        "--test-need",
        "on the standby machine",
        "--test-method",
        "log in",
        "--test-schedule",
        "this afternoon",
    ]);
    let tanaka = site.person("tanaka");
    vuln(&["approve", &ssh]);
    assert!(refused(&["accept", &ssh]).contains("is approved"));
    vuln(&["order", &ssh]);
    let file = site.beside("openssh-server.deb");
    fs::write(&file, b"what was installed").unwrap();
    let sha256 = HEXLOWER.encode(&Sha256::digest(b"what was installed"));
    let path = file.to_str().unwrap();
    let execute = [
        "execute",
        &ssh,
        "--source",
        "https://deb.debian.org/",
        "--file",
        path,
        "--sha256",
    ];
    assert!(refused(&[&execute[..], &[&sha256]].concat()).contains("cannot be executed"));
    vuln(&["accept", &ssh]);
    assert!(refused(&[&execute[..], &[&sha256]].concat()).contains("demands a test"));
    vuln(&[
        "test",
        &ssh,
        "--result",
        "failed",
        "--note",
        "could not log in",
    ]);
    assert!(refused(&[&execute[..], &[&sha256]].concat()).contains("demands a test"));
    vuln(&["test", &ssh, "--result", "passed", "--note", "logged in"]);
    let why = refused(&[&execute[..], &[&"0".repeat(64)]].concat());
    assert!(why.contains(&sha256), "{why}");
    vuln(&[&execute[..], &[&sha256]].concat());
    // The report of what was done tells what the test showed.
    let reports = site.give(&["report", "list"]);
    let last = reports.iter().filter_map(|one| one["number"].as_i64());
    let last = last.max().unwrap().to_string();
    let text = site.give(&["report", "show", &last])[0]["text"].to_string();
    assert!(
        text.contains("logged in") && text.contains("passed"),
        "{text}"
    );
    let why = refused(&["verify", &ssh]);
    assert!(
        why.contains("still touches package openssh-server"),
        "{why}"
    );
    is_valid("csaf", &vuln(&["export", &ssh])[0]);
    is_valid("vex", &vuln(&["export", &ssh, "--format", "vex"])[0]);
    installed(&site, NEW);
    vuln(&["verify", &ssh]);
    let verified = &vuln(&["show", &ssh])[0];
    assert_eq!(
        (&verified["state"], &verified["closed_at"]),
        (&"verified".into(), &Value::Null)
    );
    let done = &vuln(&["close", &ssh])[0];
    assert_eq!(done["state"], "closed");
    let vex = &vuln(&["export", &ssh, "--format", "vex"])[0];
    is_valid("vex", vex);
    assert_eq!(
        vex["vulnerabilities"][0]["product_status"]["fixed"][0], "P-1",
        "{vex}"
    );
    let steps = site.events(&["--kind", "vuln.step"]);
    let steps: Vec<&str> = steps
        .iter()
        .map(|event| event["detail"]["step"].as_str().unwrap())
        .collect();
    let course =
        "reported planned planned approved ordered accepted tested tested executed verified closed";
    assert_eq!(steps.join(" "), course);

    // It is sent to an officer elsewhere, as it is.
    vuln(&["share", &ssh, "--to", &tanaka.address, "--format", "vex"]);
    let mut inbox = site.imap(&tanaka);
    inbox.select("INBOX");
    let raw = String::from_utf8(inbox.fetch(1)).unwrap();
    let mail = Program::python("text_of.py").input(raw).succeeds();
    let sent: Value = serde_json::from_str(&mail[mail.find('{').unwrap()..]).unwrap();
    is_valid("vex", &sent);
    assert_eq!(vuln(&["show", &ssh])[0]["state"], "closed");

    // The old one comes back: the case does, too.
    installed(&site, OLD);
    vuln(&["inventory", "--look"]);
    assert_eq!(case(&site, "CVE-2024-6387"), ssh);
    assert_eq!(vuln(&["show", &ssh])[0]["state"], "open");

    // What a source says in words alone is decided by an officer.
    let postfix = case(&site, "CVE-2023-51764");
    assert_eq!(
        vuln(&["show", &postfix])[0]["software"][0]["certainty"],
        "possible"
    );
    is_valid("vex", &vuln(&["export", &postfix, "--format", "vex"])[0]);
    vuln(&["report", &postfix, "--scope", "the relay at the gate"]);
    assert!(
        refused(&["except", &postfix, "--until", "2020-01-01", "--reason", "x"])
            .contains("after now")
    );
    let later = jiff::Timestamp::now()
        .checked_add(jiff::SignedDuration::from_hours(240))
        .unwrap()
        .to_string();
    vuln(&[
        "except",
        &postfix,
        "--until",
        &later,
        "--reason",
        "bare line feeds are refused before it",
    ]);
    let red = site.give(&["status"])[0]["attention"].to_string();
    assert!(
        !red.contains(&format!("the first is {postfix} since")),
        "{red}"
    );
    assert!(refused(&["close", &postfix]).contains("--not-affected"));
    let reason = "The gate refuses bare line feeds.";
    vuln(&[
        "close",
        &postfix,
        "--not-affected",
        "inline_mitigations_already_exist",
        "--reason",
        reason,
    ]);
    let vex = &vuln(&["export", &postfix, "--format", "vex"])[0];
    is_valid("vex", vex);
    assert_eq!(
        vex["vulnerabilities"][0]["flags"][0]["label"],
        "inline_mitigations_already_exist"
    );
    // It is read again, and stays closed.
    site.give(&["vuln", "import"]);
    assert!(
        vuln(&["list"])
            .iter()
            .all(|case| case["id"] != "CVE-2023-51764")
    );

    // As soon as there is a second officer, the one who planned does not approve; nor once that one is gone again.
    vuln(&["report", &ssh]);
    let mut plan = vec!["plan", ssh.as_str()];
    for point in [
        "--need",
        "--method",
        "--workaround",
        "--effect",
        "--schedule",
        "--test-need",
        "--test-method",
        "--test-schedule",
    ] {
        plan.extend([point, "as before"]);
    }
    vuln(&plan);
    for change in ["grant", "revoke"] {
        site.give(&["person", "role", change, "tanaka", "security-officer"]);
        assert!(refused(&["approve", &ssh]).contains("another person"));
    }
}

#[test]
fn feeds_come_daily_and_a_bad_one_changes_nothing() {
    let (mut site, place) = site();
    let (plain, debian) = (port(), place.join("debian.json"));
    let _served = serve(&place, plain, &[]);
    let endless = format!("http://127.0.0.1:{plain}/endless");
    site.set(
        "vulnerabilities",
        "daily = \"00:00\"\nlimit = \"1s\"\nfeed_size = \"1MiB\"",
    );
    feeds(
        &site,
        &[
            ("debian", "osv", "file", debian.to_str().unwrap()),
            ("endless", "osv", "url", &endless),
        ],
    );
    site.serve();
    let opened = until("a case is opened", SOON, || {
        site.events(&["--kind", "vuln.opened"]).pop()
    });
    assert_eq!(opened["detail"]["id"], "CVE-2024-6387");
    let failed = until("the endless feed is refused", SOON, || {
        let all = site.events(&["--kind", "vuln.feed-imported"]);
        all.into_iter().find(|event| event["subject"] == "endless")
    });
    assert_eq!(failed["result"], "failure");
    assert!(
        failed["detail"]["reason"]
            .as_str()
            .unwrap()
            .contains("longer than 1048576 octets"),
        "{failed}"
    );
    let red = until("what is old is red", SOON, || {
        let red = site.give(&["status"])[0]["attention"].to_string();
        red.contains("the feed debian of vulnerabilities is old")
            .then_some(red)
    });
    assert!(
        red.contains("the feed endless") && red.contains("never"),
        "{red}"
    );

    let good = site.give(&["vuln", "feeds"]).remove(0);
    assert_eq!(
        (&good["name"], &good["failed"]),
        (&"debian".into(), &"".into())
    );
    // What is damaged, empty or another's is refused as a whole.
    let bad = site.beside("bad");
    let bad_path = bad.to_str().unwrap().to_owned();
    for (format, content, why) in [
        ("osv", &b"PK\x03\x04 cut"[..], "archive is damaged"),
        ("osv", b"[]", "no record"),
        ("osv", b"<html>captive portal</html>", "no JSON"),
        (
            "jvn",
            b"<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\">]><lolz>&lol;</lolz>",
            "document type at octet",
        ),
        (
            "kev",
            b"{\"count\": 2, \"vulnerabilities\": []}",
            "has 2 entries",
        ),
        ("epss", b"\x1f\x8b\x08\x00", "cannot be read"),
    ] {
        fs::write(&bad, content).unwrap();
        let said = site.refused(&[
            "vuln", "import", "--file", &bad_path, "--format", format, "--name", "debian",
        ]);
        assert!(
            said.contains(why) && said.contains("what was known stays"),
            "{said}"
        );
    }
    let after = site.give(&["vuln", "feeds"]).remove(0);
    assert_eq!(
        (&after["good_at"], &after["digest"]),
        (&good["good_at"], &good["digest"])
    );
    assert!(after["failed"].as_str().unwrap().contains("cannot be read"));
    assert_eq!(site.give(&["vuln", "list"]).len(), 1);
    let said = site.refused(&[
        "vuln",
        "import",
        "--file",
        "/proc/self/mem",
        "--format",
        "osv",
    ]);
    assert!(said.contains("/proc/self/mem"), "{said}");
    // Nothing of the store is other than it should be, and a restart forgets nothing.
    assert!(site.command(&["verify"]).status.success());
    // A bound that the site sets itself, and a mirror that is not fed any more: what it has was read just now.
    site.set(
        "vulnerabilities",
        "feed_document = \"64B\"\nstale_after = \"1d\"",
    );
    site.reload();
    let whole = debian.to_str().unwrap();
    let import = [
        "vuln", "import", "--format", "osv", "--name", "debian", "--file",
    ];
    let said = site.refused(&[&import[..], &[whole]].concat());
    assert!(said.contains("more than 64 octets"), "{said}");
    site.unset("feed_document");
    site.unset("limit");
    site.reload();
    let read = site.give(&[&import[..], &[whole]].concat());
    assert!(read[0]["records"] == 1, "{read:?}");
    let clause = site.give(&["clause", "check", "4.3-2"]).remove(0);
    assert_eq!(clause["state"], "not-met", "{clause}");
    let why = clause["why"].as_str().unwrap();
    assert!(why.contains("the newest in it is of"), "{why}");
    // An auditor is given the cases as documents.
    let bundle = site.beside("bundle");
    site.give(&["audit", "bundle", "--to", bundle.to_str().unwrap()]);
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(bundle.join(name)).unwrap()).unwrap()
    };
    let cases = read("vulnerabilities.json");
    let number = &cases[0]["number"];
    assert_eq!(cases[0]["id"], "CVE-2024-6387");
    assert_eq!(read(&format!("vulnerabilities/{number}.json")), cases[0]);
    is_valid(
        "csaf",
        &read(&format!("vulnerabilities/{number}.csaf.json")),
    );
    site.stop();
    site.serve();
    assert_eq!(site.give(&["vuln", "list"])[0]["id"], "CVE-2024-6387");
}
