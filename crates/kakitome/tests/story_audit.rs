//! The trail is watched by others than those who rule the machine: a checkpoint is kept elsewhere, volumes are sealed, exported and
//! verified by two programs that have nothing but the public key, and whatever is done to either is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use support::{Letter, Program, Site, imap, site, until};

/// What the first run waits for, and takes.
const DAILY: Duration = Duration::from_secs(90);

/// A site whose trail has events of mail.
fn busy_site() -> Site {
    let site = Site::served("example.jp");
    let person = site.person("hanako");
    for n in 0..3 {
        let letter = Letter::new(
            &format!("letter-{n}"),
            "friend@elsewhere.example",
            &person.address,
        );
        let sent = site
            .smtp()
            .send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(sent.unwrap().code, 250);
    }
    site
}

/// Kakitome itself, without any site, on a volume.
fn offline(volumes: &[&Path], key: &str, more: &[&str]) -> Program {
    let program =
        Program::new(env!("CARGO_BIN_EXE_kakitome")).words(["audit", "verify", "--key", key]);
    let program = volumes.iter().fold(program, |program, volume| {
        program.word("--offline").word(volume)
    });
    program.words(more)
}

/// The other verifier, which shares nothing with Kakitome but the description of the format.
fn other(volumes: &[&Path], key: &str, more: &[&str]) -> Program {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_trail.py");
    Program::new("python3")
        .word(script)
        .words(["--key", key])
        .words(more)
        .words(volumes)
}

