//! Mail is screened at the end of its data, before it is anybody's (DESIGN, rule 4): what is refused here was never taken, so
//! nobody is owed a report. Of mail from outside it is asked who it is from; scanners look at it and at submissions
//! (clause 5.2(4)).

use std::sync::Arc;

use message::{
    build,
    header::{Field, Header, remove_results_of},
};
use protocol::smtp::{Detail, Refusal};
use screening::{
    Arrival, Evidence, Handling, Screened,
    outbreak::{self, Blocked, Rule, RuleHandling},
};
use store::QueueId;

use super::Conversation;
use crate::{Listener, Settings, metrics, parcel::Folder};

/// How an exchange server tells its mailbox server what the verdict was. Nobody gains by forging it: all it can do is to put the
/// message into Junk.
const HANDLING_FIELD: &str = "X-Kakitome-Handling";

impl Conversation<'_> {
    /// Gathers what can be known of the message, and decides. Returns the message without fields that claim to be our word;
    /// `Err` is what the client is told. Either way `open.screened` holds evidence and verdict then.
    pub(super) async fn screen(
        &mut self,
        id: QueueId,
        mut raw: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        // An exchange server of ours has screened it already.
        if self.listener == Listener::Exchange && self.trusted {
            if is_marked(&raw) {
                self.open.folder = Folder::Junk;
            }
            return Ok(raw);
        }
        let settings = Arc::clone(&self.settings);
        let screened = self.evidence_and_verdict(&settings, &mut raw).await;
        let refusal = screened.as_ref().and_then(|screened| refusal(id, screened));
        if let Some(screened) = screened {
            metrics::screened(&screened);
            match screened.verdict.handling {
                Handling::Mark => self.open.folder = Folder::Junk,
                Handling::Discard => self.open.discarded = true,
                Handling::Accept | Handling::Quarantine | Handling::Defer | Handling::Refuse => {}
            }
            self.open.screened = Some((id, screened));
        }
        if self.open.is_canary() {
            self.transfer.canary().came(self.open.screened.as_ref());
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if self.open.is_canary() {
            return Err(missed());
        }
        if self.is_from_outside() {
            // RFC 8601, section 5. Behind the evidence: a signature may cover what goes here.
            let forged = remove_results_of(&mut raw, &self.settings.hostname);
            if forged > 0 {
                tracing::info!(peer = %self.peer, %id, forged, "results that were not ours were removed");
            }
        }
        Ok(raw)
    }

    /// Whether nobody has vouched for it: no login, and no exchange server of ours.
    fn is_from_outside(&self) -> bool {
        self.listener == Listener::Exchange && !self.trusted
    }

    /// Whether the verdict is that nobody gets the message until somebody releases it.
    pub(super) fn is_set_apart(&self) -> bool {
        let screened = self.open.screened.as_ref();
        screened.is_some_and(|(_, screened)| screened.verdict.handling == Handling::Quarantine)
    }

    /// `None`: nothing is to be asked about it.
    async fn evidence_and_verdict(
        &self,
        settings: &Settings,
        raw: &mut Vec<u8>,
    ) -> Option<Screened> {
        let screening = settings
            .screening
            .as_ref()
            .filter(|_| self.is_from_outside());
        let authentication = screening.zip(self.transfer.screener());
        let scanners = settings.malware.as_ref().and(self.transfer.scanners());
        let scanners = scanners.filter(|scanners| scanners.any());
        let rules = self.transfer.outbreak_rules();
        if authentication.is_none() && scanners.is_none() && rules.is_empty() {
            return None;
        }
        let hello = self.hello.as_ref().map_or("", |hello| hello.name.as_str());
        let arrival = Arrival {
            peer: self.peer.ip(),
            hello,
            sender: self.open.sender(),
        };
        // Shared for a while with the thread that hashes it.
        let shared = Arc::new(std::mem::take(raw));
        let asking = async {
            match &authentication {
                Some((keys, screener)) => screener.gather(arrival, &shared, keys.limits).await,
                None => Evidence::unasked(self.peer.ip()),
            }
        };
        let scanning = async {
            let scanners = scanners.as_ref()?;
            Some(scanners.look(&shared, self.transfer.world().now()).await)
        };
        let (mut evidence, said) = tokio::join!(asking, scanning);
        evidence.own = self.listener.is_submission();
        let blocked = self.blocked(rules, &shared).await;
        *raw = Arc::unwrap_or_clone(shared);
        if let Some(blocked) = blocked {
            evidence = evidence.with_blocked(blocked);
        }
        if let Some(said) = said {
            evidence = evidence.with_malware(said);
        }
        let verdict = settings.policy().judge(&evidence);
        Some(Screened { evidence, verdict })
    }

    /// The rule against an outbreak that means the message. Looked for where blocking is allowed: digests take their time.
    async fn blocked(&self, rules: Vec<Rule>, raw: &Arc<Vec<u8>>) -> Option<Blocked> {
        if rules.is_empty() {
            return None;
        }
        let (sender, shared) = (self.open.sender().cloned(), Arc::clone(raw));
        let work =
            move || Ok::<_, store::Error>(outbreak::blocked(&rules, sender.as_ref(), &shared));
        match self.transfer.store().blocking(work).await {
            Ok(blocked) => blocked,
            Err(error) => {
                // Never "not meant": the strictest there is, for now.
                tracing::error!(peer = %self.peer, %error, "a message could not be held against the rules of an outbreak");
                Some(Blocked {
                    rule: 0,
                    handling: RuleHandling::Defer,
                    what: String::new(),
                })
            }
        }
    }

    /// The fields that tell the recipient's programs what was found; none when it was not asked who it is from.
    pub(super) fn results_fields(&self) -> String {
        let Some((_, screened)) = &self.open.screened else {
            return String::new();
        };
        let host = self.settings.hostname.as_str();
        let mut fields = String::new();
        if screened.evidence.authentication {
            let value = screened.evidence.authentication_results(host);
            fields = build::field("Authentication-Results", &value);
        }
        // The mailboxes may be another server's.
        if self.open.folder == Folder::Junk && !self.settings.roles.has_mailboxes() {
            fields.push_str(&build::field(HANDLING_FIELD, Handling::Mark.as_str()));
        }
        fields
    }
}

/// Whether the exchange server that hands the message over says that it belongs into Junk.
fn is_marked(raw: &[u8]) -> bool {
    let header = Header::named(raw, &[HANDLING_FIELD], 1);
    let mut fields = header.iter();
    let says = fields.next().map(Field::unfolded);
    says.is_some_and(|says| says == Handling::Mark.as_str())
}

/// What the client is told, with the id that `screening explain` knows it by.
fn refusal(id: QueueId, screened: &Screened) -> Option<Refusal> {
    let refused = screened.verdict.refusal()?;
    let (subject, detail) = refused.detail;
    let text = format!("{} ({id})", refused.text);
    let refusal = Refusal::with_code(refused.code, Detail::new(subject, detail), &text);
    Some(refusal.unwrap_or_else(Refusal::temporary))
}

/// A canary that nothing speaks against goes no further than any other.
fn missed() -> Refusal {
    Refusal::new::<554>(Detail::OTHER, "The canary was not caught")
}
