//! People: arrival, departure, knowledge of the records, letters, idle identifiers (clauses 7.1, 9).

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use store::Error;

use super::{Check, Scene, texts, unbroken};
use crate::{
    matter, plaintext,
    state::{Finding, State},
};

/// Days within which what was begun has to go on.
pub(crate) const DAYS_TO_ACT: i64 = 14;
/// Within which the server has warned whoever is to be warned.
const TIME_TO_WARN: SignedDuration = SignedDuration::from_hours(24);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "arrival",
        look: arrival,
    },
    Check {
        name: "departure",
        look: |scene| {
            let since = scene.days_ago(DAYS_TO_ACT).as_microsecond();
            let query = format!(
                "SELECT DISTINCT p.name FROM person p JOIN account a ON a.person = p.id
                 LEFT JOIN departure d ON d.person = p.id
                 WHERE a.state <> 'deleted' AND (p.left_at < {since} OR d.leaves_at < {since}) ORDER BY p.name LIMIT ?1"
            );
            waiting(
                scene,
                &query,
                (
                    "転出者の識別コードは期日までに削除されている",
                    "identifiers of those who left were deleted in time",
                ),
                (
                    "転出から14日を過ぎても識別コードが残っている者がいる",
                    "people still have identifiers 14 days after they left",
                ),
            )
        },
    },
    Check {
        name: "departed-identifiers",
        look: |scene| {
            let query = "SELECT a.identifier FROM account a JOIN person p ON p.id = a.person
                 WHERE a.state = 'active' AND p.state = 'left' ORDER BY a.identifier LIMIT ?1";
            let active = scene.names(query)?;
            Ok(match active.is_empty() {
                true => Finding::met(
                    "転出した者の識別コードで有効なものはない",
                    "no identifier of anybody who left is active",
                ),
                false => Finding::not_met(
                    format!("転出した者の識別コードが有効である: {}", active.join("、")),
                    format!(
                        "identifiers of people who left are active: {}",
                        active.join(", ")
                    ),
                ),
            }
            .fact("identifiers", texts(active)))
        },
    },
    Check {
        name: "idle-identifiers",
        look: idle,
    },
    Check {
        name: "acknowledgement",
        look: |scene| {
            let query = "SELECT DISTINCT p.name FROM person p JOIN account a ON a.person = p.id
                 WHERE a.state <> 'deleted' AND NOT EXISTS (SELECT 1 FROM acknowledgement k WHERE k.person = p.id)
                 ORDER BY p.name LIMIT ?1";
            let names = scene.names(query)?;
            let finding = match (names.is_empty(), scene.facts.acknowledgement_required) {
                (true, _) => Finding::met(
                    "識別コードを持つ者は皆、証跡の取得と分析について説明を受けている",
                    "everybody with an identifier was told that mail records are kept and analysed",
                ),
                (false, _) => Finding::not_met(
                    format!("説明を受けた記録のない者がいる: {}", names.join("、")),
                    format!(
                        "of these people it is not on record that they were told: {}",
                        names.join(", ")
                    ),
                ),
            };
            Ok(finding
                .fact(
                    "required_before_issue",
                    scene.facts.acknowledgement_required,
                )
                .fact("people", texts(names)))
        },
    },
    Check {
        name: "sealed-letter",
        look: |scene| {
            let since = scene.days_ago(DAYS_TO_ACT).as_microsecond();
            // What was imported has its own password, and what is shared has none.
            let query = format!(
                "SELECT a.identifier FROM account a WHERE a.state = 'active' AND a.must_change_password = 1
                 AND NOT EXISTS (SELECT 1 FROM shared_identifier s WHERE s.account = a.id) AND (
                     EXISTS (SELECT 1 FROM letter l WHERE l.account = a.id AND l.handed_at IS NULL AND l.made_at < {since}
                             AND l.number = (SELECT MAX(number) FROM letter WHERE account = a.id))
                     OR (a.issued_at < {since} AND NOT EXISTS (SELECT 1 FROM letter l WHERE l.account = a.id)))
                 ORDER BY a.identifier LIMIT ?1"
            );
            waiting(
                scene,
                &query,
                (
                    "初期パスワードはすべて封書で手渡されたか、変更されている",
                    "every initial password was handed over in its letter, or has been changed",
                ),
                (
                    "封書が作成されていないか、手渡しの記録がない識別コードがある",
                    "no letter was made for these identifiers, or it is not on record that it was handed over",
                ),
            )
        },
    },
    Check {
        name: "plaintext-warning",
        look: warned,
    },
    Check {
        name: "register-erasure",
        look: |scene| {
            let query = "SELECT a.identifier FROM register_erasure r JOIN account a ON a.id = r.account
                WHERE r.approved_by IS NOT NULL AND r.approved_by = r.asked_by ORDER BY a.identifier LIMIT ?1";
            let mut own = scene.names(query)?;
            if !own.is_empty() {
                // Where the site permitted one person to do both, the event says so.
                let mut permitted = Vec::new();
                scene.each_event(&[Kind::EntryErased], Timestamp::MIN, &mut |one| {
                    if one.event.detail.contains_key("single_person")
                        && own.contains(&one.event.subject)
                    {
                        permitted.push(one.event.subject.clone());
                    }
                })?;
                own.retain(|name| !permitted.contains(name));
            }
            let finding = unbroken(
                own,
                "台帳の消去には別の者の承認がある",
                "every erasure of an entry was approved by another person",
            );
            let open =
                scene.count("SELECT COUNT(*) FROM register_erasure WHERE approved_by IS NULL")?;
            Ok(finding.fact("waiting", open))
        },
    },
];

