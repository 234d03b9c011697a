//! How often mail was set apart or marked for which criterion, and what became of it, as the trail tells (clause 5.3(2)).

use std::collections::BTreeMap;

use serde_json::Value;
use trail::{Event, Kind};

/// How often mail was set apart or marked for one criterion, and what became of it. A message that was set apart counts once for each
/// event; one that was marked, once for each mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages set apart.
    pub kept: u64,
    /// Released: it should not have been kept from them.
    pub released: u64,
    /// Deleted by command.
    pub deleted: u64,
    /// Nobody wanted it until its time was over.
    pub expired: u64,
    /// Put into Junk mailboxes.
    pub marked: u64,
    /// Taken out of Junk by their holders: it should not have been put there.
    pub returned: u64,
    /// Put back into Junk by holders who had taken it out.
    again: u64,
}

/// What had decided: a cause, and which of the site's criteria of that cause; empty where there is but one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Criterion {
    /// The cause.
    pub cause: String,
    /// The criterion's name.
    pub name: String,
}

impl Criterion {
    /// Both in one text, `listed: zen.example (address)`.
    #[must_use]
    pub fn words(&self) -> String {
        match self.name.is_empty() {
            true => self.cause.clone(),
            false => format!("{}: {}", self.cause, self.name),
        }
    }
}

/// The same by criterion, counted event by event.
#[derive(Clone, Debug, Default)]
pub struct ByCause(BTreeMap<Criterion, Figures>);

/// What an event adds to.
type Counter = fn(&mut Figures) -> &mut u64;

impl ByCause {
    /// The kinds of events that are counted.
    pub const KINDS: [Kind; 7] = [
        Kind::QuarantineKept,
        Kind::QuarantineReleased,
        Kind::QuarantineDeleted,
        Kind::QuarantineExpired,
        Kind::OutbreakPulled,
        Kind::MailMarked,
        Kind::WordsLearned,
    ];

    /// Counts an event; one of another kind is nothing to it.
    pub fn take(&mut self, event: &Event) {
        // The further parts of a long list of recipients are the same message.
        let part = text(event, "part");
        if part.is_some_and(|part| !part.starts_with("1 ")) {
            return;
        }
        let is_junk = event.detail.get("junk").and_then(Value::as_bool);
        let (counter, count): (Counter, u64) = match (event.kind, is_junk) {
            (Kind::QuarantineKept, _) => (|one| &mut one.kept, 1),
            (Kind::QuarantineReleased, _) => (|one| &mut one.released, 1),
            (Kind::QuarantineDeleted, _) => (|one| &mut one.deleted, 1),
            (Kind::QuarantineExpired, _) => (|one| &mut one.expired, 1),
            // One that its owner had deleted is not set apart.
            (Kind::OutbreakPulled, _) if text(event, "held").is_some() => (|one| &mut one.kept, 1),
            (Kind::MailMarked, _) => {
                let mailboxes = event.detail.get("mailboxes").and_then(Value::as_u64);
                (|one| &mut one.marked, mailboxes.unwrap_or(1))
            }
            // Of what no criterion had marked it says nothing.
            (Kind::WordsLearned, Some(is_junk)) if text(event, "cause").is_some() => {
                match is_junk {
                    true => (|one| &mut one.again, 1),
                    false => (|one| &mut one.returned, 1),
                }
            }
            _ => return,
        };
        let counter = counter(self.0.entry(criterion(event)).or_default());
        *counter = counter.saturating_add(count);
    }

    /// What was counted, by cause and criterion.
    pub fn iter(&self) -> impl Iterator<Item = (&Criterion, Figures)> {
        self.0
            .iter()
            .map(|(criterion, figures)| (criterion, figures.settled()))
    }

    /// All criteria together.
    #[must_use]
    pub fn total(&self) -> Figures {
        self.iter()
            .fold(Figures::default(), |sum, (_, one)| sum.and(one))
    }

    /// The criteria of each cause together.
    #[must_use]
    pub fn causes(&self) -> BTreeMap<&str, Figures> {
        let mut causes: BTreeMap<&str, Figures> = BTreeMap::new();
        for (criterion, one) in self.iter() {
            let sum = causes.entry(&criterion.cause).or_default();
            *sum = sum.and(one);
        }
        causes
    }
}

/// What the event says had decided.
fn criterion(event: &Event) -> Criterion {
    if event.kind == Kind::OutbreakPulled {
        // Its subject is the rule's number, as verdicts have it.
        return Criterion {
            cause: PULLED.to_owned(),
            name: event.subject.clone(),
        };
    }
    let owned = |name| text(event, name).unwrap_or_default().to_owned();
    Criterion {
        cause: owned("cause"),
        name: owned("criterion"),
    }
}

/// The cause of what is pulled out of mailboxes, as the room `screening` calls it.
const PULLED: &str = "outbreak-rule";

