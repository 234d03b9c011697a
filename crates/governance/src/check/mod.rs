//! The checks: what each looks at, by the names that the catalogue's clauses rest on.
//!
//! A check looks at the store and at [`Facts`] that only the running server can tell, changes nothing, and says what it found with
//! the facts that led to it. What is too old, missing or failed is `unknown`, never `met`. Of what the server makes impossible, the check
//! looks whether the traces in the store agree: rows that break the rule show that somebody went around the server.

mod account;
mod analysis;
mod case;
mod day;
mod expert;
mod mail;
mod people;
pub(crate) mod screening;
mod server;
mod sharing;
mod traffic;
mod trail;
mod vuln;

use ::trail::{Kind, Recorded};
use directory::command::incident::IncidentKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use store::{
    Error, Snapshot,
    event::{self, Filter},
    params,
    sql::{self, Row},
};

pub use day::Day;
pub(crate) use people::DAYS_TO_ACT as DAYS_FOR_PEOPLE;
pub(crate) use trail::DAYS_TO_ACT as DAYS_FOR_VOLUMES;

use crate::{facts::Facts, rules::Rules, state::Finding};

/// What a check can look at.
pub struct Scene<'a, 's> {
    /// The store, at one instant.
    pub snapshot: &'a mut Snapshot<'s>,
    /// What the running server tells.
    pub facts: &'a Facts,
    /// The site's regulation.
    pub rules: &'a Rules,
    /// The time.
    pub now: Timestamp,
    /// How the watch over traffic stands, once a check has asked: it takes all hours of some weeks to tell.
    pub traffic: Option<crate::traffic::Standing>,
    /// The events of the last day, once a check has asked for them.
    pub counted: Option<Day>,
}

/// A check.
pub struct Check {
    /// The name by which clauses rest on it.
    pub name: &'static str,
    /// Looks.
    pub look: fn(&mut Scene<'_, '_>) -> Result<Finding, Error>,
}

/// All checks, by chapter of their subject.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [
        server::CHECKS,
        trail::CHECKS,
        account::CHECKS,
        analysis::CHECKS,
        people::CHECKS,
        mail::CHECKS,
        screening::CHECKS,
        vuln::CHECKS,
        traffic::CHECKS,
        case::CHECKS,
        expert::CHECKS,
        sharing::CHECKS,
    ]
    .into_iter()
    .flatten()
    .chain(case::OF_KIND.iter().map(|(_, check)| check))
}

/// The kinds of incidents that a check is about.
pub(crate) fn incident_kinds(check: &str) -> impl Iterator<Item = IncidentKind> {
    let of_kind = case::OF_KIND.iter();
    let own = of_kind
        .filter(move |(_, one)| one.name == check)
        .map(|(kind, _)| *kind);
    let analysis = (check == "credential-analysis").then_some(IncidentKind::Credential);
    own.chain(analysis)
}

/// Rows that break a rule are named up to this many.
const MOST_NAMED: i64 = 20;
/// Events that are held in memory at once.
const PAGE: usize = 500;

impl Scene<'_, '_> {
    /// How long ago something was.
    fn since(&self, at: Timestamp) -> SignedDuration {
        self.now.duration_since(at)
    }

    /// A time so many days ago.
    fn days_ago(&self, days: i64) -> Timestamp {
        let back = SignedDuration::from_hours(days.saturating_mul(24));
        self.now.checked_sub(back).unwrap_or(Timestamp::MIN)
    }

    /// The day of a time at the site, for people.
    fn day(&self, at: Timestamp) -> String {
        self.rules.calendar.date(at).to_string()
    }

    /// A number of the site's choice, or what the catalogue proposes.
    fn parameter(&self, key: &str) -> Option<i64> {
        self.rules.choices.number(key)
    }

    /// The names that `query` gives, of at most [`MOST_NAMED`] rows: its one parameter is how many.
    fn names(&mut self, query: &str) -> Result<Vec<String>, Error> {
        sql::rows(
            self.snapshot,
            query,
            params![MOST_NAMED],
            |row: &dyn Row| row.text(0),
        )
    }

    /// The one number that `query` gives.
    fn count(&mut self, query: &str) -> Result<u64, Error> {
        let found = sql::first(self.snapshot, query, &[], |row: &dyn Row| row.count(0))?;
        Ok(found.unwrap_or_default())
    }

    /// The events of the last twenty-four hours, counted.
    fn last_day(&mut self) -> Result<&Day, Error> {
        let counted = match self.counted.take() {
            Some(day) => day,
            None => Day::count(self.snapshot, self.now)?,
        };
        Ok(self.counted.insert(counted))
    }

    /// Shows `each` all events of the kinds since a time, in order, a page at a time; how many they were.
    fn each_event(
        &mut self,
        kinds: &[Kind],
        from: Timestamp,
        each: &mut dyn FnMut(&Recorded),
    ) -> Result<u64, Error> {
        let mut filter = Filter {
            from: Some(from),
            kinds: kinds.to_vec(),
            ..Filter::default()
        };
        let mut count = 0_u64;
        loop {
            let page = event::search(self.snapshot, &filter, PAGE)?;
            for one in &page {
                count = count.saturating_add(1);
                each(one);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => filter.after = Some(last.id),
                _ => return Ok(count),
            }
        }
    }
}

/// Met by design as long as no row breaks the rule; `rows` are those that do.
fn unbroken(rows: Vec<String>, ja: &str, en: &str) -> Finding {
    if rows.is_empty() {
        return Finding::met(ja, en);
    }
    Finding::not_met(
        format!(
            "規則に反する記録がある(サーバを経ない変更の疑い): {}",
            rows.join("、")
        ),
        format!(
            "there are rows that break the rule, as if the server had been gone around: {}",
            rows.join(", ")
        ),
    )
    .fact("rows", rows)
}

/// Whole days of a duration.
fn days(duration: SignedDuration) -> i64 {
    duration.as_hours() / 24
}

/// Hours and days in words of either language.
fn texts(names: impl IntoIterator<Item = impl Into<String>>) -> Value {
    let names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.into()
}

#[cfg(test)]
mod tests;
