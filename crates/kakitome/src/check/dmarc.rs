//! What an own domain publishes for DMARC, and whether those who report know where to.

use message::address::{Address, Domain};
use screening::DmarcRecord;
use transfer::{Answer, HickoryResolver};

use super::{Findings, Level};

/// `reports` is where the site reads reports, if it does.
pub(super) async fn check(
    resolver: &HickoryResolver,
    domain: &Domain,
    reports: Option<&Address>,
    found: &mut Findings,
) {
    let name = format!("_dmarc.{domain}");
    let records: Vec<DmarcRecord> = match resolver.txt(&name).await {
        Answer::Found(texts) => {
            let texts = texts.iter();
            texts
                .filter_map(|text| DmarcRecord::parse(text.as_bytes()))
                .collect()
        }
        Answer::NoName | Answer::NoRecords => Vec::new(),
        Answer::Temporary(why) => return found.add(Level::Error, "DMARC", why),
    };
    match records.as_slice() {
        [] => {
            found.add(Level::Warning, "DMARC", format!("{domain} has no policy"));
            let record = record(&name, domain, reports);
            found.add(Level::Publish, "DMARC", record);
        }
        [only] => {
            found.add(Level::Good, "DMARC", format!("{domain} has a policy"));
            if let Some(reports) = reports {
                destination(resolver, (only, domain), reports, found).await;
            }
        }
        _ => {
            let text = format!("{domain} has several policies, so that none counts (RFC 9989)");
            found.add(Level::Error, "DMARC", text);
        }
    }
}

/// The record to begin with.
pub(crate) fn record(name: &str, domain: &Domain, reports: Option<&Address>) -> String {
    let to = reports.map_or_else(|| format!("postmaster@{domain}"), ToString::to_string);
    format!("{name}. TXT \"v=DMARC1; p=none; rua=mailto:{to}\"")
}

/// Who takes reports for another domain says so (RFC 9990, section 4).
pub(crate) fn confirmation(domain: &Domain, reports: &Address) -> Option<(String, String)> {
    // Names within each other are mostly one organisation's; a record more does no harm, and none is needed.
    let host = reports.domain();
    let related = domain.is_within(host) || host.is_within(domain);
    let name = format!("{domain}._report._dmarc.{host}");
    (!related).then(|| (name.clone(), format!("{name}. TXT \"v=DMARC1\"")))
}

async fn destination(
    resolver: &HickoryResolver,
    (record, domain): (&DmarcRecord, &Domain),
    reports: &Address,
    found: &mut Findings,
) {
    let mut places = record.reports.iter();
    if !places.any(|place| place.address == *reports) {
        let text = format!(
            "the policy of {domain} does not send reports to {reports}: add rua=mailto:{reports}"
        );
        found.add(Level::Warning, "DMARC", text);
    }
    let Some((name, record)) = confirmation(domain, reports) else {
        return;
    };
    let said = matches!(
        resolver.txt(&name).await,
        Answer::Found(texts) if texts.iter().any(|text| DmarcRecord::parse(text.as_bytes()).is_some())
    );
    if !said {
        let text = format!("{reports} takes no reports about {domain} until its domain says so");
        found.add(Level::Warning, "DMARC", text);
        found.add(Level::Publish, "DMARC", record);
    }
}
