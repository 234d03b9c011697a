//! One connection to another server: `protocol`'s client machine over a stream.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use message::{
    StatusCode,
    address::{Address, Host},
};
use protocol::{
    sasl::{ChannelBindings, Nonce},
    smtp::{
        BodyKind, Mail, Notify, Orcpt, Rcpt, Ret, ReversePath, Transaction,
        client::{self, Client, Config, Delivery, Event, Failure, Stage, Unsendable},
    },
};
use rustls::pki_types::ServerName;
use store::queue::{NewQueued, Recipient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use wire::Stream;

use crate::{
    EightBit, NextHop, Settings, TlsPolicy, Transfer,
    outcome::{Outcome, Remote},
    route::Hop,
    settings::Waits,
};

/// Octets given to the machine at once.
const BLOCK: usize = 64 * 1024;
/// Octets read at once.
const READ_AT_ONCE: usize = 8 * 1024;

/// How well a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Secured {
    /// Not at all.
    Plain,
    /// Encrypted, to whomever.
    Encrypted,
    /// Encrypted, to the host that was meant.
    Verified,
}

impl Secured {
    /// Whether it is enough for a policy.
    pub(crate) fn satisfies(self, policy: TlsPolicy) -> bool {
        match policy {
            TlsPolicy::None | TlsPolicy::Opportunistic => true,
            TlsPolicy::Verified => self == Self::Verified,
        }
    }
}

/// An open connection that can take transactions.
pub(crate) struct Link {
    stream: Stream,
    machine: Client,
    remote: Remote,
    secured: Secured,
    waits: Waits,
    messages: usize,
    since: Instant,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The socket, the handshake or the dialogue failed.
    Failed {
        /// What kind of failure.
        status: StatusCode,
        /// In words.
        text: String,
        /// Who was spoken to.
        remote: Box<Remote>,
    },
    /// The TLS handshake failed where plain text would do.
    Handshake(String, Box<Remote>),
}

impl OpenError {
    /// What it means for the recipients: nothing is final, since another host or another day may do better.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Failed {
                status,
                text,
                remote,
            } => Outcome::deferred(status, text).by(Some(&remote)),
            Self::Handshake(text, remote) => {
                Outcome::deferred(StatusCode::transient(7, 5), text).by(Some(&remote))
            }
        }
    }
}

