//! `[regulation]`: what the site has chosen of its regulation, and what its documents tell of it.

use std::{collections::BTreeMap, io, path::Path, path::PathBuf, sync::Arc};

use ::directory::Language;
use ::governance::{Rules, schedule::Calendar, workflow::Workflow};
use ::regulation::{Choices, Contact, File, Regulation, Text, Value};
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::{Role, Settings, SettingsError, bounds::Places, policy::At};

/// Where a site's own catalogues are, within its directory.
const FOLDER: &str = "regulation";
/// The most of them.
const MOST_FILES: usize = 31;
/// The most people and places to turn to.
const MOST_CONTACTS: usize = 100;
/// The longest name, in characters.
const MOST_NAME: usize = 200;

/// `[regulation]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RegulationKeys {
    /// Whose regulation it is. Default: the first domain.
    pub(crate) organisation: Option<Spanned<String>>,
    /// The time zone of the calendar that its work follows, and of times that people are told of or type, as `Asia/Tokyo`. Default: the
    /// machine's.
    pub(crate) time_zone: Option<Spanned<String>>,
    /// The month in which the site's year begins, from which spans of months are counted.
    pub(crate) year_begins: Spanned<i8>,
    /// Whether what is due on a day on which nobody works is due on the next one on which people do.
    pub(crate) due_on_working_days: bool,
    /// In which language people are written to who chose none: `ja`, `en` or `both`.
    pub(crate) language: Spanned<String>,
    /// Its edition, from 1: the site raises it when the regulation is put into force anew.
    pub(crate) edition: Spanned<u32>,
    /// Who ordered its parameters and options as they stand, and when: the event of the settings says so, unless they changed and it did
    /// not (see `recording`).
    pub(crate) ordered_by: Option<Spanned<String>>,
    /// Whom to turn to, as its annex tells.
    pub(crate) contacts: Vec<Spanned<ContactKeys>>,
    /// Parameters that nothing else in the settings decides.
    pub(crate) parameters: BTreeMap<String, Value>,
    /// Options that nothing else in the settings decides.
    pub(crate) options: BTreeMap<String, bool>,
}

/// One of `contacts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactKeys {
    /// About what.
    pub(crate) about: Words,
    /// An address, a number, a place.
    pub(crate) value: String,
}

/// A text in one language, or in both.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Words {
    Plain(String),
    Both(Text),
}

impl Default for RegulationKeys {
    fn default() -> Self {
        Self {
            organisation: None,
            time_zone: None,
            year_begins: Spanned::new(0..0, 4),
            due_on_working_days: true,
            language: Spanned::new(0..0, "both".to_owned()),
            edition: Spanned::new(0..0, 1),
            ordered_by: None,
            contacts: Vec::new(),
            parameters: BTreeMap::new(),
            options: BTreeMap::new(),
        }
    }
}

impl RegulationKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        if *self.edition.get_ref() == 0 {
            let message = "editions are counted from 1";
            return Err(at(self.edition.span(), message.into()));
        }
        if let Some(zone) = &self.time_zone {
            TimeZone::get(zone.get_ref()).map_err(|error| {
                let message = format!("this is no time zone, as \"Asia/Tokyo\": {error}");
                at(zone.span(), message)
            })?;
        }
        if !(1..=12).contains(self.year_begins.get_ref()) {
            let message = "a month has a number from 1 to 12";
            return Err(at(self.year_begins.span(), message.into()));
        }
        if let Err(error) = self.language.get_ref().parse::<Language>() {
            return Err(at(self.language.span(), error.to_string()));
        }
        for (key, words) in [
            ("organisation", &self.organisation),
            ("ordered_by", &self.ordered_by),
        ] {
            let Some(words) = words else { continue };
            let long = words.get_ref().chars().count() > MOST_NAME;
            if long || words.get_ref().trim().is_empty() {
                let message = format!("{key} must have 1 to {MOST_NAME} characters");
                return Err(at(words.span(), message));
            }
        }
        if let Some(one) = self.contacts.get(MOST_CONTACTS) {
            let message = format!("there are at most {MOST_CONTACTS} contacts");
            return Err(at(one.span(), message));
        }
        Ok(())
    }
}

