//! `kill -9` at random points of a load of inbound mail, submissions for elsewhere and mail programs at work: after each restart every
//! acknowledged message is there exactly once or goes on, every change that was answered is as it was answered, and no number that a mail
//! program was told has gone back.
//!
//! `ROUNDS` sets how many kills (default 6) and `SEED` their points (default: from the clock; it is printed).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use support::{
    Letter, Person, Site,
    load::{self, LOAD_TIME, Sent},
    site::SMTP,
    until,
    writer::{Chance, Writer},
};

const CONNECTIONS: usize = 10;
const SESSIONS: usize = 10;
const PEOPLE: usize = 5;
const WRITERS: usize = 3;
const ROUNDS: u64 = 6;
/// The most answers that a round waits for before it is cut.
const LATEST: u64 = 2000;
/// Letters that each half of the load would send.
const LETTERS: usize = 5000;

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is no number")),
    )
}

/// When to kill, from 1 to [`LATEST`] answers: small numbers as often as large ones.
fn point(chance: &mut Chance) -> usize {
    let most = LATEST >> chance.below(8);
    usize::try_from(1 + chance.below(most.max(1))).unwrap()
}

#[test]
fn every_answer_holds_after_a_kill_at_any_point() {
    let rounds = from_environment("ROUNDS").unwrap_or(ROUNDS);
    let seed = from_environment("SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(now.unwrap().as_nanos() & 0xFFFF_FFFF).unwrap()
    });
    eprintln!("again: SEED={seed} ROUNDS={rounds} (the machine's own chance is not in it)");
    let mut chance = Chance(seed);
    let mut story = Story::new(&mut chance);
    let mut cut_changes = 0;
    for round in 0..rounds {
        let after = point(&mut chance);
        let pause = Duration::from_micros(chance.below(5000));
        eprintln!("round {round}: killed after {after} answers and {pause:?}");
        let (inbound, onward) = story.killed(round, after, pause);
        assert!(
            !inbound.0.unanswered.lock().unwrap().is_empty(),
            "the kill came too late to matter"
        );
        story.note(inbound, onward);
        story.site.serve();
        cut_changes += story.check();
    }
    // The load's own power to find anything.
    assert!(story.acknowledged.len() >= usize::try_from(rounds).unwrap());
    let changes: usize = story.writers.iter().map(|writer| writer.done).sum();
    eprintln!(
        "{} letters for here and {} for elsewhere acknowledged, {changes} changes by mail programs and {cut_changes} without an answer",
        story.acknowledged.len(),
        story.onward.len()
    );
    story.site.stop();
}

/// Letters that were sent, and what clients saw meanwhile: the greatest UID of each person.
type Inbound = (Sent, BTreeMap<String, u32>);

struct Story {
    site: Site,
    far: Site,
    yamada: Person,
    people: Vec<Person>,
    writers: Vec<Writer>,
    /// For people here.
    acknowledged: Vec<Letter>,
    possible: BTreeSet<String>,
    /// For elsewhere.
    onward: Vec<Letter>,
    possible_onward: BTreeSet<String>,
    /// Which message each UID of each INBOX is, and what STATUS told.
    known: BTreeMap<String, BTreeMap<u32, String>>,
    status: BTreeMap<String, [u64; 3]>,
    seen: BTreeMap<String, u32>,
}

