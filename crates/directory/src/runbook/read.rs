//! A runbook's file.

use std::{collections::BTreeSet, fmt::Display, ops::Range};

use jiff::SignedDuration;
use serde::Deserialize;
use toml::Spanned;
use trail::Kind;

use super::{
    About, Condition, Lever, MOST_DAYS, MOST_OCTETS, MOST_STEPS, Part, Runbook, StepRule, Words,
};
use crate::{
    Role,
    command::incident::{IncidentKind, Step},
};

/// Characters of a text.
const MOST_TEXT: usize = 1000;
/// Clauses, kinds of events, and other names in one list.
const MOST_NAMES: usize = 64;
/// Characters of a step's name.
const MOST_KEY: usize = 40;

/// A runbook cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", .line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct RunbookError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: Spanned<String>,
    title: Spanned<Words>,
    clauses: Spanned<Vec<String>>,
    officer: Spanned<String>,
    open: Spanned<Vec<Spanned<String>>>,
    about: Spanned<String>,
    hours: Option<Spanned<u16>>,
    days: Option<Spanned<u16>>,
    gather: Vec<Spanned<String>>,
    levers: Vec<Spanned<String>>,
    closing: Vec<Spanned<String>>,
    #[serde(default)]
    step: Vec<Spanned<StepKeys>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepKeys {
    key: Spanned<String>,
    server: Option<Spanned<String>>,
    #[serde(default)]
    roles: Vec<Spanned<String>>,
    #[serde(default)]
    note: bool,
    only: Option<Spanned<String>>,
    #[serde(default)]
    after: Vec<Spanned<String>>,
    hours: Option<Spanned<u16>>,
    days: Option<Spanned<u16>>,
    text: Spanned<Words>,
}

/// Where things are in a file.
struct Places<'a> {
    file: &'a str,
    text: &'a str,
}

impl Places<'_> {
    fn at(&self, span: Range<usize>, message: impl Display) -> RunbookError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        RunbookError {
            file: self.file.to_owned(),
            line: Some(before.matches('\n').count().saturating_add(1)),
            message: message.to_string(),
        }
    }

    fn whole(&self, message: impl Display) -> RunbookError {
        RunbookError {
            file: self.file.to_owned(),
            line: None,
            message: message.to_string(),
        }
    }

    /// Which of `all` a name is.
    fn one<T: Copy>(
        &self,
        name: &Spanned<String>,
        what: &str,
        all: &[T],
        named: fn(T) -> &'static str,
    ) -> Result<T, RunbookError> {
        let found = all.iter().find(|one| named(**one) == name.get_ref());
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|one| named(*one)).collect();
            let (wrong, names) = (name.get_ref(), names.join(", "));
            let message = format!("no {what} is called {wrong:?}; there are {names}");
            self.at(name.span(), message)
        })
    }

    /// The same of a list, each once.
    fn list<T: Copy + Ord>(
        &self,
        names: &[Spanned<String>],
        what: &str,
        all: &[T],
        named: fn(T) -> &'static str,
    ) -> Result<Vec<T>, RunbookError> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for name in names {
            let one = self.one(name, what, all, named)?;
            if !seen.insert(one) {
                let message = format!("{:?} is here twice", name.get_ref());
                return Err(self.at(name.span(), message));
            }
            found.push(one);
        }
        Ok(found)
    }

    fn words(&self, words: &Spanned<Words>) -> Result<Words, RunbookError> {
        for text in [&words.get_ref().ja, &words.get_ref().en] {
            let is_hidden = |c: char| c.is_control();
            let long = text.chars().count() > MOST_TEXT;
            if text.trim().is_empty() || long || text.chars().any(is_hidden) {
                let message =
                    format!("a text has 1 to {MOST_TEXT} characters in each language, on one line");
                return Err(self.at(words.span(), message));
            }
        }
        Ok(words.get_ref().clone())
    }

    fn time(
        &self,
        hours: Option<&Spanned<u16>>,
        days: Option<&Spanned<u16>>,
    ) -> Result<Option<SignedDuration>, RunbookError> {
        let (given, each) = match (hours, days) {
            (None, None) => return Ok(None),
            (Some(given), None) => (given, 1),
            (None, Some(given)) => (given, 24),
            (Some(_), Some(given)) => {
                let message = "a time is given in hours or in days, not in both";
                return Err(self.at(given.span(), message));
            }
        };
        let hours = i64::from(*given.get_ref()).saturating_mul(each);
        if hours == 0 || hours > i64::from(MOST_DAYS).saturating_mul(24) {
            let message = format!("a time is 1 hour to {MOST_DAYS} days");
            return Err(self.at(given.span(), message));
        }
        Ok(Some(SignedDuration::from_hours(hours)))
    }
}

impl Runbook {
    /// The one of a kind that the server has.
    pub(super) fn built_in(kind: IncidentKind) -> Result<Self, RunbookError> {
        let file = format!("the built-in {}.toml", kind.as_str());
        Self::read(&file, kind.built_in())
    }

