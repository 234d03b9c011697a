//! Malware and unwanted mail (clauses 5.2, 5.3).

use std::collections::BTreeSet;

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::{
    Error, Snapshot, Store,
    quarantine::{ByCause, Figures, figures},
};

use super::{Check, Scene, days, texts};
use crate::state::Finding;

/// A canary that is older tells nothing any more.
const CANARY_LASTS: SignedDuration = SignedDuration::from_hours(50);
/// Of what one criterion set apart or marked, in percent, what was released or taken out, from which on it is too harsh.
const FALSE_PERCENT: u64 = 10;
/// Below so many, a share says nothing.
const FEW: u64 = 20;
/// Days that are counted.
const DAYS_COUNTED: i64 = 30;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "every-path-scanned",
        look: |scene| {
            let scanning = &scene.facts.scanning;
            let down: Vec<String> = scanning
                .down
                .iter()
                .map(|(name, (why, since))| format!("{name} ({since}: {why})"))
                .collect();
            let finding = if scanning.scanners.is_empty() {
                Finding::not_met(
                    "メールを検査する仕組みが設定されていない([screening.malware])",
                    "nothing is set up that looks for malware ([screening.malware])",
                )
            } else if !down.is_empty() {
                Finding::not_met(
                    format!("検査の仕組みが使えない: {}", down.join("、")),
                    format!("scanners cannot be used: {}", down.join(", ")),
                )
            } else if !scanning.puts_off {
                Finding::not_met(
                    "検査できなかったメールを保留しない設定である",
                    "mail that could not be scanned is not put off, by the settings",
                )
            } else if scanning.append {
                Finding::met(
                    "SMTPで受け取るもの、送信されるもの及びIMAP APPENDで入れられるものはすべて検査され、検査できないものは保留される",
                    "all that comes by SMTP, is submitted or is put into mailboxes by IMAP APPEND is scanned, and what cannot be scanned is put off",
                )
            } else {
                Finding::met(
                    "SMTPで受け取るもの及び送信されるものはすべて検査され、検査できないものは保留される。IMAP APPENDで入れられるものは検査されない([screening.malware] append)",
                    "all that comes by SMTP or is submitted is scanned, and what cannot be scanned is put off; what is put into mailboxes by IMAP APPEND is not scanned ([screening.malware] append)",
                )
            };
            Ok(finding
                .fact("scanners", texts(&scanning.scanners))
                .fact("append", scanning.append))
        },
    },
    Check {
        name: "malware-canary",
        look: canary,
    },
    Check {
        name: "malware-definitions",
        look: |scene| {
            let scanning = &scene.facts.scanning;
            if !scanning.has_definitions {
                return Ok(match scanning.scanners.is_empty() {
                    true => Finding::not_met(
                        "不正プログラムの定義を用いる検査が設定されていない",
                        "no scanner with definitions of malware is set up",
                    ),
                    false => Finding::not_met(
                        "定義ファイルを用いる検査がなく、内容の検査だけが行われている",
                        "attachments are looked into, but no scanner with definitions is set up",
                    ),
                });
            }
            Ok(match (scanning.definitions_age, scanning.definitions_old) {
                (None, _) => Finding::unknown(
                    "定義ファイルの作成日が分からない",
                    "it is not known how old the definitions are",
                ),
                (Some(age), true) => Finding::not_met(
                    format!("定義ファイルが {} 日前のものである", age / 86_400),
                    format!("the definitions are {} days old", age / 86_400),
                )
                .fact("age", age),
                (Some(age), false) => Finding::met(
                    format!("定義ファイルは {} 時間前のものである", age / 3600),
                    format!("the definitions are {} hours old", age / 3600),
                )
                .fact("age", age),
            })
        },
    },
    Check {
        name: "isolation",
        look: |scene| {
            Ok(match scene.facts.isolation {
                true => Finding::met(
                    "内部からの不正プログラムは、検知と同時に識別コードと接続元が遮断される",
                    "who sends malware from inside is shut out as it is detected",
                ),
                false => Finding::not_met(
                    "内部からの不正プログラムに対する遮断が停止している([isolation] enabled)",
                    "shutting out who sends malware from inside is switched off ([isolation] enabled)",
                ),
            })
        },
    },
    Check {
        name: "screening-policy",
        look: |scene| {
            if !scene.facts.screening {
                return Ok(Finding::not_met(
                    "外部からのメールの検査が停止している([screening] enabled)",
                    "mail from outside is not screened ([screening] enabled)",
                ));
            }
            let version = scene.count("SELECT COUNT(*) FROM screening_policy")?;
            let refused = scene.last_day()?.of(&[Kind::TransactionRefused]);
            Ok(Finding::met(
                format!("排除基準の第 {version} 版が適用されている"),
                format!("version {version} of the policy is in force"),
            )
            .fact("versions", version)
            .fact("refused_of_a_day", refused))
        },
    },
    Check {
        name: "screening-policy-versioned",
        look: |scene| {
            let versions = scene.count("SELECT COUNT(*) FROM screening_policy")?;
            Ok(match versions > 0 || !scene.facts.screening {
                true => Finding::met(
                    "判定は常に、どの版によったかとともに記録される",
                    "every verdict is kept with the version that it was made by",
                ),
                false => Finding::unknown(
                    "適用中の版がまだ記録されていない",
                    "no version is on record yet",
                ),
            }
            .fact("versions", versions))
        },
    },
    Check {
        name: "quarantine-false-positives",
        look: false_positives,
    },
];

