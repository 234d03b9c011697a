//! A site is backed up while mail comes in, lost, and restored: all mail that was acknowledged before the backup began
//! is there once, as it was; mail programs are told to fetch anew; and the restored site goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use serde_json::Value;

use support::{
    Letter, Person, Site,
    load::{self, LOAD_TIME, Sent},
    smtp::Session,
    until,
};

const PEOPLE: usize = 3;
const LETTERS: usize = 1500;

/// UIDVALIDITY of a mailbox.
#[track_caller]
fn validity(site: &Site, person: &Person, mailbox: &str) -> u32 {
    let answer = site
        .imap(person)
        .ok(&format!("STATUS {mailbox} (UIDVALIDITY)"));
    let text = answer.text().concat();
    let digits: String = text
        .split("UIDVALIDITY ")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// EMAILIDs of an INBOX.
fn emails(site: &Site, person: &Person) -> BTreeSet<String> {
    let mut session = site.imap(person);
    session.select("INBOX");
    let answer = session.ok("FETCH 1:* (EMAILID)");
    let texts = answer.text();
    texts
        .iter()
        .filter_map(|line| {
            Some(
                line.split("EMAILID (")
                    .nth(1)?
                    .split(')')
                    .next()?
                    .to_owned(),
            )
        })
        .collect()
}

/// What the load has sent, when the backup began and at the end.
fn backed_up_under_load(
    site: &Site,
    people: &[Person],
    backup: &str,
) -> (Vec<Letter>, Vec<Letter>) {
    let sent = Sent::default();
    thread::scope(|scope| {
        scope.spawn(|| load::send(site.address, people, "load", 10, LETTERS, &sent));
        until("some is acknowledged", LOAD_TIME, || {
            (sent.count() >= 200).then_some(())
        });
        let before = sent.acknowledged.lock().unwrap().clone();
        let told = site.give(&["backup", backup]);
        assert!(told[0]["bytes"].as_u64().unwrap() > 0);
        assert!(sent.count() < LETTERS, "the backup came too late to matter");
        before
    });
    let all = sent.acknowledged.into_inner().unwrap();
    (all[..200].to_vec(), all)
}

#[track_caller]
fn check(
    site: &Site,
    person: &Person,
    before: &[Letter],
    all: &[Letter],
) -> BTreeMap<String, Vec<u32>> {
    let found = load::inbox(site, person);
    let own = |letters: &[Letter]| -> BTreeSet<String> {
        let mine = letters.iter().filter(|letter| letter.to == person.address);
        mine.map(Letter::digest).collect()
    };
    for digest in own(before) {
        assert!(
            found.contains_key(&digest),
            "acknowledged before the backup, and lost"
        );
    }
    let sent = own(all);
    for (digest, uids) in &found {
        assert_eq!(uids.len(), 1);
        assert!(sent.contains(digest), "nobody sent this");
    }
    found
}

#[test]
fn a_backup_under_load_is_restored_with_all_that_was_acknowledged() {
    let mut site = Site::served("city.example");
    let people: Vec<Person> = (0..PEOPLE)
        .map(|n| site.person(&format!("person{n}")))
        .collect();
    let backup = site.beside("backup");
    let (before, all) = backed_up_under_load(&site, &people, backup.to_str().unwrap());
    let why = site.refused(&["backup", backup.to_str().unwrap()]);
    assert!(why.contains("is not empty"), "{why}");
    let events = site.events(&["--kind", "store.backed-up"]);
    assert_eq!(events.len(), 1, "{events:?}");
    // After the backup: mail, and what mail programs remember of it.
    let last = Letter::new(
        "after-the-backup",
        "friend@elsewhere.example",
        &people[0].address,
    );
    let reply = site
        .smtp()
        .send(&last.from, &[&last.to], &last.content())
        .unwrap();
    assert_eq!(reply.code, 250);
    let seen = emails(&site, &people[0]);
    let old: Vec<u32> = people
        .iter()
        .map(|person| validity(&site, person, "INBOX"))
        .collect();
    let old_inbox = load::inbox(&site, &people[0]);
    site.stop();

    assert!(
        !backup.join("index").exists(),
        "the indexes are no part of a backup"
    );
    let mut restored = site.restored(&backup, &[]);
    restored.serve();
    restored.give(&["verify"]);
    for (person, old) in people.iter().zip(&old) {
        let found = check(&restored, person, &before, &all);
        assert!(!found.is_empty());
        assert!(validity(&restored, person, "INBOX") > *old);
        assert!(validity(&restored, person, "Sent") > *old);
    }
    assert!(old_inbox.contains_key(&last.digest()));
    assert!(!load::inbox(&restored, &people[0]).contains_key(&last.digest()));
    let events = restored.events(&["--kind", "store.restored"]);
    assert_eq!(events.len(), 1);
    assert!(events[0]["detail"]["mailboxes-renewed"].as_u64().unwrap() >= 3);
    // What comes now has names that nothing had before, the lost mail neither.
    let kept = emails(&restored, &people[0]);
    let next = Letter::new(
        "after-the-restore",
        "friend@elsewhere.example",
        &people[0].address,
    );
    let reply = restored
        .smtp()
        .send(&next.from, &[&next.to], &next.content())
        .unwrap();
    assert_eq!(reply.code, 250);
    let now = emails(&restored, &people[0]);
    let new: Vec<&String> = now.difference(&kept).collect();
    assert_eq!(new.len(), 1);
    assert!(!seen.contains(new[0]), "an id was given twice");
    assert!(seen.iter().all(|old| old < new[0]));
    restored.give(&["verify"]);
    restored.stop();
}

#[test]
fn what_is_no_whole_backup_is_refused_and_said_so() {
    let mut site = Site::served("city.example");
    let person = site.person("tanaka");
    let letter = Letter::new("one", "friend@elsewhere.example", &person.address);
    site.smtp()
        .send(&letter.from, &[&letter.to], &letter.content())
        .unwrap();
    let backup = site.beside("backup");
    site.give(&["backup", backup.to_str().unwrap()]);
    let old = validity(&site, &person, "INBOX");
    let here = site.path().to_str().unwrap().to_owned();
    let why = site.refused(&["backup", &format!("{here}/backup")]);
    assert!(why.contains("within the site itself"), "{why}");
    let why = site.refused(&["restore", backup.to_str().unwrap()]);
    assert!(why.contains("is not empty"), "{why}");
    site.stop();

    // The same state, so nobody has seen a later one.
    let mut same = site.restored(&backup, &["--keep-uid-validity"]);
    same.serve();
    assert_eq!(validity(&same, &person, "INBOX"), old);
    assert_eq!(load::inbox(&same, &person).len(), 1);
    same.stop();

    let refused = |from: &str, words: &str| {
        let place = support::place();
        let directory = place.path().join("site");
        let output = Command::new(env!("CARGO_BIN_EXE_kakitome"))
            .arg("-C")
            .arg(&directory)
            .args(["restore", from])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{words}: {said}");
        assert!(!directory.join("kakitome.toml").exists());
    };
    refused("/nonexistent", "no backup");
    // The key is written last: without it the backup was cut short.
    fs::remove_file(backup.join("keys/installation.key")).unwrap();
    refused(backup.to_str().unwrap(), "written last");
    site.serve();
    refused(&here, "in use");
    until("the site still answers", Duration::from_secs(20), || {
        site.command(&["status"]).status.success().then_some(())
    });
    site.stop();
}

/// A quiet site with something of everything.
fn quiet_site() -> (Site, [Person; 2]) {
    let mut site = Site::new("city.example");
    site.set("screening.malware.yara", "rules = [\"rules\"]");
    site.set("screening.malware.yara", "tags = { odd = \"quarantine\" }");
    site.set("return_path", "enabled = true");
    // Nobody listens there, and nothing is tried again while the story lasts.
    site.route(
        "far.example",
        &format!("host = \"[{}]\", port = 9", site.address),
    );
    site.set("delivery", "retry = [\"12h\"]");
    fs::create_dir(site.path().join("rules")).unwrap();
    let rule = "rule odd : odd { strings: $a = \"This is odd\" condition: $a }\n";
    fs::write(site.path().join("rules/odd.yar"), rule).unwrap();
    site.serve();
    let people = [site.person("tanaka"), site.person("suzuki")];
    for person in &people {
        for name in ["one", "two", "three", "odd"] {
            let letter = Letter::new(name, "friend@elsewhere.example", &person.address);
            let reply = site
                .smtp()
                .send(&letter.from, &[&letter.to], &letter.content());
            assert_eq!(reply.unwrap().code, 250);
        }
        let mut session = site.imap(person);
        // 会計, as IMAP writes it (RFC 3501, section 5.1.3).
        session.ok("CREATE Projects/&TxqKCA-");
        session.ok("SUBSCRIBE Projects/&TxqKCA-");
        session.select("INBOX");
        session.ok("STORE 1 +FLAGS (\\Seen \\Flagged $Important Todo)");
        session.ok("STORE 2 +FLAGS (\\Answered)");
        session.ok("COPY 1 Projects/&TxqKCA-");
        session.ok("MOVE 3 Archive");
        session.ok("LOGOUT");
        let out = Letter::new("out", &person.address, "somebody@far.example");
        let reply = Session::submission(&site, person).send(&out.from, &[&out.to], &out.content());
        assert_eq!(reply.unwrap().code, 250);
    }
    until("each was tried once", Duration::from_secs(30), || {
        let queued = site.give(&["queue", "list"]);
        let tried = queued.iter().all(|row| row["attempts"].as_u64() == Some(1));
        (queued.len() == 2 && tried).then_some(())
    });
    let queued = site.give(&["queue", "list"]);
    site.give(&["queue", "hold", queued[0]["id"].as_str().unwrap()]);
    let sato = site.person("sato");
    site.give(&["account", "suspend", &sato.address, "--reason", "x"]);
    (site, people)
}

/// All that people see of the site: mailboxes with all of each message, queue, quarantine, accounts, people, orders.
fn seen(site: &Site, people: &[Person]) -> Vec<String> {
    let mut lines = Vec::new();
    for person in people {
        let mut session = site.imap(person);
        for command in ["LIST \"\" *", "LSUB \"\" *"] {
            lines.extend(session.ok(command).text());
        }
        let listed = session.ok("LIST \"\" *");
        for line in listed.text() {
            let (_, name) = line.split_once("\"/\" ").unwrap();
            let selected = session.ok(&format!("SELECT {name} (CONDSTORE)"));
            lines.push(name.to_owned());
            lines.extend(selected.text());
            let all = "FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE EMAILID THREADID BODY.PEEK[])";
            lines.extend(session.give(all).text());
        }
        session.ok("LOGOUT");
    }
    for words in [
        &["queue", "list"][..],
        &["quarantine", "list"],
        &["account", "list"],
        &["person", "list"],
        &["order", "list"],
        &["incident", "list"],
    ] {
        let told = site.give(words);
        lines.push(format!("{words:?}"));
        lines.extend(told.iter().map(ToString::to_string));
    }
    lines
}

/// Every row of every table of a stopped site's database.
fn rows(site: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let script = "import json, sqlite3, sys\n\
                  handle = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)\n\
                  cell = lambda one: one.hex() if isinstance(one, bytes) else one\n\
                  names = handle.execute(\"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'\")\n\
                  for (name,) in names.fetchall():\n    \
                      found = handle.execute(f'SELECT * FROM \"{name}\"').fetchall()\n    \
                      print(json.dumps([name, [[cell(one) for one in row] for row in found]]))\n";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(site.join("store.db"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let tables = text.lines().map(|line| {
        let (name, rows): (String, Vec<Value>) = serde_json::from_str(line).unwrap();
        (name, rows.iter().map(ToString::to_string).collect())
    });
    tables.collect()
}

/// The files below a site's directory, but for what is made anew or belongs to a running server.
fn files(site: &Path) -> BTreeMap<String, Vec<u8>> {
    const NOT_KEPT: [&str; 8] = [
        "index",
        "run",
        "store.db",
        "store.db-wal",
        "store.db-shm",
        "store.lock",
        "segments",
        "deletions",
    ];
    fn walk(site: &Path, place: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(site.join(place)).unwrap() {
            let entry = entry.unwrap();
            let name = place.join(entry.file_name());
            if NOT_KEPT.iter().any(|other| name == Path::new(other)) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                walk(site, &name, found);
            } else {
                let bytes = fs::read(entry.path()).unwrap();
                found.insert(name.display().to_string(), bytes);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(site, Path::new(""), &mut found);
    found
}

/// Tables whose rows change with every start: marks, room to be given back, and the tree over the trail, which `verify` looks at.
const MOVING: [&str; 4] = ["meta", "body_free", "tree_root", "tree_tile"];
/// Starting, backing up and restoring are events, of which signed checkpoints tell.
const GROWING: [&str; 4] = ["event", "event_address", "event_named", "checkpoint"];

#[test]
fn a_quiet_site_is_restored_as_it_was() {
    let (mut site, people) = quiet_site();
    let before = seen(&site, &people);
    assert!(before.iter().any(|line| line.contains("$Important")));
    let apart = before
        .iter()
        .position(|line| line.contains("\"quarantine\", \"list\""))
        .unwrap();
    assert!(
        before[apart + 1].starts_with('{'),
        "something is set apart: {before:?}"
    );
    site.stop();
    let old = rows(site.path());
    site.serve();
    let backup = site.beside("backup");
    site.give(&["backup", backup.to_str().unwrap()]);
    site.stop();
    let mut restored = site.restored(&backup, &["--keep-uid-validity"]);
    let new = rows(restored.path());
    assert_eq!(
        old.keys().collect::<Vec<_>>(),
        new.keys().collect::<Vec<_>>(),
        "the same tables"
    );
    let mut differs = Vec::new();
    for (table, old) in &old {
        let (table, new) = (table.as_str(), &new[table]);
        if MOVING.contains(&table) {
            continue;
        }
        differs.extend(old.difference(new).map(|row| format!("{table} lost {row}")));
        if !GROWING.contains(&table) {
            let more = new.difference(old);
            differs.extend(more.map(|row| format!("{table} has besides {row}")));
        }
    }
    assert!(differs.is_empty(), "{}", differs.join("\n"));
    assert_eq!(files(site.path()), files(restored.path()));
    restored.serve();
    let after = seen(&restored, &people);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    restored.give(&["verify"]);
    restored.stop();
}
