//! Programs of others are asked last (clause 5.3): of mail that is not refused, put off or thrown away so far, first rspamd, then each milter in
//! the order of the settings, each shown the message as the one before left it. Who refuses, defers or discards ends the row.

use std::sync::Arc;

use engines::{Changes, Envelope, Milter, Tls, edited};
use protocol::smtp::{BodyKind, Refusal};
use screening::{Evidence, Finding, Handling, Screened, Verdict};
use store::QueueId;

use super::{Conversation, content::no_memory};
use crate::Settings;

impl Conversation<'_> {
    /// Asks those that are to be shown such mail, and judges again. `raw` is the message as they left it then.
    ///
    /// # Errors
    /// When there is no memory to change it.
    pub(super) async fn ask_engines(
        &self,
        id: QueueId,
        settings: &Settings,
        screened: Option<Screened>,
        raw: &mut Vec<u8>,
    ) -> Result<Option<Screened>, Refusal> {
        let is_submission = self.listener.is_submission();
        let engines = &settings.engines;
        let rspamd = engines
            .rspamd
            .as_ref()
            .filter(|(shown, _)| shown.holds(is_submission));
        let milters = engines.milters.iter();
        let milters: Vec<&Milter> = milters
            .filter(|(shown, _)| shown.holds(is_submission))
            .map(|(_, milter)| milter)
            .collect();
        let is_settled = screened.as_ref().is_some_and(|done| ends(&done.verdict));
        let nobody = rspamd.is_none() && milters.is_empty();
        // A canary is for the scanners, and goes no further.
        if is_settled || nobody || self.open.is_canary() {
            return Ok(screened);
        }
        let mut evidence = match screened {
            Some(screened) => screened.evidence,
            None => Evidence::unasked(self.peer.ip()),
        };
        evidence.own = is_submission;
        let envelope = self.told(id, settings, &evidence);
        let policy = settings.policy();
        if let Some((_, rspamd)) = rspamd {
            // Shared for a while with the request.
            let shared = Arc::new(std::mem::take(raw));
            let said = rspamd.ask(&envelope, Arc::clone(&shared)).await;
            *raw = Arc::unwrap_or_clone(shared);
            evidence = evidence.with_rspamd(said);
        }
        let mut verdict = policy.judge(&evidence);
        let mut all = Vec::new();
        for milter in milters {
            if ends(&verdict) {
                break;
            }
            let (said, changes) = milter.show(&envelope, raw).await;
            self.change(raw, changes).await?;
            all.push(said);
            evidence = evidence.with_milters(all.clone());
            verdict = policy.judge(&evidence);
        }
        Ok(Some(Screened { evidence, verdict }))
    }

    async fn change(&self, raw: &mut Vec<u8>, changes: Changes) -> Result<(), Refusal> {
        if changes.is_empty() {
            return Ok(());
        }
        let body = changes.body.as_ref().map_or(0, Vec::len);
        let octets = u64::try_from(raw.len().saturating_add(body)).unwrap_or(u64::MAX);
        // For the moment in which there are two of it.
        let patience = self.settings.times.memory;
        let room = self.transfer.memory().to_seal(octets, patience).await;
        let _room = room.map_err(|_| {
            tracing::warn!(peer = %self.peer, "mail is put off: the memory for changing it stayed in use");
            no_memory()
        })?;
        *raw = edited(raw, &changes.edits, changes.body.as_deref());
        Ok(())
    }

    /// What they are told beside the message.
    fn told(&self, id: QueueId, settings: &Settings, evidence: &Evidence) -> Envelope {
        let mail = self.open.mail.as_ref();
        let mut parameters = Vec::new();
        if let Some(size) = mail.and_then(|mail| mail.size) {
            parameters.push(format!("SIZE={size}"));
        }
        match mail.map(|mail| mail.body) {
            Some(BodyKind::EightBitMime) => parameters.push("BODY=8BITMIME".to_owned()),
            Some(BodyKind::BinaryMime) => parameters.push("BODY=BINARYMIME".to_owned()),
            Some(BodyKind::SevenBit) | None => {}
        }
        if mail.is_some_and(|mail| mail.smtputf8) {
            parameters.push("SMTPUTF8".to_owned());
        }
        let named = evidence.iprev.result == Finding::Pass;
        let targets = self.open.targets.iter();
        Envelope {
            id: id.to_string(),
            hostname: settings.hostname.as_str().to_owned(),
            listener: match self.listener.is_submission() {
                true => "submission",
                false => "exchange",
            },
            peer: self.peer,
            peer_name: evidence.iprev.name.clone().filter(|_| named),
            hello: self
                .hello
                .as_ref()
                .map(|hello| hello.name.clone())
                .unwrap_or_default(),
            tls: self.tls().map(|tls| Tls {
                version: tls.version.to_owned(),
                cipher: tls.cipher.clone(),
            }),
            login: self.login.as_ref().map(|login| login.identifier.clone()),
            mechanism: self.mechanism.to_owned(),
            sender: self
                .open
                .sender()
                .map(ToString::to_string)
                .unwrap_or_default(),
            parameters,
            recipients: targets.map(|target| target.address.to_string()).collect(),
        }
    }
}

/// Whether nobody else needs to see the message.
fn ends(verdict: &Verdict) -> bool {
    matches!(
        verdict.handling,
        Handling::Defer | Handling::Discard | Handling::Refuse
    )
}
