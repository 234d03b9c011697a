//! Mailbox names, and the patterns that LIST matches them with.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::utf7;

/// What stands between the levels of a mailbox name.
pub const DELIMITER: char = '/';

/// The mailbox that every account has.
pub const INBOX: &str = "INBOX";

/// A mailbox name as Unicode: not empty, no control characters, `INBOX` in capitals, also as the first level of a
/// longer name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Box<str>);

impl MailboxName {
    /// Takes a name that is already Unicode; `None` when it is empty or holds a control character or a line separator
    /// (RFC 9051, section 5.1).
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        if name.is_empty() || name.chars().any(is_forbidden) {
            return None;
        }
        let (first, rest) = match name.split_once(DELIMITER) {
            Some((first, _)) => name.split_at_checked(first.len())?,
            None => (name, ""),
        };
        if first.eq_ignore_ascii_case(INBOX) && first != INBOX {
            return Some(Self(format!("{INBOX}{rest}").into()));
        }
        Some(Self(name.into()))
    }

    /// Reads a name as it came: UTF-8 when the client enabled IMAP4rev2 (`utf8`) or when it holds 8-bit octets,
    /// modified UTF-7 otherwise.
    #[must_use]
    pub fn from_wire(octets: &[u8], utf8: bool) -> Option<Self> {
        Self::new(&decode_name(octets, utf8)?)
    }

    /// The name as Unicode.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is INBOX itself.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        &*self.0 == INBOX
    }

    /// The name for the wire, to be quoted or sent as a literal.
    #[must_use]
    pub fn to_wire(&self, utf8: bool) -> Cow<'_, str> {
        let plain = self
            .0
            .bytes()
            .all(|octet| octet.is_ascii() && octet != b'&');
        if utf8 || plain {
            Cow::Borrowed(&self.0)
        } else {
            Cow::Owned(utf7::encode(&self.0))
        }
    }

    /// The names above this one, nearest first: `a/b/c` gives `a/b` and `a`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(self.0.rsplit_once(DELIMITER), |(parent, _)| {
            parent.rsplit_once(DELIMITER)
        })
        .map(|(parent, _)| parent)
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn decode_name(octets: &[u8], utf8: bool) -> Option<Cow<'_, str>> {
    if utf8 || !octets.is_ascii() {
        std::str::from_utf8(octets).ok().map(Cow::Borrowed)
    } else {
        utf7::decode(octets).map(Cow::Owned)
    }
}

fn is_forbidden(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// A LIST or LSUB pattern: `*` stands for anything, `%` for anything but the delimiter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    Any,
    Level,
}

impl ListPattern {
    /// Reads a pattern as it came, by the rules of [`MailboxName::from_wire`]; it may be empty.
    #[must_use]
    pub fn from_wire(octets: &[u8], utf8: bool) -> Option<Self> {
        decode_name(octets, utf8)
            .filter(|text| !text.chars().any(is_forbidden))
            .map(|text| Self::new(&text))
    }

