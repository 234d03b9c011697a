//! What must be true whenever the server has come up again.
//!
//! - What was acknowledged is there, once, whole; or its owner moved or expunged it.
//! - What was not acknowledged is there once and whole, or not at all.
//! - UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ never go back; a UID never means another message.
//! - Each effect has its audit event and each event its effect ([`effects`]).
//! - Of each acknowledged letter every recipient elsewhere is in the queue, or ended once ([`onward`]).
//! - The store's own examination finds nothing, nor does that of the search index and its rolls.

mod effects;
mod onward;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use message::{
    Limits,
    address::Address,
    dsn::{Action, parse_report},
    mime::Structure,
};
use store::{
    AccountId, Snapshot,
    event::{self, Filter},
    mailbox::{self, Entry, Flags},
    queue,
};
use trail::{Kind, Recorded};

use crate::{
    ledger::{ARCHIVE, Book, Change, INBOX, Ledger, MailboxName},
    letter::Letter,
    people::PEOPLE,
    server::Server,
};

/// Why a history cannot go on.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The disk failed while we looked: nothing was found out.
    Undecided,
    /// These promises are broken.
    Broken(Vec<String>),
}

impl From<store::Error> for Verdict {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Corrupt(what) => Self::Broken(vec![what]),
            _ => Self::Undecided,
        }
    }
}

/// Everything that a check looks at, read at one instant.
#[derive(Default)]
struct Found {
    /// Letters in mailboxes, by account and number.
    letters: BTreeMap<(&'static str, u64), Vec<Place>>,
    /// Failures that notifications tell of: who got them, of which letter, for whom; and how often.
    notices: BTreeMap<(&'static str, u64, String), u64>,
    boxes: Vec<Box>,
    events: Vec<Recorded>,
    /// Recipients in the queue: message and address.
    queued: BTreeSet<(String, String)>,
    wrong: Vec<String>,
}

struct Place {
    mailbox: MailboxName,
    uid: u32,
    flags: Flags,
}

struct Box {
    account: &'static str,
    name: MailboxName,
    head: mailbox::Mailbox,
    entries: Vec<Entry>,
}

/// Holds what is on the disk against what was promised.
pub(crate) async fn check(server: &Server, ledger: &Ledger) -> Result<(), Verdict> {
    let mut findings = server.store.verify(|_| {}).await?;
    findings.extend(server.index.verify_all(|_| {}).await?);
    if !findings.is_empty() {
        let told = findings.iter().map(ToString::to_string);
        return Err(Verdict::Broken(told.collect()));
    }
    let found = look(server, ledger).await?;
    let mut book = ledger.book();
    let mut wrong = found.wrong.clone();
    wrong.append(&mut book.broken);
    book.moves.told = effects::of_kinds(&found.events, &[Kind::BodiesMoved]).count() as u64;
    mailboxes(&mut book, &found, &mut wrong);
    numbers(&book, &found, &mut wrong);
    effects::check(&book, &found, &mut wrong);
    onward::check(&book, &found, &mut wrong);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Verdict::Broken(wrong))
    }
}

async fn look(server: &Server, ledger: &Ledger) -> Result<Found, Verdict> {
    let mut accounts = Vec::new();
    for person in PEOPLE {
        let address = Address::parse(person).map_err(|_| Verdict::Undecided)?;
        let resolved = server.directory.resolve(&address, 0).await;
        match resolved.map_err(|_| Verdict::Undecided)? {
            directory::Resolution::Local(found) => {
                accounts.extend(found.first().map(|found| (person, found.account)));
            }
            other => return Err(Verdict::Broken(vec![format!("{person} is {other:?}")])),
        }
    }
    let mut found = server
        .store
        .read(move |snapshot| look_at_tables(snapshot, &accounts))
        .await?;
    let boxes = std::mem::take(&mut found.boxes);
    for (place, account) in &boxes {
        for entry in &place.entries {
            let raw = server.store.body(*account, entry.body).await?;
            file(&mut found.found, ledger, place, entry, &raw);
        }
    }
    let mut found = found.found;
    found.boxes = boxes.into_iter().map(|(place, _)| place).collect();
    Ok(found)
}