fn canary(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let scanning = &scene.facts.scanning;
    if scanning.canary_elsewhere {
        return Ok(Finding::not_adopted(
            "このサーバは外部からのメールを受け取らないため、検査用のメールを送らない。外部からのメールを検査する交換サーバが、それぞれ送って確かめる",
            "no mail from outside comes to this server, so it sends no canary: the exchange servers, which scan that mail, send canaries of their own",
        ));
    }
    let Some(canary) = &scanning.canary else {
        return Ok(match scanning.canary_daily {
            true => Finding::unknown(
                "検査用のメールはまだ送られていない",
                "no canary was sent yet",
            ),
            false => Finding::not_met(
                "検査用のメールを送る設定が停止している([screening.malware] canary)",
                "no canary is sent ([screening.malware] canary)",
            ),
        });
    };
    let age = scene.since(canary.at);
    let finding = if !canary.told {
        Finding::unknown(
            format!(
                "検査用のメールが検査まで届かず、検知されるか分からない: {}",
                canary.words
            ),
            canary.words.clone(),
        )
    } else if !canary.caught {
        Finding::not_met(
            format!("検査用のメールが見逃された: {}", canary.words),
            format!("the canary was not caught: {}", canary.words),
        )
    } else if age > CANARY_LASTS {
        Finding::unknown(
            format!("最後の検査用メールは {} 日前のものである", days(age)),
            format!("the last canary is {} days old", days(age)),
        )
    } else {
        Finding::met(
            "検査用のメールはすべての仕組みに検知された",
            "the canary was caught by each scanner",
        )
    };
    Ok(finding.fact("sent_at", canary.at.to_string()))
}

