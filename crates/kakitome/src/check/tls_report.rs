//! Whether others are asked to report about TLS with the servers of an own domain (RFC 8460).

use message::{
    address::{Address, Domain},
    tls_report::Request,
};
use transfer::{Answer, HickoryResolver};

use super::{Findings, Level};

/// `reports` is where the site reads reports, if it does.
pub(super) async fn check(
    resolver: &HickoryResolver,
    domain: &Domain,
    reports: Option<&Address>,
    found: &mut Findings,
) {
    let texts = match resolver.txt(&format!("_smtp._tls.{domain}")).await {
        Answer::Found(texts) => texts,
        Answer::NoName | Answer::NoRecords => Vec::new(),
        Answer::Temporary(why) => return found.add(Level::Error, "TLSRPT", why),
    };
    let claims = texts.iter().any(|text| text.starts_with("v=TLSRPTv1"));
    match (Request::of(&texts), reports) {
        (Some(request), Some(reports)) if !request.mail.contains(reports) => {
            let text = format!(
                "the record of {domain} does not send reports to {reports}: add rua=mailto:{reports}"
            );
            found.add(Level::Warning, "TLSRPT", text);
        }
        (Some(_), _) => {
            let text = format!("others are asked to report about TLS with {domain}");
            found.add(Level::Good, "TLSRPT", text);
        }
        (None, _) if claims => {
            let text = format!(
                "the record of {domain} is wrong, or not the only one, so that it counts for nothing (RFC 8460)"
            );
            found.add(Level::Error, "TLSRPT", text);
            found.add(Level::Publish, "TLSRPT", record(domain, reports));
        }
        (None, _) => {
            let text = format!("nobody is asked to report about TLS with {domain}");
            found.add(Level::Note, "TLSRPT", text);
            found.add(Level::Publish, "TLSRPT", record(domain, reports));
        }
    }
}

/// The record to publish.
pub(crate) fn record(domain: &Domain, reports: Option<&Address>) -> String {
    let to = reports.map_or_else(|| format!("postmaster@{domain}"), ToString::to_string);
    // In the record these have a meaning of their own (RFC 8460, section 3).
    let to = to
        .replace('%', "%25")
        .replace(',', "%2C")
        .replace(';', "%3B")
        .replace('!', "%21");
    format!("_smtp._tls.{domain}. TXT \"v=TLSRPTv1; rua=mailto:{to}\"")
}
