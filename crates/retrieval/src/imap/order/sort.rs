//! SORT (RFC 5256, section 3).

use std::cmp::Ordering;

use jiff::Timestamp;
use protocol::imap::{SortCriterion, SortKey};

/// What a message can be sorted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sortable {
    /// UID: the answer.
    pub uid: u32,
    /// INTERNALDATE.
    pub arrival: Timestamp,
    /// Sent date, or INTERNALDATE when there is none that can be read (section 2.2).
    pub date: Timestamp,
    /// Octets.
    pub size: u64,
    /// Local part of the first address, in lower case.
    pub from: String,
    /// As `from`.
    pub to: String,
    /// As `from`.
    pub cc: String,
    /// Base subject.
    pub subject: String,
}

/// Sorts messages that stand in the order of their sequence numbers, which decide when all keys are equal.
pub(crate) fn sort(messages: &mut [Sortable], criteria: &[SortCriterion]) {
    messages.sort_by(|a, b| {
        criteria
            .iter()
            .map(|criterion| {
                let order = compare(a, b, criterion.key);
                if criterion.reverse {
                    order.reverse()
                } else {
                    order
                }
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}

fn compare(a: &Sortable, b: &Sortable, key: SortKey) -> Ordering {
    match key {
        SortKey::Arrival => a.arrival.cmp(&b.arrival),
        SortKey::Cc => a.cc.cmp(&b.cc),
        SortKey::Date => a.date.cmp(&b.date),
        SortKey::From => a.from.cmp(&b.from),
        SortKey::Size => a.size.cmp(&b.size),
        SortKey::Subject => a.subject.cmp(&b.subject),
        SortKey::To => a.to.cmp(&b.to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_turns_the_next_key_only_and_ties_keep_their_order() {
        let message = |uid, size, from: &str| Sortable {
            uid,
            size,
            from: from.to_owned(),
            ..Sortable::default()
        };
        let mut all = [
            message(1, 10, "b"),
            message(2, 20, "a"),
            message(3, 10, "a"),
            message(4, 10, "b"),
        ];
        let by = |key, reverse| SortCriterion { key, reverse };
        sort(
            &mut all,
            &[by(SortKey::Size, true), by(SortKey::From, false)],
        );
        assert_eq!(all.each_ref().map(|m| m.uid), [2, 3, 1, 4]);
        sort(&mut all, &[by(SortKey::From, true)]);
        assert_eq!(all.each_ref().map(|m| m.uid), [1, 4, 2, 3]);
    }
}