impl Story {
    fn new(chance: &mut Chance) -> Self {
        let mut far = Site::new("far.example");
        far.set("limits", "smtp_connections_per_address = 1000");
        far.serve();
        let yamada = far.person("yamada");
        let mut site = Site::new("city.example");
        site.set("retrieval", "plaintext_networks = [\"127.0.0.0/8\"]");
        site.set("submission.limits", "messages_per_hour = 0");
        site.set("submission.limits", "messages_per_day = 0");
        site.set("submission.limits", "recipients_per_hour = 0");
        site.set("submission.limits", "recipients_per_day = 0");
        site.set("submission.jump", "enabled = false");
        site.route(
            "far.example",
            &format!("host = \"[{}]\", port = {SMTP}", far.address),
        );
        site.set("delivery", "retry = [\"1s\"]");
        site.serve();
        let person = |name: String| site.person(&name);
        let people: Vec<Person> = (0..PEOPLE).map(|n| person(format!("person{n}"))).collect();
        let writers =
            (0..WRITERS).map(|n| Writer::new(person(format!("writer{n}")), chance.next()));
        let writers = writers.collect();
        Self {
            site,
            far,
            yamada,
            people,
            writers,
            acknowledged: Vec::new(),
            possible: BTreeSet::new(),
            onward: Vec::new(),
            possible_onward: BTreeSet::new(),
            known: BTreeMap::new(),
            status: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Lets everybody work until so many answers came, and kills the server.
    fn killed(&mut self, round: u64, after: usize, pause: Duration) -> (Inbound, Sent) {
        let (sent, onward) = (Sent::default(), Sent::default());
        let seen = Mutex::new(BTreeMap::new());
        let changes = AtomicUsize::new(0);
        let (address, certificate) = (self.site.address, self.site.certificate());
        let (people, far) = (&self.people, self.yamada.address.as_str());
        let (writers, site) = (&mut self.writers, &mut self.site);
        thread::scope(|scope| {
            for session in 0..SESSIONS {
                let seen = &seen;
                let person = &people[session % PEOPLE];
                scope.spawn(move || idle(address, person, seen));
            }
            for writer in writers {
                let changes = &changes;
                // The kill ends it with an error; that is the story.
                scope.spawn(move || {
                    let count = || {
                        changes.fetch_add(1, Ordering::SeqCst);
                    };
                    drop(writer.write(address, &count));
                });
            }
            let (sent, onward, certificate) = (&sent, &onward, &certificate);
            scope.spawn(move || {
                let name = format!("kill{round}");
                load::send(address, people, &name, CONNECTIONS, LETTERS, sent);
            });
            scope.spawn(move || submit(address, certificate, people, far, round, onward));
            until("enough is answered", LOAD_TIME, || {
                let answers = sent.count() + onward.count() + changes.load(Ordering::SeqCst);
                (answers >= after).then_some(())
            });
            thread::sleep(pause);
            site.kill_hard();
        });
        ((sent, seen.into_inner().unwrap()), onward)
    }

    /// Takes down what a round was told.
    fn note(&mut self, (inbound, seen): Inbound, onward: Sent) {
        let digests = |sent: &Sent| -> Vec<String> {
            let letters = sent.unanswered.lock().unwrap();
            letters.iter().map(|(letter, _)| letter.digest()).collect()
        };
        self.possible.extend(digests(&inbound));
        self.possible_onward.extend(digests(&onward));
        self.acknowledged
            .extend(inbound.acknowledged.into_inner().unwrap());
        self.onward
            .extend(onward.acknowledged.into_inner().unwrap());
        for (name, uid) in seen {
            let known = self.seen.entry(name).or_default();
            *known = uid.max(*known);
        }
    }

    /// Holds the server to all that it ever answered; how many changes were cut.
    fn check(&mut self) -> usize {
        let mut there = 0;
        for person in self.people.clone() {
            let found = load::inbox(&self.site, &person);
            self.check_inbox(&person, &found);
            there += found.len();
        }
        let address = self.site.address;
        let writers = self.writers.iter_mut();
        let cut = writers.map(|writer| writer.check(address)).sum();
        self.check_onward();
        self.site.give(&["verify"]);
        let accepted = self.site.events(&["--kind", "smtp.accepted"]).len();
        assert_eq!(accepted, there, "effect and event were committed together");
        cut
    }

    fn check_inbox(&mut self, person: &Person, found: &BTreeMap<String, Vec<u32>>) {
        let name = &person.name;
        let mine = self.acknowledged.iter();
        let mine = mine.filter(|letter| letter.to == person.address);
        let wanted: BTreeSet<String> = mine.map(Letter::digest).collect();
        let lost = wanted.iter().filter(|digest| !found.contains_key(*digest));
        assert_eq!(lost.count(), 0, "{name}: acknowledged messages are lost");
        let known = self.known.entry(name.clone()).or_default();
        for (digest, uids) in found {
            assert_eq!(
                uids.len(),
                1,
                "{name}: a message is there {} times",
                uids.len()
            );
            assert!(
                wanted.contains(digest) || self.possible.contains(digest),
                "{name}: nobody sent this"
            );
        }
        let now: BTreeMap<u32, String> = found
            .iter()
            .flat_map(|(digest, uids)| uids.iter().map(|uid| (*uid, digest.clone())))
            .collect();
        for (uid, digest) in &*known {
            assert_eq!(
                now.get(uid),
                Some(digest),
                "{name}: UID {uid} is another message"
            );
        }
        *known = now;
        // What a session was told of does not vanish.
        let greatest = known.keys().max().copied().unwrap_or(0);
        let told = self.seen.get(name).copied().unwrap_or(0);
        assert!(
            greatest >= told,
            "{name} was told of UID {told}, but {greatest} is the last"
        );
        let status = status(&self.site, person);
        let [validity, next, modseq] = self.status.insert(name.clone(), status).unwrap_or(status);
        assert_eq!(status[0], validity, "{name}: UIDVALIDITY");
        assert!(
            status[1] >= next && status[2] >= modseq,
            "{name}: {status:?}"
        );
        assert!(status[1] > u64::from(greatest), "{name}: {status:?}");
    }

    /// Mail for elsewhere is in the queue or there; handed over twice it may be, since the other server's answer may be lost.
    fn check_onward(&mut self) {
        self.site.drained(LOAD_TIME);
        let found = load::inbox(&self.far, &self.yamada);
        let wanted: BTreeSet<String> = self.onward.iter().map(Letter::digest).collect();
        let lost = wanted.iter().filter(|digest| !found.contains_key(*digest));
        assert_eq!(lost.count(), 0, "acknowledged submissions are lost");
        for digest in found.keys() {
            let sent = wanted.contains(digest) || self.possible_onward.contains(digest);
            assert!(sent, "nobody submitted this");
        }
        for (kind, count) in [
            ("submission.accepted", found.len()),
            ("delivery.relayed", found.len()),
        ] {
            let events = self.site.events(&["--kind", kind]).len();
            assert_eq!(events, count, "{kind}");
        }
        for kind in ["delivery.failed", "delivery.expired"] {
            assert_eq!(self.site.events(&["--kind", kind]).len(), 0, "{kind}");
        }
    }
}

fn idle(address: Ipv4Addr, person: &Person, seen: &Mutex<BTreeMap<String, u32>>) {
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
}

/// Submits letters for `to` over TLS, each person over connections of their own.
fn submit(
    address: Ipv4Addr,
    certificate: &Path,
    people: &[Person],
    to: &str,
    round: u64,
    sent: &Sent,
) {
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || {
                let person = &people[connection % people.len()];
                let mut numbers = (connection..LETTERS).step_by(CONNECTIONS);
                let open = || support::smtp::Session::try_submission(address, certificate, person);
                load::send_over(open, sent, || {
                    let name = format!("out{round}-{}", numbers.next()?);
                    Some(Letter::new(&name, &person.address, to))
                });
            });
        }
    });
}

/// UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ of an INBOX.
fn status(site: &Site, person: &Person) -> [u64; 3] {
    let answer = site
        .imap(person)
        .ok("STATUS INBOX (UIDVALIDITY UIDNEXT HIGHESTMODSEQ)");
    let text = answer.text().concat();
    ["UIDVALIDITY ", "UIDNEXT ", "HIGHESTMODSEQ "].map(|name| {
        let (_, rest) = text.split_once(name).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    })
}
