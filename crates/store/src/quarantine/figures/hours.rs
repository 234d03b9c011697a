//! Hours of the trail that are over, counted once: a look at thirty days then reads no more than the last hour, and that part of the
//! first one that is not of the time.
//!
//! An hour is over once the trail has a later event: times ascend with the events, so nothing comes into it any more. Only the erasure of
//! a volume takes something out of it, and then everything is counted anew. Hours are those of UTC, whatever the site's calendar is.
//! What was counted is in memory alone: after a restart [`catch_up`] counts it again, a day at a time.
//!
//! *What is always true:* [`since`] tells what a count of all events of the time would tell.

use std::collections::{BTreeMap, HashSet, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::{ByCause, Criterion, Deed, Figures, Tally, Told, each, told};
use crate::{
    Error, QueueId, Snapshot,
    sql::{self, Sql},
};

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;
/// Hours that are counted in one go.
const DAY: i64 = 24;
/// Hours that are remembered at most; a count of a longer time reads all events.
const LONGEST: i64 = 31 * DAY;
/// What is remembered at most: decisions of people, of some 24 octets each, and criteria of an hour. A site that has more of them in
/// [`LONGEST`] has all events read each time, and it is tried again after a day.
const MOST: usize = 1 << 20;

/// The hours that are remembered of one store.
#[derive(Default)]
pub(crate) struct Counted(Mutex<Hours>);

/// Hours without a gap.
#[derive(Default)]
struct Hours {
    /// Volumes that were erased when they were counted.
    erased: u64,
    /// The number of the first one since 1970.
    first: i64,
    hours: VecDeque<Hour>,
    /// The hour until which nothing is remembered, since there was too much.
    rests_until: i64,
}

/// What happened in one hour, by criterion.
type Hour = BTreeMap<Criterion, Part>;

/// What can be added up, and what can not: a message may be decided on in several hours, and shall count once.
#[derive(Default)]
struct Part {
    figures: Figures,
    /// In order. Of the messages that nobody wanted until their time was over, those alone that something had been decided on before.
    deeds: Vec<(Option<QueueId>, Deed)>,
}

/// The same as [`between`](super::between) of all events since `from`, of which hours that are over are read once. Takes as long as that does
/// where they were not counted yet: [`catch_up`] does it in the background.
///
/// # Errors
/// When the database fails.
pub fn since(snapshot: &mut Snapshot<'_>, from: Timestamp) -> Result<ByCause, Error> {
    while catch_up(snapshot, from)? {}
    let mut counted = ByCause::since(from);
    let mut rest = from;
    if let Some((first, over)) = span(snapshot, from)? {
        let whole = begin_of(first.saturating_add(1));
        let take = &mut |one: &trail::Recorded| counted.take(&one.event);
        each(snapshot, from, Some(whole), take)?;
        rest = whole;
        let erased = erased(snapshot)?;
        let remembered: &Counted = snapshot.counted;
        let hours = remembered.0.lock();
        if hours.erased == erased && hours.covers(first, over) {
            hours.add_to(&mut counted, first.saturating_add(1), over);
            rest = begin_of(over);
        }
    }
    let take = &mut |one: &trail::Recorded| counted.take(&one.event);
    each(snapshot, rest, None, take)?;
    Ok(counted)
}

/// Counts at most a day's hours of those that are over and that [`since`] will ask for; `true`: there are more.
///
/// # Errors
/// When the database fails: what was counted before stays counted.
pub fn catch_up(snapshot: &mut Snapshot<'_>, from: Timestamp) -> Result<bool, Error> {
    let Some((first, over)) = span(snapshot, from)? else {
        return Ok(false);
    };
    let erased = erased(snapshot)?;
    // Held while they are counted: nobody counts the same meanwhile.
    let remembered: &Counted = snapshot.counted;
    let mut hours = remembered.0.lock();
    if over < hours.rests_until {
        return Ok(false);
    }
    let is_apart = hours.first > first || hours.end() < first;
    if hours.erased != erased || is_apart {
        *hours = Hours {
            erased,
            first,
            ..Hours::default()
        };
    }
    hours.forget_before(over.saturating_sub(LONGEST));
    let until = over.min(hours.end().saturating_add(DAY));
    hours.count_until(snapshot, until)?;
    if hours.remembered() > MOST {
        *hours = Hours {
            rests_until: over.saturating_add(DAY),
            ..Hours::default()
        };
        return Ok(false);
    }
    Ok(until < over)
}

/// The hour that `from` lies in, and the first one that may not be over. `None`: no whole hour lies between, or too many do.
fn span(sql: &mut dyn Sql, from: Timestamp) -> Result<Option<(i64, i64)>, Error> {
    let newest = "SELECT at FROM event ORDER BY id DESC LIMIT 1";
    let Some(newest) = sql::first(sql, newest, &[], |row| row.time(0))? else {
        return Ok(None);
    };
    let (first, over) = (number_of(from), number_of(newest));
    let whole = over.saturating_sub(first).saturating_sub(1);
    Ok((1..LONGEST).contains(&whole).then_some((first, over)))
}

/// Volumes of which no event is left.
fn erased(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = "SELECT COUNT(*) FROM trail_volume WHERE erased_at IS NOT NULL";
    let found = sql::first(sql, count, &[], |row| row.count(0))?;
    Ok(found.unwrap_or_default())
}

/// The number of the hour that a time lies in.
fn number_of(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(HOUR)
}

fn begin_of(hour: i64) -> Timestamp {
    Timestamp::from_microsecond(hour.saturating_mul(HOUR)).unwrap_or(Timestamp::MAX)
}

impl Hours {
    /// The hour after the last one.
    fn end(&self) -> i64 {
        let count = i64::try_from(self.hours.len()).unwrap_or(i64::MAX);
        self.first.saturating_add(count)
    }

    fn covers(&self, first: i64, end: i64) -> bool {
        self.first <= first && self.end() >= end
    }

    fn forget_before(&mut self, hour: i64) {
        while self.first < hour && self.hours.pop_front().is_some() {
            self.first = self.first.saturating_add(1);
        }
    }

    fn remembered(&self) -> usize {
        let parts = self.hours.iter().flat_map(Hour::values);
        parts.fold(0, |sum, part| sum.saturating_add(part.deeds.len() + 1))
    }

    /// Counts the hours up to this one. Nothing of them is remembered if that fails.
    fn count_until(&mut self, snapshot: &mut Snapshot<'_>, until: i64) -> Result<(), Error> {
        let begin = self.end();
        if begin >= until {
            return Ok(());
        }
        let parts = self.hours.iter().flat_map(Hour::values);
        let deeds = parts.flat_map(|part| &part.deeds);
        let mut decided: HashSet<QueueId> = deeds.filter_map(|(message, _)| *message).collect();
        let mut counted: Vec<Hour> = Vec::new();
        let place = |hour: i64| usize::try_from(hour.saturating_sub(begin)).unwrap_or_default();
        counted.resize_with(place(until), Hour::new);
        let take = &mut |one: &trail::Recorded| {
            let Some((criterion, told)) = told(&one.event) else {
                return;
            };
            if let Some(hour) = counted.get_mut(place(number_of(one.at))) {
                hour.entry(criterion).or_default().take(told, &mut decided);
            }
        };
        each(snapshot, begin_of(begin), Some(begin_of(until)), take)?;
        self.hours.extend(counted);
        Ok(())
    }

    /// Adds the hours from `first` until before `end`.
    fn add_to(&self, counted: &mut ByCause, first: i64, end: i64) {
        let place =
            |hour: i64| usize::try_from(hour.saturating_sub(self.first)).unwrap_or_default();
        let count = place(end).saturating_sub(place(first));
        for hour in self.hours.iter().skip(place(first)).take(count) {
            for (criterion, part) in hour {
                let ids_from = counted.first;
                let tally = match counted.criteria.get_mut(criterion) {
                    Some(tally) => tally,
                    None => counted.criteria.entry(criterion.clone()).or_default(),
                };
                part.add_to(tally, ids_from);
            }
        }
    }
}

impl Part {
    /// `decided` are the messages on which something was decided before, as far as that is remembered.
    fn take(&mut self, told: Told, decided: &mut HashSet<QueueId>) {
        match told {
            Told::More(counter, count) => {
                let counter = counter(&mut self.figures);
                *counter = counter.saturating_add(count);
            }
            // The many: nothing else was, or will be, decided on them.
            Told::Decided(message, Deed::Expired)
                if message.is_none_or(|message| !decided.contains(&message)) =>
            {
                self.figures.expired = self.figures.expired.saturating_add(1);
            }
            Told::Decided(message, deed) => {
                decided.extend(message);
                self.deeds.push((message, deed));
            }
        }
    }

    fn add_to(&self, tally: &mut Tally, first: i64) {
        tally.figures = tally.figures.and(self.figures);
        for (message, deed) in &self.deeds {
            tally.decide(*message, *deed, first);
        }
    }
}
