//! Semantic Versioning 2.0.0, section 11.

use std::cmp::Ordering;

struct Version<'a> {
    numbers: [u64; 3],
    /// Identifiers of a pre-release; none: it is a release.
    before: Vec<&'a str>,
}

pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (parse(one)?, parse(other)?);
    let by_numbers = one.numbers.cmp(&other.numbers);
    let by_release = || match (one.before.is_empty(), other.before.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => identifiers(&one.before, &other.before),
    };
    Some(by_numbers.then_with(by_release))
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim();
    // Go writes a `v` before, and feeds leave out what is zero.
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split('+').next().unwrap_or(text);
    let (numbers, before) = match text.split_once('-') {
        Some((numbers, before)) => (numbers, before.split('.').collect()),
        None => (text, Vec::new()),
    };
    let mut found = [0_u64; 3];
    let mut parts = numbers.split('.');
    for (place, number) in found.iter_mut().enumerate() {
        match parts.next() {
            Some(part) => *number = number_of(part)?,
            None if place > 0 => {}
            None => return None,
        }
    }
    let is_word = |word: &&str| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    (parts.next().is_none() && before.iter().all(is_word)).then_some(Version {
        numbers: found,
        before,
    })
}

fn number_of(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn identifiers(one: &[&str], other: &[&str]) -> Ordering {
    for (one, other) in one.iter().zip(other) {
        let ordering = match (number_of(one), number_of(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => one.cmp(other),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    one.len().cmp(&other.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_order_of_the_standard() {
        // Section 11 of the standard, and builds that do not count.
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2",
            "2.0.0-0",
            "2",
            "10.0.0",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                let expected = place.cmp(&other_place);
                assert_eq!(compare(one, other), Some(expected), "{one} {other}");
            }
        }
        assert_eq!(compare("1.0.0+a", "1.0.0+b"), Some(Ordering::Equal));
        for wrong in [
            "",
            "a",
            "1..2",
            "1.2.3.4",
            "1.0.0-",
            "1.0.0-ä",
            "-1",
            "+1",
            "99999999999999999999",
        ] {
            assert_eq!(compare(wrong, "1.0.0"), None, "{wrong}");
        }
    }
}
