//! The words of the command line. The client and the server parse the same definitions, so what one
//! sends the other understands.

mod abuse;
mod access;
mod audit;
mod backups;
mod block;
mod bounces;
mod dkim;
mod dmarc;
mod expert;
mod governance;
mod life;
mod order;
mod outbreak;
mod probe;
mod quarantine;
mod regulation;
mod runbook;
mod screening;
mod sending;
mod sts;
mod tls;
mod traffic;
mod vuln;

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

pub(crate) use self::regulation::RegulationCommand;
pub(crate) use self::traffic::TrafficCommand;
pub(crate) use abuse::AbuseCommand;
pub(crate) use access::{AppPasswordCommand, ForwardCommand, ReadingCommand, SecondFactorCommand};
pub(crate) use audit::{
    AuditCommand, BundleArgs, BundleSpan, CustodyCommand, DecideArgs, ExportArgs, Format,
    MediumArgs, PeriodArgs, ReportArgs, SearchArgs, TrailVerifyArgs,
};
pub(crate) use backups::BackupsCommand;
pub(crate) use block::BlockCommand;
pub(crate) use bounces::{BouncesArgs, BouncesBy};
pub(crate) use dkim::DkimCommand;
pub(crate) use dmarc::{DmarcCommand, ReportFiguresArgs, ReportFiguresBy, ReportsCommand};
pub(crate) use expert::{AddArgs as ExpertAddArgs, ExpertCommand};
pub(crate) use governance::{ClauseCommand, ReportCommand, TaskCommand};
pub(crate) use life::{
    ActArgs, DeleteArgs, IncidentCommand, IncidentKind, LetterArgs, LeverWord, Queued,
    RegisterCommand, WritersArgs,
};
pub(crate) use order::OrderCommand;
pub(crate) use outbreak::{BeginArgs, HandlingWord, OutbreakCommand, OutbreakNoticeCommand};
pub(crate) use probe::ProbeArgs;
pub(crate) use quarantine::{ApartArgs, QuarantineCommand};
pub(crate) use runbook::RunbookCommand;
pub(crate) use screening::{LearnArgs, ScreeningCommand, TryArgs};
pub(crate) use sts::StsCommand;
pub(crate) use tls::{TlsCommand, TlsFiguresArgs, TlsFiguresBy, TlsReportsCommand};
pub(crate) use vuln::{
    ExecuteArgs, ExportFormat, ImportArgs, PlanArgs, ReportArgs as VulnReportArgs, TestResult,
    VulnCommand,
};

/// Kakitome (書留): a mail server for organisations that run their own mail and must answer for it.
#[derive(Debug, Parser)]
#[command(name = "kakitome", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The site's directory, for commands to a running server.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,
    /// Machine-readable output: one JSON object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// All verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a whole site on loopback with sample people and mail, until ^C
    Demo(DemoArgs),
    /// Make a new installation: settings, keys, certificate, first role holder
    Init(InitArgs),
    /// Run a site in the foreground (SIGTERM drains, SIGHUP reloads settings and certificates)
    Serve {
        /// The site's directory
        #[arg(value_name = "DIR")]
        site: PathBuf,
    },
    /// Check settings, certificates, ports and DNS of a site, and print the records to publish
    Check {
        /// The site's directory
        #[arg(value_name = "DIR")]
        site: PathBuf,
    },
    /// Make the site in DIR (given with -C) from a backup; no server need run
    ///
    /// DIR must be empty or missing. The backup is checked before and everything is verified after. Mail programs have
    /// seen what came after the backup, so all mailboxes get a new UIDVALIDITY and are fetched anew by them. Mail that
    /// waited in the queue when the backup was made is sent again.
    Restore(RestoreArgs),
    /// Commands to a running site
    #[command(flatten)]
    Site(SiteCommand),
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the demo's site is made [default: a new temporary directory, removed at the end]
    #[arg(value_name = "DIR")]
    pub(crate) site: Option<PathBuf>,
    /// Ports are this plus the standard port modulo 1000
    #[arg(long, value_name = "N", default_value_t = 20000, value_parser = clap::value_parser!(u16).range(1024..=64000))]
    pub(crate) port_base: u16,
    /// Let a whole year of an office pass first, with all that a site has to do and some of what can happen, and show what every
    /// clause stands at; takes some minutes
    #[arg(long)]
    pub(crate) year: bool,
    /// Decides who works there, what mail there is and when things happen: the same seed, the same year
    #[arg(long, value_name = "N", default_value_t = 1, requires = "year")]
    pub(crate) seed: u64,
    /// The year's first day [default: a year ago]
    #[arg(long, value_name = "DATE", requires = "year")]
    pub(crate) from: Option<jiff::civil::Date>,
    /// How many people work there
    #[arg(long, value_name = "N", default_value_t = 500, requires = "year")]
    pub(crate) people: usize,
    /// Traffic is watched every five minutes in so many weeks before the end, and once a day before them
    #[arg(long, value_name = "N", requires = "year", hide = true)]
    pub(crate) watched_weeks: Option<u16>,
}

