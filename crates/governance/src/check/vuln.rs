//! Software and its vulnerabilities (clauses 4.3, 8.3).

use jiff::{SignedDuration, Timestamp};
use store::Error;

use super::{Check, Scene, texts, unbroken};
use crate::{
    report::DAYS_TO_ACKNOWLEDGE,
    state::{Finding, State},
    tables::report,
    vuln::{self, Standing},
};

/// Hours after which a list of software tells nothing any more.
const LIST_LASTS: SignedDuration = SignedDuration::from_hours(50);
/// Beyond the time within which a feed has to be read, what was read may be older by this, and not by more.
const GRACE: SignedDuration = SignedDuration::from_hours(12);
/// After which it is not kept up to date any more.
const NOT_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "software-inventory",
        look: inventory,
    },
    Check {
        name: "vulnerability-feeds",
        look: feeds,
    },
    Check {
        name: "open-vulnerabilities",
        look: open,
    },
    Check {
        name: "vulnerability-case",
        look: |scene| {
            let terms = &scene.facts.terms;
            let (to_report, to_act) = (terms.case_reported, terms.case_acted);
            let standing = standing(scene)?;
            let late = later(&standing.unreported, scene.days_ago(to_report));
            let stuck = later(&standing.ordered, scene.days_ago(to_act));
            let unread = unread(scene)?;
            Ok(if !late.is_empty() {
                Finding::not_met(
                    format!(
                        "{to_report} 日を過ぎても報告されていない脆弱性がある: {}",
                        late.join("、")
                    ),
                    format!(
                        "cases were not reported within {to_report} days: {}",
                        late.join(", ")
                    ),
                )
            } else if !stuck.is_empty() {
                Finding::not_met(
                    format!(
                        "指示から {to_act} 日を過ぎても実施されていない対策がある: {}",
                        stuck.join("、")
                    ),
                    format!(
                        "what was ordered was not done within {to_act} days: {}",
                        stuck.join(", ")
                    ),
                )
            } else if !unread.is_empty() {
                Finding::not_met(
                    format!("責任者が確認していない報告書がある: {}", unread.join("、")),
                    format!("reports were not acknowledged: {}", unread.join(", ")),
                )
            } else {
                Finding::met(
                    "見つかった脆弱性は期限内に報告され、指示された対策も遅れていない",
                    "cases were reported in time, and what was ordered is not late",
                )
            }
            .fact("unreported", standing.unreported.len())
            .fact("ordered", standing.ordered.len()))
        },
    },
    Check {
        name: "vulnerability-plan",
        look: |scene| {
            let to_act = scene.facts.terms.case_acted;
            let standing = standing(scene)?;
            let late = later(&standing.undecided, scene.days_ago(to_act));
            Ok(match late.is_empty() {
                true => Finding::met(
                    "対策計画の作成、承認、指示に遅れはない",
                    "no plan, approval or order is late",
                ),
                false => Finding::not_met(
                    format!("{to_act} 日を過ぎても計画・承認・指示がない脆弱性がある: {}", late.join("、")),
                    format!("cases have waited for a plan, an approval or an order for more than {to_act} days: {}", late.join(", ")),
                ),
            }
            .fact("undecided", standing.undecided.len()))
        },
    },
    Check {
        name: "vulnerability-sharing",
        look: |scene| {
            let to_share = scene.facts.terms.case_shared;
            let standing = standing(scene)?;
            let late = later(&standing.unshared, scene.days_ago(to_share));
            let numbers: Vec<String> = standing
                .unshared
                .iter()
                .map(|(number, _)| number.to_string())
                .collect();
            Ok(if !late.is_empty() {
                Finding::not_met(
                    format!(
                        "悪用が確認されている脆弱性で、{to_share} 日を過ぎても共有の要否が決められていないものがある: {}",
                        late.join("、")
                    ),
                    format!(
                        "of what is known to be exploited, it was not decided within {to_share} days whether officers elsewhere are told: {}",
                        late.join(", ")
                    ),
                )
            } else if !numbers.is_empty() {
                Finding::new(
                    State::Pending,
                    format!("共有の要否を決める脆弱性がある: {}", numbers.join("、")),
                    format!("it is to be decided whether officers elsewhere are told: {}", numbers.join(", ")),
                )
            } else {
                Finding::met(
                    "悪用が確認されている脆弱性は、すべて共有されたか、共有を要しないと決められている",
                    "of all that is known to be exploited officers elsewhere were told, or it was decided that they need not be",
                )
            }
            .fact("decided", standing.shared)
            .fact("undecided", texts(numbers)))
        },
    },
    Check {
        name: "verified-update",
        look: |scene| {
            let query = "SELECT CAST(c.number AS TEXT) FROM vuln_case c WHERE c.closed_at IS NOT NULL
                AND EXISTS (SELECT 1 FROM vuln_step s WHERE s.case_number = c.number AND s.step = 'ordered')
                AND NOT EXISTS (SELECT 1 FROM vuln_step s WHERE s.case_number = c.number AND s.step = 'verified')
                ORDER BY c.number LIMIT ?1";
            let unverified = scene.names(query)?;
            Ok(unbroken(
                unverified,
                "入手先と検証の記録がなければ、対策は完了しない",
                "no case is closed without the source and the verification of what was installed",
            ))
        },
    },
];

