//! The record (RFC 7208, sections 4.6.1, 5, 6 and 12): read whole before any of it counts, since an error anywhere in it makes all
//! of it void.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::spec::Spec;

/// What a mechanism that matches says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    Softfail,
    Neutral,
}

/// Lengths of prefixes, for addresses of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

/// What may match. A specification of a domain that is left out is the domain that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Spec),
    A(Option<Spec>, Prefixes),
    Mx(Option<Spec>, Prefixes),
    Ptr(Option<Spec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Spec),
}

/// A whole record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) mechanisms: Vec<(Qualifier, Mechanism)>,
    pub(super) redirect: Option<Spec>,
}

/// Something in a record is against its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadRecord;

/// Section 4.5: `v=spf1` alone, or with a space behind it.
pub(super) fn is_record(text: &[u8]) -> bool {
    let (version, rest) = text.split_at_checked(6).unwrap_or((text, b""));
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

impl Record {
    /// Reads a text for which [`is_record`] holds.
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadRecord> {
        let text = std::str::from_utf8(text).map_err(|_| BadRecord)?;
        let visible = |c: char| c == ' ' || c.is_ascii_graphic();
        if !text.chars().all(visible) {
            return Err(BadRecord);
        }
        let mut record = Self::default();
        let mut explained = false;
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            match modifier(term) {
                Some(("redirect", value)) if record.redirect.is_none() => {
                    record.redirect = Some(Spec::domain(value)?);
                }
                // Nobody is shown what it leads to: words of strangers in this server's name. It has to be well formed all the same.
                Some(("exp", value)) if !explained => {
                    Spec::domain(value)?;
                    explained = true;
                }
                Some(("redirect" | "exp", _)) => return Err(BadRecord),
                Some((_, value)) => Spec::text(value).map(drop)?,
                None => record.mechanisms.push(directive(term)?),
            }
        }
        Ok(record)
    }
}

/// Name, in lower case for those that are known, and value, if the term is a modifier.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let known = ["redirect", "exp"];
    let name = known
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .unwrap_or(name);
    is_name.then_some((name, value))
}

fn directive(term: &str) -> Result<(Qualifier, Mechanism), BadRecord> {
    let (qualifier, rest) = match term.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::Softfail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at_checked(end).ok_or(BadRecord)?;
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if argument.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(Spec::domain(value(argument)?)?),
        "exists" => Mechanism::Exists(Spec::domain(value(argument)?)?),
        "ptr" if argument.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(Spec::domain(value(argument)?)?)),
        "a" => with_prefixes(argument).map(|(spec, prefixes)| Mechanism::A(spec, prefixes))?,
        "mx" => with_prefixes(argument).map(|(spec, prefixes)| Mechanism::Mx(spec, prefixes))?,
        "ip4" => {
            let (address, prefix) = network(value(argument)?, 32)?;
            Mechanism::Ip4(address.parse().map_err(|_| BadRecord)?, prefix)
        }
        "ip6" => {
            let (address, prefix) = network(value(argument)?, 128)?;
            Mechanism::Ip6(address.parse().map_err(|_| BadRecord)?, prefix)
        }
        _ => return Err(BadRecord),
    };
    Ok((qualifier, mechanism))
}

/// What stands behind the colon that has to be there.
fn value(argument: &str) -> Result<&str, BadRecord> {
    argument.strip_prefix(':').ok_or(BadRecord)
}

fn network(text: &str, longest: u8) -> Result<(&str, u8), BadRecord> {
    match text.split_once('/') {
        None => Ok((text, longest)),
        Some((address, prefix)) => Ok((address, length(prefix, longest)?)),
    }
}

/// A length without zeros before it (section 5.6).
fn length(text: &str, longest: u8) -> Result<u8, BadRecord> {
    let plain = text.bytes().all(|octet| octet.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(BadRecord);
    }
    let length = text.parse().map_err(|_| BadRecord)?;
    if length > longest {
        return Err(BadRecord);
    }
    Ok(length)
}

/// `[":" domain-spec] ["/" length] ["//" length]`. A slash may stand in the specification too, so the end is looked at first.
fn with_prefixes(argument: &str) -> Result<(Option<Spec>, Prefixes), BadRecord> {
    let mut prefixes = Prefixes { v4: 32, v6: 128 };
    let mut rest = argument;
    if let Some((before, digits)) = rest.rsplit_once("//")
        && digits.bytes().all(|octet| octet.is_ascii_digit())
    {
        prefixes.v6 = length(digits, 128)?;
        rest = before;
    }
    if let Some((before, digits)) = rest.rsplit_once('/')
        && digits.bytes().all(|octet| octet.is_ascii_digit())
    {
        prefixes.v4 = length(digits, 32)?;
        rest = before;
    }
    let spec = match rest {
        "" => None,
        rest => Some(Spec::domain(value(rest)?)?),
    };
    Ok((spec, prefixes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_are_known_by_their_version() {
        for (text, is) in [
            ("v=spf1", true),
            ("V=SPF1 -all", true),
            ("v=spf10 -all", false),
            ("v=spf", false),
            ("spf2.0/pra", false),
        ] {
            assert_eq!(is_record(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn terms_are_read() {
        let record = Record::parse(b"v=spf1  ip4:192.0.2.0/24 ~A/8//64 mx:x.example -all").unwrap();
        assert_eq!(record.mechanisms.len(), 4);
        assert_eq!(
            record.mechanisms[0],
            (Qualifier::Pass, Mechanism::Ip4([192, 0, 2, 0].into(), 24))
        );
        assert_eq!(
            record.mechanisms[1],
            (
                Qualifier::Softfail,
                Mechanism::A(None, Prefixes { v4: 8, v6: 64 })
            )
        );
        assert_eq!(record.mechanisms[3], (Qualifier::Fail, Mechanism::All));
    }

    #[test]
    fn what_is_against_the_grammar_makes_the_record_void() {
        for text in [
            "v=spf1 ip4:192.0.2.0/33",
            "v=spf1 ip4:192.0.2.0/024",
            "v=spf1 ip4:192.0.2",
            "v=spf1 a:",
            "v=spf1 a/",
            "v=spf1 all:x.example",
            "v=spf1 include",
            "v=spf1 redirect=a.example redirect=b.example",
            "v=spf1 exp=%{",
            "v=spf1 moo",
            "v=spf1 =all",
            "v=spf1 a\t-all",
            "v=spf1 a:\u{e9}.example",
            "v=spf1 x=%",
        ] {
            assert_eq!(Record::parse(text.as_bytes()), Err(BadRecord), "{text}");
        }
        for text in [
            "v=spf1",
            "v=spf1 unknown=anything:at/all",
            "v=spf1 a:a:b/c.example.com/0",
        ] {
            assert!(Record::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
