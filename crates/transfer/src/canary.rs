//! A canary: a message with the text that scanners are tested with, sent to this server by itself to see that it is caught
//! (clause 5.2(3)). It goes the way of all mail from outside; only its recipient is nobody, and so it is delivered to nobody. It comes
//! from one socket, which is told beforehand: what comes from there is the server's own, and takes nothing of what others may use.

use std::{net::SocketAddr, sync::Arc};

use message::Address;
use parking_lot::Mutex;
use screening::Screened;
use store::QueueId;
use tokio::sync::OwnedMutexGuard;

/// What is waited for, if anything is.
#[derive(Debug, Default)]
pub(crate) struct Nest {
    expected: Mutex<Option<Expected>>,
    /// Whoever waits for one holds it.
    alone: Arc<tokio::sync::Mutex<()>>,
    /// Where the own probe's messages go.
    sink: Mutex<Option<Address>>,
}

#[derive(Debug)]
struct Expected {
    address: Address,
    /// The socket that it comes from, once that is known.
    from: Option<SocketAddr>,
    screened: Arc<Mutex<Option<(QueueId, Screened)>>>,
}

/// A canary on its way, the only one. Dropped, its address is nobody's again.
pub struct Canary {
    transfer: crate::Transfer,
    screened: Arc<Mutex<Option<(QueueId, Screened)>>>,
    _alone: OwnedMutexGuard<()>,
}

impl Canary {
    /// The session from this socket, which its sender has bound already, is the canary's from now on, and no other is: the sender of one that
    /// was put off says so again before the next try.
    pub fn comes_from(&self, socket: SocketAddr) {
        if let Some(expected) = &mut *self.transfer.canary().expected.lock() {
            expected.from = Some(canonical(socket));
        }
    }

    /// The id it was screened under, what was found and what was decided; `None`: no message to it came as far as that, or it was
    /// not screened.
    #[must_use]
    pub fn screened(&self) -> Option<(QueueId, Screened)> {
        self.screened.lock().clone()
    }
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canary")
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let mut expected = self.transfer.canary().expected.lock();
        let is_own = |known: &Expected| Arc::ptr_eq(&known.screened, &self.screened);
        if expected.as_ref().is_some_and(is_own) {
            *expected = None;
        }
    }
}

impl crate::Transfer {
    /// Waits for a canary to `address`, which is nobody's, until what is returned is dropped: RCPT takes the address on the exchange's
    /// listener from the socket that [`Canary::comes_from`] names, the message is screened like every other, and it goes nowhere. It counts
    /// neither against what mail without a sender may use nor against what the own address may. One at a time is waited for: this
    /// returns once no other is.
    pub async fn wait_for_canary(&self, address: Address) -> Canary {
        let alone = Arc::clone(&self.canary().alone).lock_owned().await;
        let screened = Arc::default();
        *self.canary().expected.lock() = Some(Expected {
            address,
            from: None,
            screened: Arc::clone(&screened),
        });
        Canary {
            transfer: self.clone(),
            screened,
            _alone: alone,
        }
    }
}

/// An address at which the own probe's messages are taken and thrown away. Dropped, it is nobody's again.
pub struct Sink {
    transfer: crate::Transfer,
    address: Address,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut sink = self.transfer.canary().sink.lock();
        if sink.as_ref() == Some(&self.address) {
            *sink = None;
        }
    }
}

impl crate::Transfer {
    /// Takes what comes to `address`, which is nobody's and which nobody could guess, from anybody on the exchange's listener, until what is
    /// returned is dropped: it is told in the trail, and thrown away unlooked at. There is one such address at a time.
    #[must_use]
    pub fn throw_away_at(&self, address: Address) -> Sink {
        *self.canary().sink.lock() = Some(address.clone());
        Sink {
            transfer: self.clone(),
            address,
        }
    }
}

impl Nest {
    /// Whether what comes to `address` is thrown away.
    pub(crate) fn is_sink(&self, address: &Address) -> bool {
        self.sink.lock().as_ref() == Some(address)
    }

    /// Whether the session from this socket is that of the one that is waited for.
    pub(crate) fn is_from(&self, peer: SocketAddr) -> bool {
        let expected = self.expected.lock();
        let from = expected.as_ref().and_then(|known| known.from);
        from == Some(canonical(peer))
    }

    /// Whether one from this socket is waited for at `address`.
    pub(crate) fn is_at(&self, address: &Address, peer: SocketAddr) -> bool {
        let expected = self.expected.lock();
        expected
            .as_ref()
            .is_some_and(|known| known.address == *address && known.from == Some(canonical(peer)))
    }

    /// One has come, and this was found and decided.
    pub(crate) fn came(&self, screened: Option<&(QueueId, Screened)>) {
        if let Some(expected) = &*self.expected.lock() {
            *expected.screened.lock() = screened.cloned();
        }
    }
}

/// The same socket, however its address is written.
fn canonical(socket: SocketAddr) -> SocketAddr {
    SocketAddr::new(socket.ip().to_canonical(), socket.port())
}