/// Open cases; of those that an exception holds for it is said so, and what is known to be exploited is not met by one.
fn open(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let standing = standing(scene)?;
    let numbers = |cases: &[(i64, Timestamp)]| {
        let numbers = cases.iter().map(|(number, _)| number.to_string());
        numbers.collect::<Vec<_>>()
    };
    let until = |cases: &[(i64, Timestamp)]| -> Vec<String> {
        let cases = cases.iter();
        let cases = cases.map(|(number, until)| format!("{number} ({})", scene.day(*until)));
        cases.collect()
    };
    let open = [
        numbers(&standing.unreported),
        numbers(&standing.undecided),
        numbers(&standing.ordered),
    ]
    .concat();
    let named = |cases: &[i64]| cases.iter().map(i64::to_string).collect::<Vec<_>>();
    let exploited = named(&standing.exploited);
    let let_be = named(&standing.exploited_excepted);
    let (lapsed, excepted) = (until(&standing.lapsed), until(&standing.excepted));
    let finding = if !exploited.is_empty() {
        Finding::not_met(
            format!(
                "悪用が確認されている脆弱性への対策が終わっていない: {}",
                exploited.join("、")
            ),
            format!(
                "cases are open of what is known to be exploited: {}",
                exploited.join(", ")
            ),
        )
    } else if !lapsed.is_empty() {
        Finding::not_met(
            format!(
                "猶予の期限を過ぎ、その後の措置が決められていない脆弱性がある: {}",
                lapsed.join("、")
            ),
            format!(
                "exceptions of cases have ended, and nothing was decided since: {}",
                lapsed.join(", ")
            ),
        )
    } else if !open.is_empty() {
        Finding::new(
            State::Pending,
            format!("対策中の脆弱性がある: {}", open.join("、")),
            format!(
                "cases of vulnerabilities are under way: {}",
                open.join(", ")
            ),
        )
    } else if !let_be.is_empty() {
        Finding::new(
            State::Pending,
            format!(
                "悪用が確認されているが、対策を猶予している脆弱性がある: {}",
                let_be.join("、")
            ),
            format!(
                "what is known to be exploited is let be by an exception: {}",
                let_be.join(", ")
            ),
        )
    } else if !excepted.is_empty() {
        Finding::met(
            format!(
                "責任者が期限を定めて対策を猶予したもののほかに、対策の終わっていない脆弱性はない: {}",
                excepted.join("、")
            ),
            format!(
                "no vulnerability is open but those that an officer let be until a day: {}",
                excepted.join(", ")
            ),
        )
    } else {
        Finding::met(
            "対策の終わっていない脆弱性はない",
            "no vulnerability is open",
        )
    };
    Ok(finding
        .fact("open", texts(open))
        .fact("excepted", texts(excepted))
        .fact("exploited_excepted", texts(let_be))
        .fact("closed", standing.closed))
}

fn standing(scene: &mut Scene<'_, '_>) -> Result<Standing, Error> {
    vuln::standing(scene.snapshot, &scene.facts.feeds, scene.now)
}

