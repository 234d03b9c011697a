//! Mail that is set apart instead of delivered (clause 5.3(2)): accepted, durable, and nobody's until it is released.

use message::address::Address;
use protocol::smtp::{Refusal, Transaction};
use store::{
    BodyId, QueueId,
    event::DETAIL_LIMIT,
    quarantine::{For, NewHeld, Place as Waits},
};
use trail::{Actor, Event, Kind};

use super::{
    Conversation,
    accepted::{Accepted, body_number},
    allowance::Allowance,
    envelope::Place,
};
use crate::{content, metrics, text, tls_reports::Mark};

impl Conversation<'_> {
    /// Commits the message as set apart. Nothing goes on from here, and nobody is notified of a delivery: there is none yet.
    pub(super) async fn set_apart(
        &mut self,
        id: QueueId,
        transaction: &Transaction,
        (accepted, events, mark): (&Accepted, Vec<Event>, Mark),
        raw: Vec<u8>,
    ) -> Result<QueueId, Refusal> {
        let store = self.transfer.store();
        let trouble = |error: store::Error| self.store_trouble(&error);
        let recipients = self.waiting();
        let mut owners: Vec<_> = recipients.iter().map(|to| to.place.owner()).collect();
        owners.sort_unstable();
        owners.dedup();
        let mail = &transaction.mail;
        let sealing = store.clone();
        let message_id = content::message_id(&raw);
        let octets = raw.len();
        let sealed = store
            .blocking(move || sealing.seal(&raw, &owners))
            .await
            .map_err(trouble)?;
        let Some((_, screened)) = &self.open.screened else {
            tracing::error!(%id, "mail was to be set apart without a verdict");
            return Err(Refusal::temporary());
        };
        let verdict = &screened.verdict;
        let held = NewHeld {
            id,
            body: BodyId(sealed.id.0),
            size: sealed.size,
            sender: mail.reverse_path.address().cloned(),
            smtputf8: mail.smtputf8,
            require_tls: mail.requiretls,
            body_type: accepted.body_type().max(body_number(mail.body)),
            message_id,
            cause: verdict.because.as_str().to_owned(),
            criterion: verdict.criterion.clone(),
            strict: verdict.because.is_strict(),
            until: store.now() + self.settings.quarantine_time,
            recipients,
        };
        let mut events = events;
        events.extend(told(&held));
        let note = self.note();
        let known_by = mark.clone();
        // What is set apart goes nowhere that it could be held at, but it was submitted.
        let allowance = self.allowance(id, accepted.addresses.len(), false);
        let commit = store.commit(vec![sealed], move |tx| {
            note.write(tx)?;
            known_by.put(tx, &mut events)?;
            store::quarantine::keep(tx, &held)?;
            Allowance::take(allowance.as_ref(), tx, &events)
        });
        if let Err(untaken) = commit.await {
            return Err(self.untaken(untaken).await);
        }
        metrics::accepted(self.listener, octets);
        metrics::count(metrics::QUARANTINED);
        mark.tell();
        let sender = text::path(mail.reverse_path.address());
        tracing::info!(peer = %self.peer, %id, sender, "accepted and set apart");
        Ok(id)
    }

    /// Each account once, however many of its addresses were named; each address of another server once.
    fn waiting(&self) -> Vec<For> {
        let mut waiting: Vec<For> = Vec::new();
        let mut add = |address: &Address, place: Waits| {
            let is_new = match &place {
                Waits::Here(_) => waiting.iter().all(|to| to.place != place),
                Waits::Away(_) => waiting.iter().all(|to| to.address != *address),
            };
            if is_new {
                let address = address.clone();
                waiting.push(For { address, place });
            }
        };
        for target in &self.open.targets {
            match &target.place {
                Place::Here(recipients) => {
                    for recipient in recipients {
                        add(&target.address, Waits::Here(recipient.account));
                    }
                }
                Place::Nowhere | Place::Sink => {}
                Place::Queue(destination) => {
                    add(&target.address, Waits::Away(destination.clone()));
                }
            }
        }
        waiting
    }
}

fn told(held: &NewHeld) -> Vec<Event> {
    let names = held.recipients.iter().map(|to| to.address.to_string());
    let event = Event::new(Kind::QuarantineKept, Actor::System)
        .subject(held.id.to_string())
        .detail("sender", text::path(held.sender.as_ref()))
        .detail("cause", held.cause.as_str())
        .detail("until", held.until.to_string());
    let event = held.tell_criterion(event);
    event.in_parts(DETAIL_LIMIT, vec![("recipients", names.collect())])
}
