//! How often mail was set apart or marked for which criterion, and what became of it, as the trail tells (clause 5.3(2)).

mod hours;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;
use trail::{Event, Kind, Recorded};

use crate::{
    Error, QueueId, Snapshot,
    event::{self, Filter},
    id,
};

pub(crate) use hours::Counted;
pub use hours::{catch_up, since};

/// Events that are read at a time.
const PAGE: usize = 500;

/// How often mail was set apart or marked for one criterion, and what became of it, within the time that is counted. A message that was
/// set apart counts once, for however many it was and however many of them decided on it; one that was marked, once for each mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages set apart.
    pub kept: u64,
    /// Those of [`kept`](Self::kept) that anybody released: a part of them, as [`released`](Self::released) is not.
    pub kept_released: u64,
    /// Messages that anybody released, whenever they were set apart: they should not have been kept from them.
    pub released: u64,
    /// Messages that were deleted by command, and that nobody released.
    pub deleted: u64,
    /// Messages that nobody released or deleted until their time was over.
    pub expired: u64,
    /// Put into Junk mailboxes; never less than [`returned`](Self::returned), of which some may have come before.
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

/// The same by criterion, counted event by event in the order of the trail.
#[derive(Clone, Debug, Default)]
pub struct ByCause {
    /// The least id of a message that can have been set apart within the time.
    first: i64,
    criteria: BTreeMap<Criterion, Tally>,
}

/// One criterion's.
#[derive(Clone, Debug, Default)]
struct Tally {
    figures: Figures,
    /// Messages of which something was decided that another decision may follow, and whether they were released.
    decided: HashMap<QueueId, bool>,
}

/// What an event adds to.
type Counter = fn(&mut Figures) -> &mut u64;

/// What an event tells.
#[derive(Clone, Copy)]
enum Told {
    /// So many more of these.
    More(Counter, u64),
    /// What somebody, or time, decided on a message; `None`: the event names none that could be one of this store.
    Decided(Option<QueueId>, Deed),
}

