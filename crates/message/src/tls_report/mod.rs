//! Reports about TLS between mail servers (RFC 8460): how connections to a domain's servers came to be, and failed.
//!
//! [`Request::of`] reads the record by which a domain asks for them, [`Report::to_json`] writes a report and [`Report::parse`] reads
//! one. Who reads takes the report as hostile: its text, its lists and its numbers are bounded.

mod read;
mod request;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use read::ReportError;
pub use request::{HttpsPlace, Request};

/// Octets of JSON that are read.
pub const MOST_OCTETS: usize = 8 << 20;
/// Policies of one report that are read.
pub const MOST_POLICIES: usize = 1000;
/// Failures of one policy that are read.
pub const MOST_DETAILS: usize = 5000;
/// Strings of one policy, and patterns of its hosts, that are read.
const MOST_STRINGS: usize = 256;
/// Octets of one text.
const MOST_TEXT: usize = 1024;

/// The media type of a report that is packed (RFC 8460, section 6.4).
pub const PACKED: &str = "application/tlsrpt+gzip";
/// The media type of a report as it is (RFC 8460, section 6.5).
pub const PLAIN: &str = "application/tlsrpt+json";

/// A whole report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who reports.
    pub organisation: String,
    /// Where the reporter can be written to.
    pub contact: String,
    /// The report's own name, unique for its reporter.
    pub id: String,
    /// The time that it is about.
    pub begin: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// What was seen, by policy.
    pub policies: Vec<Applied>,
    /// Policies and failures that are not in it, since there were more than are read.
    pub left_out: u64,
}

/// What was seen of connections that one policy was for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The policy.
    pub policy: Policy,
    /// Sessions that met it.
    pub successes: u64,
    /// Sessions that did not.
    pub failures: u64,
    /// How those failed.
    pub details: Vec<Detail>,
}

/// A policy that connections were held to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy {
    /// What kind it is.
    pub kind: PolicyKind,
    /// Its text: each TLSA record, or each line of the policy (MTA-STS).
    pub strings: Vec<String>,
    /// The domain that it is of.
    pub domain: String,
    /// The patterns of hosts that it names (MTA-STS).
    pub mx: Vec<String>,
}

/// What kind a policy is (RFC 8460, section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// DANE (RFC 7672).
    Tlsa,
    /// MTA-STS (RFC 8461).
    Sts,
    /// The domain has none.
    #[default]
    NotFound,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tlsa, Self::Sts, Self::NotFound];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NotFound => "no-policy-found",
        }
    }

    /// From the word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Sessions that failed alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detail {
    /// How: one of the words of [`Failure`], or another that a reporter has.
    pub result: String,
    /// The address that they came from.
    pub from: Option<String>,
    /// The host that they were for.
    pub mx: Option<String>,
    /// Its address.
    pub to: Option<String>,
    /// How many.
    pub sessions: u64,
    /// More about the reason, in words.
    pub reason: Option<String>,
}

/// How a session fails (RFC 8460, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The server offers no TLS.
    StartTlsNotSupported,
    /// The certificate is for other names.
    CertificateHostMismatch,
    /// The certificate's time is over, or has not come.
    CertificateExpired,
    /// Nobody who is trusted vouches for the certificate.
    CertificateNotTrusted,
    /// Anything else.
    ValidationFailure,
    /// None of the TLSA records can be used.
    TlsaInvalid,
    /// The TLSA records could not be had with proof.
    DnssecInvalid,
    /// DANE is demanded of the domain, and it has no records.
    DaneRequired,
    /// The policy (MTA-STS) could not be fetched.
    StsPolicyFetchError,
    /// The policy (MTA-STS) is wrong.
    StsPolicyInvalid,
    /// The certificate of the host that serves the policy (MTA-STS) does not hold.
    StsWebpkiInvalid,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::StartTlsNotSupported,
        Self::CertificateHostMismatch,
        Self::CertificateExpired,
        Self::CertificateNotTrusted,
        Self::ValidationFailure,
        Self::TlsaInvalid,
        Self::DnssecInvalid,
        Self::DaneRequired,
        Self::StsPolicyFetchError,
        Self::StsPolicyInvalid,
        Self::StsWebpkiInvalid,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartTlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::ValidationFailure => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebpkiInvalid => "sts-webpki-invalid",
        }
    }

    /// From the word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|failure| failure.as_str() == word)
    }
}

impl Report {
    /// The report in the standard's form (RFC 8460, section 4.4).
    #[must_use]
    pub fn to_json(&self) -> String {
        let policies: Vec<Value> = self.policies.iter().map(applied).collect();
        let report = json!({
            "organization-name": self.organisation,
            "date-range": {
                "start-datetime": self.begin.to_string(),
                "end-datetime": self.end.to_string(),
            },
            "contact-info": self.contact,
            "report-id": self.id,
            "policies": policies,
        });
        report.to_string()
    }
}

fn applied(applied: &Applied) -> Value {
    let policy = &applied.policy;
    let mut told = json!({
        "policy-type": policy.kind.as_str(),
        "policy-string": policy.strings,
        "policy-domain": policy.domain,
    });
    put(
        &mut told,
        "mx-host",
        (!policy.mx.is_empty()).then(|| policy.mx.clone()),
    );
    let mut whole = json!({
        "policy": told,
        "summary": {
            "total-successful-session-count": applied.successes,
            "total-failure-session-count": applied.failures,
        },
    });
    let details: Vec<Value> = applied.details.iter().map(detail).collect();
    put(
        &mut whole,
        "failure-details",
        (!details.is_empty()).then_some(details),
    );
    whole
}

fn detail(detail: &Detail) -> Value {
    let mut told = json!({
        "result-type": detail.result,
        "failed-session-count": detail.sessions,
    });
    put(&mut told, "sending-mta-ip", detail.from.as_deref());
    put(&mut told, "receiving-mx-hostname", detail.mx.as_deref());
    put(&mut told, "receiving-ip", detail.to.as_deref());
    put(
        &mut told,
        "additional-information",
        detail.reason.as_deref(),
    );
    told
}

/// A member that may not be there: what is not known is not told as `null`.
fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(object), Some(value)) = (object, value) {
        object.insert(name.to_owned(), value.into());
    }
}

/// Name of the attachment that holds a report about `domain` (RFC 8460, section 5.1): `sender!domain!begin!end!id.json.gz`.
#[must_use]
pub fn file_name(sender: &str, domain: &str, report: &Report) -> String {
    let letters = report.id.chars().filter(char::is_ascii_alphanumeric);
    let (begin, end) = (report.begin.as_second(), report.end.as_second());
    let unique: String = letters.collect();
    format!("{sender}!{domain}!{begin}!{end}!{unique}.json.gz")
}

/// Subject of the message that holds a report about `domain` (RFC 8460, section 5.3).
#[must_use]
pub fn subject(submitter: &str, domain: &str, report: &Report) -> String {
    format!(
        "Report Domain: {domain} Submitter: {submitter} Report-ID: <{}>",
        report.id
    )
}

#[cfg(test)]
mod tests;
