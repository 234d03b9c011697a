//! `quarantine`: the words.

use clap::{Args, Subcommand};

/// `quarantine`
///
/// Administrators reach all of it. Everybody else reaches what is for their own accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List mail that is set apart
    List(ApartArgs),
    /// Show one message that is set apart
    Show {
        /// Its id
        id: String,
    },
    /// Give it to those it is for
    Release(ApartArgs),
    /// Delete it
    Delete(ApartArgs),
    /// Tell everybody by mail, now, what is set apart for them that they were not told of
    Digest,
    /// How often mail was set apart or put into Junk for which cause, list, rule or tag, and how much of it was released or taken out:
    /// wrongly set apart, wrongly marked. A message counts once, for however many it was
    Figures {
        /// Of so many days
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: u16,
    },
}

/// Which mail is meant; conditions are joined by AND.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ApartArgs {
    /// Ids
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Return path; `<>` is the null sender
    #[arg(long)]
    pub(crate) sender: Option<String>,
    /// Recipient
    #[arg(long)]
    pub(crate) recipient: Option<String>,
    /// Why it was set apart, as `list` shows it: a cause such as listed, or cause and criterion joined by a colon
    #[arg(long)]
    pub(crate) cause: Option<String>,
    /// Everything (needed when nothing else is selected, and not to be joined with anything else)
    #[arg(long, conflicts_with_all = ["ids", "sender", "recipient", "cause"])]
    pub(crate) all: bool,
}
