//! What must be true whenever the server has come up again.
//!
//! - What was acknowledged is there, once, whole; or its owner moved or expunged it.
//! - What was not acknowledged is there once and whole, or not at all.
//! - UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ never go back; a UID never means another message.
//! - Each effect has its audit event and each event its effect.
//! - Mail for elsewhere is in the queue, or an event tells how it ended; when it ended by being handed over, the other
//!   server has it; when it failed, its sender has a notification.
//! - The store's own examination finds nothing.

use std::collections::{BTreeMap, BTreeSet};

use message::address::Address;
use store::{
    AccountId, Snapshot,
    event::{self, Filter},
    mailbox::{self, Entry, Flags},
    queue,
};
use trail::{Kind, Recorded};

use crate::{
    ledger::{ARCHIVE, Book, Change, INBOX, Ledger, MailboxName, Way},
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
struct Found {
    /// Letters in mailboxes, by account and number.
    letters: BTreeMap<(&'static str, u64), Vec<Place>>,
    /// Letters that notifications tell of, by who got them.
    notices: BTreeMap<(&'static str, u64), u64>,
    boxes: Vec<Box>,
    events: Vec<Recorded>,
    /// Recipients in the queue: message and address.
    queued: BTreeSet<(String, String)>,
    wrong: Vec<String>,
}

struct Place {
    mailbox: MailboxName,
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
    let findings = server.store.verify(|_| {}).await?;
    if !findings.is_empty() {
        let told = findings.iter().map(ToString::to_string);
        return Err(Verdict::Broken(told.collect()));
    }
    let found = look(server, ledger).await?;
    let mut book = ledger.book();
    let mut wrong = found.wrong.clone();
    wrong.append(&mut book.broken);
    book.moves = of_kinds(&found, &[Kind::BodiesMoved]).count() as u64;
    mailboxes(&mut book, &found, &mut wrong);
    numbers(&book, &found, &mut wrong);
    events(&book, &found, &mut wrong);
    onward(&book, &found, &mut wrong);
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
            let text = String::from_utf8_lossy(&raw);
            file(&mut found.found, ledger, place, entry, &text);
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
fn file(found: &mut Found, ledger: &Ledger, place: &Box, entry: &Entry, text: &str) {
    let own_id = text.lines().find(|line| line.starts_with("Message-ID:"));
    let Some(letter) = own_id.and_then(Letter::find) else {
        if let Some(about) = Letter::find(text) {
            *found
                .notices
                .entry((place.account, about.number))
                .or_default() += 1;
        }
        return;
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
                flags: entry.flags,
            });
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

/// What clients were told of mailboxes.
fn numbers(book: &Book, found: &Found, wrong: &mut Vec<String>) {
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

fn words<'a>(event: &'a Recorded, name: &str) -> Vec<&'a str> {
    let Some(value) = event.event.detail.get(name) else {
        return Vec::new();
    };
    match value.as_array() {
        Some(all) => all.iter().filter_map(|one| one.as_str()).collect(),
        None => value.as_str().into_iter().collect(),
    }
}

fn of_kinds<'a>(found: &'a Found, kinds: &'a [Kind]) -> impl Iterator<Item = &'a Recorded> {
    let events = found.events.iter();
    events.filter(move |event| kinds.contains(&event.event.kind))
}

const ACCEPTED: &[Kind] = &[Kind::TransactionAccepted, Kind::SubmissionAccepted];

/// Each effect has its event, and each event its effect.
fn events(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut accepted: BTreeMap<u64, u64> = BTreeMap::new();
    for event in of_kinds(found, ACCEPTED) {
        let id = words(event, "message_id").concat();
        let Some(letter) = Letter::find(&id) else {
            continue;
        };
        *accepted.entry(letter.number).or_default() += 1;
        if !book.letters.contains_key(&letter.number) {
            wrong.push(format!(
                "letter {} was refused, and an event says not",
                letter.number
            ));
        }
    }
    for (number, sent) in &book.letters {
        if sent.way == Way::Append {
            continue;
        }
        let count = accepted.get(number).copied().unwrap_or(0);
        let came = sent.local.iter().any(|account| {
            book.held
                .get(&(account, *number))
                .is_some_and(|held| held.arrived)
        });
        let known = sent.acknowledged || came;
        if count != u64::from(known) && (known || !sent.local.is_empty() || count > 1) {
            wrong.push(format!(
                "letter {number}: {count} events of its acceptance ({known})"
            ));
        }
    }
    let pairs = [
        (Change::Append, Kind::MessageAppended),
        (Change::Move, Kind::MessageMoved),
        (Change::Expunge, Kind::MessageExpunged),
    ];
    for (change, kind) in pairs {
        let known = book.changes.get(&change).copied().unwrap_or(0);
        let told = of_kinds(found, &[kind]).count() as u64;
        if known != told {
            wrong.push(format!("{change:?}: {known} took effect, {told} events"));
        }
    }
}

const ENDED: &[Kind] = &[
    Kind::DeliveryRelayed,
    Kind::DeliveryFailed,
    Kind::DeliveryExpired,
    Kind::QueueDiscarded,
    Kind::QueueBounced,
];

/// Mail for elsewhere.
fn onward(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut ended: BTreeMap<(&str, &str), Vec<Kind>> = BTreeMap::new();
    for event in of_kinds(found, ENDED) {
        for recipient in words(event, "recipient") {
            let key = (event.event.subject.as_str(), recipient);
            ended.entry(key).or_default().push(event.event.kind);
        }
    }
    for event in of_kinds(found, &[Kind::SubmissionAccepted]) {
        let id = words(event, "message_id").concat();
        let letter = Letter::find(&id);
        let Some(sent) = letter.and_then(|letter| book.letters.get(&letter.number)) else {
            continue;
        };
        let number = sent.letter.number;
        let mut failed = false;
        for recipient in words(event, "recipients") {
            if PEOPLE.contains(&recipient) {
                continue;
            }
            let queue_id = event.event.subject.as_str();
            let waits = found
                .queued
                .contains(&(queue_id.to_owned(), recipient.to_owned()));
            let ends = ended.get(&(queue_id, recipient)).map(Vec::as_slice);
            let ends = ends.unwrap_or_default();
            let what = format!("letter {number} for {recipient}");
            if usize::from(waits) + ends.len() != 1 {
                wrong.push(format!("{what}: waits is {waits}, ended {ends:?}"));
            }
            let taken = book.delivered.contains_key(&(number, recipient.to_owned()));
            if ends == [Kind::DeliveryRelayed] && !taken {
                wrong.push(format!("{what}: an event says that it was handed over"));
            }
            failed |= matches!(ends, [Kind::DeliveryFailed | Kind::DeliveryExpired]);
        }
        let told = found
            .notices
            .get(&(sent.from, number))
            .copied()
            .unwrap_or(0);
        if failed && told == 0 {
            wrong.push(format!(
                "letter {number} failed and {} was not told",
                sent.from
            ));
        }
    }
}
