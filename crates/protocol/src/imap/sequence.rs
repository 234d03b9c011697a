//! Sets of message numbers: as a client writes them, and as the server holds them.

use std::fmt;
use std::ops::RangeInclusive;

/// One end of a range in a [`SequenceSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A sequence number or UID, never 0.
    Number(u32),
    /// `*`: the largest in use.
    Largest,
}

impl Bound {
    fn resolve(self, largest: u32) -> u32 {
        match self {
            Self::Number(n) => n,
            Self::Largest => largest,
        }
    }
}

/// A `sequence-set` of RFC 9051, section 9, in the order the client wrote it: `1,5:7,9:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceSet {
    ranges: Vec<(Bound, Bound)>,
}

/// Why octets are not a [`SequenceSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceSetError {
    /// Neither a number from 1 to 4294967295 nor `*` where one belongs.
    #[error("malformed sequence set")]
    Malformed,
    /// More elements than the limit.
    #[error("sequence set has too many elements")]
    TooMany,
}

impl SequenceSet {
    /// Reads a whole set of at most `limit` elements.
    ///
    /// # Errors
    /// [`SequenceSetError`] when the octets are anything else.
    pub fn parse(octets: &[u8], limit: usize) -> Result<Self, SequenceSetError> {
        let mut ranges = Vec::new();
        for element in octets.split(|&octet| octet == b',') {
            if ranges.len() >= limit {
                return Err(SequenceSetError::TooMany);
            }
            let mut ends = element.splitn(2, |&octet| octet == b':');
            let first = bound(ends.next().unwrap_or_default())?;
            let last = ends.next().map_or(Ok(first), bound)?;
            ranges.push((first, last));
        }
        Ok(Self { ranges })
    }

    /// The elements as written; a single number is a range of itself.
    #[must_use]
    pub fn ranges(&self) -> &[(Bound, Bound)] {
        &self.ranges
    }

    /// The numbers meant when `largest` is the largest in use; 0 says the mailbox is empty, where an element with `*`
    /// means nothing.
    ///
    /// Numbers beyond `largest` stay: with UIDs they are to be ignored, with sequence numbers they are an error
    /// that the caller sees from [`NumberSet::last`].
    #[must_use]
    pub fn resolve(&self, largest: u32) -> NumberSet {
        let ranges = self.ranges.iter().filter_map(|&(a, b)| {
            let (a, b) = (a.resolve(largest), b.resolve(largest));
            let (low, high) = (a.min(b), a.max(b));
            (low > 0).then_some((low, high))
        });
        NumberSet::from_ranges(ranges.collect())
    }
}

fn bound(octets: &[u8]) -> Result<Bound, SequenceSetError> {
    if octets == b"*" {
        return Ok(Bound::Largest);
    }
    match octets.first() {
        Some(b'1'..=b'9') if octets.len() <= 10 && octets.iter().all(u8::is_ascii_digit) => {}
        _ => return Err(SequenceSetError::Malformed),
    }
    let value = octets.iter().fold(0u64, |sum, &digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit.saturating_sub(b'0')))
    });
    u32::try_from(value)
        .map(Bound::Number)
        .map_err(|_| SequenceSetError::Malformed)
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{first}")?;
            if first != last {
                write!(f, ":{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Largest => f.write_str("*"),
        }
    }
}

/// Numbers as sorted, disjoint, non-adjacent ranges: small whatever a client names, and printed in the shortest form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberSet {
    ranges: Vec<(u32, u32)>,
}

