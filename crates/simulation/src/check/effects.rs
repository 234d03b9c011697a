//! Each effect has its audit event, and each event its effect.

use std::collections::{BTreeMap, BTreeSet};

use store::mailbox::Flags;
use trail::{Actor, Kind, Recorded};

use super::Found;
use crate::{
    ledger::{Book, Change, Flag, Way},
    letter::Letter,
};

/// Words of an event: one, or a list.
pub(super) fn words<'a>(event: &'a Recorded, name: &str) -> Vec<&'a str> {
    let Some(value) = event.event.detail.get(name) else {
        return Vec::new();
    };
    match value.as_array() {
        Some(all) => all.iter().filter_map(|one| one.as_str()).collect(),
        None => value.as_str().into_iter().collect(),
    }
}

pub(super) fn of_kinds<'a>(
    events: &'a [Recorded],
    kinds: &'a [Kind],
) -> impl Iterator<Item = &'a Recorded> {
    let events = events.iter();
    events.filter(move |event| kinds.contains(&event.event.kind))
}

const ACCEPTED: &[Kind] = &[Kind::TransactionAccepted, Kind::SubmissionAccepted];

/// A letter as the events of its acceptance tell of it.
#[derive(Default)]
pub(super) struct Accepted<'a> {
    /// As which messages it is in the queue's numbering; more than one is wrong.
    pub(super) ids: BTreeSet<&'a str>,
    /// Its recipients.
    pub(super) recipients: BTreeSet<&'a str>,
}

/// What was accepted, by letter.
pub(super) fn accepted(events: &[Recorded]) -> BTreeMap<u64, Accepted<'_>> {
    let mut accepted: BTreeMap<u64, Accepted<'_>> = BTreeMap::new();
    for event in of_kinds(events, ACCEPTED) {
        let id = words(event, "message_id").concat();
        let Some(letter) = Letter::find(&id) else {
            continue;
        };
        let one = accepted.entry(letter.number).or_default();
        one.ids.insert(&event.event.subject);
        one.recipients.extend(words(event, "recipients"));
    }
    accepted
}

pub(super) fn check(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    acceptances(book, found, wrong);
    local(book, found, wrong);
    changes(book, found, wrong);
    flags(book, found, wrong);
}

fn acceptances(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let accepted = accepted(&found.events);
    for number in accepted.keys() {
        if !book.letters.contains_key(number) {
            wrong.push(format!(
                "letter {number} was refused, and an event says not"
            ));
        }
    }
    for (number, sent) in &book.letters {
        if sent.way == Way::Append {
            continue;
        }
        let count = accepted.get(number).map_or(0, |one| one.ids.len());
        let came = sent.local.iter().any(|account| {
            let held = book.held.get(&(account, *number));
            held.is_some_and(|held| held.arrived)
        });
        let known = sent.acknowledged || came;
        if count != usize::from(known) && (known || !sent.local.is_empty() || count > 1) {
            wrong.push(format!(
                "letter {number}: {count} events of its acceptance ({known})"
            ));
        }
    }
}

/// What went to mailboxes as it was accepted: one event for all of them, and a message in each.
fn local(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut delivered: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in of_kinds(&found.events, &[Kind::DeliveryLocal]) {
        let to = delivered.entry(&event.event.subject).or_default();
        to.extend(words(event, "recipients"));
        to.extend(words(event, "recipient"));
    }
    for (number, accepted) in accepted(&found.events) {
        let Some(sent) = book.letters.get(&number) else {
            continue;
        };
        let told = accepted.ids.iter();
        let mut told: Vec<&str> = told
            .filter_map(|id| delivered.remove(id))
            .flatten()
            .collect();
        told.sort_unstable();
        let mut wanted = sent.local.clone();
        wanted.sort_unstable();
        if told != wanted {
            wrong.push(format!(
                "letter {number} was for {wanted:?}, and events say that it went to {told:?}"
            ));
        }
        for account in told {
            let held = book
                .held
                .iter()
                .find(|((owner, of), _)| *owner == account && *of == number);
            if !held.is_some_and(|(_, held)| held.arrived) {
                wrong.push(format!(
                    "letter {number}: an event says that it went to {account}, where it never was"
                ));
            }
        }
    }
    for (id, to) in delivered {
        wrong.push(format!("{id} went to {to:?}, and was never accepted"));
    }
}

fn changes(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let pairs = [
        (Change::Append, Kind::MessageAppended),
        (Change::Move, Kind::MessageMoved),
        (Change::Expunge, Kind::MessageExpunged),
    ];
    for (change, kind) in pairs {
        let known = book.changes.get(&change).copied().unwrap_or(0);
        let told = of_kinds(&found.events, &[kind]).count() as u64;
        if known != told {
            wrong.push(format!("{change:?}: {known} took effect, {told} events"));
        }
    }
}

/// Marks: as many events as changes that were answered, and at most those besides that were not; a mark where an event is, and none without.
fn flags(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut told: BTreeMap<(&str, u64, Flag), u64> = BTreeMap::new();
    for event in of_kinds(&found.events, &[Kind::MessageFlagged]) {
        let Some(key) = flagged(book, event) else {
            wrong.push(format!("nobody asked for {:?}", event.event));
            continue;
        };
        *told.entry(key).or_default() += 1;
    }
    for (key, asked) in &book.flagged {
        let (account, number, flag) = key;
        let events = told.remove(&(*account, *number, *flag)).unwrap_or(0);
        let what = format!("{account} letter {number} {flag:?}");
        if events < asked.done || events > asked.done + asked.open {
            wrong.push(format!("{what}: {asked:?}, and {events} events"));
        }
        let places = found.letters.get(&(*account, *number));
        for place in places.into_iter().flatten() {
            let has = place.flags.contains(flag.of_store());
            if has != (events > 0) {
                wrong.push(format!("{what} is {has}, and there are {events} events"));
            }
        }
    }
    for (key, events) in told {
        wrong.push(format!("{key:?}: {events} events, and nobody asked"));
    }
    for ((account, number), places) in &found.letters {
        for flag in [Flag::Seen, Flag::Deleted] {
            let is_set = places
                .iter()
                .any(|place| place.flags.contains(flag.of_store()));
            if is_set && !book.flagged.contains_key(&(*account, *number, flag)) {
                wrong.push(format!(
                    "{account} letter {number} is {flag:?}, and nobody marked it"
                ));
            }
        }
    }
}

/// Whose letter an event says was marked, and how.
fn flagged<'a>(book: &Book, event: &'a Recorded) -> Option<(&'a str, u64, Flag)> {
    let Actor::Identifier(account) = &event.event.actor else {
        return None;
    };
    let uid = words(event, "uids").concat().parse::<u32>().ok()?;
    let change = words(event, "change").concat();
    let flag = [Flag::Seen, Flag::Deleted]
        .into_iter()
        .find(|flag| change == format!("+FLAGS ({})", flag.name()))?;
    let mut told = book.told.iter();
    let (_, told) = told.find(|((owner, mailbox), _)| {
        *owner == account.as_str() && *mailbox == event.event.subject
    })?;
    Some((account, *told.uids.get(&uid)?, flag))
}

impl Flag {
    fn of_store(self) -> Flags {
        match self {
            Self::Seen => Flags::SEEN,
            Self::Deleted => Flags::DELETED,
        }
    }
}
