//! `screening`: the words.

use clap::Subcommand;

/// `screening`
#[derive(Debug, Subcommand)]
pub(crate) enum ScreeningCommand {
    /// Show the evidence on a message, what was decided, and what today's policy would decide of the same evidence
    ///
    /// The id is the one in the reply to the message, in its Received field and in the audit trail. It needs a role that may
    /// search the trail.
    Explain {
        /// The message's queue id
        id: String,
    },
    /// Send a message with the text that scanners are tested with to this server, and tell which scanners caught it
    ///
    /// It goes the way of mail from outside, through the exchange's listener, to an address that is nobody's. It needs a role
    /// that may search the trail.
    Canary,
}