/// The zone of a site that names none. Nothing else that tells of times, or is told of any, asks for the machine's: whoever reads
/// that is at the organisation.
pub(crate) fn machine_zone() -> TimeZone {
    TimeZone::system()
}

impl Settings {
    /// Checks the site's own catalogues, and what was chosen of them.
    pub(super) fn check_regulation(
        &self,
        directory: &Path,
        places: &Places<'_>,
    ) -> Result<(), SettingsError> {
        let regulation =
            load(directory).map_err(|message| places.at_key(&["regulation"], message))?;
        self.choose(&regulation)
            .map(drop)
            .map_err(|(path, message)| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                places.at_key(&path, message)
            })
    }

    /// The site's time zone, by which it does what comes round, and tells of times.
    pub(crate) fn zone(&self) -> TimeZone {
        let named = self.regulation.time_zone.as_ref();
        // It was looked at when the settings were read.
        let zone = named.and_then(|name| TimeZone::get(name.get_ref()).ok());
        zone.unwrap_or_else(machine_zone)
    }

    /// The regulation of the site in `directory` at work.
    ///
    /// # Errors
    /// What is wrong with its catalogues or with what it chose of them, in words.
    pub(crate) fn rules(&self, directory: &Path) -> Result<Rules, String> {
        let regulation = load(directory)?;
        let choices = self.choices(&regulation)?;
        let workflows = Workflow::built_in().map_err(|error| error.to_string())?;
        Ok(Rules {
            regulation: Arc::new(regulation),
            choices: Arc::new(choices),
            calendar: Calendar {
                zone: self.zone(),
                year_begins: *self.regulation.year_begins.get_ref(),
                working_days: (self.regulation.due_on_working_days)
                    .then(|| self.traffic.calendar()),
            },
            workflows: workflows.into(),
        })
    }

    /// Parameters and options as these settings have them.
    pub(crate) fn choices(&self, regulation: &Regulation) -> Result<Choices, String> {
        self.choose(regulation).map_err(|(_, message)| message)
    }

    /// The same; an error has the place in the settings.
    fn choose(&self, regulation: &Regulation) -> Result<Choices, (Vec<String>, String)> {
        let mut choices = Choices::proposed(regulation);
        for (key, value) in self.decided_parameters() {
            let setting = regulation
                .parameter(key)
                .and_then(|one| one.setting.clone());
            let path = setting.as_deref().map(place).unwrap_or_default();
            choices
                .set_parameter(regulation, key, Value::Number(value))
                .map_err(|error| (path, error.to_string()))?;
        }
        for (key, on) in self.decided_options() {
            choices
                .set_option(regulation, key, on)
                .map_err(|error| (Vec::new(), error.to_string()))?;
        }
        for (key, value) in &self.regulation.parameters {
            choices
                .choose_parameter(regulation, key, value.clone())
                .map_err(|error| (at("parameters", key), error.to_string()))?;
        }
        for (key, on) in &self.regulation.options {
            choices
                .choose_option(regulation, key, *on)
                .map_err(|error| (at("options", key), error.to_string()))?;
        }
        Ok(choices)
    }

    /// Parameters that other settings decide.
    fn decided_parameters(&self) -> [(&'static str, i64); 5] {
        let seconds = |time: super::Time| i64::try_from(time.0.as_secs()).unwrap_or(i64::MAX);
        [
            ("trail-rotation", i64::from(self.audit.rotate_months)),
            ("trail-retention", i64::from(self.audit.retain_years)),
            (
                "definitions-age",
                seconds(self.screening.malware.definitions_max_age),
            ),
            (
                "password-length",
                i64::from(self.directory.shortest_password),
            ),
            ("idle-after", seconds(self.directory.idle_after)),
        ]
    }

    /// Options that follow from other settings.
    fn decided_options(&self) -> [(&'static str, bool); 5] {
        let screened = matches!(self.screening_settings(), Ok(Some(_)));
        [
            ("plaintext-login", !self.plaintext_networks().is_empty()),
            ("submission-authentication", self.has(Role::Mailbox)),
            (
                "submission-without-authentication",
                !self.submission.unauthenticated_networks.is_empty(),
            ),
            ("spam-measures", screened),
            (
                "initial-password-change",
                self.directory.initial_only_to_change,
            ),
        ]
    }

    /// In which language people are written to who chose none.
    pub(crate) fn language(&self) -> Language {
        // It was looked at when the settings were read.
        self.regulation
            .language
            .get_ref()
            .parse()
            .unwrap_or_default()
    }

    /// Networks that may log in without TLS and are not the machine itself.
    pub(crate) fn plaintext_networks(&self) -> Vec<String> {
        let networks = self.retrieval.plaintext_networks.iter();
        let outside = networks.filter(|text| {
            let network = text.get_ref().parse::<wire::ExplicitNetwork>();
            !network.is_ok_and(|network| network.is_loopback())
        });
        outside.map(|text| text.get_ref().clone()).collect()
    }

    /// Whose regulation it is.
    pub(crate) fn organisation(&self) -> String {
        let named = self.regulation.organisation.as_ref();
        named.map_or_else(
            || {
                let first = self.domains.first();
                first.map_or_else(
                    || self.server.hostname.get_ref().clone(),
                    |domain| domain.name.get_ref().clone(),
                )
            },
            |name| name.get_ref().clone(),
        )
    }

    /// Whom to turn to.
    pub(crate) fn contacts(&self) -> Vec<Contact> {
        let contacts = self.regulation.contacts.iter();
        contacts
            .map(|keys| {
                let keys = keys.get_ref();
                Contact {
                    subject: match &keys.about {
                        Words::Plain(text) => Text::new(text.as_str(), text.as_str()),
                        Words::Both(text) => text.clone(),
                    },
                    value: keys.value.clone(),
                }
            })
            .collect()
    }
}

fn at(table: &str, key: &str) -> Vec<String> {
    vec!["regulation".to_owned(), table.to_owned(), key.to_owned()]
}

fn place(setting: &str) -> Vec<String> {
    setting.split('.').map(str::to_owned).collect()
}

/// The site's own catalogues, relative to its directory, in order of their names.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let path = Path::new(FOLDER).join(name);
        if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The regulation of the site in `directory`: the built-in catalogue and the site's own.
pub(crate) fn load(directory: &Path) -> Result<Regulation, String> {
    let folder = directory.join(FOLDER);
    let unreadable = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
    let names = files(directory).map_err(|error| unreadable(&folder, &error))?;
    if names.len() > MOST_FILES {
        return Err(format!(
            "{} has more than {MOST_FILES} catalogues",
            folder.display()
        ));
    }
    let mut texts = Vec::new();
    for name in names {
        let path = directory.join(&name);
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        texts.push((name.display().to_string(), text));
    }
    let files: Vec<File<'_>> = texts
        .iter()
        .map(|(name, text)| File { name, text })
        .collect();
    Regulation::load(&files).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// People are told of times in the organisation's zone by every room that writes to them, whatever the machine's is.
    #[test]
    fn each_room_that_tells_of_times_is_given_the_zone() {
        const SITE: &str = "[server]\nhostname = \"mail.example.org\"\nroles = [\"exchange\", \"mailbox\"]\n\
            [[domain]]\nname = \"example.org\"\n[return_path]\nenabled = false\n[regulation]\n";
        // A machine is in one of them at most.
        for (name, hour) in [("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)] {
            let text = format!("{SITE}time_zone = \"{name}\"\n");
            let settings = Settings::parse("kakitome.toml", &text).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let transfer = settings.transfer_settings(folder.path()).unwrap();
            for zone in [settings.zone(), settings.web_settings().zone, transfer.zone] {
                let now = zone.to_offset("2026-11-29T00:00:00Z".parse().unwrap());
                assert_eq!(now, jiff::tz::offset(hour), "{name}");
            }
        }
    }
}
