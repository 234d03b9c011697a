//! Decisions on shared identifiers, and whether those whom they concern know of them (clauses 7.1(2)a, 8.1(2)).

use directory::command::sharing::{self, BACK};
use jiff::Timestamp;
use store::Error;
use trail::Outcome;

use super::{Check, Scene, texts};
use crate::{
    state::{Finding, State},
    tables::task,
};

/// The yearly review, whose report the administrators acknowledge.
const REVIEW: &str = "shared-identifier-review";

pub(super) const CHECKS: &[Check] = &[Check {
    name: "sharing-told",
    look: told,
}];

fn told(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let days = scene.facts.terms.sharing_told;
    let from = scene.now.checked_sub(BACK).unwrap_or(Timestamp::MIN);
    let all = sharing::decisions(scene.snapshot, from)?;
    // What a review has gone through since was told with its report.
    let reviewed = task::last_closed(scene.snapshot, REVIEW)?.and_then(|last| last.closed_at);
    let untold = all.iter().filter(|one| one.told.is_none());
    let (late, waiting): (Vec<_>, Vec<_>) = untold.partition(|one| one.at < scene.days_ago(days));
    let unreached = all.iter().filter(|one| {
        let failed = one.told.is_some_and(|told| told != Outcome::Success);
        failed && reviewed.is_none_or(|reviewed| reviewed < one.at)
    });
    let names = |some: &mut dyn Iterator<Item = &sharing::Decision>| {
        let mut names: Vec<String> = some.map(|one| one.identifier.clone()).collect();
        names.dedup();
        names.truncate(20);
        names
    };
    let late = names(&mut late.into_iter());
    let waiting = names(&mut waiting.into_iter());
    let unreached = names(&mut unreached.into_iter());
    let finding = if !late.is_empty() {
        Finding::not_met(
            format!(
                "{days} 日を過ぎても関係者に知らされていない、共有識別コードに関する決定がある: {}",
                late.join("、")
            ),
            format!(
                "decisions on shared identifiers were not told within {days} days: {}",
                late.join(", ")
            ),
        )
    } else if !unreached.is_empty() {
        Finding::not_met(
            format!(
                "共有識別コードに関する決定を知らせるべき管理者がここにメールボックスを持たない: {}",
                unreached.join("、")
            ),
            format!(
                "of decisions on shared identifiers no administrator was told, since none has a mailbox here: {}",
                unreached.join(", ")
            ),
        )
    } else if !waiting.is_empty() {
        Finding::new(
            State::Pending,
            format!(
                "共有識別コードに関する決定を知らせるところである: {}",
                waiting.join("、")
            ),
            format!(
                "decisions on shared identifiers are about to be told: {}",
                waiting.join(", ")
            ),
        )
    } else {
        Finding::met(
            format!(
                "共有識別コードに関する最近の決定 {} 件は、管理者及び利用者に知らされている",
                all.len()
            ),
            format!(
                "administrators and users were told of the {} recent decisions on shared identifiers",
                all.len()
            ),
        )
    };
    Ok(finding
        .fact("decisions", all.len())
        .fact("not_told", texts(late))
        .fact("nobody_reached", texts(unreached)))
}
