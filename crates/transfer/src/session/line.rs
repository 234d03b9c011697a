//! Reading and writing in bounded time.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::Conversation;

/// Octets read at once.
const READ_AT_ONCE: usize = 32 * 1024;

/// Why a session ends that did not say QUIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client is gone.
    Gone,
    /// A phase took too long.
    TooSlow,
    /// The server is going down.
    Shutdown,
}

impl Conversation<'_> {
    /// Waits with the greeting for strangers who talk before it (RFC 5321, section 3.1), as long as the settings say. What they said
    /// is read after the greeting all the same.
    pub(super) async fn await_early(&mut self) -> Result<(), Ended> {
        let screening = self.settings.screening.as_ref();
        let wait = screening.map_or(Duration::ZERO, |screening| screening.greeting_wait);
        if wait.is_zero() || !self.is_from_outside() {
            return Ok(());
        }
        let Some(stream) = self.stream.as_mut() else {
            return Err(Ended::Gone);
        };
        let mut buffer = vec![0; READ_AT_ONCE];
        let read = tokio::select! {
            biased;
            () = self.shutdown.begun() => return Ok(()),
            read = stream.read(&mut buffer) => read,
            () = tokio::time::sleep(wait) => return Ok(()),
        };
        match read {
            Ok(0) | Err(_) => Err(Ended::Gone),
            Ok(count) => {
                self.early = true;
                self.machine.feed(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
        }
    }

    /// Writes what the machine has to say, and feeds it what the client says next.
    pub(super) async fn exchange_octets(&mut self) -> Result<(), Ended> {
        self.progressed |= self.flush().await?;
        if std::mem::take(&mut self.progressed) {
            self.waiting_since = Instant::now();
        }
        let deadline = self.deadline();
        let in_message = self.open.in_message();
        let Some(stream) = self.stream.as_mut() else {
            return Err(Ended::Gone);
        };
        // Not filled with zeros first: most of what is read is far shorter.
        let mut buffer = Vec::with_capacity(READ_AT_ONCE);
        let (shutdown, drained) = (&mut self.shutdown, &mut self.drained);
        let drain = self.settings.times.drain;
        // A client in the middle of its message gets some time to finish it, from one instant on however it trickles:
        // its mail would come again anyway.
        let shutdown = async {
            shutdown.begun().await;
            if in_message {
                let end = drained.get_or_insert_with(|| after(Instant::now(), drain));
                tokio::time::sleep_until(*end).await;
            }
        };
        // Shutdown first: who sends without pause would never let it be seen.
        let read = tokio::select! {
            biased;
            () = shutdown => return Err(Ended::Shutdown),
            read = stream.read_buf(&mut buffer) => read,
            () = tokio::time::sleep_until(deadline) => return Err(Ended::TooSlow),
        };
        match read {
            Ok(0) | Err(_) => Err(Ended::Gone),
            Ok(count) => {
                let octets = u64::try_from(count).unwrap_or(u64::MAX);
                self.open.came = self.open.came.saturating_add(octets);
                self.machine.feed(&buffer);
                Ok(())
            }
        }
    }

    /// When the present phase must have gone on.
    fn deadline(&self) -> Instant {
        let times = &self.settings.times;
        let now = Instant::now();
        let phase = match self.open.data_began() {
            Some(began) => {
                let pace = self
                    .open
                    .owes_by(times.data_silence, self.settings.limits.data_rate);
                let whole = after(began, times.data).min(after(now, times.data_silence));
                pace.map_or(whole, |pace| whole.min(pace))
            }
            // One command has this time however it trickles.
            None if self.hello.is_none() => after(self.waiting_since, times.greeting),
            None => after(self.waiting_since, times.command),
        };
        phase.min(after(self.began, times.session))
    }

    /// Writes what the machine has to say; tells whether there was anything.
    pub(super) async fn flush(&mut self) -> Result<bool, Ended> {
        let output = self.machine.take_output();
        if output.is_empty() {
            return Ok(false);
        }
        let Some(stream) = self.stream.as_mut() else {
            return Err(Ended::Gone);
        };
        let writing = async {
            stream.write_all(&output).await?;
            stream.flush().await
        };
        match tokio::time::timeout(self.settings.times.write, writing).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(_)) => Err(Ended::Gone),
            Err(_) => Err(Ended::TooSlow),
        }
    }

    /// The last words, and the end of the connection.
    pub(super) async fn bye(&mut self) {
        if self.flush().await.is_err() {
            return;
        }
        if let Some(stream) = self.stream.as_mut() {
            let closing = tokio::time::timeout(Duration::from_secs(2), stream.shutdown());
            if let Ok(Err(error)) = closing.await {
                tracing::debug!(peer = %self.peer, %error, "closing");
            }
        }
    }
}

fn after(instant: Instant, wait: Duration) -> Instant {
    instant.checked_add(wait).unwrap_or(instant)
}
