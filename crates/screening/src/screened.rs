//! Evidence and verdict together, as an event keeps them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Evidence, Verdict};

/// What was found about a message, and what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screened {
    /// What was found.
    pub evidence: Evidence,
    /// What was decided.
    pub verdict: Verdict,
}

impl Screened {
    /// As an event's fact.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // There is nothing in it that JSON cannot hold.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        let evidence = value.get_mut("evidence").and_then(Value::as_object_mut);
        if let Some(evidence) = evidence.filter(|_| !self.evidence.authentication) {
            for unasked in ["iprev", "spf_helo", "spf", "dkim", "arc", "dmarc"] {
                evidence.remove(unasked);
            }
        }
        value
    }

    /// From an event's fact; `None` when it is none, or not whole.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Policy;

    #[test]
    fn what_an_event_holds_can_be_judged_again() {
        let evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "client.example");
        let verdict = Policy::default().judge(&evidence);
        let screened = Screened { evidence, verdict };
        let again = Screened::from_json(&screened.to_json()).unwrap();
        assert_eq!(again, screened);
        assert_eq!(Policy::default().judge(&again.evidence), screened.verdict);
        assert_eq!(Screened::from_json(&Value::from("cut")), None);

        // What was not asked takes no room.
        let evidence = Evidence::unasked("192.0.2.1".parse().unwrap());
        let verdict = Policy::default().judge(&evidence);
        let screened = Screened { evidence, verdict };
        let told = screened.to_json();
        assert_eq!(
            told["evidence"].to_string(),
            "{\"peer\":\"192.0.2.1\",\"authentication\":false}"
        );
        assert_eq!(Screened::from_json(&told), Some(screened));
    }
}
