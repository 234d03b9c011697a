//! What waits for somebody and has a term: a volume for its medium, a case for its report, an order for whoever carries it out.
//!
//! The checks turn red when such a term is over. Long before that whoever owes it has a task with a day, so that they are reminded and
//! those above them told: a volume at once, as a case whose exception has ended, all else when half of its term has passed. What began on one
//! day is one task. There is nothing to be answered: the server closes the task when nothing that it is about waits any more. What is seen to
//! wait after that has another task at once, and its whole term from then: it may have waited for long.

use std::collections::{BTreeMap, BTreeSet};

use directory::Role;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use store::{
    Error, QueueId, Snapshot,
    sql::{self, Row},
    tree,
};

use crate::{
    check::{DAYS_FOR_PEOPLE, DAYS_FOR_VOLUMES},
    facts::Facts,
    look::Call,
    rules::Rules,
    tables::task as tasks,
    vuln,
};

/// What is named in a task's facts at most; the rest is counted.
const MOST_NAMED: usize = 50;
/// Rows that are looked at of one kind at most: with more, tasks are still about the oldest.
const MOST_ROWS: i64 = 10_000;

/// Something that waits.
struct Matter {
    /// The workflow, called as the check that turns red.
    workflow: &'static str,
    /// What of the workflow, as it stands in the task's period.
    what: &'static str,
    /// Who owes it, if not the workflow's role.
    role: Option<Role>,
    /// Since when.
    since: Timestamp,
    /// Its term, in days.
    days: i64,
    /// Whether whoever owes it has a task at once.
    at_once: bool,
    /// Its name.
    name: String,
}

