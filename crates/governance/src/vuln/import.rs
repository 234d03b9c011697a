//! Feeds become cases (clauses 4.3(2) and (3)).
//!
//! A [`Gatherer`] hears a feed and keeps what is about software or cases here; when all of the feed was read, [`take`] commits that. So
//! a feed that turns out to be damaged changes nothing.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use advisory::{
    Advisory, Rule, Source, What,
    feed::{Entry, Exploited, Format, Reading, Score},
    inventory::Item,
    matching::touches,
};
use serde::Serialize;
use store::{Error, Recorded, Store, Tx, sql::Sql};
use trail::{Actor, Event, Kind, Outcome};

use super::{
    case::{self, Step},
    inventory,
    names::{self, Names},
    table, times,
};

/// Advisories of one feed that may be about software or cases here: far more than there is software.
const MOST_TAKEN: usize = 20_000;
/// Entries of the catalogue.
const MOST_EXPLOITED: usize = 100_000;
/// Touched software that an event names.
const MOST_NAMED: usize = 50;
/// What is noted of a case that turns out to be known as exploited.
const EXPLOITED: &str = "it is known to be exploited";

/// Hears a feed.
pub struct Gatherer {
    items: Vec<Item>,
    /// Names of packages and products that are here.
    names: BTreeSet<String>,
    /// What is kept already, so that what changed about it is heard even if it touches nothing any more.
    known: BTreeSet<(String, String)>,
    /// Names of cases.
    cases: BTreeSet<String>,
    taken: Taken,
}

/// What of a feed is about software or cases here.
#[derive(Default)]
struct Taken {
    advisories: Vec<Advisory>,
    exploited: Vec<Exploited>,
    scores: Vec<Score>,
    too_many: bool,
}

impl Gatherer {
    /// For the software and cases that there are now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn new(store: &Store) -> Result<Self, Error> {
        let read = store.read(|snapshot| -> Result<_, Error> {
            let software = table::software(snapshot, true)?;
            Ok((software, table::known(snapshot)?, Names::read(snapshot)?))
        });
        let (software, known, cases) = read.await?;
        let items: Vec<Item> = software.into_iter().map(|one| one.item).collect();
        let of_packages = items
            .iter()
            .filter_map(|item| item.package.as_ref().map(|package| package.1.clone()));
        let of_products = items
            .iter()
            .flat_map(|item| item.products.iter().map(|(_, product)| product.clone()));
        let names = of_packages.chain(of_products).collect();
        Ok(Self {
            names,
            items,
            known: known.into_iter().collect(),
            cases: cases.into_names(),
            taken: Taken::default(),
        })
    }

    /// Hears one entry.
    pub fn hear(&mut self, entry: Entry) {
        let full = |length: usize, most: usize| length >= most;
        match entry {
            Entry::Advisory(advisory) if self.concerns(&advisory) => {
                match full(self.taken.advisories.len(), MOST_TAKEN) {
                    true => self.taken.too_many = true,
                    false => self.taken.advisories.push(*advisory),
                }
            }
            Entry::Advisory(_) => {}
            Entry::Exploited(one) => match full(self.taken.exploited.len(), MOST_EXPLOITED) {
                true => self.taken.too_many = true,
                false => self.taken.exploited.push(one),
            },
            Entry::Score(score) => {
                if self.cases.contains(&score.cve) {
                    self.taken.scores.push(score);
                }
            }
        }
    }

    fn concerns(&self, advisory: &Advisory) -> bool {
        let key = (advisory.source.as_str().to_owned(), advisory.id.clone());
        if self.known.contains(&key) {
            return true;
        }
        let named = |what: &What| match what {
            What::Package { name, .. } => self.names.contains(name),
            What::Product { product, .. } => self.names.contains(product),
        };
        let is_named = advisory
            .affected
            .iter()
            .flat_map(|one| &one.what)
            .any(named);
        is_named
            && self
                .items
                .iter()
                .any(|item| touches(advisory, item).is_some())
    }
}