fn text<'e>(event: &'e Event, name: &str) -> Option<&'e str> {
    event.detail.get(name).and_then(Value::as_str)
}

impl Figures {
    /// `released` of what was decided by somebody or by time, in tenths of a percent: wrongly set apart, as far as people said. `None`:
    /// nothing was decided yet.
    #[must_use]
    pub fn wrong(&self) -> Option<u32> {
        let decided = self
            .released
            .saturating_add(self.deleted)
            .saturating_add(self.expired);
        tenths(self.released, decided)
    }

    /// `returned` of what was marked, in tenths of a percent: wrongly marked, as far as people said. `None`: nothing was marked.
    #[must_use]
    pub fn wrongly_marked(&self) -> Option<u32> {
        tenths(self.returned, self.marked)
    }

    /// With what was taken out of Junk and put back, and so was no error.
    fn settled(self) -> Self {
        Self {
            returned: self.returned.saturating_sub(self.again),
            again: 0,
            ..self
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            kept: self.kept.saturating_add(other.kept),
            released: self.released.saturating_add(other.released),
            deleted: self.deleted.saturating_add(other.deleted),
            expired: self.expired.saturating_add(other.expired),
            marked: self.marked.saturating_add(other.marked),
            returned: self.returned.saturating_add(other.returned),
            again: self.again.saturating_add(other.again),
        }
    }
}

fn tenths(part: u64, whole: u64) -> Option<u32> {
    let share = part.saturating_mul(1000).checked_div(whole)?;
    Some(u32::try_from(share).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use trail::Actor;

    use super::*;

    fn event(kind: Kind, cause: &str) -> Event {
        Event::new(kind, Actor::System).detail("cause", cause)
    }

    #[test]
    fn a_message_counts_once_and_a_share_is_of_what_was_decided() {
        let mut counted = ByCause::default();
        assert_eq!(counted.total().wrong(), None);
        for _ in 0..4 {
            counted.take(&event(Kind::QuarantineKept, "spam"));
        }
        counted.take(&event(Kind::QuarantineReleased, "spam"));
        counted.take(&event(Kind::QuarantineReleased, "spam").detail("part", "2 of 2"));
        counted.take(&event(Kind::QuarantineExpired, "spam"));
        counted.take(&event(Kind::QuarantineKept, "dmarc"));
        counted.take(&event(Kind::ServerStopped, "dmarc"));
        let all: Vec<(&Criterion, Figures)> = counted.iter().collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].0.words(), "dmarc");
        assert_eq!((all[1].1.kept, all[1].1.released), (4, 1));
        assert_eq!(all[1].1.wrong(), Some(500));
        assert_eq!(counted.total().kept, 5);
    }

    #[test]
    fn each_list_and_rule_has_figures_of_its_own() {
        let mut counted = ByCause::default();
        let of = |kind, name: &str| event(kind, "listed").detail("criterion", name);
        for (name, released) in [("one", 2), ("other", 0)] {
            (0..4).for_each(|_| counted.take(&of(Kind::QuarantineKept, name)));
            (0..released).for_each(|_| counted.take(&of(Kind::QuarantineReleased, name)));
        }
        counted.take(&event(Kind::QuarantineKept, "words"));
        let pulled = Event::new(Kind::OutbreakPulled, Actor::System).subject("7");
        counted.take(&pulled);
        counted.take(&pulled.detail("held", "1"));
        let words: Vec<(String, u64, u64)> = counted
            .iter()
            .map(|(of, one)| (of.words(), one.kept, one.released))
            .collect();
        let expected = [
            ("listed: one", 4, 2),
            ("listed: other", 4, 0),
            ("outbreak-rule: 7", 1, 0),
            ("words", 1, 0),
        ];
        assert_eq!(
            words,
            expected.map(|(of, kept, released)| (of.to_owned(), kept, released))
        );
        assert_eq!(counted.causes()["listed"].kept, 8);
    }

    #[test]
    fn what_is_taken_out_of_junk_counts_for_what_had_marked_it() {
        let mut counted = ByCause::default();
        let marked = event(Kind::MailMarked, "listed").detail("criterion", "one");
        counted.take(&marked.detail("mailboxes", 4));
        let moved = |junk: bool| {
            let event = event(Kind::WordsLearned, "listed").detail("criterion", "one");
            event.detail("junk", junk)
        };
        // Out, in again, and out; and another's.
        for junk in [false, true, false, false] {
            counted.take(&moved(junk));
        }
        // Nothing had marked it.
        counted.take(&Event::new(Kind::WordsLearned, Actor::System).detail("junk", false));
        let all: Vec<(&Criterion, Figures)> = counted.iter().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        let figures = all[0].1;
        assert_eq!((figures.marked, figures.returned), (4, 2));
        assert_eq!(figures.wrongly_marked(), Some(500));
        assert_eq!(figures.wrong(), None);
    }
}