/// `init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The directory to make; refused when it is not empty
    #[arg(value_name = "DIR")]
    pub(crate) site: PathBuf,
    /// A domain whose mail is this site's; may be repeated
    #[arg(long = "domain", value_name = "D", required = true)]
    pub(crate) domains: Vec<String>,
    /// The server's name in the DNS [default: mail.<first domain>]
    #[arg(long, value_name = "H")]
    pub(crate) hostname: Option<String>,
    /// What the server does
    #[arg(
        long,
        value_name = "ROLES",
        value_delimiter = ',',
        default_value = "exchange,mailbox"
    )]
    pub(crate) roles: Vec<String>,
    /// The address to listen on [default: all]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<IpAddr>,
    /// Ports are this plus the standard port modulo 1000 [default: the standard ports]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1024..=64000))]
    pub(crate) port_base: Option<u16>,
}

/// `restore`
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup: what `backup` wrote
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Keep UIDVALIDITY: only when the server was stopped before anything came after the backup
    #[arg(long)]
    pub(crate) keep_uid_validity: bool,
}

/// Commands that a running server carries out.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// Roles, listeners, queue, disk, and what needs attention
    Status,
    /// People and their roles
    #[command(subcommand)]
    Person(PersonCommand),
    /// Orders by an officer
    #[command(subcommand)]
    Order(OrderCommand),
    /// Accounts, issued and deleted on orders
    #[command(subcommand)]
    Account(AccountCommand),
    /// Who had which address when (clause 7.1(5))
    #[command(subcommand)]
    Register(RegisterCommand),
    /// Incidents: passwords, malware, backscatter, denial of service, … (clauses 4.1, 4.4, 5.2, 5.5, 8.4)
    #[command(subcommand)]
    Incident(IncidentCommand),
    /// What is done about an incident of each kind
    #[command(subcommand)]
    Runbook(RunbookCommand),
    /// Rules against mail that no scanner knows yet, and the notice to staff (clause 5.2(2))
    #[command(subcommand)]
    Outbreak(OutbreakCommand),
    /// Software, its vulnerabilities, and what is done about them (clauses 4.3, 8.3)
    #[command(subcommand)]
    Vuln(VulnCommand),
    /// Reports about malware from outside, to whoever runs the server that it came from (clause 5.2(6))
    #[command(subcommand)]
    Abuse(AbuseCommand),
    /// The regulation's clauses: how each stands, and how that is known
    #[command(subcommand)]
    Clause(ClauseCommand),
    /// Work that people owe by a clause
    #[command(subcommand)]
    Task(TaskCommand),
    /// Outside experts at hand: contracts, renewal, drills (clause 10.1(2))
    #[command(subcommand)]
    Expert(ExpertCommand),
    /// Reports that came of tasks, to the holders of a role
    #[command(subcommand)]
    Report(ReportCommand),
    /// How much mail there is by the hour, what is usual, and what differs from it (clause 4.4)
    #[command(subcommand)]
    Traffic(TrafficCommand),
    /// Networks whose connections are not taken (clause 5.2(5))
    #[command(subcommand)]
    Block(BlockCommand),
    /// Mail that waits for other servers
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Mail that was taken and set apart (clause 5.3(2))
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Mail that was not delivered elsewhere, by domain, cause and day (clause 5.5)
    Bounces(BouncesArgs),
    /// What other domains demand of those who send them mail (MTA-STS)
    #[command(subcommand)]
    Sts(StsCommand),
    /// Keys that mail is signed with (DKIM), and their records in the DNS
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// What others report about mail in own domains' names, and what they are told (DMARC, RFC 9990)
    #[command(subcommand)]
    Dmarc(DmarcCommand),
    /// What others report about TLS with servers of own domains, and what they are told (TLSRPT, RFC 8460)
    #[command(subcommand)]
    Tls(TlsCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What was found about mail from outside, and why it was taken or not
    #[command(subcommand)]
    Screening(ScreeningCommand),
    /// The site's own regulation: what it is made of, and as a document
    #[command(subcommand)]
    Regulation(RegulationCommand),
    /// Copy the whole site, while it runs, into an empty or missing directory
    ///
    /// Settings, keys, certificate, database and mail; not the indexes, which are made anew. The copy is as secret
    /// as the site. `restore` makes a site of it.
    Backup {
        /// Where to, on the server's machine
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Test a mail server from outside, any or the site's own: relaying, smuggling, TLS, logins and more (clauses 4.3(6), 5.1(1))
    ///
    /// Nothing is delivered and no login of anybody fails, unless --deliver and --logins say so. No site is needed, but for --own.
    /// Exit status 1 when a check fails.
    Probe(ProbeArgs),
    /// The backups that were made, and what they still hold of deleted accounts (clause 7.1(3))
    #[command(subcommand)]
    Backups(BackupsCommand),
    /// Check every body, index, counter, reference and the order of events, online
    ///
    /// Tells what is wrong and what --repair would do about it; changes nothing. Exit status 1 when something is wrong.
    Verify {
        /// Repair what can be repaired without loss, each with an event; mail is never deleted
        #[arg(long)]
        repair: bool,
    },
}

/// `person`
#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Enter a person
    Add {
        /// Short name, unique
        name: String,
        /// Full name, as it should appear in documents
        #[arg(long)]
        full_name: Option<String>,
        /// The operating-system user that this person is
        #[arg(long, value_name = "USER")]
        os_user: Option<String>,
    },
    /// List people
    List,
    /// Show one person
    Show {
        /// Short name
        name: String,
    },
    /// Grant or revoke a role
    #[command(subcommand)]
    Role(RoleCommand),
    /// Say which operating-system user a person is
    Map {
        /// Short name
        name: String,
        /// The operating-system user
        #[arg(long, value_name = "USER")]
        os_user: String,
        /// The order that permits it (`order user`); needed if the person has or reads a mailbox or is an officer, once there are two
        /// officers, unless [directory] password_needs_order is off
        #[arg(long)]
        order: Option<i64>,
    },
    /// Take an operating-system user from a person
    Unmap {
        /// Short name
        name: String,
        /// The operating-system user
        #[arg(long, value_name = "USER")]
        os_user: String,
    },
    /// Say in which language mail of the server's own to a person is written
    Language {
        /// Short name
        name: String,
        /// ja, en or both; site: as the settings say ([regulation] language)
        #[arg(value_parser = ["ja", "en", "both", "site"])]
        language: String,
    },
    /// Announce somebody who is entered already, where who entered them is to order for them (clause 9.1(1))
    Announce {
        /// Short name
        name: String,
    },
    /// Print or mail the notice that mail records are kept and analysed, which people get before their account (clause 9.1(2))
    Notice {
        /// Short name of the person whom it is given to, which is put on record
        name: Option<String>,
        /// Send it to this address of the person's, here or elsewhere, instead of printing it
        #[arg(long, value_name = "ADDRESS", requires = "name")]
        mail: Option<String>,
        /// The language: ja or en
        #[arg(long, default_value = "ja", value_parser = ["ja", "en"])]
        lang: String,
    },
    /// Note that a person knows that mail records are kept and analysed (clause 9.1(2))
    Acknowledge {
        /// Short name
        name: String,
        /// It was signed on paper, which the caller has seen
        #[arg(long)]
        on_paper: bool,
    },
    /// Hold the personnel's list against the directory: who is on one and not on the other (clause 7.1(3)). Officers are told by mail of
    /// people with accounts who are not on it, and these are suspended after `[directory] roster_grace`, unless a later list has them
    Roster {
        /// CSV whose header has a column `name` with short names
        file: PathBuf,
    },
    /// Note when a person is to leave (clause 9.2(1))
    Depart {
        /// Short name
        name: String,
        /// The first day, or the instant, at which the account may be deleted
        #[arg(long, value_name = "DATE")]
        on: String,
    },
    /// Note that a person has left
    Leave {
        /// Short name
        name: String,
    },
}

