//! A connection with what is to be written to it, and a bound on how slow its peer may be.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use wire::{Identity, Stream, TlsFacts};

/// Octets gathered before they are written.
const CHUNK: usize = 16 << 10;
/// Octets asked for in one read: small, since a session that idles holds room for them.
pub(crate) const READ: usize = 4 << 10;

/// A stream, and the octets that wait to be written to it.
pub(crate) struct Connection {
    stream: Stream,
    out: Vec<u8>,
    /// How much of `out` is written: a write that is cancelled must not begin anew.
    sent: usize,
    stall: Duration,
    minimum_rate: u64,
}

impl Connection {
    /// A connection whose peer may pause for `stall` and must take `minimum_rate` octets a second on average.
    pub(crate) fn new(stream: Stream, stall: Duration, minimum_rate: u64) -> Self {
        Self {
            stream,
            out: Vec::new(),
            sent: 0,
            stall,
            minimum_rate: minimum_rate.max(1),
        }
    }

    /// Facts about TLS, when the connection is encrypted.
    pub(crate) fn tls(&self) -> Option<&TlsFacts> {
        self.stream.tls()
    }

    /// Octets of application data written so far.
    pub(crate) fn octets_written(&self) -> u64 {
        self.stream.octets_written()
    }

    /// Where answers are gathered. They leave with [`Connection::flush`].
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Reads some octets; none at the end. May be cancelled without loss.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).await
    }

    /// Writes what was gathered, if it is much: called between the items of a long answer, so that a slow client holds
    /// up the work and not memory.
    pub(crate) async fn relieve(&mut self) -> io::Result<()> {
        if self.out.len() >= CHUNK {
            self.write_out().await?;
        }
        Ok(())
    }

    /// Writes everything that was gathered and hands it to the network.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.write_out().await?;
        let deadline = self.deadline(0);
        bounded(deadline, self.stream.flush()).await?;
        // An idle session must not keep the room that its last long answer took.
        if self.out.capacity() > CHUNK {
            self.out = Vec::new();
        }
        Ok(())
    }

    /// Writes `total` octets that come in pieces after what was gathered, without copying them unless they are few.
    pub(crate) async fn write_pieces<P: AsRef<[u8]>>(
        &mut self,
        total: usize,
        pieces: impl Iterator<Item = P>,
    ) -> io::Result<()> {
        if total < CHUNK {
            for piece in pieces {
                self.out.extend_from_slice(piece.as_ref());
            }
            return self.relieve().await;
        }
        self.write_out().await?;
        // One for all of them: who takes each piece slowly takes the whole slowly.
        let deadline = self.deadline(total);
        for piece in pieces {
            let mut rest = piece.as_ref();
            while !rest.is_empty() {
                let end = deadline.min(Instant::now() + self.stall);
                let written = bounded(end, self.stream.write(rest)).await?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                rest = rest.get(written..).unwrap_or_default();
            }
        }
        Ok(())
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let deadline = self.deadline(self.out.len());
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let end = deadline.min(Instant::now() + self.stall);
            let written = bounded(end, self.stream.write(rest)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent = self.sent.saturating_add(written);
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    fn deadline(&self, octets: usize) -> Instant {
        let seconds = u64::try_from(octets).unwrap_or(u64::MAX) / self.minimum_rate;
        Instant::now() + self.stall + Duration::from_secs(seconds)
    }

    /// Says goodbye to the stream; what the peer does no longer matters.
    pub(crate) async fn close(mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        if let Err(error) = bounded(deadline, self.stream.shutdown()).await {
            tracing::debug!(%error, "closing a connection");
        }
    }

    /// The TLS handshake. Nothing that was gathered may be left.
    pub(crate) async fn accept_tls(self, identity: &Identity, limit: Duration) -> io::Result<Self> {
        let stream = bounded(Instant::now() + limit, self.stream.accept_tls(identity)).await?;
        Ok(Self { stream, ..self })
    }
}

async fn bounded<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout_at(deadline, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A MiB in two pieces.
    async fn write(connection: &mut Connection) -> io::Result<()> {
        let half = vec![0; 1 << 19];
        let pieces = [half.as_slice(), &half].into_iter();
        connection.write_pieces(1 << 20, pieces).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (near, _far) = tokio::io::duplex(64);
        let mut connection = Connection::new(Stream::plain(near), Duration::from_secs(60), 1024);
        let before = Instant::now();
        let error = write(&mut connection).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(before.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_trickles_is_given_up_too() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut connection = Connection::new(Stream::plain(near), Duration::from_secs(60), 1024);
        tokio::spawn(async move {
            let mut octet = [0];
            while far.read(&mut octet).await.is_ok_and(|n| n > 0) {
                tokio::time::sleep(Duration::from_secs(50)).await;
            }
        });
        let before = Instant::now();
        let error = write(&mut connection).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(before.elapsed().as_secs(), 60 + 1024);
    }
}
