//! Identifiers: 63-bit, time-ordered, never reused.
//!
//! Layout, from the top: 43 bits of milliseconds since 1970, 6 bits of node, 14 bits of sequence. Time
//! order keeps inserts at the end of every index, which is what makes the engine fast.

use std::sync::atomic::{AtomicI64, Ordering};

use world::World;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write_text(self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read_text(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// An account: a mailbox owner with an identifier.
    AccountId,
    /// A stored body.
    BodyId,
    /// A message as its owner sees it; the same in every mailbox it is copied to (RFC 8474 EMAILID).
    EmailId,
    /// An audit event.
    EventId,
    /// A mailbox (RFC 8474 MAILBOXID).
    MailboxId,
    /// A person.
    PersonId,
    /// A queued message.
    QueueId,
    /// A thread (RFC 8474 THREADID).
    ThreadId,
}

impl AccountId {
    /// The owner of bodies that wait in the queue for other servers. Its key is made with the store.
    pub const QUEUE: Self = Self(1);
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 13 characters of 0-9 and A-Z without I, L, O, U are expected")]
pub struct NotAnId;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 13;

fn write_text(id: i64, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    let mut text = [b'0'; LENGTH];
    let mut rest = id.cast_unsigned();
    for slot in text.iter_mut().rev() {
        *slot = DIGITS[(rest & 31) as usize];
        rest >>= 5;
    }
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

fn read_text(text: &str) -> Result<i64, NotAnId> {
    if text.len() != LENGTH {
        return Err(NotAnId);
    }
    let mut id: u64 = 0;
    for byte in text.bytes() {
        let digit = DIGITS
            .iter()
            .position(|d| *d == byte.to_ascii_uppercase())
            .ok_or(NotAnId)?;
        id = id
            .checked_mul(32)
            .and_then(|id| id.checked_add(digit as u64))
            .ok_or(NotAnId)?;
    }
    i64::try_from(id).map_err(|_| NotAnId)
}

/// Bits below the milliseconds: 6 of node, 14 of sequence.
const BELOW_TIME: u32 = 20;
/// Bits of the sequence.
const SEQUENCE: u32 = 14;

/// The smallest id that can have been given at `at` or later.
pub(crate) fn not_before(at: jiff::Timestamp) -> i64 {
    let milliseconds = at.as_millisecond().clamp(0, (1 << 43) - 1);
    milliseconds << BELOW_TIME
}

/// When an id was given, to the millisecond.
#[must_use]
pub fn made_at(id: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(id >> BELOW_TIME).unwrap_or_default()
}

/// Gives ids that ascend, whatever the clock does.
pub(crate) struct Generator {
    /// The last id given.
    last: AtomicI64,
    world: World,
}

impl Generator {
    /// Gives only ids above `last`.
    pub(crate) fn above(last: i64, world: World) -> Self {
        Self {
            last: AtomicI64::new(last),
            world,
        }
    }

    /// Gives only ids above `last` from now on.
    pub(crate) fn raise(&self, last: i64) {
        self.last.fetch_max(last, Ordering::SeqCst);
    }

    /// The next id: of this millisecond, or just above the last one when the clock stands or went back.
    pub(crate) fn next(&self) -> i64 {
        let floor = not_before(self.world.now());
        let given = |last: i64| -> i64 {
            let after = if (last + 1) & ((1 << SEQUENCE) - 1) == 0 {
                // The sequence is used up: borrow the next millisecond, never another node's numbers.
                ((last >> BELOW_TIME) + 1) << BELOW_TIME
            } else {
                last + 1
            };
            after.max(floor)
        };
        self.last
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(given(last)))
            .map_or_else(given, given)
    }

    /// The last id given.
    pub(crate) fn last(&self) -> i64 {
        self.last.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_and_back() {
        for id in [0, 1, 31, 32, i64::MAX] {
            assert_eq!(
                QueueId(id).to_string().parse::<QueueId>().unwrap(),
                QueueId(id)
            );
        }
        assert!("ZZZZZZZZZZZZZ".parse::<QueueId>().is_err());
        assert!("short".parse::<QueueId>().is_err());
    }

    #[test]
    fn ids_ascend_though_the_clock_stands() {
        let clock = world::ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        struct Zero;
        impl world::Random for Zero {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let generator = Generator::above(0, World::new(clock.clone(), Zero));
        let mut last = 0;
        for _ in 0..40_000 {
            let id = generator.next();
            assert!(id > last);
            assert_eq!((id >> SEQUENCE) & 63, 0, "another node's number");
            last = id;
        }
        clock.advance(std::time::Duration::from_secs(1));
        assert!(generator.next() >= not_before(clock_now(&clock)));
    }

    fn clock_now(clock: &world::ManualClock) -> jiff::Timestamp {
        world::Clock::now(clock)
    }
}
