//! A network in memory: delays, pieces of any length, connections that break.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};

use crate::chance::Chance;

/// Bytes on their way in one direction at most.
const WINDOW: usize = 16 << 10;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Network {
    chance: Chance,
    /// One connection in so many breaks; 0: none does.
    breaks: u64,
}

impl Network {
    pub(crate) fn new(chance: Chance, breaks: u64) -> Self {
        Self { chance, breaks }
    }

    /// A connection: the client's end and the server's.
    pub(crate) fn connect(&self) -> (DuplexStream, DuplexStream) {
        let (client, near) = duplex(WINDOW);
        let (far, server) = duplex(WINDOW);
        let breaks = self.breaks > 0 && self.chance.once_in(self.breaks);
        // Bytes that each direction carries before the connection breaks.
        let left = [(); 2].map(|()| breaks.then(|| self.chance.below(20_000)));
        let chances = (self.chance.fork(), self.chance.fork());
        tokio::spawn(async move {
            let (near_read, near_write) = split(near);
            let (far_read, far_write) = split(far);
            let there = carry(near_read, far_write, chances.0, left[0]);
            let back = carry(far_read, near_write, chances.1, left[1]);
            if breaks {
                // Whichever breaks first takes the other direction with it.
                tokio::select! {
                    biased;
                    () = there => {}
                    () = back => {}
                }
            } else {
                tokio::join!(there, back);
            }
        });
        (client, server)
    }
}

/// Carries bytes until the source ends, `left` bytes were carried, or nobody takes them.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    chance: Chance,
    mut left: Option<u64>,
) {
    let mut buffer = vec![0; 4096];
    loop {
        let most = 1 + chance.index(if chance.once_in(4) { 80 } else { 4096 });
        let Some(room) = buffer.get_mut(..most) else {
            return;
        };
        let mut count = match from.read(room).await {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        tokio::time::sleep(Duration::from_micros(chance.below(20_000))).await;
        if let Some(left) = &mut left {
            count = count.min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= count as u64;
        }
        let piece = buffer.get(..count).unwrap_or_default();
        if to.write_all(piece).await.is_err() || left == Some(0) {
            return;
        }
    }
    // The peer hears the end, if it is still there.
    to.shutdown().await.ok();
}