impl Link {
    /// Connects, greets, and secures the connection as `tls` demands. Where encryption is only an opportunity
    /// and its handshake fails, a second connection is made without.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) async fn open(
        transfer: &Transfer,
        settings: &Arc<Settings>,
        hop: &Hop,
        host: &Host,
        address: SocketAddr,
        tls: TlsPolicy,
    ) -> Result<Self, OpenError> {
        let opening = Opening {
            transfer,
            settings,
            hop: match hop {
                Hop::Named(hop) => Some(hop),
                Hop::Exchangers(_) => None,
            },
            host,
            address,
        };
        match opening.open(tls).await {
            Err(OpenError::Handshake(text, remote)) if opening.may_be_plain(tls) => {
                tracing::info!(host = %remote.host, text, "TLS failed; going on without, as opportunistic TLS does");
                opening.open(TlsPolicy::None).await
            }
            result => result,
        }
    }

    /// Who is on the other side.
    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// How well it is secured.
    pub(crate) fn secured(&self) -> Secured {
        self.secured
    }

    /// What the server offers.
    pub(crate) fn capabilities(&self) -> &client::Capabilities {
        self.machine.capabilities()
    }

    /// Messages sent over it.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// Whether it can take another message.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.machine.stage() == Stage::Idle && matches!(self.machine.next_event(), Event::Ready)
    }

    /// Notes that it waits from now on.
    pub(crate) fn rest(&mut self) {
        self.since = Instant::now();
    }

    /// How long it has waited.
    pub(crate) fn idle_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// Says QUIT, without waiting for more than the words to be written.
    pub(crate) fn leave(mut self, limit: Duration) {
        self.machine.quit();
        let words = self.machine.take_output();
        tokio::spawn(async move {
            let leaving = async {
                self.stream.write_all(&words).await?;
                self.stream.shutdown().await
            };
            match tokio::time::timeout(limit, leaving).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(host = self.remote.host, %error, "closing"),
                Err(_) => tracing::debug!(host = self.remote.host, "closing took too long"),
            }
        });
    }

    /// Sends a message to `recipients`.
    ///
    /// # Errors
    /// What the message needs and the server does not have; nothing was sent then.
    pub(crate) async fn send(
        &mut self,
        settings: &Settings,
        message: &NewQueued,
        recipients: &[Recipient],
        raw: &[u8],
    ) -> Result<Delivery, Unsendable> {
        let transaction = transaction(message, recipients, raw);
        self.waits = settings.outbound.waits;
        self.machine.send(&transaction)?;
        self.messages = self.messages.saturating_add(1);
        Ok(self.until_finished(raw).await)
    }

    /// Asks whether the server would take mail for `address`: MAIL and RCPT, and the transaction is taken back.
    /// `None` when it would. Where it cannot be taken back, the connection is of no more use and
    /// [`Link::is_ready`] says so.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub(crate) async fn ask(
        &mut self,
        address: &Address,
    ) -> Result<Option<client::Outcome>, Unsendable> {
        self.messages = self.messages.saturating_add(1);
        let can = self.machine.capabilities();
        // By BDAT no command follows RCPT before the content does, so that nothing has to be taken back.
        let by_chunks = can.binary_mime && can.chunking && can.pipelining;
        let transaction = Transaction {
            mail: Mail {
                smtputf8: address.needs_smtputf8(),
                body: if by_chunks {
                    BodyKind::BinaryMime
                } else {
                    BodyKind::SevenBit
                },
                ..Mail::from(ReversePath::Null)
            },
            recipients: vec![Rcpt::to(address.clone().into())],
        };
        self.machine.send(&transaction)?;
        loop {
            match self.machine.next_event() {
                Event::Body => {
                    self.machine.withdraw();
                    return Ok(None);
                }
                Event::Finished(delivery) => return Ok(delivery.outcomes.into_iter().next()),
                Event::NeedInput => {
                    if self.turn().await.is_err() {
                        self.machine.connection_lost();
                    }
                }
                Event::Handshake | Event::Ready | Event::Failed(_) | Event::Closed => {
                    return Ok(Some(client::Outcome::Lost(
                        Stage::Rcpt,
                        client::Loss::Connection,
                    )));
                }
            }
        }
    }

    async fn until_finished(&mut self, raw: &[u8]) -> Delivery {
        let mut blocks = raw.chunks(BLOCK);
        loop {
            match self.machine.next_event() {
                Event::Finished(delivery) => {
                    self.flush_quietly().await;
                    return delivery;
                }
                Event::NeedInput => {
                    if let Err(error) = self.turn().await {
                        tracing::info!(host = self.remote.host, %error, stage = ?self.machine.stage(), "connection lost");
                        self.machine.connection_lost();
                    }
                }
                Event::Body => {
                    let given = match blocks.next() {
                        Some(block) => self.machine.body(block),
                        None => self.machine.end_body(),
                    };
                    if given.is_ok() && self.flush(self.waits.data_block).await.is_err() {
                        self.machine.connection_lost();
                    }
                }
                // None of these comes inside a transaction; if one does, the connection is of no use.
                Event::Handshake | Event::Ready | Event::Failed(_) | Event::Closed => {
                    return Delivery {
                        outcomes: Vec::new(),
                        reusable: false,
                    };
                }
            }
        }
    }

    /// Writes what the machine has to say, and feeds it what the server says next.
    async fn turn(&mut self) -> io::Result<()> {
        turn(&mut self.stream, &mut self.machine, &self.waits).await
    }

    async fn flush(&mut self, limit: Duration) -> io::Result<()> {
        flush(&mut self.stream, &mut self.machine, limit).await
    }

    async fn flush_quietly(&mut self) {
        if let Err(error) = self.flush(self.waits.quit).await {
            tracing::debug!(host = self.remote.host, %error, "after a transaction");
        }
    }
}

/// A connection on its way.
struct Opening<'a> {
    transfer: &'a Transfer,
    settings: &'a Arc<Settings>,
    hop: Option<&'a NextHop>,
    host: &'a Host,
    address: SocketAddr,
}

