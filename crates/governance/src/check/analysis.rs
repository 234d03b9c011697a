//! What a review of the trail looks at above all: refused relaying, and attempts to crack passwords (clause 8.2(3)).
//!
//! A day that is unusual is no fault of the site; that nobody looks closer is. So a day with many refusals or failures makes the check
//! `pending` until somebody analyses the trail, also when the next day is quiet, and `not-met` when nobody did within the site's time ([`Terms`](crate::facts::Terms)).

use ::trail::Kind;
use jiff::Timestamp;
use serde_json::Value;
use store::Error;

use super::{Check, Scene, day::Sources, texts};
use crate::{
    state::{Finding, State},
    tables::standing,
};

/// The fact that says since when nobody has looked.
const SINCE: &str = "conspicuous_since";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "analysis-relay-refusals",
        look: |scene| {
            let seen = scene.last_day()?.relaying.clone();
            conspicuous(
                scene,
                "analysis-relay-refusals",
                &seen,
                ("中継の拒否", "refusals of relaying"),
            )
        },
    },
    Check {
        name: "analysis-cracking-retrieval",
        look: |scene| {
            let seen = scene.last_day()?.retrieval.clone();
            let words = ("MRAの主体認証の失敗", "failed logins at the MRA");
            conspicuous(scene, "analysis-cracking-retrieval", &seen, words)
        },
    },
    Check {
        name: "analysis-cracking-submission",
        look: |scene| {
            let seen = scene.last_day()?.submission.clone();
            let words = ("MSAの主体認証の失敗", "failed logins at the MSA");
            conspicuous(scene, "analysis-cracking-submission", &seen, words)
        },
    },
];

fn conspicuous(
    scene: &mut Scene<'_, '_>,
    name: &str,
    seen: &Sources,
    (ja, en): (&str, &str),
) -> Result<Finding, Error> {
    let count = seen.count;
    let terms = scene.facts.terms.clone();
    let since = open_since(scene, name)?;
    let since = since.or((count >= terms.conspicuous).then_some(scene.now));
    let looked = match since {
        None => None,
        Some(since) => {
            let recent = scene.days_ago(terms.analysis_holds);
            analysed(scene, since.min(recent))?
        }
    };
    let finding = match (since, looked) {
        (None, _) => Finding::met(
            format!("この1日の{ja}は {count} 件で、目立つものはない"),
            format!("{count} {en} within a day, which is not conspicuous"),
        ),
        (Some(_), Some(at)) => {
            let day = scene.day(at);
            Finding::met(
                format!("{ja}が多かったため、{day} に分析されている(この1日は {count} 件)"),
                format!("there were many {en}, and the trail was analysed on {day} ({count} within a day)"),
            )
            .fact("analysed_at", at.to_string())
        }
        (Some(since), None) => {
            let day = scene.day(since);
            let state = match since < scene.days_ago(terms.analysed) {
                true => State::NotMet,
                false => State::Pending,
            };
            Finding::new(
                state,
                format!("{day} から{ja}が多く、まだ分析されていない(`audit analyse`、この1日は {count} 件)"),
                format!("there were many {en} on {day}, and nobody has looked closer (`audit analyse`; {count} within a day)"),
            )
            .fact(SINCE, since.to_string())
        }
    };
    Ok(finding
        .fact("of_a_day", count)
        .fact("sources", texts(seen.named())))
}

/// Since when it was told that somebody has to look closer, if that is so.
fn open_since(scene: &mut Scene<'_, '_>, name: &str) -> Result<Option<Timestamp>, Error> {
    let before = standing::by_name(scene.snapshot, name)?;
    let open =
        before.filter(|before| matches!(before.finding.state, State::Pending | State::NotMet));
    Ok(open.and_then(|open| {
        open.finding
            .facts
            .get(SINCE)
            .and_then(Value::as_str)?
            .parse()
            .ok()
    }))
}

/// When somebody last had the trail analysed, not before `from`.
fn analysed(scene: &mut Scene<'_, '_>, from: Timestamp) -> Result<Option<Timestamp>, Error> {
    let mut last = None;
    scene.each_event(&[Kind::TrailRead], from, &mut |one| {
        if one.event.detail.contains_key("analysis") {
            last = Some(one.at);
        }
    })?;
    Ok(last)
}
