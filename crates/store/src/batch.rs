//! Lists of integers as parameters.
//!
//! A statement that takes a list is written for a few fixed lengths only, so that the engine keeps it
//! prepared. A list that does not fill its length repeats its last value: harmless in `IN (…)` and in
//! inserts that ignore what is there.

/// The lengths that statements are written for.
const LENGTHS: [usize; 4] = [1, 8, 64, 512];

/// `values` cut into lists of the known lengths, the last one filled up.
pub(crate) fn lists(values: &[i64]) -> impl Iterator<Item = Vec<i64>> + '_ {
    let longest = LENGTHS[LENGTHS.len() - 1];
    values.chunks(longest).map(move |chunk| {
        let mut list = chunk.to_vec();
        let length = LENGTHS
            .into_iter()
            .find(|length| *length >= list.len())
            .unwrap_or(longest);
        if let Some(last) = list.last().copied() {
            list.resize(length, last);
        }
        list
    })
}

/// `?first, ?first+1 …`: `count` marks.
pub(crate) fn marks(first: usize, count: usize) -> String {
    let marks: Vec<String> = (first..first + count).map(|n| format!("?{n}")).collect();
    marks.join(", ")
}

/// Values without order or with duplicates, ascending and each once.
pub(crate) fn ascending<T: Copy + Ord>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

/// Runs of consecutive numbers in `ascending`: first and last of each.
pub(crate) fn runs(ascending: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in ascending {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_filled_to_known_lengths() {
        assert_eq!(lists(&[]).count(), 0);
        assert_eq!(lists(&[7]).collect::<Vec<_>>(), [vec![7]]);
        let nine: Vec<i64> = (0..9).collect();
        let lists: Vec<Vec<i64>> = lists(&nine).collect();
        assert_eq!(lists[0].len(), 64);
        assert_eq!(lists[0][8..], [8; 56]);
    }

    #[test]
    fn runs_are_maximal() {
        assert_eq!(runs(&[1, 2, 3, 5, 9, 10]), [(1, 3), (5, 5), (9, 10)]);
        assert_eq!(runs(&[u32::MAX]), [(u32::MAX, u32::MAX)]);
        assert_eq!(marks(2, 3), "?2, ?3, ?4");
    }
}