impl Opening<'_> {
    fn may_be_plain(&self, tls: TlsPolicy) -> bool {
        let implicit = self.hop.is_some_and(|hop| hop.implicit_tls);
        let login = self.hop.is_some_and(|hop| hop.credentials.is_some());
        tls == TlsPolicy::Opportunistic && !implicit && !login
    }

    fn remote(&self) -> Remote {
        Remote {
            host: self.host.to_string(),
            address: self.address.ip(),
            tls: None,
        }
    }

    fn failed(&self, status: StatusCode, text: String) -> OpenError {
        OpenError::Failed {
            status,
            text,
            remote: Box::new(self.remote()),
        }
    }

    async fn open(&self, tls: TlsPolicy) -> Result<Link, OpenError> {
        let waits = self.settings.outbound.waits;
        let dial = self
            .transfer
            .dialer()
            .dial(self.address, self.settings.outbound.bind);
        let connected = within(waits.connect, dial).await;
        let mut stream = connected.map_err(|e| {
            self.failed(
                StatusCode::transient(4, 1),
                format!("connecting to {}: {e}", self.address),
            )
        })?;
        let mut machine = Client::new(self.config(tls));
        if self.hop.is_some_and(|hop| hop.implicit_tls) {
            stream = self.secure(stream, tls).await?;
            machine.tls_started(bindings(&stream));
        }
        loop {
            match machine.next_event() {
                Event::Ready => return self.link(stream, machine, tls),
                Event::Handshake => {
                    flush(&mut stream, &mut machine, waits.command)
                        .await
                        .map_err(|e| self.lost(&e))?;
                    stream = self.secure(stream, tls).await?;
                    machine.tls_started(bindings(&stream));
                }
                Event::NeedInput => {
                    turn(&mut stream, &mut machine, &waits)
                        .await
                        .map_err(|e| self.lost(&e))?;
                }
                Event::Failed(failure) => {
                    // The machine's last words are a courtesy; the failure is known already.
                    if let Err(error) = flush(&mut stream, &mut machine, waits.quit).await {
                        tracing::debug!(host = %self.host, %error, "closing");
                    }
                    return Err(self.refused(&failure));
                }
                Event::Body | Event::Finished(_) | Event::Closed => {
                    return Err(self.lost(&io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
    }

    fn config(&self, tls: TlsPolicy) -> Config {
        let mut config = Config::new(self.settings.hostname.as_str());
        let login = self.hop.and_then(|hop| hop.credentials.as_ref());
        config.tls = match tls {
            TlsPolicy::Verified => client::TlsPolicy::Required,
            _ if login.is_some() => client::TlsPolicy::Required,
            TlsPolicy::None => client::TlsPolicy::Never,
            TlsPolicy::Opportunistic => client::TlsPolicy::IfOffered,
        };
        config.force_8bit = self.settings.outbound.eight_bit == EightBit::Send;
        config.login = login.map(|credentials| client::Login {
            identity: credentials.identity.clone(),
            password: credentials.password.clone(),
            nonce: Nonce::new(self.transfer.world().bytes()),
        });
        config
    }

    async fn secure(&self, stream: Stream, tls: TlsPolicy) -> Result<Stream, OpenError> {
        let handshake_failed = |e: &dyn std::fmt::Display| {
            OpenError::Handshake(
                format!("TLS with {} ({}): {e}", self.host, self.address.ip()),
                Box::new(self.remote()),
            )
        };
        let client_tls = self.transfer.client_tls();
        let config = if tls == TlsPolicy::Verified {
            let roots = self.hop.and_then(|hop| hop.roots.as_ref());
            client_tls
                .verified(roots)
                .map_err(|e| handshake_failed(&e))?
        } else {
            client_tls.opportunistic()
        };
        let name = self.server_name().map_err(|e| handshake_failed(&e))?;
        let handshake = stream.connect_tls(config, name);
        within(self.settings.outbound.waits.handshake, handshake)
            .await
            .map_err(|e| handshake_failed(&e))
    }

    /// The name that the certificate must have.
    fn server_name(&self) -> Result<ServerName<'static>, String> {
        let named = self.hop.and_then(|hop| hop.certificate_name.as_ref());
        match named.unwrap_or(self.host) {
            Host::Literal(ip) => Ok(ServerName::IpAddress((*ip).into())),
            Host::Domain(domain) => ServerName::try_from(domain.as_str().to_owned())
                .map_err(|e| format!("{domain}: {e}")),
        }
    }

    fn link(&self, stream: Stream, machine: Client, tls: TlsPolicy) -> Result<Link, OpenError> {
        let secured = match stream.tls() {
            None => Secured::Plain,
            Some(_) if tls == TlsPolicy::Verified => Secured::Verified,
            Some(_) => Secured::Encrypted,
        };
        if !secured.satisfies(tls) {
            let text = format!("{} offers no TLS, and this mail demands it", self.host);
            return Err(self.failed(StatusCode::transient(7, 10), text));
        }
        let mut remote = self.remote();
        remote.tls = stream.tls().map(|facts| {
            (
                facts.version.to_owned(),
                facts.cipher.clone(),
                secured == Secured::Verified,
            )
        });
        Ok(Link {
            stream,
            machine,
            remote,
            secured,
            waits: self.settings.outbound.waits,
            messages: 0,
            since: Instant::now(),
        })
    }

    fn lost(&self, error: &io::Error) -> OpenError {
        self.failed(
            StatusCode::transient(4, 2),
            format!("speaking to {} ({}): {error}", self.host, self.address.ip()),
        )
    }

    fn refused(&self, failure: &Failure) -> OpenError {
        let status = match failure {
            Failure::Refused(_, reply) => reply
                .status()
                .filter(|s| !s.is_permanent())
                .unwrap_or(StatusCode::transient(3, 2)),
            Failure::NoTls => StatusCode::transient(7, 10),
            Failure::NoMechanism | Failure::Auth(_) => StatusCode::transient(7, 0),
            Failure::Lost(..) => StatusCode::transient(4, 2),
        };
        self.failed(
            status,
            format!("{} ({}): {failure}", self.host, self.address.ip()),
        )
    }
}

fn bindings(stream: &Stream) -> ChannelBindings {
    stream
        .tls()
        .map_or_else(ChannelBindings::none, |tls| ChannelBindings {
            server_end_point: None,
            exporter: (!tls.exporter.is_empty()).then(|| tls.exporter.to_vec()),
        })
}

/// Writes what the machine has to say, then feeds it what the server says, each in its time.
async fn turn(stream: &mut Stream, machine: &mut Client, waits: &Waits) -> io::Result<()> {
    flush(stream, machine, waits.command).await?;
    let mut buffer = vec![0; READ_AT_ONCE];
    let limit = match machine.stage() {
        Stage::Greeting => waits.greeting,
        Stage::Data => waits.data_start,
        Stage::Body => waits.data_block,
        Stage::EndOfData => waits.data_end,
        Stage::Quit => waits.quit,
        Stage::Hello
        | Stage::StartTls
        | Stage::Auth
        | Stage::Idle
        | Stage::Reset
        | Stage::Mail
        | Stage::Rcpt => waits.command,
    };
    match within(limit, stream.read(&mut buffer)).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            machine.feed(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
    }
}

async fn flush(stream: &mut Stream, machine: &mut Client, limit: Duration) -> io::Result<()> {
    let output = machine.take_output();
    if output.is_empty() {
        return Ok(());
    }
    within(limit, async {
        stream.write_all(&output).await?;
        stream.flush().await
    })
    .await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The envelope as it goes over the wire.
fn transaction(message: &NewQueued, recipients: &[Recipient], raw: &[u8]) -> Transaction {
    let utf8_header = || !crate::content::header_of(raw).is_ascii();
    let utf8_path = recipients
        .iter()
        .any(|waiting| waiting.recipient.address.needs_smtputf8())
        || message.sender.as_ref().is_some_and(Address::needs_smtputf8);
    Transaction {
        mail: Mail {
            reverse_path: message.sender.clone().into(),
            source_route: false,
            size: u64::try_from(raw.len()).ok(),
            body: match message.body_type {
                2 => BodyKind::BinaryMime,
                1 => BodyKind::EightBitMime,
                _ => BodyKind::SevenBit,
            },
            // A message that was declared so and is not so can go where SMTPUTF8 is unknown.
            smtputf8: utf8_path || (message.smtputf8 && utf8_header()),
            requiretls: message.require_tls,
            ret: message
                .return_full
                .map(|full| if full { Ret::Full } else { Ret::Headers }),
            envid: message.envelope_id.clone(),
        },
        recipients: recipients.iter().map(rcpt).collect(),
    }
}

fn rcpt(waiting: &Recipient) -> Rcpt {
    let recipient = &waiting.recipient;
    let store::queue::Notify {
        success,
        failure,
        delay,
        given,
    } = recipient.notify;
    let notify = if success || failure || delay {
        Notify::On {
            success,
            failure,
            delay,
        }
    } else {
        Notify::Never
    };
    Rcpt {
        // RFC 3461, section 5.2.1: passed on as it was given, and not when it was not.
        notify: given.then_some(notify),
        orcpt: recipient.original.as_deref().and_then(|original| {
            let (kind, address) = original.split_once(';')?;
            Some(Orcpt {
                kind: kind.to_owned(),
                address: address.to_owned(),
            })
        }),
        ..Rcpt::to(recipient.address.clone().into())
    }
}