/// Runs SQL on the database of a site that is not served.
#[track_caller]
fn sql(site: &Site, statement: &str) {
    let script = "import sqlite3, sys\n\
                  handle = sqlite3.connect(sys.argv[1])\n\
                  handle.execute(sys.argv[2])\n\
                  assert handle.total_changes > 0\n\
                  handle.commit()\n";
    Program::new("python3")
        .words(["-c", script])
        .word(site.path().join("store.db"))
        .word(statement)
        .succeeds();
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

#[test]
fn volumes_are_verified_by_those_who_have_the_key_alone() {
    let site = busy_site();
    let witness = site.beside("checkpoint.txt");
    let witness = witness.to_str().unwrap();
    let given = site
        .give(&["audit", "checkpoint", "--to", witness])
        .pop()
        .unwrap();
    let key = text(&given, "key");
    assert_eq!(
        fs::read_to_string(witness).unwrap(),
        text(&given, "checkpoint")
    );
    assert!(
        key.starts_with(&format!("{}/trail-", site.hostname())),
        "{key}"
    );
    // As typed elsewhere than where the server runs.
    for word in ["--to=later.txt", "--to"] {
        let program =
            Program::new(env!("CARGO_BIN_EXE_kakitome")).within(site.beside("").as_path());
        let program = program
            .word("-C")
            .word(site.path())
            .words(["audit", "checkpoint", word]);
        match word {
            "--to" => program.word("latest.txt").succeeds(),
            _ => program.succeeds(),
        };
    }
    assert!(site.beside("later.txt").exists() && site.beside("latest.txt").exists());
    site.give(&["audit", "verify", "--witness", witness]);

    let accepted = site.events(&["--kind", "smtp.accepted"]).pop().unwrap();
    let proof = site
        .give(&["audit", "prove", &accepted["id"].to_string()])
        .pop()
        .unwrap();
    assert!(text(&proof, "event").contains("\"kind\":\"smtp.accepted\""));
    assert!(text(&proof, "checkpoint").contains(&site.hostname()));
    assert!(site.refused(&["audit", "prove", "7"]).contains("event 7"));

    let status = site.give(&["status"]).pop().unwrap();
    assert!(status["trail_events"].as_u64().unwrap() > 5, "{status}");
    assert!(
        status["trail_bytes_a_year"].as_u64().unwrap() > 365 * 1000,
        "{status}"
    );
    assert!(
        !status["attention"].to_string().contains("medium"),
        "{status}"
    );
    let grown = site
        .give(&["audit", "prove-growth", witness])
        .pop()
        .unwrap();
    assert!(
        grown["events"].as_u64() > grown["since"].as_u64(),
        "{grown}"
    );
    assert!(!grown["path"].as_array().unwrap().is_empty());
    let sealed = site.give(&["audit", "seal"]).pop().unwrap();
    let status = site.give(&["status"]).pop().unwrap();
    assert!(
        status["attention"].to_string().contains("volume 1"),
        "{status}"
    );
    assert_eq!(sealed["volume"], 1);
    site.give(&["audit", "seal"]);
    let places = [site.beside("medium/1"), site.beside("medium/2")];
    fs::create_dir(site.beside("medium")).unwrap();
    for (number, place) in ["1", "2"].iter().zip(&places) {
        let words = ["audit", "export", number, "--to", place.to_str().unwrap()];
        let custody = [
            "--medium",
            "DVD-R 0007",
            "--place",
            "金庫 A",
            "--key-holder",
            "佐藤",
        ];
        let exported = site.give(&[&words[..], &custody].concat()).pop().unwrap();
        assert!(exported["events"].as_u64().unwrap() > 0, "{exported}");
    }
    let status = site.give(&["status"]).pop().unwrap();
    assert!(
        !status["attention"].to_string().contains("medium"),
        "{status}"
    );
    let inside = site.path().join("volume");
    site.refused(&["audit", "export", "1", "--to", inside.to_str().unwrap()]);
    site.refused(&[
        "audit",
        "export",
        "9",
        "--to",
        site.beside("9").to_str().unwrap(),
    ]);
    site.give(&[
        "audit",
        "custody",
        "add",
        "1",
        "--medium",
        "DVD-R 0007",
        "--place",
        "金庫 B",
        "--key-holder",
        "鈴木",
    ]);
    let early = site.refused(&["audit", "decide", "1", "--erase", "--reason", "room"]);
    assert!(early.contains("4.2(3)"), "{early}");
    site.give(&[
        "audit",
        "decide",
        "1",
        "--extend",
        "2040-01-01",
        "--reason",
        "a lawsuit",
    ]);
    let told = site.events(&["--kind", "audit.decided"]).pop().unwrap();
    assert_eq!(told["detail"]["decision"], "extend");
    let custody = site.give(&["audit", "custody", "list", "--volume", "1"]);
    assert_eq!(custody.len(), 2);
    assert_eq!(text(&custody[1], "place"), "金庫 B");
    assert_eq!(site.give(&["audit", "volumes"]).len(), 2);
    for (kind, count) in [
        ("audit.sealed", 2),
        ("audit.exported", 2),
        ("audit.custody", 3),
    ] {
        assert_eq!(site.events(&["--kind", kind]).len(), count, "{kind}");
    }

    let volumes = [places[0].as_path(), places[1].as_path()];
    let whole = offline(&volumes, key, &["--witness", witness]).succeeds();
    assert_eq!(whole.matches("is what was written").count(), 2, "{whole}");
    let whole = other(&volumes, key, &["--witness", witness]).succeeds();
    assert_eq!(whole.matches("is what was written").count(), 2, "{whole}");
    // The key on the medium is not taken for it.
    assert!(
        offline(&volumes[..1], "x", &[])
            .fails()
            .contains("name+id+key")
    );

    // Somebody changes one letter of one event, and packs it again.
    let change = "import gzip, sys\n\
                  data = gzip.open(sys.argv[1]).read()\n\
                  changed = data.replace(b'friend@', b'fiend@@', 1)\n\
                  assert changed != data\n\
                  gzip.open(sys.argv[1], 'wb').write(changed)\n";
    Program::new("python3")
        .words(["-c", change])
        .word(places[0].join("events.gz"))
        .succeeds();
    for program in [offline(&volumes, key, &[]), other(&volumes, key, &[])] {
        let told = program.fails();
        assert_eq!(told.matches("was changed").count(), 1, "{told}");
        assert_eq!(told.matches("the file events.gz").count(), 1, "{told}");
    }
}

#[test]
fn what_is_done_to_the_trail_of_a_site_is_named() {
    let mut site = busy_site();
    let witness = site.beside("checkpoint.txt");
    let witness = witness.to_str().unwrap();
    site.give(&["audit", "checkpoint", "--to", witness]);
    let victim = site.events(&["--kind", "smtp.accepted"]).pop().unwrap();
    let victim = victim["id"].to_string();
    site.stop();
    sql(
        &site,
        &format!("UPDATE event SET actor = 'person:nobody' WHERE id = {victim}"),
    );
    site.serve();
    let told = site.command(&["audit", "verify"]);
    assert_eq!(told.status.code(), Some(1));
    let rows = String::from_utf8(told.stdout).unwrap();
    let rows: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let faults: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["fault"].as_str())
        .collect();
    assert_eq!(faults, ["event-altered"], "{rows:?}");
    site.give(&["status"]);
    assert_eq!(
        site.events(&["--kind", "audit.verified", "--result", "failure"])
            .len(),
        1
    );

    // All that tells of the end is taken away; only what was kept elsewhere knows.
    site.stop();
    let cut = "DELETE FROM event WHERE id > (SELECT min(id) FROM event)";
    for statement in [cut, "DELETE FROM tree_tile", "DELETE FROM checkpoint"] {
        sql(&site, statement);
    }
    site.serve();
    site.give(&["audit", "verify"]);
    let told = site.command(&["audit", "verify", "--witness", witness]);
    assert_eq!(told.status.code(), Some(1));
    let rows = String::from_utf8(told.stdout).unwrap();
    assert!(rows.contains("\"fault\":\"witness\""), "{rows}");
}

