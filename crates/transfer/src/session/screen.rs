//! Mail is screened at the end of its data, before it is anybody's (DESIGN, rule 4): what is refused here was never taken, so
//! nobody is owed a report. Of mail from outside it is asked who it is from; scanners look at it and at submissions
//! (clause 5.2(4)), and then programs of others (module `engines`).

use std::sync::Arc;

use message::{
    build,
    header::{remove_fields, remove_results_of},
};
use protocol::smtp::{Detail, Refusal};
use screening::{Cause, Choice, Handling, Screened};
use store::{AccountId, QueueId};

use super::{Conversation, marked::Marked};
use crate::{Listener, abuse, metrics, parcel::Folder};

impl Conversation<'_> {
    /// Gathers what can be known of the message, and decides. Returns the message without fields that claim to be our word;
    /// `Err` is what the client is told. Either way `open.screened` holds evidence and verdict then.
    pub(super) async fn screen(
        &mut self,
        id: QueueId,
        mut raw: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        if self.open.is_for_sink() {
            self.open.discarded = true;
            return Ok(raw);
        }
        // An exchange server of ours has screened it already.
        if self.listener == Listener::Exchange && self.trusted {
            self.open.marked = Marked::said_in(&raw);
            if self.open.marked.is_some() {
                self.open.folder = Folder::Junk;
            }
            return Ok(raw);
        }
        let settings = Arc::clone(&self.settings);
        let screened = self.evidence_and_verdict(&settings, &mut raw).await;
        if self.is_from_outside() {
            // RFC 8601, section 5. Behind the evidence: a signature may cover what goes here. Before the milters: the site chose
            // them, so what they write of it stays.
            let forged = remove_results_of(&mut raw, &self.settings.hostname);
            if forged > 0 {
                tracing::info!(peer = %self.peer, %id, forged, "results that were not ours were removed");
            }
        }
        if let Some(name) = &settings.status_field {
            // Nobody's but ours, and submissions have none.
            remove_fields(&mut raw, name);
        }
        let screened = self.ask_engines(id, &settings, screened, &mut raw).await?;
        let refusal = screened.as_ref().and_then(|screened| refusal(id, screened));
        if let Some(screened) = screened {
            metrics::screened(&screened);
            match screened.verdict.handling {
                Handling::Mark => self.open.folder = Folder::Junk,
                Handling::Discard => self.open.discarded = true,
                Handling::Accept | Handling::Quarantine | Handling::Defer | Handling::Refuse => {}
            }
            self.choose_folders(&screened);
            if self.is_from_outside() && !self.open.is_canary() {
                self.open.abuse = abuse::prepared(self.transfer, (id, &screened), &raw);
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
        Ok(raw)
    }

    /// Whether nobody has vouched for it: no login, and no exchange server of ours.
    pub(super) fn is_from_outside(&self) -> bool {
        self.listener == Listener::Exchange && !self.trusted
    }

    /// Whether the verdict is that nobody gets the message until somebody releases it.
    pub(super) fn is_set_apart(&self) -> bool {
        let screened = self.open.screened.as_ref();
        screened.is_some_and(|(_, screened)| screened.verdict.handling == Handling::Quarantine)
    }

    /// Which mailboxes it goes to that differ from the others', since their holders taught that.
    fn choose_folders(&mut self, screened: &Screened) {
        let undecided = match screened.verdict.because {
            Cause::Words => screened.verdict.handling == Handling::Mark,
            Cause::NothingAgainst | Cause::DmarcNone => true,
            _ => false,
        };
        let Some(words) = screened.evidence.words.as_ref().filter(|_| undecided) else {
            return;
        };
        let policy = self.settings.policy();
        if policy.words.junk == Choice::Accept || policy.knows_well(&screened.evidence) {
            return;
        }
        for (account, guess) in &words.accounts {
            let folder = match policy.words.is_junk(*guess) {
                true => Folder::Junk,
                false => Folder::Inbox,
            };
            if let Ok(account) = i64::try_from(*account)
                && folder != self.open.folder
            {
                self.open.folders.insert(AccountId(account), folder);
            }
        }
    }

    /// The fields that tell the recipient's programs what was found, and what was decided of mail from outside.
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
        if let Some(name) = self
            .settings
            .status_field
            .as_ref()
            .filter(|_| self.is_from_outside())
        {
            let marked = self.open.folder == Folder::Junk;
            fields.push_str(&build::field(name, &screened.status(marked)));
        }
        fields.push_str(&self.handling_field());
        fields
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

/// A canary that nothing speaks against goes no further than any other.
fn missed() -> Refusal {
    Refusal::new::<554>(Detail::OTHER, "The canary was not caught")
}
