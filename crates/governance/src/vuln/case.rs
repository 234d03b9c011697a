//! A case as a whole: what sources say, what it touches, and how far people have come with it.

use std::str::FromStr;

use advisory::{
    Advisory,
    inventory::Item,
    matching::{Certainty, touches},
};
use directory::command::{Caller, CommandError};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use store::{Error, sql::Sql};
use trail::Event;

use super::{READERS, inventory, names, plan::Plan, table};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Cause, scope, remedy and exploit were reported to the system officer (4.3(3)).
    Reported,
    /// A version of the plan was written (8.3(4)).
    Planned,
    /// It was approved.
    Approved,
    /// Its execution was ordered (8.3(5)).
    Ordered,
    /// An administrator took the order.
    Accepted,
    /// A test passed or failed.
    Tested,
    /// The plan was carried out, with a verified file of a trusted source (4.3(5)).
    Executed,
    /// The software that is here was looked at, and is not touched any more.
    Verified,
    /// The case is over.
    Closed,
    /// The case is let be until a day.
    Excepted,
    /// A document about it was sent to officers elsewhere (8.3(6)).
    Shared,
    /// The server opened it again: it touches software that it was not closed with.
    Reopened,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::Reported,
        Self::Planned,
        Self::Approved,
        Self::Ordered,
        Self::Accepted,
        Self::Tested,
        Self::Executed,
        Self::Verified,
        Self::Closed,
        Self::Excepted,
        Self::Shared,
        Self::Reopened,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Ordered => "ordered",
            Self::Accepted => "accepted",
            Self::Tested => "tested",
            Self::Executed => "executed",
            Self::Verified => "verified",
            Self::Closed => "closed",
            Self::Excepted => "excepted",
            Self::Shared => "shared",
            Self::Reopened => "reopened",
        }
    }
}

impl Step {
    /// Whether a case is at this step after it.
    pub(super) fn moves(self) -> bool {
        !matches!(self, Self::Excepted | Self::Shared)
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|step| step.as_str() == name);
        found.ok_or_else(|| format!("{name:?} is no step"))
    }
}

/// The event of a step.
pub(super) fn event(event: Event, number: i64, id: &str, step: Step, facts: Value) -> Event {
    event
        .subject(number.to_string())
        .detail("id", id)
        .detail("step", step.as_str())
        .detail("facts", facts)
}

/// Software that a case touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// Kind, name and version.
    pub software: String,
    /// `affected`, or `possible`: the sources do not say for machines which versions.
    pub certainty: Certainty,
    /// Versions that are not affected any more.
    pub fixed: Vec<String>,
    /// Versions in words.
    pub words: Vec<String>,
    #[serde(skip)]
    pub(super) item: Item,
}

/// A step that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct TakenView {
    /// Which.
    pub step: Step,
    /// When.
    pub at: Timestamp,
    /// By whom; `None`: by the server.
    pub person: Option<String>,
    /// What it says.
    pub facts: Value,
}

/// The report's texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is wrong.
    pub cause: String,
    /// What it touches here.
    pub scope: String,
    /// What helps.
    pub remedy: String,
    /// Whether it is exploited, or how.
    pub exploit: String,
}

/// A case, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Its number.
    pub number: i64,
    /// The vulnerability: a CVE number, or the name that its first source has.
    pub id: String,
    /// What it is, in a line.
    pub title: String,
    /// How far it has come: `open`, or the last step.
    pub state: String,
    /// Until when it is let be.
    pub excepted_until: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Since when it is known to be exploited (date).
    pub exploited_since: Option<String>,
    /// Whether extortionists are known to use it.
    pub ransomware: bool,
    /// Probability of exploitation within 30 days and its percentile (EPSS), in millionths.
    pub score: Option<(i64, i64)>,
    /// The worst severity that a source gives, with its metric and vector.
    pub severity: Option<String>,
    /// What it touches now.
    pub software: Vec<Touched>,
    /// Source and identifier of what tells of it.
    pub advisories: Vec<String>,
    /// What the report says, or would say as it stands.
    pub report: Report,
    /// The plan in its last version.
    pub plan: Option<Plan>,
    /// Points of the plan without an answer.
    pub missing: Vec<&'static str>,
    /// The steps, oldest first.
    pub steps: Vec<TakenView>,
}

