//! What a site's own runbook may not leave out of the one that it takes the place of.

use super::{Runbook, RunbookError, StepRule};
use crate::command::incident::Step;

impl Runbook {
    /// Reads a site's own file of that name. It may add steps, roles, levers and conditions, and say everything in other words; times
    /// are the site's.
    ///
    /// # Errors
    /// [`RunbookError`]: what of it cannot be read, or what is missing that the clauses demand.
    pub fn of_site(file: &str, text: &str) -> Result<Self, RunbookError> {
        let own = Self::read(file, text)?;
        let stem = own.kind.as_str();
        let wrong = |message: String| RunbookError {
            file: file.to_owned(),
            line: None,
            message,
        };
        if !file.ends_with(&format!("{stem}.toml")) {
            return Err(wrong(format!(
                "it is the runbook of {stem}: the file is to be called {stem}.toml"
            )));
        }
        let built_in = Self::built_in(own.kind)?;
        let missing = missing(&built_in, &own);
        if missing.is_empty() {
            return Ok(own);
        }
        Err(wrong(format!(
            "it leaves out what the clauses demand: {}",
            missing.join("; ")
        )))
    }
}

fn missing(built_in: &Runbook, own: &Runbook) -> Vec<String> {
    let mut missing = Vec::new();
    if own.officer != built_in.officer {
        missing.push(format!("officer = \"{}\"", built_in.officer));
    }
    if own.about != built_in.about {
        missing.push("about, as the built-in one has it".to_owned());
    }
    for clause in &built_in.clauses {
        if !own.clauses.contains(clause) {
            missing.push(format!("the clause {clause}"));
        }
    }
    for condition in &built_in.closing {
        if !own.closing.contains(condition) {
            missing.push(format!("the closing condition {}", condition.as_str()));
        }
    }
    for rule in &built_in.steps {
        match own.steps.iter().find(|step| step.key == rule.key) {
            None => missing.push(format!("the step {}", rule.key)),
            Some(step) => missing.extend(of_step(built_in, rule, step)),
        }
    }
    missing
}

fn of_step(built_in: &Runbook, rule: &StepRule, own: &StepRule) -> Vec<String> {
    let mut missing = Vec::new();
    let key = &rule.key;
    if rule.note && !own.note {
        missing.push(format!("the note of the step {key}"));
    }
    if own.only_identifier && !rule.only_identifier {
        missing.push(format!(
            "the step {key} of incidents that are about no identifier"
        ));
    }
    if rule.within.is_some() && own.within.is_none() {
        missing.push(format!("the time of the step {key}"));
    }
    for before in &rule.after {
        if !own.after.contains(before) {
            missing.push(format!("the step {before} before {key}"));
        }
    }
    // Nobody acknowledges for the officer.
    if Step::named(key) == Some(Step::Acknowledged) && own.roles != [built_in.officer] {
        missing.push(format!(
            "roles = [\"{}\"] alone of the step {key}",
            built_in.officer
        ));
    }
    missing
}
