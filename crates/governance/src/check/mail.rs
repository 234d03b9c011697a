//! Queue, bounces, mailboxes (clauses 5.4, 5.5, 6.2).

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use store::{
    Error, params,
    sql::{self, Row},
};

use super::{Check, Scene, days, texts, unbroken};
use crate::{
    capacity,
    state::{Finding, State},
};

/// Mail that waits longer than this has piled up.
const OLD: SignedDuration = SignedDuration::from_hours(72);
/// How long after its time mail may lie in the queue, until the queue has come to it.
const TO_RETURN: SignedDuration = SignedDuration::from_hours(24);
/// Messages that wait for one destination, from which on it counts as a backlog.
const BACKLOG: u64 = 500;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "queue-backlog",
        look: backlog,
    },
    Check {
        name: "discard-without-bounce",
        look: |scene| {
            let mut silent = Vec::new();
            let year = scene.days_ago(365);
            let discarded = scene.each_event(&[Kind::QueueDiscarded], year, &mut |one| {
                if silent.len() < 20 && !one.event.detail.contains_key("reason") {
                    silent.push(one.event.subject.clone());
                }
            })?;
            Ok(unbroken(
                silent,
                "破棄にはエラーメールが伴わず、理由と実施者が記録される",
                "what is discarded makes no bounce, and why and by whom is on record",
            )
            .fact("of_a_year", discarded))
        },
    },
    Check {
        name: "bounce-by-default",
        look: unreturned,
    },
    Check {
        name: "backscatter-recognised",
        look: forged,
    },
    Check {
        name: "bounce-budget",
        look: |scene| {
            let refused = scene.last_day()?.of(&[Kind::FloodRefused]);
            let (own, all) = (
                scene.facts.null_sender_transactions,
                scene.facts.smtp_connections,
            );
            Ok(match own < all {
                true => Finding::met(
                    format!("送信者のないメールは同時に {own} 件までであり、{all} の接続のうち残りは通常のメールに保たれる"),
                    format!("of {all} connections at most {own} are at mail without a sender at once, so that other mail goes on"),
                ),
                false => Finding::not_met(
                    format!("送信者のないメールが {all} の接続をすべて占められる設定である([limits] null_sender_transactions = {own})"),
                    format!("mail without a sender may take all of {all} connections, by the settings ([limits] null_sender_transactions = {own})"),
                ),
            }
            .fact("minutes_with_refusals", refused)
            .fact("null_sender_transactions", own)
            .fact("smtp_connections", all))
        },
    },
    Check {
        name: "mailbox-capacity",
        look: capacity,
    },
    Check {
        name: "mailbox-quota",
        look: |scene| {
            Ok(match scene.facts.default_quota {
                Some(quota) => Finding::met(
                    format!("新しいメールボックスの上限は {} MiB である", quota >> 20),
                    format!("a new mailbox has at most {} MiB", quota >> 20),
                ),
                None => Finding::not_met(
                    "メールボックスの容量に上限が設定されていない([directory] default_quota)",
                    "no quota is set for mailboxes ([directory] default_quota)",
                ),
            })
        },
    },
];

/// What waits past its time was neither returned nor discarded: mail that is held, or a queue that does not move (clause 5.4(2)).
fn unreturned(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let made = scene.last_day()?.of(&[Kind::NotificationMade]);
    let most = scene.facts.expire_after.saturating_add(TO_RETURN);
    let before = scene.now.checked_sub(most).unwrap_or(Timestamp::MIN);
    let late = scene.names(&format!(
        "SELECT CAST(m.id AS TEXT) FROM queue_message m WHERE m.sender IS NOT NULL AND m.queued_at < {}
         AND EXISTS (SELECT 1 FROM queue_recipient r WHERE r.message = m.id) ORDER BY m.id LIMIT ?1",
        before.as_microsecond()
    ))?;
    // As the queue's commands name them.
    let late: Vec<String> = late
        .iter()
        .filter_map(|id| id.parse().ok())
        .map(|id| store::QueueId(id).to_string())
        .collect();
    Ok(match late.is_empty() {
        true => Finding::met(
            "配送不能は既定でエラーメールとなり、期限を過ぎて返送も破棄もされないメールはない",
            "what fails is bounced by default, and nothing waits past its time that was neither returned nor discarded",
        ),
        false => Finding::not_met(
            format!("期限を過ぎても返送も破棄もされていないメールがある: {}", late.join("、")),
            format!(
                "mail waits past its time, and was neither returned nor discarded: {}",
                late.join(", ")
            ),
        ),
    }
    .fact("late", texts(late))
    .fact("notifications_of_a_day", made))
}

