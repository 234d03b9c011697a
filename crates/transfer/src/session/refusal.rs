//! Refusals are facts too (clause 4.2(1)a): each is an event in a commit of its own, before its reply is
//! written. A flood of them costs bounded disk: after some events a session only counts, and its last event
//! tells how many more there were.

use message::address::Address;
use protocol::smtp::{Reply, server::Refused};
use store::{Error, Tx, event::DETAIL_LIMIT};
use trail::{Actor, Event, Kind, Outcome};

use super::Conversation;
use crate::{acquaintance::Note, metrics, parcel, text};

/// Refusals of one session.
pub(super) struct Refusals {
    /// Events of refused commands that may still be written.
    commands: usize,
    /// The same of refused contents: a flood of refused recipients must not hide them.
    contents: usize,
    /// Refusals without an event of their own.
    counted: u64,
    /// The first recipients among them, each once.
    recipients: Vec<String>,
    /// Recipients that were refused for good.
    guessed: u32,
}

/// Recipients that are named at the end of a session at most: as many as RFC 5321, section 4.5.3.1.8, has in one
/// transaction at least, times ten.
const MOST_NAMED: usize = 1000;

impl Refusals {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            commands: limit,
            contents: limit,
            counted: 0,
            recipients: Vec::new(),
            guessed: 0,
        }
    }

    /// Recipients that were refused for good in this session.
    pub(super) fn guessed(&self) -> u32 {
        self.guessed
    }

    fn only_count(&mut self, recipients: impl IntoIterator<Item = String>) {
        self.counted = self.counted.saturating_add(1);
        for recipient in recipients {
            if self.recipients.len() >= MOST_NAMED {
                return;
            }
            // A client that tries the same again and again must not push the others out.
            if !self.recipients.contains(&recipient) {
                self.recipients.push(recipient);
            }
        }
    }
}

impl Conversation<'_> {
    /// Records that `command` was refused. `reason` adds to what the client is told, when it is not empty.
    pub(super) async fn refused(
        &mut self,
        command: &str,
        recipient: Option<&Address>,
        reply: &Reply,
        reason: &str,
    ) {
        tracing::info!(peer = %self.peer, command, %reply, "refused");
        metrics::refused(self.listener, reply.is_permanent());
        if recipient.is_some() && reply.is_permanent() {
            self.refusals.guessed = self.refusals.guessed.saturating_add(1);
        }
        if self.refusals.commands == 0 {
            self.refusals.only_count(recipient.map(ToString::to_string));
            return;
        }
        self.refusals.commands = self.refusals.commands.saturating_sub(1);
        let mut event = self
            .refusal_event(command)
            .detail("reply", reply.to_string());
        if let Some(recipient) = recipient {
            event = event.detail("recipient", recipient.to_string());
        }
        if !reason.is_empty() {
            event = event.detail("reason", reason);
        }
        self.write(vec![event], Note::default()).await;
    }

    /// What the message adds to what is remembered of where it came from.
    pub(super) fn note(&self) -> Note {
        // Its own canaries, a bad one each day, must not make the server's own network a bad one.
        if self.open.is_canary() {
            return Note::default();
        }
        let screened = self.open.screened.as_ref();
        let note = screened.map_or_else(Note::default, |(_, screened)| Note::of(screened));
        let rule = self.transfer.directory().outside_rule();
        note.with_abuse(self.open.abuse.clone(), rule)
    }

    /// A whole message was refused: at the end of its data or in it, or because its session was ended. `stage` is the
    /// command that it had come to.
    pub(super) async fn message_refused(&mut self, stage: &str, reply: &Reply, reason: &str) {
        let events = self.message_refusal(stage, reply, reason);
        if !events.is_empty() {
            self.write(events, self.note()).await;
        }
    }

    /// The events of that; none where it is only counted.
    pub(super) fn message_refusal(
        &mut self,
        stage: &str,
        reply: &Reply,
        reason: &str,
    ) -> Vec<Event> {
        let recipients: Vec<String> = self
            .open
            .targets
            .iter()
            .map(|target| target.address.to_string())
            .collect();
        tracing::info!(peer = %self.peer, %reply, reason, "message refused");
        metrics::refused(self.listener, reply.is_permanent());
        if self.refusals.contents == 0 {
            self.refusals.only_count(recipients);
            return Vec::new();
        }
        self.refusals.contents = self.refusals.contents.saturating_sub(1);
        let event = self
            .refusal_event(stage)
            .detail("reply", reply.to_string())
            .detail("reason", reason)
            .detail("size", self.open.raw.len().max(self.open.size));
        event.in_parts(DETAIL_LIMIT, vec![("recipients", recipients)])
    }

    /// A command that the machine refused by itself. Only those of a transaction are facts for the trail;
    /// typing errors are for the log.
    pub(super) async fn command_refused(&mut self, refused: &Refused) {
        let verb: String = refused
            .command
            .chars()
            .take(4)
            .collect::<String>()
            .to_ascii_uppercase();
        let reply = refused.refusal.reply();
        if ["MAIL", "RCPT", "DATA", "BDAT"].contains(&verb.as_str()) {
            self.refused(&verb, None, reply, &refused.command).await;
        } else {
            tracing::debug!(peer = %self.peer, command = refused.command, %reply, "command refused");
        }
    }

    /// At the end of the session: what was only counted.
    pub(super) async fn refusals_left(&mut self) {
        let count = std::mem::take(&mut self.refusals.counted);
        if count > 0 {
            let recipients = std::mem::take(&mut self.refusals.recipients);
            let event = self
                .refusal_event("session")
                .detail("further_refusals", count);
            self.write_named(event, recipients, Note::default()).await;
        }
    }

    fn refusal_event(&self, command: &str) -> Event {
        let kind = if self.listener.is_submission() {
            Kind::SubmissionRefused
        } else {
            Kind::TransactionRefused
        };
        let mut event = Event::new(kind, self.actor())
            .outcome(Outcome::Refused)
            .address(self.peer.ip())
            .detail("command", command)
            .detail("tls", self.tls().is_some());
        if let Some(hello) = &self.hello {
            event = event.detail("hello", hello.name.clone());
        }
        if let Some((id, screened)) = &self.open.screened {
            event = event
                .subject(id.to_string())
                .detail("screening", screened.to_json());
        }
        if self.open.mail.is_some() {
            event = event.detail("sender", text::path(self.open.sender()));
        }
        event
    }

    /// Who the client is to the trail.
    pub(super) fn actor(&self) -> Actor {
        self.login.as_ref().map_or(Actor::Peer, |login| {
            Actor::Identifier(login.identifier.clone())
        })
    }

    /// Writes the event with all of `recipients`, in as many parts as that takes.
    async fn write_named(&self, event: Event, recipients: Vec<String>, note: Note) {
        let lists = vec![("recipients", recipients)];
        self.write(event.in_parts(DETAIL_LIMIT, lists), note).await;
    }

    async fn write(&self, events: Vec<Event>, note: Note) {
        let work = move |tx: &mut Tx<'_>| {
            note.write(tx)?;
            parcel::record_all(tx, &events)
        };
        let written: Result<(), Error> =
            parcel::commit(self.transfer.store(), Vec::new(), work).await;
        if let Err(error) = written {
            // The refusal itself stands: refusing needs no disk.
            tracing::error!(peer = %self.peer, %error, "a refusal could not be recorded");
        }
    }
}
