//! The plan of a case: all that clause 8.3(4) demands an answer to.

use directory::command::CommandError;
use serde::{Deserialize, Serialize};

/// Characters of an answer.
pub(super) const MOST_ANSWER: usize = 2000;

/// The eight points. An empty answer is none: such a plan can be kept, and not be approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Whether something has to be done (対策の必要性).
    pub need: String,
    /// How (対策方法).
    pub method: String,
    /// What is done until then, or instead (一時的な回避方法).
    pub workaround: String,
    /// What that does to the service (影響).
    pub effect: String,
    /// When (実施予定).
    pub schedule: String,
    /// Whether it has to be tested before (テストの必要性).
    pub test_need: String,
    /// How it is tested (テスト方法).
    pub test_method: String,
    /// When (テスト実施予定).
    pub test_schedule: String,
    /// Whether `test_need` says yes: then nothing is carried out before a test has passed.
    pub tested: bool,
}

impl Plan {
    /// The points with their names.
    #[must_use]
    pub fn points(&self) -> [(&'static str, &str); 8] {
        [
            ("need", &self.need),
            ("method", &self.method),
            ("workaround", &self.workaround),
            ("effect", &self.effect),
            ("schedule", &self.schedule),
            ("test-need", &self.test_need),
            ("test-method", &self.test_method),
            ("test-schedule", &self.test_schedule),
        ]
    }

    /// The points without an answer.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let points = self.points().into_iter();
        points
            .filter(|(_, answer)| answer.trim().is_empty())
            .map(|(name, _)| name)
            .collect()
    }

    /// This plan with the answers of `other` where it has any.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let newer = |new: String, old: String| if new.trim().is_empty() { old } else { new };
        let says_whether = !other.test_need.trim().is_empty();
        Self {
            need: newer(other.need, self.need),
            method: newer(other.method, self.method),
            workaround: newer(other.workaround, self.workaround),
            effect: newer(other.effect, self.effect),
            schedule: newer(other.schedule, self.schedule),
            test_need: newer(other.test_need, self.test_need),
            test_method: newer(other.test_method, self.test_method),
            test_schedule: newer(other.test_schedule, self.test_schedule),
            tested: if says_whether {
                other.tested
            } else {
                self.tested
            },
        }
    }

    pub(super) fn check(&self) -> Result<(), CommandError> {
        for (name, answer) in self.points() {
            words(name, answer, 0)?;
        }
        Ok(())
    }
}

/// A text of people: at least `least` characters, bounded, without controls but line ends.
pub(super) fn words(what: &str, text: &str, least: usize) -> Result<String, CommandError> {
    let text = text.trim();
    let length = text.chars().count();
    let is_plain = !text.chars().any(|c| c.is_control() && c != '\n');
    match length >= least && length <= MOST_ANSWER && is_plain {
        true => Ok(text.to_owned()),
        false => Err(CommandError::Argument(format!(
            "{what} must have {least} to {MOST_ANSWER} characters, and no controls but line ends"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_filled_in_over_time() {
        let first = Plan {
            need: "yes".to_owned(),
            test_need: "yes".to_owned(),
            tested: true,
            ..Plan::default()
        };
        assert_eq!(first.missing().len(), 6);
        let second = first.with(Plan {
            method: "apt".to_owned(),
            need: " ".to_owned(),
            ..Plan::default()
        });
        assert_eq!(
            (second.need.as_str(), second.method.as_str(), second.tested),
            ("yes", "apt", true)
        );
        assert!(
            !second.missing().contains(&"method") && second.missing().contains(&"test-schedule")
        );
        let third = second.with(Plan {
            test_need: "no: reversible".to_owned(),
            ..Plan::default()
        });
        assert!(!third.tested);
    }
}
