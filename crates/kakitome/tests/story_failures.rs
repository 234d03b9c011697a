//! What fails around the server: the disk, the DNS, the next host, the settings. Mail is put off with a clear
//! reason, nothing is lost, and all goes on without a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{collections::BTreeSet, net::SocketAddr, process::Command, time::Duration};

use rustix::process::Signal;
use serde_json::Value;
use support::{
    Letter, Person, Program, Site, disk::Disk, dns::NameServer, load, place, site::SMTP,
    smtp::Session, until,
};

const SOON: Duration = Duration::from_secs(30);

#[track_caller]
fn send(site: &Site, letter: &Letter) -> u16 {
    site.smtp()
        .send(&letter.from, &[&letter.to], &letter.content())
        .unwrap()
        .code
}

fn letter(name: &str, to: &Person) -> Letter {
    Letter::new(name, "friend@elsewhere.example", &to.address)
}

/// Sends a letter; it counts as acknowledged if the answer was 250.
#[track_caller]
fn offer(site: &Site, letter: Letter, acknowledged: &mut Vec<Letter>) -> u16 {
    let code = send(site, &letter);
    if code == 250 {
        acknowledged.push(letter);
    }
    code
}

/// What was acknowledged is there, each letter once and whole; what was put off is not.
#[track_caller]
fn all_are_there(site: &Site, to: &Person, acknowledged: &[Letter]) {
    let found = load::inbox(site, to);
    for letter in acknowledged {
        let uids = found.get(&letter.digest()).map_or(0, Vec::len);
        assert_eq!(
            uids, 1,
            "{} was acknowledged, and is there {uids} times",
            letter.name
        );
    }
    let names: BTreeSet<String> = acknowledged.iter().map(Letter::digest).collect();
    let others = found.keys().filter(|digest| !names.contains(*digest));
    assert_eq!(others.count(), 0, "what was put off is there");
}

/// A site on a file system of its own.
fn site_on_disk(mebibytes: u64, settings: &[&str]) -> (Site, Disk, Person) {
    let place = place();
    let mount = place.path().join("disk");
    let disk = Disk::mount(&place.path().join("image"), &mount, mebibytes);
    let mut site = Site::at(
        place,
        mount.join("site"),
        "city.example",
        "exchange,mailbox",
    );
    for line in settings {
        site.set("store", line);
    }
    site.serve();
    let tanaka = site.person("tanaka");
    (site, disk, tanaka)
}

