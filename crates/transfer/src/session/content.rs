//! DATA and BDAT: the content is gathered in bounded memory, then one commit puts it where it goes, and only
//! its receipt makes the reply 250.

use message::{
    address::Address,
    bounce::Bounce,
    build::{Received, received_count},
    header::Header,
};
use protocol::smtp::{
    Detail, Mail, Refusal, Ret, Transaction,
    server::{DataAnswer, EndAnswer, EndOfData},
};
use store::{
    BodyId, QueueId,
    event::DETAIL_LIMIT,
    queue::{self, NewQueued, NewRecipient},
};
use tokio::time::Instant;
use trail::{Event, Kind};

use super::{
    Conversation,
    accepted::{Accepted, body_number},
    allowance::Allowance,
    envelope,
};
use crate::{
    Listener,
    acquaintance::Note,
    bounces, content, metrics,
    notify::{self, Origin},
    parcel::{self, Folder, Parcel},
    route::Hop,
    signing, text,
    tls_reports::Mark,
    trace,
};

impl Conversation<'_> {
    pub(super) fn data_begins(&mut self, transaction: Transaction, answer: DataAnswer) {
        self.open.began = Some(Instant::now());
        self.open.transaction = Some(transaction);
        answer.accept(&mut self.machine);
    }

    /// Keeps a piece, once there is room for it. While there is none, nothing is read from the client.
    pub(super) async fn body(&mut self, octets: &[u8]) {
        if self.open.given_up {
            return;
        }
        let length = self.open.raw.len().saturating_add(octets.len());
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        let asked = Instant::now();
        let room = self.open.held.grow_to(wanted, self.settings.times.memory);
        let room = room.await;
        self.open.waited = self.open.waited.saturating_add(asked.elapsed());
        if room.is_err() {
            tracing::warn!(peer = %self.peer, "mail is put off: the memory for messages stayed in use");
            self.open.given_up = true;
            self.open.raw = Vec::new();
            self.open.held.release();
            self.machine.stop_body(no_memory());
            return;
        }
        self.open.raw.extend_from_slice(octets);
    }

    pub(super) async fn end_of_data(&mut self, end: EndOfData, answer: EndAnswer) {
        self.open.held.complete();
        match self.accept_message(end).await {
            Ok(id) => {
                self.sent_wanted();
                answer.accept(&mut self.machine, &format!("Accepted as {id}"));
            }
            Err(refusal) => {
                let reason = match refusal == envelope::answers_nothing() {
                    true => envelope::ANSWERS_NOTHING,
                    false => "",
                };
                let refusal = self.refused_and_isolated(refusal, reason).await;
                answer.refuse(&mut self.machine, refusal);
            }
        }
        self.open.clear();
    }

    /// Takes responsibility for the message, or says why not.
    ///
    /// Quotas are not looked at again: RCPT decides, for one recipient as for several. A mailbox that had room
    /// for the declared size, or any room when none was declared, gets this message even if it is the last one
    /// over its quota; from then on RCPT refuses. So no recipient depends on another's quota, and nothing that
    /// was accepted is ever returned for want of room.
    async fn accept_message(&mut self, mut end: EndOfData) -> Result<QueueId, Refusal> {
        let Some(transaction) = self.open.transaction.take() else {
            return Err(Refusal::temporary());
        };
        if self.open.given_up {
            return Err(no_memory());
        }
        let raw = std::mem::take(&mut self.open.raw);
        self.open.size = raw.len();
        if u64::try_from(raw.len()).ok() != Some(end.octets) {
            // What is acknowledged must be what came, whatever went wrong before.
            tracing::error!(peer = %self.peer, kept = raw.len(), came = end.octets, "a message is not whole");
            return Err(Refusal::temporary());
        }
        if received_count(&raw) > self.settings.limits.received_lines {
            return Err(Refusal::new::<554>(
                Detail::ROUTING_LOOP,
                "Too many hops: this message is in a loop",
            ));
        }
        let id = QueueId(self.transfer.store().next_id());
        let (raw, bounce) = self.bounce(raw).await?;
        // Before anybody looks at it: what is looked at is what is sent.
        let raw = self.finished(raw, &transaction).await?;
        // Before the memory for sealing is asked for: the DNS may take its time.
        let raw = self.screen(id, raw).await?;
        // A milter may have changed it.
        end.octets = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        end.eight_bit |= !raw.is_ascii();
        if self.open.discarded {
            return self.discard(id, &transaction, end, &raw).await;
        }
        let patience = self.settings.times.memory;
        // Held until the commit is done or has failed.
        let _room = self.transfer.memory().to_seal(end.octets, patience).await.map_err(|_| {
            tracing::warn!(peer = %self.peer, "mail is put off: the memory for sealing stayed in use");
            no_memory()
        })?;
        let (raw, report) = self.report(raw).await?;
        let mut accepted = Accepted::new(&transaction, &self.open.targets, end)?;
        let hostname = self.settings.hostname.as_str();
        if !accepted.onward.is_empty() && passes(&raw, hostname) >= MOST_PASSES {
            accepted.stay();
        }
        accepted.bounce = bounce;
        accepted.report = report;
        self.commit(id, transaction, accepted, raw).await
    }

    /// What a message without a sender tells of mail that was not delivered. `Err`: that was not sent from here.
    async fn bounce(&self, raw: Vec<u8>) -> Result<(Vec<u8>, Option<Bounce>), Refusal> {
        let from_outside = self.listener == Listener::Exchange && !self.trusted;
        if self.open.sender().is_some() || !from_outside {
            return Ok((raw, None));
        }
        let (raw, bounce) = bounces::read(self.transfer.store(), raw)
            .await
            .map_err(|error| self.store_trouble(&error))?;
        let answers_nothing = self
            .open
            .targets
            .iter()
            .all(|target| target.answers_nothing);
        if bounce.is_some() && answers_nothing {
            metrics::count(metrics::BACKSCATTER);
            if let Some(target) = self.open.targets.first() {
                self.note_forged_bounce(&target.address).await;
            }
            return Err(envelope::answers_nothing());
        }
        Ok((raw, bounce))
    }

    /// Takes the message and throws it away: who sent it is told that it was taken, and the trail what became of it.
    async fn discard(
        &self,
        id: QueueId,
        transaction: &Transaction,
        end: EndOfData,
        raw: &[u8],
    ) -> Result<QueueId, Refusal> {
        let mut accepted = Accepted::new(transaction, &self.open.targets, end)?;
        accepted.accounts.clear();
        let sender = transaction.mail.reverse_path.address().cloned();
        let origin = self.origin(id, &transaction.mail);
        let mut events = self.events(id, &accepted, &origin, raw.len(), &content::message_id(raw));
        let names = accepted.addresses.iter().map(ToString::to_string);
        let event = Event::new(Kind::MessageDiscarded, trail::Actor::System)
            .subject(id.to_string())
            .detail("sender", text::path(sender.as_ref()));
        events.extend(event.in_parts(DETAIL_LIMIT, vec![("recipients", names.collect())]));
        let note = self.note();
        let allowance = self.allowance(id, accepted.addresses.len(), false);
        let work = move |tx: &mut store::Tx<'_>| {
            note.write(tx)?;
            Allowance::take(allowance.as_ref(), tx, &events)
        };
        if let Err(untaken) = parcel::commit(self.transfer.store(), Vec::new(), work).await {
            return Err(self.untaken(untaken).await);
        }
        metrics::accepted(self.listener, raw.len());
        tracing::info!(peer = %self.peer, %id, sender = text::path(sender.as_ref()), "accepted and discarded");
        Ok(id)
    }

    fn origin(&self, id: QueueId, mail: &Mail) -> Origin {
        Origin {
            id,
            sender: mail.reverse_path.address().cloned(),
            envelope_id: mail.envid.clone(),
            return_full: mail.ret.map(|ret| ret == Ret::Full),
            arrived: self.transfer.world().now(),
            smtputf8: mail.smtputf8,
            require_tls: mail.requiretls,
        }
    }

    /// Submissions get what they lack, and must name authors and a sender who are the submitter.
    async fn finished(&self, raw: Vec<u8>, transaction: &Transaction) -> Result<Vec<u8>, Refusal> {
        if !self.listener.is_submission() {
            return Ok(raw);
        }
        let Some(authors) = content::authors(&raw) else {
            return Err(Refusal::new::<550>(
                Detail::CONTENT,
                "The message has not one From field with valid addresses",
            ));
        };
        let Some(senders) = content::senders(&raw) else {
            return Err(Refusal::new::<550>(
                Detail::CONTENT,
                "The message has a Sender field without a valid address",
            ));
        };
        if transaction.mail.reverse_path.is_null() && !content::is_report(&raw) {
            return Err(Refusal::new::<550>(
                Detail::NOT_AUTHORIZED,
                "Only reports may be submitted without a sender",
            ));
        }
        for address in &authors {
            if !self.may_author(address).await? {
                return Err(Refusal::new::<550>(
                    Detail::NOT_AUTHORIZED,
                    "The From address is not yours",
                ));
            }
        }
        // Mail programs show it beside From, or in its place: "on behalf of".
        for address in &senders {
            if !self.may_author(address).await? {
                return Err(Refusal::new::<550>(
                    Detail::NOT_AUTHORIZED,
                    "The Sender address is not yours",
                ));
            }
        }
        let world = self.transfer.world();
        Ok(content::complete(raw, world, &self.settings.hostname))
    }

    async fn may_author(&self, address: &Address) -> Result<bool, Refusal> {
        let directory = self.transfer.directory();
        match &self.login {
            Some(login) => match directory.may_send_as(login, address).await {
                Ok(may) => Ok(may),
                Err(error) => Err(self.store_trouble(&error)),
            },
            None => {
                Ok(!self.settings.submission_requires_own_domain
                    || directory.is_own(address.domain()))
            }
        }
    }

    async fn commit(
        &mut self,
        id: QueueId,
        transaction: Transaction,
        accepted: Accepted,
        raw: Vec<u8>,
    ) -> Result<QueueId, Refusal> {
        let store = self.transfer.store();
        let trouble = |error: store::Error| self.store_trouble(&error);
        let mail = &transaction.mail;
        let sender = mail.reverse_path.address().cloned();
        let raw = self.signed(&accepted, raw).await;
        let raw = self.with_trace(id, &accepted, sender.as_ref(), mail.smtputf8, raw);
        let origin = self.origin(id, mail);
        let notices = notify::parcel(
            self.transfer,
            &self.settings,
            &origin,
            accepted.delivered_reports(),
            &raw,
        )
        .await
        .map_err(trouble)?;
        let message_id = content::message_id(&raw);
        let mut events = self.events(id, &accepted, &origin, raw.len(), &message_id);
        if let Some(bounce) = &accepted.bounce {
            events.extend(bounces::events(id, &accepted.addresses, bounce));
            metrics::count(metrics::BOUNCES);
        }
        let mut mark = Mark::default();
        if let Some(report) = &accepted.report {
            let (reported, known_by) = self.report_events(id, report);
            events.extend(reported);
            mark = known_by;
        }
        if self.is_set_apart() {
            let how = (&accepted, events, mark);
            return self.set_apart(id, &transaction, how, raw).await;
        }
        let (octets, delivered) = (raw.len(), accepted.local.len());
        let body_type = accepted.body_type.max(body_number(mail.body));
        let named = (&origin, message_id.as_str(), body_type);
        let mut queued = self.onward(&accepted, named, &mut events);
        let note = match self.login.is_some() && self.settings.screening.is_some() {
            true => Note::of_correspondents(accepted.queued.iter().map(|to| &to.address)),
            false => self.note(),
        };
        let leaves = !accepted.queued.is_empty();
        let allowance = self.allowance(id, accepted.addresses.len(), leaves);
        let own = leaves.then(|| NewQueued {
            id,
            body: BodyId(0),
            size: 0,
            sender,
            identifier: self.login.as_ref().map(|login| login.identifier.clone()),
            envelope_id: origin.envelope_id.clone(),
            return_full: origin.return_full,
            smtputf8: mail.smtputf8,
            require_tls: mail.requiretls,
            body_type,
            message_id,
            recipients: accepted.queued,
        });
        queued.extend(own);
        let parcel = Parcel::seal(store, raw, accepted.accounts, queued)
            .await
            .map_err(trouble)?
            .into_mailbox(self.open.folder, self.open.folders.clone());
        let mut parcels = vec![parcel];
        if let Some((notice, event)) = notices {
            parcels.extend(notice);
            events.push(event);
        }
        let known_by = mark.clone();
        let work = move |tx: &mut store::Tx<'_>| {
            note.write(tx)?;
            known_by.put(tx, &mut events)?;
            Allowance::take(allowance.as_ref(), tx, &events)
        };
        if let Err(untaken) = parcel::commit(store, parcels, work).await {
            return Err(self.untaken(untaken).await);
        }
        metrics::accepted(self.listener, octets);
        metrics::count_many(metrics::DELIVERED, delivered);
        mark.tell();
        tracing::info!(peer = %self.peer, %id, sender = text::path(origin.sender.as_ref()), "accepted");
        Ok(id)
    }

    /// What leaves from here is signed: submissions in their author's name, and what goes on with what was found about it.
    async fn signed(&self, accepted: &Accepted, raw: Vec<u8>) -> Vec<u8> {
        let (raw, fields) = if self.listener.is_submission() {
            let leaves = !accepted.queued.is_empty() || !accepted.onward.is_empty();
            match signing::author(&raw).filter(|_| leaves) {
                Some(domain) => self.transfer.signatures(raw, &domain).await,
                None => return raw,
            }
        } else {
            let by = accepted.onward.keys().next();
            let screened = self.open.screened.as_ref();
            // Who has not asked who it is from has nothing to vouch for: a set that said "none" of all would spoil a chain that holds.
            let screened = screened.filter(|(_, screened)| screened.evidence.authentication);
            let (Some(by), Some((_, screened))) = (by, screened) else {
                return raw;
            };
            self.transfer
                .seal_of(raw, by.domain(), &screened.evidence)
                .await
        };
        signing::with_fields(raw, fields)
    }

    /// What goes on from accounts here to addresses elsewhere: sent in their names, so that what fails comes back to them.
    fn onward(
        &self,
        accepted: &Accepted,
        (origin, message_id, body_type): (&Origin, &str, u8),
        events: &mut Vec<Event>,
    ) -> Vec<NewQueued> {
        let mut queued = Vec::with_capacity(accepted.onward.len());
        for (by, onward) in &accepted.onward {
            let id = QueueId(self.transfer.store().next_id());
            // Nothing is ever told of what has no sender (RFC 5321, section 4.5.5).
            let sender = origin.sender.as_ref().map(|_| by.clone());
            let notify = match sender {
                Some(_) => FORWARDED,
                None => queue::Notify::NEVER,
            };
            let recipients = onward.targets.iter().map(|target| NewRecipient {
                address: target.clone(),
                notify,
                original: None,
                destination: Hop::to(target.domain(), false, &self.settings).destination(),
            });
            let names: Vec<String> = onward.targets.iter().map(ToString::to_string).collect();
            let event = Event::new(Kind::DeliveryForwarded, trail::Actor::System)
                .subject(origin.id.to_string())
                .detail("account", by.to_string())
                .detail("recipients", names)
                .detail("queued_as", id.to_string());
            events.push(event);
            queued.push(NewQueued {
                id,
                body: BodyId(0),
                size: 0,
                sender,
                identifier: Some(onward.identifier.clone()),
                envelope_id: None,
                return_full: None,
                smtputf8: origin.smtputf8,
                require_tls: origin.require_tls,
                body_type,
                message_id: message_id.to_owned(),
                recipients: recipients.collect(),
            });
        }
        queued
    }

    fn with_trace(
        &self,
        id: QueueId,
        accepted: &Accepted,
        sender: Option<&Address>,
        utf8: bool,
        raw: Vec<u8>,
    ) -> Vec<u8> {
        let hello = self.hello.as_ref();
        let extended = hello.is_some_and(|hello| hello.extended);
        let named = self.listener == Listener::Exchange;
        let tls = self
            .tls()
            .map(|tls| format!("{} {}", tls.version, tls.cipher));
        let received = Received {
            // Where staff sit, and what their machines are called, is no business of the recipient.
            helo: hello
                .filter(|_| named)
                .map_or(self.settings.hostname.as_str(), |hello| &hello.name),
            client: named.then_some(self.peer.ip()),
            client_name: None,
            by: self.settings.hostname.as_str(),
            with: trace::protocol(extended, utf8, self.tls().is_some(), self.login.is_some()),
            tls: tls.as_deref(),
            id: &id.to_string(),
            recipient: accepted.only_recipient(),
            at: self.transfer.world().now(),
            offset_minutes: 0,
        }
        .to_field();
        let mut trace = received;
        trace.insert_str(0, &self.results_fields());
        if !accepted.accounts.is_empty() {
            trace.insert_str(0, &trace::return_path(sender));
        }
        signing::with_fields(raw, trace)
    }

    /// The facts of clause 4.2(1)a and b.
    fn events(
        &self,
        id: QueueId,
        accepted: &Accepted,
        origin: &Origin,
        size: usize,
        message_id: &str,
    ) -> Vec<Event> {
        let kind = if self.listener.is_submission() {
            Kind::SubmissionAccepted
        } else {
            Kind::TransactionAccepted
        };
        let names = |addresses: &[Address]| {
            addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let mut event = Event::new(kind, self.actor())
            .address(self.peer.ip())
            .subject(id.to_string())
            .detail("sender", text::path(origin.sender.as_ref()))
            .detail("size", size)
            .detail("message_id", message_id)
            .detail("reply", "250 2.0.0");
        if let Some(person) = self.login.as_ref().and_then(|login| login.person.as_ref()) {
            event = event.detail("person", person.as_str());
        }
        if let Some(hello) = &self.hello {
            event = event.detail("hello", hello.name.clone());
        }
        if let Some((_, screened)) = &self.open.screened {
            event = event.detail("screening", screened.to_json());
        }
        if let Some(tls) = self.tls() {
            event = event.detail("tls", format!("{} {}", tls.version, tls.cipher));
        }
        // A list of a thousand recipients is longer than one event may be.
        let mut events = event.in_parts(
            DETAIL_LIMIT,
            vec![("recipients", names(&accepted.addresses))],
        );
        if !accepted.accounts.is_empty() && !self.is_set_apart() {
            let accounts: Vec<String> = accepted.accounts.iter().map(ToString::to_string).collect();
            let mut event = Event::new(Kind::DeliveryLocal, trail::Actor::System)
                .subject(id.to_string())
                .detail("sender", text::path(origin.sender.as_ref()));
            let mut lists = vec![
                ("recipients", names(&accepted.local)),
                ("accounts", accounts),
            ];
            let in_junk = |account: &&store::AccountId| {
                let own = self.open.folders.get(account);
                *own.unwrap_or(&self.open.folder) == Folder::Junk
            };
            let junk: Vec<String> = accepted
                .accounts
                .iter()
                .filter(in_junk)
                .map(ToString::to_string)
                .collect();
            events.extend(self.marked_event(id, junk.len()));
            if junk.len() == accepted.accounts.len() {
                event = event.detail("junk", true);
            } else if !junk.is_empty() {
                lists.push(("junk_accounts", junk));
            }
            events.extend(event.in_parts(DETAIL_LIMIT, lists));
        }
        events
    }

    pub(super) fn tls(&self) -> Option<&wire::TlsFacts> {
        self.stream.as_ref().and_then(wire::Stream::tls)
    }
}

/// What is told of forwarded mail, and to whom: failures and delays, to the account that it goes on from.
const FORWARDED: queue::Notify = queue::Notify {
    success: false,
    failure: true,
    delay: true,
    given: false,
};
/// How often a message may have come by here before it does not go on any more: forwards in a circle, over other servers.
const MOST_PASSES: usize = 4;

/// How often a message came by here: Received fields that this server wrote.
fn passes(raw: &[u8], hostname: &str) -> usize {
    let by = format!("by {hostname} ");
    Header::named(raw, &["received"], PASSES_LOOKED_AT)
        .iter()
        .filter(|field| {
            let text = field.unfolded();
            text.contains(&by)
        })
        .count()
}

/// Received fields that are looked at.
const PASSES_LOOKED_AT: usize = 200;

pub(super) fn no_memory() -> Refusal {
    Refusal::new::<452>(
        Detail::SYSTEM_FULL,
        "Too much mail at once, try again later",
    )
}