/// All that is known of a case.
pub(super) struct Whole {
    pub(super) case: table::Case,
    pub(super) advisories: Vec<Advisory>,
    pub(super) steps: Vec<table::Taken>,
    pub(super) touched: Vec<Touched>,
    pub(super) exploited: Option<(String, bool)>,
    /// Software that is here in the place of some that the case touched.
    pub(super) replacing: Vec<Item>,
    pub(super) now: Timestamp,
}

impl Whole {
    pub(super) fn read(
        sql: &mut dyn Sql,
        number: i64,
        items: &[Item],
        now: Timestamp,
    ) -> Result<Option<Self>, Error> {
        let Some(case) = table::case_by_number(sql, number)? else {
            return Ok(None);
        };
        let advisories = table::advisories(sql, number)?;
        let touched = items
            .iter()
            .filter_map(|item| touched_by(&advisories, item))
            .collect();
        let exploited = names::exploited(sql, &case.id, &advisories)?;
        let steps = table::steps(sql, number)?;
        let gone = table::gone_since(sql, case.opened_at)?;
        let mut replacing: Vec<Item> = gone
            .iter()
            .filter(|item| touched_by(&advisories, item).is_some())
            .flat_map(|old| {
                items
                    .iter()
                    .filter(|item| item.kind == old.kind && item.name == old.name)
            })
            .filter(|item| touched_by(&advisories, item).is_none())
            .cloned()
            .collect();
        replacing.sort();
        replacing.dedup();
        Ok(Some(Self {
            case,
            advisories,
            steps,
            touched,
            exploited,
            replacing,
            now,
        }))
    }

    /// The case, with the software that is here now.
    pub(super) fn find(
        sql: &mut dyn Sql,
        number: i64,
        now: Timestamp,
    ) -> Result<Self, CommandError> {
        let items: Vec<Item> = table::software(sql, true)?
            .into_iter()
            .map(|one| one.item)
            .collect();
        Self::read(sql, number, &items, now)?.ok_or_else(|| CommandError::NoSuch {
            what: "the case",
            name: number.to_string(),
        })
    }

    /// The steps since the case was opened, or opened again.
    pub(super) fn course(&self) -> &[table::Taken] {
        let begin = self
            .steps
            .iter()
            .rposition(|taken| taken.step == Step::Reopened);
        let begin = begin.map_or(0, |place| place.saturating_add(1));
        self.steps.get(begin..).unwrap_or_default()
    }

    /// The last step, exceptions and sharing aside; `None`: the case is open, and nothing was done.
    pub(super) fn state(&self) -> Option<Step> {
        let steps = self.course().iter().rev();
        let mut steps = steps.map(|taken| taken.step).filter(|step| step.moves());
        steps.next()
    }

    pub(super) fn last(&self, step: Step) -> Option<&table::Taken> {
        self.course().iter().rev().find(|taken| taken.step == step)
    }

    pub(super) fn plan(&self) -> Option<Plan> {
        let taken = self.last(Step::Planned)?;
        serde_json::from_value(taken.facts.clone()).ok()
    }

    /// When the last exception ends or has ended.
    fn exception_ends(&self) -> Option<Timestamp> {
        let taken = self.last(Step::Excepted)?;
        taken.facts.get("until")?.as_str()?.parse().ok()
    }

    pub(super) fn excepted_until(&self) -> Option<Timestamp> {
        self.exception_ends().filter(|until| *until > self.now)
    }

    /// When the exception ended, if nothing was decided since.
    pub(super) fn lapsed_at(&self) -> Option<Timestamp> {
        let course = self.course().iter().rev();
        let mut last = course.filter(|taken| taken.step != Step::Shared);
        let is_last = last
            .next()
            .is_some_and(|taken| taken.step == Step::Excepted);
        let ended = self.exception_ends().filter(|until| *until <= self.now);
        ended.filter(|_| is_last)
    }

