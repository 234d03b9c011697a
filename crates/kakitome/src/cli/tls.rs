//! `tls`: the words.

use clap::{Args, Subcommand, ValueEnum};

/// `tls`
#[derive(Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Records to publish, so that others report about TLS with servers of own domains
    Records,
    /// Reports (RFC 8460)
    #[command(subcommand)]
    Reports(TlsReportsCommand),
}

/// `tls reports`
#[derive(Debug, Subcommand)]
pub(crate) enum TlsReportsCommand {
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
    /// How others' connections to own domains' servers came to be, added up
    Figures(TlsFiguresArgs),
    /// Send the reports that are due now, about today so far too, in place of waiting for the night
    Send,
}

/// `tls reports figures`
#[derive(Clone, Debug, Args)]
pub(crate) struct TlsFiguresArgs {
    /// Of so many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub(crate) days: u16,
    /// What they are added up by, within each domain
    #[arg(long, value_enum, default_value_t = TlsFiguresBy::Reporter)]
    pub(crate) by: TlsFiguresBy,
    /// About one domain
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Of reports too about which DMARC did not show who they are from
    #[arg(long)]
    pub(crate) all: bool,
}

/// What figures are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsFiguresBy {
    /// Who reports
    Reporter,
    /// How sessions failed, and with which host
    Failure,
    /// Day that the report begins at, in UTC
    Day,
}
