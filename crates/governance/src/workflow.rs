//! Work that comes round: who owes it, what is to be answered, who approves it, and to whom it is reported.

use directory::Role;
use regulation::{Period, Schedule, Text};
use serde::Deserialize;

/// Those that are built in.
const BUILT_IN: &str = include_str!("../workflows.toml");

/// Work that comes round by a clause.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its name, by which clauses rest on it.
    pub name: String,
    /// What it is called.
    pub title: Text,
    /// What is to be done.
    pub demand: Text,
    /// Who owes it.
    pub role: Role,
    /// Who approves what was done, if another person must.
    pub approver: Option<Role>,
    /// To whom it is reported when it is closed, if to anybody.
    pub report_to: Option<Role>,
    /// Days from its opening until it is due.
    pub days: u16,
    /// How often it comes round where no clause says how often.
    pub period: Option<Period>,
    /// Whether it comes round by no clause, but is opened when something calls for it.
    pub on_demand: bool,
    /// Whether the server closes it when what it is about is done: there is nothing to be answered.
    pub on_record: bool,
    /// What has to be answered.
    pub points: Vec<Point>,
}

/// A point of the work that has to be answered for it to be done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Its key, as in `--answer KEY=TEXT`.
    pub key: String,
    /// What is asked.
    pub question: Text,
}

/// Workflows cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("workflows: {0}")]
pub struct WorkflowError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    workflow: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    title: Text,
    demand: Text,
    role: String,
    approver: Option<String>,
    report_to: Option<String>,
    days: u16,
    every: Option<Schedule>,
    #[serde(default)]
    on_demand: bool,
    #[serde(default)]
    on_record: bool,
    #[serde(default, rename = "point")]
    points: Vec<Point>,
}

impl Workflow {
    /// Those that the server has.
    ///
    /// # Errors
    /// Never of a program that passed its tests.
    pub fn built_in() -> Result<Vec<Self>, WorkflowError> {
        let file: File = toml::from_str(BUILT_IN).map_err(|error| fault(&error))?;
        file.workflow.into_iter().map(Self::of).collect()
    }

    fn of(written: Written) -> Result<Self, WorkflowError> {
        let role = |name: String| name.parse().map_err(|error| fault(&error));
        Ok(Self {
            role: role(written.role)?,
            approver: written.approver.map(role).transpose()?,
            report_to: written.report_to.map(role).transpose()?,
            period: match written.every {
                None => None,
                Some(Schedule::Every(period)) => Some(period),
                Some(other) => {
                    return Err(WorkflowError(format!(
                        "{}: {other} is no period",
                        written.name
                    )));
                }
            },
            name: written.name,
            title: written.title,
            demand: written.demand,
            days: written.days,
            on_demand: written.on_demand,
            on_record: written.on_record,
            points: written.points,
        })
    }
}

fn fault(error: &impl ToString) -> WorkflowError {
    WorkflowError(error.to_string())
}