    /// Since when it waits for its next step: since the last one, or since an exception ended, for until then nobody owed it.
    pub(super) fn waits_since(&self) -> Timestamp {
        let mut steps = self.steps.iter().rev();
        let moved = steps.find(|taken| taken.step.moves());
        let moved = moved.map_or(self.case.opened_at, |taken| taken.at);
        let ended = self.exception_ends().filter(|until| *until <= self.now);
        ended.map_or(moved, |ended| ended.max(moved))
    }

    pub(super) fn title(&self) -> &str {
        let mut titles = self
            .advisories
            .iter()
            .map(|one| one.title.as_str())
            .filter(|title| !title.is_empty());
        titles.next().unwrap_or(&self.case.id)
    }

    /// Whether all that told of it was withdrawn.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.advisories.iter().all(|one| !one.withdrawn.is_empty())
    }

    pub(super) fn severity(&self) -> Option<String> {
        let all = self.advisories.iter().flat_map(|one| &one.severity);
        let worst = all.max_by_key(|one| (one.tenths, one.metric.clone()))?;
        let score = worst
            .tenths
            .map(|tenths| format!("{}.{} ", tenths / 10, tenths % 10))
            .unwrap_or_default();
        Some(format!("{score}({} {})", worst.metric, worst.vector))
    }

    /// What the report says, or would say as it stands.
    pub(super) fn report(&self) -> Report {
        if let Some(taken) = self.last(Step::Reported) {
            let text = |name: &str| {
                taken
                    .facts
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            return Report {
                cause: text("cause"),
                scope: text("scope"),
                remedy: text("remedy"),
                exploit: text("exploit"),
            };
        }
        let joined = |texts: Vec<String>| texts.join("\n");
        let causes = self
            .advisories
            .iter()
            .map(|one| match one.details.as_str() {
                "" => format!("{}: {}", one.id, one.title),
                details => format!("{}: {details}", one.id),
            });
        let scope = self.touched.iter().map(|one| match one.certainty {
            Certainty::Affected => one.software.clone(),
            Certainty::Possible => {
                format!("{} (possibly: {})", one.software, or_unsaid(&one.words))
            }
        });
        let remedies = self.touched.iter().filter(|one| !one.fixed.is_empty());
        let remedies = remedies.map(|one| format!("{}: {}", one.software, one.fixed.join(", ")));
        let workarounds = self
            .advisories
            .iter()
            .map(|one| one.workaround.clone())
            .filter(|text| !text.is_empty());
        let mut exploit = Vec::new();
        if let Some((since, ransomware)) = &self.exploited {
            let used = if *ransomware {
                ", by extortionists too"
            } else {
                ""
            };
            exploit.push(format!("known to be exploited since {since}{used}"));
        }
        if let Some((probability, percentile)) = self.case.score {
            exploit.push(format!(
                "EPSS {probability} per million, percentile {percentile} per million"
            ));
        }
        let links = self
            .advisories
            .iter()
            .flat_map(|one| &one.references)
            .filter(|link| link.kind.contains("exploit"));
        exploit.extend(links.map(|link| link.url.clone()));
        if exploit.is_empty() {
            exploit.push("none is known to the feeds".to_owned());
        }
        let cut = |text: String| {
            text.chars()
                .take(super::plan::MOST_ANSWER)
                .collect::<String>()
        };
        Report {
            cause: cut(joined(causes.collect())),
            scope: cut(joined(scope.collect())),
            remedy: cut(joined(remedies.chain(workarounds).collect())),
            exploit: cut(joined(exploit)),
        }
    }

    pub(super) fn view(&self) -> View {
        let plan = self.plan();
        View {
            number: self.case.number,
            id: self.case.id.clone(),
            title: self.title().to_owned(),
            state: self.state().map_or("open", Step::as_str).to_owned(),
            excepted_until: self.excepted_until(),
            opened_at: self.case.opened_at,
            closed_at: self.case.closed_at,
            exploited_since: self.exploited.as_ref().map(|(since, _)| since.clone()),
            ransomware: self
                .exploited
                .as_ref()
                .is_some_and(|(_, ransomware)| *ransomware),
            score: self.case.score,
            severity: self.severity(),
            software: self.touched.clone(),
            advisories: self
                .advisories
                .iter()
                .map(|one| format!("{} {}", one.source.as_str(), one.id))
                .collect(),
            report: self.report(),
            missing: plan.as_ref().map(Plan::missing).unwrap_or_default(),
            plan,
            steps: self
                .steps
                .iter()
                .map(|taken| TakenView {
                    step: taken.step,
                    at: taken.at,
                    person: taken.person.as_ref().map(|(_, name)| name.clone()),
                    facts: taken.facts.clone(),
                })
                .collect(),
        }
    }
}