/// Who was announced has an order, and what was ordered is carried out: that an order expired ends nothing (clause 9.1(1)).
fn arrival(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let since = scene.days_ago(DAYS_TO_ACT).as_microsecond();
    let orders = format!(
        "SELECT CAST(o.number AS TEXT) FROM orders o WHERE o.issued_at < {since} AND {} ORDER BY o.number LIMIT ?1",
        matter::unexecuted(scene.now, scene.facts.order_lifetime)
    );
    let orders = scene.names(&orders)?;
    let announced = matter::announced("p.name");
    let late = format!("{announced} AND r.noted_at < {since} ORDER BY p.name LIMIT ?1");
    let late = scene.names(&late)?;
    let waiting = scene.names(&format!("{announced} ORDER BY p.name LIMIT ?1"))?;
    let finding = if !orders.is_empty() {
        Finding::not_met(
            format!("実行されていない発行の指示がある: {}", orders.join("、")),
            format!(
                "orders to issue were not carried out: {}",
                orders.join(", ")
            ),
        )
        .fact("late", texts(orders))
    } else if !late.is_empty() {
        Finding::not_met(
            format!(
                "届出から {DAYS_TO_ACT} 日を過ぎても発行の指示がない者がいる: {}",
                late.join("、")
            ),
            format!(
                "people were announced more than {DAYS_TO_ACT} days ago, and nothing was ordered for them: {}",
                late.join(", ")
            ),
        )
    } else if !waiting.is_empty() {
        Finding::new(
            State::Pending,
            format!("発行の指示を待つ者がいる: {}", waiting.join("、")),
            format!("people wait for an order: {}", waiting.join(", ")),
        )
    } else {
        Finding::met(
            "発行の指示はすべて実行されている",
            "every order to issue was carried out",
        )
    };
    Ok(finding.fact("announced", texts(waiting)))
}