/// A feed, as its event tells of it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// Where it came from.
    pub from: String,
    /// SHA-256 of what was read; empty: it could not be had.
    pub digest: String,
}

/// What came of a feed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Imported {
    /// The feed.
    pub feed: String,
    /// Records that were read.
    pub records: u64,
    /// Records that were passed over, and the first of them.
    pub skipped: u64,
    /// The first of those.
    pub told: Vec<String>,
    /// Records about cases or software here.
    pub touched: u64,
    /// Those of them that are older than what is known, and were left.
    pub older: u64,
    /// Cases that were opened.
    pub opened: Vec<i64>,
    /// Cases about which something has changed.
    pub updated: Vec<i64>,
}

/// Takes what was heard of a feed that was read as a whole. `Ok(Err(_))` says why nothing of it was taken, which is noted: what was
/// known stays.
///
/// # Errors
/// When the store fails.
pub async fn take(
    store: &Store,
    origin: Origin,
    reading: Reading,
    heard: Gatherer,
) -> Result<Result<Imported, String>, Error> {
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<Result<Imported, String>>, Error> {
        commit(tx, &origin, &reading, &heard)
    };
    Ok(store.commit(Vec::new(), work).await?.value)
}

/// Notes that a feed could not be read, and why; what was known stays.
///
/// # Errors
/// When the store fails.
pub async fn refuse(store: &Store, origin: Origin, why: String) -> Result<(), Error> {
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
        table::feed_failed(tx, &origin.name, origin.format, &why)?;
        let mut event = origin.event(Outcome::Failure).detail("reason", why);
        if !origin.digest.is_empty() {
            event = event.detail("digest", origin.digest);
        }
        tx.record(&event, ())
    };
    store.commit(Vec::new(), work).await?;
    Ok(())
}

impl Origin {
    fn event(&self, outcome: Outcome) -> Event {
        Event::new(Kind::VulnFeedImported, Actor::System)
            .outcome(outcome)
            .subject(self.name.as_str())
            .detail("format", self.format.as_str())
            .detail("from", self.from.as_str())
    }
}

fn commit(
    tx: &mut Tx<'_>,
    origin: &Origin,
    reading: &Reading,
    heard: &Gatherer,
) -> Result<Recorded<Result<Imported, String>>, Error> {
    if heard.taken.too_many {
        // Beyond any bound that a real feed comes near: what is left out could be ours, so nothing is taken.
        let why = format!(
            "more than {MOST_TAKEN} of its records are about software here, or its catalogue has more than {MOST_EXPLOITED} entries"
        );
        table::feed_failed(tx, &origin.name, origin.format, &why)?;
        let event = origin
            .event(Outcome::Failure)
            .detail("digest", origin.digest.as_str())
            .detail("reason", why.as_str());
        return tx.record(&event, Err(why));
    }
    // The software may have changed while the feed was read.
    let items: Vec<Item> = table::software(tx, true)?
        .into_iter()
        .map(|one| one.item)
        .collect();
    let mut done = Imported {
        feed: origin.name.clone(),
        records: reading.records,
        skipped: reading.skipped,
        told: reading
            .told
            .iter()
            .map(|skipped| format!("{}: {}", skipped.place, skipped.why))
            .collect(),
        ..Imported::default()
    };
    let mut events = Vec::new();
    let mut names = Names::read(tx)?;
    for advisory in &heard.taken.advisories {
        done.touched = done.touched.saturating_add(1);
        events.extend(advise(tx, advisory, &items, &mut names, &mut done)?);
    }
    if origin.format == Format::Kev {
        // An entry that cannot be read any more, or that a sample has not, does not make its vulnerability harmless.
        let is_sample = table::feeds(tx)?.iter().any(|feed| {
            let is_other = feed.name != origin.name && feed.format == Format::Kev.as_str();
            is_other && feed.records > reading.records
        });
        let is_whole = reading.skipped == 0 && !is_sample;
        let fresh = table::set_exploited(tx, &heard.taken.exploited, is_whole)?;
        for cve in fresh {
            for number in names.cases(&cve) {
                done.touched = done.touched.saturating_add(1);
                done.updated.push(number);
                table::untell(tx, number)?;
                events.push(updated(number, &cve, vec![EXPLOITED.to_owned()]));
            }
        }
    }
    // Of a case with several numbers, the likeliest to be exploited counts.
    let mut scores = BTreeMap::new();
    for score in &heard.taken.scores {
        for number in names.cases(&score.cve) {
            let most = scores.entry(number).or_insert(score);
            if score.probability > most.probability {
                *most = score;
            }
        }
    }
    for (number, score) in scores {
        table::set_score(tx, number, score)?;
        done.touched = done.touched.saturating_add(1);
    }
    events.extend(reopen(tx, &items)?);
    let feed = table::Feed {
        name: origin.name.clone(),
        format: origin.format.as_str().to_owned(),
        tried_at: tx.now(),
        failed: String::new(),
        good_at: Some(tx.now()),
        digest: origin.digest.clone(),
        published: reading.published.clone(),
        records: reading.records,
        skipped: reading.skipped,
        touched: done.touched,
    };
    table::feed_read(tx, &feed)?;
    for event in &events {
        drop(tx.record(event, ())?);
    }
    let event = origin
        .event(Outcome::Success)
        .detail("digest", origin.digest.as_str())
        .detail("published", reading.published.as_str())
        .detail("records", reading.records)
        .detail("skipped", reading.skipped)
        .detail("told", done.told.clone())
        .detail("touched", done.touched);
    tx.record(&event, Ok(done))
}

