//! Queue, bounces, mailboxes (clauses 5.4, 5.5, 6.2).

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use store::{
    Error, params,
    sql::{self, Row},
};

use super::{Check, Scene, counted, days, texts, unbroken};
use crate::state::{Finding, State};

/// Mail that waits longer than this has piled up.
const OLD: SignedDuration = SignedDuration::from_hours(72);
/// Messages that wait for one destination, from which on it counts as a backlog.
const BACKLOG: u64 = 500;
/// Of how much of its quota a mailbox is full.
const FULL_PERCENT: u64 = 95;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "queue-backlog",
        look: backlog,
    },
    Check {
        name: "discard-without-bounce",
        look: |scene| {
            let discarded = scene.events(&[Kind::QueueDiscarded], scene.days_ago(365))?;
            let silent = discarded
                .iter()
                .filter(|one| !one.event.detail.contains_key("reason"));
            let silent = silent
                .map(|one| one.event.subject.clone())
                .take(20)
                .collect();
            Ok(unbroken(
                silent,
                "破棄にはエラーメールが伴わず、理由と実施者が記録される",
                "what is discarded makes no bounce, and why and by whom is on record",
            )
            .fact("of_a_year", discarded.len()))
        },
    },
    Check {
        name: "bounce-by-default",
        look: |scene| {
            let made = scene.events(&[Kind::NotificationMade], scene.days_ago(1))?;
            Ok(Finding::met(
                "配送不能は既定でエラーメールとなり、送信者のないメールには作られない",
                "what fails is bounced by default, and never what has no sender",
            )
            .fact("notifications_of_a_day", made.len()))
        },
    },
    Check {
        name: "bounces-classified",
        look: |scene| {
            let bounces = scene.events(&[Kind::BounceReceived], scene.days_ago(1))?;
            let (ja, en) = counted(bounces.len(), bounces.len());
            Ok(Finding::met(
                format!("この1日のエラーメールは {ja}で、原因別に集計されている"),
                format!("{en} bounces came within a day, and are counted by cause"),
            )
            .fact("of_a_day", bounces.len()))
        },
    },
    Check {
        name: "backscatter-recognised",
        look: forged,
    },
    Check {
        name: "bounce-budget",
        look: |scene| {
            let refused = scene.events(&[Kind::FloodRefused], scene.days_ago(1))?;
            Ok(Finding::met(
                "送信者のないメールには独自の上限があり、通常のメールの処理は保たれる",
                "mail without a sender has budgets of its own, so that other mail goes on",
            )
            .fact("minutes_with_refusals", refused.len()))
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
    let refused = scene.events(&[Kind::TransactionRefused], scene.days_ago(1))?;
    let forged = refused.iter().filter(|one| {
        let fact = |name: &str| one.event.detail.get(name).and_then(|fact| fact.as_str());
        fact("sender") == Some("<>") && fact("command") == Some("RCPT")
    });
    let forged = forged.count();
    let (ja, en) = counted(forged, refused.len());
    Ok(Finding::met(
        format!("この1日に宛先で拒否した送信者のないメールは {ja}である"),
        format!("{en} bounces were refused at their recipients within a day"),
    )
    .fact("of_a_day", forged))
}

/// Use of mailboxes, and those that are nearly full (clause 6.2).
fn capacity(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let query = "SELECT a.identifier, u.bytes, COALESCE(u.quota, 0) FROM account_usage u JOIN account a ON a.id = u.account
        WHERE a.state <> 'deleted' ORDER BY u.bytes DESC LIMIT ?1";
    let largest = sql::rows(scene.snapshot, query, params![1000], |row: &dyn Row| {
        Ok((row.text(0)?, row.count(1)?, row.count(2)?))
    })?;
    let total = scene.count(
        "SELECT COALESCE(SUM(u.bytes), 0) FROM account_usage u JOIN account a ON a.id = u.account WHERE a.state <> 'deleted'",
    )?;
    let full = largest.iter().filter(|(_, used, quota)| {
        *quota > 0 && used.saturating_mul(100) >= quota.saturating_mul(FULL_PERCENT)
    });
    let full: Vec<String> = full.map(|(name, ..)| name.clone()).take(20).collect();
    let finding = match full.is_empty() {
        true => Finding::met(
            format!(
                "メールボックスの使用量は合計 {} MiB で、上限に近いものはない",
                total >> 20
            ),
            format!(
                "mailboxes take {} MiB together, and none is near its quota",
                total >> 20
            ),
        ),
        false => Finding::new(
            State::Pending,
            format!("上限に近いメールボックスがある: {}", full.join("、")),
            format!("mailboxes are nearly full: {}", full.join(", ")),
        ),
    };
    let largest = largest.iter().take(10);
    let largest = largest.map(|(name, used, _)| format!("{name}: {used}"));
    Ok(finding
        .fact("octets", total)
        .fact("full", texts(full))
        .fact("largest", texts(largest)))
}
