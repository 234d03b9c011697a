//! Reports of DMARC about own domains, in the mail that brings them: read before it is taken, told in its commit.

use message::Address;
use protocol::smtp::Refusal;
use screening::Finding;
use store::QueueId;
use trail::Event;

use super::Conversation;
use crate::dmarc_reports::{self, Received};

impl Conversation<'_> {
    /// The report in a message to the address for reports.
    pub(super) async fn report(
        &self,
        raw: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Received>), Refusal> {
        let address = self.settings.dmarc_reports.address.as_ref();
        if address.is_none() || self.listener.is_submission() || self.trusted {
            return Ok((raw, None));
        }
        let to: Vec<Address> = self
            .open
            .targets
            .iter()
            .map(|target| target.address.clone())
            .collect();
        // One at a time: what is packed in it may be large.
        let _turn = self.transfer.report_reader().lock().await;
        dmarc_reports::read(self.transfer.store(), address, &to, raw)
            .await
            .map_err(|error| self.store_trouble(&error))
    }

    /// What came in as `id`, for the trail.
    pub(super) fn report_events(&self, id: QueueId, report: &Received) -> Vec<Event> {
        let screened = self.open.screened.as_ref();
        let shown =
            screened.is_some_and(|(_, screened)| screened.evidence.dmarc.result == Finding::Pass);
        let directory = self.transfer.directory();
        let is_own = |domain: &str| {
            message::Domain::parse(domain).is_ok_and(|domain| directory.is_own(&domain))
        };
        dmarc_reports::events(id, report, shown, is_own)
    }
}
