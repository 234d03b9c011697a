//! The client at the other end: commands in, answers out, with patience that ends.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use protocol::imap::{
    AwaitedLine, CapabilityState, Decoder, Encoder, Event, Limits, Literal, ResponseCode, Status,
    Tagged, capabilities, literal_pieces,
};
use store::AccountId;
use tokio::time::{Instant, timeout, timeout_at};
use wire::{Identity, Shutdown, TlsFacts};

use crate::{
    Settings,
    audit::{End, Facts},
    budget::{Holding, Memory, Room, TooLarge},
    connection::{Connection, READ},
    imap::outcome::Stop,
    login,
};

/// Octets that a session may gather without asking for room: a command line with ordinary literals.
const FREE: usize = 512 << 10;

/// The client, as both phases of a session see it.
pub(crate) struct Line {
    connection: Connection,
    decoder: Decoder,
    /// Answers that wait to be sent.
    pub out: Encoder,
    settings: Arc<Settings>,
    peer: SocketAddr,
    shutdown: Shutdown,
    memory: Memory,
    /// Who logged in: whose share of the memory the literals take.
    account: Option<AccountId>,
    /// Room for the literals of the command that is being read. It goes with the command.
    room: Vec<Room>,
    room_octets: usize,
    /// A literal that waits for its continuation. Kept here since waiting for room can be cancelled.
    asked: Option<Literal>,
    /// When the command that is not complete yet began, and how much was read of it.
    pending: Option<(Instant, u64)>,
    bad_commands: u32,
    /// What the client says it is (RFC 2971).
    pub client: Option<String>,
}

/// What came from the client.
pub(crate) enum Heard {
    /// A command, and the room that its literals take: to be given back when the command is done, whatever the client
    /// has sent after it.
    Command(Tagged, Vec<Room>),
    /// Something that was no command; it is answered.
    Refused {
        /// It was a search that was to be saved: `$` is empty now (RFC 5182, section 2.1).
        empties_saved: bool,
    },
}

impl Line {
    pub(crate) fn new(
        connection: Connection,
        settings: Arc<Settings>,
        peer: SocketAddr,
        shutdown: Shutdown,
        memory: Memory,
    ) -> Self {
        let limits = Limits {
            line: settings.line_limit,
            append_message: settings.append_limit,
            append_total: settings.append_total,
            append_count: settings.append_count,
            ..Limits::default()
        };
        Self {
            connection,
            decoder: Decoder::new(limits),
            out: Encoder::new(),
            settings,
            peer,
            shutdown,
            memory,
            account: None,
            room: Vec::new(),
            room_octets: 0,
            asked: None,
            pending: None,
            bad_commands: 0,
            client: None,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn tls(&self) -> Option<&TlsFacts> {
        self.connection.tls()
    }

    /// What there is to tell of the connection when the session ends.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            octets: self.connection.octets_written(),
            tls: self.tls().is_some(),
            client: self.client.as_deref(),
        }
    }

    /// Whether a password may be told on this connection.
    pub(crate) fn may_log_in(&self) -> bool {
        self.tls().is_some() || self.settings.permits_plaintext(self.peer.ip())
    }

    /// What the server can do in this state.
    pub(crate) fn capabilities(&self, authenticated: bool) -> Vec<String> {
        let permitted = self.may_log_in();
        let mechanisms: Vec<&str> = login::mechanisms(self.tls(), permitted)
            .map(protocol::sasl::Mechanism::name)
            .collect();
        capabilities(&CapabilityState {
            authenticated,
            starttls: self.tls().is_none(),
            mechanisms: &mechanisms,
            login: permitted,
            append_limit: self.settings.append_limit,
        })
    }

    /// The client logged in: it may send messages.
    pub(crate) fn set_authenticated(&mut self, account: AccountId) {
        self.account = Some(account);
        self.decoder.set_authenticated();
    }

    /// The client enabled IMAP4rev2.
    pub(crate) fn set_utf8(&mut self) {
        self.decoder.set_utf8(true);
        self.out.set_utf8(true);
    }

    /// The next command. May be cancelled without loss.
    pub(crate) async fn hear(&mut self, silence: Duration) -> Result<Heard, End> {
        self.answer_literal().await?;
        let deadline = Instant::now() + silence;
        loop {
            while let Some(event) = self.decoder.next_event() {
                match event {
                    Event::Command(tagged) => {
                        return Ok(Heard::Command(tagged, self.end_command()));
                    }
                    Event::NeedContinuation(literal) => {
                        self.asked = Some(literal);
                        self.answer_literal().await?;
                    }
                    Event::Error(error) => {
                        self.end_command();
                        self.out.command_error(&error);
                        return Ok(Heard::Refused {
                            empties_saved: error.empties_saved,
                        });
                    }
                    Event::Line(_) => {}
                }
            }
            self.fill(deadline).await?;
        }
    }