/// How much of what was set apart people released again, and how much of what was marked they took out of Junk, for each criterion
/// (clause 5.3(2)).
fn false_positives(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let from = days_counted(scene.now);
    let counted = figures::since(scene.snapshot, from)?;
    let total = counted.total();
    let (apart, released) = (total.kept, total.kept_released);
    let (marked, returned) = (total.marked, total.returned);
    let kept = harsh(&counted, |one| (one.kept_released, one.kept));
    let junk = harsh(&counted, |one| (one.returned, one.marked));
    let finding = if !kept.is_empty() {
        Finding::not_met(
            format!(
                "必要なメールを隔離し過ぎている基準がある(この30日に救い出された数/隔離した数): {}",
                kept.join("、")
            ),
            format!(
                "criteria set apart too much that was wanted (released/set apart within 30 days): {}",
                kept.join(", ")
            ),
        )
    } else if !junk.is_empty() {
        Finding::not_met(
            format!(
                "必要なメールを迷惑メールとし過ぎている基準がある(この30日に迷惑メールから戻された数/入れた数): {}",
                junk.join("、")
            ),
            format!(
                "criteria put too much into Junk that was wanted (taken out/put there within 30 days): {}",
                junk.join(", ")
            ),
        )
    } else if is_harsh((released, apart)) {
        Finding::not_met(
            format!("この30日に隔離した {apart} 通のうち {released} 通が必要なメールであった"),
            format!("of {apart} messages set apart within 30 days {released} were wanted"),
        )
    } else if is_harsh((returned, marked)) {
        Finding::not_met(
            format!(
                "この30日に迷惑メールとした {marked} 通のうち {returned} 通が必要なメールであった"
            ),
            format!("of {marked} messages put into Junk within 30 days {returned} were wanted"),
        )
    } else {
        Finding::met(
            format!(
                "この30日に隔離した {apart} 通のうち必要とされたのは {released} 通、迷惑メールとした {marked} 通のうち戻されたのは {returned} 通である"
            ),
            format!(
                "of {apart} messages set apart within 30 days {released} were released, and of {marked} put into Junk {returned} were taken out"
            ),
        )
    };
    Ok(finding
        .fact("set_apart", apart)
        .fact("released", released)
        .fact("marked", marked)
        .fact("returned", returned)
        .fact("by_cause", rates(&counted)))
}

/// Whether so many errors among so many are too many.
fn is_harsh((wrong, all): (u64, u64)) -> bool {
    all >= FEW && wrong.saturating_mul(100) > all.saturating_mul(FALSE_PERCENT)
}

/// The criteria that are too harsh, and the causes that are so with all their criteria together where no single one tells enough.
fn harsh(counted: &ByCause, count: fn(&Figures) -> (u64, u64)) -> Vec<String> {
    let told = |words: &str, (wrong, all): (u64, u64)| format!("{words} ({wrong}/{all})");
    let mut found = Vec::new();
    let mut named = BTreeSet::new();
    for (criterion, one) in counted.iter() {
        let counts = count(&one);
        if is_harsh(counts) {
            named.insert(criterion.cause.as_str());
            found.push(told(&criterion.words(), counts));
        }
    }
    for (cause, one) in counted.causes() {
        let counts = count(&one);
        if is_harsh(counts) && !named.contains(cause) {
            found.push(told(cause, counts));
        }
    }
    found
}

/// Where the days begin that the check counts.
fn days_counted(now: Timestamp) -> Timestamp {
    let back = SignedDuration::from_hours(DAYS_COUNTED * 24);
    now.checked_sub(back).unwrap_or(Timestamp::MIN)
}

/// Counts ahead what the check asks of days that are over, a day at a time: at the first look after a start that is all of them, and
/// neither that look nor anybody else's has to wait for it in one.
pub(crate) async fn count_ahead(store: &Store) -> Result<(), Error> {
    let from = days_counted(store.now());
    let count = move |snapshot: &mut Snapshot<'_>| figures::catch_up(snapshot, from);
    while store.read(count).await? {}
    Ok(())
}

/// What was counted, for people and documents: of each criterion how many, and how many of what was decided were set apart or marked
/// wrongly, in percent.
pub(crate) fn rates(counted: &ByCause) -> Value {
    let percent = |tenths: u32| f64::from(tenths) / 10.0;
    let all = counted.iter().map(|(criterion, one)| {
        json!({
            "cause": criterion.cause,
            "criterion": criterion.name,
            "set_apart": one.kept,
            "set_apart_released": one.kept_released,
            "released": one.released,
            "deleted": one.deleted,
            "expired": one.expired,
            "wrong_percent": one.wrong().map(percent),
            "marked": one.marked,
            "returned": one.returned,
            "returned_percent": one.wrongly_marked().map(percent),
        })
    });
    all.collect::<Vec<Value>>().into()
}
