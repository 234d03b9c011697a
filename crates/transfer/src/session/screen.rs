//! Mail from outside is screened at the end of its data, before it is anybody's (DESIGN, rule 4): what is refused here was
//! never taken, so nobody is owed a report.

use std::sync::Arc;

use message::{build, header::remove_results_of};
use protocol::smtp::{Detail, Refusal};
use screening::{Arrival, Handling, Screened};
use store::QueueId;

use super::Conversation;
use crate::{Listener, Settings, metrics, parcel};

impl Conversation<'_> {
    /// Gathers what can be known of the message, and decides. Returns the message without fields that claim to be our word;
    /// `Err` is what the client is told. Either way `open.screened` holds evidence and verdict then.
    pub(super) async fn screen(
        &mut self,
        id: QueueId,
        mut raw: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        if !self.is_from_outside() {
            return Ok(raw);
        }
        let settings = Arc::clone(&self.settings);
        if let Some(screened) = self.evidence_and_verdict(&settings, &mut raw).await {
            metrics::screened(&screened);
            let refusal = refusal(id, &screened);
            self.open.screened = Some((id, screened));
            if let Some(refusal) = refusal {
                return Err(refusal);
            }
        }
        // RFC 8601, section 5. Behind the evidence: a signature may cover what goes here.
        let forged = remove_results_of(&mut raw, &self.settings.hostname);
        if forged > 0 {
            tracing::info!(peer = %self.peer, %id, forged, "results that were not ours were removed");
        }
        Ok(raw)
    }

    /// Whether nobody has vouched for it: no login, and no exchange server of ours, which has screened it already.
    fn is_from_outside(&self) -> bool {
        self.listener == Listener::Exchange && !self.trusted
    }

    async fn evidence_and_verdict(
        &self,
        settings: &Settings,
        raw: &mut Vec<u8>,
    ) -> Option<Screened> {
        let keys = settings.screening.as_ref()?;
        let screener = self.transfer.screener()?;
        let arrival = Arrival {
            peer: self.peer.ip(),
            hello: self.hello.as_ref().map_or("", |hello| hello.name.as_str()),
            sender: self.open.sender(),
        };
        // Shared for a while with the thread that hashes it.
        let shared = Arc::new(std::mem::take(raw));
        let evidence = screener.gather(arrival, &shared, keys.limits).await;
        *raw = Arc::unwrap_or_clone(shared);
        let verdict = keys.policy.judge(&evidence);
        Some(Screened { evidence, verdict })
    }

    /// The field that tells the recipient's programs what was found; empty when it was not screened.
    pub(super) fn results_field(&self) -> String {
        let Some((_, screened)) = &self.open.screened else {
            return String::new();
        };
        let host = self.settings.hostname.as_str();
        let value = screened.evidence.authentication_results(host);
        build::field("Authentication-Results", &value)
    }

    /// Which mailbox the verdict wants it in.
    pub(super) fn mailbox_for_it(&self) -> parcel::Folder {
        match &self.open.screened {
            Some((_, screened)) if screened.verdict.handling == Handling::Mark => {
                parcel::Folder::Junk
            }
            _ => parcel::Folder::Inbox,
        }
    }
}

/// What the client is told, with the id that `screening explain` knows it by.
fn refusal(id: QueueId, screened: &Screened) -> Option<Refusal> {
    let refused = screened.verdict.refusal()?;
    let (subject, detail) = refused.detail;
    let text = format!("{} ({id})", refused.text);
    let refusal = Refusal::with_code(refused.code, Detail::new(subject, detail), &text);
    Some(refusal.unwrap_or_else(Refusal::temporary))
}
