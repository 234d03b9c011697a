//! A canary: a message with the text that scanners are tested with, sent to this server by itself to see that it is caught
//! (clause 5.2(3)). It goes the way of all mail from outside; only its recipient is nobody, and so it is delivered to nobody.

use std::sync::Arc;

use message::Address;
use parking_lot::Mutex;
use screening::Screened;
use store::QueueId;

/// What is waited for, if anything is.
#[derive(Debug, Default)]
pub(crate) struct Nest {
    expected: Mutex<Option<Expected>>,
    /// Where the own probe's messages go.
    sink: Mutex<Option<Address>>,
}

#[derive(Debug)]
struct Expected {
    address: Address,
    screened: Arc<Mutex<Option<(QueueId, Screened)>>>,
}

/// A canary on its way. Dropped, its address is nobody's again.
pub struct Canary {
    transfer: crate::Transfer,
    screened: Arc<Mutex<Option<(QueueId, Screened)>>>,
}

impl Canary {
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
    /// Waits for a canary to `address`, which is nobody's, until what is returned is dropped: RCPT takes the address from anybody
    /// on the exchange's listener, the message is screened like every other, and it goes nowhere. One at a time is waited for.
    #[must_use]
    pub fn wait_for_canary(&self, address: Address) -> Canary {
        let screened = Arc::default();
        *self.canary().expected.lock() = Some(Expected {
            address,
            screened: Arc::clone(&screened),
        });
        Canary {
            transfer: self.clone(),
            screened,
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

    /// Whether one is waited for at `address`.
    pub(crate) fn is_at(&self, address: &Address) -> bool {
        let expected = self.expected.lock();
        expected
            .as_ref()
            .is_some_and(|known| known.address == *address)
    }

    /// One has come, and this was found and decided.
    pub(crate) fn came(&self, screened: Option<&(QueueId, Screened)>) {
        if let Some(expected) = &*self.expected.lock() {
            *expected.screened.lock() = screened.cloned();
        }
    }
}
