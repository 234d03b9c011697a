//! Identifiers: 63-bit, time-ordered, never reused.
//!
//! Layout, from the top: 43 bits of milliseconds since 1970, 6 bits of node, 14 bits of sequence. Time
//! order keeps inserts at the end of every index, which is what makes the engine fast.

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
}
