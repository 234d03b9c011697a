//! dpkg's order (Debian Policy, section 5.6.12): epoch, upstream version, revision.

use std::cmp::Ordering;

pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (parse(one)?, parse(other)?);
    let by_epoch = one.0.cmp(&other.0);
    Some(
        by_epoch
            .then_with(|| parts(one.1, other.1))
            .then_with(|| parts(one.2, other.2)),
    )
}

fn parse(text: &str) -> Option<(u64, &str, &str)> {
    let text = text.trim();
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (number(epoch)?, rest),
        None => (0, text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    let is_plain = |text: &str| {
        let known = |c: u8| c.is_ascii_alphanumeric() || b".+-~:".contains(&c);
        !text.is_empty() && text.bytes().all(known)
    };
    (is_plain(upstream) && is_plain(revision)).then_some((epoch, upstream, revision))
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Stretches without digits and with digits in turn.
fn parts(mut one: &str, mut other: &str) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let (words, rest) = split(one, |c| !c.is_ascii_digit());
        let (other_words, other_rest) = split(other, |c| !c.is_ascii_digit());
        let by_words = weights(words).cmp(weights(other_words));
        let (digits, rest) = split(rest, |c| c.is_ascii_digit());
        let (other_digits, other_rest) = split(other_rest, |c| c.is_ascii_digit());
        let ordering = by_words.then_with(|| numbers(digits, other_digits));
        if ordering != Ordering::Equal {
            return ordering;
        }
        (one, other) = (rest, other_rest);
    }
    Ordering::Equal
}

fn split(text: &str, within: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|c| !within(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A tilde is before the end, letters before all else. The end is told by a zero behind the last character.
fn weights(text: &str) -> impl Iterator<Item = i32> {
    let weight = |c: u8| match c {
        b'~' => -1,
        c if c.is_ascii_alphabetic() => i32::from(c),
        c => i32::from(c).saturating_add(256),
    };
    text.bytes().map(weight).chain(std::iter::once(0))
}

/// Numbers of any length.
fn numbers(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_dpkg() {
        let ascending = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1.0-0.1",
            "1.0-1~deb12u1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0a",
            "1.0+dfsg",
            "1.0.1",
            "1.2",
            "1.10",
            "3.0.15-1~deb12u1",
            "3.0.16-1~deb12u1",
            "1:0.1",
            "2:0",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                let expected = place.cmp(&other_place);
                assert_eq!(compare(one, other), Some(expected), "{one} {other}");
            }
        }
        assert_eq!(compare("1.0", "1.0-0"), Some(Ordering::Equal));
        assert_eq!(compare("001", "1"), Some(Ordering::Equal));
        for wrong in ["", "a:1", "1 2", "1-", ":1", "é"] {
            assert_eq!(compare(wrong, "1"), None, "{wrong}");
        }
    }
}
