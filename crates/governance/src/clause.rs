//! Clauses, as officers ask for them: how each stands, since when, by what evidence, and when it is due next.
//!
//! | command | role |
//! |---|---|
//! | `clause list`, `clause show`, `clause check` | any officer's role |
//! | `clause evidence` | administrator, system officer, security officer: it shows events of the trail |

use std::collections::BTreeMap;

use directory::{
    Role,
    command::{Caller, CommandError},
};
use jiff::{SignedDuration, Timestamp};
use regulation::{Clause, Decided, Kind as ClauseKind, Language, Period, Schedule};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    Error, Snapshot,
    event::{self, Filter},
};
use trail::Recorded;

use crate::{
    dossier::{self, behind},
    facts::Facts,
    fault::CORRECTION,
    look::{self, Standings},
    report::{ReportView, view as report_view},
    rules::Rules,
    state::State,
    tables::{report, standing, task},
    task::{TaskView, view as task_view},
};

/// Who may see events.
pub const MAY_SEE_EVENTS: &[Role] = &[
    Role::Administrator,
    Role::SystemOfficer,
    Role::SecurityOfficer,
];
/// Events that are shown of a clause at most, the newest.
const MOST_EVENTS: usize = 50;
/// Events that are read at a time.
const PAGE: usize = 1000;
/// Tasks of a workflow that are shown at most, the newest.
const MOST_TASKS: u32 = 20;
/// How far back events are shown.
const BACK: SignedDuration = SignedDuration::from_hours(92 * 24);

/// A clause, as listed.
#[derive(Clone, Debug, Serialize)]
pub struct ClauseView {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What it is about, in Japanese.
    pub title_ja: String,
    /// The same in English.
    pub title: String,
    /// Why it stands like that, in Japanese; of several reasons the worst.
    pub why_ja: String,
    /// The same in English.
    pub why: String,
    /// When an event last told of it.
    pub last_evidence: Option<Timestamp>,
    /// When it is due next, if it comes round.
    pub next_due: Option<Timestamp>,
}

/// A clause with all that belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct ClauseDetails {
    /// The clause.
    #[serde(flatten)]
    pub clause: ClauseView,
    /// What it demands, in Japanese.
    pub demand_ja: String,
    /// The same in English.
    pub demand: String,
    /// The roles that owe it.
    pub owed_by: Vec<String>,
    /// `must` or `should`.
    pub obligation: &'static str,
    /// When it is due, as `every-3-months`.
    pub schedule: String,
    /// The option that it hangs on.
    pub option: Option<String>,
    /// Settings that govern it.
    pub settings: Vec<String>,
    /// How it is met, and how each way stands.
    pub ways: Vec<WayView>,
}

/// One way in which a clause is met.
#[derive(Clone, Debug, Serialize)]
pub struct WayView {
    /// `enforce`, `measure` or `workflow`.
    pub way: &'static str,
    /// The check or workflow.
    pub by: String,
    /// How it stands.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, in Japanese.
    pub why_ja: String,
    /// The same in English.
    pub why: String,
    /// What led to it.
    pub facts: Map<String, Value>,
}

/// What is behind a clause.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// How it stands.
    pub clause: ClauseDetails,
    /// The newest events that are its evidence, and those that told how it stands.
    pub events: Vec<Recorded>,
    /// How many earlier ones of the same time there are: `audit search` has them.
    pub left_out: u64,
    /// Its tasks, the newest first.
    pub tasks: Vec<TaskView>,
    /// The reports that came of them, and of its incidents.
    pub reports: Vec<ReportView>,
}

/// All clauses that demand something.
///
/// # Errors
/// [`CommandError`].
pub async fn list(
    caller: &Caller,
    rules: &Rules,
    facts: &Facts,
) -> Result<Vec<ClauseView>, CommandError> {
    let (rules, facts, now) = (rules.clone(), facts.clone(), caller.store().now());
    let look = caller.look("clause list", &Role::OFFICERS, move |snapshot, _| {
        let scene = Scene::see(snapshot, &rules, &facts, now)?;
        let duties = rules
            .regulation
            .clauses()
            .filter(|clause| clause.kind != ClauseKind::Definition);
        Ok(duties.map(|clause| scene.view(clause)).collect())
    });
    look.await
}

/// One clause.
///
/// # Errors
/// [`CommandError`].
pub async fn show(
    caller: &Caller,
    rules: &Rules,
    facts: &Facts,
    id: &str,
) -> Result<ClauseDetails, CommandError> {
    let words = format!("clause show {id}");
    let (rules, facts, now) = (rules.clone(), facts.clone(), caller.store().now());
    let id = id.to_owned();
    let look = caller.look(&words, &Role::OFFICERS, move |snapshot, _| {
        let clause = known(&rules, &id)?;
        Ok(Scene::see(snapshot, &rules, &facts, now)?.details(clause))
    });
    look.await
}

