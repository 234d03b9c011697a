//! Aggregate reports of DMARC: what a receiver saw of mail in a domain's name (RFC 9990; before it, RFC 7489, section 7.2).
//!
//! [`Report::to_xml`] writes the standard's form, [`Report::parse`] reads it, and the older one, which most still send. Who reads
//! takes the report as hostile: its text is bounded, it holds no document type, and its entities are XML's own five.

mod read;
mod write;
mod xml;

use std::net::IpAddr;

pub use read::ReportError;

/// Octets of XML that are read.
pub const MOST_OCTETS: usize = 16 << 20;
/// Rows of one report that are read or written.
pub const MOST_ROWS: usize = 20_000;
/// Signatures of one row.
const MOST_SIGNATURES: usize = 20;
/// Octets of one text.
const MOST_TEXT: usize = 512;

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Who reports.
    pub organisation: String,
    /// Where the reporter can be written to.
    pub contact: String,
    /// The report's own name, unique for its reporter.
    pub id: String,
    /// The time that it is about, in seconds since 1970.
    pub begin: i64,
    /// Its end.
    pub end: i64,
    /// What is wrong with the record, in words.
    pub error: Option<String>,
    /// The policy that was found.
    pub policy: Policy,
    /// What was seen.
    pub rows: Vec<Row>,
    /// Rows that are not in `rows`, since there were more than are read.
    pub left_out: u64,
}

/// The policy as it is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where the record stands.
    pub domain: String,
    /// `p`
    pub policy: Disposition,
    /// `sp`
    pub below: Option<Disposition>,
    /// `np`
    pub nonexistent: Option<Disposition>,
    /// `adkim=s`
    pub strict_dkim: bool,
    /// `aspf=s`
    pub strict_spf: bool,
    /// `t=y`
    pub testing: bool,
}

/// What is asked for, and what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Nothing.
    #[default]
    None,
    /// It was set apart.
    Quarantine,
    /// It was refused.
    Reject,
}

impl Disposition {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// From the word; `pass` is nothing done.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        match word {
            _ if is("none") || is("pass") => Some(Self::None),
            _ if is("quarantine") => Some(Self::Quarantine),
            _ if is("reject") => Some(Self::Reject),
            _ => None,
        }
    }
}

/// Messages of which the same was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where they came from.
    pub source: IpAddr,
    /// How many.
    pub count: u64,
    /// What they are alike in.
    pub seen: Seen,
}

/// What was seen of messages, and done.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// What was done.
    pub disposition: Disposition,
    /// Whether a signature of an aligned domain held.
    pub dkim_aligned: bool,
    /// Whether SPF passed for an aligned domain.
    pub spf_aligned: bool,
    /// Why something else was done than is asked for: one of the standard's words, and more words.
    pub reason: Option<(String, String)>,
    /// The author's domain.
    pub header_from: String,
    /// The domain of MAIL FROM.
    pub envelope_from: Option<String>,
    /// Each signature: domain, selector, result (RFC 8601).
    pub dkim: Vec<(String, String, String)>,
    /// SPF: domain and result.
    pub spf: Option<(String, String)>,
}

/// Name of the attachment that holds a report (RFC 9990, section 3.5.2): `receiver!domain!begin!end!id.xml.gz`.
#[must_use]
pub fn file_name(receiver: &str, report: &Report) -> String {
    let letters = report.id.chars().filter(char::is_ascii_alphanumeric);
    format!(
        "{receiver}!{}!{}!{}!{}.xml.gz",
        report.policy.domain,
        report.begin,
        report.end,
        letters.collect::<String>()
    )
}

/// Subject of the message that holds a report (RFC 9990, section 3.5.2).
#[must_use]
pub fn subject(submitter: &str, report: &Report) -> String {
    format!(
        "Report Domain: {} Submitter: {submitter} Report-ID: <{}>",
        report.policy.domain, report.id
    )
}

#[cfg(test)]
mod tests;
