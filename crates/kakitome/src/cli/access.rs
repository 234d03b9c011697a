//! What lets an identifier in beside its password, and where its mail goes on to: the words.

use clap::Subcommand;

/// `account app-password`
#[derive(Debug, Subcommand)]
pub(crate) enum AppPasswordCommand {
    /// Make one for the caller's own account, and show it this once
    Add {
        /// The account's address
        address: String,
        /// The program or device
        #[arg(long)]
        name: String,
        /// Whether it may send mail: on or off
        #[arg(long, default_value = "on", value_parser = super::on_or_off)]
        msa: bool,
        /// Whether it may fetch mail: on or off
        #[arg(long, default_value = "on", value_parser = super::on_or_off)]
        mra: bool,
        /// From when on it is not good any more [default: never]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List those of an account, with their last use
    List {
        /// The account's address
        address: String,
    },
    /// Give one up: what it began ends at once
    Revoke {
        /// The account's address
        address: String,
        /// Its number
        number: i64,
    },
}

/// `account second-factor`
#[derive(Debug, Subcommand)]
pub(crate) enum SecondFactorCommand {
    /// List those of an account
    List {
        /// The account's address
        address: String,
    },
    /// Remove one, for example of a device that is lost. Of another's, the security officers are told
    Remove {
        /// The account's address
        address: String,
        /// Its number
        number: i64,
        /// Of another's: the order that permits it (`order second-factor`); needed once there are two officers, unless [directory] password_needs_order is off
        #[arg(long)]
        order: Option<i64>,
    },
}

/// `account forward`
#[derive(Debug, Subcommand)]
pub(crate) enum ForwardCommand {
    /// Let mail of an account go on to an address; to outside, on an approved order
    Add {
        /// The account's address
        address: String,
        /// Where its mail goes on to
        to: String,
        /// The order that permits it
        #[arg(long)]
        order: Option<i64>,
        /// Until when [default: what the order says, or until it is taken away]
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
    },
    /// Take a forward away
    Remove {
        /// The account's address
        address: String,
        /// Where its mail goes on to
        to: String,
    },
    /// List the forwards of an account, or all of them
    List {
        /// The account's address
        address: Option<String>,
    },
}

/// `account reading`
#[derive(Debug, Subcommand)]
pub(crate) enum ReadingCommand {
    /// Let somebody read another's mailbox, and nothing else, as an approved order says; refused unless a security officer can be told by mail
    Open {
        /// The order's number
        #[arg(long)]
        order: i64,
    },
    /// End that before its time
    End {
        /// The account's address
        address: String,
        /// Who reads it
        person: String,
    },
    /// List who reads what
    List,
}
