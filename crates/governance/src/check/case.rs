//! Cases: incidents and what else is opened by an event and has to come to an end (clauses 4.1, 5.2, 5.5).

use directory::{
    Role,
    command::{
        CommandError,
        incident::{self, IncidentKind},
        person,
    },
    runbook,
};
use store::Error;

use super::{Check, Scene, texts};
use crate::state::{Finding, State};

/// The check of each kind of incident.
pub(crate) const OF_KIND: [(IncidentKind, Check); 10] = [
    (
        IncidentKind::Credential,
        Check {
            name: "credential-incident",
            look: |scene| incidents(scene, IncidentKind::Credential),
        },
    ),
    (
        IncidentKind::MalwareInside,
        Check {
            name: "malware-inside-incident",
            look: |scene| incidents(scene, IncidentKind::MalwareInside),
        },
    ),
    (
        IncidentKind::MalwareOutside,
        Check {
            name: "malware-outside-incident",
            look: |scene| incidents(scene, IncidentKind::MalwareOutside),
        },
    ),
    (
        IncidentKind::Backscatter,
        Check {
            name: "backscatter-incident",
            look: |scene| incidents(scene, IncidentKind::Backscatter),
        },
    ),
    (
        IncidentKind::SubmissionSurge,
        Check {
            name: "submission-surge-incident",
            look: |scene| incidents(scene, IncidentKind::SubmissionSurge),
        },
    ),
    (
        IncidentKind::Dos,
        Check {
            name: "denial-of-service-incident",
            look: |scene| incidents(scene, IncidentKind::Dos),
        },
    ),
    (
        IncidentKind::Relay,
        Check {
            name: "relay-incident",
            look: |scene| incidents(scene, IncidentKind::Relay),
        },
    ),
    (
        IncidentKind::TrailGap,
        Check {
            name: "trail-gap-incident",
            look: |scene| incidents(scene, IncidentKind::TrailGap),
        },
    ),
    (
        IncidentKind::ClockJump,
        Check {
            name: "clock-jump-incident",
            look: |scene| incidents(scene, IncidentKind::ClockJump),
        },
    ),
    (
        IncidentKind::Other,
        Check {
            name: "other-incident",
            look: |scene| incidents(scene, IncidentKind::Other),
        },
    ),
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "credential-analysis",
        look: analysed,
    },
    Check {
        name: "abuse-report",
        look: |scene| {
            let days = scene.facts.terms.abuse_decided;
            let before = scene.days_ago(days).as_microsecond();
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
                    format!("{days} 日を超えて決定を待つ通知が {late} 件ある"),
                    format!("{late} reports of abuse have waited for a decision for more than {days} days"),
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

/// Incidents of a kind: red when a step of one is late, when one lies without a step for longer than its runbook permits, and when nobody
/// could carry the runbook out.
pub(super) fn incidents(scene: &mut Scene<'_, '_>, kind: IncidentKind) -> Result<Finding, Error> {
    let now = scene.now;
    let people = person::everybody(scene.snapshot).map_err(|error| match error {
        CommandError::Store(error) => error,
        other => Error::Corrupt(other.to_string()),
    })?;
    let held = |role: &Role| {
        let mut present = people.iter().filter(|person| !person.left);
        present.any(|person| person.roles.contains(role))
    };
    let nobody = runbook::nobody_for(scene.snapshot, kind, held)?;
    let mut open = incident::open_in(scene.snapshot)?;
    open.retain(|view| view.kind == kind.as_str());
    let numbers: Vec<String> = open.iter().map(|view| view.number.to_string()).collect();
    let mut late = Vec::new();
    for view in &open {
        let due = view
            .due
            .iter()
            .filter(|due| due.due_at.is_some_and(|at| at < now));
        let steps: Vec<&str> = due.map(|due| due.step.as_str()).collect();
        let idle = view.idle_at.is_some_and(|at| at < now);
        if !steps.is_empty() || idle {
            let day = scene.day(view.opened_at);
            let steps = match steps.is_empty() {
                true => "-".to_owned(),
                false => steps.join(", "),
            };
            late.push(format!("{} ({day}: {steps})", view.number));
        }
    }
    let finding = if !late.is_empty() {
        Finding::not_met(
            format!("手順が期限を過ぎたインシデントがある: {}", late.join("、")),
            format!("steps of incidents are late: {}", late.join(", ")),
        )
    } else if !nobody.is_empty() {
        Finding::not_met(
            format!("手順を行える者がいない: {}", nobody.join("、")),
            format!(
                "nobody holds a role that a step needs: {}",
                nobody.join(", ")
            ),
        )
    } else if open.is_empty() {
        Finding::met(
            "未了のインシデントはない",
            "no incident of this kind is open",
        )
    } else {
        Finding::new(
            State::Pending,
            format!("対応中のインシデントがある: {}", numbers.join("、")),
            format!("incidents are being dealt with: {}", numbers.join(", ")),
        )
    };
    Ok(finding.fact("open", texts(numbers)))
}

/// Staff are warned of what a rule is in force against, and what had come in already is pulled (clause 5.2(2)).
fn outbreaks(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let terms = &scene.facts.terms;
    let (to_warn, to_pull) = (terms.outbreak_told, terms.outbreak_pulled);
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
    let late = scene.names(&untold(scene.days_ago(to_warn).as_microsecond()))?;
    let unpulled = format!(
        "SELECT CAST(r.number AS TEXT) FROM outbreak_rule r JOIN outbreak_search s ON s.rule = r.number WHERE {holds} AND s.searched_at <= {}
         AND EXISTS (SELECT 1 FROM outbreak_found f WHERE f.rule = r.number AND f.state = 'found') ORDER BY r.number LIMIT ?1",
        scene.days_ago(to_pull).as_microsecond()
    );
    let unpulled = scene.names(&unpulled)?;
    let finding = if !late.is_empty() {
        Finding::not_met(
            format!(
                "職員に周知されないまま {to_warn} 日を過ぎた緊急の規則がある: {}",
                late.join("、")
            ),
            format!(
                "rules against outbreaks hold for more than {to_warn} days, and staff were told nothing: {}",
                late.join(", ")
            ),
        )
    } else if !unpulled.is_empty() {
        Finding::not_met(
            format!(
                "見つかったものが {to_pull} 日を過ぎても回収されていない規則がある: {}",
                unpulled.join("、")
            ),
            format!(
                "what was found in mailboxes was not pulled within {to_pull} days: {}",
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
    let days = scene.facts.terms.credential_analysed;
    let before = scene.days_ago(days).as_microsecond();
    let without = |before: i64| {
        format!(
            "SELECT CAST(i.number AS TEXT) FROM incident i WHERE i.kind = 'credential' AND i.opened_at <= {before}
             AND NOT EXISTS (SELECT 1 FROM incident_step s WHERE s.incident = i.number AND s.step = 'analysed')
             ORDER BY i.number LIMIT ?1"
        )
    };
    let late = scene.names(&without(before))?;
    let waiting = scene.names(&without(i64::MAX))?;
    let year = scene.days_ago(365).as_microsecond();
    let incidents = scene.count(&format!(
        "SELECT COUNT(*) FROM incident WHERE kind = 'credential' AND opened_at >= {year}"
    ))?;
    let finding = if !late.is_empty() {
        Finding::not_met(
            format!(
                "{days} 日を過ぎても分析が終わっていないインシデントがある: {}",
                late.join("、")
            ),
            format!(
                "incidents were not analysed within {days} days: {}",
                late.join(", ")
            ),
        )
    } else if !waiting.is_empty() {
        Finding::new(
            State::Pending,
            format!(
                "分析が終わっていないインシデントがある: {}",
                waiting.join("、")
            ),
            format!("incidents wait for their analysis: {}", waiting.join(", ")),
        )
    } else {
        Finding::met(
            "パスワードに関するインシデントはすべて分析されている",
            "every incident about a password was analysed",
        )
    };
    Ok(finding
        .fact("waiting", texts(waiting))
        .fact("incidents_of_a_year", incidents))
}