struct Tables {
    found: Found,
    boxes: Vec<(Box, AccountId)>,
}

fn look_at_tables(
    snapshot: &mut Snapshot<'_>,
    accounts: &[(&'static str, AccountId)],
) -> Result<Tables, store::Error> {
    let mut boxes = Vec::new();
    for (person, account) in accounts {
        for name in [INBOX, ARCHIVE] {
            if let Some(head) = mailbox::by_name(snapshot, *account, name)? {
                let entries = mailbox::entries(snapshot, head.id, 1, u32::MAX)?;
                let place = Box {
                    account: person,
                    name,
                    head,
                    entries,
                };
                boxes.push((place, *account));
            }
        }
    }
    let events = event::search(snapshot, &Filter::default(), 1_000_000)?;
    let queued = queue::select(snapshot, &queue::Selection::default(), 100_000)?;
    let queued = queued.iter().flat_map(|queued| {
        let id = queued.message.id.to_string();
        let recipients = queued.recipients.iter();
        recipients.map(move |one| (id.clone(), one.recipient.address.to_string()))
    });
    let found = Found {
        letters: BTreeMap::new(),
        notices: BTreeMap::new(),
        boxes: Vec::new(),
        events,
        queued: queued.collect(),
        wrong: Vec::new(),
    };
    Ok(Tables { found, boxes })
}

/// Notes what a message in a mailbox is.
fn file(found: &mut Found, ledger: &Ledger, place: &Box, entry: &Entry, raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    let own_id = text.lines().find(|line| line.starts_with("Message-ID:"));
    let Some(letter) = own_id.and_then(Letter::find) else {
        return file_notice(found, ledger, place, entry, raw);
    };
    let sent = ledger.book().letters.get(&letter.number).cloned();
    let here = format!("{} {} UID {}", place.account, place.name, entry.uid);
    match sent {
        None => found.wrong.push(format!(
            "{here}: letter {} was refused, or never sent",
            letter.number
        )),
        Some(sent) if !text.ends_with(&letter.text(sent.from)) => {
            found
                .wrong
                .push(format!("{here}: letter {} is damaged", letter.number));
        }
        Some(_) => {
            let places = found
                .letters
                .entry((place.account, letter.number))
                .or_default();
            places.push(Place {
                mailbox: place.name,
                uid: entry.uid,
                flags: entry.flags,
            });
        }
    }
}

/// Notes which failures a notification tells of.
fn file_notice(found: &mut Found, ledger: &Ledger, place: &Box, entry: &Entry, raw: &[u8]) {
    let limits = Limits::default();
    let here = format!("{} {} UID {}", place.account, place.name, entry.uid);
    let about = Letter::find(&String::from_utf8_lossy(raw));
    let report = parse_report(raw, &Structure::parse(raw, &limits), &limits);
    let (Some(about), Some(report)) = (about, report) else {
        found
            .wrong
            .push(format!("{here} is neither a letter nor tells of one"));
        return;
    };
    if !ledger.book().letters.contains_key(&about.number) {
        let number = about.number;
        found.wrong.push(format!(
            "{here} tells of letter {number}, which was refused or never sent"
        ));
    }
    for recipient in report.recipients {
        if recipient.action == Some(Action::Failed) {
            let address = recipient.address.map(|address| address.to_string());
            let key = (place.account, about.number, address.unwrap_or_default());
            *found.notices.entry(key).or_default() += 1;
        }
    }
}

/// Letters against what their owners know; what was open is known from now on.
fn mailboxes(book: &mut Book, found: &Found, wrong: &mut Vec<String>) {
    let mut changed = Vec::new();
    for ((account, number), held) in &mut book.held {
        let places = found.letters.get(&(*account, *number));
        let places = places.map(Vec::as_slice).unwrap_or_default();
        let here = places.first().map(|place| place.mailbox);
        let what = format!("{account} letter {number}");
        if places.len() > 1 {
            wrong.push(format!("{what} is there {} times", places.len()));
        }
        if !held.places.contains(&here) {
            wrong.push(format!(
                "{what} is in {here:?}, and should be in {:?}",
                held.places
            ));
        }
        if let Some(place) = places.first() {
            let seen = place.flags.contains(Flags::SEEN);
            if held.seen.is_some_and(|known| known != seen) {
                wrong.push(format!("{what}: seen is {seen}"));
            }
            held.seen = Some(seen);
        }
        let took_effect = match held.open.take() {
            Some(Change::Expunge) if here.is_none() => Some(Change::Expunge),
            Some(change) if change != Change::Expunge && here == Some(ARCHIVE) => Some(change),
            _ => None,
        };
        changed.extend(took_effect);
        held.places = [here].into();
        held.arrived |= here.is_some();
    }
    for change in changed {
        *book.changes.entry(change).or_default() += 1;
    }
    for (account, number) in found.letters.keys() {
        if !book.held.contains_key(&(*account, *number)) {
            wrong.push(format!(
                "{account} has letter {number}, which was not for it"
            ));
        }
    }
}

/// UIDs that clients were told, against the messages that have them.
fn uids(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut is: BTreeMap<(&str, MailboxName, u32), u64> = BTreeMap::new();
    for ((account, number), places) in &found.letters {
        for place in places {
            is.insert((account, place.mailbox, place.uid), *number);
        }
    }
    for place in &found.boxes {
        let Some(told) = book.told.get(&(place.account, place.name)) else {
            continue;
        };
        let what = format!("{} {}", place.account, place.name);
        for entry in &place.entries {
            let number = is.get(&(place.account, place.name, entry.uid));
            let before = told.uids.get(&entry.uid);
            if before.is_some() && before != number {
                wrong.push(format!(
                    "{what}: UID {} was letter {before:?}, is {number:?}",
                    entry.uid
                ));
            }
        }
        for (uid, number) in &told.uids {
            let places = found.letters.get(&(place.account, *number));
            let places = places.map(Vec::as_slice).unwrap_or_default();
            for other in places {
                if other.mailbox == place.name && other.uid != *uid {
                    wrong.push(format!(
                        "{what}: letter {number} was UID {uid}, is {}",
                        other.uid
                    ));
                }
            }
        }
    }
}

/// What clients were told of mailboxes.
fn numbers(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    uids(book, found, wrong);
    for place in &found.boxes {
        let head = &place.head;
        let what = format!("{} {}", place.account, place.name);
        let highest = place
            .entries
            .iter()
            .map(|entry| entry.uid)
            .max()
            .unwrap_or(0);
        if highest >= head.uid_next {
            wrong.push(format!(
                "{what}: UID {highest}, but UIDNEXT {}",
                head.uid_next
            ));
        }
        let modseq = place
            .entries
            .iter()
            .map(|entry| entry.modseq)
            .max()
            .unwrap_or(0);
        if modseq > head.highest_modseq {
            wrong.push(format!(
                "{what}: MODSEQ {modseq} over {}",
                head.highest_modseq
            ));
        }
        let Some(told) = book.told.get(&(place.account, place.name)) else {
            continue;
        };
        if told.validity != 0 && told.validity != head.uid_validity {
            wrong.push(format!(
                "{what}: UIDVALIDITY {} became {}",
                told.validity, head.uid_validity
            ));
        }
        if head.uid_next < told.uid_next {
            wrong.push(format!(
                "{what}: UIDNEXT {} became {}",
                told.uid_next, head.uid_next
            ));
        }
        if head.highest_modseq < told.modseq {
            wrong.push(format!(
                "{what}: MODSEQ {} became {}",
                told.modseq, head.highest_modseq
            ));
        }
    }
}