/// What becomes of a message, for one or more of those whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Released,
    Deleted,
    /// Nothing can follow it.
    Expired,
}

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

    /// Nothing yet, of a time that begins at `from`.
    #[must_use]
    pub fn since(from: Timestamp) -> Self {
        Self {
            // Ids tell when they were given.
            first: id::not_before(from),
            criteria: BTreeMap::new(),
        }
    }

    /// Counts an event; one of another kind is nothing to it.
    pub fn take(&mut self, event: &Event) {
        if let Some((criterion, told)) = told(event) {
            let first = self.first;
            self.criteria
                .entry(criterion)
                .or_default()
                .take(told, first);
        }
    }

    /// What was counted, by cause and criterion.
    pub fn iter(&self) -> impl Iterator<Item = (&Criterion, Figures)> {
        self.criteria
            .iter()
            .map(|(criterion, tally)| (criterion, tally.figures.settled()))
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

impl Tally {
    fn take(&mut self, told: Told, first: i64) {
        match told {
            Told::More(counter, count) => {
                let counter = counter(&mut self.figures);
                *counter = counter.saturating_add(count);
            }
            Told::Decided(message, deed) => self.decide(message, deed, first),
        }
    }

    /// Whoever releases a message shows that it was wanted, whatever the others do. Of one that nobody does, the first decision counts.
    fn decide(&mut self, message: Option<QueueId>, deed: Deed, first: i64) {
        let before = message.and_then(|message| self.decided.get(&message).copied());
        let figures = &mut self.figures;
        match (before, deed) {
            (None, _) => {}
            (Some(false), Deed::Released) => figures.deleted = figures.deleted.saturating_sub(1),
            (Some(_), _) => return,
        }
        let counter = match deed {
            Deed::Released => &mut figures.released,
            Deed::Deleted => &mut figures.deleted,
            Deed::Expired => &mut figures.expired,
        };
        *counter = counter.saturating_add(1);
        let is_released = deed == Deed::Released;
        if is_released && message.is_none_or(|message| message.0 >= first) {
            figures.kept_released = figures.kept_released.saturating_add(1);
        }
        if let Some(message) = message.filter(|_| deed != Deed::Expired) {
            self.decided.insert(message, is_released);
        }
    }
}

/// What an event tells, and of which criterion; `None`: nothing that is counted.
fn told(event: &Event) -> Option<(Criterion, Told)> {
    // The further parts of a long list of recipients are the same message.
    let part = text(event, "part");
    if part.is_some_and(|part| !part.starts_with("1 ")) {
        return None;
    }
    let is_junk = event.detail.get("junk").and_then(Value::as_bool);
    let decided = |deed| Told::Decided(event.subject.parse().ok(), deed);
    let told = match (event.kind, is_junk) {
        (Kind::QuarantineKept, _) => Told::More(|one| &mut one.kept, 1),
        (Kind::QuarantineReleased, _) => decided(Deed::Released),
        (Kind::QuarantineDeleted, _) => decided(Deed::Deleted),
        (Kind::QuarantineExpired, _) => decided(Deed::Expired),
        // One that its owner had deleted is not set apart.
        (Kind::OutbreakPulled, _) if text(event, "held").is_some() => {
            Told::More(|one| &mut one.kept, 1)
        }
        (Kind::MailMarked, _) => {
            let mailboxes = event.detail.get("mailboxes").and_then(Value::as_u64);
            Told::More(|one| &mut one.marked, mailboxes.unwrap_or(1))
        }
        // Of what no criterion had marked it says nothing.
        (Kind::WordsLearned, Some(is_junk)) if text(event, "cause").is_some() => match is_junk {
            true => Told::More(|one| &mut one.again, 1),
            false => Told::More(|one| &mut one.returned, 1),
        },
        _ => return None,
    };
    Some((criterion(event), told))
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

    /// With what was taken out of Junk and put back, and so was no error; and no part greater than its whole: a clock that was put back
    /// gives ids that are ahead of it, and what is taken out of Junk may have come before the time that is counted.
    fn settled(self) -> Self {
        let returned = self.returned.saturating_sub(self.again);
        Self {
            kept_released: self.kept_released.min(self.kept),
            marked: self.marked.max(returned),
            returned,
            again: 0,
            ..self
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            kept: self.kept.saturating_add(other.kept),
            kept_released: self.kept_released.saturating_add(other.kept_released),
            released: self.released.saturating_add(other.released),
            deleted: self.deleted.saturating_add(other.deleted),
            expired: self.expired.saturating_add(other.expired),
            marked: self.marked.saturating_add(other.marked),
            returned: self.returned.saturating_add(other.returned),
            again: self.again.saturating_add(other.again),
        }
    }
}

/// What was set apart and marked from `from` until before `to`, by criterion, and what became of it in that time (clause 5.3(2)): all events
/// of the time are read.
///
/// # Errors
/// When the database fails.
pub fn between(
    snapshot: &mut Snapshot<'_>,
    from: Timestamp,
    to: Timestamp,
) -> Result<ByCause, Error> {
    let mut counted = ByCause::since(from);
    let take = &mut |one: &Recorded| counted.take(&one.event);
    each(snapshot, from, Some(to), take)?;
    Ok(counted)
}

/// Shows `each` all events from `from` until before `to` that are counted, in order, a page at a time.
fn each(
    snapshot: &mut Snapshot<'_>,
    from: Timestamp,
    to: Option<Timestamp>,
    each: &mut dyn FnMut(&Recorded),
) -> Result<(), Error> {
    let mut filter = Filter {
        from: Some(from),
        to,
        kinds: ByCause::KINDS.to_vec(),
        ..Filter::default()
    };
    loop {
        let page = event::search(snapshot, &filter, PAGE)?;
        page.iter().for_each(&mut *each);
        match page.last() {
            Some(last) if page.len() == PAGE => filter.after = Some(last.id),
            _ => return Ok(()),
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
    fn a_message_that_many_decide_on_counts_once() {
        let from: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let mut counted = ByCause::since(from);
        let id = |number: i64| QueueId(id::not_before(from) + number).to_string();
        let of = |kind, number| event(kind, "words").subject(id(number));
        for number in 0..2 {
            counted.take(&of(Kind::QuarantineKept, number));
        }
        // One for three people, of whom two release it; another that one deletes and one releases; time decides for the others.
        for (kind, number) in [
            (Kind::QuarantineReleased, 0),
            (Kind::QuarantineReleased, 0),
            (Kind::QuarantineExpired, 0),
            (Kind::QuarantineDeleted, 1),
            (Kind::QuarantineReleased, 1),
            (Kind::QuarantineDeleted, 1),
            // They were set apart before.
            (Kind::QuarantineReleased, -1),
            (Kind::QuarantineDeleted, -2),
            (Kind::QuarantineExpired, -3),
        ] {
            counted.take(&of(kind, number));
        }
        let total = counted.total();
        assert_eq!((total.kept, total.kept_released), (2, 2));
        assert_eq!((total.released, total.deleted, total.expired), (3, 1, 1));
        assert_eq!(total.wrong(), Some(600));
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

    #[test]
    fn no_share_is_more_than_all() {
        // What was put into Junk before the time that is counted.
        let mut counted = ByCause::default();
        counted.take(&event(Kind::MailMarked, "words"));
        let back = event(Kind::WordsLearned, "words").detail("junk", false);
        (0..3).for_each(|_| counted.take(&back));
        let total = counted.total();
        assert_eq!((total.marked, total.returned), (3, 3));
        assert_eq!(total.wrongly_marked(), Some(1000));
    }
}