/// Looks at once, tells of what changed, and shows the clause.
///
/// # Errors
/// [`CommandError`].
pub async fn check(
    caller: &Caller,
    rules: &Rules,
    facts: &Facts,
    id: &str,
) -> Result<ClauseDetails, CommandError> {
    let words = format!("clause check {id}");
    known(rules, id)?;
    let work = |_| async {
        look::look(caller.store(), rules, facts).await?;
        Ok(())
    };
    caller.permit(&words, &Role::OFFICERS, work).await?;
    show(caller, rules, facts, id).await
}

/// What is behind a clause: events, tasks and reports.
///
/// # Errors
/// [`CommandError`].
pub async fn evidence(
    caller: &Caller,
    rules: &Rules,
    facts: &Facts,
    id: &str,
) -> Result<Evidence, CommandError> {
    let words = format!("clause evidence {id}");
    let (rules, facts, now) = (rules.clone(), facts.clone(), caller.store().now());
    let id = id.to_owned();
    let look = caller.look(&words, MAY_SEE_EVENTS, move |snapshot, _| {
        let clause = known(&rules, &id)?;
        let details = Scene::see(snapshot, &rules, &facts, now)?.details(clause);
        let (mut tasks, mut reports) = (Vec::new(), Vec::new());
        let ways = ways(&rules, clause);
        for way in &ways {
            for entry in task::of(snapshot, way, MOST_TASKS)? {
                let of_task = report::of_task(snapshot, entry.number)?;
                reports.extend(of_task.into_iter().map(report_view));
                tasks.push(task_view(&rules, &entry, now));
            }
        }
        for entry in task::of(snapshot, CORRECTION, MOST_TASKS)? {
            let review = entry.facts.get("review").and_then(Value::as_str);
            if review.is_some_and(|review| ways.contains(&review)) {
                tasks.push(task_view(&rules, &entry, now));
            }
        }
        let incidents = dossier::incidents_of(snapshot, &ways)?;
        let mut of_others = dossier::reports_of(snapshot, incidents.as_deref())?;
        of_others.extend(dossier::reports_of_cases(snapshot, &ways)?);
        for number in of_others {
            reports.extend(report::by_number(snapshot, number)?.map(report_view));
        }
        let numbers: Vec<i64> = tasks.iter().map(|task| task.number).collect();
        let made: Vec<i64> = reports.iter().map(|report| report.number).collect();
        let own = behind::Own {
            from: now.checked_sub(BACK).unwrap_or(Timestamp::MIN),
            to: None,
            ways: &ways,
            tasks: &numbers,
            reports: &made,
            incidents: incidents.as_deref(),
        };
        let (events, left_out) = events(snapshot, clause, &own)?;
        Ok(Evidence {
            clause: details,
            events,
            left_out,
            tasks,
            reports,
        })
    });
    look.await
}

/// How every clause that demands something stands, by id, for documents.
///
/// # Errors
/// The store's.
pub fn states(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    facts: &Facts,
    now: Timestamp,
) -> Result<BTreeMap<String, ClauseView>, Error> {
    let scene = Scene::see(snapshot, rules, facts, now)?;
    let clauses = rules.regulation.clauses();
    let duties = clauses.filter(|clause| clause.kind != ClauseKind::Definition);
    let views = duties.map(|clause| (clause.id.clone(), scene.view(clause)));
    Ok(views.collect())
}

/// What views are made of.
pub(crate) struct Scene<'a> {
    rules: &'a Rules,
    now: Timestamp,
    standings: Standings,
    told: BTreeMap<String, Timestamp>,
    /// When the open tasks of a workflow are due.
    due: BTreeMap<String, Timestamp>,
}

impl<'a> Scene<'a> {
    pub(crate) fn see(
        snapshot: &mut Snapshot<'_>,
        rules: &'a Rules,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let told = standing::all(snapshot)?.into_iter();
        let told = told.map(|entry| (entry.name, entry.told_at)).collect();
        let mut due = BTreeMap::new();
        for open in task::open(snapshot)? {
            due.entry(open.workflow).or_insert(open.due_at);
        }
        Ok(Self {
            rules,
            now,
            standings: look::standings(snapshot, rules, facts, now)?,
            told,
            due,
        })
    }