impl NumberSet {
    /// No numbers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn from_ranges(mut given: Vec<(u32, u32)>) -> Self {
        given.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(given.len());
        for (low, high) in given {
            match ranges.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => ranges.push((low, high)),
            }
        }
        Self { ranges }
    }

    /// Adds one number; cheap when numbers come in ascending order.
    pub fn insert(&mut self, number: u32) {
        match self.ranges.last_mut() {
            Some(last) if number >= last.0 => {
                if number > last.1.saturating_add(1) {
                    self.ranges.push((number, number));
                } else {
                    last.1 = last.1.max(number);
                }
            }
            None => self.ranges.push((number, number)),
            Some(_) => {
                let mut ranges = std::mem::take(&mut self.ranges);
                ranges.push((number, number));
                *self = Self::from_ranges(ranges);
            }
        }
    }

    /// Adds every number of a range.
    pub fn insert_range(&mut self, range: RangeInclusive<u32>) {
        if range.is_empty() {
            return;
        }
        let mut ranges = std::mem::take(&mut self.ranges);
        ranges.push((*range.start(), *range.end()));
        *self = Self::from_ranges(ranges);
    }

    /// Whether the number is in the set.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let after = self.ranges.partition_point(|&(low, _)| low <= number);
        after
            .checked_sub(1)
            .and_then(|index| self.ranges.get(index))
            .is_some_and(|&(_, high)| number <= high)
    }

    /// The part of the set inside `low..=high`.
    #[must_use]
    pub fn clip(&self, low: u32, high: u32) -> Self {
        let clipped = self
            .ranges
            .iter()
            .map(|&(a, b)| (a.max(low), b.min(high)))
            .filter(|&(a, b)| a <= b);
        Self {
            ranges: clipped.collect(),
        }
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|&(low, high)| low..=high)
    }

    /// Every number, ascending. A client can name four thousand million: clip the set to what exists first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges().flatten()
    }

    /// Whether there is no number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges
            .iter()
            .map(|&(low, high)| u64::from(high.saturating_sub(low)).saturating_add(1))
            .sum()
    }

    /// The smallest number.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|&(low, _)| low)
    }

    /// The largest number.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|&(_, high)| high)
    }
}

impl FromIterator<u32> for NumberSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let mut sorted = true;
        for number in numbers {
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(number) => last.1 = number,
                last => {
                    sorted &= last.is_none_or(|last| number > last.1);
                    ranges.push((number, number));
                }
            }
        }
        if sorted {
            Self { ranges }
        } else {
            Self::from_ranges(ranges)
        }
    }
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{low}")?;
            if low != high {
                write!(f, ":{high}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> SequenceSet {
        SequenceSet::parse(text.as_bytes(), 100).unwrap()
    }

    #[test]
    fn resolves_star_reversed_and_overlapping_ranges() {
        assert_eq!(set("*").resolve(7).to_string(), "7");
        assert_eq!(
            set("5:*").resolve(3).to_string(),
            "3:5",
            "the largest is always included"
        );
        assert_eq!(set("*:4,2,3,1").resolve(5).to_string(), "1:5");
        assert_eq!(set("4294967295:1").resolve(5).len(), 4_294_967_295);
        assert!(set("1:*,*").resolve(0).is_empty());
    }

    #[test]
    fn refuses_what_is_no_set() {
        for bad in [
            "",
            "0",
            "01",
            "1,",
            ",1",
            "1:",
            ":1",
            "1:2:3",
            "4294967296",
            "-1",
            "**",
            "99999999999",
            "1 ",
            "a",
        ] {
            assert_eq!(
                SequenceSet::parse(bad.as_bytes(), 10),
                Err(SequenceSetError::Malformed),
                "{bad}"
            );
        }
        assert_eq!(
            SequenceSet::parse(b"1,2,3", 2),
            Err(SequenceSetError::TooMany)
        );
    }

    #[test]
    fn edge_numbers_do_not_overflow() {
        let mut set = NumberSet::new();
        set.insert(u32::MAX);
        set.insert(u32::MAX);
        set.insert(1);
        assert_eq!(set.to_string(), "1,4294967295");
        assert_eq!(
            [u32::MAX, u32::MAX, 3, 2, 1]
                .into_iter()
                .collect::<NumberSet>()
                .to_string(),
            "1:3,4294967295"
        );
    }

    proptest! {
        #[test]
        fn numbers_survive_printing_and_parsing(numbers in proptest::collection::btree_set(1u32..200, 1..60)) {
            let held: NumberSet = numbers.iter().copied().collect();
            let again = SequenceSet::parse(held.to_string().as_bytes(), 1000).unwrap().resolve(1);
            prop_assert_eq!(&again, &held);
            prop_assert_eq!(again.iter().collect::<Vec<_>>(), numbers.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(held.len(), numbers.len() as u64);
            for number in 1..200 {
                prop_assert_eq!(held.contains(number), numbers.contains(&number));
            }
        }

        #[test]
        fn insertion_in_any_order_gives_the_same_set(numbers in proptest::collection::vec(1u32..100, 0..60)) {
            let mut one_by_one = NumberSet::new();
            for &number in &numbers {
                one_by_one.insert(number);
            }
            prop_assert_eq!(one_by_one, numbers.into_iter().collect::<NumberSet>());
        }

        #[test]
        fn a_set_prints_as_it_was_written(text in "([1-9][0-9]{0,4}|\\*)(:([1-9][0-9]{0,4}|\\*))?(,[1-9][0-9]{0,4}(:\\*)?){0,5}") {
            let parsed = set(&text);
            prop_assert_eq!(set(&parsed.to_string()), parsed);
        }
    }
}