#[test]
fn the_trail_is_verified_every_day_by_itself() {
    let mut site = Site::new("example.jp");
    site.unset("verify = false");
    site.serve();
    let told = until("the trail is verified", DAILY, || {
        let told = site.events(&["--kind", "audit.verified"]);
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told[0]["actor"], "system", "{told:?}");
    assert_eq!(told[0]["result"], "success", "{told:?}");
    assert_eq!(told[0]["detail"]["findings"], 0, "{told:?}");
    let clause = site.give(&["clause", "show", "4.2-1-a"]).remove(0);
    let ways = clause["ways"].as_array().unwrap();
    let way = ways.iter().find(|way| way["by"] == "trail-unbroken");
    assert_eq!(way.unwrap()["state"], "met", "{clause}");
}

#[test]
fn attacks_are_told_by_patterns_and_reviewed_by_a_document() {
    let mut site = Site::new("example.jp");
    site.set("directory", "free_failures = 100");
    site.serve();
    let person = site.person("hanako");
    // Three tries to relay, in one session.
    let mut smtp = site.smtp();
    smtp.expect("MAIL FROM:<friend@elsewhere.example>", 250);
    for n in 0..3 {
        smtp.expect(&format!("RCPT TO:<victim{n}@third.example>"), 550);
    }
    // Twelve wrong passwords, for the identifier in one spelling or another, and then the right one.
    let spellings = [person.address.clone(), "HANAKO".to_owned()];
    for n in 0..12 {
        let mut imap = imap::Session::open_tls(&site, site::IMAPS);
        let claimed = &spellings[n % spellings.len()];
        let refused = imap.give(&format!("LOGIN \"{claimed}\" \"guess-{n}\""));
        assert!(!refused.is_ok());
    }
    imap::Session::open_tls(&site, site::IMAPS).login(&person);

    let finds = site.give(&["audit", "analyse"]);
    let patterns: Vec<&str> = finds
        .iter()
        .filter_map(|find| find["pattern"].as_str())
        .collect();
    assert_eq!(
        patterns,
        ["success-after-failures", "guessing", "relaying"],
        "{finds:?}"
    );
    assert_eq!(finds[1]["count"], 12);
    assert_eq!(finds[1]["service"], "MRA");
    assert_eq!(finds[1]["identifiers"][0], person.address.as_str());
    // Each leads to its events.
    for find in finds.iter().filter(|find| find.get("pattern").is_some()) {
        let words: Vec<&str> = text(find, "search").split_whitespace().collect();
        let events = site.give(&words);
        let shown: Vec<i64> = events
            .iter()
            .filter_map(|event| event["id"].as_i64())
            .collect();
        let named = find["events"].as_array().unwrap();
        assert!(
            named.iter().all(|id| shown.contains(&id.as_i64().unwrap())),
            "{find}: {events:?}"
        );
        // And one of them by its number alone.
        let id = named.first().unwrap().to_string();
        let alone = site.give(&["audit", "search", "--id", &id]);
        assert_eq!(alone.len(), 1, "{alone:?}");
        assert_eq!(alone[0]["id"].to_string(), id);
    }
    // The failures are reached from the success that came of them.
    assert_eq!(finds[0]["events"].as_array().unwrap().len(), 10);
    assert_eq!(finds[0]["first"], finds[1]["first"], "{finds:?}");
    assert!(
        site.events(&["--kind", "audit.read"])
            .iter()
            .any(|event| !event["detail"]["analysis"].is_null())
    );

    let file = site.beside("review.html");
    let words = ["audit", "report", "--file", file.to_str().unwrap()];
    let made = site.give(&words).pop().unwrap();
    assert_eq!(made["finds"], 3);
    let document = fs::read_to_string(&file).unwrap();
    let search = text(&finds[0], "search");
    assert!(document.contains(search), "{search} in {document}");
    for said in [
        "証跡点検報告書",
        "パスワードの試行",
        "authentication.failed",
        person.address.as_str(),
        "/trail-",
    ] {
        assert!(document.contains(said), "{said}");
    }
    let digest = Program::new("sha256sum").word(&file).succeeds();
    assert!(digest.starts_with(text(&made, "sha256")));
    let told = site.events(&["--kind", "audit.reviewed"]).pop().unwrap();
    assert_eq!(told["detail"]["sha256"], made["sha256"]);
    // What is there is not written over.
    assert_eq!(site.command(&words).status.code(), Some(1));
    let file = site.beside("review.txt");
    site.give(&[
        "audit",
        "report",
        "--format",
        "text",
        "--lang",
        "en",
        "--file",
        file.to_str().unwrap(),
    ]);
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("many failures against one identifier")
    );
    let backwards = [
        "audit",
        "analyse",
        "--from",
        "2026-02-01",
        "--to",
        "2026-01-01",
    ];
    assert_eq!(site.command(&backwards).status.code(), Some(2));
}

