//! `audit`: the words.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `audit`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Find events, in order of time
    Search(SearchArgs),
    /// What the trail says of attacks: refused relaying, and passwords tried (clause 8.2(3))
    Analyse(PeriodArgs),
    /// The review of the trail as a document, ready to be signed (clause 8.2(2))
    Report(ReportArgs),
    /// Verify that no event was changed, removed, put in or moved; with --offline, exported volumes and bundles of any site
    Verify(TrailVerifyArgs),
    /// Sign a checkpoint over all events, to be kept where nobody who rules this machine can change it
    Checkpoint {
        /// The file that is made for it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Prove that one event is in the trail, to somebody who has the public key
    Prove {
        /// The event's id
        event: i64,
    },
    /// Prove that the trail only grew since a checkpoint, to somebody who has that checkpoint and the public key
    ProveGrowth {
        /// The earlier checkpoint
        #[arg(value_name = "FILE")]
        since: PathBuf,
    },
    /// The volumes that were sealed
    Volumes,
    /// Seal what was written since the last volume, before its month ends
    Seal,
    /// Write a volume into a new directory, and verify what can be read back
    Export(ExportArgs),
    /// Write everything an auditor needs into a new directory: the regulation, clauses, evidence with proofs, and what verifies it
    Bundle(BundleArgs),
    /// An officer's decision on a volume: to erase it once it is due, or to keep it longer (clause 4.2(3))
    Decide(DecideArgs),
    /// Erase the volumes that are due and decided on; a signed certificate stays
    EraseDue,
    /// Where the media with volumes are, and who has the keys
    #[command(subcommand)]
    Custody(CustodyCommand),
}

/// A part of the trail by time
#[derive(Debug, Args)]
pub(crate) struct PeriodArgs {
    /// Not before this time; three months before the end, if nothing is said. As much before tells what is usual
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Before this time; now, if nothing is said
    #[arg(long)]
    pub(crate) to: Option<String>,
}

/// `audit report`
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) period: PeriodArgs,
    /// The file that is made for it
    #[arg(long)]
    pub(crate) file: PathBuf,
    /// As which
    #[arg(long, value_enum, default_value_t = Format::Html)]
    pub(crate) format: Format,
    /// In which language
    #[arg(long, value_parser = ["ja", "en"], default_value = "ja")]
    pub(crate) lang: String,
}

/// What a document is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Plain text
    Text,
    /// One page of HTML
    Html,
}

/// `audit verify`
#[derive(Debug, Args)]
pub(crate) struct TrailVerifyArgs {
    /// The directory of an exported volume, or of a bundle; may be repeated. No site is asked
    #[arg(long, value_name = "PATH", requires = "key")]
    pub(crate) offline: Vec<PathBuf>,
    /// The public key of the trail, or a file with it
    #[arg(long, requires = "offline")]
    pub(crate) key: Option<String>,
    /// A checkpoint that was kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) witness: Option<PathBuf>,
}

/// `audit export`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The volume's number
    pub(crate) volume: u64,
    /// The directory that is made for it
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) medium: MediumArgs,
}

/// `audit bundle`
#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// The directory that is made for it
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) span: BundleSpan,
}

/// Of what a bundle tells.
#[derive(Debug, Args)]
pub(crate) struct BundleSpan {
    /// Events not before this time; a year before the end, if nothing is said
    #[arg(long, value_name = "TIME", requires = "to")]
    pub(crate) since: Option<String>,
    /// Events before this time; now, if nothing is said
    #[arg(long, value_name = "TIME", requires = "to")]
    pub(crate) until: Option<String>,
    /// Events of each clause at most, the newest; if there are more, that is told
    #[arg(long, value_name = "COUNT", requires = "to", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) most: u32,
}

/// `audit decide`
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The volume's number
    pub(crate) volume: u64,
    /// It is to be erased
    #[arg(long, conflicts_with = "extend", required_unless_present = "extend")]
    pub(crate) erase: bool,
    /// It is to be kept until this time
    #[arg(long, value_name = "TIME")]
    pub(crate) extend: Option<String>,
    /// Why; kept in the audit trail
    #[arg(long)]
    pub(crate) reason: String,
}

/// What the register of custody says of a medium.
#[derive(Debug, Args)]
pub(crate) struct MediumArgs {
    /// What the volume is written on, by its label
    #[arg(long, requires_all = ["place", "key_holder"])]
    pub(crate) medium: Option<String>,
    /// Where that is locked away
    #[arg(long)]
    pub(crate) place: Option<String>,
    /// Who has the key
    #[arg(long)]
    pub(crate) key_holder: Option<String>,
    /// What else is to be known: moved from where, why
    #[arg(long)]
    pub(crate) remark: Option<String>,
}

/// `audit custody`
#[derive(Debug, Subcommand)]
pub(crate) enum CustodyCommand {
    /// The entries, in order
    List {
        /// Only of this volume
        #[arg(long)]
        volume: Option<u64>,
    },
    /// Note where a medium is, or was moved to
    Add {
        /// The volume's number
        volume: u64,
        #[command(flatten)]
        medium: MediumArgs,
    },
}

/// `audit search`
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// The event of this number alone, as reports name it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) id: Option<i64>,
    /// Not before this time (RFC 3339, or a date in the organisation's time zone)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Before this time
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Who did it: a person, an identifier, `system`, `peer`
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// A network address, or a mail address in the envelope
    #[arg(long)]
    pub(crate) address: Option<String>,
    /// Kind of event; may be repeated
    #[arg(long = "kind")]
    pub(crate) kinds: Vec<String>,
    /// success, refused, failure or deferred
    #[arg(long)]
    pub(crate) result: Option<String>,
    /// What it was done to: an account, a queue id, an order's number
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// The message's Message-ID; what became of it is found by the queue id (--subject) that this shows
    #[arg(long, value_name = "ID")]
    pub(crate) message_id: Option<String>,
    /// At most this many events
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}