/// What a source says now of a vulnerability that touches software here, or that there is a case of.
fn advise(
    tx: &mut Tx<'_>,
    advisory: &Advisory,
    items: &[Item],
    names: &mut Names,
    done: &mut Imported,
) -> Result<Option<Event>, Error> {
    let name = format!("{} {}", advisory.source.as_str(), advisory.id);
    if let Some((number, before)) = table::advisory(tx, advisory.source.as_str(), &advisory.id)? {
        if before == *advisory {
            return Ok(None);
        }
        match times::compare(&advisory.modified, &before.modified) {
            Some(Ordering::Less) => {
                done.older = done.older.saturating_add(1);
                return Ok(None);
            }
            // JVN has one state of a record in two forms, of which the one says less.
            Some(Ordering::Equal) | None
                if before.source == Source::Jvn && says(&before) > says(advisory) =>
            {
                return Ok(None);
            }
            _ => {}
        }
        let mut more = keep(tx, number, advisory, names)?;
        done.updated.push(number);
        let what = match (before.withdrawn.is_empty(), advisory.withdrawn.is_empty()) {
            (true, false) => format!("{name} was withdrawn"),
            _ => format!("{name} says something else now"),
        };
        more.insert(0, what);
        return Ok(Some(updated(number, advisory.canonical(), more)));
    }
    let touched: Vec<String> = items
        .iter()
        .filter(|item| touches(advisory, item).is_some())
        .map(inventory::words)
        .take(MOST_NAMED)
        .collect();
    if touched.is_empty() {
        return Ok(None);
    }
    for id in std::iter::once(advisory.canonical())
        .chain(std::iter::once(advisory.id.as_str()))
        .chain(advisory.aliases.iter().map(String::as_str))
    {
        if let Some(number) = table::case_by_id(tx, id)? {
            return join(tx, number, id, advisory, names, done).map(Some);
        }
    }
    // A case that goes by another name, of which a source says since that it has this number.
    for id in std::iter::once(advisory.id.as_str()).chain(advisory.cves()) {
        let known = names.cases(id).next();
        if let Some(number) = known {
            return join(tx, number, id, advisory, names, done).map(Some);
        }
    }
    let id = advisory.canonical();
    let number = table::open(tx, id)?;
    table::keep(tx, number, advisory)?;
    names.learn(number, advisory);
    done.opened.push(number);
    let is_exploited = names::exploited(tx, id, std::slice::from_ref(advisory))?.is_some();
    Ok(Some(
        Event::new(Kind::VulnOpened, Actor::System)
            .subject(number.to_string())
            .detail("id", id)
            .detail("title", advisory.title.as_str())
            .detail("advisories", vec![name])
            .detail("software", touched)
            .detail("exploited", is_exploited),
    ))
}

