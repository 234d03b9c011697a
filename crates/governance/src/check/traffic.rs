//! The normal state of the mail and deviation from it (clause 4.4).

use store::Error;

use super::{Check, Scene};
use crate::{
    state::{Finding, State},
    traffic::{Standing, standing},
};

/// Of the hours of the week, in hundredths, of which it has to be known what is usual.
const KNOWN: u32 = 80;
/// Of the last week, in hundredths, that has to have been watched.
const OBSERVED: u32 = 90;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "traffic-series",
        look: |scene| stands(scene, series),
    },
    Check {
        name: "traffic-normal",
        look: |scene| stands(scene, normal),
    },
    Check {
        name: "traffic-deviation",
        look: |scene| stands(scene, deviation),
    },
];

/// What `say` says of how traffic stands, if it is watched.
fn stands(scene: &mut Scene<'_, '_>, say: fn(&Standing) -> Finding) -> Result<Finding, Error> {
    let Some(options) = &scene.facts.traffic else {
        return Ok(Finding::unknown(
            "送受信の状況を監視していない",
            "traffic is not watched",
        ));
    };
    let found = match scene.traffic.take() {
        Some(found) => found,
        None => standing(scene.snapshot, options, scene.now)?,
    };
    Ok(say(scene.traffic.insert(found)))
}

fn normal(standing: &Standing) -> Finding {
    let (known, hours) = (standing.known, standing.learned_from);
    match known >= KNOWN {
        true => Finding::met(
            format!(
                "平常の値は、週の時間帯の {known} % について {hours} 時間分の記録から分かっている"
            ),
            format!(
                "what is usual is known of {known} % of the hours of the week, from {hours} hours"
            ),
        ),
        false => Finding::unknown(
            format!("平常の値はまだ週の時間帯の {known} % についてしか分かっていない"),
            format!("what is usual is known only of {known} % of the hours of the week so far"),
        ),
    }
    .fact("known", known)
    .fact("hours", hours)
}

fn series(standing: &Standing) -> Finding {
    let Some(last) = standing.last_hour else {
        return Finding::unknown("まだ1時間分の記録がない", "no hour is on record yet");
    };
    let observed = standing.observed;
    let finding = if standing.is_late {
        Finding::not_met(
            format!("{last} 以後の時間が記録されていない"),
            format!("no hour was recorded since {last}"),
        )
    } else if observed < OBSERVED {
        Finding::new(
            State::Pending,
            format!("記録は続いているが、この1週間で観測できたのは {observed} % である"),
            format!("hours are recorded, and {observed} % of the last week was watched"),
        )
    } else {
        Finding::met(
            format!("送受信の量は1時間ごとに記録されている(この1週間の {observed} % を観測)"),
            format!("traffic is recorded by the hour ({observed} % of the last week was watched)"),
        )
    };
    finding
        .fact("last_hour", last.to_string())
        .fact("observed", observed)
}

fn deviation(standing: &Standing) -> Finding {
    let since = standing.since.map(|since| since.to_string());
    let finding = match standing.state {
        ::traffic::State::Normal => Finding::met("送受信の状況は平常である", "traffic is as usual"),
        ::traffic::State::Unusual => Finding::met(
            "送受信の状況は平常と異なるが、サービスへの支障はない",
            "traffic is unusual, and service does not suffer",
        ),
        ::traffic::State::Alarm => match standing.incident {
            Some(number) => Finding::new(
                State::Pending,
                format!("サービスに支障があり、インシデント {number} として対応中である"),
                format!("service suffers, and incident {number} is open about it"),
            ),
            None => Finding::not_met(
                "平常と異なる状況でサービスに支障があるが、インシデントが開かれていない",
                "traffic is unusual and service suffers, and no incident is open about it",
            ),
        },
        ::traffic::State::Unknown => Finding::unknown(
            "平常の値がまだ分からないため、判断できない",
            "what is usual is not known yet, so it cannot be told",
        ),
    };
    finding.fact("since", since)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ::traffic::State as Traffic;

    use super::*;

    fn standing() -> Standing {
        Standing {
            state: Traffic::Normal,
            since: None,
            last_hour: Some("2026-11-28T00:00:00Z".parse().unwrap()),
            is_late: false,
            observed: 99,
            known: 95,
            learned_from: 2000,
            incident: None,
        }
    }

    #[test]
    fn too_little_is_unknown_and_an_alarm_without_an_incident_is_red() {
        let state = |say: fn(&Standing) -> Finding, change: fn(&mut Standing)| {
            let mut standing = standing();
            change(&mut standing);
            say(&standing).state
        };
        assert_eq!(state(series, |_| {}), State::Met);
        assert_eq!(state(series, |now| now.last_hour = None), State::Unknown);
        assert_eq!(state(series, |now| now.observed = 50), State::Pending);
        assert_eq!(state(series, |now| now.is_late = true), State::NotMet);
        assert_eq!(state(normal, |_| {}), State::Met);
        assert_eq!(state(normal, |now| now.known = 40), State::Unknown);
        assert_eq!(state(deviation, |_| {}), State::Met);
        assert_eq!(
            state(deviation, |now| now.state = Traffic::Unusual),
            State::Met
        );
        assert_eq!(
            state(deviation, |now| now.state = Traffic::Unknown),
            State::Unknown
        );
        assert_eq!(
            state(deviation, |now| now.state = Traffic::Alarm),
            State::NotMet
        );
        let met_with = |now: &mut Standing| {
            now.state = Traffic::Alarm;
            now.incident = Some(7);
        };
        assert_eq!(state(deviation, met_with), State::Pending);
    }
}
