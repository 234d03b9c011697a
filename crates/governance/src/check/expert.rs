//! Outside experts at hand (clause 10.1(2)).

use store::Error;

use super::{Check, Scene};
use crate::{
    expert::{self, ExpertView},
    state::{Finding, State},
};

/// The check's name.
const NAME: &str = "expert-at-hand";

pub(super) const CHECKS: &[Check] = &[Check {
    name: NAME,
    look: at_hand,
}];

/// Whether a contract is in force today, and those of it were reached when it was last due to be tried.
fn at_hand(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    if !scene.rules.needs(NAME) {
        return Ok(Finding::not_adopted(
            "外部の専門家との取決めを採用していない",
            "the site has not adopted an arrangement with outside experts",
        ));
    }
    let all = expert::all(scene.snapshot, scene.rules, scene.now)?;
    let today = scene.rules.calendar.date(scene.now);
    let in_force: Vec<&ExpertView> = all.iter().filter(|one| one.is_in_force()).collect();
    let reachable = in_force.iter().filter(|one| one.is_reachable(today));
    let best = reachable.max_by_key(|one| (one.renew_by, one.until));
    let finding = match (best, in_force.first()) {
        (Some(one), _) if today > one.renew_by => Finding::new(
            State::Pending,
            format!(
                "{} との契約は {} に終わるが、更新の期限 {} を過ぎている",
                one.name, one.until, one.renew_by
            ),
            format!(
                "the contract with {} ends on {}, and was to be renewed by {}",
                one.name, one.until, one.renew_by
            ),
        ),
        (Some(one), _) => Finding::met(
            format!("{} との契約が {} まで有効である", one.name, one.until),
            format!(
                "the contract with {} is in force until {}",
                one.name, one.until
            ),
        ),
        (None, Some(one)) if one.reached == Some(false) => Finding::not_met(
            format!("{} には最後の訓練で連絡がつかなかった", one.name),
            format!("{} could not be reached when it was last tried", one.name),
        ),
        (None, Some(one)) => Finding::not_met(
            format!(
                "{} への連絡の訓練が期限 {} までに行われていない",
                one.name, one.drill_by
            ),
            format!(
                "it was to be tried by {} whether {} can be reached",
                one.drill_by, one.name
            ),
        ),
        (None, None) => Finding::not_met(
            "有効な契約がない(`expert add`、`expert renew`)",
            "no contract is in force (`expert add`, `expert renew`)",
        ),
    };
    Ok(finding
        .fact("contracts", all.len())
        .fact("in_force", in_force.len())
        .fact("until", best.map(|one| one.until.to_string()))
        .fact("drill_by", best.map(|one| one.drill_by.to_string())))
}
