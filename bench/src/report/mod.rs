//! What a run found, in the shapes that people and programs read.

mod json;
mod plot;
mod table;
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Outcome, figure::Sheet};

pub(crate) use targets::{Verdict, judge, judge_growth, judge_screened};

/// A run.
pub(crate) struct Report<'a> {
    pub(crate) sheet: &'a Sheet,
    /// The servers, ours first, or the states that are compared.
    pub(crate) subjects: Vec<String>,
    /// Facts of the machine and the run: name and value.
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) verdicts: Vec<Verdict>,
    /// When, as in file names.
    pub(crate) date: String,
}

impl Report<'_> {
    /// The whole report as Markdown, which is what the terminal shows, too.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# Results of {}\n\n", self.date);
        for (name, value) in &self.facts {
            text.push_str(&format!("- {name}: {value}\n"));
        }
        text.push('\n');
        text.push_str(&table::figures(self.sheet, &self.subjects));
        if !self.verdicts.is_empty() {
            text.push_str("\n## Targets\n\n");
            text.push_str(&table::verdicts(&self.verdicts));
        }
        text
    }

    /// Writes all shapes below `out`; their paths.
    pub(crate) fn write(&self, out: &Path) -> Outcome<Vec<PathBuf>> {
        let results = out.join("results");
        fs::create_dir_all(&results)?;
        let mut paths = Vec::new();
        for (extension, text) in [
            ("json", json::render(self)?),
            ("md", self.markdown()),
            ("svg", plot::render(self.sheet, &self.subjects)),
        ] {
            let path = results.join(format!("{}.{extension}", self.date));
            fs::write(&path, text)?;
            paths.push(path);
        }
        Ok(paths)
    }
}