    /// A line of AUTHENTICATE; `None` when what came is none.
    pub(crate) async fn hear_line(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<bytes::Bytes>, End> {
        self.decoder.await_line(AwaitedLine::Authenticate);
        self.flush().await?;
        loop {
            match self.decoder.next_event() {
                Some(Event::Line(line)) => {
                    self.pending = None;
                    return Ok(Some(line));
                }
                Some(_) => {
                    self.decoder.await_command();
                    return Ok(None);
                }
                None => self.fill(deadline).await?,
            }
        }
    }

    /// IDLE begins: the next line is to be DONE.
    pub(crate) fn await_done(&mut self) {
        self.decoder.await_line(AwaitedLine::Idle);
    }

    /// Waits for DONE; whether it was that. May be cancelled without loss.
    pub(crate) async fn hear_done(&mut self) -> Result<bool, End> {
        loop {
            match self.decoder.next_event() {
                Some(Event::Line(line)) => {
                    self.pending = None;
                    return Ok(line.eq_ignore_ascii_case(b"DONE"));
                }
                Some(_) => {
                    self.decoder.await_command();
                    return Ok(false);
                }
                // A client in IDLE is meant to be silent; keepalives find out whether it lives.
                None => self.fill(Instant::now() + Duration::from_hours(24)).await?,
            }
        }
    }

    /// Waits for the client while a long command is carried out: returns only when the connection is at its end, or as much
    /// is read ahead as may be. The client may have sent some of its next command, and owes nothing meanwhile.
    pub(crate) async fn hear_the_end(&mut self) -> End {
        self.read_ahead(self.settings.line_limit).await
    }

    /// Waits until there is room for `octets` of text of the one who logged in. Gives up when the client does, and after
    /// [`Settings::stall_timeout`].
    pub(crate) async fn room_for(&mut self, octets: u64) -> Result<Room, Stop> {
        let (memory, account) = (self.memory.clone(), self.account);
        let patience = self.settings.stall_timeout;
        let taken = tokio::select! {
            biased;
            taken = timeout(patience, memory.take(account, octets)) => taken,
            end = self.hear_the_end() => return Err(Stop::End(end)),
        };
        match taken {
            Ok(Some(room)) => Ok(room),
            Ok(None) => Err(Stop::End(End::Shutdown)),
            Err(_) => Err(too_busy()),
        }
    }

    /// As [`Line::room_for`], for text of which a result is made that is in `holding` already: what is larger than the rest of
    /// the share gets that.
    pub(crate) async fn room_beside(
        &mut self,
        holding: &Holding,
        octets: u64,
    ) -> Result<Room, Stop> {
        let octets = self.memory.beside(holding, octets);
        self.room_for(octets).await
    }

    /// Waits until `holding` is room for a result of `octets` in all. Gives up when the client does, when one account may not
    /// hold so much, and after [`Settings::stall_timeout`]. May be cancelled without loss.
    pub(crate) async fn hold(&mut self, holding: &mut Holding, octets: u64) -> Result<(), Stop> {
        let (memory, account) = (self.memory.clone(), self.account);
        let patience = self.settings.stall_timeout;
        tokio::select! {
            biased;
            held = hold(&memory, account, patience, holding, octets) => held,
            end = self.hear_the_end() => Err(Stop::End(end)),
        }
    }

    /// Room for `octets` of text in memory, if there is some now: for what is read ahead while other room is held.
    pub(crate) fn room_now(&self, octets: u64) -> Option<Room> {
        self.memory.take_now(self.account, octets)
    }

    /// The command that was read is whole or refused: its room goes with it.
    fn end_command(&mut self) -> Vec<Room> {
        self.pending = None;
        self.room_octets = 0;
        std::mem::take(&mut self.room)
    }

    /// Reads until `limit` octets wait; returns only at the end of the connection.
    async fn read_ahead(&mut self, limit: usize) -> End {
        loop {
            if self.decoder.buffered() >= limit {
                std::future::pending::<()>().await;
            }
            if let Err(end) = self.read(Instant::now() + Duration::from_hours(24)).await {
                return end;
            }
        }
    }

    /// Reads some more, within the patience that there is.
    async fn fill(&mut self, silence: Instant) -> Result<(), End> {
        // Nobody waits for 99 GB that are thrown away (RFC 7888, section 4).
        if self.decoder.unwanted() > self.settings.append_total {
            return Err(End::TooLarge);
        }
        self.make_room().await?;
        let deadline = if self.decoder.is_mid_command() {
            let (began, octets) = *self.pending.get_or_insert_with(|| (Instant::now(), 0));
            let earned = Duration::from_secs(octets / self.settings.minimum_rate.max(1));
            let whole = began + self.settings.stall_timeout + earned;
            whole.min(Instant::now() + self.settings.stall_timeout)
        } else {
            silence
        };
        self.read(deadline).await
    }

    /// Reads some more until `deadline`. May be cancelled without loss.
    async fn read(&mut self, deadline: Instant) -> Result<(), End> {
        let mut buffer = [0_u8; READ];
        let read = tokio::select! {
            biased;
            () = self.shutdown.begun() => return Err(End::Shutdown),
            read = timeout_at(deadline, self.connection.read(&mut buffer)) => read,
        };
        let count = read.map_err(|_| End::TimedOut)?.map_err(End::from)?;
        let Some(octets) = buffer.get(..count).filter(|octets| !octets.is_empty()) else {
            return Err(End::Closed);
        };
        if let Some((_, so_far)) = &mut self.pending {
            *so_far = so_far.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        self.decoder.feed(octets);
        Ok(())
    }

    /// Takes room for what non-synchronising literals bring without asking.
    async fn make_room(&mut self) -> Result<(), End> {
        let needed = self.decoder.buffered().saturating_add(READ);
        if needed <= self.room_octets.saturating_add(FREE) {
            return Ok(());
        }
        // In steps, since the announced size is not known here.
        if self.take_room(1 << 20).await? {
            Ok(())
        } else {
            Err(End::Busy)
        }
    }

    /// Lets the client send the literal that it asked about, once there is room for it.
    async fn answer_literal(&mut self) -> Result<(), End> {
        let Some(size) = self.asked.as_ref().map(|literal| literal.size) else {
            return Ok(());
        };
        let has_room = size <= 4096 || self.take_room(size).await?;
        let tag = self.asked.take().and_then(|literal| literal.tag);
        if has_room {
            self.out.continuation("Go on");
        } else {
            self.decoder.refuse_literal();
            self.end_command();
            if let Some(tag) = &tag {
                let code = ResponseCode::Unavailable;
                self.out
                    .tagged(tag, Status::No, Some(&code), "Too busy, try again later");
            }
        }
        self.flush().await
    }

    /// Takes more room. Two sessions that each hold some and wait for more must not wait for ever, so this gives up; and at
    /// once when the client does.
    async fn take_room(&mut self, octets: u64) -> Result<bool, End> {
        let (memory, account) = (self.memory.clone(), self.account);
        let (began, patience) = (Instant::now(), self.settings.stall_timeout);
        let ahead = self.decoder.buffered();
        let ahead = ahead.saturating_add(self.settings.line_limit);
        let taken = tokio::select! {
            biased;
            taken = timeout(patience, memory.take(account, octets)) => taken,
            end = self.read_ahead(ahead) => return Err(end),
        };
        let Ok(Some(room)) = taken else {
            return Ok(false);
        };
        self.room.push(room);
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        self.room_octets = self.room_octets.saturating_add(octets);
        // The client was kept waiting, and does not pay for it with its own time.
        if let Some((since, _)) = &mut self.pending {
            *since += began.elapsed();
        }
        Ok(true)
    }

    /// Sends what waits, if it is much.
    pub(crate) async fn relieve(&mut self) -> Result<(), End> {
        if self.out.len() >= 16 << 10 {
            self.hand_over();
            self.connection.relieve().await?;
        }
        Ok(())
    }

    /// Sends everything that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        self.hand_over();
        Ok(self.connection.flush().await?)
    }

    /// As [`Line::send_large`], for the octets of a literal that may hold no NUL.
    pub(crate) async fn send_text(
        connection: &mut Connection,
        head: &[u8],
        octets: &[u8],
    ) -> Result<(), End> {
        connection.out().extend_from_slice(head);
        Ok(connection
            .write_pieces(octets.len(), literal_pieces(octets))
            .await?)
    }

    /// Sends `head` and then `octets` without copying them. What waited in the encoder stands in `head` already.
    pub(crate) async fn send_large(
        connection: &mut Connection,
        head: &[u8],
        octets: &[u8],
    ) -> Result<(), End> {
        connection.out().extend_from_slice(head);
        Ok(connection
            .write_pieces(octets.len(), std::iter::once(octets))
            .await?)
    }

    /// The encoder and the connection at once, for answers with large literals.
    pub(crate) fn halves(&mut self) -> (&mut Encoder, &mut Connection) {
        (&mut self.out, &mut self.connection)
    }

    fn hand_over(&mut self) {
        if !self.out.is_empty() {
            let waiting = self.connection.out();
            if waiting.is_empty() {
                *waiting = self.out.take();
            } else {
                waiting.extend_from_slice(self.out.bytes());
                self.out.clear();
            }
        }
    }

    /// One more command that was none.
    pub(crate) fn count_bad(&mut self) -> Result<(), End> {
        self.bad_commands = self.bad_commands.saturating_add(1);
        if self.bad_commands >= self.settings.bad_commands {
            return Err(End::Protocol);
        }
        Ok(())
    }

    /// Turns the connection into TLS; what was pipelined before is forgotten (RFC 9051, section 6.2.1).
    pub(crate) async fn start_tls(mut self, identity: &Identity) -> std::io::Result<Self> {
        self.decoder.discard();
        let limit = self.settings.handshake_timeout;
        let connection = self.connection.accept_tls(identity, limit).await?;
        Ok(Self { connection, ..self })
    }

    /// Tells the client why the session ends, if it can still hear that.
    pub(crate) async fn say_bye(&mut self, end: End) {
        let (code, text) = match end {
            End::Logout | End::Closed => (None, ""),
            End::TimedOut => (None, "You were silent for too long"),
            End::Shutdown => (
                Some(ResponseCode::Unavailable),
                "The server is shutting down",
            ),
            End::MailboxGone => (None, "The mailbox was deleted"),
            End::AccountChanged => (
                Some(ResponseCode::AuthorizationFailed),
                "The account was changed, log in again",
            ),
            End::TooLarge => (
                Some(ResponseCode::TooBig),
                "What you are sending is too large to wait for its end",
            ),
            End::TooMany | End::InUse => (
                Some(ResponseCode::Limit),
                "Too many sessions of this identifier",
            ),
            End::Protocol => (Some(ResponseCode::ClientBug), "Too many errors"),
            End::Busy | End::Failed => (Some(ResponseCode::Unavailable), "Try again later"),
        };
        if !text.is_empty() {
            self.out.bye(code.as_ref(), text);
        }
        if end != End::Closed
            && let Err(end) = self.flush().await
        {
            tracing::debug!(?end, "the client did not hear the goodbye");
        }
    }

    pub(crate) async fn close(self) {
        self.connection.close().await;
    }
}

/// Waits for `patience` until `holding` is room of `account` for a result of `octets` in all, and refuses what one account may not
/// hold. May be cancelled without loss.
pub(crate) async fn hold(
    memory: &Memory,
    account: Option<AccountId>,
    patience: Duration,
    holding: &mut Holding,
    octets: u64,
) -> Result<(), Stop> {
    let grown = timeout(patience, memory.grow(account, holding, octets)).await;
    let text = match grown {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => return Err(Stop::End(End::Shutdown)),
        Ok(Err(TooLarge)) => {
            "The answer takes more memory than one account may have ([retrieval] memory_budget), ask for fewer messages"
        }
        Err(_) => "Other answers take all the memory ([retrieval] memory_budget), try again later",
    };
    // RFC 9051, section 7.1: a limit of the server's own.
    Err(Stop::no(ResponseCode::Limit, text))
}

/// There was no room for text within the time that a client can be kept waiting.
pub(crate) fn too_busy() -> Stop {
    let text = "Other answers take all the memory, try again later";
    Stop::no(ResponseCode::Unavailable, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::{io::AsyncWriteExt, time::sleep};

    use super::*;

    /// R14: the client has sent some of its next command; that is no pause of its own while the present one is carried out.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_for_a_long_command_owes_nothing() {
        let (near, mut far) = tokio::io::duplex(64);
        let settings = Settings::default();
        let connection = Connection::new(wire::Stream::plain(near), settings.stall_timeout, 1024);
        let (_shutdown, watcher) = wire::ShutdownHandle::new();
        let memory = Memory::new(1 << 20);
        let peer = "192.0.2.1:1".parse().unwrap();
        let mut line = Line::new(connection, Arc::new(settings), peer, watcher, memory);
        far.write_all(b"a NOOP\r\nb NO").await.unwrap();
        let heard = line.hear(Duration::from_secs(1)).await;
        assert!(matches!(heard, Ok(Heard::Command(..))));
        tokio::select! {
            end = line.hear_the_end() => panic!("{end:?}"),
            () = sleep(Duration::from_hours(1)) => {}
        }
        far.write_all(b"OP\r\n").await.unwrap();
        let heard = line.hear(Duration::from_secs(1)).await;
        assert!(matches!(heard, Ok(Heard::Command(..))));
        drop(far);
        assert_eq!(line.hear_the_end().await, End::Closed);
    }
}
