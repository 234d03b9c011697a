//! `block`: the words.

use clap::Subcommand;
use wire::ExplicitNetwork;

use crate::settings::Time;

/// `block`
#[derive(Debug, Subcommand)]
pub(crate) enum BlockCommand {
    /// List blocked networks, the newest first
    List,
    /// Take no connection from there any more, of any service, and end those that are open
    Add {
        /// An address, or a network such as 192.0.2.0/24; never one of [isolation] except
        network: ExplicitNetwork,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
        /// For so long, for example 7d [default: until it is removed]
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        time: Option<Time>,
    },
    /// Take connections from there again
    Remove {
        /// The network as `list` shows it
        network: ExplicitNetwork,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn time(text: &str) -> Result<Time, String> {
    let time = Time::parse(text).filter(|time| !time.0.is_zero());
    time.ok_or_else(|| "a time such as 30m, 4h or 7d is expected".to_owned())
}
