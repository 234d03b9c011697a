//! What was found: as rows for programs, and as a page for people.

use std::net::SocketAddr;

use serde::Serialize;

use crate::{Check, Family, Plan, Protocol, Said, Speaker, Verdict, check::Judged};

/// How a check ended, and what was said.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The check's id.
    pub check: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, in plain words.
    pub reason: String,
    /// What was looked for, in English.
    pub title: &'static str,
    /// The same in Japanese.
    pub title_ja: &'static str,
    /// The clauses that it is evidence for.
    pub clause: &'static str,
    /// What the check belongs to.
    pub family: Family,
    /// What was said.
    pub dialogue: Vec<Said>,
}

impl Finding {
    pub(crate) fn new(check: &Check, judged: Judged, dialogue: Vec<Said>) -> Self {
        Self {
            check: check.id,
            verdict: judged.verdict,
            reason: judged.reason,
            title: check.english,
            title_ja: check.japanese,
            clause: check.clause,
            family: check.family,
            dialogue,
        }
    }
}

/// The language of titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Japanese.
    Japanese,
}

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// In which language the titles are.
    pub language: Language,
    /// Whether the dialogue of every check is shown, not only of those that failed.
    pub all_dialogues: bool,
}

/// All that was found of one server.
#[derive(Clone, Debug)]
pub struct Report {
    /// The host as it was named.
    pub host: String,
    /// The address that was connected to.
    pub address: SocketAddr,
    /// What was spoken.
    pub protocol: Protocol,
    /// One of each check.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(plan: &Plan, address: SocketAddr, findings: Vec<Finding>) -> Self {
        Self {
            host: plan.host.clone(),
            address,
            protocol: plan.protocol,
            findings,
        }
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let ended = self
            .findings
            .iter()
            .filter(|finding| finding.verdict == verdict);
        ended.count()
    }

    /// The counts in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts =
            Verdict::ALL.map(|verdict| format!("{} {}", self.count(verdict), verdict.as_str()));
        counts.join(", ")
    }

    /// The page: by family, what is wrong with its reason and its dialogue.
    #[must_use]
    pub fn page(&self, show: Show) -> Vec<String> {
        let mut lines = vec![format!(
            "{} ({}, {})",
            self.host,
            self.address,
            self.protocol.as_str()
        )];
        for family in Family::ALL {
            let of_family = self
                .findings
                .iter()
                .filter(|finding| finding.family == family);
            let mut before = "";
            for (number, finding) in of_family.enumerate() {
                if number == 0 {
                    lines.extend([String::new(), family.as_str().to_owned()]);
                }
                finding.show(show, &mut lines, &mut before);
            }
        }
        lines.extend([String::new(), self.summary()]);
        lines
    }
}

impl Finding {
    /// `before` is the reason that was told last.
    fn show<'f>(&'f self, show: Show, lines: &mut Vec<String>, before: &mut &'f str) {
        let title = match show.language {
            Language::English => self.title,
            Language::Japanese => self.title_ja,
        };
        let verdict = match self.verdict {
            Verdict::CouldNotTell => "?",
            other => other.as_str(),
        };
        lines.push(format!("  {verdict:4}  {:28}  {title}", self.check));
        let is_new = std::mem::replace(before, &self.reason) != self.reason;
        if show.all_dialogues || (is_new && self.verdict != Verdict::Pass) {
            lines.push(format!("        {}", self.reason));
        }
        if self.verdict == Verdict::Fail || show.all_dialogues {
            lines.extend(self.dialogue.iter().map(|said| {
                let by = match said.by {
                    Speaker::Client => "C:",
                    Speaker::Server => "S:",
                    Speaker::Note => "--",
                };
                format!("          {by} {}", said.text)
            }));
        }
    }
}
