//! The audit trail (clauses 4.2, 8.2).

use ::trail::{Kind, Outcome, Recorded};
use jiff::SignedDuration;
use serde_json::Value;
use store::{Error, tree};

use super::{Check, Scene, texts, unbroken};
use crate::state::Finding;

/// A checkpoint that is older means that none is made any more.
const CHECKPOINT_LASTS: SignedDuration = SignedDuration::from_mins(15);
/// Days back to which the trail is asked for its last verification, at least.
const VERIFIED_BACK: i64 = 92;
/// Days within which a sealed volume has to be on a medium, and a due one to be decided on.
pub(crate) const DAYS_TO_ACT: i64 = 31;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "events-with-effects",
        look: |scene| {
            let kinds = [
                Kind::TransactionAccepted,
                Kind::SubmissionAccepted,
                Kind::DeliveryLocal,
                Kind::DeliveryRelayed,
                Kind::AuthenticationSucceeded,
            ];
            let events = scene.last_day()?.of(&kinds);
            let (ja, en) = (
                "すべての変更は、その証跡と一つの確定操作で記録される",
                "every change is committed together with its event",
            );
            Ok(match scene.facts.clock_behind {
                0..=60 => Finding::met(ja, en),
                behind => Finding::not_met(
                    format!("時計が最後の証跡より {behind} 秒遅れており、日時が実際と異なる"),
                    format!(
                        "the clock is {behind} seconds behind the last event, so times are not true"
                    ),
                ),
            }
            .fact("events_of_a_day", events))
        },
    },
    Check {
        name: "trail-unbroken",
        look: unbroken_trail,
    },
    Check {
        name: "trail-volumes-sealed",
        look: |scene| {
            let sealed = tree::volumes(scene.snapshot)?.len();
            Ok(Finding::met(
                "封印された巻には何も加えられない",
                "nothing can be added to a volume that is sealed",
            )
            .fact("volumes", sealed))
        },
    },
    Check {
        name: "trail-volumes-monthly",
        look: volumes,
    },
    Check {
        name: "trail-custody",
        look: custody,
    },
    Check {
        name: "trail-retention",
        look: |scene| {
            let demanded = scene.parameter("trail-retention").unwrap_or_default();
            let years = scene.facts.retain_years;
            // By what the trail tells: the row is what was erased by.
            let early = tree::erased_early(scene.snapshot)?;
            let early = early.iter().map(ToString::to_string).collect();
            let finding = match i64::from(years) < demanded {
                false => unbroken(
                    early,
                    "保存期間より前に消去された巻はない",
                    "no volume was erased before its time",
                ),
                true => Finding::not_met(
                    format!("保存期間の設定は {years} 年であり、規程の {demanded} 年に足りない"),
                    format!("volumes are kept {years} years, and {demanded} are demanded"),
                ),
            };
            Ok(finding.fact("retain_years", years))
        },
    },
    Check {
        name: "trail-erasure",
        look: erasure,
    },
];

/// That it is whole is known by a verification of all of it, of which a checkpoint since tells that nothing is left unsigned.
fn unbroken_trail(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let within = scene.facts.terms.trail_verified;
    let from = scene.days_ago(within.max(VERIFIED_BACK));
    let mut last: Option<Recorded> = None;
    let mut newest = |one: &Recorded| last = Some(one.clone());
    scene.each_event(&[Kind::TrailVerified], from, &mut newest)?;
    let finding = match &last {
        Some(told) if told.event.outcome == Outcome::Failure => {
            let findings = told.event.detail.get("findings").and_then(Value::as_u64);
            let (findings, day) = (findings.unwrap_or_default(), scene.day(told.at));
            Finding::not_met(
                format!("{day} の検証で証跡に {findings} 件の異常が見つかり、その後の検証で解消が確かめられていない"),
                format!("the verification on {day} found {findings} faults in the trail, and none since found it whole"),
            )
            .fact("findings", findings)
        }
        Some(told) if told.at >= scene.days_ago(within) => signed(scene)?,
        Some(told) => {
            let day = scene.day(told.at);
            Finding::unknown(
                format!("証跡の全件の検証が最後に行われたのは {day} である([audit] verify)"),
                format!("all of the trail was last verified on {day} ([audit] verify)"),
            )
        }
        None => Finding::unknown(
            "証跡の全件の検証がまだ行われていない([audit] verify)",
            "all of the trail was not verified yet ([audit] verify)",
        ),
    };
    Ok(match last {
        Some(told) => finding.fact("verified_at", told.at.to_string()),
        None => finding,
    })
}

