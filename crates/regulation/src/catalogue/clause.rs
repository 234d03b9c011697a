//! A clause, or an item of one.

use serde::{Deserialize, Serialize};

use crate::{Schedule, Text};

/// What one clause, or one item of a clause, demands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its id for ever: section, number and item, as `4.1-1-a`.
    pub id: String,
    /// Whether it demands something, or says what is meant.
    #[serde(default)]
    pub kind: Kind,
    /// In a few words.
    pub title: Text,
    /// What it demands, as the site's own regulation says it. `{key}` stands for the value of a parameter, `{every:key}` for how often
    /// that is, `{clause:ID}` for another clause or section: [`crate::Choices::demand`] fills them.
    pub demand: Text,
    /// Keys of the roles that owe it (`directory::Role`); none where nobody does anything.
    #[serde(default)]
    pub owed_by: Vec<String>,
    /// How it is met; empty for a clause that is met by its items, and for a definition.
    #[serde(default)]
    pub ways: Vec<Way>,
    /// When it is due.
    #[serde(default = "continuous")]
    pub schedule: Schedule,
    /// The parameter (days, months or years) that says instead of `schedule` how often it is due.
    #[serde(default)]
    pub schedule_parameter: Option<String>,
    /// Keys of the parameters that its demand or its check depends on.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Key of the option on which alone it is demanded.
    #[serde(default)]
    pub option: Option<String>,
    /// Ids of clauses and assumptions that must hold for it to mean anything.
    #[serde(default)]
    pub preconditions: Vec<String>,
    /// Names of the kinds of events (`trail::Kind`) that are its evidence.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Keys of `kakitome.toml` that govern how it is met, as `audit.retain_years`.
    #[serde(default)]
    pub settings: Vec<String>,
    /// Whether it must or should be met.
    #[serde(default)]
    pub obligation: Obligation,
    /// Whether the source has it for systems that need stronger protection only (強化遵守事項).
    #[serde(default)]
    pub strengthened: bool,
}

const fn continuous() -> Schedule {
    Schedule::Continuous
}

impl Clause {
    /// The id of the clause that it is an item of. What holds it may not be there: `4.1-1` is an item of no clause.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        if self.kind == Kind::Assumption || self.id.starts_with("site-") {
            return self.site_parent();
        }
        let (parent, _) = self.id.rsplit_once('-')?;
        parent.contains('-').then_some(parent)
    }

    /// An item of a site's clause `site-x-1` is `site-x-1-a`: its last part is letters, and that of a clause is a number.
    fn site_parent(&self) -> Option<&str> {
        let (parent, item) = self.id.rsplit_once('-')?;
        let is_item = !item.is_empty() && item.len() <= 4;
        let letters = item.bytes().all(|octet| octet.is_ascii_lowercase());
        let number = parent.rsplit('-').next().unwrap_or_default();
        let of_clause = number.bytes().next().is_some_and(|o| o.is_ascii_digit());
        (is_item && letters && of_clause && self.kind != Kind::Assumption).then_some(parent)
    }

    /// Whether anything is demanded by it.
    #[must_use]
    pub fn is_duty(&self) -> bool {
        self.kind == Kind::Duty
    }
}

/// What a clause is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It demands something.
    #[default]
    Duty,
    /// It says what is meant, whom it concerns, or what for.
    Definition,
    /// The regulation takes it for given, so the server has to provide it.
    Assumption,
}

/// How strongly it is demanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obligation {
    /// It has to be done.
    #[default]
    Must,
    /// It is desired (望ましい).
    Should,
}

/// One way in which a clause is met.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// What sort of way.
    pub way: WayKind,
    /// Name of the check or workflow, the same in all clauses that rest on it.
    pub by: String,
    /// What it does for this clause.
    pub text: Text,
}

/// The three ways in which clauses are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayKind {
    /// The server makes it impossible to do otherwise.
    Enforce,
    /// The server looks by itself and keeps what it found.
    Measure,
    /// People act; the server opens the task and records its course.
    Workflow,
}

impl WayKind {
    /// Its name: `enforce`, `measure`, `workflow`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Measure => "measure",
            Self::Workflow => "workflow",
        }
    }
}
