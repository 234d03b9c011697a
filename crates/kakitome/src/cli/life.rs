//! `incident`, and what people and accounts go through: the words.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `incident`
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// Open an incident, which goes by the runbook of its kind: of credential and malware-inside the identifier is suspended everywhere
    /// at once, and what it has queued is held; of submission-surge what it submits is held
    Open {
        /// What it is about
        #[arg(long, value_enum)]
        kind: IncidentKind,
        /// The identifier, of a kind that is about one
        address: Option<String>,
        /// What was reported [default: of credential and malware-inside, what the kind says]
        #[arg(long)]
        reason: Option<String>,
        /// From when on the trail is analysed; of credential: the owner's last sure use [default: 30 days ago; of others a day ago]
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Of malware-inside: the terminal's network address, to be blocked
        #[arg(long, value_name = "ADDR")]
        from: Option<std::net::IpAddr>,
    },
    /// List incidents, the newest first
    List,
    /// Show one incident, with the steps that were taken and those that are missing
    Show {
        /// Its number
        number: i64,
    },
    /// How the identifier was used since the owner's last sure use, from the audit trail
    Report {
        /// The incident's number
        number: i64,
        /// The language: ja or en
        #[arg(long, default_value = "ja", value_parser = ["ja", "en"])]
        lang: String,
    },
    /// Take a step of the incident's runbook, as `incident show` lists them; of a credential's also: analysed (analyse and report again);
    /// of submissions that are held: mail-released (it is in order and goes out), rejected (it is not, and the identifier is suspended)
    Step {
        /// The incident's number
        number: i64,
        /// The step
        step: String,
        /// What is to be said of it
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Use a lever that the incident's runbook offers: suspend or resume an identifier, block or unblock a network, hold or release
    /// queued mail, limit or unlimit how much mail one may have, drain or undrain a listener; it is done at once, and told with the
    /// incident. What is limited or drained is so until the incident is closed at the latest
    Act(ActArgs),
    /// Close an incident; refused while a step is missing
    Close {
        /// Its number
        number: i64,
    },
}

/// `incident act`
#[derive(Debug, Args)]
pub(crate) struct ActArgs {
    /// The incident's number
    pub(crate) number: i64,
    /// The lever
    #[arg(value_enum)]
    pub(crate) lever: LeverWord,
    /// The identifier (suspend, resume), the network (block, unblock, limit, unlimit), or exchange or submission (drain, undrain)
    #[arg(conflicts_with_all = ["identifier", "domain"])]
    pub(crate) target: Option<String>,
    /// Of hold, release, limit and unlimit: mail of this identifier
    #[arg(long, conflicts_with = "domain")]
    pub(crate) identifier: Option<String>,
    /// Of hold, release, limit and unlimit: mail for this domain
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Of block: for so long, for example 7d [default: until it is unblocked]
    #[arg(long = "for", value_name = "TIME", value_parser = super::block::time)]
    pub(crate) time: Option<crate::settings::Time>,
    /// Of limit: so many recipients in a minute or an hour, for example 20/minute; of an identifier in an hour
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<directory::restraint::Rate>,
    /// Why [default: what the incident was opened for]
    #[arg(long, default_value = "")]
    pub(crate) note: String,
}

/// Levers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LeverWord {
    /// Suspend an identifier
    Suspend,
    /// Resume one
    Resume,
    /// Take no connections from a network
    Block,
    /// Take them again
    Unblock,
    /// Hold queued mail
    Hold,
    /// Let it go
    Release,
    /// Let an identifier, a network or a domain have only so much mail in a time
    Limit,
    /// As much as before
    Unlimit,
    /// Take no new mail (451) from elsewhere (exchange) or from staff (submission), and try all at once that waits in the queue
    Drain,
    /// Take new mail again
    Undrain,
}

/// Kinds of incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IncidentKind {
    /// A password that another may have used (clause 4.1)
    Credential,
    /// Malware on a terminal of somebody's (clause 5.2(5)); the server opens it by itself where the scanners meet it
    #[value(alias = "malware")]
    MalwareInside,
    /// Malware from outside (clause 5.2(2), 5.2(6))
    MalwareOutside,
    /// A surge of bounces with forged senders (clause 5.5(2)); the server opens it by itself
    #[value(alias = "bounce-surge")]
    Backscatter,
    /// An identifier that submits far more than it usually does; the server opens it by itself
    SubmissionSurge,
    /// Denial of service (clauses 4.4(2), 8.4); the server opens it by itself
    Dos,
    /// The server relays, or lets in whom it must not (clauses 5.1, 6.1); the server opens it by itself when its own probe fails
    Relay,
    /// The audit trail is not what was written (clauses 4.2, 8.2); `audit verify` opens it
    TrailGap,
    /// The clock was set; the server opens it by itself
    ClockJump,
    /// Anything else
    Other,
}

/// `account letter`
#[derive(Debug, Args)]
pub(crate) struct LetterArgs {
    /// The account's address
    pub(crate) address: String,
    /// The PDF file to make
    #[arg(long, value_name = "FILE", required_unless_present = "handed_over")]
    pub(crate) to: Option<PathBuf>,
    /// The language: ja or en
    #[arg(long, default_value = "ja", value_parser = ["ja", "en"])]
    pub(crate) lang: String,
    /// Why another letter is needed although one was made; it gets another password
    #[arg(long, value_name = "REASON")]
    pub(crate) again: Option<String>,
    /// The order that permits another password than the one of the first letter (`order password`); needed once there are two
    /// officers, unless [directory] password_needs_order is off
    #[arg(long)]
    pub(crate) order: Option<i64>,
    /// Record that the letter was handed over: to whom and how
    #[arg(long, value_name = "RECEIPT", conflicts_with_all = ["to", "again", "order"])]
    pub(crate) handed_over: Option<String>,
}

/// `account delete`
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The order's number
    #[arg(long)]
    pub(crate) order: i64,
    /// What becomes of what it has queued, each message with an event
    #[arg(long, value_enum, default_value_t = Queued::Keep)]
    pub(crate) queue: Queued,
}

/// What becomes of queued mail of an account that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Queued {
    /// It is still to be delivered, and what is held stays held until `queue release`, `queue bounce` or `queue discard`
    Keep,
    /// What is held goes out too
    Release,
    /// It is discarded, without a bounce
    Discard,
}

/// `account writers`
#[derive(Debug, Args)]
pub(crate) struct WritersArgs {
    /// The alias
    pub(crate) alias: String,
    /// anyone, inside, members or named; nothing: show how it is
    #[arg(value_parser = clap::value_parser!(directory::Writers))]
    pub(crate) writers: Option<directory::Writers>,
    /// Of named: an identifier that may write, once for each
    #[arg(long = "writer", value_name = "ADDRESS", requires = "writers")]
    pub(crate) named: Vec<String>,
}

/// `register`
#[derive(Debug, Subcommand)]
pub(crate) enum RegisterCommand {
    /// List who has and had which address
    List {
        /// Of this address
        #[arg(long)]
        address: Option<String>,
        /// Of this person
        #[arg(long)]
        person: Option<String>,
        /// As it was at this time
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Ask that who held a deleted identifier is erased; the identifier stays taken for good
    Erase {
        /// The identifier
        identifier: String,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Approve that, as a security officer who did not ask for it
    Approve {
        /// The identifier
        identifier: String,
    },
}
