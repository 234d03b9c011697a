//! One SMTP or submission session: `protocol`'s machine between a stream and this room's decisions.
//!
//! `mod` drives it, `line` reads and writes in bounded time, `auth` lets identifiers in, `envelope` decides
//! on MAIL and RCPT, `content` gathers and commits the message, `screen` has it screened before with what `evidence` gathers
//! and `engines` hears from programs of others, `refusal` records what was refused, `marked` tells what decided that mail goes into Junk,
//! `inside` shuts out who submitted malware, `allowance` holds identifiers to what they may submit.

mod accepted;
mod allowance;
mod apart;
mod auth;
mod content;
mod engines;
mod envelope;
mod evidence;
mod flood;
mod inside;
mod line;
mod marked;
mod refusal;
mod reports;
mod screen;

use std::{net::SocketAddr, sync::Arc};

use directory::{Login, ScramExchange};
use protocol::{
    sasl::ChannelBindings,
    smtp::{
        Detail, Refusal,
        server::{Abort, Config, Event, Hello, Session},
    },
};
use tokio::time::Instant;
use wire::{Shutdown, Stream};

use self::{envelope::Open, line::Ended, refusal::Refusals};
use crate::{Listener, Roles, Settings, Transfer, metrics};

/// One session from its greeting to its end.
pub(crate) struct Conversation<'t> {
    transfer: &'t Transfer,
    settings: Arc<Settings>,
    listener: Listener,
    peer: SocketAddr,
    /// `None` only while a handshake has it, and after one that failed.
    stream: Option<Stream>,
    machine: Session,
    hello: Option<Hello>,
    login: Option<Login>,
    /// The SCRAM exchange under way.
    scram: Option<ScramExchange>,
    /// Who was accepted, until the machine has told the client.
    proved: Option<Login>,
    /// The mechanism of the authentication under way or last tried.
    mechanism: &'static str,
    /// It talked before it was greeted.
    early: bool,
    /// The peer may do without authentication (clause 6.1(1)b) or is an exchange server of ours (6.1(1)a).
    trusted: bool,
    open: Open,
    refusals: Refusals,
    shutdown: Shutdown,
    /// When a message that was on its way at shutdown is cut off.
    drained: Option<Instant>,
    began: Instant,
    /// When the client was first waited for to finish the command that it is in.
    waiting_since: Instant,
    /// Whether it has finished a command since.
    progressed: bool,
    /// Its place among the sessions that named somebody who is not here.
    guessing: Option<crate::flood::Place>,
}

/// Serves one connection to its end.
pub(crate) async fn run(
    transfer: &Transfer,
    stream: Stream,
    peer: SocketAddr,
    listener: Listener,
    shutdown: Shutdown,
) {
    metrics::session(listener);
    let settings = transfer.settings();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let trusted = is_trusted(listener, peer, &settings);
    let machine = Session::new(Arc::new(config(listener, trusted, &settings)));
    let mut conversation = Conversation {
        transfer,
        listener,
        peer,
        stream: Some(stream),
        machine,
        hello: None,
        login: None,
        scram: None,
        proved: None,
        mechanism: "",
        early: false,
        trusted,
        // An own exchange server brings the mail of all the world by one address.
        open: Open::new(transfer, (!trusted).then_some(peer.ip())),
        refusals: Refusals::new(settings.limits.refusal_events),
        shutdown,
        drained: None,
        began: Instant::now(),
        waiting_since: Instant::now(),
        progressed: true,
        guessing: None,
        settings,
    };
    if listener == Listener::Submissions && conversation.handshake().await.is_err() {
        return;
    }
    if conversation.turned_away().await || conversation.await_early().await.is_err() {
        return;
    }
    conversation.machine.greet("ESMTP");
    conversation.converse().await;
    conversation.auth_abandoned().await;
    conversation.refusals_left().await;
}

/// Whether this peer's address alone earns it what others must prove.
fn is_trusted(listener: Listener, peer: SocketAddr, settings: &Settings) -> bool {
    let networks = match listener {
        Listener::Exchange if settings.roles == Roles::Mailbox => &settings.exchange_peers,
        Listener::Exchange => return false,
        Listener::Submission | Listener::Submissions => &settings.submission_networks,
    };
    networks.iter().any(|network| network.contains(peer.ip()))
}

/// What the machine offers to this peer.
fn config(listener: Listener, trusted: bool, settings: &Settings) -> Config {
    let hostname = settings.hostname.as_str();
    let mut config = if listener.is_submission() {
        Config::submission(hostname)
    } else {
        Config::exchange(hostname)
    };
    if listener.is_submission() && trusted {
        config.require_auth = false;
        config.require_tls = false;
    }
    if listener == Listener::Exchange && settings.roles == Roles::Mailbox {
        config.require_tls = settings.exchange_peers_need_tls;
    }
    let limits = &settings.limits;
    config.limits.command_line = limits.line_octets;
    config.limits.message_size = limits.message_octets;
    config.limits.recipients = limits.recipients;
    config.limits.transactions = limits.transactions;
    config.limits.commands = limits.commands;
    config.limits.errors = limits.errors;
    config.limits.auth_failures = limits.authentication_failures;
    config.limits.data_line = limits.content_line_octets;
    config.limits.unknown_commands = limits.unknown_commands;
    config.limits.refused_recipients = limits.refused_recipients;
    config.limits.auth_line = limits.auth_line_octets;
    config.limits.drained_content = limits.drained_octets;
    config
}

