//! How a clause, a check or a workflow stands.

use std::{fmt, str::FromStr};

use regulation::Text;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// How something stands. What is worse comes later, so that of several the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The site has not adopted the option that it hangs on.
    NotAdopted,
    /// What the clause demands is so.
    Met,
    /// It is not due yet: no period of it has ended since the site began, or the task of the period is under way in its time.
    Pending,
    /// It cannot be told: too little is known, what would tell is out of date, or the check itself failed. Never taken for met.
    Unknown,
    /// What the clause demands is not so.
    NotMet,
}

impl State {
    /// All, from the best to the worst.
    pub const ALL: [Self; 5] = [
        Self::NotAdopted,
        Self::Met,
        Self::Pending,
        Self::Unknown,
        Self::NotMet,
    ];

    /// The word for it, as commands and the trail write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAdopted => "not-adopted",
            Self::Met => "met",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::NotMet => "not-met",
        }
    }

    /// Whether somebody has to look at it.
    #[must_use]
    pub const fn needs_attention(self) -> bool {
        matches!(self, Self::Unknown | Self::NotMet)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// No state has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state: it is met, pending, unknown, not-met or not-adopted")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// What a check found: a state, why in a sentence of each language, and the facts that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How it stands.
    pub state: State,
    /// Why, in a sentence.
    pub why: Text,
    /// What led to it.
    pub facts: Map<String, Value>,
}

impl Finding {
    /// A finding without facts so far.
    #[must_use]
    pub fn new(state: State, ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            state,
            why: Text::new(ja, en),
            facts: Map::new(),
        }
    }

    /// What the clause demands is so.
    #[must_use]
    pub fn met(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(State::Met, ja, en)
    }

    /// What the clause demands is not so.
    #[must_use]
    pub fn not_met(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(State::NotMet, ja, en)
    }

    /// It cannot be told.
    #[must_use]
    pub fn unknown(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(State::Unknown, ja, en)
    }

    /// The site has not adopted it.
    #[must_use]
    pub fn not_adopted(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(State::NotAdopted, ja, en)
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        assert_eq!(State::ALL.into_iter().max(), Some(State::NotMet));
        assert!(State::Unknown > State::Met && State::Pending > State::Met);
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