/// What waits in the queue, by destination and age (clause 5.4(1)).
fn backlog(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let totals = "SELECT COUNT(*), COALESCE(SUM(size), 0), MIN(queued_at) FROM queue_message";
    let read = |row: &dyn Row| Ok((row.count(0)?, row.count(1)?, row.maybe_int(2)?));
    let (messages, octets, oldest) =
        sql::first(scene.snapshot, totals, &[], read)?.unwrap_or_default();
    let oldest = oldest.and_then(|at| Timestamp::from_microsecond(at).ok());
    let query = "SELECT destination, COUNT(*) FROM queue_recipient GROUP BY destination ORDER BY 2 DESC LIMIT ?1";
    let largest = sql::rows(scene.snapshot, query, params![5], |row: &dyn Row| {
        Ok((row.text(0)?, row.count(1)?))
    })?;
    let age = oldest.map(|at| scene.since(at));
    let old = age.is_some_and(|age| age > OLD);
    let piled = largest.first().filter(|(_, count)| *count >= BACKLOG);
    let finding = match (piled, old) {
        (Some((destination, count)), _) => Finding::not_met(
            format!("{destination} あてに {count} 通が滞留している"),
            format!("{count} messages wait for {destination}"),
        ),
        (None, true) => {
            let days = age.map(days).unwrap_or_default();
            Finding::not_met(
                format!("{days} 日を超えて滞留しているメールがある"),
                format!("mail waits for more than {days} days"),
            )
        }
        (None, false) => Finding::met(
            format!("滞留は {messages} 通で、異常はない"),
            format!("{messages} messages wait, and nothing has piled up"),
        ),
    };
    let names = largest
        .iter()
        .map(|(name, count)| format!("{name}: {count}"));
    Ok(finding
        .fact("messages", messages)
        .fact("octets", octets)
        .fact("oldest", oldest.map(|at| at.to_string()))
        .fact("destinations", texts(names)))
}

/// Bounces of mail that was never sent (clause 5.5(2)).
fn forged(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    if !scene.facts.return_paths {
        return Ok(Finding::unknown(
            "返送先に印を付けていないため、詐称によるエラーメールを見分けられない([return_path] enabled)",
            "return paths are not signed, so forged bounces cannot be told from others ([return_path] enabled)",
        ));
    }
    let forged = scene.last_day()?.forged;
    Ok(Finding::met(
        format!("この1日に宛先で拒否した送信者のないメールは {forged} 件である"),
        format!("{forged} bounces were refused at their recipients within a day"),
    )
    .fact("of_a_day", forged))
}

/// Use of mailboxes, how they grow, and those that are nearly full (clause 6.2).
fn capacity(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let found = capacity::forecast(scene.snapshot, scene.facts, scene.now)?;
    let period = capacity::period(scene.rules);
    let span = scene.rules.calendar.span(period, scene.now);
    let before = span.and_then(|span| scene.rules.calendar.before(period, &span));
    // The one before the period under way at least was measured, if anything ever was.
    let old = match (found.measured_at, before) {
        (Some(measured), Some(before)) => (measured < before.start).then_some(measured),
        _ => None,
    };
    let lasts = scene.facts.capacity.lasts_months;
    let near: Vec<String> = found
        .near
        .iter()
        .map(|one| one.identifier.clone())
        .collect();
    let mib = found.octets >> 20;
    let finding = if let Some(measured) = old {
        let day = scene.day(measured);
        Finding::unknown(
            format!("メールボックスの使用量は {day} から測られていない"),
            format!("mailboxes were not measured since {day}"),
        )
    } else if let Some(months) = found.disk_full_in_months.filter(|months| *months < lasts) {
        Finding::not_met(
            format!("この増え方では、記録装置は {months} か月で満杯になる"),
            format!("as mailboxes grow, the disk is full in {months} months"),
        )
    } else if !found.stayed.is_empty() {
        Finding::not_met(
            format!(
                "前回の測定から上限に近いままのメールボックスがある: {}",
                found.stayed.join("、")
            ),
            format!(
                "mailboxes are nearly full since the last measure, and nobody put them in order: {}",
                found.stayed.join(", ")
            ),
        )
    } else if !near.is_empty() {
        Finding::new(
            State::Pending,
            format!("上限に近いメールボックスがある: {}", near.join("、")),
            format!("mailboxes are nearly full: {}", near.join(", ")),
        )
    } else {
        Finding::met(
            format!("メールボックスの使用量は合計 {mib} MiB で、上限に近いものはない"),
            format!("mailboxes take {mib} MiB together, and none is near its quota"),
        )
    };
    let largest = found.largest.iter();
    let largest = largest.map(|one| format!("{}: {}", one.identifier, one.octets));
    let filling = found.filling.iter();
    let filling = filling.map(|one| one.identifier.clone());
    Ok(finding
        .fact("octets", found.octets)
        .fact("growth_a_month", found.growth)
        .fact("disk_full_in_months", found.disk_full_in_months)
        .fact("measured_at", found.measured_at.map(|at| at.to_string()))
        .fact("full", texts(near))
        .fact("full_within_a_year", texts(filling))
        .fact("without_quota", found.without_quota)
        .fact("largest", texts(largest)))
}
