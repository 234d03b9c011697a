//! Message flags: the system flags as bits, keywords as text.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A set of system flags (RFC 9051, section 2.3.2) as bits. The bit values are stable: a store may keep them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SystemFlags(u8);

impl SystemFlags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 2);
    /// `\Deleted`
    pub const DELETED: Self = Self(1 << 3);
    /// `\Draft`
    pub const DRAFT: Self = Self(1 << 4);
    /// `\Recent` (IMAP4rev1; told by the server, never set by a client)
    pub const RECENT: Self = Self(1 << 5);

    const NAMED: [(Self, &'static str); 6] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
        (Self::RECENT, "\\Recent"),
    ];

    /// The five flags that a client may change.
    pub const SETTABLE: Self = Self(0b1_1111);

    /// No flag.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// The bits: 1 seen, 2 answered, 4 flagged, 8 deleted, 16 draft, 32 recent.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From bits; unknown ones are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11_1111)
    }

    /// Whether every flag of `other` is here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no flag.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags here that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Adds the flags of `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The names, with their backslash.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED
            .into_iter()
            .filter(move |&(flag, _)| self.contains(flag))
            .map(|(_, name)| name)
    }

    /// The flag of this name (with its backslash, any case).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::NAMED
            .into_iter()
            .find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name))
            .map(|(flag, _)| flag)
    }
}

impl fmt::Debug for SystemFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A keyword flag: an atom that keeps its spelling and compares without case.
#[derive(Debug, Clone)]
pub struct Keyword(Box<str>);

impl Keyword {
    /// Takes an atom (RFC 9051, section 9: `flag-keyword`); anything else is none.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let atom = !name.is_empty() && name.bytes().all(super::parse::is_atom_char);
        atom.then(|| Self(name.into()))
    }

    /// The keyword as first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl Hash for Keyword {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in self.0.bytes() {
            state.write_u8(octet.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let fold = |keyword: &Self| {
            keyword
                .0
                .bytes()
                .map(|octet| octet.to_ascii_lowercase())
                .collect::<Vec<_>>()
        };
        fold(self).cmp(&fold(other))
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Flag {
    /// A system flag: exactly one bit.
    System(SystemFlags),
    /// A keyword.
    Keyword(Keyword),
}

/// The flags of a message, or of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlagList {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, without duplicates.
    pub keywords: Vec<Keyword>,
}

impl FlagList {
    /// System flags alone.
    #[must_use]
    pub const fn system(system: SystemFlags) -> Self {
        Self {
            system,
            keywords: Vec::new(),
        }
    }

    /// Whether there is no flag.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system.is_empty() && self.keywords.is_empty()
    }

    /// Whether the flag is here.
    #[must_use]
    pub fn contains(&self, flag: &Flag) -> bool {
        match flag {
            Flag::System(bit) => self.system.contains(*bit),
            Flag::Keyword(keyword) => self.keywords.contains(keyword),
        }
    }

    /// Adds a flag unless it is here.
    pub fn insert(&mut self, flag: Flag) {
        match flag {
            Flag::System(bit) => self.system.insert(bit),
            Flag::Keyword(keyword) if self.keywords.contains(&keyword) => {}
            Flag::Keyword(keyword) => self.keywords.push(keyword),
        }
    }

    /// Adds every flag of another list.
    pub fn add(&mut self, other: &Self) {
        self.system.insert(other.system);
        for keyword in &other.keywords {
            if !self.keywords.contains(keyword) {
                self.keywords.push(keyword.clone());
            }
        }
    }

    /// Takes every flag of another list away.
    pub fn remove(&mut self, other: &Self) {
        self.system = self.system.without(other.system);
        self.keywords
            .retain(|keyword| !other.keywords.contains(keyword));
    }

    /// Every flag's name.
    pub fn names<'a>(&'a self) -> impl Iterator<Item = &'a str> {
        let system = self.system.names().map(|name| -> &'a str { name });
        system.chain(self.keywords.iter().map(Keyword::as_str))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn keywords_compare_without_case_and_keep_their_spelling() {
        let mut flags = FlagList::system(SystemFlags::SEEN);
        flags.insert(Flag::Keyword(Keyword::new("$Forwarded").unwrap()));
        flags.insert(Flag::Keyword(Keyword::new("$FORWARDED").unwrap()));
        flags.insert(Flag::System(SystemFlags::DRAFT));
        assert_eq!(
            flags.names().collect::<Vec<_>>(),
            ["\\Seen", "\\Draft", "$Forwarded"]
        );
        flags.remove(&FlagList {
            system: SystemFlags::SEEN,
            keywords: vec![Keyword::new("$forwarded").unwrap()],
        });
        assert_eq!(flags, FlagList::system(SystemFlags::DRAFT));
    }

    #[test]
    fn a_keyword_is_an_atom() {
        for bad in [
            "", "\\Seen", "a b", "a(b", "a*", "a%", "\"", "a]", "日本", "a\r\n",
        ] {
            assert_eq!(Keyword::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn system_flags_go_by_name_in_any_case() {
        assert_eq!(SystemFlags::from_name(b"\\sEEN"), Some(SystemFlags::SEEN));
        assert_eq!(SystemFlags::from_name(b"Seen"), None);
        assert_eq!(SystemFlags::from_bits(0xff).names().count(), 6);
    }
}