#[test]
fn checkpoints_are_mailed_to_a_witness() {
    let mut site = Site::served("city.example");
    let keeper = site.person("keeper");
    site.stop();
    site.set("audit", "witnesses = [\"keeper@city.example\"]");
    site.serve();
    let mut inbox = site.imap(&keeper);
    inbox.holds("INBOX", 1, Duration::from_secs(30));
    // Saved as a mail program saves it, with the mail's line ends.
    let saved = site.beside("saved.txt");
    let text = Program::python("text_of.py")
        .input(inbox.fetch(1))
        .succeeds();
    let (subject, note) = text.split_once('\n').unwrap();
    assert!(
        subject.contains("checkpoint of the audit trail"),
        "{subject}"
    );
    fs::write(&saved, note.replace("\r\n", "\n").replace('\n', "\r\n")).unwrap();
    let saved = saved.display().to_string();
    site.give(&["audit", "verify", "--witness", &saved]);
    let sent = site.events(&["--kind", "audit.checkpoint"]);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["detail"]["recipients"][0], "keeper@city.example");
    // Not again with each start.
    site.stop();
    site.serve();
    site.give(&["audit", "verify", "--witness", &saved]);
    assert_eq!(site.events(&["--kind", "audit.checkpoint"]).len(), 1);
}

