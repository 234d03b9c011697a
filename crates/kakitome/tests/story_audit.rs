//! The trail is watched by others than those who rule the machine: a checkpoint is kept elsewhere, volumes are sealed, exported and
//! verified by two programs that have nothing but the public key, and whatever is done to either is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::{Letter, Program, Site};

/// A site whose trail has events of mail.
fn site() -> Site {
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
    let site = site();
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
    site.give(&["audit", "verify", "--witness", witness]);

    let accepted = site.events(&["--kind", "smtp.accepted"]).pop().unwrap();
    let proof = site
        .give(&["audit", "prove", &accepted["id"].to_string()])
        .pop()
        .unwrap();
    assert!(text(&proof, "event").contains("\"kind\":\"smtp.accepted\""));
    assert!(text(&proof, "checkpoint").contains(&site.hostname()));
    assert!(site.refused(&["audit", "prove", "7"]).contains("event 7"));

    let sealed = site.give(&["audit", "seal"]).pop().unwrap();
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
    let mut site = site();
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
