//! Counters: what happened since the start, for graphs and alarms. The trail has each case.

use engines::RspamdAction;
use metrics::{counter, describe_counter};
use screening::{Finding, Screened};

use crate::{Listener, outcome::Remote};

/// Transactions and submissions that were accepted.
const ACCEPTED: &str = "kakitome_messages_accepted_total";
/// Commands and contents of transactions and submissions that were refused.
const REFUSED: &str = "kakitome_transactions_refused_total";
/// Octets of accepted messages.
const BYTES: &str = "kakitome_messages_accepted_bytes_total";
/// Sessions that began.
const SESSIONS: &str = "kakitome_smtp_sessions_total";
/// Authentications at the MSA, by result.
const AUTHENTICATIONS: &str = "kakitome_submission_authentications_total";
/// Recipients whose message went into mailboxes here.
pub(crate) const DELIVERED: &str = "kakitome_recipients_delivered_total";
/// Recipients whose message another server took.
pub(crate) const RELAYED: &str = "kakitome_recipients_relayed_total";
/// Attempts that were put off, by recipient.
pub(crate) const DEFERRED: &str = "kakitome_recipients_deferred_total";
/// Recipients whose message failed.
pub(crate) const FAILED: &str = "kakitome_recipients_failed_total";
/// Recipients whose message was given up after its time.
pub(crate) const EXPIRED: &str = "kakitome_recipients_expired_total";
/// Notifications made.
pub(crate) const NOTIFIED: &str = "kakitome_notifications_total";

/// Submissions and recipients of them that were refused, since their identifier had met a limit.
pub(crate) const LIMITED: &str = "kakitome_submissions_limited_total";

/// What was refused without an event of its own: recipients who are not here, mail without a sender, sessions.
pub(crate) const FLOODED: &str = "kakitome_flood_refused_total";

/// Bounces that were accepted.
pub(crate) const BOUNCES: &str = "kakitome_bounces_total";
/// Bounces that were refused: for mail that was not sent from here.
pub(crate) const BACKSCATTER: &str = "kakitome_backscatter_refused_total";
/// Messages that were set apart.
pub(crate) const QUARANTINED: &str = "kakitome_messages_quarantined_total";
/// Recipients whose message was released from the quarantine.
pub(crate) const QUARANTINE_RELEASED: &str = "kakitome_quarantine_released_total";
/// Recipients whose message was deleted in the quarantine by command.
pub(crate) const QUARANTINE_DELETED: &str = "kakitome_quarantine_deleted_total";
/// Recipients whose message's time in the quarantine was over.
pub(crate) const QUARANTINE_EXPIRED: &str = "kakitome_quarantine_expired_total";

/// Messages that were screened, by handling.
const SCREENED: &str = "kakitome_messages_screened_total";
/// Results of SPF (of MAIL FROM), DKIM (of each signature) and DMARC.
const RESULTS: &str = "kakitome_authentication_results_total";

/// Messages that scanners were asked about.
const SCANS: &str = "kakitome_scans_total";
/// Messages that programs of others were asked about.
const ENGINES: &str = "kakitome_engines_total";

/// Recipients whose message another server took, by what was demanded of the connection and what it was.
const RELAYED_BY_TLS: &str = "kakitome_recipients_relayed_by_tls_total";

/// Sessions with servers of this site that others reported of (RFC 8460), by result.
const TLS_REPORTED: &str = "kakitome_tls_sessions_reported_total";

/// Counts sessions that somebody reported of.
pub(crate) fn tls_told(sessions: u64, failed: u64) {
    counter!(TLS_REPORTED, "result" => "failure").increment(failed);
    counter!(TLS_REPORTED, "result" => "success").increment(sessions.saturating_sub(failed));
}

/// Counts a recipient that `remote` took, by how the connection was secured.
pub(crate) fn relayed(remote: &Remote) {
    let tls = match &remote.tls {
        None => "none",
        Some(tls) if tls.verified => "verified",
        Some(_) => "encrypted",
    };
    counter!(RELAYED_BY_TLS, "policy" => remote.policy, "tls" => tls).increment(1);
}

