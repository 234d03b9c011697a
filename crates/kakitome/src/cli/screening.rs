//! `screening`: the words.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    /// It goes the way of mail from outside, through the exchange's listener, to an address that is nobody's. One that is put off before a
    /// scanner saw it is sent again for two minutes. A server that takes no mail from outside sends none, and says so. It needs a role
    /// that may search the trail.
    Canary,
    /// Judge the mail of the last days again by another policy, and show what would have been decided otherwise
    ///
    /// Nothing changes. The policy is that of a settings file, such as an edited copy of kakitome.toml, of which only [screening]
    /// is read, or one that was in force before. It needs a role that may search the trail.
    Try(TryArgs),
    /// The policies that were in force, the latest first; with a digest, its settings
    Policies {
        /// The digest, as verdicts name it
        digest: Option<String>,
    },
    /// Learn the words of messages that are in no mailbox here
    ///
    /// What people move into Junk and out of it is learned by itself; this is for a beginning, with mail that was collected
    /// elsewhere. It counts each message once more however often it is brought. It needs the role of an administrator.
    Learn(LearnArgs),
    /// How much was learned of words, and how many senders are remembered
    Memory,
}

/// `screening try`
#[derive(Args, Debug)]
pub(crate) struct TryArgs {
    /// A settings file
    #[arg(required_unless_present = "policy", conflicts_with = "policy")]
    pub(crate) file: Option<PathBuf>,
    /// The digest of a policy that was in force
    #[arg(long, value_name = "DIGEST")]
    pub(crate) policy: Option<String>,
    /// Mail of so many days
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
    pub(crate) days: u16,
    /// Show at most so many messages; all are counted
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) most: u32,
    /// Show how many messages would be treated how, and no message
    #[arg(long)]
    pub(crate) figures: bool,
}

/// `screening learn`
#[derive(Args, Debug)]
pub(crate) struct LearnArgs {
    /// A message, a file of messages (mbox), or a directory of messages (Maildir or one file each), on the server
    pub(crate) path: PathBuf,
    /// It is unwanted
    #[arg(long, required_unless_present = "wanted", conflicts_with = "wanted")]
    pub(crate) junk: bool,
    /// It is wanted
    #[arg(long)]
    pub(crate) wanted: bool,
}

impl LearnArgs {
    /// The words to send: the server stands in another directory.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        let kind = if self.junk { "--junk" } else { "--wanted" };
        let absolute = std::path::absolute(&self.path).ok()?;
        let words = ["screening", "learn", kind, "--", absolute.to_str()?];
        Some(words.map(str::to_owned).to_vec())
    }
}