    /// A pattern that is already Unicode. It matches names in NFC, as they are kept, in whatever form it is written: what a
    /// client made it must find again.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::with_capacity(text.len());
        for character in text.nfc() {
            let part = match character {
                '*' => Part::Any,
                '%' => Part::Level,
                other => Part::Char(other),
            };
            // A run of wildcards means what its widest one means, and must not cost more.
            match (parts.last(), part) {
                (Some(Part::Any), Part::Any | Part::Level) | (Some(Part::Level), Part::Level) => {}
                (Some(Part::Level), Part::Any) => {
                    parts.pop();
                    parts.push(Part::Any);
                }
                _ => parts.push(part),
            }
        }
        let inbox = Self::inbox_prefix(&parts);
        if inbox {
            for (part, letter) in parts.iter_mut().zip(INBOX.chars()) {
                *part = Part::Char(letter);
            }
        }
        Self {
            text: text.to_owned(),
            parts,
        }
    }

    fn inbox_prefix(parts: &[Part]) -> bool {
        let spells = INBOX.chars().enumerate().all(|(index, letter)| {
            matches!(parts.get(index), Some(Part::Char(given)) if given.eq_ignore_ascii_case(&letter))
        });
        spells && !matches!(parts.get(INBOX.len()), Some(Part::Char(next)) if *next != DELIMITER)
    }

    /// The pattern with the reference name of the command before it (RFC 9051, section 6.3.9). A pattern that starts
    /// with the delimiter stands by itself.
    #[must_use]
    pub fn under(&self, reference: &str) -> Self {
        if reference.is_empty() || self.text.starts_with(DELIMITER) {
            self.clone()
        } else {
            Self::new(&format!("{reference}{}", self.text))
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is empty, which asks for the delimiter and the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the whole name matches. One pass over the name with the set of reachable pattern positions: the cost is
    /// at most the name's length times the pattern's, never exponential.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let ends = self.parts.len();
        let mut reachable = vec![false; ends.saturating_add(1)];
        let mut next = vec![false; ends.saturating_add(1)];
        if let Some(first) = reachable.first_mut() {
            *first = true;
        }
        self.skip_wildcards(&mut reachable);
        for character in name.chars() {
            next.fill(false);
            let mut alive = false;
            for (position, part) in self.parts.iter().enumerate() {
                if !reachable.get(position).copied().unwrap_or(false) {
                    continue;
                }
                let target = match *part {
                    Part::Char(expected) if expected == character => position.saturating_add(1),
                    Part::Any => position,
                    Part::Level if character != DELIMITER => position,
                    Part::Char(_) | Part::Level => continue,
                };
                if let Some(slot) = next.get_mut(target) {
                    *slot = true;
                    alive = true;
                }
            }
            if !alive {
                return false;
            }
            self.skip_wildcards(&mut next);
            std::mem::swap(&mut reachable, &mut next);
        }
        reachable.last().copied().unwrap_or(false)
    }

    /// A wildcard may stand for nothing.
    fn skip_wildcards(&self, reachable: &mut [bool]) {
        for (position, part) in self.parts.iter().enumerate() {
            let here = reachable.get(position).copied().unwrap_or(false);
            if here
                && !matches!(part, Part::Char(_))
                && let Some(slot) = reachable.get_mut(position.saturating_add(1))
            {
                *slot = true;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn inbox_is_one_mailbox_however_it_is_spelt() {
        for (given, held) in [
            ("inbox", "INBOX"),
            ("InBox/Sent", "INBOX/Sent"),
            ("inboxes", "inboxes"),
            ("a/inbox", "a/inbox"),
        ] {
            assert_eq!(
                MailboxName::from_wire(given.as_bytes(), false)
                    .unwrap()
                    .as_str(),
                held
            );
        }
    }

    #[test]
    fn names_go_both_ways_by_revision() {
        let name = MailboxName::from_wire(b"&ZeVnLIqe-", false).unwrap();
        assert_eq!(name.as_str(), "日本語");
        assert_eq!(name.to_wire(false), "&ZeVnLIqe-");
        assert_eq!(name.to_wire(true), "日本語");
        assert_eq!(
            MailboxName::from_wire("日本語".as_bytes(), false),
            Some(name.clone())
        );
        assert_eq!(
            MailboxName::from_wire("日本語".as_bytes(), true),
            Some(name)
        );
        assert_eq!(
            MailboxName::from_wire(b"a&b", true).unwrap().to_wire(false),
            "a&-b"
        );
        for bad in [&b""[..], b"a\x01b", b"a&b", b"\xff\xfe", b"a\r\nb"] {
            assert_eq!(MailboxName::from_wire(bad, false), None, "{bad:?}");
        }
    }

    #[test]
    fn ancestors_from_the_nearest() {
        assert_eq!(
            MailboxName::new("a/b/c")
                .unwrap()
                .ancestors()
                .collect::<Vec<_>>(),
            ["a/b", "a"]
        );
        assert_eq!(MailboxName::new("a").unwrap().ancestors().count(), 0);
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("%/%", "a/b", true),
            ("a/*", "a/b/c", true),
            ("a/%", "a/b/c", false),
            ("*c", "a/b/c", true),
            ("a*b*c", "a/b/c", true),
            ("a%%*%c", "a/b/c", true),
            ("inbox", "INBOX", true),
            ("inbox/%", "INBOX/a", true),
            ("inbo", "INBOX", false),
            ("I*", "INBOX", true),
            ("", "a", false),
            ("", "", true),
            ("日%", "日本", true),
        ] {
            assert_eq!(
                ListPattern::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
        for pattern in ["か\u{3099}", "か\u{3099}%", "*か\u{3099}"] {
            assert!(ListPattern::new(pattern).matches("が"), "{pattern}");
        }
        assert!(ListPattern::new("\u{3099}*").under("か").matches("が"));
        assert!(ListPattern::new("%").under("a/").matches("a/b"));
        assert!(!ListPattern::new("%").under("a/").matches("b"));
    }

    #[test]
    fn patterns_mean_names_in_nfc() {
        for (pattern, kept) in [("か\u{3099}", "が"), ("\u{387}INBOX", "\u{b7}INBOX")] {
            assert!(ListPattern::new(pattern).matches(kept), "{pattern:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_cheap() {
        let pattern = ListPattern::new(&"%a*".repeat(200));
        assert!(!pattern.matches(&"a".repeat(199)));
        assert!(pattern.matches(&"a".repeat(200)));
    }

    /// The definition, slow and plain.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skip| reference(rest, &name[skip..])),
            Some((b'%', rest)) => (0..=name.len())
                .take_while(|&skip| !name[..skip].contains(&b'/'))
                .any(|skip| reference(rest, &name[skip..])),
            Some((first, rest)) => name.first() == Some(first) && reference(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}") {
            prop_assert_eq!(ListPattern::new(&pattern).matches(&name), reference(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn names_survive_the_wire(name in "[^\\pC\\p{Zl}\\p{Zp}]{1,30}", utf8: bool) {
            let name = MailboxName::new(&name).unwrap();
            let wire = name.to_wire(utf8).into_owned();
            prop_assert_eq!(MailboxName::from_wire(wire.as_bytes(), utf8), Some(name));
        }
    }
}
