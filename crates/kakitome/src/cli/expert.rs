//! `expert`: the words.

use clap::{Args, Subcommand};
use jiff::civil::Date;

/// `expert`
#[derive(Debug, Subcommand)]
pub(crate) enum ExpertCommand {
    /// List contracts with outside experts: whom to call, until when, and when that was last tried
    List,
    /// Enter a contract
    Add(AddArgs),
    /// Put the end of a contract later
    Renew {
        /// Its number
        number: i64,
        /// The last day of the new term, as 2028-03-31
        #[arg(long, value_name = "DATE")]
        until: Date,
        /// The day by which it is to be renewed the next time [default: 60 days before its end]
        #[arg(long, value_name = "DATE")]
        renew_by: Option<Date>,
        /// How they are reached from now on, if that changed
        #[arg(long)]
        contact: Option<String>,
    },
    /// Note that a contract ended before its time
    End {
        /// Its number
        number: i64,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Note that it was tried to reach them, and how that went
    Drill {
        /// The contract's number
        number: i64,
        /// The day [default: today]
        #[arg(long, value_name = "DATE")]
        on: Option<Date>,
        /// They could not be reached
        #[arg(long)]
        failed: bool,
        /// How it went; kept in the audit trail
        #[arg(long, value_name = "TEXT")]
        result: String,
    },
}

/// `expert add`
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Who they are
    pub(crate) name: String,
    /// How they are reached: an address, a number
    #[arg(long)]
    pub(crate) contact: String,
    /// The first day of the term, as 2026-04-01
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Date,
    /// The last day of the term
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Date,
    /// The day by which it is to be renewed [default: 60 days before its end]
    #[arg(long, value_name = "DATE")]
    pub(crate) renew_by: Option<Date>,
}
