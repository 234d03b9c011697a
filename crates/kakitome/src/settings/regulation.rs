//! `[regulation]`: the site's calendar, what it has chosen of the regulation's parameters and options, and its own clauses
//! (`DIR/regulation/*.toml`).

use std::{collections::BTreeMap, path::Path, sync::Arc};

use governance::{Rules, schedule::Calendar, workflow::Workflow};
use jiff::tz::TimeZone;
use regulation::{ChoiceError, Choices, File, Regulation, Text, Value};
use serde::Deserialize;
use toml::Spanned;

use super::{Settings, SettingsError};

/// The folder of a site's own clauses.
const FOLDER: &str = "regulation";
/// Files in it at most.
const MOST_FILES: usize = 50;

/// `[regulation]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RegulationKeys {
    /// The time zone of the site's calendar, as `Asia/Tokyo`. Default: the machine's.
    pub(crate) time_zone: Option<Spanned<String>>,
    /// The month in which the site's year begins, from which spans of months are counted.
    pub(crate) year_begins: Spanned<i8>,
    /// Options of the regulation that are the site's to choose.
    pub(crate) options: BTreeMap<String, Spanned<bool>>,
    /// Parameters of the regulation that are the site's to choose.
    pub(crate) parameters: BTreeMap<String, Spanned<Chosen>>,
}

impl Default for RegulationKeys {
    fn default() -> Self {
        Self {
            time_zone: None,
            year_begins: Spanned::new(0..0, 4),
            options: BTreeMap::new(),
            parameters: BTreeMap::new(),
        }
    }
}

/// A parameter's value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Chosen {
    /// How many of its unit.
    Number(i64),
    /// The same text in both languages.
    Plain(String),
    /// A text in each.
    Text(Text),
}

impl RegulationKeys {
    pub(super) fn check(
        &self,
        at: &dyn Fn(std::ops::Range<usize>, String) -> SettingsError,
    ) -> Result<(), SettingsError> {
        if let Some(zone) = &self.time_zone {
            TimeZone::get(zone.get_ref()).map_err(|error| {
                at(
                    zone.span(),
                    format!("this is no time zone, as \"Asia/Tokyo\": {error}"),
                )
            })?;
        }
        if !(1..=12).contains(self.year_begins.get_ref()) {
            let reason = "a month has a number from 1 to 12".to_owned();
            return Err(at(self.year_begins.span(), reason));
        }
        // What the site's own clauses bring cannot be known yet: it is looked at where they are read.
        let Ok(built_in) = Regulation::built_in() else {
            return Ok(());
        };
        let mut choices = Choices::proposed(&built_in);
        for (key, on) in &self.options {
            let chosen = choices.choose_option(&built_in, key, *on.get_ref());
            unless_unknown(chosen).map_err(|error| at(on.span(), error.to_string()))?;
        }
        for (key, value) in &self.parameters {
            let chosen = choices.choose_parameter(&built_in, key, value.get_ref().made());
            unless_unknown(chosen).map_err(|error| at(value.span(), error.to_string()))?;
        }
        Ok(())
    }

    fn calendar(&self) -> Calendar {
        let zone = self.time_zone.as_ref();
        let zone = zone.and_then(|name| TimeZone::get(name.get_ref()).ok());
        Calendar {
            zone: zone.unwrap_or_else(TimeZone::system),
            year_begins: *self.year_begins.get_ref(),
        }
    }
}

impl Chosen {
    fn made(&self) -> Value {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Plain(text) => Value::Plain(text.clone()),
            Self::Text(text) => Value::Text(text.clone()),
        }
    }
}

fn unless_unknown(chosen: Result<(), ChoiceError>) -> Result<(), ChoiceError> {
    match chosen {
        Err(ChoiceError::Unknown { .. }) => Ok(()),
        other => other,
    }
}

impl Settings {
    /// The regulation of the site in `directory`, with what it has chosen of it.
    ///
    /// # Errors
    /// What is wrong with its own clauses, or with what it chose of them, in words.
    pub(crate) fn rules(&self, directory: &Path) -> Result<Rules, String> {
        let files = own_clauses(&directory.join(FOLDER))?;
        let files: Vec<File<'_>> = files
            .iter()
            .map(|(name, text)| File { name, text })
            .collect();
        let regulation = Regulation::load(&files).map_err(|error| error.to_string())?;
        let choices = self
            .choices(&regulation)
            .map_err(|error| format!("[regulation]: {error}"))?;
        let workflows = Workflow::built_in().map_err(|error| error.to_string())?;
        Ok(Rules {
            regulation: Arc::new(regulation),
            choices: Arc::new(choices),
            calendar: self.regulation.calendar(),
            workflows: workflows.into(),
        })
    }

    fn choices(&self, regulation: &Regulation) -> Result<Choices, ChoiceError> {
        let mut choices = Choices::proposed(regulation);
        for (key, on) in &self.regulation.options {
            choices.choose_option(regulation, key, *on.get_ref())?;
        }
        for (key, value) in &self.regulation.parameters {
            choices.choose_parameter(regulation, key, value.get_ref().made())?;
        }
        for (key, on) in [
            (
                "plaintext-login",
                !self.retrieval.plaintext_networks.is_empty(),
            ),
            ("submission-authentication", self.has(super::Role::Mailbox)),
            (
                "submission-without-authentication",
                !self.submission.unauthenticated_networks.is_empty(),
            ),
            ("spam-measures", self.screens()),
            (
                "initial-password-change",
                self.directory.initial_only_to_change,
            ),
        ] {
            choices.set_option(regulation, key, on)?;
        }
        let hours = |time: &super::Time| i64::try_from(time.0.as_secs() / 3600).unwrap_or(i64::MAX);
        for (key, value) in [
            ("trail-rotation", i64::from(self.audit.rotate_months)),
            ("trail-retention", i64::from(self.audit.retain_years)),
            (
                "definitions-age",
                hours(&self.screening.malware.definitions_max_age),
            ),
            (
                "password-length",
                i64::from(self.directory.shortest_password),
            ),
            ("idle-after", hours(&self.directory.idle_after)),
        ] {
            let shown = choices.set_parameter(regulation, key, Value::Number(value));
            match shown {
                // A setting that falls short of the regulation is no fault of the file: the clause turns red.
                Ok(()) | Err(ChoiceError::Bounds { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(choices)
    }
}

/// Names and texts of the files, in order of their names.
fn own_clauses(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| format!("{}: {error}", folder.display()))?
            .path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        if files.len() >= MOST_FILES {
            return Err(format!(
                "{}: more than {MOST_FILES} files",
                folder.display()
            ));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        files.push((path.display().to_string(), text));
    }
    files.sort();
    Ok(files)
}
