//! Names of mailboxes (RFC 9051, section 5.1).

use unicode_normalization::UnicodeNormalization;

use crate::Refusal;

/// The separator of levels.
pub const SEPARATOR: char = '/';
/// Octets of a whole name at most.
pub const MAX_NAME_OCTETS: usize = 1024;
/// Octets of one level at most.
pub const MAX_LEVEL_OCTETS: usize = 255;
/// Levels at most.
pub const MAX_LEVELS: usize = 20;

const INBOX: &str = "INBOX";

/// The name as the store keeps it: NFC, with `INBOX` as first level in capitals.
///
/// # Errors
/// [`Refusal::MailboxName`] with what is wrong.
pub fn canonical(name: &str) -> Result<String, Refusal> {
    let bad = |reason| {
        Err(Refusal::MailboxName {
            name: shown(name),
            reason,
        })
    };
    if name.len() > MAX_NAME_OCTETS {
        return bad("it is longer than 1024 octets");
    }
    let normal: String = name.nfc().collect();
    if normal.len() > MAX_NAME_OCTETS {
        return bad("it is longer than 1024 octets");
    }
    if normal.chars().any(forbidden) {
        return bad("it holds a control character, % or *");
    }
    let mut levels: Vec<&str> = normal.split(SEPARATOR).collect();
    if levels.len() > MAX_LEVELS {
        return bad("it has more than 20 levels");
    }
    if levels.iter().any(|level| level.is_empty()) {
        return bad("a level of it is empty");
    }
    if levels.iter().any(|level| level.len() > MAX_LEVEL_OCTETS) {
        return bad("a level of it is longer than 255 octets");
    }
    if let Some(first) = levels.first_mut()
        && first.eq_ignore_ascii_case(INBOX)
    {
        *first = INBOX;
    }
    Ok(levels.join("/"))
}

/// Whether `canonical` is the one mailbox that cannot be deleted.
pub(super) fn is_inbox(canonical: &str) -> bool {
    canonical == INBOX
}

/// The names above `canonical`, from the top.
pub(super) fn parents(canonical: &str) -> impl Iterator<Item = &str> {
    canonical
        .match_indices(SEPARATOR)
        .filter_map(|(at, _)| canonical.get(..at))
}

/// Two names between which, byte by byte, all names below `canonical` lie: from the first, before the second.
pub(super) fn below(canonical: &str) -> (String, String) {
    // '0' is the character after the separator.
    (format!("{canonical}/"), format!("{canonical}0"))
}

/// Wildcards of LIST cannot be told from a name; control and line characters break protocols and terminals.
fn forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}')
}

/// A name that may be hostile, short enough for a reply or a log.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn inbox_in_any_case_is_one() {
        assert_eq!(canonical("inBox").unwrap(), "INBOX");
        assert_eq!(canonical("inbox/a/Inbox").unwrap(), "INBOX/a/Inbox");
        assert_eq!(canonical("inboxes").unwrap(), "inboxes");
    }

    #[test]
    fn decomposed_names_are_composed() {
        assert_eq!(canonical("か\u{3099}").unwrap(), "が");
    }

    #[test]
    fn bad_names_are_refused() {
        let deep = vec!["a"; MAX_LEVELS + 1].join("/");
        let wide = "a".repeat(MAX_LEVEL_OCTETS + 1);
        let long = vec!["a".repeat(200); 6].join("/");
        for name in [
            "", "/", "a/", "/a", "a//b", "a%", "*", "a\nb", "a\u{7f}", "a\u{85}b", &deep, &wide,
            &long,
        ] {
            assert!(canonical(name).is_err(), "{name:?}");
        }
        assert!(canonical(&vec!["a"; MAX_LEVELS].join("/")).is_ok());
        assert!(canonical("会議/二〇二六年").is_ok());
    }

    #[test]
    fn names_below_lie_in_the_range() {
        let (from, to) = below("a");
        assert!("a/b" >= from.as_str() && "a/b" < to.as_str());
        assert!("a/\u{10ffff}" < to.as_str());
        assert!("a!" < from.as_str() && "a0" >= to.as_str() && "ab" >= to.as_str());
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
    }
}
