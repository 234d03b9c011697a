//! Mail for elsewhere: of each letter that was acknowledged, every recipient that the server took waits in the queue or ended, and did so once.
//! What was handed over is there; of what failed the sender was told, once; what somebody took out has an event that says so.

use std::collections::{BTreeMap, BTreeSet};

use trail::Kind;

use super::{
    Found,
    effects::{accepted, of_kinds, words},
};
use crate::{
    ledger::{Book, Sent, Way},
    people::PEOPLE,
};

const ENDED: &[Kind] = &[
    Kind::DeliveryRelayed,
    Kind::DeliveryFailed,
    Kind::DeliveryExpired,
    Kind::QueueDiscarded,
    Kind::QueueBounced,
];

/// How a recipient of a message ended, as events tell.
#[derive(Default)]
struct End {
    kinds: Vec<Kind>,
    /// The other server took it while somebody took it out of the queue: then both are told.
    taken_meanwhile: bool,
}

type Ends<'a> = BTreeMap<(&'a str, &'a str), End>;

pub(super) fn check(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut ends = ends(found);
    let accepted = accepted(&found.events);
    let mut waiting = found.queued.clone();
    for (number, sent) in &book.letters {
        if sent.way == Way::Append {
            continue;
        }
        let Some(told) = accepted.get(number) else {
            if sent.acknowledged {
                wrong.push(format!(
                    "letter {number} was acknowledged, and no event says so"
                ));
            }
            continue;
        };
        let remote = told.recipients.iter();
        let remote: BTreeSet<&str> = remote
            .copied()
            .filter(|one| !PEOPLE.contains(one))
            .collect();
        let wanted: BTreeSet<&str> = sent.remote.iter().map(String::as_str).collect();
        if remote != wanted {
            wrong.push(format!(
                "letter {number} was taken for {wanted:?}, and its event says {remote:?}"
            ));
        }
        for id in &told.ids {
            for recipient in &wanted {
                let waits = waiting.remove(&((*id).to_owned(), (*recipient).to_owned()));
                let end = ends.remove(&(*id, *recipient)).unwrap_or_default();
                one(book, found, sent, recipient, waits, &end, wrong);
            }
        }
    }
    // Whatever is left nobody was promised.
    for (id, recipient) in waiting {
        wrong.push(format!(
            "{id} for {recipient} is in the queue, and nobody sent it"
        ));
    }
    for ((id, recipient), end) in ends {
        wrong.push(format!(
            "{id} for {recipient} ended {:?}, and nobody sent it",
            end.kinds
        ));
    }
    commands(book, found, wrong);
}

fn ends(found: &Found) -> Ends<'_> {
    let mut ends = Ends::new();
    for event in of_kinds(&found.events, ENDED) {
        let recipients = words(event, "recipient").into_iter();
        for recipient in recipients.chain(words(event, "recipients")) {
            let end = ends.entry((&event.event.subject, recipient)).or_default();
            let kind = event.event.kind;
            if kind == Kind::DeliveryRelayed
                && words(event, "note")
                    .concat()
                    .starts_with("taken out of the queue")
            {
                end.taken_meanwhile = true;
            } else {
                end.kinds.push(kind);
            }
        }
    }
    ends
}

/// One recipient of one letter.
fn one(
    book: &Book,
    found: &Found,
    sent: &Sent,
    recipient: &str,
    waits: bool,
    end: &End,
    wrong: &mut Vec<String>,
) {
    let number = sent.letter.number;
    let what = format!("letter {number} for {recipient}");
    let kinds = end.kinds.as_slice();
    if usize::from(waits) + kinds.len() != 1 {
        wrong.push(format!("{what}: waits is {waits}, ended {kinds:?}"));
    }
    let by_command = matches!(kinds, [Kind::QueueDiscarded | Kind::QueueBounced]);
    if end.taken_meanwhile && !by_command {
        wrong.push(format!(
            "{what}: nobody took it out of the queue, and an event says so"
        ));
    }
    let taken = book.delivered.contains_key(&(number, recipient.to_owned()));
    if (kinds == [Kind::DeliveryRelayed] || end.taken_meanwhile) && !taken {
        wrong.push(format!("{what}: an event says that it was handed over"));
    }
    let failed = matches!(
        kinds,
        [Kind::DeliveryFailed | Kind::DeliveryExpired | Kind::QueueBounced]
    );
    let key = (sent.from, number, recipient.to_owned());
    let told = found.notices.get(&key).copied().unwrap_or(0);
    if told != u64::from(failed) {
        wrong.push(format!(
            "{what} ended {kinds:?}, and {} was told {told} times that it failed",
            sent.from
        ));
    }
}

/// What an administrator took out of the queue: an event for each recipient, and none that nobody asked for.
fn commands(book: &Book, found: &Found, wrong: &mut Vec<String>) {
    let mut told: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in of_kinds(&found.events, &[Kind::QueueDiscarded, Kind::QueueBounced]) {
        let key = (event.event.subject.as_str(), event.event.kind.as_str());
        *told.entry(key).or_default() += words(event, "recipients").len() as u64;
    }
    for ((id, kind), asked) in &book.taken_out {
        let events = told.remove(&(id.as_str(), *kind)).unwrap_or(0);
        if events < asked.done || (asked.open == 0 && events > asked.done) {
            wrong.push(format!("{kind} of {id}: {asked:?}, and {events} in events"));
        }
    }
    for ((id, kind), events) in told {
        wrong.push(format!(
            "{kind} of {id}: {events} in events, and nobody asked"
        ));
    }
}
