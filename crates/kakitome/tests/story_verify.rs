//! A store is damaged: `verify` says what is wrong and what a repair would do, and changes nothing; `--repair` mends
//! what can be mended, with an event each; what cannot be is named, and left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::fs::FileExt as _, process::Command};

use serde_json::Value;
use support::{Letter, Person, Site, load};

/// Runs SQL on the database of a site that is not served; what the last statement says.
#[track_caller]
fn sql(site: &Site, statements: &[&str]) -> Vec<i64> {
    let script = "import sqlite3, sys\n\
                  handle = sqlite3.connect(sys.argv[1])\n\
                  rows = []\n\
                  for statement in sys.argv[2:]:\n    rows = handle.execute(statement).fetchall()\n\
                  handle.commit()\n\
                  print(*[cell for row in rows for cell in row])\n";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(site.path().join("store.db"))
        .args(statements)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect()
}

/// `verify`, with what it found.
#[track_caller]
fn verify(site: &Site, words: &[&str]) -> (bool, Vec<Value>) {
    let all: Vec<&str> = ["verify"]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    let output = site.command(&all);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    // Where nothing is found, one line says that it was done.
    let findings = rows.filter(|row: &Value| row.get("fault").is_some());
    (output.status.success(), findings.collect())
}

fn faults(findings: &[Value]) -> Vec<&str> {
    let mut faults: Vec<&str> = findings
        .iter()
        .map(|finding| finding["fault"].as_str().unwrap())
        .collect();
    faults.sort_unstable();
    faults.dedup();
    faults
}

#[track_caller]
fn deliver(site: &Site, person: &Person, count: usize) {
    for n in 0..count {
        let letter = Letter::new(
            &format!("letter-{n}"),
            "friend@elsewhere.example",
            &person.address,
        );
        let reply = site
            .smtp()
            .send(&letter.from, &[&letter.to], &letter.content())
            .unwrap();
        assert_eq!(reply.code, 250);
    }
}

/// Overwrites a byte of the body that is UID 3 of the INBOX.
fn damage_a_body(site: &Site) {
    let place = sql(
        site,
        &["SELECT b.segment, b.start FROM message m JOIN mailbox x ON x.id = m.mailbox JOIN body b ON b.id = m.body
           WHERE x.name = 'INBOX' AND m.uid = 3"],
    );
    let path = site.path().join(format!("segments/{:08}.seg", place[0]));
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let at = u64::try_from(place[1]).unwrap() + 70;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn damage_is_named_and_mended_without_loss() {
    let mut site = Site::served("city.example");
    let person = site.person("tanaka");
    deliver(&site, &person, 6);
    assert_eq!(verify(&site, &[]), (true, Vec::new()));
    site.stop();

    sql(
        &site,
        &[
            "UPDATE mailbox SET messages = messages + 3, uid_next = 1 WHERE name = 'INBOX'",
            "UPDATE body_owner SET refs = 5 WHERE body = (SELECT min(body) FROM email)",
            "DELETE FROM message WHERE email = (SELECT max(id) FROM email)",
            "INSERT INTO subscription VALUES (4711, 'nobody')",
        ],
    );
    site.serve();
    // What the account uses is wrong until its mailboxes are counted anew.
    let expected = [
        "account-orphans",
        "email-unseen",
        "mailbox-counters",
        "reference-count",
        "uid-next",
        "usage",
    ];
    let (well, findings) = verify(&site, &[]);
    assert!(!well);
    assert_eq!(faults(&findings), expected, "{findings:?}");
    for finding in &findings {
        assert!(
            finding["repair"].as_str().unwrap().starts_with("--repair "),
            "{finding}"
        );
        assert_eq!(finding["repairable"], true);
    }
    assert_eq!(verify(&site, &[]), (false, findings), "nothing was changed");

    let (well, findings) = verify(&site, &["--repair"]);
    assert!(well, "{findings:?}");
    assert!(findings.iter().all(|finding| finding["repaired"] == true));
    assert_eq!(verify(&site, &[]), (true, Vec::new()));
    let events = site.events(&["--kind", "store.repaired"]);
    assert_eq!(events.len(), findings.len());
    for event in &events {
        assert!(event["detail"]["found"].is_string(), "{event}");
        assert!(event["actor"].to_string().contains("person"), "{event}");
    }
    // The message that no mailbox held is back, and new mail has UIDs of its own.
    let mut session = site.imap(&person);
    assert_eq!(session.select("Recovered"), 1);
    assert_eq!(load::inbox(&site, &person).len(), 5);
    deliver(&site, &person, 1);
    site.imap(&person)
        .holds("INBOX", 6, std::time::Duration::from_secs(20));
    site.stop();

    damage_a_body(&site);
    site.serve();
    for words in [&[][..], &["--repair"]] {
        let (well, findings) = verify(&site, words);
        assert!(!well);
        assert_eq!(faults(&findings), ["body-damaged"], "{findings:?}");
        let told = findings[0]["finding"].as_str().unwrap();
        for word in ["tanaka@city.example", "INBOX, UID 3", "came with event"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(findings[0]["repair"].as_str().unwrap().contains("backup"));
    }
    let mut session = site.imap(&person);
    assert_eq!(session.select("INBOX"), 6, "nothing is deleted");
    site.stop();
}
