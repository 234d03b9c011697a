//! `dmarc`: the words.

use clap::{Args, Subcommand, ValueEnum};

/// `dmarc`
#[derive(Debug, Subcommand)]
pub(crate) enum DmarcCommand {
    /// Records to publish, so that others report about mail in the names of own domains
    Records,
    /// Reports (RFC 9990)
    #[command(subcommand)]
    Reports(ReportsCommand),
}

/// `dmarc reports`
#[derive(Debug, Subcommand)]
pub(crate) enum ReportsCommand {
    /// List what others reported about own domains, and what they were told
    List {
        /// Of so many days
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: u16,
        /// About one domain
        #[arg(long)]
        domain: Option<String>,
        /// Those that were sent, in place of those that came
        #[arg(long)]
        sent: bool,
    },
    /// Show the rows of one report that came
    Show {
        /// The id of the message that it came in, as `list` shows it
        id: String,
    },
    /// What others saw of mail in own domains' names, added up
    Figures(ReportFiguresArgs),
    /// Send the reports that are due now, about today so far too, in place of waiting for the night
    Send,
}

/// `dmarc reports figures`
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportFiguresArgs {
    /// Of so many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub(crate) days: u16,
    /// What they are added up by
    #[arg(long, value_enum, default_value_t = ReportFiguresBy::Source)]
    pub(crate) by: ReportFiguresBy,
    /// About one domain
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Only mail that passed neither by DKIM nor by SPF
    #[arg(long)]
    pub(crate) failed: bool,
    /// Of reports too about which DMARC did not show who they are from
    #[arg(long)]
    pub(crate) all: bool,
}

/// What figures are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFiguresBy {
    /// Where the mail came from
    Source,
    /// The author's domain
    Domain,
    /// Who reports
    Reporter,
    /// Day that the report begins at, in UTC
    Day,
}
