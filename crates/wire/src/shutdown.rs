//! A polite end for sessions.

use tokio::sync::watch;

/// Held by the server; ends all sessions that hold a [`Shutdown`] of it.
#[derive(Debug)]
pub struct ShutdownHandle {
    sender: watch::Sender<bool>,
}

/// Held by a session, which watches it while it waits for its peer.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

impl ShutdownHandle {
    /// A handle and the first watcher.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self { sender }, Shutdown { receiver })
    }

    /// Asks all sessions to end at their next safe point.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the end was asked for.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Returns when the end is asked for, or the server is gone.
    pub async fn begun(&mut self) {
        while !*self.receiver.borrow_and_update() {
            if self.receiver.changed().await.is_err() {
                return;
            }
        }
    }
}
