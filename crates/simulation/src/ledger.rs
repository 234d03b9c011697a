//! What the world was told: the promises that a history holds the server to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use crate::letter::Letter;

/// A mailbox, as clients name it.
pub(crate) type MailboxName = &'static str;
/// Where mail comes in.
pub(crate) const INBOX: MailboxName = "INBOX";
/// Where clients move and append it.
pub(crate) const ARCHIVE: MailboxName = "Archive";

/// The book of a history. Clones write in the same one.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
pub(crate) struct Book {
    last: u64,
    /// Every letter that was ever given to the server.
    pub(crate) letters: BTreeMap<u64, Sent>,
    /// What owners know of their messages, by account and letter.
    pub(crate) held: BTreeMap<(&'static str, u64), Held>,
    /// What the other server took, by letter and recipient: how often.
    pub(crate) delivered: BTreeMap<(u64, String), u32>,
    /// What clients saw of mailboxes.
    pub(crate) told: BTreeMap<(&'static str, MailboxName), Told>,
    /// Changes by owners that are known to have taken effect.
    pub(crate) changes: BTreeMap<Change, u64>,
    /// Marks that owners set, by account, letter and mark.
    pub(crate) flagged: BTreeMap<(&'static str, u64, Flag), Asked>,
    /// Recipients that the administrator took out of the queue, by message and by what the event is called.
    pub(crate) taken_out: BTreeMap<(String, &'static str), Asked>,
    /// Times that the server moved bodies out of wasteful segments.
    pub(crate) moves: Moves,
    /// Broken promises that clients saw.
    pub(crate) broken: Vec<String>,
}

/// Moves of bodies, by how the life ended in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// All that the events tell of, as the last check found them.
    pub(crate) told: u64,
    /// Those of lives that ended by a power failure and were looked at after it.
    pub(crate) before_cuts: u64,
    /// How many of `told` were there at the last restart.
    known: u64,
    /// A life has ended otherwise since the last restart that was looked at.
    ended_otherwise: bool,
}

impl Moves {
    /// A life ended, by a power failure or otherwise.
    pub(crate) fn life_ended(&mut self, cut: bool) {
        self.ended_otherwise |= !cut;
    }

    /// A check after a restart found all in order.
    pub(crate) fn restarted(&mut self) {
        let since = self.told.saturating_sub(self.known);
        self.known = self.told;
        if !std::mem::take(&mut self.ended_otherwise) {
            self.before_cuts += since;
        }
    }
}

/// A letter on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) letter: Letter,
    pub(crate) from: &'static str,
    /// Recipients that the server took at RCPT.
    pub(crate) local: Vec<&'static str>,
    pub(crate) remote: Vec<String>,
    pub(crate) way: Way,
    /// Whether the server said that it has it.
    pub(crate) acknowledged: bool,
}

/// How a letter came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By SMTP or submission.
    Smtp,
    /// By its owner's APPEND.
    Append,
}

/// What an owner knows of a message.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Where it may be. `None`: nowhere.
    pub(crate) places: BTreeSet<Option<MailboxName>>,
    /// Whether it came at all is known.
    pub(crate) arrived: bool,
    /// A change without an answer: it counts if its effect is found.
    pub(crate) open: Option<Change>,
    /// Whether it is marked as seen; `None`: perhaps.
    pub(crate) seen: Option<bool>,
}

/// What an owner did to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Append,
    Move,
    Expunge,
}

/// A mark on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flag {
    Seen,
    Deleted,
}

impl Flag {
    /// As IMAP writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seen => "\\Seen",
            Self::Deleted => "\\Deleted",
        }
    }
}

/// How often something was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// It was done, as the answer said.
    pub(crate) done: u64,
    /// There was no answer, or none that settles it.
    pub(crate) open: u64,
}

/// What a client knows of a mailbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) validity: u32,
    pub(crate) uid_next: u32,
    pub(crate) modseq: u64,
    /// Which letter a UID is.
    pub(crate) uids: BTreeMap<u32, u64>,
}

impl Ledger {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock()
    }
}

impl Book {
    /// A letter that is about to be given to the server. Until it is acknowledged it may be there or not.
    pub(crate) fn send(&mut self, lines: u64, from: &'static str, way: Way) -> Letter {
        self.last += 1;
        let letter = Letter {
            number: self.last,
            lines,
        };
        let sent = Sent {
            letter,
            from,
            local: Vec::new(),
            remote: Vec::new(),
            way,
            acknowledged: false,
        };
        self.letters.insert(letter.number, sent);
        letter
    }

