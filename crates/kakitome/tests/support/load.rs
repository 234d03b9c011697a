//! Many at once: connections that send, and sessions that idle and fetch.

use std::{
    collections::BTreeMap,
    io,
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Letter, Person, Site, imap, message, site, smtp};

/// What was sent, and how the server answered.
#[derive(Default)]
pub(crate) struct Sent {
    /// Names and body digests of letters that the server acknowledged, by recipient.
    pub(crate) acknowledged: Mutex<Vec<Letter>>,
    /// Letters whose sending ended in an error, or that were not answered.
    pub(crate) unanswered: Mutex<Vec<(Letter, String)>>,
    count: AtomicUsize,
}

impl Sent {
    /// Acknowledged so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Sends `total` letters over `connections` connections at once, in turns to `people`. A connection ends at its
/// first error.
pub(crate) fn send(
    address: Ipv4Addr,
    people: &[Person],
    round: &str,
    connections: usize,
    total: usize,
    sent: &Sent,
) {
    thread::scope(|scope| {
        for connection in 0..connections {
            scope.spawn(move || {
                let mut numbers = (connection..total).step_by(connections);
                let open = || smtp::Session::try_open(address, site::SMTP);
                send_over(open, sent, || {
                    let number = numbers.next()?;
                    let to = &people[number % people.len()].address;
                    let name = format!("{round}-{number}");
                    Some(Letter::new(&name, "friend@elsewhere.example", to))
                });
            });
        }
    });
}

/// Sends letters over one connection, which ends at its first error or with the last letter.
pub(crate) fn send_over(
    open: impl FnOnce() -> io::Result<smtp::Session>,
    sent: &Sent,
    mut letters: impl FnMut() -> Option<Letter>,
) {
    let mut session = open();
    while let Some(letter) = letters() {
        let answered = match &mut session {
            Ok(session) => session.send(&letter.from, &[&letter.to], &letter.content()),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        let fault = match answered {
            Ok(reply) if reply.code == 250 => None,
            Ok(reply) => Some(format!("{reply:?}")),
            Err(error) => Some(error.to_string()),
        };
        let Some(fault) = fault else {
            sent.acknowledged.lock().unwrap().push(letter);
            sent.count.fetch_add(1, Ordering::SeqCst);
            continue;
        };
        sent.unanswered.lock().unwrap().push((letter, fault));
        return;
    }
}

/// A plain IMAP session that idles and fetches until it has seen `expected` messages in INBOX. Returns the
/// greatest UID it has seen; `stop` ends it early, and so does an error.
pub(crate) fn idle_and_fetch(
    address: Ipv4Addr,
    person: &Person,
    expected: usize,
    greatest: &mut u32,
) -> io::Result<()> {
    let mut session = imap::Session::try_open(address, site::IMAP)?;
    let login = format!("LOGIN \"{}\" \"{}\"", person.address, person.password);
    fine(&login, session.try_give(&login)?)?;
    let selected = fine("SELECT", session.try_give("SELECT INBOX")?)?;
    let mut exists = imap::exists(&selected).unwrap_or(0);
    let mut seen = 0;
    while seen < expected {
        if usize::try_from(exists).unwrap() > seen {
            let command = format!(
                "UID FETCH {}:* (UID FLAGS ENVELOPE)",
                greatest.saturating_add(1)
            );
            let answer = fine(&command, session.try_give(&command)?)?;
            for line in answer.text() {
                let Some(uid) = uid_of(&line) else { continue };
                // `n:*` names the last message even where n is beyond it.
                if uid > *greatest {
                    *greatest = uid;
                    seen += 1;
                }
            }
            exists = imap::exists(&answer).unwrap_or(exists);
            continue;
        }
        let tag = session.begin("IDLE")?;
        loop {
            let line = session.response()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(count) = line
                .strip_prefix("* ")
                .and_then(|l| l.strip_suffix(" EXISTS"))
            {
                exists = count.parse().map_err(io::Error::other)?;
                break;
            }
            if !line.starts_with(['+', '*']) {
                return Err(io::Error::other(format!("while idle: {line}")));
            }
        }
        session.lines.write(b"DONE\r\n")?;
        let answer = fine("IDLE", session.end(&tag)?)?;
        exists = imap::exists(&answer).unwrap_or(exists);
    }
    fine("LOGOUT", session.try_give("LOGOUT")?).map(drop)
}

fn fine(command: &str, answer: imap::Answer) -> io::Result<imap::Answer> {
    if answer.is_ok() {
        return Ok(answer);
    }
    Err(io::Error::other(format!(
        "after {command}: {}",
        answer.tagged
    )))
}

/// The UID in a FETCH response.
fn uid_of(line: &str) -> Option<u32> {
    let rest = &line[line.find("(UID ").or_else(|| line.find(" UID "))? + 5..];
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// What is in an INBOX: for each body digest, the UIDs that have it. UIDs must ascend.
pub(crate) fn inbox(site: &Site, person: &Person) -> BTreeMap<String, Vec<u32>> {
    let mut session = site.imap(person);
    let count = session.select("INBOX");
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    if count == 0 {
        return found;
    }
    let answer = session.ok("FETCH 1:* (UID BODY.PEEK[TEXT])");
    let mut last = 0;
    let mut told = 0;
    for response in &answer.untagged {
        let text = String::from_utf8_lossy(response);
        if !text.contains("BODY[TEXT]") {
            continue;
        }
        let uid = uid_of(&text).unwrap_or_else(|| panic!("no UID in {text}"));
        assert!(uid > last, "UID {uid} after {last}");
        last = uid;
        told += 1;
        found
            .entry(message::digest(imap::literal_of(response)))
            .or_default()
            .push(uid);
    }
    assert_eq!(told, count, "every message is told of once");
    found
}

/// How long the whole load may take.
pub(crate) const LOAD_TIME: Duration = Duration::from_secs(240);