/// Holders know that their passwords may cross the network unencrypted (clause 4.1(2)).
fn warned(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let networks = texts(&scene.facts.plaintext_networks);
    if scene.facts.plaintext_networks.is_empty() {
        return Ok(Finding::not_adopted(
            "暗号化されないログインは認められていない",
            "no login without encryption is permitted",
        ));
    }
    let holders = plaintext::holders(scene.snapshot)?;
    let due = plaintext::due(scene.snapshot, scene.facts, scene.now)?;
    let late = due
        .iter()
        .filter(|one| scene.since(one.since) > TIME_TO_WARN);
    let late: Vec<String> = late.map(|one| one.identifier.clone()).collect();
    let named = late.iter().take(20).cloned().collect::<Vec<_>>();
    let finding = if !late.is_empty() {
        Finding::not_met(
            format!(
                "警告されていない利用者が {} 名いる: {}",
                late.len(),
                named.join("、")
            ),
            format!(
                "{} holders were not warned: {}",
                late.len(),
                named.join(", ")
            ),
        )
    } else if due.is_empty() {
        Finding::met(
            format!("利用者 {holders} 名の全員に警告が送られている"),
            format!("all {holders} holders were warned"),
        )
    } else {
        Finding::new(
            State::Pending,
            format!("警告を送る利用者が {} 名いる", due.len()),
            format!("{} holders are about to be warned", due.len()),
        )
    };
    Ok(finding
        .fact("networks", networks)
        .fact("holders", holders)
        .fact("not_warned", texts(named)))
}

/// What waits too long makes it `not-met`.
fn waiting(
    scene: &mut Scene<'_, '_>,
    query: &str,
    (ja, en): (&str, &str),
    (late_ja, late_en): (&str, &str),
) -> Result<Finding, Error> {
    let late = scene.names(query)?;
    Ok(match late.is_empty() {
        true => Finding::met(ja, en),
        false => Finding::not_met(
            format!("{late_ja}: {}", late.join("、")),
            format!("{late_en}: {}", late.join(", ")),
        )
        .fact("late", texts(late)),
    })
}

/// Identifiers that nobody used for long (clause 7.1(3)d).
fn idle(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let Some(days) = scene
        .parameter("idle-after")
        .map(|seconds| seconds / 86_400)
    else {
        return Ok(Finding::unknown(
            "使われていないとみなす日数が定められていない",
            "it is not set after how many days an identifier counts as unused",
        ));
    };
    let before = scene.days_ago(days).as_microsecond();
    let grace = scene
        .days_ago(days.saturating_add(DAYS_TO_ACT))
        .as_microsecond();
    let unused = |before: i64| {
        format!(
            "SELECT a.identifier FROM account a LEFT JOIN account_use u ON u.account = a.id WHERE a.state = 'active'
             AND COALESCE(u.used_at, a.issued_at) < {before} ORDER BY a.identifier LIMIT ?1"
        )
    };
    let idle = scene.names(&unused(before))?;
    let late = scene.names(&unused(grace))?;
    let off_roster = scene.names(
        "SELECT a.identifier FROM account a JOIN off_roster o ON o.person = a.person WHERE a.state = 'active'
         ORDER BY a.identifier LIMIT ?1",
    )?;
    let finding = if idle.is_empty() && !off_roster.is_empty() {
        Finding::new(
            State::Pending,
            format!(
                "名簿にない者の識別コードが有効である: {}",
                off_roster.join("、")
            ),
            format!(
                "identifiers are active whose holders are not on the personnel's list: {}",
                off_roster.join(", ")
            ),
        )
        .fact("off_roster", texts(off_roster))
    } else if idle.is_empty() {
        Finding::met(
            format!("{days} 日を超えて使われていない識別コードで有効なものはない"),
            format!("no active identifier was unused for more than {days} days"),
        )
    } else if late.is_empty() {
        Finding::new(
            State::Pending,
            format!(
                "使われていない識別コードがあり、警告中である: {}",
                idle.join("、")
            ),
            format!(
                "identifiers lie idle, and their holders are being warned: {}",
                idle.join(", ")
            ),
        )
    } else {
        Finding::not_met(
            format!(
                "使われていない識別コードが有効なままである: {}",
                late.join("、")
            ),
            format!(
                "identifiers lie idle and are still active: {}",
                late.join(", ")
            ),
        )
    };
    Ok(finding.fact("idle", texts(idle)))
}
