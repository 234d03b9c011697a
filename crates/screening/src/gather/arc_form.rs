//! The form of ARC's fields (RFC 8617, section 4.1): lists of tags as DKIM has them (RFC 6376, section 3.2).
//!
//! The library reads what it can and passes over the rest. A chain vouches for what others saw, so a field that two readers may
//! read differently breaks it.

use std::collections::HashMap;

use mail_auth::AuthenticatedMessage;

/// What a message signature has to say.
const OF_SIGNATURE: &[&str] = &["i", "a", "b", "bh", "d", "h", "s"];
/// What a seal has to say.
const OF_SEAL: &[&str] = &["i", "a", "b", "cv", "d", "s"];
/// Digits of a time (RFC 6376, section 3.5).
const MOST_DIGITS: usize = 12;

/// What is wrong with the form of the chain's fields, if something is.
pub(super) fn fault(message: &AuthenticatedMessage<'_>) -> Option<&'static str> {
    let signatures = message.ams_headers.iter().map(|field| field.value);
    let seals = message.as_headers.iter().map(|field| field.value);
    let mut results = message.aar_headers.iter().map(|field| field.value);
    signatures
        .map(fault_of_signature)
        .chain(seals.map(|value| fault_of(value, OF_SEAL).err()))
        .find_map(|fault| fault)
        .or_else(|| {
            let badly = results.any(|value| !begins_with_instance(value));
            badly.then_some("results do not begin with their instance")
        })
}

fn fault_of_signature(value: &[u8]) -> Option<&'static str> {
    let tags = match fault_of(value, OF_SIGNATURE) {
        Ok(tags) => tags,
        Err(fault) => return Some(fault),
    };
    let names = tags.get("h").copied().unwrap_or_default().split(':');
    let mut names = names.map(str::trim);
    // Section 4.1.2: the seal covers the signature, so it cannot be covered by it.
    let covers = names.any(|name| name.eq_ignore_ascii_case("arc-seal"));
    covers.then_some("a signature covers a seal")
}

/// The tags of a field in which each that is `needed` says something, and none says two things.
fn fault_of<'v>(
    value: &'v [u8],
    needed: &[&str],
) -> Result<HashMap<&'v str, &'v str>, &'static str> {
    let tags = tags(value).ok_or("a field is no list of tags")?;
    let says = |name: &&str| tags.get(*name).is_some_and(|value| !value.is_empty());
    if !needed.iter().all(says) {
        return Err("a field lacks a tag");
    }
    let is_time = |name: &&str| {
        tags.get(*name).is_none_or(|value| {
            (1..=MOST_DIGITS).contains(&value.len()) && value.bytes().all(|c| c.is_ascii_digit())
        })
    };
    if !["i", "t", "x"].iter().all(is_time) {
        return Err("a number is none");
    }
    Ok(tags)
}

/// Tags by name, which are told apart by case; `None`: it is no list of tags, or one is there twice.
fn tags(value: &[u8]) -> Option<HashMap<&str, &str>> {
    let text = std::str::from_utf8(value).ok()?.trim_ascii();
    // One may stand at the end.
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut tags = HashMap::new();
    for tag in text.split(';') {
        let (name, value) = tag.split_once('=')?;
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        let mut letters = name.bytes();
        let is_name = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || c == b'_');
        if !is_name || tags.insert(name, value).is_some() {
            return None;
        }
    }
    Some(tags)
}

/// `i=` and a number, before all else and by itself (section 4.1.1).
fn begins_with_instance(value: &[u8]) -> bool {
    let first = value.split(|c| *c == b';').next().unwrap_or_default();
    let whole = first.len() < value.len();
    let text = std::str::from_utf8(first).unwrap_or_default();
    let instance = text
        .split_once('=')
        .filter(|(name, _)| name.trim_ascii() == "i");
    whole
        && instance.is_some_and(|(_, number)| {
            let number = number.trim_ascii();
            (1..=2).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: &str = " i=1; a=rsa-sha256; t=12345; cv=none;\r\n\td=x.example; s=k; b=AA==";
    const SIGNATURE: &str = " i=1; a=rsa-sha256; c=relaxed/relaxed; d=x.example; s=k;\r\n\th=from:to : date; bh=AA==; b=AA==;";

    #[test]
    fn what_is_whole_passes() {
        assert_eq!(fault_of(SEAL.as_bytes(), OF_SEAL).err(), None);
        assert_eq!(fault_of_signature(SIGNATURE.as_bytes()), None);
        for more in [" ; new_tag2=", "; \r\n"] {
            let longer = format!("{SEAL}{more}");
            assert_eq!(fault_of(longer.as_bytes(), OF_SEAL).err(), None, "{longer}");
        }
    }

    #[test]
    fn what_two_readers_may_read_differently_does_not() {
        let told = Some("a field is no list of tags");
        let lacks = Some("a field lacks a tag");
        let number = Some("a number is none");
        for (from, to, fault) in [
            ("cv=none;", "cv=none;;", told),
            ("cv=none;", "cv=none; ==;", told),
            ("cv=none;", "cv=none; 1a=b;", told),
            ("cv=none;", "cv=none; d=y.example;", told),
            ("cv=none;", "cv=none cv;", None),
            ("d=x.example", "D=x.example", lacks),
            ("a=rsa-sha256;", "", lacks),
            ("a=rsa-sha256;", "a=;", lacks),
            ("i=1;", "i= ;", lacks),
            ("i=1;", "i=1a;", number),
            ("t=12345;", "t=12 345;", number),
            ("t=12345;", "t=;", number),
            ("t=12345;", "t=-123.4;", number),
        ] {
            let changed = SEAL.replace(from, to);
            assert_ne!(changed, SEAL);
            assert_eq!(
                fault_of(changed.as_bytes(), OF_SEAL).err(),
                fault,
                "{changed}"
            );
        }
        for (from, to, fault) in [
            (
                "to : date",
                "to:ARC-Seal",
                Some("a signature covers a seal"),
            ),
            ("h=from:to : date;", "h=;", lacks),
            ("bh=AA==;", "", lacks),
        ] {
            let changed = SIGNATURE.replace(from, to);
            assert_eq!(fault_of_signature(changed.as_bytes()), fault, "{changed}");
        }
    }

    #[test]
    fn results_begin_with_their_instance() {
        for (value, well) in [
            (" i=1; l.example; spf=pass", true),
            ("\r\n\ti = 12 ;l.example", true),
            (" i=1 l.example; spf=pass", false),
            (" l.example; i=1; spf=pass", false),
            (" i=123; l.example", false),
            (" i=; l.example", false),
            (" i=1", false),
            ("", false),
        ] {
            assert_eq!(begins_with_instance(value.as_bytes()), well, "{value}");
        }
    }
}