/// Whether a signed checkpoint tells of what has come in.
fn signed(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let length = tree::length(scene.snapshot, scene.now)?;
    let Some(signed) = length.checkpoint else {
        return Ok(Finding::unknown(
            "署名付きチェックポイントがまだない",
            "there is no signed checkpoint yet",
        ));
    };
    let age = scene.since(signed.at);
    let finding = match age > CHECKPOINT_LASTS && length.events > signed.size {
        true => Finding::unknown(
            format!(
                "最後のチェックポイントは {} 分前のものである",
                age.as_mins()
            ),
            format!("the last checkpoint is {} minutes old", age.as_mins()),
        ),
        false => Finding::met(
            format!(
                "証跡の全件が検証され、{} 件までが署名で保護されている",
                signed.size
            ),
            format!(
                "all of the trail was verified, and {} events are protected by a signature",
                signed.size
            ),
        ),
    };
    Ok(finding
        .fact("events", length.events)
        .fact("signed_events", signed.size)
        .fact("signed_at", signed.at.to_string()))
}

/// Each span that has ended since the trail began has its volume.
fn volumes(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let demanded = scene.parameter("trail-rotation").unwrap_or(1);
    let months = scene.facts.rotate_months;
    if i64::from(months) > demanded {
        return Ok(Finding::not_met(
            format!(
                "証跡の区切りは {months} か月ごとに設定されているが、規程は {demanded} か月ごとを求める"
            ),
            format!("a volume holds {months} months, and {demanded} are demanded"),
        ));
    }
    let volumes = tree::volumes(scene.snapshot)?;
    let last = volumes.last().map(|volume| volume.sealed);
    let period = regulation::Period {
        count: months.max(1),
        unit: regulation::PeriodUnit::Month,
    };
    // Volumes are counted from January, whenever the site's year begins.
    let calendar = crate::schedule::Calendar {
        year_begins: 1,
        ..scene.rules.calendar.clone()
    };
    let begun = calendar.span(period, scene.now);
    let first = store::sql::first(
        scene.snapshot,
        "SELECT at FROM event ORDER BY id LIMIT 1",
        &[],
        |row| row.time(0),
    )?;
    let waits = begun.is_some_and(|span| {
        let since_begun = scene.now.duration_since(span.start);
        let covered = last.is_some_and(|sealed| sealed >= span.start);
        let existed = first.is_some_and(|first| first < span.start);
        existed && !covered && since_begun > SignedDuration::from_hours(24)
    });
    Ok(match waits {
        true => Finding::not_met(
            "終わった期間の証跡がまだ封印されていない",
            "the volume of the period that ended is not sealed",
        ),
        false => Finding::met(
            format!("封印された巻は {} 巻である", volumes.len()),
            format!("{} volumes are sealed", volumes.len()),
        ),
    }
    .fact("volumes", volumes.len()))
}

/// Sealed volumes are on a medium, and the register says where.
fn custody(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let noted = tree::custody(scene.snapshot, None)?;
    let volumes = tree::volumes(scene.snapshot)?;
    let standing = volumes.iter().filter(|volume| {
        volume.erased.is_none() && noted.iter().all(|noted| noted.volume != volume.number)
    });
    let missing: Vec<_> = standing.collect();
    let late = missing
        .iter()
        .any(|volume| volume.sealed < scene.days_ago(DAYS_TO_ACT));
    let numbers: Vec<String> = missing
        .iter()
        .map(|volume| volume.number.to_string())
        .collect();
    let finding = if missing.is_empty() {
        Finding::met(
            "封印された巻はすべて外部記録媒体に移され、保管場所が記録されている",
            "every sealed volume is on a medium, and it is on record where",
        )
    } else if late {
        Finding::not_met(
            format!(
                "外部記録媒体に移されていない巻がある: {}",
                numbers.join("、")
            ),
            format!("volumes are on no medium: {}", numbers.join(", ")),
        )
    } else {
        Finding::new(
            crate::State::Pending,
            format!("外部記録媒体への移動を待つ巻がある: {}", numbers.join("、")),
            format!("volumes wait for a medium: {}", numbers.join(", ")),
        )
    };
    Ok(finding.fact("waiting", texts(numbers)))
}

/// Volumes whose time is over are decided on, and erased.
fn erasure(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let volumes = tree::volumes(scene.snapshot)?;
    let due = volumes
        .iter()
        .filter(|volume| volume.erased.is_none() && volume.retain_until <= scene.now);
    let due: Vec<_> = due.collect();
    let late = due
        .iter()
        .any(|volume| volume.retain_until < scene.days_ago(DAYS_TO_ACT));
    let numbers: Vec<String> = due.iter().map(|volume| volume.number.to_string()).collect();
    Ok(if due.is_empty() {
        Finding::met(
            "保存期間を過ぎた巻は残っていない",
            "no volume is left whose time is over",
        )
    } else if late {
        Finding::not_met(
            format!(
                "保存期間を過ぎ、延長も消去もされていない巻がある: {}",
                numbers.join("、")
            ),
            format!(
                "volumes are past their time, and neither kept longer nor erased: {}",
                numbers.join(", ")
            ),
        )
    } else {
        Finding::new(
            crate::State::Pending,
            format!("延長か消去かの決定を待つ巻がある: {}", numbers.join("、")),
            format!("volumes wait for a decision: {}", numbers.join(", ")),
        )
    }
    .fact("due", texts(numbers)))
}
