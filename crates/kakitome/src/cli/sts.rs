//! `sts`: the words.

use clap::Subcommand;

/// `sts`
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum StsCommand {
    /// List the policies of other domains that are kept
    List,
}
