//! Versions of products without a scheme of their own: numbers and letters, in turn.

use std::cmp::Ordering;

/// Characters of a version.
const MOST: usize = 100;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// `rc`, `beta`, `alpha` and the like come before the version that they are of.
    Before(&'a str),
    /// Nothing more, which is like zero.
    Number(u64),
    Letters(&'a str),
    /// `*`
    All,
}

pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (parse(one)?, parse(other)?);
    for place in 0..one.len().max(other.len()) {
        let one = one.get(place).unwrap_or(&Part::Number(0));
        let other = other.get(place).unwrap_or(&Part::Number(0));
        let ordering = one.cmp(other);
        if ordering != Ordering::Equal {
            return Some(ordering);
        }
    }
    Some(Ordering::Equal)
}

/// `None`: it does not begin with a number, so that nobody can tell what is later.
fn parse(text: &str) -> Option<Vec<Part<'_>>> {
    let text = text.trim();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if text.len() > MOST || !text.starts_with(|c: char| c.is_ascii_digit() || c == '*') {
        return None;
    }
    let mut parts = Vec::new();
    for word in text.split(['.', '-', '_', '+', ' ']) {
        let mut rest = word;
        while let Some(first) = rest.bytes().next() {
            let is_number = first.is_ascii_digit();
            let end = rest.bytes().position(|c| c.is_ascii_digit() != is_number);
            let (part, behind) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            parts.push(match part {
                "*" => Part::All,
                digits if is_number => Part::Number(digits.parse().ok()?),
                "rc" | "beta" | "alpha" | "pre" | "dev" | "a" | "b"
                    if behind.is_empty() || behind.starts_with(|c: char| c.is_ascii_digit()) =>
                {
                    // `1.0b` of OpenSSL is later than `1.0`, `1.0b1` is earlier.
                    match part.len() == 1 && behind.is_empty() {
                        true => Part::Letters(part),
                        false => Part::Before(part),
                    }
                }
                letters => Part::Letters(letters),
            });
            rest = behind;
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_order() {
        let ascending = [
            "1.0beta2",
            "1.0-rc1",
            "1.0",
            "1.0.1",
            "1.0.1b",
            "1.0.1c",
            "1.2",
            "1.10",
            "1.10.*",
            "1.11",
            "2024-01-31",
            "*",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                let expected = place.cmp(&other_place);
                assert_eq!(compare(one, other), Some(expected), "{one} {other}");
            }
        }
        assert_eq!(compare("1.0", "1.0.0"), Some(Ordering::Equal));
        assert_eq!(compare("unspecified", "1"), None);
        assert_eq!(compare("", "1"), None);
        assert_eq!(compare("3.0.x 以前", "1"), Some(Ordering::Greater));
    }
}