/// Tells the recorder what each counter means, and lets the plain ones begin at zero.
pub(crate) fn describe() {
    describe_counter!(
        ACCEPTED,
        "Messages accepted, by service (exchange, submission)"
    );
    describe_counter!(
        REFUSED,
        "Commands and contents of transactions refused, by service and class of reply"
    );
    describe_counter!(BYTES, metrics::Unit::Bytes, "Octets of accepted messages");
    describe_counter!(SESSIONS, "SMTP sessions begun, by service");
    describe_counter!(
        AUTHENTICATIONS,
        "Authentications at submission, by outcome (success, failure)"
    );
    describe_counter!(
        TLS_REPORTED,
        "Sessions with servers of this site that others reported of (TLSRPT, RFC 8460), by result (success, failure)"
    );
    tls_told(0, 0);
    describe_counter!(
        SCREENED,
        "Messages that were screened, by handling (accept, mark, quarantine, defer, discard, refuse)"
    );
    describe_counter!(
        SCANS,
        "Messages that scanners were asked about, by scanner (clamd, inspection, yara) and result (clean, found, noted, failed)"
    );
    describe_counter!(
        ENGINES,
        "Messages that rspamd or a milter was asked about, by engine (rspamd, or the milter's name) and result (rspamd's action, the milter's result, or failed)"
    );
    describe_counter!(
        RESULTS,
        "Results of sender authentication, by method (spf, dkim, arc, dmarc) and result (RFC 8601)"
    );
    describe_counter!(
        RELAYED_BY_TLS,
        "Recipients taken by other servers, by what was demanded of the connection (none, opportunistic, verified, dane, dane-unusable, mta-sts) and what it was (none, encrypted, verified)"
    );
    for (name, meaning) in [
        (DELIVERED, "Recipients delivered to mailboxes here"),
        (RELAYED, "Recipients taken by other servers"),
        (DEFERRED, "Delivery attempts put off, by recipient"),
        (FAILED, "Recipients that failed for good"),
        (EXPIRED, "Recipients given up after their time"),
        (
            LIMITED,
            "Submissions refused because their identifier had met a limit",
        ),
        (
            FLOODED,
            "Recipients, transactions without a sender and sessions turned away by the budgets for floods",
        ),
        (BOUNCES, "Bounces accepted"),
        (
            BACKSCATTER,
            "Bounces refused because the mail was not sent from here",
        ),
        (QUARANTINED, "Messages set apart"),
        (
            QUARANTINE_RELEASED,
            "Recipients whose message was released from the quarantine",
        ),
        (
            QUARANTINE_DELETED,
            "Recipients whose message was deleted in the quarantine",
        ),
        (
            QUARANTINE_EXPIRED,
            "Recipients whose message stayed in the quarantine to the end of its time",
        ),
        (NOTIFIED, "Delivery status notifications made"),
    ] {
        describe_counter!(name, meaning);
        counter!(name).increment(0);
    }
}

/// One more.
pub(crate) fn count(name: &'static str) {
    count_many(name, 1);
}

/// So many more.
pub(crate) fn count_many(name: &'static str, more: usize) {
    counter!(name).increment(u64::try_from(more).unwrap_or(u64::MAX));
}

/// A session began.
pub(crate) fn session(listener: Listener) {
    counter!(SESSIONS, "service" => service(listener)).increment(1);
}

/// A message of `octets` was accepted.
pub(crate) fn accepted(listener: Listener, octets: usize) {
    let service = service(listener);
    counter!(ACCEPTED, "service" => service).increment(1);
    counter!(BYTES, "service" => service).increment(u64::try_from(octets).unwrap_or(u64::MAX));
}

/// A command or the content of a transaction was refused.
pub(crate) fn refused(listener: Listener, permanent: bool) {
    let class = if permanent { "permanent" } else { "temporary" };
    counter!(REFUSED, "service" => service(listener), "class" => class).increment(1);
}

/// A message was screened.
pub(crate) fn screened(screened: &Screened) {
    counter!(SCREENED, "handling" => screened.verdict.handling.as_str()).increment(1);
    let evidence = &screened.evidence;
    if let Some(said) = &evidence.malware {
        scanned(said);
    }
    if let Some(said) = &evidence.rspamd {
        let result = said.action.map_or("failed", RspamdAction::as_str);
        counter!(ENGINES, "engine" => "rspamd", "result" => result).increment(1);
    }
    for said in &evidence.milters {
        let name = said.milter.clone();
        counter!(ENGINES, "engine" => name, "result" => said.result.as_str()).increment(1);
    }
    if !evidence.authentication {
        return;
    }
    let count = |method: &'static str, result: Finding| {
        counter!(RESULTS, "method" => method, "result" => result.as_str()).increment(1);
    };
    count("spf", evidence.spf.result);
    count("arc", evidence.arc.result);
    count("dmarc", evidence.dmarc.result);
    match evidence.dkim.as_slice() {
        [] => count("dkim", Finding::None),
        all => all.iter().for_each(|one| count("dkim", one.result)),
    }
}

fn scanned(said: &malware::Malware) {
    let count = |scanner: &'static str, result: &'static str| {
        counter!(SCANS, "scanner" => scanner, "result" => result).increment(1);
    };
    if let Some(scan) = &said.clamd {
        count("clamd", scan.result.as_str());
    }
    if let Some(rules) = &said.yara {
        count("yara", rules.result.as_str());
    }
    if let Some(inspection) = &said.inspection {
        let result = inspection
            .facts
            .as_ref()
            .map(|facts| facts.concerns.is_empty());
        count(
            "inspection",
            match result {
                Some(true) => "clean",
                Some(false) => "noted",
                None => "failed",
            },
        );
    }
}

/// An identifier proved itself, or did not.
pub(crate) fn authentication(succeeded: bool) {
    let outcome = if succeeded { "success" } else { "failure" };
    counter!(AUTHENTICATIONS, "outcome" => outcome).increment(1);
}

fn service(listener: Listener) -> &'static str {
    if listener.is_submission() {
        "submission"
    } else {
        "exchange"
    }
}