/// Numbers of the reports of cases that nobody has acknowledged in time.
fn unread(scene: &mut Scene<'_, '_>) -> Result<Vec<String>, Error> {
    let before = scene.days_ago(i64::from(DAYS_TO_ACKNOWLEDGE));
    let waiting = report::waiting(scene.snapshot)?.into_iter();
    let late = waiting.filter(|one| one.case.is_some() && one.made_at < before);
    Ok(late.map(|one| one.number.to_string()).collect())
}

/// Numbers of the cases that stand still since before.
fn later(cases: &[(i64, Timestamp)], before: Timestamp) -> Vec<String> {
    let late = cases.iter().filter(|(_, since)| *since < before);
    late.map(|(number, _)| number.to_string()).collect()
}

fn inventory(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let standing = standing(scene)?;
    let Some(at) = standing.listed_at else {
        return Ok(Finding::unknown(
            "ソフトウェアの一覧がまだ作られていない",
            "no list of software was made yet",
        ));
    };
    let finding = if scene.since(at) > NOT_KEPT {
        Finding::not_met(
            format!(
                "ソフトウェアの一覧は {} から更新されていない",
                scene.day(at)
            ),
            format!(
                "the list of software was not brought up to date since {}",
                scene.day(at)
            ),
        )
    } else if scene.since(at) > LIST_LASTS {
        Finding::unknown(
            format!("ソフトウェアの一覧は {} のものである", scene.day(at)),
            format!("the list of software is of {}", scene.day(at)),
        )
    } else if !standing.unlisted.is_empty() {
        Finding::unknown(
            format!(
                "確かめられなかったものがある: {}",
                standing.unlisted.join("、")
            ),
            format!(
                "some of it could not be looked at: {}",
                standing.unlisted.join(", ")
            ),
        )
    } else {
        Finding::met(
            format!(
                "{} 個のソフトウェアが名称と版とともに記録されている",
                standing.software
            ),
            format!(
                "{} pieces of software are on record with name and version",
                standing.software
            ),
        )
    };
    Ok(finding
        .fact("software", standing.software)
        .fact("listed_at", at.to_string()))
}

fn feeds(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let standing = standing(scene)?;
    let troubled = standing.feeds.iter().filter_map(|feed| {
        let trouble = feed.trouble.as_ref()?;
        Some(format!("{} ({trouble})", feed.name))
    });
    let troubled: Vec<String> = troubled.collect();
    // What they said is not known, and the others are.
    let lacking = standing.feeds.iter().filter(|feed| feed.skipped > 0);
    let lacking: Vec<String> = lacking
        .map(|feed| format!("{} ({})", feed.name, feed.skipped))
        .collect();
    let (every, most_age) = (scene.facts.feeds.every, scene.facts.feeds.most_age);
    Ok(if standing.feeds.is_empty() {
        Finding::not_met(
            "脆弱性の情報源が設定されていない([vulnerabilities])",
            "no feed of vulnerabilities is set up ([vulnerabilities])",
        )
    } else if most_age > every.saturating_add(GRACE) {
        let (most, every) = (most_age.as_hours(), every.as_hours());
        Finding::not_met(
            format!("{every} 時間ごとに取り込むべき情報源について、{most} 時間前のものまでよいとする設定になっている([vulnerabilities] limit)"),
            format!("feeds have to be read every {every} hours, and the settings are content with {most} ([vulnerabilities] limit)"),
        )
    } else if !troubled.is_empty() {
        Finding::not_met(
            format!("取り込めていない情報源がある: {}", troubled.join("、")),
            format!("feeds were not read: {}", troubled.join(", ")),
        )
    } else if !lacking.is_empty() {
        let (count, lacking_ja) = (standing.feeds.len(), lacking.join("、"));
        Finding::met(
            format!("{count} の情報源がすべて期限内に取り込まれているが、読めない記録があった: {lacking_ja}"),
            format!(
                "all {count} feeds were read in time, but for records that cannot be read (`vuln feeds`): {}",
                lacking.join(", ")
            ),
        )
    } else {
        Finding::met(
            format!(
                "{} の情報源がすべて期限内に取り込まれている",
                standing.feeds.len()
            ),
            format!("all {} feeds were read in time", standing.feeds.len()),
        )
    }
    .fact(
        "feeds",
        texts(standing.feeds.iter().map(|feed| feed.name.clone())),
    )
    .fact("unread_records", texts(lacking)))
}
