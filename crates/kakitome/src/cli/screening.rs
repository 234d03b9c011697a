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
}
