//! `kill -9` in the middle of a load: after the restart every acknowledged message is there exactly once,
//! and the store is what was written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    thread,
};

use support::{
    Letter, Person, Site,
    load::{self, LOAD_TIME, Sent},
    until,
};

const CONNECTIONS: usize = 20;
const SESSIONS: usize = 20;
const PEOPLE: usize = 5;
/// Each round is killed when this many messages were acknowledged: in the middle of 5,000, early, at once.
const KILLED_AFTER: [usize; 3] = [2500, 400, 7];

#[test]
fn every_acknowledged_message_is_there_once() {
    let mut site = Site::new("city.example");
    site.set("retrieval", "plaintext_networks = [\"127.0.0.0/8\"]");
    site.serve();
    let people: Vec<Person> = (0..PEOPLE)
        .map(|n| site.person(&format!("person{n}")))
        .collect();
    let mut acknowledged: Vec<Letter> = Vec::new();
    let mut possible: BTreeSet<String> = BTreeSet::new();
    for (round, after) in KILLED_AFTER.into_iter().enumerate() {
        let (letters, unanswered, seen) = killed_in_the_middle(&mut site, &people, round, after);
        assert!(!unanswered.is_empty(), "the kill came too late to matter");
        assert!(letters.len() >= after);
        possible.extend(unanswered.iter().map(Letter::digest));
        acknowledged.extend(letters);
        site.serve();
        for person in &people {
            let found = load::inbox(&site, person);
            check(person, &found, &acknowledged, &possible);
            // What a session was told of does not vanish.
            let greatest = found.values().flatten().max().copied().unwrap_or(0);
            let told = seen.get(&person.name).copied().unwrap_or(0);
            assert!(
                greatest >= told,
                "{} was told of UID {told}, but {greatest} is the last",
                person.name
            );
        }
        site.give(&["verify"]);
        let accepted = site.events(&["--kind", "smtp.accepted"]).len();
        let there: usize = people
            .iter()
            .map(|person| load::inbox(&site, person).len())
            .sum();
        assert_eq!(accepted, there, "effect and event were committed together");
    }
    site.stop();
}

/// Sends until `after` messages are acknowledged, then kills the server. Returns the acknowledged letters,
/// the unanswered ones, and the greatest UID that a session saw, by person.
fn killed_in_the_middle(
    site: &mut Site,
    people: &[Person],
    round: usize,
    after: usize,
) -> (Vec<Letter>, Vec<Letter>, BTreeMap<String, u32>) {
    let sent = Sent::default();
    let seen = Mutex::new(BTreeMap::new());
    let address = site.address;
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let seen = &seen;
            scope.spawn(move || {
                let person = &people[session % PEOPLE];
                let mut greatest = 0;
                // The kill ends it with an error; that is the story.
                drop(load::idle_and_fetch(
                    address,
                    person,
                    usize::MAX,
                    &mut greatest,
                ));
                let mut seen = seen.lock().unwrap();
                let known: &mut u32 = seen.entry(person.name.clone()).or_default();
                *known = greatest.max(*known);
            });
        }
        let sent = &sent;
        scope.spawn(move || {
            load::send(
                address,
                people,
                &format!("kill{round}"),
                CONNECTIONS,
                5000,
                sent,
            );
        });
        until("enough is acknowledged", LOAD_TIME, || {
            (sent.count() >= after).then_some(())
        });
        site.kill_hard();
    });
    let unanswered = sent.unanswered.into_inner().unwrap();
    (
        sent.acknowledged.into_inner().unwrap(),
        unanswered.into_iter().map(|(letter, _)| letter).collect(),
        seen.into_inner().unwrap(),
    )
}

#[track_caller]
fn check(
    person: &Person,
    found: &BTreeMap<String, Vec<u32>>,
    acknowledged: &[Letter],
    possible: &BTreeSet<String>,
) {
    let mine = acknowledged
        .iter()
        .filter(|letter| letter.to == person.address);
    let wanted: BTreeSet<String> = mine.map(Letter::digest).collect();
    let lost: Vec<_> = wanted
        .iter()
        .filter(|digest| !found.contains_key(*digest))
        .collect();
    assert!(
        lost.is_empty(),
        "{}: {} acknowledged messages are lost",
        person.name,
        lost.len()
    );
    for (digest, uids) in found {
        assert_eq!(
            uids.len(),
            1,
            "{}: a message is there {} times",
            person.name,
            uids.len()
        );
        assert!(
            wanted.contains(digest) || possible.contains(digest),
            "nobody sent this"
        );
    }
}
