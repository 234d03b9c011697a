//! A site is backed up while mail comes in, lost, and restored: all mail that was acknowledged before the backup began
//! is there once, as it was; mail programs are told to fetch anew; and the restored site goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::Duration,
};

use support::{
    Letter, Person, Site,
    load::{self, LOAD_TIME, Sent},
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
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_kakitome"))
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
