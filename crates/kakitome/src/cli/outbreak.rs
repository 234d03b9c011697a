//! `outbreak`: the words.

use clap::{Args, Subcommand, ValueEnum};

use crate::settings::Time;

/// `outbreak`
#[derive(Debug, Subcommand)]
pub(crate) enum OutbreakCommand {
    /// Block mail by what it is known by, at once, on its way in and out, and compose the notice to everybody with an account here
    Begin(BeginArgs),
    /// The notice to staff about a rule
    #[command(subcommand)]
    Notice(OutbreakNoticeCommand),
    /// End a rule before its time
    End {
        /// Its number
        number: i64,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Look for what a rule means in the mail of all accounts that has come already, and note it
    Search {
        /// The rule's number; it may have ended
        number: i64,
        /// Mail that came within this time
        #[arg(long = "within", value_name = "TIME", default_value = "30d", value_parser = time)]
        time: Time,
    },
    /// List what the search found, with what became of it
    Found {
        /// The rule's number
        number: i64,
    },
    /// Approve that what was found is pulled out of the mailboxes and set apart; for a security officer other than the one who searched
    Pull {
        /// The rule's number
        number: i64,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// List rules, the newest first
    List,
    /// Show one rule, with the notice that waits to be approved, or how many have read it
    Show {
        /// Its number
        number: i64,
    },
}

/// `outbreak notice`
#[derive(Debug, Subcommand)]
pub(crate) enum OutbreakNoticeCommand {
    /// Approve the notice that waits, which sends it to everybody with an account here; for another person than the one who composed it
    Approve {
        /// The rule's number
        number: i64,
        /// The digest of the words that you have read, from the mail that asks for it or from "outbreak show"
        #[arg(long, value_name = "HEX")]
        digest: String,
    },
    /// Compose the notice anew, or for a rule that was begun without one
    Compose {
        /// The rule's number
        number: i64,
        /// Words for staff, beside what the notice says by itself
        #[arg(long, default_value = "")]
        words: String,
    },
}

/// `outbreak begin`: what is named is joined by AND; of --sha256, --name and --type, all of one attachment
#[derive(Debug, Args)]
pub(crate) struct BeginArgs {
    /// SHA-256 of an attachment, or of the whole message
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// Name of an attachment: * is any characters, ? any one
    #[arg(long, value_name = "PATTERN")]
    pub(crate) name: Option<String>,
    /// Media type of an attachment, such as application/x-iso9660-image or application/x-iso*
    #[arg(long = "type", value_name = "PATTERN")]
    pub(crate) media_type: Option<String>,
    /// Address or domain of the sender or author
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) sender: Option<String>,
    /// Subject: * is any characters, ? any one
    #[arg(long, value_name = "PATTERN")]
    pub(crate) subject: Option<String>,
    /// What is done with such mail; submissions are refused in any case
    #[arg(long, value_enum, default_value_t = HandlingWord::Refuse)]
    pub(crate) handling: HandlingWord,
    /// How long the rule holds
    #[arg(long = "for", value_name = "TIME", default_value = "14d", value_parser = time)]
    pub(crate) time: Time,
    /// Why; kept in the audit trail
    #[arg(long)]
    pub(crate) reason: String,
    /// Words for staff, beside what the notice says by itself; it is sent when another person approves it
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub(crate) notice: String,
    /// Tell staff nothing
    #[arg(long, conflicts_with = "notice")]
    pub(crate) no_notice: bool,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HandlingWord {
    /// Refuse it for good
    Refuse,
    /// Take it and set it apart; only an administrator may release it
    Quarantine,
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "a time such as 12h or 14d is expected".to_owned())
}
