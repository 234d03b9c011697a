//! `incident`, and what people and accounts go through: the words.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `incident`
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// Open an incident: the identifier is suspended everywhere at once, what it has queued is held, the trail is analysed and
    /// the security officers are sent the analysis
    Open {
        /// What it is about
        #[arg(long, value_enum)]
        kind: IncidentKind,
        /// The identifier whose password another may have used, or whose terminal has malware
        address: String,
        /// What was reported [default: what the kind says]
        #[arg(long)]
        reason: Option<String>,
        /// Of a credential: the owner's last sure use [default: 30 days ago]
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Of malware-inside: the terminal's network address, to be blocked
        #[arg(long, value_name = "ADDR")]
        from: Option<std::net::IpAddr>,
    },
    /// List incidents, the newest first
    List,
    /// Show one incident, with the steps that were taken and those that are missing
    Show {
        /// Its number
        number: i64,
    },
    /// How the identifier was used since the owner's last sure use, from the audit trail
    Report {
        /// The incident's number
        number: i64,
        /// The language: ja or en
        #[arg(long, default_value = "ja", value_parser = ["ja", "en"])]
        lang: String,
    },
    /// Take a step: analysed (analyse and report again), acknowledged, handed-over (with --note: to whom and how), terminal-cleaned
    /// (with --note: what was done), queue-settled (nothing of the identifier is held any more); of submissions that are held:
    /// mail-released (it is in order and goes out), rejected (with --note: it is not, and the identifier is suspended); of unusual
    /// traffic: measure-taken (with --note: what was done, or why nothing has to be)
    Step {
        /// The incident's number
        number: i64,
        /// The step
        #[arg(value_parser = ["analysed", "handed-over", "acknowledged", "terminal-cleaned", "measure-taken", "queue-settled", "mail-released", "rejected"])]
        step: String,
        /// What is to be said of it
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Close an incident; refused while a step is missing
    Close {
        /// Its number
        number: i64,
    },
}

/// Kinds of incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IncidentKind {
    /// A password that another may have used (clause 4.1)
    Credential,
    /// Malware on a terminal of somebody's (clause 5.2(5)); the server opens it by itself where the scanners meet it
    MalwareInside,
}

/// `account letter`
#[derive(Debug, Args)]
pub(crate) struct LetterArgs {
    /// The account's address
    pub(crate) address: String,
    /// The PDF file to make
    #[arg(long, value_name = "FILE", required_unless_present = "handed_over")]
    pub(crate) to: Option<PathBuf>,
    /// The language: ja or en
    #[arg(long, default_value = "ja", value_parser = ["ja", "en"])]
    pub(crate) lang: String,
    /// Why another letter is needed although one was made; it gets another password
    #[arg(long, value_name = "REASON")]
    pub(crate) again: Option<String>,
    /// Record that the letter was handed over: to whom and how
    #[arg(long, value_name = "RECEIPT", conflicts_with_all = ["to", "again"])]
    pub(crate) handed_over: Option<String>,
}

/// `register`
#[derive(Debug, Subcommand)]
pub(crate) enum RegisterCommand {
    /// List who has and had which address
    List {
        /// Of this address
        #[arg(long)]
        address: Option<String>,
        /// Of this person
        #[arg(long)]
        person: Option<String>,
        /// As it was at this time
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Ask that who held a deleted identifier is erased; the identifier stays taken for good
    Erase {
        /// The identifier
        identifier: String,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Approve that, as a security officer who did not ask for it
    Approve {
        /// The identifier
        identifier: String,
    },
}
