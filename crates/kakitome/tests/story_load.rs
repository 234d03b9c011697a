//! 5,000 messages through 20 SMTP connections, while 50 IMAP sessions idle and fetch: every message is
//! present once, and nobody meets an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{sync::Mutex, thread, time::Instant};

use support::{
    Person, Site,
    load::{self, Sent},
};

const MESSAGES: usize = 5000;
const CONNECTIONS: usize = 20;
const SESSIONS: usize = 50;
const PEOPLE: usize = 10;

#[test]
fn every_message_is_there_once_and_nobody_meets_an_error() {
    let mut site = Site::new("city.example");
    // The sessions of the story do without TLS, so that the load is on the server and not on the story.
    site.set("retrieval", "plaintext_networks = [\"127.0.0.0/8\"]");
    site.serve();
    let people: Vec<Person> = (0..PEOPLE)
        .map(|n| site.person(&format!("person{n}")))
        .collect();
    let sent = Sent::default();
    let faults = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (site, people, faults) = (&site, &people, &faults);
            scope.spawn(move || {
                let person = &people[session % PEOPLE];
                let mut greatest = 0;
                let ended =
                    load::idle_and_fetch(site.address, person, MESSAGES / PEOPLE, &mut greatest);
                if let Err(error) = ended {
                    faults
                        .lock()
                        .unwrap()
                        .push(format!("session {session}: {error}"));
                }
            });
        }
        load::send(site.address, &people, "load", CONNECTIONS, MESSAGES, &sent);
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{MESSAGES} messages were acknowledged in {seconds:.1} s");
    });
    assert!(
        began.elapsed() < load::LOAD_TIME,
        "the load took {:?}",
        began.elapsed()
    );
    let unanswered = sent.unanswered.into_inner().unwrap();
    assert!(unanswered.is_empty(), "{unanswered:?}");
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let letters = sent.acknowledged.into_inner().unwrap();
    assert_eq!(letters.len(), MESSAGES);
    for person in &people {
        let found = load::inbox(&site, person);
        let wanted: Vec<_> = letters
            .iter()
            .filter(|letter| letter.to == person.address)
            .collect();
        assert_eq!(found.len(), wanted.len());
        for letter in wanted {
            let uids = found.get(&letter.digest());
            assert!(
                uids.is_some_and(|uids| uids.len() == 1),
                "{}: {uids:?}",
                letter.name
            );
        }
    }
    let accepted = site.events(&["--kind", "smtp.accepted"]);
    assert_eq!(accepted.len(), MESSAGES, "each is in the trail");
    site.give(&["verify"]);
    site.stop();
}