    /// A clause stands as the worst of its own ways and of its items: it is not met while one of them is not.
    fn view(&self, clause: &Clause) -> ClauseView {
        let came_true = self.came_true(clause);
        let ways = match came_true {
            true => all_ways(self.rules, clause),
            false => ways(self.rules, clause),
        };
        let last = ways.iter().filter_map(|by| self.told.get(*by)).max();
        let last = last.copied();
        let ways: Vec<WayView> = ways.into_iter().map(|by| self.way("", by)).collect();
        let (worst, since) = weighed(ways);
        let demanded = came_true || self.rules.demands(clause);
        let (state, why_ja, why) = match worst {
            _ if !demanded => (
                State::NotAdopted,
                "この条項の前提となる選択肢を採用していない".to_owned(),
                "the site has not adopted the option that it hangs on".to_owned(),
            ),
            Some(way) => (way.state, way.why_ja, way.why),
            None => (
                State::Unknown,
                "これを確かめる仕組みがない".to_owned(),
                "nothing looks at it".to_owned(),
            ),
        };
        ClauseView {
            id: clause.id.clone(),
            state,
            since: since.filter(|_| demanded),
            title_ja: clause.title.ja.clone(),
            title: clause.title.en.clone(),
            why_ja,
            why,
            last_evidence: last.filter(|_| demanded),
            next_due: self.next_due(clause).filter(|_| demanded),
        }
    }

    /// What the server's design rules out, so that the clause is not demanded, is so all the same: then it is.
    fn came_true(&self, clause: &Clause) -> bool {
        let regulation = &self.rules.regulation;
        let key = clause.option.as_deref();
        let by_design = key
            .and_then(|key| regulation.option(key))
            .is_some_and(|option| option.decided == Decided::Design);
        let is_broken = |by: &&str| {
            let standing = self.standings.get(*by);
            standing.is_some_and(|standing| standing.finding.state == State::NotMet)
        };
        by_design
            && !self.rules.demands(clause)
            && all_ways(self.rules, clause).iter().any(is_broken)
    }

    fn next_due(&self, clause: &Clause) -> Option<Timestamp> {
        let open = ways(self.rules, clause)
            .into_iter()
            .filter_map(|by| self.due.get(by).copied())
            .min();
        let period = match self.rules.choices.schedule(clause) {
            Schedule::Every(period) => Some(period),
            // Then its workflows may say how often.
            Schedule::Continuous | Schedule::OnEvent => self.round(clause),
        };
        let span = period.and_then(|period| self.rules.calendar.span(period, self.now));
        open.or_else(|| span.map(|span| span.end))
    }

    /// How often the work of a clause comes round whose schedule does not say so; of several pieces the one that begins next.
    fn round(&self, clause: &Clause) -> Option<Period> {
        let names = ways(self.rules, clause);
        let workflows = self.rules.workflows.iter();
        let own = workflows.filter(|one| !one.on_demand && names.contains(&one.name.as_str()));
        let periods = own.filter_map(|one| self.rules.period(one));
        periods.min_by_key(|period| {
            let span = self.rules.calendar.span(*period, self.now);
            span.map_or(Timestamp::MAX, |span| span.end)
        })
    }

    fn way(&self, kind: &'static str, by: &str) -> WayView {
        match self.standings.get(by) {
            Some(standing) => WayView {
                way: kind,
                by: by.to_owned(),
                state: standing.finding.state,
                since: Some(standing.since),
                why_ja: standing.finding.why.ja.clone(),
                why: standing.finding.why.en.clone(),
                facts: standing.finding.facts.clone(),
            },
            None => WayView {
                way: kind,
                by: by.to_owned(),
                state: State::Unknown,
                since: None,
                why_ja: "これを確かめる仕組みがない".to_owned(),
                why: "nothing looks at it".to_owned(),
                facts: Map::new(),
            },
        }
    }

    /// What is demanded, with the site's own periods and names in it.
    fn demand(&self, clause: &Clause, language: Language) -> String {
        self.rules.choices.demand(clause, language)
    }

    pub(crate) fn details(&self, clause: &Clause) -> ClauseDetails {
        let ways = clause.ways.iter();
        let ways = ways.map(|way| self.way(way.way.as_str(), &way.by));
        ClauseDetails {
            clause: self.view(clause),
            demand_ja: self.demand(clause, Language::Ja),
            demand: self.demand(clause, Language::En),
            owed_by: clause.owed_by.clone(),
            obligation: match clause.obligation {
                regulation::Obligation::Must => "must",
                regulation::Obligation::Should => "should",
            },
            schedule: self.rules.choices.schedule(clause).to_string(),
            option: clause.option.clone(),
            settings: clause.settings.clone(),
            ways: ways.collect(),
        }
    }
}

