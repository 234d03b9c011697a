//! `bounces`: the words.

use clap::{Args, ValueEnum};

/// `bounces`
#[derive(Clone, Debug, Args)]
pub(crate) struct BouncesArgs {
    /// Of so many days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub(crate) days: u16,
    /// What they are counted by, each with its causes
    #[arg(long, value_enum, default_value_t = BouncesBy::Domain)]
    pub(crate) by: BouncesBy,
    /// Of one domain that mail was not delivered to
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// For one cause, such as no-mailbox; forged-sender: bounces for mail that was not sent from here
    #[arg(long)]
    pub(crate) cause: Option<String>,
}

/// What bounces are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BouncesBy {
    Domain,
    Recipient,
    Day,
}
