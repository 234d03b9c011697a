//! What a site has: its regulation, what it has chosen of it, its calendar, and the work that comes round.

use std::{collections::BTreeSet, sync::Arc};

use jiff::SignedDuration;
use regulation::{Choices, Clause, Period, Regulation, Schedule};

use crate::{schedule::Calendar, workflow::Workflow};

/// A site's regulation at work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The clauses.
    pub regulation: Arc<Regulation>,
    /// What the site has chosen of parameters and options.
    pub choices: Arc<Choices>,
    /// The calendar that its work follows.
    pub calendar: Calendar,
    /// The work that comes round.
    pub workflows: Arc<[Workflow]>,
}

impl Rules {
    /// The ids of the clauses that are demanded and rest on the check or workflow called `by`.
    #[must_use]
    pub fn resting_on(&self, by: &str) -> Vec<&str> {
        let clauses = self.demanded().filter(|clause| rests_on(clause, by));
        clauses.map(|clause| clause.id.as_str()).collect()
    }

    /// The ids of the clauses that rest on it by their items alone: they stand no better than those.
    #[must_use]
    pub fn resting_by_items(&self, by: &str) -> Vec<&str> {
        let rests = |clause: &Clause| rests_on(clause, by);
        let has_item = |clause: &Clause| {
            let mut left: Vec<&Clause> = self.regulation.items(&clause.id).collect();
            while let Some(item) = left.pop() {
                if self.demands(item) && rests(item) {
                    return true;
                }
                left.extend(self.regulation.items(&item.id));
            }
            false
        };
        let clauses = self
            .demanded()
            .filter(|clause| !rests(clause) && has_item(clause));
        clauses.map(|clause| clause.id.as_str()).collect()
    }

    /// Whether a clause is demanded of this site.
    #[must_use]
    pub fn demands(&self, clause: &Clause) -> bool {
        self.choices.demands(&self.regulation, clause)
    }

    /// Whether any clause that is demanded rests on it.
    #[must_use]
    pub fn needs(&self, by: &str) -> bool {
        self.demanded().any(|clause| rests_on(clause, by))
    }

    /// The names that the clauses rest on.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let ways = self.regulation.clauses().flat_map(|clause| &clause.ways);
        ways.map(|way| way.by.as_str()).collect()
    }

    /// How often a workflow comes round: as often as the most demanding of its clauses says; `None`: it does not by itself.
    #[must_use]
    pub fn period(&self, workflow: &Workflow) -> Option<Period> {
        self.every(&workflow.name).or(workflow.period)
    }

    /// How often the most demanding of the clauses that rest on `by` has it; `None`: none of them says how often.
    #[must_use]
    pub fn every(&self, by: &str) -> Option<Period> {
        let clauses = self.demanded().filter(|clause| rests_on(clause, by));
        let periods = clauses.filter_map(|clause| match self.choices.schedule(clause) {
            Schedule::Every(period) => Some(period),
            Schedule::Continuous | Schedule::OnEvent => None,
        });
        periods.min_by_key(days)
    }

    /// Roughly how long that is: a month counts for 30 days, a year for 365.
    #[must_use]
    pub fn interval(&self, by: &str) -> Option<SignedDuration> {
        let period = self.every(by)?;
        let hours = i64::from(days(&period)).saturating_mul(24);
        Some(SignedDuration::from_hours(hours))
    }

    fn demanded(&self) -> impl Iterator<Item = &Clause> {
        let clauses = self.regulation.clauses();
        clauses.filter(|clause| self.demands(clause))
    }
}

fn rests_on(clause: &Clause, by: &str) -> bool {
    clause.ways.iter().any(|way| way.by == by)
}

/// Roughly how many days a period has: enough to order them.
fn days(period: &Period) -> u32 {
    let days = match period.unit {
        regulation::PeriodUnit::Day => 1,
        regulation::PeriodUnit::Month => 30,
        regulation::PeriodUnit::Year => 365,
    };
    period.count.saturating_mul(days)
}
