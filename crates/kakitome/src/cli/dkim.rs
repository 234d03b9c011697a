//! `dkim`: the words.

use clap::Subcommand;

/// `dkim`
#[derive(Debug, Subcommand)]
pub(crate) enum DkimCommand {
    /// List keys, how far each has come, and the records to publish
    List,
    /// Look now whether the DNS shows the records of keys that wait, and do what is due
    Look,
    /// Make a key now, in place of waiting until it is due
    Make {
        /// The domain
        #[arg(long)]
        domain: String,
        /// rsa or ed25519
        #[arg(long, default_value = "rsa", value_parser = ["rsa", "ed25519"])]
        algorithm: String,
    },
    /// Let a key sign now, whether or not this server sees its record
    Start {
        /// Its number
        number: i64,
    },
    /// Stop a key at once and destroy it, as when others may know it
    Stop {
        /// Its number
        number: i64,
    },
}
