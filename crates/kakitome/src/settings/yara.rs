//! `[screening.malware.yara]`: a site's own rules, and what is done about what they match (clause 5.2).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use malware::{Limits, Weights, WorkerLimits, Yara};
use screening::Treatment;
use serde::Deserialize;
use toml::Spanned;

use super::{
    SettingsError, Size, Time,
    malware::{TreatmentKeys, beside_this},
    policy::At,
};

/// The program, beside this one.
const PROGRAM: &str = "kakitome-yara";
/// A client waits ten minutes for the reply to its data (RFC 5321, section 4.5.3.2.6).
const MOST_TIME: Duration = Duration::from_secs(300);
/// The engine and a few rules take half of this.
const LEAST_MEMORY: u64 = 512 << 20;
/// Processes at once.
const MOST_PROCESSES: usize = 100;
/// Tags that the site decides about.
const MOST_TAGS: usize = 64;

/// `[screening.malware.yara]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct YaraKeys {
    /// Files and directories of rules. Default: there are none.
    rules: Vec<Spanned<PathBuf>>,
    /// How often it is looked whether they changed; zero: only at a reload.
    watch: Time,
    /// What is done with what rules match that have a tag.
    tags: Spanned<BTreeMap<String, TreatmentKeys>>,
    /// Processes.
    processes: Spanned<usize>,
    /// Messages that a process sees before it is replaced.
    messages: Spanned<u32>,
    /// Memory that a process may have.
    memory: Spanned<Size>,
    /// For one message; then the process is killed.
    time: Spanned<Time>,
    /// After which no further file is held against the rules.
    scan_time: Spanned<Time>,
    /// The program that does. Default: the one beside this program.
    program: Option<PathBuf>,
}

impl Default for YaraKeys {
    fn default() -> Self {
        let limits = WorkerLimits::default();
        Self {
            rules: Vec::new(),
            watch: Time(Duration::from_secs(30)),
            tags: Spanned::new(0..0, BTreeMap::new()),
            processes: Spanned::new(0..0, limits.workers),
            // One takes long to get ready.
            messages: Spanned::new(0..0, 1000),
            memory: Spanned::new(0..0, Size(limits.memory)),
            time: Spanned::new(0..0, Time(limits.time)),
            scan_time: Spanned::new(0..0, Time(limits.opened.time)),
            program: None,
        }
    }
}

impl YaraKeys {
    pub(super) fn check(&self, at: At<'_>) -> Result<(), SettingsError> {
        for place in &self.rules {
            if place.get_ref().as_os_str().is_empty() {
                let reason = "a file or directory of rules is expected";
                return Err(at(place.span(), reason.into()));
            }
        }
        let is_tag = |tag: &String| {
            let plain = tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            plain && !tag.is_empty() && !tag.starts_with(|c: char| c.is_ascii_digit())
        };
        let tags = self.tags.get_ref();
        if tags.len() > MOST_TAGS || !tags.keys().all(is_tag) {
            let reason = format!(
                "tags names at most {MOST_TAGS} tags of rules, each of letters, digits and underscores"
            );
            return Err(at(self.tags.span(), reason));
        }
        for (name, time) in [("time", &self.time), ("scan_time", &self.scan_time)] {
            let value = time.get_ref().0;
            if value < Duration::from_secs(1) || value > MOST_TIME {
                let reason = format!("{name} lies between 1s and 5m: the client waits meanwhile");
                return Err(at(time.span(), reason));
            }
        }
        if !(1..=MOST_PROCESSES).contains(self.processes.get_ref()) {
            let reason = format!("processes lies between 1 and {MOST_PROCESSES}");
            return Err(at(self.processes.span(), reason));
        }
        if *self.messages.get_ref() == 0 {
            let reason = "a process that sees no message is of no use: at least 1";
            return Err(at(self.messages.span(), reason.into()));
        }
        if self.memory.get_ref().0 < LEAST_MEMORY {
            let reason = "a process needs 512MiB for the rules and a message";
            return Err(at(self.memory.span(), reason.into()));
        }
        Ok(())
    }

    /// What is done about tags.
    pub(super) fn rule_tags(&self) -> BTreeMap<String, Treatment> {
        let tags = self.tags.get_ref().iter();
        tags.map(|(tag, keys)| (tag.clone(), (*keys).into()))
            .collect()
    }

    /// Where the rules lie, as they are named.
    pub(super) fn places(&self) -> impl Iterator<Item = &Path> {
        self.rules.iter().map(|place| place.get_ref().as_path())
    }

    /// How often it is looked whether the rules changed; `None`: never.
    pub(crate) fn watch(&self) -> Option<Duration> {
        let watch = self.watch.0;
        (!watch.is_zero()).then_some(watch)
    }

    /// The rules of the site in `directory`; `None`: there are none. Of each message so much is opened as `opened` says.
    ///
    /// # Errors
    /// When the program is not there.
    pub(super) fn made(
        &self,
        directory: &Path,
        weights: Weights,
        opened: Limits,
    ) -> Result<Option<Yara>, String> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let program = match &self.program {
            Some(program) => program.clone(),
            None => beside_this(PROGRAM).unwrap_or_else(|| PathBuf::from(PROGRAM)),
        };
        if !program.is_file() {
            return Err(format!(
                "{} is not there, which matches YARA rules: install it beside this program, name its place in [screening.malware.yara] program, or name no rules",
                program.display()
            ));
        }
        let places = self.rules.iter();
        let places = places.map(|place| directory.join(place.get_ref()));
        let limits = WorkerLimits {
            workers: *self.processes.get_ref(),
            messages: *self.messages.get_ref(),
            memory: self.memory.get_ref().0,
            time: self.time.get_ref().0,
            opened: Limits {
                time: self.scan_time.get_ref().0,
                ..opened
            },
        };
        Ok(Some(Yara::new(&program, places.collect(), weights, limits)))
    }
}
