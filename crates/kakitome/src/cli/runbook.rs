//! `runbook`: the words.

use std::path::PathBuf;

use clap::Subcommand;

use super::IncidentKind;

/// `runbook`
#[derive(Debug, Subcommand)]
pub(crate) enum RunbookCommand {
    /// List the runbooks in force, one of each kind of incident
    List {
        /// Each version that came into force, the newest first
        #[arg(long)]
        all: bool,
    },
    /// Show one: who does what about an incident of the kind, until when, and what it cannot be closed without
    Show {
        /// The kind of incident
        #[arg(value_enum)]
        kind: IncidentKind,
        /// Another version than the one in force, such as the one that an incident goes by
        #[arg(long, value_name = "N")]
        version: Option<i64>,
        /// As a text, in this language: ja or en
        #[arg(long, value_parser = ["ja", "en"])]
        lang: Option<String>,
    },
    /// Write one as a file to begin a site's own with: DIR/runbooks/KIND.toml takes its place at the next reload
    Export {
        /// The kind of incident
        #[arg(value_enum)]
        kind: IncidentKind,
        /// Another version than the one in force
        #[arg(long, value_name = "N")]
        version: Option<i64>,
        /// The file to make, on the server's machine [default: it is printed]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}
