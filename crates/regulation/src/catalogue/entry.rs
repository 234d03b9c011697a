//! What clauses refer to: roles, options, parameters; and the source with its slips.

use serde::{Deserialize, Serialize};

use crate::{PeriodUnit, Text};

/// What a catalogue was made from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub title: Text,
    /// Who published it.
    pub publisher: Text,
    /// When, as `2006-03`.
    pub date: String,
}

/// A role that owes something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// Its key, the same as `directory::Role`'s name.
    pub key: String,
    /// What it is called.
    pub title: Text,
    /// What it is there for.
    pub duty: Text,
}

/// A condition under which clauses are demanded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionEntry {
    /// Its key.
    pub key: String,
    /// The condition.
    pub condition: Text,
    /// Whether a site is under it if nothing is said.
    pub default: bool,
    /// Who decides it.
    pub decided: Decided,
    /// The key of `kakitome.toml` that decides it, or from which it follows; absent if it is decided by design.
    #[serde(default)]
    pub setting: Option<String>,
    /// How it follows from the settings, or why it is so by design.
    pub reason: Text,
    /// Whether the source has it for stronger protection only (強化遵守事項).
    #[serde(default)]
    pub strengthened: bool,
}

/// Who decides an option or a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// The program: it is always as the default says.
    Design,
    /// It follows from settings that are there for other reasons too.
    Settings,
    /// The site says it in `[regulation]`, and nothing else depends on it.
    Choice,
}

/// A value that a site sets for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its key.
    pub key: String,
    /// What it is.
    pub title: Text,
    /// What it is if nothing is said; what the source proposes.
    pub default: Value,
    /// What it is counted in.
    pub unit: Unit,
    /// The least that the regulation permits, if it is a number.
    #[serde(default)]
    pub least: Option<i64>,
    /// The most, if it is a number.
    #[serde(default)]
    pub most: Option<i64>,
    /// Who decides it.
    pub decided: Decided,
    /// The key of `kakitome.toml` that decides it; absent if it is decided by design.
    #[serde(default)]
    pub setting: Option<String>,
}

/// What a parameter is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Days.
    Days,
    /// Calendar months.
    Months,
    /// Calendar years.
    Years,
    /// Characters of a password.
    Characters,
    /// Not counted: a name or a sentence.
    Text,
}

impl Unit {
    /// The unit of a period; `None` if it is no time.
    #[must_use]
    pub const fn period(self) -> Option<PeriodUnit> {
        match self {
            Self::Days => Some(PeriodUnit::Day),
            Self::Months => Some(PeriodUnit::Month),
            Self::Years => Some(PeriodUnit::Year),
            Self::Seconds | Self::Characters | Self::Text => None,
        }
    }
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// How many of the unit.
    Number(i64),
    /// A text that is the same in both languages.
    Plain(String),
    /// A text in both.
    Text(Text),
}

/// A slip of the source: where, what, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slip {
    /// Its id.
    pub id: String,
    /// The section or clause where it is.
    pub place: String,
    /// What is wrong or unclear.
    pub what: Text,
    /// How this catalogue reads it.
    pub reading: Text,
}
