//! `vuln`: the words.

use std::path::PathBuf;

use advisory::{csaf::Justification, feed::Format};
use clap::{Args, Subcommand, ValueEnum};

/// `vuln`
#[derive(Debug, Subcommand)]
pub(crate) enum VulnCommand {
    /// List the software that runs here (clause 4.3(1))
    Inventory {
        /// Also what was here before
        #[arg(long)]
        all: bool,
        /// Look first, instead of telling what was found at the last look
        #[arg(long)]
        look: bool,
    },
    /// Print what this server is built of, as CycloneDX 1.6
    Sbom,
    /// Read feeds now: those of the settings, or one that is named, such as a file that was carried in (clause 4.3(2))
    Import(ImportArgs),
    /// List feeds, with when each was read
    Feeds,
    /// List cases that are open
    List {
        /// Also those that are closed
        #[arg(long)]
        all: bool,
    },
    /// Show one case, with its report, plan and course
    Show {
        /// Its number
        number: i64,
    },
    /// Report a case to the system officers (clause 4.3(3)); what is not given is as the feeds have it
    Report(ReportArgs),
    /// Answer points of the plan, each as often as needed (clause 8.3(4)); an approval of what it was before ends
    Plan(PlanArgs),
    /// Approve the plan, which has no point without an answer; not for the one who wrote it
    Approve {
        /// The case
        number: i64,
    },
    /// Order that the approved plan is carried out (clause 8.3(5))
    Order {
        /// The case
        number: i64,
    },
    /// Take the order
    Accept {
        /// The case
        number: i64,
    },
    /// Record a test
    Test {
        /// The case
        number: i64,
        /// How it ended
        #[arg(long)]
        result: TestResult,
        /// What was tested, and how
        #[arg(long)]
        note: String,
    },
    /// Record that the plan was carried out with a file of a trusted source; the server compares its digest (clause 4.3(5))
    Execute(ExecuteArgs),
    /// Look at the software again: nothing may be touched any more
    Verify {
        /// The case
        number: i64,
    },
    /// Close a case
    Close {
        /// Its number
        number: i64,
        /// It does not matter here, for this reason (VEX): component_not_present, vulnerable_code_not_present,
        /// vulnerable_code_not_in_execute_path, vulnerable_code_cannot_be_controlled_by_adversary, inline_mitigations_already_exist
        #[arg(long, value_name = "JUSTIFICATION", requires = "reason")]
        not_affected: Option<Justification>,
        /// Why, in words; they are shared
        #[arg(long, requires = "not_affected")]
        reason: Option<String>,
    },
    /// Let a case be until a day, a year at most
    Except {
        /// Its number
        number: i64,
        /// Until when
        #[arg(long, value_name = "DATE")]
        until: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Send a case as a document to officers elsewhere, by mail (clause 8.3(6))
    Share {
        /// Its number
        number: i64,
        /// Whom; may be repeated
        #[arg(long, value_name = "ADDRESS", required_unless_present = "not_needed")]
        to: Vec<String>,
        /// Nobody need be told, and why; kept in the audit trail
        #[arg(long, value_name = "REASON", conflicts_with = "to")]
        not_needed: Option<String>,
        /// As a security advisory, or as VEX
        #[arg(long, default_value = "csaf")]
        format: ExportFormat,
    },
    /// Print a case as a document for officers elsewhere: CSAF 2.0 (clause 8.3(6))
    Export {
        /// Its number
        number: i64,
        /// As a security advisory, or as VEX
        #[arg(long, default_value = "csaf")]
        format: ExportFormat,
    },
}

/// `vuln import`
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A file on the server's machine, or an address: https://…
    #[arg(requires = "format", conflicts_with_all = ["file", "url"])]
    pub(crate) from: Option<String>,
    /// A file on the server's machine
    #[arg(long, requires = "format", conflicts_with = "url")]
    pub(crate) file: Option<PathBuf>,
    /// An address: https://…
    #[arg(long, requires = "format")]
    pub(crate) url: Option<String>,
    /// What it is written in: osv, cve, jvn, kev or epss
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// The feed that it is an issue of, by its name in the settings [default: by-hand]
    #[arg(long, requires = "format")]
    pub(crate) name: Option<String>,
}

/// `vuln report`
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The case
    pub(crate) number: i64,
    /// What is wrong
    #[arg(long, default_value = "")]
    pub(crate) cause: String,
    /// What it touches here
    #[arg(long, default_value = "")]
    pub(crate) scope: String,
    /// What helps
    #[arg(long, default_value = "")]
    pub(crate) remedy: String,
    /// Whether and how it is exploited
    #[arg(long, default_value = "")]
    pub(crate) exploit: String,
}

/// `vuln plan`
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The case
    pub(crate) number: i64,
    /// Whether something has to be done
    #[arg(long, default_value = "")]
    pub(crate) need: String,
    /// How
    #[arg(long, default_value = "")]
    pub(crate) method: String,
    /// What is done until then, or instead
    #[arg(long, default_value = "")]
    pub(crate) workaround: String,
    /// What that does to the service
    #[arg(long, default_value = "")]
    pub(crate) effect: String,
    /// When
    #[arg(long, default_value = "")]
    pub(crate) schedule: String,
    /// Why it has to be tested before; nothing is carried out then before a test has passed
    #[arg(long, default_value = "", conflicts_with = "no_test")]
    pub(crate) test_need: String,
    /// Why it need not be tested
    #[arg(long, default_value = "")]
    pub(crate) no_test: String,
    /// How it is tested
    #[arg(long, default_value = "")]
    pub(crate) test_method: String,
    /// When it is tested
    #[arg(long, default_value = "")]
    pub(crate) test_schedule: String,
}

/// `vuln execute`
#[derive(Debug, Args)]
pub(crate) struct ExecuteArgs {
    /// The case
    pub(crate) number: i64,
    /// Where it came from
    #[arg(long)]
    pub(crate) source: String,
    /// SHA-256 that the source gives for it
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    pub(crate) sha256: String,
    /// What was installed, on the server's machine; the server must be able to read it
    #[arg(long)]
    pub(crate) file: PathBuf,
    /// What was done
    #[arg(long, default_value = "")]
    pub(crate) note: String,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestResult {
    /// As it should
    Passed,
    /// Otherwise
    Failed,
}

/// What a case is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A security advisory
    Csaf,
    /// VEX
    Vex,
}

fn sha256(text: &str) -> Result<String, String> {
    let is_digest = text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    is_digest
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "64 hexadecimal digits are expected".to_owned())
}
