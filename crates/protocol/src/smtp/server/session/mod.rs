//! The session itself: what it holds, how bytes become events.

mod authentication;
mod command;
mod content;
mod settle;

use std::{collections::VecDeque, sync::Arc};

use memchr::memchr;

use super::{
    answer::Ticket,
    config::Config,
    content::Content,
    event::{Abort, CloseReason, Event, Hello, Refused, Signals},
};
use crate::{
    sasl::{ChannelBindings, Nonce, ScramOffer, Secret, server::Exchange},
    smtp::{Detail, Mail, Rcpt, Refusal, Reply, Transaction},
};

/// The receiving side of one SMTP connection.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    input: Vec<u8>,
    output: Vec<u8>,
    events: VecDeque<Event>,
    phase: Phase,
    waiting: Option<(u64, Waiting)>,
    serial: u64,
    hello: Option<Hello>,
    tls: Option<ChannelBindings>,
    identity: Option<String>,
    exchange: Option<Exchange>,
    open: Option<Open>,
    stopped: Option<Refusal>,
    counts: Counts,
    signals: Signals,
}

/// What the next octets are.
#[derive(Debug)]
enum Phase {
    Ungreeted,
    Command,
    Auth,
    Handshake,
    Data(Content),
    Chunk(Chunk),
    Closed(CloseReason),
}

/// A BDAT chunk on its way in.
#[derive(Debug)]
struct Chunk {
    remaining: u64,
    last: bool,
    /// The chunk is thrown away, and this is the reply after it.
    refusal: Option<Refusal>,
}

/// A transaction between MAIL and its end.
#[derive(Debug)]
struct Open {
    mail: Mail,
    recipients: Vec<Rcpt>,
    /// Some recipient was refused.
    refused: bool,
    /// The content so far, when it comes by BDAT.
    chunked: Option<Content>,
    /// A chunk was refused: nothing but RSET helps, and the driver has been told.
    failed: bool,
}

impl Open {
    fn transaction(&self) -> Transaction {
        Transaction {
            mail: self.mail.clone(),
            recipients: self.recipients.clone(),
        }
    }
}

/// The question that the driver has not answered yet.
#[derive(Debug)]
enum Waiting {
    StartTls,
    Auth {
        mechanism: crate::sasl::Mechanism,
        initial: Option<Secret>,
    },
    Password(String),
    Credentials,
    Proved,
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    FirstChunk {
        size: u64,
        last: bool,
    },
    EndOfData,
}

/// The driver's answer. The answer types see to it that it fits the question.
#[derive(Debug)]
pub(super) enum Given {
    Accept,
    AcceptWith(Reply),
    Refuse(Refusal),
    Nonce(Nonce),
    Credentials(ScramOffer),
}

#[derive(Debug, Default)]
struct Counts {
    commands: usize,
    errors: usize,
    unknown: usize,
    transactions: usize,
    refused_recipients: usize,
    auth_failures: usize,
}

