//! The client's state machine: what was asked, what the server answered.

mod hello;
mod transaction;

use std::collections::VecDeque;

use super::{
    Capabilities, Config, Event, Failure, Loss, Outcome, ReplyError, Stage,
    reply_reader::ReplyReader, stuffing::Stuffer,
};
use crate::{
    sasl::{self, ChannelBindings},
    smtp::{Rcpt, Reply},
};

/// The sending side of one SMTP connection.
#[derive(Debug)]
pub struct Client {
    config: Config,
    reader: ReplyReader,
    output: Vec<u8>,
    events: VecDeque<Event>,
    phase: Phase,
    capabilities: Capabilities,
    tls: Option<ChannelBindings>,
    exchange: Option<sasl::client::Exchange>,
    authenticated: bool,
    /// The last transaction ended halfway: RSET comes before the next.
    needs_reset: bool,
    job: Option<Job>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Auth,
    Ready,
    /// RSET, MAIL and RCPT are under way.
    Envelope,
    Data,
    Body,
    End,
    Quit,
    Closed,
}

/// A transaction under way.
#[derive(Debug)]
struct Job {
    /// Lines still to be sent, with what they ask.
    to_send: VecDeque<(Ask, String)>,
    /// What was sent and is not answered.
    asked: VecDeque<Ask>,
    recipients: Vec<Recipient>,
    chunked: bool,
    stuffer: Stuffer,
    /// MAIL, a chunk, or the whole session was refused: this is the outcome of all that were accepted.
    refused: Option<(Stage, Reply)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Reset,
    Mail,
    Rcpt(usize),
    Data,
    Chunk,
    End,
}

impl Ask {
    fn stage(self) -> Stage {
        match self {
            Self::Reset => Stage::Reset,
            Self::Mail => Stage::Mail,
            Self::Rcpt(_) => Stage::Rcpt,
            Self::Data => Stage::Data,
            Self::Chunk => Stage::Body,
            Self::End => Stage::EndOfData,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Recipient {
    Unanswered,
    Accepted,
    Refused(Reply),
}

impl Client {
    /// A client on a fresh connection, waiting for the greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            reader: ReplyReader::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            phase: Phase::Greeting,
            capabilities: Capabilities::default(),
            tls: None,
            exchange: None,
            authenticated: false,
            needs_reset: false,
            job: None,
        }
    }

    /// Takes bytes from the network.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Closed | Phase::Handshake) {
            self.reader.feed(bytes);
        }
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.phase {
                Phase::Closed => return Event::Closed,
                Phase::Handshake => return Event::Handshake,
                _ => {}
            }
            match self.reader.next_reply(&self.config.limits) {
                Ok(Some(reply)) => self.take_reply(reply),
                Ok(None) => return self.waiting_event(),
                Err(error) => self.lose(Loss::Reply(error)),
            }
        }
    }

    fn waiting_event(&self) -> Event {
        match self.phase {
            Phase::Ready => Event::Ready,
            Phase::Body => Event::Body,
            _ => Event::NeedInput,
        }
    }

    /// What is to be written to the network; leaves nothing behind.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// TLS is up: after [`Event::Handshake`], or before the greeting where TLS comes first.
    pub fn tls_started(&mut self, bindings: ChannelBindings) {
        self.tls = Some(bindings);
        if self.phase == Phase::Handshake {
            self.say_hello();
        }
    }

    /// The connection broke, or the driver gives it up (a timeout). The outcome of an open transaction
    /// comes as [`Event::Finished`].
    pub fn connection_lost(&mut self) {
        self.lose(Loss::Connection);
    }

    /// Ends the session politely. The reply need not be waited for: [`Event::Closed`] comes with it.
    pub fn quit(&mut self) {
        if self.phase == Phase::Ready {
            self.line("QUIT");
            self.phase = Phase::Quit;
        }
    }

    /// What the server offers, as of the last EHLO.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether TLS is up.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// How far things have come: for time limits and reports.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.phase {
            Phase::Greeting => Stage::Greeting,
            Phase::Ehlo | Phase::Helo => Stage::Hello,
            Phase::StartTls | Phase::Handshake => Stage::StartTls,
            Phase::Auth => Stage::Auth,
            Phase::Ready | Phase::Closed => Stage::Idle,
            Phase::Envelope => self
                .job
                .as_ref()
                .and_then(|job| job.asked.front())
                .map_or(Stage::Mail, |ask| ask.stage()),
            Phase::Data => Stage::Data,
            Phase::Body => Stage::Body,
            Phase::End => Stage::EndOfData,
            Phase::Quit => Stage::Quit,
        }
    }

    fn take_reply(&mut self, reply: Reply) {
        // RFC 5321, section 3.8: 421 may come at any time, and the connection closes after it.
        if reply.code() == 421 && self.phase != Phase::Quit {
            return self.refused(self.stage(), reply, false);
        }
        match self.phase {
            Phase::Greeting => self.greeted(reply),
            Phase::Ehlo => self.ehlo_answered(reply),
            Phase::Helo => self.helo_answered(reply),
            Phase::StartTls => self.start_tls_answered(reply),
            Phase::Auth => self.auth_answered(reply),
            Phase::Envelope | Phase::Data | Phase::Body | Phase::End => self.job_answered(reply),
            Phase::Quit => self.phase = Phase::Closed,
            Phase::Ready => self.lose(Loss::Reply(ReplyError::Unexpected)),
            Phase::Handshake | Phase::Closed => {}
        }
    }

    /// The server will have nothing more to do with this session.
    fn refused(&mut self, stage: Stage, reply: Reply, polite: bool) {
        if let Some(job) = self.job.take() {
            self.finish(job, Some(Outcome::Refused(stage, reply)), false);
        } else {
            self.events
                .push_back(Event::Failed(Failure::Refused(stage, reply)));
        }
        self.end(polite);
    }

    fn fail(&mut self, failure: Failure) {
        self.events.push_back(Event::Failed(failure));
        self.end(true);
    }

    /// Closes, with a QUIT that nobody waits for where the server is still listening.
    fn end(&mut self, polite: bool) {
        if polite {
            self.line("QUIT");
        }
        self.phase = Phase::Closed;
    }

    fn lose(&mut self, loss: Loss) {
        let stage = self.stage();
        match (self.phase, self.job.take()) {
            (Phase::Closed, _) => {}
            (Phase::Quit, _) => self.phase = Phase::Closed,
            (_, Some(job)) => {
                self.finish(job, Some(Outcome::Lost(stage, loss)), false);
                self.end(false);
            }
            (_, None) => {
                self.events
                    .push_back(Event::Failed(Failure::Lost(stage, loss)));
                self.end(false);
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }
}