/// `person role`
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Grant a role: administrator, account-manager, system-officer, security-officer, staff, personnel-clerk
    Grant {
        /// Short name
        person: String,
        /// The role
        role: String,
    },
    /// Revoke a role
    Revoke {
        /// Short name
        person: String,
        /// The role
        role: String,
    },
}

/// `account`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Issue the account that an approved order permits; shows its initial password once
    Issue {
        /// The order's number
        #[arg(long)]
        order: i64,
        /// Show no password: `account letter` makes one in a sealed letter. Whether it was shown is on record
        #[arg(long)]
        hide_password: bool,
    },
    /// Delete the account that an approved order names, and erase its mail
    Delete(DeleteArgs),
    /// Give the account a new initial password on paper: a letter, made once, and the record of its handing-over
    Letter(LetterArgs),
    /// Forbid that an account is deleted, whatever the order, or permit it again
    Hold {
        /// Its address
        address: String,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
        /// Lift the hold
        #[arg(long)]
        lift: bool,
    },
    /// Suspend an account: no login anywhere; mail keeps arriving
    Suspend {
        /// Its address
        address: String,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Resume a suspended account (refused until its password was changed)
    Resume {
        /// Its address
        address: String,
    },
    /// List accounts
    List,
    /// List accounts that nobody has used for long, and those whose holder has left (clause 7.1(3))
    Idle {
        /// Warn and suspend now what is due for it, instead of within the hour
        #[arg(long)]
        act: bool,
    },
    /// Show one account
    Show {
        /// Its address
        address: String,
    },
    /// Set a new password: generated and shown once, or read from standard input. Of another's, the security officers are told
    Password {
        /// Its address
        address: String,
        /// Of another's: the order that permits it (`order password`); needed once there are two officers, unless [directory] password_needs_order is off
        #[arg(long)]
        order: Option<i64>,
        /// Read the password from standard input (one line)
        #[arg(long)]
        stdin: bool,
    },
    /// Let those whom an approved order names share an identifier, each with app passwords of their own
    Share {
        /// The order's number
        #[arg(long)]
        order: i64,
    },
    /// Make a shared identifier its holder's alone again
    Unshare {
        /// Its address
        address: String,
    },
    /// List shared identifiers
    Shared,
    /// Another's mailbox, read on an order (clause 7.1(4))
    #[command(subcommand)]
    Reading(ReadingCommand),
    /// Where an account's mail goes on to
    #[command(subcommand)]
    Forward(ForwardCommand),
    /// Say or show who may write to an alias: anyone, inside (whoever has logged in), members (of those, whom it means), named
    Writers(WritersArgs),
    /// Passwords for one mail program each, made by the server for the account's holder
    #[command(subcommand)]
    AppPassword(AppPasswordCommand),
    /// Second factors, passkeys and devices that show codes; they are added on the pages (https)
    #[command(subcommand)]
    SecondFactor(SecondFactorCommand),
    /// Logins and attempts at an account, the newest first
    Logins {
        /// Its address
        address: String,
        /// Of so many days
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: u16,
        /// So many at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10000))]
        most: u16,
    },
    /// Switch submission (MSA) or retrieval (MRA) of an account on or off
    Services {
        /// Its address
        address: String,
        /// on or off
        #[arg(long, value_parser = on_or_off)]
        msa: Option<bool>,
        /// on or off
        #[arg(long, value_parser = on_or_off)]
        mra: Option<bool>,
    },
    /// Add another address to an account
    Alias {
        /// Its main address
        address: String,
        /// The address to add
        alias: String,
        /// Remove it instead
        #[arg(long)]
        remove: bool,
    },
    /// Say which account gets the mail of postmaster@ or abuse@ of a domain
    Role {
        /// Its main address
        address: String,
        /// postmaster@… or abuse@…
        role: String,
    },
    /// Import accounts with existing password hashes, under an order for exactly this file
    Import {
        /// CSV with the header address,name,password_hash,quota
        file: PathBuf,
        /// The order's number
        #[arg(long)]
        order: i64,
    },
}

