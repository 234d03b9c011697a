//! Cases: incidents and what else is opened by an event and has to come to an end (clauses 4.1, 5.2, 5.5).

use ::trail::Kind;
use store::{
    Error, params,
    sql::{self, Row},
};

use super::{Check, Scene, texts};
use crate::state::{Finding, State};

/// Days within which an incident has to be closed.
const DAYS_TO_CLOSE: i64 = 14;
/// Within which staff are told of what a rule is in force against.
const DAYS_TO_WARN: i64 = 1;
/// Within which what was found of it in mailboxes is pulled.
const DAYS_TO_PULL: i64 = 3;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "credential-incident",
        look: |scene| incidents(scene, &["credential"]),
    },
    Check {
        name: "credential-analysis",
        look: analysed,
    },
    Check {
        name: "malware-inside-incident",
        look: |scene| incidents(scene, &["malware-inside"]),
    },
    Check {
        name: "backscatter-incident",
        look: |scene| incidents(scene, &["bounce-surge", "backscatter"]),
    },
    Check {
        name: "denial-of-service-incident",
        look: |scene| incidents(scene, &["dos"]),
    },
    Check {
        name: "abuse-report",
        look: |scene| {
            let before = scene.days_ago(DAYS_TO_CLOSE).as_microsecond();
            let late = scene.count(&format!(
                "SELECT COUNT(*) FROM abuse_report WHERE state = 'open' AND at < {before}"
            ))?;
            let open = scene.count("SELECT COUNT(*) FROM abuse_report WHERE state = 'open'")?;
            Ok(match (open, late) {
                (0, _) => Finding::met(
                    "送るか否かを決めていない通知はない",
                    "no report of abuse waits for a decision",
                ),
                (_, 0) => Finding::new(
                    State::Pending,
                    format!("送るか否かの決定を待つ通知が {open} 件ある"),
                    format!("{open} reports of abuse wait for a decision"),
                ),
                (_, late) => Finding::not_met(
                    format!("{DAYS_TO_CLOSE} 日を超えて決定を待つ通知が {late} 件ある"),
                    format!("{late} reports of abuse have waited for a decision for more than {DAYS_TO_CLOSE} days"),
                ),
            }
            .fact("open", open))
        },
    },
    Check {
        name: "outbreak-notice",
        look: outbreaks,
    },
];

/// Incidents of some kinds: red when one is open for too long.
pub(super) fn incidents(scene: &mut Scene<'_, '_>, kinds: &[&str]) -> Result<Finding, Error> {
    let query = "SELECT number, opened_at FROM incident WHERE kind = ?1 AND closed_at IS NULL ORDER BY number";
    let mut open = Vec::new();
    for kind in kinds {
        let read = |row: &dyn Row| Ok((row.int(0)?, row.time(1)?));
        open.extend(sql::rows(scene.snapshot, query, params![*kind], read)?);
    }
    let before = scene.days_ago(DAYS_TO_CLOSE);
    let numbers: Vec<String> = open.iter().map(|(number, _)| number.to_string()).collect();
    let late: Vec<String> = open
        .iter()
        .filter(|(_, opened)| *opened < before)
        .map(|(number, opened)| format!("{number} ({})", scene.day(*opened)))
        .collect();
    let finding = if open.is_empty() {
        Finding::met(
            "未了のインシデントはない",
            "no incident of this kind is open",
        )
    } else if late.is_empty() {
        Finding::new(
            State::Pending,
            format!("対応中のインシデントがある: {}", numbers.join("、")),
            format!("incidents are being dealt with: {}", numbers.join(", ")),
        )
    } else {
        Finding::not_met(
            format!(
                "{DAYS_TO_CLOSE} 日を超えて未了のインシデントがある: {}",
                late.join("、")
            ),
            format!(
                "incidents are open for more than {DAYS_TO_CLOSE} days: {}",
                late.join(", ")
            ),
        )
    };
    Ok(finding.fact("open", texts(numbers)))
}

/// Staff are warned of what a rule is in force against, and what had come in already is pulled (clause 5.2(2)).
fn outbreaks(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let now = scene.now.as_microsecond();
    let holds = format!("r.ended_at IS NULL AND r.ends_at > {now}");
    let rules = scene.count(&format!(
        "SELECT COUNT(*) FROM outbreak_rule r WHERE {holds}"
    ))?;
    let untold = |before: i64| {
        format!(
            "SELECT CAST(r.number AS TEXT) FROM outbreak_rule r WHERE {holds} AND r.notice IS NULL AND r.begun_at <= {before}
             ORDER BY r.number LIMIT ?1"
        )
    };
    let waiting = scene.names(&untold(now))?;
    let late = scene.names(&untold(scene.days_ago(DAYS_TO_WARN).as_microsecond()))?;
    let unpulled = format!(
        "SELECT CAST(r.number AS TEXT) FROM outbreak_rule r JOIN outbreak_search s ON s.rule = r.number WHERE {holds} AND s.searched_at <= {}
         AND EXISTS (SELECT 1 FROM outbreak_found f WHERE f.rule = r.number AND f.state = 'found') ORDER BY r.number LIMIT ?1",
        scene.days_ago(DAYS_TO_PULL).as_microsecond()
    );
    let unpulled = scene.names(&unpulled)?;
    let finding = if !late.is_empty() {
        Finding::not_met(
            format!(
                "職員に周知されないまま {DAYS_TO_WARN} 日を過ぎた緊急の規則がある: {}",
                late.join("、")
            ),
            format!(
                "rules against outbreaks hold for more than {DAYS_TO_WARN} days, and staff were told nothing: {}",
                late.join(", ")
            ),
        )
    } else if !unpulled.is_empty() {
        Finding::not_met(
            format!(
                "見つかったものが {DAYS_TO_PULL} 日を過ぎても回収されていない規則がある: {}",
                unpulled.join("、")
            ),
            format!(
                "what was found in mailboxes was not pulled within {DAYS_TO_PULL} days: {}",
                unpulled.join(", ")
            ),
        )
    } else if !waiting.is_empty() {
        Finding::new(
            State::Pending,
            format!(
                "職員に周知されていない緊急の規則がある: {}",
                waiting.join("、")
            ),
            format!(
                "staff were not told of rules against outbreaks: {}",
                waiting.join(", ")
            ),
        )
    } else {
        Finding::met(
            format!("適用中の緊急の規則は {rules} 件であり、すべて職員に周知されている"),
            format!("{rules} rules against outbreaks are in force, and staff were told of each"),
        )
    };
    Ok(finding
        .fact("in_force", rules)
        .fact("without_notice", texts(waiting))
        .fact("not_pulled", texts(unpulled)))
}

/// Each incident about a password has its analysis (clause 4.1(1)c).
fn analysed(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let query = "SELECT CAST(i.number AS TEXT) FROM incident i WHERE i.kind = 'credential'
        AND NOT EXISTS (SELECT 1 FROM incident_step s WHERE s.incident = i.number AND s.step = 'analysed')
        ORDER BY i.number LIMIT ?1";
    let without = scene.names(query)?;
    let incidents = scene.count_events(&[Kind::IncidentOpened], scene.days_ago(365))?;
    Ok(match without.is_empty() {
        true => Finding::met(
            "パスワードに関するインシデントはすべて分析されている",
            "every incident about a password was analysed",
        ),
        false => Finding::new(
            State::Pending,
            format!(
                "分析が終わっていないインシデントがある: {}",
                without.join("、")
            ),
            format!("incidents wait for their analysis: {}", without.join(", ")),
        )
        .fact("waiting", texts(without)),
    }
    .fact("incidents_of_a_year", incidents))
}
