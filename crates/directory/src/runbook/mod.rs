//! Runbooks: what is done about an incident of each kind, by whom, until when, and what it cannot be closed without.
//!
//! Each is a file. Those in `crates/directory/runbooks` are built in; a site's own takes the place of one, and may add to it, but
//! cannot leave out what a clause demands ([`Runbook::of_site`]). What the server itself takes part in is named by the file and is code:
//! [`Step`], [`Lever`], [`Condition`]; a name that is none of them is an error with its line. Each runbook that comes into force is
//! kept ([`keep`]), and an incident goes by the one that it was opened under to its end.

mod demand;
mod kept;
mod read;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use trail::Kind;

pub(crate) use self::kept::{bind, in_force, of_incident, of_incidents, parsed, versions};
pub use self::{
    kept::{Source, Version, keep, nobody_for},
    read::RunbookError,
};
use crate::{Role, command::incident::IncidentKind};

/// Octets of a runbook's file.
pub const MOST_OCTETS: usize = 64 << 10;
/// Steps of one.
pub const MOST_STEPS: usize = 64;
/// The longest time that a step or an incident may be given, in days.
pub const MOST_DAYS: u16 = 90;

/// The same said in Japanese and in English.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In Japanese.
    pub ja: String,
    /// In English.
    pub en: String,
}

/// What an incident of a kind is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// An identifier: whoever opens one by hand names it.
    Identifier,
    /// An identifier, if one is known.
    Optional,
    /// The site.
    Site,
}

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A person, and the server notes it.
    None,
    /// A person, and the server looks whether it is so, or does what belongs to it.
    Checks,
    /// The server by itself.
    Does,
}

/// What can be done from an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lever {
    /// Suspend an identifier.
    Suspend,
    /// Resume one.
    Resume,
    /// Take no connections from a network.
    Block,
    /// Take them again.
    Unblock,
    /// Hold queued mail of an identifier or for a domain.
    Hold,
    /// Let it go.
    Release,
    /// Let an identifier, a network or a domain have only so much mail in a time.
    Limit,
    /// As much as before.
    Unlimit,
    /// Take no new mail, and deliver what waits.
    Drain,
    /// Take it again.
    Undrain,
}

impl Lever {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Suspend,
        Self::Resume,
        Self::Block,
        Self::Unblock,
        Self::Hold,
        Self::Release,
        Self::Limit,
        Self::Unlimit,
        Self::Drain,
        Self::Undrain,
    ];

    /// Its name in runbooks, on the command line and in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Limit => "limit",
            Self::Unlimit => "unlimit",
            Self::Drain => "drain",
            Self::Undrain => "undrain",
        }
    }

    /// Which one undoes it; `None`: it undoes another.
    #[must_use]
    pub const fn undone_by(self) -> Option<Self> {
        match self {
            Self::Suspend => Some(Self::Resume),
            Self::Block => Some(Self::Unblock),
            Self::Hold => Some(Self::Release),
            Self::Limit => Some(Self::Unlimit),
            Self::Drain => Some(Self::Undrain),
            Self::Resume | Self::Unblock | Self::Release | Self::Unlimit | Self::Undrain => None,
        }
    }
}

/// What the server looks at by itself before an incident can be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Service does not suffer any more (clause 4.4(2)).
    ServiceNormal,
    /// The own listeners were probed since it was opened, and neither relay nor let in whom they must not.
    ProbePasses,
    /// The clock is not behind the trail.
    ClockTrue,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ServiceNormal, Self::ProbePasses, Self::ClockTrue];

    /// Its name in runbooks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceNormal => "service-normal",
            Self::ProbePasses => "probe-passes",
            Self::ClockTrue => "clock-true",
        }
    }
}

/// A step, as a runbook has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRule {
    /// Its name on the command line and in the trail.
    pub key: String,
    /// Who takes it.
    pub server: Part,
    /// The roles of whom any takes it; none of a step that the server takes.
    pub roles: Vec<Role>,
    /// What is to be done.
    pub text: Words,
    /// Whether something has to be said of it.
    pub note: bool,
    /// Whether it is only of incidents that are about an identifier.
    pub only_identifier: bool,
    /// The steps that come before it.
    pub after: Vec<String>,
    /// How long after the incident's opening, or after the last step that comes before it, it is due.
    #[serde(serialize_with = "hours")]
    pub within: Option<SignedDuration>,
}

fn hours<S: serde::Serializer>(
    time: &Option<SignedDuration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_hours()).serialize(serializer)
}

/// What is done about incidents of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runbook {
    /// The kind.
    pub kind: IncidentKind,
    /// What it is called.
    pub title: Words,
    /// The clauses that demand it.
    pub clauses: Vec<String>,
    /// Whose officer reads its report, acknowledges and closes it.
    pub officer: Role,
    /// Who may open one by hand.
    pub open: Vec<Role>,
    /// What it is about.
    pub about: About,
    /// How long one may lie without a step.
    pub idle: SignedDuration,
    /// The events that are counted when one is opened by hand.
    pub gather: Vec<Kind>,
    /// What can be done from it.
    pub levers: Vec<Lever>,
    /// What the server looks at before it can be closed.
    pub closing: Vec<Condition>,
    /// The steps that it cannot be closed without, in the order in which they are usually taken.
    pub steps: Vec<StepRule>,
    /// The file, as it is.
    pub text: String,
}

impl Runbook {
    /// BLAKE3 of the file, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        blake3::hash(self.text.as_bytes()).to_hex().to_string()
    }

    /// The steps of an incident. `about_identifier`: one is known.
    pub fn steps(&self, about_identifier: bool) -> impl Iterator<Item = &StepRule> {
        let of = move |step: &&StepRule| about_identifier || !step.only_identifier;
        self.steps.iter().filter(of)
    }

    /// The step of that name, if an incident of this kind has it.
    #[must_use]
    pub fn step(&self, key: &str, about_identifier: bool) -> Option<&StepRule> {
        self.steps(about_identifier).find(|step| step.key == key)
    }

    /// The same of a step that the server takes part in.
    #[cfg(test)]
    fn has(&self, step: crate::command::incident::Step, about_identifier: bool) -> bool {
        self.step(step.as_str(), about_identifier).is_some()
    }
}

/// The runbooks of a site: one of each kind.
#[derive(Clone, Debug)]
pub struct Runbooks(BTreeMap<&'static str, (Source, Runbook)>);

impl Runbooks {
    /// Those that the server has.
    ///
    /// # Errors
    /// Never of a program that passed its tests.
    pub fn built_in() -> Result<Self, RunbookError> {
        let mut all = BTreeMap::new();
        for kind in IncidentKind::ALL {
            all.insert(kind.as_str(), (Source::BuiltIn, Runbook::built_in(kind)?));
        }
        Ok(Self(all))
    }

    /// Puts a site's own in the place of the one of its kind.
    pub fn put(&mut self, runbook: Runbook) {
        let kind = runbook.kind.as_str();
        self.0.insert(kind, (Source::Site, runbook));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &Runbook)> {
        self.0.values().map(|(source, book)| (*source, book))
    }
}

#[cfg(test)]
mod tests;