/// The worst of the ways, which says how the clause stands and why, and since when it is so. It is met since the last of its ways came
/// to be, and not met since the first of those that are not; of several such ways that one says why.
fn weighed(ways: Vec<WayView>) -> (Option<WayView>, Option<Timestamp>) {
    let latest = ways.iter().map(|way| way.since).max().flatten();
    let mut worst: Option<WayView> = None;
    for way in ways {
        let is_worse = worst.as_ref().is_none_or(|worst| {
            let is_earlier = way.since < worst.since && way.state == State::NotMet;
            way.state > worst.state || (way.state == worst.state && is_earlier)
        });
        if is_worse {
            worst = Some(way);
        }
    }
    let since = match &worst {
        Some(worst) if worst.state == State::Met => latest,
        Some(worst) => worst.since,
        None => None,
    };
    (worst, since)
}

/// What a clause rests on: its own ways, and those of its items that are demanded, and of theirs.
pub(crate) fn ways<'a>(rules: &'a Rules, clause: &'a Clause) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let mut left = vec![clause];
    while let Some(one) = left.pop() {
        names.extend(one.ways.iter().map(|way| way.by.as_str()));
        let items = rules.regulation.items(&one.id);
        left.extend(items.filter(|item| rules.demands(item)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The same, whether its items are demanded or not.
fn all_ways<'a>(rules: &'a Rules, clause: &'a Clause) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let mut left = vec![clause];
    while let Some(one) = left.pop() {
        names.extend(one.ways.iter().map(|way| way.by.as_str()));
        left.extend(rules.regulation.items(&one.id));
    }
    names.sort_unstable();
    names.dedup();
    names
}

pub(crate) fn known<'a>(rules: &'a Rules, id: &str) -> Result<&'a Clause, CommandError> {
    rules
        .regulation
        .clause(id)
        .ok_or_else(|| CommandError::NoSuch {
            what: "clause",
            name: format!("{id} (`clause list` shows all)"),
        })
}

/// The newest of the events behind a clause, of each filter, and how many there were before them.
fn events(
    snapshot: &mut Snapshot<'_>,
    clause: &Clause,
    own: &behind::Own<'_>,
) -> Result<(Vec<Recorded>, u64), Error> {
    let (mut found, mut left_out) = (Vec::new(), 0);
    for filter in behind::filters(clause, own) {
        let (newest, more) = newest(snapshot, filter, MOST_EVENTS)?;
        found.extend(newest);
        left_out += more;
    }
    found.sort_by_key(|one| one.id);
    Ok((found, left_out))
}

/// The newest `most` events that a filter means, in order, and how many there were before them.
pub(crate) fn newest(
    snapshot: &mut Snapshot<'_>,
    mut filter: Filter,
    most: usize,
) -> Result<(Vec<Recorded>, u64), Error> {
    let (mut newest, mut left_out) = (Vec::new(), 0_u64);
    loop {
        let page = event::search(snapshot, &filter, PAGE)?;
        let full = page.len() == PAGE;
        filter.after = page.last().map(|last| last.id);
        newest.extend(page);
        let more = newest.len().saturating_sub(most);
        newest.drain(..more);
        left_out += more as u64;
        if !full {
            return Ok((newest, left_out));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn way(by: &str, state: State, since: &str) -> WayView {
        WayView {
            way: "measure",
            by: by.to_owned(),
            state,
            since: Some(since.parse().unwrap()),
            why_ja: String::new(),
            why: String::new(),
            facts: Map::new(),
        }
    }

    #[test]
    fn a_clause_is_met_since_the_last_of_its_ways_and_not_met_since_the_first() {
        let early = "2026-04-01T00:00:00Z";
        let late = "2026-09-01T00:00:00Z";
        let since = |ways| {
            let (worst, since) = weighed(ways);
            (worst.unwrap().by, since.unwrap().to_string())
        };
        // One of the two was red until September, whichever stands first.
        let (a, b) = (way("a", State::Met, early), way("b", State::Met, late));
        assert_eq!(since(vec![a.clone(), b.clone()]).1, late);
        assert_eq!(since(vec![b, a]).1, late);
        let (a, b) = (
            way("a", State::NotMet, late),
            way("b", State::NotMet, early),
        );
        assert_eq!(since(vec![a, b]), ("b".to_owned(), early.to_owned()));
        let (a, b) = (way("a", State::Met, late), way("b", State::Unknown, early));
        assert_eq!(since(vec![a, b]), ("b".to_owned(), early.to_owned()));
        let (none, at) = weighed(Vec::new());
        assert!(none.is_none() && at.is_none());
    }
}
