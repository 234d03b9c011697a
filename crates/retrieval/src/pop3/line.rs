//! The client at the other end: commands in, answers out.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use protocol::{
    pop3::{Capabilities, Decoder, Encoder, Event, Limits},
    sasl::Mechanism,
};
use store::AccountId;
use tokio::time::{Instant, timeout, timeout_at};
use wire::{Identity, Shutdown, TlsFacts};

use crate::{
    Settings,
    audit::{End, Facts},
    budget::{Memory, Room},
    connection::{Connection, READ},
    login,
};

/// Octets that a client may send ahead while it waits for room.
const AHEAD: usize = 16 << 10;

/// The client, as both phases of a session see it.
pub(super) struct Line {
    connection: Connection,
    decoder: Decoder,
    pub out: Encoder,
    settings: Arc<Settings>,
    peer: SocketAddr,
    shutdown: Shutdown,
    bad_commands: u32,
}

impl Line {
    pub(super) fn new(
        connection: Connection,
        settings: Arc<Settings>,
        peer: SocketAddr,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            connection,
            decoder: Decoder::new(Limits::default()),
            out: Encoder::new(),
            settings,
            peer,
            shutdown,
            bad_commands: 0,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn tls(&self) -> Option<&TlsFacts> {
        self.connection.tls()
    }

    /// What there is to tell of the connection when the session ends.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            octets: self.connection.octets_written(),
            tls: self.tls().is_some(),
            client: None,
        }
    }

    /// Whether a password may be told on this connection.
    pub(super) fn may_log_in(&self) -> bool {
        self.tls().is_some() || self.settings.permits_plaintext(self.peer.ip())
    }

    /// Answers CAPA.
    pub(super) fn tell_capabilities(&mut self, authenticated: bool) {
        // RFC 2449, section 5: what can be done in one state only is told in both.
        let permitted = self.may_log_in();
        let mechanisms: Vec<&str> = login::mechanisms(self.tls(), permitted)
            .map(Mechanism::name)
            .collect();
        let capabilities = Capabilities {
            stls: self.tls().is_none(),
            user: permitted,
            mechanisms: &mechanisms,
            implementation: authenticated.then_some("Kakitome"),
        };
        self.out.capabilities(&capabilities);
    }

    /// The next event. May be cancelled without loss.
    pub(super) async fn hear(&mut self, silence: Duration) -> Result<Event, End> {
        self.hear_until(Instant::now() + silence).await
    }

    /// A line of AUTH.
    pub(super) async fn hear_line(&mut self, deadline: Instant) -> Result<Event, End> {
        self.decoder.await_line();
        self.flush().await?;
        self.hear_until(deadline).await
    }

    pub(super) async fn hear_until(&mut self, deadline: Instant) -> Result<Event, End> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Ok(event);
            }
            self.read(deadline).await?;
        }
    }

    /// Waits until there is room for `octets` of text of `account`; `None` when there was none for
    /// [`Settings::stall_timeout`]. Gives up when the client does.
    pub(super) async fn room_for(
        &mut self,
        memory: &Memory,
        account: AccountId,
        octets: u64,
    ) -> Result<Option<Room>, End> {
        let patience = self.settings.stall_timeout;
        tokio::select! {
            biased;
            taken = timeout(patience, memory.take(Some(account), octets)) => Ok(taken.ok().flatten()),
            end = self.hear_the_end() => Err(end),
        }
    }

    /// Returns only when the connection is at its end.
    async fn hear_the_end(&mut self) -> End {
        let mut ahead = 0_usize;
        loop {
            if ahead >= AHEAD {
                std::future::pending::<()>().await;
            }
            match self.read(Instant::now() + Duration::from_hours(24)).await {
                Ok(count) => ahead = ahead.saturating_add(count),
                Err(end) => return end,
            }
        }
    }

    /// Reads some more until `deadline`; how much. May be cancelled without loss.
    async fn read(&mut self, deadline: Instant) -> Result<usize, End> {
        let mut buffer = [0_u8; READ];
        let read = tokio::select! {
            biased;
            () = self.shutdown.begun() => return Err(End::Shutdown),
            read = timeout_at(deadline, self.connection.read(&mut buffer)) => read,
        };
        let count = read.map_err(|_| End::TimedOut)?.map_err(End::from)?;
        match buffer.get(..count) {
            Some(octets) if !octets.is_empty() => self.decoder.feed(octets),
            _ => return Err(End::Closed),
        }
        Ok(count)
    }

    /// Sends everything that waits.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let waiting = self.connection.out();
        if waiting.is_empty() {
            *waiting = self.out.take();
        } else {
            waiting.extend_from_slice(self.out.bytes());
            self.out.clear();
        }
        Ok(self.connection.flush().await?)
    }

    /// One more line that was no command.
    pub(super) fn count_bad(&mut self) -> Result<(), End> {
        self.bad_commands = self.bad_commands.saturating_add(1);
        if self.bad_commands >= self.settings.bad_commands {
            return Err(End::Protocol);
        }
        Ok(())
    }

    /// Turns the connection into TLS; what was pipelined before is forgotten (RFC 2595, section 4).
    pub(super) async fn start_tls(mut self, identity: &Identity) -> std::io::Result<Self> {
        self.decoder.discard();
        let limit = self.settings.handshake_timeout;
        let connection = self.connection.accept_tls(identity, limit).await?;
        Ok(Self { connection, ..self })
    }

    /// Sends what waits, if the client still listens, and closes.
    pub(super) async fn close(mut self, end: End) {
        if end != End::Closed
            && let Err(error) = self.flush().await
        {
            tracing::debug!(?error, "the client did not hear the last answer");
        }
        self.connection.close().await;
    }
}
