//! `abuse`: the words.

use clap::Subcommand;
use message::Address;
use store::QueueId;

/// `abuse`
#[derive(Debug, Subcommand)]
pub(crate) enum AbuseCommand {
    /// List reports about malware from outside: prepared, sent and dropped, the newest first
    List,
    /// Show one, with the header of the message
    Show {
        /// The message's id
        id: QueueId,
    },
    /// Approve a report and send it (RFC 5965)
    Send {
        /// The message's id
        id: QueueId,
        /// Whom it goes to [default: the contact that `list` shows]
        #[arg(long, value_parser = address)]
        to: Option<Address>,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Decide that a report is not sent
    Drop {
        /// The message's id
        id: QueueId,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}
