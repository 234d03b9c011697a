//! What only the running server can tell: its settings, listeners, scanners, probes and disk. The checks are handed it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trail::analysis::Thresholds;

use crate::{capacity, traffic};

/// What the running server tells of itself at one instant.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether it keeps mailboxes.
    pub mailboxes: bool,
    /// Whether the pages for people are served.
    pub pages: bool,
    /// Networks that may log in without TLS, those of the machine itself left out: what stays on it crosses no network.
    pub plaintext_networks: Vec<String>,
    /// How often their holders are warned of that.
    pub plaintext_warned_every: SignedDuration,
    /// Networks that may submit without a login.
    pub unauthenticated_networks: Vec<String>,
    /// Years that a volume of the trail is kept.
    pub retain_years: u32,
    /// Months of a volume.
    pub rotate_months: u32,
    /// The shortest password, in characters.
    pub shortest_password: u32,
    /// Whether an initial password only opens the page on which it is changed.
    pub initial_only_to_change: bool,
    /// Whether another's password, second factor or operating-system user needs an order of its own.
    pub password_needs_order: bool,
    /// Whether it has to be on record that a person knows of the records before an account is issued.
    pub acknowledgement_required: bool,
    /// How long an order waits for its approval: one that was not approved by then cannot be carried out.
    pub order_lifetime: SignedDuration,
    /// How the capacity of mailboxes is judged.
    pub capacity: capacity::Options,
    /// The quota of a new account, in octets.
    pub default_quota: Option<u64>,
    /// Whether mail from outside is screened.
    pub screening: bool,
    /// Scanners, and how they do.
    pub scanning: Scanning,
    /// Whether whoever sends malware from inside is shut out by the server.
    pub isolation: bool,
    /// Whether return paths of mail that leaves are signed.
    pub return_paths: bool,
    /// Transactions without a sender that may be open at once (clause 5.5(3)).
    pub null_sender_transactions: usize,
    /// SMTP connections that may be open at once.
    pub smtp_connections: usize,
    /// How long mail waits in the queue before it is returned.
    pub expire_after: SignedDuration,
    /// Services that the settings have listeners of and that a probe can look at, as `smtp`.
    pub listening: Vec<String>,
    /// The last probe of the own listeners.
    pub probe: Option<Probe>,
    /// Whether they are probed every day.
    pub probed_daily: bool,
    /// The disk that the site lies on.
    pub disk: Option<Disk>,
    /// Files of the trail and its keys that others than the server's own user may read.
    pub readable_by_others: Vec<String>,
    /// How traffic is judged; `None`: it is not watched.
    pub traffic: Option<traffic::Options>,
    /// Feeds of vulnerabilities that the settings name.
    pub feeds: Feeds,
    /// Within which times things have to be done.
    pub terms: Terms,
    /// From where on an analysis of the trail calls something conspicuous.
    pub analysis: Thresholds,
    /// How far the clock is behind the last event, in seconds.
    pub clock_behind: u64,
}

/// Feeds of vulnerabilities.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    /// Their names.
    pub names: Vec<String>,
    /// How often they have to be read, by the clause that demands them (4.3(2)).
    pub every: SignedDuration,
    /// How old what was read of one may be.
    pub most_age: SignedDuration,
    /// How old what one itself says of its newest record, or of its making, may be; `None`: as old as it is.
    pub most_published: Option<SignedDuration>,
}

/// Within which times things have to be done before the clause that demands them turns red; all in days, but for counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// That all of the trail was verified (clause 4.2). Default 7.
    pub trail_verified: i64,
    /// Refusals of relaying, or failed logins, within a day from which on somebody has to look closer (clause 8.2(3)). Default 100.
    pub conspicuous: u64,
    /// Bounces within a day from which on somebody has to look into them (clause 5.5(1)). Default 100.
    pub conspicuous_bounces: u64,
    /// That somebody has looked closer (clauses 5.5(1), 8.2(3)). Default 7.
    pub analysed: i64,
    /// For how long it holds that somebody has (clauses 5.5(1), 8.2(3)). Default 1.
    pub analysis_holds: i64,
    /// That the trail was analysed for an incident about a password (clause 4.1(1)c). Default 1.
    pub credential_analysed: i64,
    /// That those whom it concerns are told of a decision on a shared identifier (clauses 7.1(2)a, 8.1(2)). Default 1.
    pub sharing_told: i64,
    /// That it is decided what becomes of a report of abuse (clause 5.2(6)). Default 14.
    pub abuse_decided: i64,
    /// That staff are told of what a rule against an outbreak is in force against (clause 5.2(2)). Default 1.
    pub outbreak_told: i64,
    /// That what was found of it in mailboxes is pulled (clause 5.2(2)). Default 3.
    pub outbreak_pulled: i64,
    /// That a case of a vulnerability is reported (clause 4.3(3)). Default 3.
    pub case_reported: i64,
    /// That a plan, its approval and the order are there, and that what was ordered is done (clauses 4.3(4), 8.3(4), 8.3(5)). Default 30.
    pub case_acted: i64,
    /// That it is decided whether officers elsewhere are told (clause 8.3(6)). Default 30.
    pub case_shared: i64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            trail_verified: 7,
            conspicuous: 100,
            conspicuous_bounces: 100,
            analysed: 7,
            analysis_holds: 1,
            credential_analysed: 1,
            sharing_told: 1,
            abuse_decided: 14,
            outbreak_told: 1,
            outbreak_pulled: 3,
            case_reported: 3,
            case_acted: 30,
            case_shared: 30,
        }
    }
}

/// Scanners of malware.
#[derive(Clone, Debug, Default)]
pub struct Scanning {
    /// Those that look at mail.
    pub scanners: Vec<String>,
    /// Those that cannot be used: why, and since when.
    pub down: BTreeMap<String, (String, Timestamp)>,
    /// Whether one of them has definitions that grow old.
    pub has_definitions: bool,
    /// Age of the definitions, in seconds; `None`: unknown.
    pub definitions_age: Option<u64>,
    /// Whether that is older than the site permits.
    pub definitions_old: bool,
    /// Whether mail that could not be scanned, or only by old definitions, is put off.
    pub puts_off: bool,
    /// Whether what mail programs put into mailboxes (IMAP APPEND) is scanned, too.
    pub append: bool,
    /// Whether a canary is sent every day.
    pub canary_daily: bool,
    /// Whether no mail from outside comes here, so that none can be sent: where it comes, others are.
    pub canary_elsewhere: bool,
    /// How the last one fared.
    pub canary: Option<Canary>,
}

/// How a canary fared.
#[derive(Clone, Debug)]
pub struct Canary {
    /// When it was sent.
    pub at: Timestamp,
    /// Whether each scanner caught it.
    pub caught: bool,
    /// Whether it came as far as the scanners at all.
    pub told: bool,
    /// How it fared, in words.
    pub words: String,
}

/// A probe of the own listeners.
#[derive(Clone, Debug)]
pub struct Probe {
    /// When.
    pub at: Timestamp,
    /// The listeners that were probed, or could not be.
    pub listeners: Vec<String>,
    /// What failed: of each the listener and the check.
    pub failed: Vec<String>,
    /// What came to no end that says anything, in the same form.
    pub could_not_tell: Vec<String>,
    /// Listeners that could not be reached.
    pub unreached: Vec<String>,
}

/// Room on a disk, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// What is free.
    pub free: u64,
    /// All of it.
    pub size: u64,
    /// What the store leaves free: with less, mail is put off.
    pub reserve: u64,
}
