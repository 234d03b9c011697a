//! How clauses 4.3(1) to (5) and 8.3(4) to (6) stand, for whoever shows it.

use advisory::inventory::Item;
use jiff::Timestamp;
use serde::Serialize;
use store::{Error, sql::Sql};

use crate::facts::Feeds;

use super::{
    case::{Step, Whole},
    names, table,
    times::made,
};

/// A feed, and whether it can be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedStanding {
    /// Its name.
    pub name: String,
    /// When it was tried last.
    pub tried_at: Option<Timestamp>,
    /// Whether that failed.
    pub failed: bool,
    /// When it was read last.
    pub good_at: Option<Timestamp>,
    /// Records that could not be read then, and were passed over.
    pub skipped: u64,
    /// Why it is red; `None`: it is not.
    pub trouble: Option<String>,
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// When software was looked for last; `None`: never.
    pub listed_at: Option<Timestamp>,
    /// Kinds of software that could not be looked at, and why (4.3(1)).
    pub unlisted: Vec<String>,
    /// Pieces of software.
    pub software: u64,
    /// Feeds that the settings name (4.3(2)).
    pub feeds: Vec<FeedStanding>,
    /// Open cases that nobody reported to the officer yet, without those that are excepted: number and since when (4.3(3)). Here as in the
    /// two lists below, what was excepted waits since the exception ended.
    pub unreported: Vec<(i64, Timestamp)>,
    /// Cases that wait for the officer: a plan, its approval, the order, or the end (8.3(4), 8.3(5)).
    pub undecided: Vec<(i64, Timestamp)>,
    /// Cases that wait for the administrator (4.3(4), 4.3(5)).
    pub ordered: Vec<(i64, Timestamp)>,
    /// Open cases that are excepted until a day.
    pub excepted: Vec<(i64, Timestamp)>,
    /// Open cases whose exception has ended, and nothing was decided since: number and when it ended.
    pub lapsed: Vec<(i64, Timestamp)>,
    /// Open cases that nobody was told of by mail yet.
    pub untold: Vec<i64>,
    /// Open cases, not excepted, that are known to be exploited.
    pub exploited: Vec<i64>,
    /// Those that are excepted and known to be exploited.
    pub exploited_excepted: Vec<i64>,
    /// Cases of what is known to be exploited, of which nobody decided whether officers elsewhere are told: number, and since when people
    /// were told (8.3(6)).
    pub unshared: Vec<(i64, Timestamp)>,
    /// Cases that were shared.
    pub shared: u64,
    /// Cases that were closed.
    pub closed: u64,
}

/// Why a feed cannot be relied on: it was not read for too long, or since a check's time and the last try failed; there was nothing in it;
/// it is old by its own word.
fn trouble(feed: &table::Feed, feeds: &Feeds, now: Timestamp) -> Option<String> {
    let age = feed.good_at.map(|at| now.duration_since(at));
    let is_beyond = |most| age.is_none_or(|age| age > most);
    if !feed.failed.is_empty() && is_beyond(feeds.every) {
        return Some(feed.failed.clone());
    }
    if is_beyond(feeds.most_age) {
        return Some("it was not read for too long".to_owned());
    }
    if feed.records == 0 && feed.skipped == 0 {
        return Some("there was no record in it".to_owned());
    }
    let made = made(&feed.published);
    let stale = made.zip(feeds.most_published);
    let stale = stale.is_some_and(|(at, most)| now.duration_since(at) > most);
    stale.then(|| format!("the newest in it is of {}", feed.published))
}

/// Since when people know of a case here that it is known to be exploited: since they were told last, which they are when it is opened, and
/// again when a catalogue takes it up. Until then nobody is late. Of a closed one nobody is told: it counts from the day of the catalogue.
fn exploited_since(
    sql: &mut dyn Sql,
    case: &table::Case,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let advisories = table::advisories(sql, case.number)?;
    let Some((added, _)) = names::exploited(sql, &case.id, &advisories)? else {
        return Ok(None);
    };
    let listed_closed = case
        .closed_at
        .map(|closed| made(&added).map_or(closed, |added| added.max(closed)));
    Ok(Some(case.told_at.or(listed_closed).unwrap_or(now)))
}

/// How it stands at `now`. `feeds` are those that the settings have; each is red that was not read in time, or that was read, but had
/// nothing new for too long: a mirror that is not fed any more.
///
/// # Errors
/// When the store fails.
pub fn standing(sql: &mut dyn Sql, feeds: &Feeds, now: Timestamp) -> Result<Standing, Error> {
    let mut standing = Standing::default();
    for look in table::looks(sql)? {
        standing.listed_at = standing.listed_at.max(Some(look.looked_at));
        if !look.failed.is_empty() {
            standing
                .unlisted
                .push(format!("{}: {}", look.kind, look.failed));
        }
    }
    let items: Vec<Item> = table::software(sql, true)?
        .into_iter()
        .map(|one| one.item)
        .collect();
    standing.software = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let known = table::feeds(sql)?;
    for name in &feeds.names {
        let feed = known.iter().find(|feed| feed.name == *name);
        let good_at = feed.and_then(|feed| feed.good_at);
        let trouble = match feed {
            None => Some("it was never read".to_owned()),
            Some(feed) => trouble(feed, feeds, now),
        };
        standing.feeds.push(FeedStanding {
            name: name.clone(),
            tried_at: feed.map(|feed| feed.tried_at),
            failed: feed.is_some_and(|feed| !feed.failed.is_empty()),
            good_at,
            skipped: feed.map_or(0, |feed| feed.skipped),
            trouble,
        });
    }
    for case in table::cases(sql)? {
        let is_shared = table::steps(sql, case.number)?
            .iter()
            .any(|taken| taken.step == Step::Shared);
        if is_shared {
            standing.shared = standing.shared.saturating_add(1);
        } else if let Some(since) = exploited_since(sql, &case, now)? {
            standing.unshared.push((case.number, since));
        }
        if case.closed_at.is_some() {
            standing.closed = standing.closed.saturating_add(1);
            continue;
        }
        if case.told_at.is_none() {
            standing.untold.push(case.number);
        }
        let Some(whole) = Whole::read(sql, case.number, &items, now)? else {
            continue;
        };
        if let Some(until) = whole.excepted_until() {
            standing.excepted.push((case.number, until));
            if whole.exploited.is_some() {
                standing.exploited_excepted.push(case.number);
            }
            continue;
        }
        if let Some(until) = whole.lapsed_at() {
            standing.lapsed.push((case.number, until));
        }
        if whole.exploited.is_some() {
            standing.exploited.push(case.number);
        }
        let one = (case.number, whole.waits_since());
        match whole.state() {
            None => standing.unreported.push(one),
            Some(Step::Reported | Step::Planned | Step::Approved | Step::Verified) => {
                standing.undecided.push(one);
            }
            Some(_) => standing.ordered.push(one),
        }
    }
    Ok(standing)
}
