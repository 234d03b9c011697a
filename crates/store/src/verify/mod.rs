//! Checking a store beside its work: every body, index, counter, reference, and the order of events.
//!
//! A check goes in steps. Each step looks at a part in a consistent view of its own and lets it go: a view that stays
//! open keeps the database's log from being moved along. What spans steps is either written once and never changed
//! (events), or found in two looks of which the second is exact (references). So what merely changed in between is
//! never told. Memory is bounded: findings are handed out as they come.

mod alarm;
mod body;
mod duty;
mod engine;
mod finding;
mod mail;
mod owner;
mod place;
mod quarantine;
mod queue;
mod reference;
mod remedy;
mod sts;
mod tls_report;
mod traffic;
mod trail;
mod tree;
mod vuln;
mod words;
mod work;

use std::{collections::VecDeque, sync::Arc};

use ::trail::Kind;
use jiff::Timestamp;

use crate::{
    Error, Snapshot, Store,
    event::recorded_at,
    shared::Shared,
    sql::{self, Row, Sql, Value},
};

pub use finding::{Arrival, Finding, Holder, Remedy};
pub(crate) use owner::{State, has_mail, usage, validity};
pub(crate) use place::WITH_IDS;
pub(crate) use reference::named;

/// Rows looked at in one step.
const ROWS: i64 = 1000;

/// How far a check has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being checked: `bodies`, `mailboxes`, …
    pub what: &'static str,
    /// Checked of them.
    pub checked: u64,
    /// How many there were at the beginning, where that is known.
    pub total: Option<u64>,
}

/// What a step of a check gives.
#[derive(Debug)]
pub enum Step {
    /// It went on.
    Progress(Progress),
    /// Something is wrong.
    Found(Box<Finding>),
}

/// A check under way. Whoever drops it ends it.
pub struct Verification {
    store: Store,
    checks: VecDeque<Box<dyn Check>>,
    found: VecDeque<Finding>,
    checked: u64,
}

impl Store {
    /// Begins to check everything. Nothing is changed; normal work goes on.
    #[must_use]
    pub fn verification(&self) -> Verification {
        Verification {
            store: self.clone(),
            checks: checks(),
            found: VecDeque::new(),
            checked: 0,
        }
    }

    /// Begins to check the trail alone: that no event was changed, removed, put in or moved, and that every checkpoint tells of
    /// them. What no checkpoint tells of yet is not looked at: see [`Store::checkpoint`].
    #[must_use]
    pub fn trail_verification(&self) -> Verification {
        Verification {
            store: self.clone(),
            checks: trail_checks(),
            found: VecDeque::new(),
            checked: 0,
        }
    }

