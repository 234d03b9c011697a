//! `clause`, `task`, `report`: the words.

use std::path::PathBuf;

use clap::Subcommand;
use directory::Role;
use governance::State;
use jiff::civil::Date;

use super::BundleSpan;

/// `clause`
#[derive(Debug, Subcommand)]
pub(crate) enum ClauseCommand {
    /// List all clauses: how each stands, since when, the last evidence, and when it is due next
    List {
        /// Only those that stand so: met, pending, unknown, not-met, not-adopted
        #[arg(long)]
        state: Option<State>,
    },
    /// Show a clause: what it demands of whom, how it is met, and what was found
    Show {
        /// Its id, as 5.4-2
        id: String,
    },
    /// Look at all clauses at once, and show this one
    Check {
        /// Its id
        id: String,
    },
    /// Show the events, tasks and reports behind a clause; with --to, write all of them into a directory, with proofs
    Evidence {
        /// Its id
        id: String,
        /// The directory that is made for it; `audit verify --offline` verifies it
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        #[command(flatten)]
        span: BundleSpan,
    },
}

/// `task`
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List what is to be done, what is due first before the rest
    List {
        /// Only what this role owes now
        #[arg(long)]
        role: Option<Role>,
        /// Only what is past its day
        #[arg(long)]
        due: bool,
        /// What is closed, too
        #[arg(long)]
        all: bool,
    },
    /// Show a task: what is asked, what was prepared, and what became of it
    Show {
        /// Its number
        number: i64,
    },
    /// Do a task: each of its points is answered
    Done {
        /// Its number
        number: i64,
        /// An answer to a point; may be repeated
        #[arg(long = "answer", value_name = "KEY=TEXT", value_parser = answer)]
        answers: Vec<(String, String)>,
        /// A fault that a review found, which becomes a task of its own when the review is closed; may be repeated
        #[arg(long = "fault", value_name = "TEXT", requires = "due")]
        faults: Vec<String>,
        /// The day by which a fault is put right, as 2027-03-31: one for each fault, in the same order
        #[arg(long, value_name = "DATE", requires = "faults")]
        due: Vec<Date>,
        /// Who puts it right: one for each fault, one for all, or none: the role that owes the review
        #[arg(long, value_name = "ROLE", requires = "faults")]
        role: Vec<Role>,
    },
    /// Approve what another person did, which closes the task
    Approve {
        /// Its number
        number: i64,
    },
    /// Do not approve it: it is to be done again
    Reject {
        /// Its number
        number: i64,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
}

/// `report`
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// List reports, the newest first
    List,
    /// Show a report with its text
    Show {
        /// Its number
        number: i64,
    },
    /// Say that a report for your role was read
    Acknowledge {
        /// Its number
        number: i64,
    },
}

fn answer(text: &str) -> Result<(String, String), String> {
    let (key, answer) = text
        .split_once('=')
        .ok_or_else(|| "KEY=TEXT is expected".to_owned())?;
    Ok((key.trim().to_owned(), answer.trim().to_owned()))
}
