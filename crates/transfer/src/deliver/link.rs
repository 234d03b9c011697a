//! One connection to another server: `protocol`'s client machine over a stream.

use std::{io, time::Duration};

use message::address::Address;
use protocol::smtp::{
    BodyKind, Mail, Notify, Orcpt, Rcpt, Ret, ReversePath, Transaction,
    client::{self, Client, Delivery, Event, Stage, Unsendable},
};
use store::queue::{NewQueued, Recipient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use wire::Stream;

use super::security::Secured;
use crate::{Settings, outcome::Remote, settings::Waits, tls_reports::Trouble};

/// Octets given to the machine at once.
const BLOCK: usize = 64 * 1024;
/// Octets read at once.
const READ_AT_ONCE: usize = 8 * 1024;

/// An open connection that can take transactions.
pub(crate) struct Link {
    stream: Stream,
    machine: Client,
    remote: Remote,
    secured: Secured,
    waits: Waits,
    messages: usize,
    since: Instant,
    /// When it was found out how the connection has to be secured.
    judged: Instant,
    /// Why it is in plain text, where TLS was tried on another connection and failed.
    trouble: Option<Trouble>,
}

impl Link {
    /// A connection that has greeted, secured as `secured` says.
    pub(super) fn new(
        stream: Stream,
        machine: Client,
        remote: Remote,
        secured: Secured,
        waits: Waits,
        judged: Instant,
    ) -> Self {
        Self {
            stream,
            machine,
            remote,
            secured,
            waits,
            messages: 0,
            since: Instant::now(),
            judged,
            trouble: None,
        }
    }

    /// The same, made after TLS had failed.
    pub(super) fn after(mut self, trouble: Trouble) -> Self {
        self.trouble = Some(trouble);
        self
    }

    /// Why TLS failed before it was made, if it did.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
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

    /// How long ago it was found out how the connection has to be secured.
    pub(crate) fn judged_for(&self) -> Duration {
        self.judged.elapsed()
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

/// Writes what the machine has to say, then feeds it what the server says, each in its time.
pub(super) async fn turn(
    stream: &mut Stream,
    machine: &mut Client,
    waits: &Waits,
) -> io::Result<()> {
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

pub(super) async fn flush(
    stream: &mut Stream,
    machine: &mut Client,
    limit: Duration,
) -> io::Result<()> {
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

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
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