    /// Checks everything and gathers all that is wrong: for stores where that is little.
    ///
    /// # Errors
    /// When the check itself cannot go on.
    pub async fn verify(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Vec<Finding>, Error> {
        let mut verification = self.verification();
        let mut findings = Vec::new();
        while let Some(step) = verification.next().await? {
            match step {
                Step::Progress(so_far) => progress(so_far),
                Step::Found(finding) => findings.push(*finding),
            }
        }
        Ok(findings)
    }
}

impl Verification {
    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// When the check cannot go on.
    pub async fn next(&mut self) -> Result<Option<Step>, Error> {
        if let Some(finding) = self.found.pop_front() {
            return Ok(Some(Step::Found(Box::new(finding))));
        }
        let Some(mut check) = self.checks.pop_front() else {
            return Ok(None);
        };
        let shared = Arc::clone(&self.store.inner.shared);
        let (check, found, rows, goes_on) = self
            .store
            .read(move |snapshot| -> Result<_, Error> {
                let mut look = Look {
                    shared: &shared,
                    sql: snapshot,
                    found: Vec::new(),
                    rows: 0,
                };
                let goes_on = match check.step(&mut look) {
                    // A column that holds what it cannot: the rest of this check cannot be read past it.
                    Err(Error::Corrupt(said)) => {
                        let table = check.name().to_owned();
                        look.tell(Finding::Table { table, said });
                        false
                    }
                    other => other?,
                };
                let (found, rows) = (look.found, look.rows);
                Ok((check, found, rows, goes_on))
            })
            .await?;
        self.found.extend(found);
        self.checked += rows;
        let so_far = Progress {
            what: check.name(),
            checked: self.checked,
            total: check.total(),
        };
        if goes_on {
            self.checks.push_front(check);
        } else {
            self.checked = 0;
        }
        Ok(Some(Step::Progress(so_far)))
    }
}

/// One sort of check.
trait Check: Send {
    /// What it looks at.
    fn name(&self) -> &'static str;
    /// Looks at the next part; whether there may be more.
    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error>;
    /// How many there are, if that is known.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// What a step looks at and what it has found.
struct Look<'a, 's> {
    shared: &'a Shared,
    sql: &'a mut Snapshot<'s>,
    found: Vec<Finding>,
    /// Rows looked at.
    rows: u64,
}

impl Look<'_, '_> {
    fn tell(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// All rows of a query, mapped. They count as looked at.
    fn rows<T>(
        &mut self,
        statement: &str,
        params: &[Value<'_>],
        map: impl FnMut(&dyn Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = sql::rows(self.sql, statement, params, map)?;
        self.rows += rows.len() as u64;
        Ok(rows)
    }

    fn first<T>(
        &mut self,
        statement: &str,
        params: &[Value<'_>],
        map: impl FnMut(&dyn Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        sql::first(self.sql, statement, params, map)
    }

    fn exists(&mut self, statement: &str, params: &[Value<'_>]) -> Result<bool, Error> {
        exists(self.sql, statement, params)
    }
}

/// Whether an event of one of `kinds` about `subject` was recorded at exactly that instant. Of what is older than the first event that is
/// left, nothing is told any more: its volume was erased when its time was over.
fn is_told(
    look: &mut Look<'_, '_>,
    at: Timestamp,
    kinds: &[Kind],
    subject: &str,
) -> Result<bool, Error> {
    for kind in kinds {
        if recorded_at(look.sql, at, *kind, subject)?.is_some() {
            return Ok(true);
        }
    }
    let first = "SELECT at FROM event ORDER BY id LIMIT 1";
    let first = look.first(first, &[], |row| row.time(0))?;
    Ok(first.is_none_or(|first| at < first))
}

/// Whether a query has a row.
pub(crate) fn exists(
    sql: &mut dyn Sql,
    statement: &str,
    params: &[Value<'_>],
) -> Result<bool, Error> {
    Ok(sql::first(sql, statement, params, |_| Ok(()))?.is_some())
}

/// The checks of the trail: its events, its tree and its checkpoints.
fn trail_checks() -> VecDeque<Box<dyn Check>> {
    let mut checks: VecDeque<Box<dyn Check>> = VecDeque::new();
    checks.push_back(Box::new(trail::Events::default()));
    checks.push_back(Box::new(tree::Tree::default()));
    checks.push_back(Box::new(tree::End));
    checks
}

/// All checks, in an order in which a repair makes ready what the next check counts: rows before counters, both
/// before references, and references before the bodies that nobody owns.
fn checks() -> VecDeque<Box<dyn Check>> {
    let mut checks: VecDeque<Box<dyn Check>> = VecDeque::new();
    checks.push_back(Box::new(engine::Engine::default()));
    checks.push_back(Box::new(place::Marks));
    checks.push_back(Box::new(place::Segments::default()));
    checks.push_back(Box::new(place::Free::default()));
    checks.push_back(Box::new(place::Overlaps::default()));
    checks.append(&mut trail_checks());
    checks.push_back(Box::new(trail::Addresses::default()));
    checks.push_back(Box::new(trail::Index::default()));
    checks.push_back(Box::new(mail::Messages::default()));
    checks.push_back(Box::new(mail::Strays::default()));
    checks.push_back(Box::new(mail::Emails::default()));
    checks.push_back(Box::new(owner::Orphans::default()));
    checks.push_back(Box::new(owner::Validity));
    checks.push_back(Box::new(owner::Mailboxes::default()));
    checks.push_back(Box::new(owner::Accounts::default()));
    checks.push_back(Box::new(queue::Messages::default()));
    checks.push_back(Box::new(queue::Recipients::default()));
    checks.push_back(Box::new(quarantine::Apart::default()));
    checks.push_back(Box::new(sts::Policies::default()));
    checks.push_back(Box::new(tls_report::Sessions::default()));
    checks.push_back(Box::new(tls_report::Mails));
    checks.push_back(Box::new(traffic::Spans::default()));
    checks.push_back(Box::new(alarm::Alarms));
    checks.push_back(Box::new(vuln::Cases::default()));
    checks.push_back(Box::new(work::Tasks::default()));
    checks.push_back(Box::new(work::Reports::default()));
    checks.push_back(Box::new(duty::Capacity::default()));
    checks.push_back(Box::new(duty::Duties));
    checks.push_back(Box::new(reference::References::new()));
    checks.push_back(Box::new(body::Owners::default()));
    checks.push_back(Box::new(body::Bodies::default()));
    checks
}