/// `queue`
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List queued mail
    List(SelectionArgs),
    /// Show one queued message with its recipients
    Show {
        /// Queue id
        id: String,
    },
    /// Try now
    Retry(SelectionArgs),
    /// Hold: do not try until released
    Hold(SelectionArgs),
    /// Release from hold
    Release(SelectionArgs),
    /// Throw away without a notification (clause 5.4(2))
    Discard {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Why; kept in the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Return to the senders with a notification
    Bounce {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Why; told to the sender
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Which queued mail is meant; conditions are joined by AND.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SelectionArgs {
    /// Queue ids
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Return path; `<>` is the null sender
    #[arg(long)]
    pub(crate) sender: Option<String>,
    /// Recipient
    #[arg(long)]
    pub(crate) recipient: Option<String>,
    /// Recipient's domain
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Queued longer ago than this, for example 4h
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: Option<String>,
    /// waiting or held
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Submitted by this identifier
    #[arg(long)]
    pub(crate) identifier: Option<String>,
    /// Everything in the queue (needed when nothing else is selected, and not to be joined with anything else)
    #[arg(
        long,
        conflicts_with_all = ["ids", "sender", "recipient", "domain", "older_than", "state", "identifier"]
    )]
    pub(crate) all: bool,
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off is expected".to_owned()),
    }
}
