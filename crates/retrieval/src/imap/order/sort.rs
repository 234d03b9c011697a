//! SORT (RFC 5256, section 3).

use jiff::Timestamp;
use protocol::imap::{SortCriterion, SortKey};

/// Turns the order of signed numbers into that of unsigned ones.
const SIGN: u64 = 1 << 63;

/// A message with what it is sorted by, as short as may be: a mailbox may have a million of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sortable {
    /// The keys of the criteria, one after the other, so that the order of the octets is the one asked for.
    key: Box<[u8]>,
    /// UID: the answer. It decides when all keys are equal, as the sequence number would (section 3).
    pub uid: u32,
}

/// What one criterion looks at.
pub(crate) enum Value {
    /// A date, to the microsecond.
    Time(Timestamp),
    /// Octets.
    Size(u64),
    /// A text, compared by its octets.
    Text(String),
}

impl Sortable {
    /// The message `uid`, whose values `value` tells: it is asked only for those that the criteria need, and once for each.
    pub(crate) fn new(
        uid: u32,
        criteria: &[SortCriterion],
        mut value: impl FnMut(SortKey) -> Value,
    ) -> Self {
        let mut key = Vec::new();
        for (index, criterion) in criteria.iter().enumerate() {
            let earlier = criteria.get(..index).unwrap_or_default();
            // What is equal by an earlier criterion is so by this one: it decides nothing.
            if earlier.iter().any(|other| other.key == criterion.key) {
                continue;
            }
            let from = key.len();
            match value(criterion.key) {
                Value::Time(time) => {
                    let number = time.as_microsecond().cast_unsigned() ^ SIGN;
                    key.extend_from_slice(&number.to_be_bytes());
                }
                Value::Size(size) => key.extend_from_slice(&size.to_be_bytes()),
                // NUL ends the text, so that what begins alike and is shorter comes first.
                Value::Text(text) => {
                    key.extend(text.bytes().filter(|octet| *octet != 0));
                    key.push(0);
                }
            }
            if criterion.reverse {
                for octet in key.iter_mut().skip(from) {
                    *octet = !*octet;
                }
            }
        }
        Self {
            key: key.into_boxed_slice(),
            uid,
        }
    }

    /// Octets that it takes besides its own size.
    pub(crate) fn octets(&self) -> u64 {
        u64::try_from(self.key.len()).unwrap_or(u64::MAX)
    }
}

/// Sorts messages by their criteria.
pub(crate) fn sort(messages: &mut [Sortable]) {
    messages.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(key: SortKey, reverse: bool) -> SortCriterion {
        SortCriterion { reverse, key }
    }

    fn sorted(mut all: Vec<Sortable>) -> Vec<u32> {
        sort(&mut all);
        all.iter().map(|message| message.uid).collect()
    }

    #[test]
    fn reverse_turns_the_next_key_only_and_ties_keep_their_order() {
        let messages = [(1, 10, "b"), (2, 20, "a"), (3, 10, "a"), (4, 10, "b")];
        let of = |criteria: &[SortCriterion]| {
            let make = |(uid, size, from): (u32, u64, &str)| {
                Sortable::new(uid, criteria, |key| match key {
                    SortKey::Size => Value::Size(size),
                    _ => Value::Text(from.to_owned()),
                })
            };
            sorted(messages.map(make).to_vec())
        };
        let both = [by(SortKey::Size, true), by(SortKey::From, false)];
        assert_eq!(of(&both), [2, 3, 1, 4]);
        assert_eq!(of(&[by(SortKey::From, true)]), [1, 4, 2, 3]);
        let twice = [by(SortKey::From, true), by(SortKey::From, false)];
        assert_eq!(of(&twice), [1, 4, 2, 3]);
    }

    #[test]
    fn octets_stand_in_the_order_of_texts_and_times() {
        let texts = ["ab", "", "a", "\u{3042}", "abc", "b"];
        let times = [3, -7, 0, 253_402_200_000, -62_135_596_800, 1]
            .map(|second| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH));
        for reverse in [false, true] {
            let texts = (0..).zip(texts).map(|(uid, text)| {
                let criteria = [by(SortKey::Subject, reverse), by(SortKey::From, false)];
                Sortable::new(uid, &criteria, |_| Value::Text(text.to_owned()))
            });
            let times = (0..).zip(times).map(|(uid, time)| {
                Sortable::new(uid, &[by(SortKey::Date, reverse)], |_| Value::Time(time))
            });
            let (mut by_text, mut by_time) = (vec![1, 2, 0, 4, 5, 3], vec![4, 1, 2, 5, 0, 3]);
            if reverse {
                by_text.reverse();
                by_time.reverse();
            }
            assert_eq!(sorted(texts.collect()), by_text);
            assert_eq!(sorted(times.collect()), by_time);
        }
    }
}