    /// Reads a file, of which everything that it names has to be known.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, RunbookError> {
        let places = Places { file, text };
        if text.len() > MOST_OCTETS {
            let message = format!("a runbook has at most {} KiB", MOST_OCTETS >> 10);
            return Err(places.whole(message));
        }
        let keys: File = toml::from_str(text).map_err(|error| {
            let message = error.message().to_owned();
            match error.span() {
                Some(span) => places.at(span, message),
                None => places.whole(message),
            }
        })?;
        let idle = places.time(keys.hours.as_ref(), keys.days.as_ref())?;
        let clauses = keys.clauses.get_ref();
        let plain = |id: &String| {
            let known = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
            !id.is_empty() && id.len() <= MOST_KEY && id.chars().all(known)
        };
        if clauses.len() > MOST_NAMES || !clauses.iter().all(plain) {
            let message = format!("clauses are at most {MOST_NAMES} ids such as \"4.1-1-a\"");
            return Err(places.at(keys.clauses.span(), message));
        }
        let open = roles(&places, keys.open.get_ref())?;
        if open.is_empty() {
            let message = "somebody must be able to open one: name a role";
            return Err(places.at(keys.open.span(), message));
        }
        let about = [About::Identifier, About::Optional, About::Site];
        let named = |about| match about {
            About::Identifier => "identifier",
            About::Optional => "optional",
            About::Site => "site",
        };
        Ok(Self {
            kind: places.one(
                &keys.kind,
                "kind of incident",
                &IncidentKind::ALL,
                IncidentKind::as_str,
            )?,
            title: places.words(&keys.title)?,
            clauses: clauses.clone(),
            officer: places.one(&keys.officer, "role", &Role::OFFICERS, Role::as_str)?,
            open,
            about: places.one(&keys.about, "matter", &about, named)?,
            idle: idle.ok_or_else(|| {
                places.whole("`days` or `hours` is missing: how long one may lie without a step")
            })?,
            gather: kinds(&places, &keys.gather)?,
            levers: places.list(&keys.levers, "lever", &Lever::ALL, Lever::as_str)?,
            closing: places.list(
                &keys.closing,
                "condition",
                &Condition::ALL,
                Condition::as_str,
            )?,
            steps: steps(&places, &keys.step)?,
            text: text.to_owned(),
        })
    }
}

fn roles(places: &Places<'_>, names: &[Spanned<String>]) -> Result<Vec<Role>, RunbookError> {
    places.list(names, "role", &Role::OFFICERS, Role::as_str)
}

fn kinds(places: &Places<'_>, names: &[Spanned<String>]) -> Result<Vec<Kind>, RunbookError> {
    let named = names.iter().map(|name| {
        let kind = name.get_ref().parse::<Kind>();
        kind.map_err(|error| places.at(name.span(), error))
    });
    let found: Vec<Kind> = named.collect::<Result<_, _>>()?;
    match names.get(MOST_NAMES) {
        None => Ok(found),
        Some(name) => {
            let message = format!("there are at most {MOST_NAMES} kinds of events");
            Err(places.at(name.span(), message))
        }
    }
}

fn steps(places: &Places<'_>, all: &[Spanned<StepKeys>]) -> Result<Vec<StepRule>, RunbookError> {
    if let Some(step) = all.get(MOST_STEPS) {
        let message = format!("a runbook has at most {MOST_STEPS} steps");
        return Err(places.at(step.span(), message));
    }
    let mut steps: Vec<StepRule> = Vec::with_capacity(all.len());
    for keys in all {
        let keys = keys.get_ref();
        let rule = step(places, keys)?;
        if steps.iter().any(|known| known.key == rule.key) {
            let message = format!("the step {:?} is here twice", rule.key);
            return Err(places.at(keys.key.span(), message));
        }
        // In the order of the file, so that none waits for itself.
        for before in &keys.after {
            if !steps.iter().any(|known| known.key == *before.get_ref()) {
                let message = format!("no step {:?} stands before this one", before.get_ref());
                return Err(places.at(before.span(), message));
            }
        }
        steps.push(rule);
    }
    Ok(steps)
}

fn step(places: &Places<'_>, keys: &StepKeys) -> Result<StepRule, RunbookError> {
    let key = keys.key.get_ref();
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if key.is_empty() || key.len() > MOST_KEY || !key.chars().all(known) {
        let message =
            format!("a step is called by 1 to {MOST_KEY} small letters, digits and hyphens");
        return Err(places.at(keys.key.span(), message));
    }
    let named = |part| match part {
        Part::Does => "does",
        Part::Checks => "checks",
        Part::None => "",
    };
    let server = match &keys.server {
        None => Part::None,
        Some(name) => places.one(
            name,
            "part of the server",
            &[Part::Does, Part::Checks],
            named,
        )?,
    };
    let own = Step::named(key).map_or(Part::None, Step::part);
    if server != own {
        let of = |part: Part| {
            let steps = Step::ALL.iter().filter(|step| step.part() == part);
            let names: Vec<&str> = steps.map(|step| step.as_str()).collect();
            names.join(", ")
        };
        let message = match own {
            Part::Does => format!("the server takes the step {key:?} by itself: server = \"does\""),
            Part::Checks => format!("the server looks at the step {key:?}: server = \"checks\""),
            Part::None => format!(
                "the server knows no step {key:?} that it {}; there are {}",
                named(server),
                of(server)
            ),
        };
        return Err(places.at(keys.key.span(), message));
    }
    let roles = roles(places, &keys.roles)?;
    if roles.is_empty() != (server == Part::Does) {
        let message = match server {
            Part::Does => format!("nobody takes the step {key:?} but the server: no roles"),
            _ => format!("somebody must take the step {key:?}: name roles"),
        };
        return Err(places.at(keys.key.span(), message));
    }
    let only_identifier = match &keys.only {
        None => false,
        Some(only) => places
            .one(only, "restriction", &[About::Identifier], |_| "identifier")
            .map(|_| true)?,
    };
    Ok(StepRule {
        key: key.clone(),
        server,
        roles,
        text: places.words(&keys.text)?,
        note: keys.note,
        only_identifier,
        after: keys.after.iter().map(|key| key.get_ref().clone()).collect(),
        within: places.time(keys.hours.as_ref(), keys.days.as_ref())?,
    })
}
