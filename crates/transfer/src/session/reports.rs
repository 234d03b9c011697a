//! Reports about own domains, of DMARC and about TLS, in the mail that brings them: read before it is taken, told in its commit.

use protocol::smtp::Refusal;
use screening::Finding;
use store::{Error, QueueId};
use trail::Event;

use super::Conversation;
use crate::{
    dmarc_reports,
    tls_reports::{self, Mark},
};

/// What a message to an address for reports holds.
#[derive(Debug)]
pub(super) enum Brought {
    /// About mail in own domains' names (RFC 9990).
    Dmarc(dmarc_reports::Received),
    /// About TLS with own servers (RFC 8460).
    Tls(tls_reports::Received),
}

impl Conversation<'_> {
    /// The report in a message to an address for reports.
    pub(super) async fn report(&self, raw: Vec<u8>) -> Result<(Vec<u8>, Option<Brought>), Refusal> {
        let settings = &self.settings;
        let is_for = |address: Option<&message::Address>| {
            let mut targets = self.open.targets.iter();
            address.is_some_and(|address| targets.any(|target| target.address == *address))
        };
        let dmarc = is_for(settings.dmarc_reports.address.as_ref());
        let tls = is_for(settings.tls_reports.address.as_ref());
        if !(dmarc || tls) || self.listener.is_submission() || self.trusted {
            return Ok((raw, None));
        }
        // One at a time: what is packed in it may be large.
        let _turn = self.transfer.report_reader().lock().await;
        let work = move || {
            let about_tls = tls.then(|| tls_reports::look(&raw, dmarc)).flatten();
            let found = match about_tls {
                Some(found) => Some(Brought::Tls(found)),
                None => dmarc.then(|| Brought::Dmarc(dmarc_reports::look(&raw))),
            };
            Ok((raw, found))
        };
        let read = self.transfer.store().blocking(work).await;
        read.map_err(|error: Error| self.store_trouble(&error))
    }

    /// What came in as `id`, for the trail, and what a report about TLS is known by.
    pub(super) fn report_events(&self, id: QueueId, report: &Brought) -> (Vec<Event>, Mark) {
        let screened = self.open.screened.as_ref();
        let dmarc = screened.map(|(_, screened)| &screened.evidence.dmarc);
        let shown = dmarc.filter(|dmarc| dmarc.result == Finding::Pass);
        let author = shown.map(|dmarc| dmarc.domain.as_str());
        let directory = self.transfer.directory();
        let is_own = |domain: &str| {
            message::Domain::parse(domain).is_ok_and(|domain| directory.is_own(&domain))
        };
        match report {
            Brought::Dmarc(report) => {
                let events = dmarc_reports::events(id, report, author.is_some(), is_own);
                (events, Mark::default())
            }
            Brought::Tls(report) => {
                let events = tls_reports::events(id, report, author.is_some(), is_own);
                let mark = Mark::of(report, author, &events);
                (events, mark)
            }
        }
    }
}
