//! DMARC (RFC 9989): whether the author's domain stands behind the message, and what it asks for if not.

use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcOutput, DmarcResult, SpfOutput, SpfResult,
    dmarc::{self, verify::DmarcParameters},
};
use message::Domain;
use tokio::time::{Instant, timeout_at};

use super::Screener;
use crate::{Author, Dmarc, Finding, Published};

/// Domains that are asked for a record, from the author's own upwards (section 4.10: eight).
const MOST_STEPS: usize = 8;

impl Screener {
    /// The author's domain, against what SPF and DKIM showed.
    pub(super) async fn dmarc(
        &self,
        author: Author,
        domain: Option<Domain>,
        spf: &SpfOutput,
        signatures: &[DkimOutput<'_>],
        by: Instant,
    ) -> Dmarc {
        let Some(domain) = domain else {
            return Dmarc {
                author,
                ..Dmarc::default()
            };
        };
        let mut found = Dmarc {
            author,
            domain: domain.to_string(),
            ..Dmarc::default()
        };
        // The library reads From by itself; it is given the one address that matters, as we read it.
        let message = AuthenticatedMessage {
            from: vec![format!("author@{domain}")],
            ..AuthenticatedMessage::default()
        };
        let parameters = DmarcParameters::new(&message, signatures, spf.domain(), spf);
        let Ok(output) = timeout_at(by, self.asking.verify_dmarc(parameters)).await else {
            return in_doubt(found, spf, signatures);
        };
        found.result = result(&output.result());
        let Some(record) = output.dmarc_record() else {
            // What passed for the very domain needs no record to be aligned.
            return match found.result {
                Finding::Temperror => in_doubt(found, spf, signatures),
                _ => found,
            };
        };
        found.spf_aligned = output.spf_result() == &DmarcResult::Pass;
        found.dkim_aligned = output.dkim_result() == &DmarcResult::Pass;
        found.policy = Some(published(&output));
        found.found_at = self.place_of(&domain, record, by).await;
        found
    }

    /// Where the record was found: the library does not tell. The answers are remembered.
    async fn place_of(&self, author: &Domain, record: &dmarc::Dmarc, by: Instant) -> String {
        let labels: Vec<&str> = author.as_str().split('.').collect();
        // From eight labels on the second step goes to seven (section 4.10).
        let first_parent = labels.len().saturating_sub(MOST_STEPS - 1).max(1);
        let starts = std::iter::once(0).chain(first_parent..labels.len().saturating_sub(1));
        for start in starts.chain(labels.len().checked_sub(1)) {
            let name = labels.get(start..).unwrap_or_default().join(".");
            let key = format!("_dmarc.{name}.");
            let asking = self.asking.txt_lookup::<dmarc::Dmarc>(key, super::NO_CACHE);
            if let Ok(Ok(here)) = timeout_at(by, asking).await
                && *here == *record
            {
                return name;
            }
        }
        String::new()
    }
}

fn result(result: &DmarcResult) -> Finding {
    match result {
        DmarcResult::Pass => Finding::Pass,
        DmarcResult::Fail(_) => Finding::Fail,
        DmarcResult::TempError(_) => Finding::Temperror,
        DmarcResult::PermError(_) => Finding::Permerror,
        DmarcResult::None => Finding::None,
    }
}

fn published(output: &DmarcOutput) -> Published {
    match output.policy() {
        dmarc::Policy::Reject => Published::Reject,
        dmarc::Policy::Quarantine => Published::Quarantine,
        dmarc::Policy::None | dmarc::Policy::Unspecified => Published::None,
    }
}

/// The record could not be had. What passed for the author's very domain is aligned under every record.
fn in_doubt(found: Dmarc, spf: &SpfOutput, signatures: &[DkimOutput<'_>]) -> Dmarc {
    let is_same = |domain: &str| Domain::parse(domain).is_ok_and(|it| it.as_str() == found.domain);
    let signed = signatures.iter().any(|output| {
        let passed = output.result() == &DkimResult::Pass;
        passed && output.signature().is_some_and(|it| is_same(&it.d))
    });
    let sent = spf.result() == SpfResult::Pass && is_same(spf.domain());
    Dmarc {
        result: Finding::Temperror,
        spf_aligned: sent,
        dkim_aligned: signed,
        ..found
    }
}