    /// The whole text goes now to the recipients that were taken.
    pub(crate) fn hand_over(&mut self, letter: Letter, local: &[&'static str], remote: &[String]) {
        if let Some(sent) = self.letters.get_mut(&letter.number) {
            sent.local = local.to_vec();
            sent.remote = remote.to_vec();
        }
        for account in local {
            self.expect(account, letter, INBOX, None);
        }
    }

    /// A message that may come into `place`.
    pub(crate) fn expect(
        &mut self,
        account: &'static str,
        letter: Letter,
        place: MailboxName,
        open: Option<Change>,
    ) {
        let held = Held {
            places: [None, Some(place)].into(),
            arrived: false,
            open,
            seen: Some(false),
        };
        self.held.insert((account, letter.number), held);
    }

    /// The server said that it has it.
    pub(crate) fn acknowledge(&mut self, letter: Letter) {
        let Some(sent) = self.letters.get_mut(&letter.number) else {
            return;
        };
        sent.acknowledged = true;
        for account in sent.local.clone() {
            if let Some(held) = self.held.get_mut(&(account, letter.number)) {
                held.places.remove(&None);
                held.arrived = true;
            }
        }
    }

    /// The server said that it does not have it.
    pub(crate) fn refuse(&mut self, letter: Letter) {
        self.letters.remove(&letter.number);
        self.held.retain(|(_, number), _| *number != letter.number);
    }

    /// A change whose answer is not there yet.
    pub(crate) fn begin(
        &mut self,
        account: &'static str,
        number: u64,
        change: Change,
        to: Option<MailboxName>,
    ) {
        if let Some(held) = self.held.get_mut(&(account, number)) {
            held.places.insert(to);
            held.open = Some(change);
        }
    }

    /// Its answer was yes.
    pub(crate) fn done(&mut self, account: &'static str, number: u64, to: Option<MailboxName>) {
        if let Some(held) = self.held.get_mut(&(account, number)) {
            held.places = [to].into();
            held.arrived = true;
            if let Some(change) = held.open.take() {
                *self.changes.entry(change).or_default() += 1;
            }
        }
    }

    /// Its answer was no.
    pub(crate) fn undone(&mut self, account: &'static str, number: u64, still: MailboxName) {
        if let Some(held) = self.held.get_mut(&(account, number)) {
            held.places = [Some(still)].into();
            held.open = None;
        }
    }

    pub(crate) fn break_promise(&mut self, what: String) {
        self.broken.push(what);
    }

    /// What a client was told at SELECT, held against what it was told before.
    pub(crate) fn tell(
        &mut self,
        account: &'static str,
        mailbox: MailboxName,
        validity: u32,
        uid_next: u32,
        modseq: u64,
    ) {
        let told = self.told.entry((account, mailbox)).or_default();
        let mut wrong = Vec::new();
        if told.validity != 0 && told.validity != validity {
            wrong.push(format!("UIDVALIDITY was {}, is {validity}", told.validity));
        }
        if uid_next < told.uid_next {
            wrong.push(format!("UIDNEXT was {}, is {uid_next}", told.uid_next));
        }
        if modseq < told.modseq {
            wrong.push(format!("HIGHESTMODSEQ was {}, is {modseq}", told.modseq));
        }
        told.validity = validity;
        told.uid_next = uid_next;
        told.modseq = modseq;
        for what in wrong {
            self.break_promise(format!("{account} {mailbox}: {what}"));
        }
    }

    /// A MODSEQ that a client was told outside SELECT.
    pub(crate) fn tell_modseq(&mut self, account: &'static str, mailbox: MailboxName, modseq: u64) {
        let told = self.told.entry((account, mailbox)).or_default();
        told.modseq = told.modseq.max(modseq);
    }

    /// A UIDVALIDITY that a client was told outside SELECT.
    pub(crate) fn tell_validity(
        &mut self,
        account: &'static str,
        mailbox: MailboxName,
        validity: u32,
    ) {
        let told = self.told.entry((account, mailbox)).or_default();
        let before = std::mem::replace(&mut told.validity, validity);
        if before != 0 && before != validity {
            self.break_promise(format!(
                "{account} {mailbox}: UIDVALIDITY was {before}, is {validity}"
            ));
        }
    }

    /// A message that a client saw is there for good: until its owner moves or expunges it.
    pub(crate) fn arrived(&mut self, account: &'static str, number: u64) {
        if let Some(held) = self.held.get_mut(&(account, number)) {
            held.arrived = true;
            if held.open.is_none() {
                held.places.remove(&None);
            }
        }
    }

    /// A UID that a client saw, held against what it was before.
    pub(crate) fn see(
        &mut self,
        account: &'static str,
        mailbox: MailboxName,
        uid: u32,
        number: u64,
    ) {
        let told = self.told.entry((account, mailbox)).or_default();
        told.uid_next = told.uid_next.max(uid + 1);
        let before = *told.uids.entry(uid).or_insert(number);
        if before != number {
            self.break_promise(format!(
                "{account} {mailbox}: UID {uid} was letter {before}, is letter {number}"
            ));
        }
    }
}