#[test]
fn a_full_disk_puts_mail_off_until_there_is_room() {
    // First with the reserve, which keeps room for the server's own work; then to the last block.
    for (reserve, left) in [("16MiB", 8 << 20), ("0B", 0)] {
        let settings = [
            format!("reserve = \"{reserve}\""),
            "segment_size = \"8MiB\"".to_owned(),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let (mut site, disk, tanaka) = site_on_disk(200, &settings);
        let mut acknowledged = Vec::new();
        let code = offer(&site, letter("before", &tanaka), &mut acknowledged);
        assert_eq!(code, 250);
        let mut reading = site.imap(&tanaka);
        disk.fill(left);
        let mut number = 0;
        let mut large = |acknowledged: &mut Vec<Letter>| {
            number += 1;
            let name = format!("large-{number}");
            let from = "friend@elsewhere.example";
            let letter = Letter::large(&name, from, &tanaka.address, 4 << 20);
            offer(&site, letter, acknowledged)
        };
        let code = until("mail is put off", SOON, || {
            let code = large(&mut acknowledged);
            // Room within the segment in use may still take some.
            (code != 250).then_some(code)
        });
        assert!((400..500).contains(&code), "reserve {reserve}: {code}");
        // Small letters may still find room, or not.
        for small in 0..20 {
            let letter = letter(&format!("small-{small}"), &tanaka);
            let code = offer(&site, letter, &mut acknowledged);
            assert!(code == 250 || (400..500).contains(&code), "{code}");
        }
        assert!(site.server().is_running());
        let kept = reading.select("INBOX");
        assert_eq!(
            kept as usize,
            acknowledged.len(),
            "what was kept is still read"
        );
        assert_eq!(reading.body_digest(1), letter("before", &tanaka).digest());
        // The reserve is there so that all but new mail goes on. Without any room a login is put off, since
        // it cannot be put into the trail.
        if left > 0 {
            assert_eq!(site.imap(&tanaka).select("INBOX"), kept);
            reading.ok("STORE 1 +FLAGS (\\Seen)");
        }
        assert!(
            site.log().contains("free some room on the disk"),
            "the operator is told: {}",
            site.log()
        );
        // Not even a restart needs room: whoever can read their mail can delete some.
        site.kill_hard();
        disk.fill(left);
        site.serve();
        let late = Letter::large("late", "friend@elsewhere.example", &tanaka.address, 4 << 20);
        let code = offer(&site, late, &mut acknowledged);
        assert!((400..500).contains(&code), "{code}");

        disk.free_again();
        let mut number = 0;
        until("mail is taken again", SOON, || {
            number += 1;
            let letter = letter(&format!("after-{number}"), &tanaka);
            (offer(&site, letter, &mut acknowledged) == 250).then_some(())
        });
        all_are_there(&site, &tanaka, &acknowledged);
        site.give(&["verify"]);
        // What was acknowledged survives a hard end, too.
        site.kill_hard();
        site.serve();
        all_are_there(&site, &tanaka, &acknowledged);
        site.give(&["verify"]);
        site.stop();
    }
}

#[test]
fn a_store_that_cannot_be_written_puts_mail_off_until_it_can() {
    let (mut site, _disk, tanaka) = site_on_disk(200, &["reserve = \"1MiB\""]);
    let mut acknowledged = Vec::new();
    let code = offer(&site, letter("before", &tanaka), &mut acknowledged);
    assert_eq!(code, 250);
    Disk::set_writable(site.path(), false);
    let code = offer(&site, letter("meanwhile", &tanaka), &mut acknowledged);
    assert!((400..500).contains(&code), "{code}");
    assert!(site.server().is_running());
    Disk::set_writable(site.path(), true);
    let mut number = 0;
    until("mail is taken again", SOON, || {
        number += 1;
        let letter = letter(&format!("after-{number}"), &tanaka);
        (offer(&site, letter, &mut acknowledged) == 250).then_some(())
    });
    all_are_there(&site, &tanaka, &acknowledged);
    site.give(&["verify"]);
    site.kill_hard();
    site.serve();
    all_are_there(&site, &tanaka, &acknowledged);
    site.stop();
}

#[test]
fn lost_dns_puts_mail_off_and_it_flows_when_the_dns_is_back() {
    let far = Site::served("far.example");
    let yamada = far.person("yamada");
    let mut site = Site::new("city.example");
    let server = SocketAddr::from((site.address, 5353));
    site.set("dns", &format!("servers = [\"{server}\"]"));
    site.set("dns", "time = \"1s\"");
    site.set("delivery", "retry = [\"1s\"]");
    site.set("delivery", &format!("port = {SMTP}"));
    site.serve();
    let tanaka = site.person("tanaka");
    let out = Letter::new("out", &tanaka.address, &yamada.address);
    let mut session = Session::submission(&site, &tanaka);
    assert_eq!(
        session
            .send(&out.from, &[&out.to], &out.content())
            .unwrap()
            .code,
        250
    );
    let why = until("an attempt is made", SOON, || {
        let queued = site.give(&["queue", "list"]);
        assert_eq!(queued.len(), 1, "nothing is lost, nothing returned");
        let reply = queued[0]["last_reply"].as_str()?.to_owned();
        (!reply.is_empty()).then_some(reply)
    });
    let why = why.to_lowercase();
    assert!(why.contains("dns lookup"), "the reason is clear: {why}");
    assert!(why.contains("far.example"), "{why}");
    assert!(
        !site
            .events(&["--kind", "delivery.deferred", "--address", &yamada.address])
            .is_empty()
    );

    let names = NameServer::start(server, "far.example", far.address);
    far.imap(&yamada).holds("INBOX", 1, SOON);
    site.drained(SOON);
    // A domain that the DNS says does not exist fails at once.
    let lost = Letter::new("lost", &tanaka.address, "nobody@nowhere.example");
    assert_eq!(
        session
            .send(&lost.from, &[&lost.to], &lost.content())
            .unwrap()
            .code,
        250
    );
    let mut imap = site.imap(&tanaka);
    imap.holds("INBOX", 1, SOON);
    let report = String::from_utf8(imap.fetch(1)).unwrap();
    assert!(
        report.contains("nowhere.example") && report.contains("5.1.2"),
        "{report}"
    );
    drop(names);
}

#[test]
fn queued_mail_is_held_released_retried_discarded_and_returned() {
    let mut site = Site::new("city.example");
    // Nobody listens there.
    site.route(
        "far.example",
        &format!("host = \"[{}]\", port = 9", site.address),
    );
    site.set("delivery", "retry = [\"1h\"]");
    site.serve();
    let tanaka = site.person("tanaka");
    let mut session = Session::submission(&site, &tanaka);
    for name in ["hold", "discard", "bounce"] {
        let out = Letter::new(name, &tanaka.address, &format!("{name}@far.example"));
        assert_eq!(
            session
                .send(&out.from, &[&out.to], &out.content())
                .unwrap()
                .code,
            250
        );
    }
    let list = |words: &[&str]| site.give(&[&["queue", "list"], words].concat());
    until("each was tried once", SOON, || {
        list(&[])
            .iter()
            .all(|row| row["attempts"].as_u64() >= Some(1))
            .then_some(())
    });
    assert_eq!(list(&["--domain", "far.example"]).len(), 3);
    assert_eq!(
        list(&[
            "--sender",
            &tanaka.address,
            "--recipient",
            "hold@far.example"
        ])
        .len(),
        1
    );
    assert_eq!(list(&["--older-than", "1h"]).len(), 0);
    assert_eq!(list(&["--identifier", &tanaka.address]).len(), 3);
    let refused = list(&[])[0]["last_reply"].as_str().unwrap().to_lowercase();
    assert!(
        refused.contains("refused"),
        "a refused socket is told of: {refused}"
    );

    let held = list(&["--recipient", "hold@far.example"])[0].clone();
    let id = held["id"].as_str().unwrap().to_owned();
    site.give(&["queue", "hold", &id]);
    assert_eq!(list(&["--state", "held"]).len(), 1);
    // Retrying everything tries what is not held.
    site.give(&["queue", "retry", "--all"]);
    until("the others are tried again", SOON, || {
        let again = list(&["--state", "waiting"]);
        (again.len() == 2 && again.iter().all(|row| row["attempts"].as_u64() >= Some(2)))
            .then_some(())
    });
    assert_eq!(list(&["--state", "held"])[0]["attempts"], held["attempts"]);
    // Released mail goes on with its schedule; a retry brings that forward.
    site.give(&["queue", "release", &id]);
    assert!(list(&["--state", "held"]).is_empty());
    site.give(&["queue", "retry", &id]);
    until("what was released is tried", SOON, || {
        (list(&["--recipient", "hold@far.example"])[0]["attempts"].as_u64() >= Some(2))
            .then_some(())
    });

    // Discarding demands a reason, and tells the sender nothing.
    assert_eq!(
        site.command(&["queue", "discard", "--recipient", "discard@far.example"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        site.command(&["queue", "discard", "--reason", "test"])
            .status
            .code(),
        Some(1),
        "nothing selected"
    );
    assert_eq!(list(&[]).len(), 3);
    site.give(&[
        "queue",
        "discard",
        "--recipient",
        "discard@far.example",
        "--reason",
        "phishing from inside",
    ]);
    site.give(&[
        "queue",
        "bounce",
        "--recipient",
        "bounce@far.example",
        "--reason",
        "the address is wrong",
    ]);
    let mut imap = site.imap(&tanaka);
    imap.holds("INBOX", 1, SOON);
    let report = String::from_utf8(imap.fetch(1)).unwrap();
    assert!(
        report.contains("bounce@far.example") && !report.contains("discard@far.example"),
        "{report}"
    );
    assert_eq!(list(&[]).len(), 1);
    let discarded = site.events(&["--kind", "queue.discarded"]);
    assert!(
        discarded[0].to_string().contains("phishing from inside"),
        "{discarded:?}"
    );
    // Whoever asks what became of mail for an address, or of a message, finds it.
    let about = site.events(&[
        "--kind",
        "queue.discarded",
        "--address",
        "discard@far.example",
    ]);
    assert_eq!(about, discarded);
    assert_eq!(discarded[0]["detail"]["sender"], tanaka.address.as_str());
    for kind in ["queue.held", "queue.released", "queue.retried"] {
        let found = site.events(&["--kind", kind, "--subject", &id]);
        assert!(!found.is_empty(), "{kind}");
    }
    assert_eq!(site.events(&["--kind", "queue.bounced"]).len(), 1);
    assert_eq!(
        site.imap(&tanaka).select("INBOX"),
        1,
        "discarding told nobody"
    );
    site.give(&["queue", "show", &id]);
}

#[test]
fn settings_errors_point_at_their_line() {
    let site = Site::new("city.example");
    let good = site.settings();
    let lines = good.lines().count();
    for (line, word) in [
        ("mesage_size = \"1MiB\"", "mesage_size"),
        ("message_size = \"1 parsec\"", "parsec"),
        ("recipients = \"many\"", "many"),
        ("recipients = -1", "-1"),
    ] {
        site.write_settings(&good);
        site.set("limits", line);
        let at = site.settings().lines().position(|l| l == line).unwrap() + 1;
        assert!(at < lines + 2);
        let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .word("serve")
            .word(site.path())
            .run();
        assert_eq!(told.output.status.code(), Some(1));
        let told = told.text();
        assert!(
            told.contains(&format!("kakitome.toml:{at}")),
            "line {at} for {line:?}: {told}"
        );
        assert!(told.contains(word), "{told}");
    }
    std::fs::write(site.path().join("keys/nothing"), "").unwrap();
    for (section, line) in [
        ("submission", "unauthenticated_networks = [\"0.0.0.0/0\"]"),
        ("submission", "unauthenticated_networks = [\"::/0\"]"),
        ("delivery", "retry = []"),
        ("exchange", "mailbox_server = { host = \"mb.example\" }"),
        // Impossible together, or by themselves.
        ("limits", "message_size = \"1GiB\""),
        ("limits", "recipients = 0"),
        ("limits", "smtp_connections = 0"),
        ("limits", "command_time = \"0s\""),
        ("delivery", "concurrency = 0"),
        ("delivery", "concurrency_per_destination = 0"),
        ("directory", "argon2_passes = 0"),
        ("directory", "argon2_memory = \"4KiB\""),
        ("directory", "tag_separator = \"abc\""),
        ("listen", "imap = 20025"),
        ("listen", "metrics = 20025"),
        // Files that are not there, or hold nothing.
        (
            "delivery",
            "smarthost = { host = \"relay.example\", identity = \"us\", password_file = \"keys/none\" }",
        ),
        (
            "delivery",
            "smarthost = { host = \"relay.example\", identity = \"us\", password_file = \"keys/nothing\" }",
        ),
        (
            "delivery.route",
            "\"far.example\" = { host = \"mx.far.example\", ca_file = \"keys/none\" }",
        ),
        (
            "delivery.route",
            "\"far.example\" = { host = \"mx.far.example\", ca_file = \"keys/nothing\" }",
        ),
    ] {
        site.write_settings(&good);
        site.unset("unauthenticated_networks");
        site.set(section, line);
        let at = site.settings().lines().position(|l| l == line).unwrap() + 1;
        let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .word("serve")
            .word(site.path())
            .run()
            .text();
        assert!(
            told.contains(&format!("kakitome.toml:{at}")),
            "line {at} for {line:?}: {told}"
        );
        // `check` says the same, and programs need not read it out of the text.
        let checked = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .words(["check", "--json"])
            .word(site.path())
            .run();
        assert_eq!(checked.output.status.code(), Some(1), "{line:?}");
        let error: Value = serde_json::from_slice(&checked.output.stderr).unwrap();
        assert_eq!(error["line"], at, "{line:?}: {error}");
        assert!(error["file"].as_str().unwrap().ends_with("kakitome.toml"));
        assert!(!error["error"].as_str().unwrap().is_empty());
    }
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let site = Site::served("city.example");
    let usage = |words: &[&str]| {
        let output = site.command(words);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        told
    };
    // All is all: whoever names something besides means something else.
    for command in ["discard", "list", "hold", "release", "retry", "bounce"] {
        for more in [
            &["--domain", "spam.example"][..],
            &["--sender", "<>"],
            &["--recipient", "a@spam.example"],
            &["--older-than", "4h"],
            &["--state", "held"],
            &["--identifier", "a@city.example"],
            &["0123456789"],
        ] {
            let mut words = [&["queue", command, "--all"], more].concat();
            if command == "discard" {
                words.extend(["--reason", "spam"]);
            }
            usage(&words);
        }
    }
    for domain in ["no domain", "under..dots", "-", "例え。。jp"] {
        let told = usage(&["queue", "list", "--domain", domain]);
        assert!(told.contains("no domain"), "{told}");
    }
    site.give(&["queue", "list", "--domain", "例え.jp"]);
    site.give(&["queue", "list", "--domain", "relay.example:587"]);
    let nowhere = Command::new(env!("CARGO_BIN_EXE_kakitome"))
        .arg("status")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("-C DIR"));
}

#[test]
fn every_command_answers_in_json_when_asked() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    for words in [
        &["verify"][..],
        &["person", "role", "grant", "tanaka", "administrator"],
        &["account", "suspend", &tanaka.address, "--reason", "a story"],
    ] {
        let told = site.give(words);
        assert_eq!(told.len(), 1, "{words:?}: {told:?}");
        assert!(told[0].is_object());
    }
    assert!(site.give(&["queue", "list"]).is_empty(), "an empty list");
    let directory = site.beside("another");
    let made = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["init", "--json", "--domain", "other.example"])
        .word(&directory)
        .succeeds();
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["hostname"], "mail.other.example");
    assert_eq!(made["person"], support::site::me());
}

