//! `order`: the words.

use std::path::PathBuf;

use clap::Subcommand;

/// `order`
#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Order an address for a person; prints the order's number
    Issue {
        /// Whom it is for
        #[arg(long = "for", value_name = "PERSON")]
        person: String,
        /// The address to issue
        #[arg(long)]
        address: String,
        /// The name as shown [default: the person's full name]
        #[arg(long)]
        name: Option<String>,
        /// Quota, for example 2GiB
        #[arg(long)]
        quota: Option<String>,
    },
    /// Order the deletion of an address
    Delete {
        /// Whose it is
        #[arg(long = "for", value_name = "PERSON")]
        person: String,
        /// The address to delete [default: the person's only one]
        #[arg(long)]
        address: Option<String>,
        /// Not to be carried out before [default: the day on which the person leaves, if that was noted]
        #[arg(long, value_name = "DATE")]
        not_before: Option<String>,
    },
    /// Order that mail of an account may go on to an address outside
    Forward {
        /// The account's address
        #[arg(long)]
        address: String,
        /// Where its mail may go on to
        #[arg(long)]
        to: String,
        /// Until when [default: until it is taken away]
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
    },
    /// Order that somebody reads another's mailbox, for one purpose and one period (clause 7.1(4))
    Read {
        /// The account's address
        #[arg(long)]
        address: String,
        /// Who reads it
        #[arg(long = "for", value_name = "PERSON")]
        person: String,
        /// What for
        #[arg(long)]
        purpose: String,
        /// Until when
        #[arg(long, value_name = "DATE")]
        until: String,
    },
    /// Order that an identifier is shared by some people, until the decision is reviewed (clause 8.1)
    Shared {
        /// The account's address
        #[arg(long)]
        address: String,
        /// Who uses it; may be repeated
        #[arg(long = "for", value_name = "PERSON", required = true)]
        users: Vec<String>,
        /// When the decision is to be reviewed
        #[arg(long, value_name = "DATE")]
        review: String,
    },
    /// Order one new password of somebody, to be set by `account password` or `account letter` (clause 7.1(4))
    Password {
        /// Whose it is
        #[arg(long = "for", value_name = "PERSON")]
        person: String,
        /// The account's address [default: the person's only one]
        address: Option<String>,
    },
    /// Order that a second factor of somebody is removed (clause 7.1(4))
    SecondFactor {
        /// Whose it is
        #[arg(long = "for", value_name = "PERSON")]
        person: String,
        /// The account's address [default: the person's only one]
        #[arg(long)]
        address: Option<String>,
        /// Its number, as `account second-factor list` shows it
        number: i64,
    },
    /// Order that a person is an operating-system user, who can do from then on what the person can (clause 7.1(4))
    User {
        /// Who it is
        #[arg(long = "for", value_name = "PERSON")]
        person: String,
        /// The operating-system user
        #[arg(long, value_name = "USER")]
        os_user: String,
    },
    /// Order the import of exactly this file
    Import {
        /// CSV with the header address,name,password_hash,quota
        file: PathBuf,
    },
    /// Approve an order of somebody else
    Approve {
        /// Its number
        number: i64,
    },
    /// List orders
    List,
    /// Show one order
    Show {
        /// Its number
        number: i64,
    },
}