impl Session {
    /// A session on a fresh connection. It says nothing until [`Session::greet`].
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            input: Vec::new(),
            output: Vec::new(),
            events: VecDeque::new(),
            phase: Phase::Ungreeted,
            waiting: None,
            serial: 0,
            hello: None,
            tls: None,
            identity: None,
            exchange: None,
            open: None,
            stopped: None,
            counts: Counts::default(),
            signals: Signals::default(),
        }
    }

    /// Sends the greeting: 220, the host name, and `text` (`ESMTP ready`, say).
    pub fn greet(&mut self, text: &str) {
        if matches!(self.phase, Phase::Ungreeted) {
            self.phase = Phase::Command;
            let greeting = format!("{} {text}", self.config.hostname);
            self.say(&Reply::plain::<220>(&greeting));
        }
    }

    /// Takes bytes from the network. To be called when [`Event::NeedInput`] asked for it, so that what
    /// is held stays within one read and one line. Bytes that come before the TLS handshake is done,
    /// or after the end, are thrown away.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.phase {
            Phase::Closed(_) => return,
            Phase::Handshake => {
                self.signals.injection_at_starttls |= !bytes.is_empty();
                return;
            }
            Phase::Ungreeted => self.signals.early_talker |= !bytes.is_empty(),
            Phase::Command | Phase::Auth | Phase::Data(_) | Phase::Chunk(_) => {}
        }
        self.input.extend_from_slice(bytes);
    }

    /// The next thing that happened. Ask until [`Event::NeedInput`], [`Event::Handshake`] or
    /// [`Event::Closed`].
    pub fn next_event(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if let Some((_, waiting)) = self.waiting.take() {
                self.settle(waiting, Given::Refuse(Refusal::temporary()));
                continue;
            }
            let progressed = match &self.phase {
                Phase::Ungreeted => false,
                Phase::Handshake => return Event::Handshake,
                Phase::Closed(reason) => return Event::Closed(*reason),
                Phase::Command | Phase::Auth => self.read_line(),
                Phase::Data(_) => self.read_data(),
                Phase::Chunk(_) => self.read_chunk(),
            };
            if !progressed {
                return Event::NeedInput;
            }
        }
    }

    /// What is to be written to the network; leaves nothing behind. To be asked before waiting for
    /// input, and before anything that takes long.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// TLS is up: after [`Event::Handshake`], or before the greeting where TLS comes first. All that
    /// was said before is forgotten (RFC 3207, section 4.2).
    pub fn tls_started(&mut self, bindings: ChannelBindings) {
        if matches!(self.phase, Phase::Handshake) {
            self.phase = Phase::Command;
        }
        self.input.clear();
        self.hello = None;
        self.identity = None;
        self.tls = Some(bindings);
    }

    /// Gives up on the content that is coming in: the rest is thrown away, and at its end the client is
    /// told this. When the end came in the same read as the octets, so that [`Event::EndOfData`] is on its way
    /// or not answered yet, it is told at once, and [`Event::Aborted`] takes the place of that event: octets
    /// that were given up can never be the end of an accepted message.
    pub fn stop_body(&mut self, refusal: Refusal) {
        if matches!(self.waiting, Some((_, Waiting::EndOfData))) {
            self.waiting = None;
            self.events
                .retain(|event| !matches!(event, Event::EndOfData(..)));
            let defect = super::ContentDefect::Stopped;
            self.abort(Abort::Content(defect, refusal.clone()));
            return self.tell(&refusal);
        }
        let content = match &mut self.phase {
            Phase::Data(content) => Some(content),
            _ => self.open.as_mut().and_then(|open| open.chunked.as_mut()),
        };
        if let Some(content) = content {
            content.spoil(super::ContentDefect::Stopped);
            self.stopped = Some(refusal);
        }
    }

    /// Ends the session from this side: shutdown, a timeout, a client that is not welcome. Also works
    /// in place of the greeting.
    pub fn close(&mut self, refusal: &Refusal) {
        self.waiting = None;
        self.close_with(refusal, CloseReason::Driver);
    }

    /// The last EHLO or HELO.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Who has logged in.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Whether TLS is up.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether MAIL was accepted and the transaction is not over.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Whether content is coming in: the time limit of RFC 5321, section 4.5.3.2.5, applies.
    #[must_use]
    pub fn in_content(&self) -> bool {
        matches!(self.phase, Phase::Data(_) | Phase::Chunk(_))
    }

    /// What the client did that well-behaved ones do not.
    #[must_use]
    pub fn signals(&self) -> Signals {
        self.signals
    }

    /// Octets that are held between two reads.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.input.len()
    }

    /// Reads one line, of a command or of an authentication. Whether there was anything to do.
    fn read_line(&mut self) -> bool {
        let limits = &self.config.limits;
        let in_auth = matches!(self.phase, Phase::Auth);
        let limit = if in_auth || starts_with_auth(&self.input) {
            limits.auth_line
        } else {
            limits.command_line
        };
        let Some(at) = memchr(b'\n', &self.input) else {
            if self.input.len() > limit {
                self.too_long(in_auth);
                return true;
            }
            return false;
        };
        let length = at.saturating_add(1);
        if length > limit {
            self.too_long(in_auth);
            return true;
        }
        let line: Vec<u8> = self.input.drain(..length).collect();
        let line = Secret::new(line);
        match line.expose().strip_suffix(b"\r\n") {
            Some(text) if memchr(b'\r', text).is_none() => {
                if in_auth {
                    self.auth_line(text);
                } else {
                    self.command_line(text);
                }
            }
            text => {
                let verb = text.unwrap_or(line.expose()).get(..4).unwrap_or_default();
                let verb = if in_auth { &[] } else { verb };
                self.bare_newline(verb);
            }
        }
        true
    }

    fn too_long(&mut self, in_auth: bool) {
        // What follows cannot be told from commands, so nothing of it may be looked at.
        let detail = if in_auth {
            Detail::AUTH_LINE_TOO_LONG
        } else {
            Detail::SYNTAX
        };
        let refusal = Refusal::new::<500>(detail, "Line too long");
        // In an exchange the line may be a password.
        let verb = if in_auth {
            String::new()
        } else {
            command::shown(self.input.get(..4).unwrap_or_default())
        };
        self.note_refused(&verb, &refusal);
        self.close_with(&refusal, CloseReason::Limit);
    }

    fn bare_newline(&mut self, verb: &[u8]) {
        self.signals.bare_newline = true;
        let refusal = Refusal::new::<500>(Detail::SYNTAX, "Lines end in CR LF, and hold neither");
        self.note_refused(&command::shown(verb), &refusal);
        self.close_with(&refusal, CloseReason::BareNewline);
    }

    /// Asks the driver.
    fn ask(&mut self, waiting: Waiting, event: impl FnOnce(Ticket) -> Event) {
        self.serial = self.serial.wrapping_add(1);
        self.waiting = Some((self.serial, waiting));
        self.events.push_back(event(Ticket(self.serial)));
    }

    /// Takes the driver's answer; one that comes too late is void.
    pub(super) fn answer(&mut self, ticket: &Ticket, given: Given) {
        if self
            .waiting
            .as_ref()
            .is_some_and(|(serial, _)| *serial == ticket.0)
            && let Some((_, waiting)) = self.waiting.take()
        {
            self.settle(waiting, given);
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }

    fn note_refused(&mut self, command: &str, refusal: &Refusal) {
        self.events.push_back(Event::Refused(Refused {
            command: command.to_owned(),
            refusal: refusal.clone(),
        }));
    }

    /// Ends the session from this side. An open transaction comes to nothing by it, which the driver is told with
    /// the words that the client was told.
    fn close_with(&mut self, refusal: &Refusal, reason: CloseReason) {
        self.finish(refusal.reply(), Abort::Ended(refusal.clone()), reason);
    }

    fn finish(&mut self, reply: &Reply, abort: Abort, reason: CloseReason) {
        if matches!(self.phase, Phase::Closed(_)) {
            return;
        }
        self.say(reply);
        self.abort(abort);
        self.input = Vec::new();
        self.exchange = None;
        self.phase = Phase::Closed(reason);
    }

    fn abort(&mut self, why: Abort) {
        self.stopped = None;
        if self.open.take().is_some_and(|open| !open.failed) {
            self.events.push_back(Event::Aborted(why));
        }
    }
}

fn starts_with_auth(input: &[u8]) -> bool {
    input
        .get(..5)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "))
}