#[test]
fn a_reload_with_a_broken_file_keeps_the_old_settings() {
    let mut site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let size = |site: &Site| {
        let session = site.smtp();
        session
            .extensions
            .iter()
            .find_map(|word| word.strip_prefix("SIZE ").map(str::to_owned))
            .unwrap()
    };
    let before = size(&site);
    let good = site.settings();
    site.set("limits", "message_size = \"broken\"");
    site.server().signal(Signal::HUP);
    until("the operator is told", SOON, || {
        site.log()
            .contains("the old ones stay in force")
            .then_some(())
    });
    assert_eq!(size(&site), before);
    assert_eq!(send(&site, &letter("still", &tanaka)), 250);

    site.write_settings(&good);
    site.set("limits", "message_size = \"1MiB\"");
    site.server().signal(Signal::HUP);
    until("the new size is in force", SOON, || {
        (size(&site) == "1048576").then_some(())
    });
    let large = Letter::large(
        "large",
        "friend@elsewhere.example",
        &tanaka.address,
        2 << 20,
    );
    assert_eq!(send(&site, &large), 552);
    assert_eq!(site.events(&["--kind", "settings.loaded"]).len(), 2);
    site.stop();
}

#[test]
fn a_second_server_and_a_taken_port_are_told_of() {
    let mut site = Site::served("city.example");
    let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .word("serve")
        .word(site.path())
        .fails();
    assert!(
        told.contains("store"),
        "another server has the store: {told}"
    );
    let other = Site::new("other.example");
    let text = other
        .settings()
        .replace(&other.address.to_string(), &site.address.to_string());
    other.write_settings(&text);
    let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .word("serve")
        .word(other.path())
        .fails();
    assert!(told.contains("20025") && told.contains("smtp"), "{told}");
    assert!(site.server().is_running());
    let output = Command::new(env!("CARGO_BIN_EXE_kakitome"))
        .arg("init")
        .arg(site.path())
        .args(["--domain", "again.example"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "an installation is never overwritten"
    );
}