/// What waits, and what of it calls for work.
pub(crate) struct Waiting {
    /// Workflow and period of all that waits, whether a task was opened or not.
    pub(crate) standing: BTreeSet<(&'static str, String)>,
    /// The work that it calls for.
    pub(crate) calls: Vec<Call>,
}

/// Looks at all that waits.
///
/// # Errors
/// The store's.
pub(crate) fn waiting(
    snapshot: &mut Snapshot<'_>,
    rules: &Rules,
    facts: &Facts,
    now: Timestamp,
) -> Result<Waiting, Error> {
    let mut all = volumes(snapshot, now)?;
    all.extend(cases(snapshot, facts, now)?);
    all.extend(people(snapshot, now, facts.order_lifetime)?);
    all.retain(|one| rules.needs(one.workflow));
    let mut groups: BTreeMap<(&'static str, String), Vec<Matter>> = BTreeMap::new();
    for one in all {
        let period = format!("{}-{}", one.what, rules.calendar.date(one.since));
        groups.entry((one.workflow, period)).or_default().push(one);
    }
    let mut waiting = Waiting {
        standing: groups.keys().cloned().collect(),
        calls: Vec::new(),
    };
    for ((workflow, period), group) in groups {
        let Some(first) = group.iter().min_by_key(|one| one.since) else {
            continue;
        };
        let term = SignedDuration::from_hours(first.days.saturating_mul(24));
        let after = match group.iter().any(|one| one.at_once) {
            true => SignedDuration::ZERO,
            false => term / 2,
        };
        let (all, open) = tasks::again(snapshot, workflow, &period)?;
        if open > 0 {
            continue;
        }
        if all > 0 {
            let today = rules.calendar.date(now);
            let mut facts = prepared(first, &group);
            facts.insert("seen_again".to_owned(), json!(now));
            waiting.calls.push(Call {
                workflow,
                period: format!("{period}{}{today}", tasks::ANEW),
                due_at: now.checked_add(term).unwrap_or(Timestamp::MAX),
                facts,
            });
            continue;
        }
        let waited = now.duration_since(first.since);
        if waited >= after && waited >= SignedDuration::ZERO {
            waiting.calls.push(Call {
                workflow,
                period,
                due_at: first.since.checked_add(term).unwrap_or(Timestamp::MAX),
                facts: prepared(first, &group),
            });
        }
    }
    Ok(waiting)
}

fn prepared(first: &Matter, group: &[Matter]) -> Map<String, Value> {
    let names: Vec<&str> = group
        .iter()
        .take(MOST_NAMED)
        .map(|one| one.name.as_str())
        .collect();
    let mut facts = Map::new();
    facts.insert("waits".to_owned(), json!(names));
    facts.insert("count".to_owned(), group.len().into());
    facts.insert("since".to_owned(), json!(first.since));
    if let Some(role) = first.role {
        facts.insert("role".to_owned(), role.as_str().into());
    }
    facts
}

/// Sealed volumes that are on no medium, and those whose time is over (clause 4.2(2), (3)).
fn volumes(snapshot: &mut Snapshot<'_>, now: Timestamp) -> Result<Vec<Matter>, Error> {
    let noted = tree::custody(snapshot, None)?;
    let volumes = tree::volumes(snapshot)?;
    let mut found = Vec::new();
    for volume in volumes.iter().filter(|volume| volume.erased.is_none()) {
        let name = format!("{} ({} – {})", volume.number, volume.from, volume.to);
        if noted.iter().all(|noted| noted.volume != volume.number) {
            found.push(Matter {
                workflow: "trail-custody",
                what: "sealed",
                role: None,
                since: volume.sealed,
                days: DAYS_FOR_VOLUMES,
                at_once: true,
                name: name.clone(),
            });
        }
        if volume.retain_until <= now {
            found.push(Matter {
                workflow: "trail-erasure",
                what: "over",
                role: None,
                since: volume.retain_until,
                days: DAYS_FOR_VOLUMES,
                at_once: false,
                name,
            });
        }
    }
    Ok(found)
}

/// Cases of vulnerabilities, by who has to act, and reports of abuse (clauses 4.3, 5.2(6), 8.3).
fn cases(snapshot: &mut Snapshot<'_>, facts: &Facts, now: Timestamp) -> Result<Vec<Matter>, Error> {
    let standing = vuln::standing(snapshot, &facts.feeds, now)?;
    let terms = &facts.terms;
    let parts = [
        (
            "vulnerability-case",
            "found",
            terms.case_reported,
            &standing.unreported,
        ),
        (
            "vulnerability-case",
            "ordered",
            terms.case_acted,
            &standing.ordered,
        ),
        (
            "vulnerability-plan",
            "reported",
            terms.case_acted,
            &standing.undecided,
        ),
        (
            "vulnerability-sharing",
            "exploited",
            terms.case_shared,
            &standing.unshared,
        ),
    ];
    // What was let be is red as soon as its exception has ended.
    let lapsed = standing.lapsed.iter().map(|(number, _)| *number);
    let lapsed: BTreeSet<i64> = lapsed.collect();
    let mut found = Vec::new();
    for (workflow, what, days, cases) in parts {
        found.extend(cases.iter().map(|(number, since)| Matter {
            workflow,
            what,
            role: None,
            since: *since,
            days,
            at_once: workflow != "vulnerability-sharing" && lapsed.contains(number),
            name: number.to_string(),
        }));
    }
    let reports = "SELECT CAST(message AS TEXT), at FROM abuse_report WHERE state = 'open' ORDER BY at LIMIT ?1";
    let days = terms.abuse_decided;
    for mut one in rows(snapshot, reports, "abuse-report", "found", None, days)? {
        // As `abuse list` calls it.
        if let Ok(id) = one.name.parse() {
            one.name = QueueId(id).to_string();
        }
        found.push(one);
    }
    Ok(found)
}

/// Orders, arrivals, departures, letters, and erasures of entries (clauses 7.1(1), 9).
fn people(
    snapshot: &mut Snapshot<'_>,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Vec<Matter>, Error> {
    let officer = Some(Role::SystemOfficer);
    let unexecuted = unexecuted(now, lifetime);
    let now = now.as_microsecond();
    let days = DAYS_FOR_PEOPLE;
    let orders = |state: &str| {
        format!(
            "SELECT CAST(o.number AS TEXT), o.issued_at FROM orders o WHERE o.state = '{state}' AND {unexecuted} ORDER BY o.issued_at LIMIT ?1"
        )
    };
    let announced = format!(
        "{} ORDER BY r.noted_at LIMIT ?1",
        announced("p.name, r.noted_at")
    );
    let left = format!("{} ORDER BY 2 LIMIT ?1", leavers(now));
    let letters = "SELECT a.identifier, MIN(COALESCE(l.made_at, a.issued_at)) FROM account a LEFT JOIN letter l ON l.account = a.id
             AND l.number = (SELECT MAX(number) FROM letter WHERE account = a.id)
         WHERE a.state = 'active' AND a.must_change_password = 1 AND l.handed_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM shared_identifier s WHERE s.account = a.id) GROUP BY a.identifier ORDER BY 2 LIMIT ?1";
    let unknowing = "SELECT p.name, MIN(a.issued_at) FROM person p JOIN account a ON a.person = p.id
         WHERE a.state <> 'deleted' AND NOT EXISTS (SELECT 1 FROM acknowledgement k WHERE k.person = p.id)
         GROUP BY p.name ORDER BY 2 LIMIT ?1";
    let erasures =
        "SELECT a.identifier, r.asked_at FROM register_erasure r JOIN account a ON a.id = r.account
         WHERE r.approved_by IS NULL ORDER BY r.asked_at LIMIT ?1";
    let mut found = rows(
        snapshot,
        &orders("approved"),
        "arrival",
        "ordered",
        None,
        days,
    )?;
    found.extend(rows(
        snapshot,
        &orders("issued"),
        "arrival",
        "unapproved",
        officer,
        days,
    )?);
    found.extend(rows(
        snapshot,
        &announced,
        "arrival",
        "announced",
        officer,
        days,
    )?);
    found.extend(rows(snapshot, &left, "departure", "left", None, days)?);
    found.extend(rows(
        snapshot,
        letters,
        "sealed-letter",
        "issued",
        None,
        days,
    )?);
    found.extend(rows(
        snapshot,
        unknowing,
        "acknowledgement",
        "issued",
        None,
        0,
    )?);
    found.extend(rows(
        snapshot,
        erasures,
        "register-erasure",
        "asked",
        None,
        days,
    )?);
    Ok(found)
}

fn rows(
    snapshot: &mut Snapshot<'_>,
    query: &str,
    workflow: &'static str,
    what: &'static str,
    role: Option<Role>,
    days: i64,
) -> Result<Vec<Matter>, Error> {
    sql::rows(
        snapshot,
        query,
        store::params![MOST_ROWS],
        |row: &dyn Row| {
            Ok(Matter {
                workflow,
                what,
                role,
                since: row.time(1)?,
                days,
                at_once: false,
                name: row.text(0)?,
            })
        },
    )
}

/// Which orders `o` to issue were not carried out: those that still can be, and of one who is here those that expired without a later
/// order for them, or an account.
///
/// One that nobody approved lapses after the time that an order lasts.
pub(crate) fn unexecuted(now: Timestamp, lifetime: SignedDuration) -> String {
    let lapsed = now.checked_sub(lifetime).unwrap_or(Timestamp::MIN);
    let (now, lapsed) = (now.as_microsecond(), lapsed.as_microsecond());
    format!(
        "o.kind = 'issue' AND o.state IN ('issued', 'approved') AND (
             (o.state = 'issued' AND o.issued_at > {lapsed}) OR (o.state = 'approved' AND (o.expires_at IS NULL OR o.expires_at > {now})) OR (
             EXISTS (SELECT 1 FROM person p WHERE p.id = o.for_person AND p.state = 'active')
             AND NOT EXISTS (SELECT 1 FROM orders l WHERE l.for_person = o.for_person AND l.kind = 'issue' AND l.number > o.number)
             AND NOT EXISTS (SELECT 1 FROM account a WHERE a.person = o.for_person AND a.issued_at >= o.issued_at)))"
    )
}

/// People who were announced, and have had neither an account nor an order for one. Whoever holds an office may do it without a mailbox.
pub(crate) fn announced(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM arrival r JOIN person p ON p.id = r.person WHERE p.state = 'active'
         AND NOT EXISTS (SELECT 1 FROM account a WHERE a.person = p.id)
         AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.for_person = p.id AND o.kind = 'issue')
         AND NOT EXISTS (SELECT 1 FROM shared_user s WHERE s.person = p.id)
         AND NOT EXISTS (SELECT 1 FROM person_role o WHERE o.person = p.id AND o.role <> 'staff')"
    )
}

/// People who have left by now, and have identifiers still: name, and since when.
fn leavers(now: i64) -> String {
    format!(
        "SELECT p.name, MIN(COALESCE(p.left_at, d.leaves_at)) FROM person p JOIN account a ON a.person = p.id
         LEFT JOIN departure d ON d.person = p.id
         WHERE a.state <> 'deleted' AND (p.left_at <= {now} OR d.leaves_at <= {now}) GROUP BY p.name"
    )
}
