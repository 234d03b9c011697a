//! What a site has decided to do about milters, and the verdict of what they said.

use std::collections::BTreeMap;

use ::engines::{MilterResult, MilterSaid};

use crate::{Cause, Handling, Refused, Trouble, Verdict, malware::Vote};

/// What a site has decided about its milters. What a milter says is done; the site chose it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MilterPolicy {
    /// What is done when the milter of this name fails. Default defer.
    pub failure: BTreeMap<String, Trouble>,
}

impl MilterPolicy {
    /// The strictest of what the milters said; `None` when none speaks against the message.
    pub(crate) fn vote(&self, said: &[MilterSaid]) -> Option<Vote> {
        let votes = said.iter().filter_map(|said| self.of(said));
        // The first of those that are equally strict.
        let votes: Vec<Vote> = votes.collect();
        votes.into_iter().rev().max_by_key(|vote| vote.handling)
    }

    fn of(&self, said: &MilterSaid) -> Option<Vote> {
        let (handling, cause) = match said.result {
            MilterResult::Accept => return None,
            MilterResult::Quarantine => (Handling::Quarantine, Cause::Milter),
            MilterResult::Tempfail => (Handling::Defer, Cause::Milter),
            MilterResult::Discard => (Handling::Discard, Cause::Milter),
            MilterResult::Reject => (Handling::Refuse, Cause::Milter),
            MilterResult::Failed => {
                let chosen = self.failure.get(&said.milter).copied();
                let handling = chosen.unwrap_or(Trouble::Defer).into();
                (handling, Cause::MilterDown)
            }
        };
        let words = match cause {
            Cause::MilterDown => &said.reason,
            _ => &said.words,
        };
        let recipient = match said.recipient.is_empty() {
            true => String::new(),
            false => format!(" <{}>", said.recipient),
        };
        Some(Vote {
            handling,
            cause,
            what: format!("{}: {words}{recipient}", said.milter),
            criterion: said.milter.clone(),
        })
    }
}

const REFUSED: u16 = 550;
const COME_AGAIN: u16 = 451;
const NOT_AUTHORIZED: (u8, u8) = (7, 1);
const OTHER_SYSTEM: (u8, u8) = (3, 0);

/// What the client is told of a verdict that is a milter's: its own words where it gave some. `None`: it is about something else.
pub(crate) fn refused(verdict: &Verdict) -> Option<Refused> {
    let is_final = verdict.handling == Handling::Refuse;
    match verdict.because {
        Cause::Milter => {}
        Cause::MilterDown => {
            return Some(Refused {
                code: COME_AGAIN,
                detail: OTHER_SYSTEM,
                text: "The message cannot be looked at now, try again later".to_owned(),
            });
        }
        _ => return None,
    }
    let words = verdict.what.split_once(": ");
    let words = words.map_or("", |(_, words)| words).trim();
    let (code, rest) = words
        .split_at_checked(3)
        .and_then(|(code, rest)| Some((code.parse::<u16>().ok()?, rest.trim_start())))
        .unwrap_or((0, words));
    let class = if is_final { 5 } else { 4 };
    let code = match code / 100 == class {
        true => code,
        false if is_final => REFUSED,
        false => COME_AGAIN,
    };
    let (detail, text) = status(class, rest).unwrap_or((NOT_AUTHORIZED, rest));
    let text = match text.is_empty() {
        true => "The message was refused by a filter of this site".to_owned(),
        false => text
            .chars()
            .map(|c| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '?'
                }
            })
            .collect(),
    };
    Some(Refused { code, detail, text })
}

/// An enhanced status code of this class before the words (RFC 3463).
fn status(class: u16, words: &str) -> Option<((u8, u8), &str)> {
    let (status, text) = words.split_once(' ').unwrap_or((words, ""));
    let mut parts = status.split('.');
    let is_class = parts.next()?.parse::<u16>().ok()? == class;
    let detail = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (is_class && parts.next().is_none()).then_some((detail, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Evidence, Policy, engines::EnginePolicy};

    fn said(milter: &str, result: MilterResult, words: &str) -> MilterSaid {
        let told = serde_json::json!({ "milter": milter, "result": result, "at": "end", "words": words,
            "reason": if result == MilterResult::Failed { "no answer in time" } else { "" } });
        serde_json::from_value(told).unwrap()
    }

    fn judged(policy: MilterPolicy, all: Vec<MilterSaid>) -> Verdict {
        let policy = Policy {
            engines: EnginePolicy {
                milters: policy,
                ..EnginePolicy::default()
            },
            ..Policy::default()
        };
        let evidence = Evidence::unasked("192.0.2.1".parse().unwrap());
        policy.judge(&evidence.with_milters(all))
    }

    #[test]
    fn a_milters_word_is_done_in_its_words() {
        for (result, handling) in [
            (MilterResult::Accept, Handling::Accept),
            (MilterResult::Quarantine, Handling::Quarantine),
            (MilterResult::Tempfail, Handling::Defer),
            (MilterResult::Discard, Handling::Discard),
            (MilterResult::Reject, Handling::Refuse),
        ] {
            let verdict = judged(MilterPolicy::default(), vec![said("one", result, "")]);
            assert_eq!(verdict.handling, handling);
        }
        for (result, words, code, detail, text) in [
            (
                MilterResult::Reject,
                "554 5.6.0 too odd",
                554,
                (6, 0),
                "too odd",
            ),
            (MilterResult::Reject, "550 plain", 550, (7, 1), "plain"),
            (
                MilterResult::Reject,
                "550 4.7.1 mixed",
                550,
                (7, 1),
                "4.7.1 mixed",
            ),
            (
                MilterResult::Tempfail,
                "450 4.2.0 later",
                450,
                (2, 0),
                "later",
            ),
            (
                MilterResult::Reject,
                "",
                550,
                (7, 1),
                "The message was refused by a filter of this site",
            ),
        ] {
            let verdict = judged(MilterPolicy::default(), vec![said("one", result, words)]);
            let refused = verdict.refusal().unwrap();
            assert_eq!(
                (refused.code, refused.detail, refused.text.as_str()),
                (code, detail, text)
            );
        }
    }

    #[test]
    fn the_strictest_decides_and_failure_is_the_sites_to_choose() {
        let all = vec![
            said("calm", MilterResult::Accept, ""),
            said("down", MilterResult::Failed, ""),
            said("hard", MilterResult::Reject, "550 no"),
        ];
        let verdict = judged(MilterPolicy::default(), all.clone());
        assert_eq!(verdict.what, "hard: 550 no");
        assert_eq!(verdict.criterion, "hard");
        let down = judged(MilterPolicy::default(), all[..2].to_vec());
        assert_eq!(
            (down.handling, down.because),
            (Handling::Defer, Cause::MilterDown)
        );
        assert_eq!(down.refusal().unwrap().code, 451);
        let lenient = MilterPolicy {
            failure: [("down".to_owned(), Trouble::Accept)].into(),
        };
        // Named all the same.
        let passed = judged(lenient, all[..2].to_vec());
        assert_eq!(
            (passed.handling, passed.because),
            (Handling::Accept, Cause::MilterDown)
        );
        assert_eq!(passed.what, "down: no answer in time");
    }
}