/// How much an advisory says of versions: products, and words on their versions.
fn says(advisory: &Advisory) -> (usize, usize) {
    let words = advisory.affected.iter().map(|one| match &one.rule {
        Rule::Words { versions } => versions.len(),
        Rule::Osv { .. } | Rule::Cve { .. } => 0,
    });
    (advisory.affected.len(), words.sum())
}

/// One more source tells of a case.
fn join(
    tx: &mut Tx<'_>,
    number: i64,
    id: &str,
    advisory: &Advisory,
    names: &mut Names,
    done: &mut Imported,
) -> Result<Event, Error> {
    let mut what = keep(tx, number, advisory, names)?;
    let name = format!("{} {}", advisory.source.as_str(), advisory.id);
    what.insert(0, format!("{name} tells of it, too"));
    done.updated.push(number);
    Ok(updated(number, id, what))
}

/// Keeps what a source says now of a case. With the number that it gives, the case may turn out to be known as exploited: people are
/// told then, and the words that say so are returned.
fn keep(
    tx: &mut Tx<'_>,
    number: i64,
    advisory: &Advisory,
    names: &mut Names,
) -> Result<Vec<String>, Error> {
    let is_exploited = |tx: &mut Tx<'_>| -> Result<bool, Error> {
        let Some(case) = table::case_by_number(tx, number)? else {
            return Ok(false);
        };
        let advisories = table::advisories(tx, number)?;
        Ok(names::exploited(tx, &case.id, &advisories)?.is_some())
    };
    let before = is_exploited(tx)?;
    table::keep(tx, number, advisory)?;
    names.learn(number, advisory);
    if before || !is_exploited(tx)? {
        return Ok(Vec::new());
    }
    table::untell(tx, number)?;
    Ok(vec![EXPLOITED.to_owned()])
}

fn updated(number: i64, id: &str, what: Vec<String>) -> Event {
    Event::new(Kind::VulnUpdated, Actor::System)
        .subject(number.to_string())
        .detail("id", id)
        .detail("what", what)
}

/// Opens closed cases again that touch software which they were not closed with.
pub(super) fn reopen(tx: &mut Tx<'_>, items: &[Item]) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for one in table::cases(tx)?
        .into_iter()
        .filter(|one| one.closed_at.is_some())
    {
        let steps = table::steps(tx, one.number)?;
        let left = steps.iter().rev().find(|taken| taken.step == Step::Closed);
        let left = left
            .and_then(|taken| taken.facts.get("left")?.as_array().cloned())
            .unwrap_or_default();
        let fresh: Vec<String> = touched(tx, one.number, items)?
            .into_iter()
            .filter(|words| !left.iter().any(|known| known == words.as_str()))
            .collect();
        if fresh.is_empty() {
            continue;
        }
        let facts = serde_json::json!({ "software": fresh });
        table::take(tx, one.number, Step::Reopened, None, &facts)?;
        table::set_closed(tx, one.number, None)?;
        table::untell(tx, one.number)?;
        events.push(case::event(
            Event::new(Kind::VulnStep, Actor::System),
            one.number,
            &one.id,
            Step::Reopened,
            facts,
        ));
    }
    Ok(events)
}

/// The software that a case touches, in words.
pub(super) fn touched(sql: &mut dyn Sql, case: i64, items: &[Item]) -> Result<Vec<String>, Error> {
    let advisories = table::advisories(sql, case)?;
    let is_touched = |item: &&Item| {
        advisories
            .iter()
            .any(|advisory| touches(advisory, item).is_some())
    };
    Ok(items
        .iter()
        .filter(is_touched)
        .map(inventory::words)
        .collect())
}
