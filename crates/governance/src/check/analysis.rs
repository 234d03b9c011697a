//! What a review of the trail looks at above all: refused relaying, and attempts to crack passwords (clause 8.2(3)); and error mail that
//! comes in (clause 5.5(1)).
//!
//! A day that is unusual is no fault of the site; that nobody looks closer is. So a day with many refusals or failures makes the check
//! `pending` until somebody analyses the trail, also when the next day is quiet, and `not-met` when nobody did within the site's time ([`Terms`](crate::facts::Terms)).

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use store::Error;

use super::{Check, Scene, day::Sources, texts};
use crate::{
    state::{Finding, State},
    tables::standing,
};

const A_DAY: SignedDuration = SignedDuration::from_hours(24);
const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The fact that says since when nobody has looked.
const SINCE: &str = "conspicuous_since";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "bounces-classified",
        look: |scene| {
            let day = scene.last_day()?;
            let (seen, causes) = (day.bounces.clone(), day.bounce_causes.named());
            let words = ("エラーメール", "bounces");
            let finding = conspicuous(scene, "bounces-classified", &seen, Look::Bounces, words)?;
            Ok(finding.fact("causes", texts(causes)))
        },
    },
    Check {
        name: "analysis-relay-refusals",
        look: |scene| {
            let seen = scene.last_day()?.relaying.clone();
            conspicuous(
                scene,
                "analysis-relay-refusals",
                &seen,
                Look::Trail,
                ("中継の拒否", "refusals of relaying"),
            )
        },
    },
    Check {
        name: "analysis-cracking-retrieval",
        look: |scene| {
            let seen = scene.last_day()?.retrieval.clone();
            let words = ("MRAの主体認証の失敗", "failed logins at the MRA");
            conspicuous(
                scene,
                "analysis-cracking-retrieval",
                &seen,
                Look::Trail,
                words,
            )
        },
    },
    Check {
        name: "analysis-cracking-submission",
        look: |scene| {
            let seen = scene.last_day()?.submission.clone();
            let words = ("MSAの主体認証の失敗", "failed logins at the MSA");
            conspicuous(
                scene,
                "analysis-cracking-submission",
                &seen,
                Look::Trail,
                words,
            )
        },
    },
];

/// By which command somebody looks closer.
#[derive(Clone, Copy)]
enum Look {
    /// `audit analyse`
    Trail,
    /// `bounces`
    Bounces,
}

impl Look {
    /// The fact by which the event of reading the trail tells of it.
    const fn fact(self) -> &'static str {
        match self {
            Self::Trail => "analysis",
            Self::Bounces => "bounces",
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Trail => "audit analyse",
            Self::Bounces => "bounces",
        }
    }
}

fn conspicuous(
    scene: &mut Scene<'_, '_>,
    name: &str,
    seen: &Sources,
    look: Look,
    (ja, en): (&str, &str),
) -> Result<Finding, Error> {
    let count = seen.count;
    let terms = scene.facts.terms.clone();
    let least = match look {
        Look::Trail => terms.conspicuous,
        Look::Bounces => terms.conspicuous_bounces,
    };
    let since = open_since(scene, name)?;
    let since = since.or((count >= least).then_some(scene.now));
    let looked = match since {
        None => None,
        Some(since) => {
            let recent = scene.days_ago(terms.analysis_holds);
            analysed(scene, look, since, since.min(recent))?
        }
    };
    let command = look.command();
    let finding = match (since, looked) {
        (None, _) => Finding::met(
            format!("この1日の{ja}は {count} 件で、目立つものはない"),
            format!("{count} {en} within a day, which is not conspicuous"),
        ),
        (Some(_), Some(at)) => {
            let day = scene.day(at);
            Finding::met(
                format!("{ja}が多かったため、{day} に調べられている(この1日は {count} 件)"),
                format!("there were many {en}, and somebody looked into them on {day} ({count} within a day)"),
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
                format!("{day} から{ja}が多く、まだ調べられていない(`{command}`、この1日は {count} 件)"),
                format!("there were many {en} on {day}, and nobody has looked closer (`{command}`; {count} within a day)"),
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

/// When somebody last looked closer, not before `from`, at the day before `since` and up to then: another period says nothing of it.
fn analysed(
    scene: &mut Scene<'_, '_>,
    look: Look,
    since: Timestamp,
    from: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let mut last = None;
    let begin = since.checked_sub(A_DAY).unwrap_or(Timestamp::MIN);
    scene.each_event(&[Kind::TrailRead], from, &mut |one| {
        let Some(period) = one.event.detail.get(look.fact()) else {
            return;
        };
        let time = |name: &str| -> Option<Timestamp> { period.get(name)?.as_str()?.parse().ok() };
        // Who looked before it was noticed looked up to then.
        let end = since.min(one.at.checked_sub(AN_HOUR).unwrap_or(one.at));
        let covers =
            time("from").is_some_and(|at| at <= begin) && time("to").is_some_and(|at| at >= end);
        if covers {
            last = Some(one.at);
        }
    })?;
    Ok(last)
}