impl Conversation<'_> {
    async fn converse(&mut self) {
        loop {
            let event = self.machine.next_event();
            // Whatever else happens means that the client finished something.
            self.progressed |= !matches!(event, Event::NeedInput);
            match event {
                Event::NeedInput => {
                    if let Err(ended) = self.exchange_octets().await {
                        self.end(ended).await;
                        return;
                    }
                }
                Event::Hello(hello) => {
                    self.hello = Some(hello);
                    self.open.clear();
                }
                Event::StartTls(answer) => answer.accept(&mut self.machine),
                Event::Handshake => {
                    if self.flush().await.is_err() || self.handshake().await.is_err() {
                        return;
                    }
                    self.hello = None;
                }
                Event::Auth(mechanism, answer) => self.auth_begins(mechanism, answer),
                Event::Password(claim, answer) => self.password(claim, answer).await,
                Event::Credentials(identity, answer) => self.credentials(identity, answer).await,
                Event::Proved(_, password, answer) => self.proved(password, answer).await,
                Event::Authenticated(_) => self.let_in(),
                Event::AuthFailed(failed) => self.auth_failed(failed).await,
                Event::Mail(mail, answer) => self.mail(mail, answer).await,
                Event::Rcpt(rcpt, answer) => self.rcpt(rcpt, answer).await,
                Event::Data(transaction, answer) => self.data_begins(transaction, answer),
                Event::Body(octets) => self.body(&octets).await,
                Event::EndOfData(end, answer) => self.end_of_data(end, answer).await,
                Event::Aborted(abort) => self.aborted(abort).await,
                Event::Handled(_) => {}
                Event::Refused(refused) => self.command_refused(&refused).await,
                Event::Closed(_) => {
                    self.bye().await;
                    return;
                }
            }
        }
    }

    /// The TLS handshake, in bounded time.
    async fn handshake(&mut self) -> Result<(), ()> {
        let Some(stream) = self.stream.take() else {
            return Err(());
        };
        let identity = self.transfer.identity();
        let handshake = stream.accept_tls(&identity);
        match tokio::time::timeout(self.settings.times.handshake, handshake).await {
            Ok(Ok(stream)) => {
                let bindings =
                    stream
                        .tls()
                        .map_or_else(ChannelBindings::none, |tls| ChannelBindings {
                            server_end_point: not_empty(&tls.end_point),
                            exporter: not_empty(&tls.exporter),
                        });
                self.stream = Some(stream);
                self.machine.tls_started(bindings);
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::info!(peer = %self.peer, %error, "TLS handshake failed");
                Err(())
            }
            Err(_) => {
                tracing::info!(peer = %self.peer, "TLS handshake took too long");
                Err(())
            }
        }
    }

    async fn aborted(&mut self, abort: Abort) {
        match abort {
            Abort::Content(defect, refusal) => {
                let reason = format!("{defect:?}");
                self.message_refused("DATA", refusal.reply(), &reason).await;
            }
            // Told in sum.
            Abort::Ended(refusal) if refusal == flood::too_many() => {}
            Abort::Ended(refusal) => {
                let stage = self.open.stage();
                self.message_refused(stage, refusal.reply(), "the session was ended")
                    .await;
            }
            Abort::Reset | Abort::Closed => {}
        }
        self.open.clear();
    }

    /// Ends a session that its own side did not end.
    async fn end(&mut self, ended: Ended) {
        let text = match ended {
            Ended::Gone => return,
            Ended::TooSlow => {
                tracing::info!(peer = %self.peer, "session timed out");
                "Timeout, closing connection"
            }
            Ended::Shutdown => "Server is going down, try again later",
        };
        let detail = match ended {
            Ended::TooSlow => Detail::CONNECTION_TIMEOUT,
            Ended::Gone | Ended::Shutdown => Detail::NOT_ACCEPTING,
        };
        self.machine.close(&Refusal::new::<421>(detail, text));
        // A transaction that this cuts off is refused by it, which is recorded before the reply is written.
        loop {
            match self.machine.next_event() {
                Event::Aborted(abort) => self.aborted(abort).await,
                Event::Closed(_) | Event::NeedInput | Event::Handshake => break,
                _ => {}
            }
        }
        self.bye().await;
    }
}

fn not_empty(data: &[u8]) -> Option<Vec<u8>> {
    (!data.is_empty()).then(|| data.to_vec())
}