fn or_unsaid(words: &[String]) -> String {
    match words.is_empty() {
        true => "the source does not say which versions".to_owned(),
        false => words.join(", "),
    }
}

fn touched_by(advisories: &[Advisory], item: &Item) -> Option<Touched> {
    let mut found: Option<Touched> = None;
    for touch in advisories.iter().filter_map(|one| touches(one, item)) {
        let known = found.get_or_insert_with(|| Touched {
            software: inventory::words(item),
            certainty: touch.certainty,
            fixed: Vec::new(),
            words: Vec::new(),
            item: item.clone(),
        });
        known.certainty = known.certainty.max(touch.certainty);
        known.fixed.extend(touch.fixed);
        known.words.extend(touch.words);
        known.fixed.sort();
        known.fixed.dedup();
    }
    found
}

/// All cases, or those that are not closed.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller, all: bool, now: Timestamp) -> Result<Vec<Value>, CommandError> {
    let words = if all { "vuln list --all" } else { "vuln list" };
    caller
        .look(words, READERS, move |snapshot, _| {
            let items: Vec<Item> = table::software(snapshot, true)?.into_iter().map(|one| one.item).collect();
            let mut rows = Vec::new();
            for case in table::cases(snapshot)?.into_iter().filter(|case| all || case.closed_at.is_none()) {
                let Some(whole) = Whole::read(snapshot, case.number, &items, now)? else {
                    continue;
                };
                let view = whole.view();
                rows.push(json!({
                    "number": view.number,
                    "id": view.id,
                    "state": view.state,
                    "excepted_until": view.excepted_until,
                    "exploited_since": view.exploited_since,
                    "severity": view.severity,
                    "opened_at": view.opened_at,
                    "software": view.software.iter().map(|one| one.software.as_str()).collect::<Vec<_>>(),
                    "title": view.title,
                }));
            }
            Ok(rows)
        })
        .await
}

/// One case.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, number: i64, now: Timestamp) -> Result<View, CommandError> {
    let words = format!("vuln show {number}");
    caller
        .look(&words, READERS, move |snapshot, _| {
            Ok(Whole::find(snapshot, number, now)?.view())
        })
        .await
}

/// All feeds.
///
/// # Errors
/// [`CommandError`].
pub async fn feeds(caller: &Caller) -> Result<Vec<table::Feed>, CommandError> {
    caller
        .look("vuln feeds", READERS, |snapshot, _| {
            Ok(table::feeds(snapshot)?)
        })
        .await
}

/// Numbers and views of open cases that nobody was told of.
///
/// # Errors
/// When the store fails.
pub async fn untold(store: &store::Store, now: Timestamp) -> Result<Vec<View>, Error> {
    let read = move |snapshot: &mut store::Snapshot<'_>| -> Result<Vec<View>, Error> {
        let items: Vec<Item> = table::software(snapshot, true)?
            .into_iter()
            .map(|one| one.item)
            .collect();
        let mut found = Vec::new();
        for case in table::cases(snapshot)? {
            if case.told_at.is_none() && case.closed_at.is_none() {
                let whole = Whole::read(snapshot, case.number, &items, now)?;
                found.extend(whole.map(|whole| whole.view()));
            }
        }
        Ok(found)
    };
    store.read(read).await
}

/// Notes that people were told of cases; for the commit of the mail that does.
///
/// # Errors
/// When the store fails.
pub fn note_told(tx: &mut store::Tx<'_>, numbers: &[i64]) -> Result<(), Error> {
    for number in numbers {
        table::note_told(tx, *number)?;
    }
    Ok(())
}