#[test]
fn a_change_of_settings_is_told_with_what_was_before() {
    let mut site = Site::served("city.example");
    site.stop();
    site.set("audit", "retain_years = 3");
    site.serve();
    // The doors are open before it is told.
    let loaded = until("the change to be told", Duration::from_secs(30), || {
        let loaded = site.events(&["--kind", "settings.loaded"]);
        (loaded.len() >= 2).then_some(loaded)
    });
    let [first, second] = loaded.as_slice() else {
        panic!("{loaded:?}");
    };
    let hostname = &first["detail"]["changes"]["server.hostname"];
    assert_eq!(hostname["before"], Value::Null);
    let expected = serde_json::json!({ "audit.retain_years": { "before": null, "after": 3 } });
    assert_eq!(second["detail"]["changes"], expected);
    // What the regulation's own parameters are, somebody ordered.
    site.stop();
    site.set("regulation", "parameters = { trail-review = 1 }");
    site.set(
        "regulation",
        "ordered_by = \"system officer chief, 2026-11-28\"",
    );
    site.serve();
    let loaded = until("the order to be told", Duration::from_secs(30), || {
        let loaded = site.events(&["--kind", "settings.loaded"]);
        (loaded.len() >= 3).then_some(loaded)
    });
    let detail = &loaded[2]["detail"];
    assert_eq!(detail["ordered_by"], "system officer chief, 2026-11-28");
    assert_eq!(
        detail["changes"]["regulation.parameters.trail-review"]["after"], 1,
        "{detail}"
    );
    // The same words are no order for what they were not written with.
    let asked = |site: &Site| site.give(&["status"])[0]["attention"].to_string();
    let as_ordered = site.settings();
    site.write_settings(&as_ordered.replace("trail-review = 1", "trail-review = 6"));
    site.reload();
    let last = |site: &Site| {
        let mut loaded = site.events(&["--kind", "settings.loaded"]);
        loaded.pop().unwrap()["detail"].take()
    };
    let detail = last(&site);
    assert_eq!(detail["unordered"], true, "{detail}");
    assert_eq!(detail["ordered_by"], Value::Null);
    assert!(site.log().contains("nobody is named who ordered that"));
    let attention = asked(&site);
    assert!(
        attention.contains("regulation.parameters.trail-review"),
        "{attention}"
    );
    // A start changes nothing about it.
    site.stop();
    site.serve();
    until("status to tell it again", Duration::from_secs(30), || {
        asked(&site).contains("trail-review").then_some(())
    });
    site.write_settings(&as_ordered);
    site.reload();
    let detail = last(&site);
    assert_eq!(detail["ordered_by"], "system officer chief, 2026-11-28");
    assert_eq!(detail["unordered"], Value::Null);
    assert!(!asked(&site).contains("trail-review"));
}

/// What cannot be meant is refused, says why, changes nothing, and is on record; and no text brings in what nobody sees.
#[test]
fn words_that_cannot_be_meant_are_on_record_too() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let long = "x".repeat(804);
    let turned = "shelf\n\u{202e}4";
    let custody = [
        "audit",
        "custody",
        "add",
        "1",
        "--place",
        "safe",
        "--key-holder",
        "sato",
    ];
    site.give(&["audit", "seal"]);
    let decide = ["audit", "decide", "1", "--extend", "2090-01-01"];
    let discard = ["queue", "discard", "--all"];
    let gone = ["backups", "gone", "--missing"];
    let cases: Vec<Vec<&str>> = vec![
        vec![
            "order",
            "issue",
            "--for",
            "tanaka",
            "--address",
            "not an address",
        ],
        vec!["account", "alias", &tanaka.address, "bad address"],
        vec!["register", "list", "--at", "nonsense"],
        vec!["person", "role", "grant", "tanaka", "emperor"],
        [&custody[..], &["--medium", &long]].concat(),
        [&custody[..], &["--medium", turned]].concat(),
        [&decide[..], &["--reason", turned]].concat(),
        [&decide[..], &["--reason", &long]].concat(),
        [&discard[..], &["--reason", turned]].concat(),
        [&gone[..], &["--reason", &long]].concat(),
        vec!["account", "suspend", &tanaka.address, "--reason", &long],
        vec!["person", "add", &long],
    ];
    let count = || {
        let refused = ["--kind", "command.given", "--result", "refused"];
        site.events(&refused).len()
    };
    for words in cases {
        let before = count();
        let ran = site.command(&words);
        assert!(!ran.status.success(), "{words:?}");
        assert_eq!(count(), before + 1, "{words:?}");
    }
    assert!(site.give(&["audit", "custody", "list"]).is_empty());
}
