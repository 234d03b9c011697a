//! Specifications of domains, with their macros (RFC 7208, section 7).

use super::record::BadRecord;

/// Octets of a name (RFC 1035, section 2.3.4). A longer one loses labels at its beginning (section 7.3).
const MOST_NAME: usize = 253;
/// Delimiters that a macro may split at.
const DELIMITERS: &str = ".-+,/_=";

/// A domain, or a text, in which macros may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Macro(Macro),
}

/// `%{letter digits r delimiters}`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    escaped: bool,
    /// Parts that are kept, counted from the right.
    keep: Option<usize>,
    reversed: bool,
    delimiters: String,
}

/// What a macro stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// The sender.
    Sender,
    /// The sender's local part.
    Local,
    /// The sender's domain.
    SenderDomain,
    /// The domain that is checked.
    Domain,
    /// The peer's address, in parts.
    Address,
    /// The peer's name, validated.
    PeerName,
    /// `in-addr` or `ip6`.
    Kind,
    /// The name in HELO.
    Hello,
}

impl Letter {
    fn of(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_lowercase() {
            's' => Self::Sender,
            'l' => Self::Local,
            'o' => Self::SenderDomain,
            'd' => Self::Domain,
            'i' => Self::Address,
            'p' => Self::PeerName,
            'v' => Self::Kind,
            'h' => Self::Hello,
            // c, r and t are for explanations alone.
            _ => return None,
        })
    }
}

impl Spec {
    /// A `domain-spec`: it ends in a label that can be a top-level one, or in a macro.
    pub(super) fn domain(text: &str) -> Result<Self, BadRecord> {
        let spec = Self::text(text)?;
        let ends_well = match spec.0.last() {
            Some(Piece::Macro(_)) => true,
            Some(Piece::Text(last)) => {
                let escapes = ["%%", "%_", "%-"];
                escapes.iter().any(|it| text.ends_with(it)) || ends_in_label(last)
            }
            None => false,
        };
        ends_well.then_some(spec).ok_or(BadRecord)
    }

    /// A `macro-string`.
    pub(super) fn text(text: &str) -> Result<Self, BadRecord> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if c != '%' {
                plain.push(c);
                continue;
            }
            let kind = rest.chars().next().ok_or(BadRecord)?;
            rest = rest.get(kind.len_utf8()..).unwrap_or_default();
            match kind {
                '%' => plain.push('%'),
                '_' => plain.push(' '),
                '-' => plain.push_str("%20"),
                '{' => {
                    let (inside, behind) = rest.split_once('}').ok_or(BadRecord)?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Macro(Macro::parse(inside)?));
                    rest = behind;
                }
                _ => return Err(BadRecord),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Whether it asks for this.
    pub(super) fn needs(&self, wanted: Letter) -> bool {
        let is_it = |piece: &Piece| matches!(piece, Piece::Macro(it) if it.letter == wanted);
        self.0.iter().any(is_it)
    }

    /// The name that it makes, of what each letter stands for; without a dot at its end.
    pub(super) fn expand(&self, value: impl Fn(Letter) -> String) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Macro(it) => name.push_str(&it.expand(&value(it.letter))),
            }
        }
        let mut name = name.strip_suffix('.').unwrap_or(&name);
        while name.len() > MOST_NAME {
            match name.split_once('.') {
                Some((_, shorter)) => name = shorter,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// Whether the text ends in `.label` or `.label.`, and the label is not of digits alone.
fn ends_in_label(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, label)) = text.rsplit_once('.') else {
        return false;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty()
        && label.chars().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().any(|c| !c.is_ascii_digit())
}

impl Macro {
    fn parse(inside: &str) -> Result<Self, BadRecord> {
        let letter = inside.chars().next().ok_or(BadRecord)?;
        let rest = inside.get(letter.len_utf8()..).unwrap_or_default();
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, rest) = rest.split_at_checked(digits).ok_or(BadRecord)?;
        let keep = match number {
            "" => None,
            // More than any name has is all of it.
            number => match number.parse().unwrap_or(usize::MAX) {
                0 => return Err(BadRecord),
                keep => Some(keep),
            },
        };
        let shorter = rest.strip_prefix(['r', 'R']);
        let delimiters = shorter.unwrap_or(rest);
        if !delimiters.chars().all(|c| DELIMITERS.contains(c)) {
            return Err(BadRecord);
        }
        Ok(Self {
            letter: Letter::of(letter).ok_or(BadRecord)?,
            escaped: letter.is_ascii_uppercase(),
            keep,
            reversed: shorter.is_some(),
            delimiters: match delimiters {
                "" => ".".to_owned(),
                some => some.to_owned(),
            },
        })
    }

    fn expand(&self, value: &str) -> String {
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reversed {
            parts.reverse();
        }
        let skip = self.keep.map_or(0, |keep| parts.len().saturating_sub(keep));
        let joined = parts.get(skip..).unwrap_or_default().join(".");
        match self.escaped {
            true => escaped(&joined),
            false => joined,
        }
    }
}

/// As in a URI: only its unreserved characters stay (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            octet if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) => {
                out.push(char::from(octet));
            }
            octet => {
                out.push('%');
                for half in [octet >> 4, octet & 15] {
                    let digit = char::from_digit(u32::from(half), 16).unwrap_or('0');
                    out.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn expand(text: &str) -> String {
        let spec = Spec::domain(text).unwrap();
        spec.expand(|letter| {
            match letter {
                Letter::Sender => "strong-bad@email.example.com",
                Letter::Local => "strong-bad",
                Letter::SenderDomain | Letter::Domain => "email.example.com",
                Letter::Address => "192.0.2.3",
                Letter::PeerName => "unknown",
                Letter::Kind => "in-addr",
                Letter::Hello => "h.example",
            }
            .to_owned()
        })
    }

    #[test]
    fn macros_as_the_standard_expands_them() {
        // RFC 7208, section 7.4.
        for (text, name) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{S}", "strong-bad%40email.example.com"),
            ("a%%b%-.example", "a%b%20.example"),
        ] {
            assert_eq!(expand(text), name, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_loses_its_beginning() {
        let long = format!("{}example.com", "a23456789.".repeat(30));
        let name = expand(&long);
        assert!(name.len() <= MOST_NAME);
        assert!(name.ends_with(".a23456789.example.com"));
    }

    #[test]
    fn what_is_no_specification() {
        for text in [
            "",
            "museum",
            "museum.",
            "a.123",
            "a.-b",
            "%{z}.x",
            "%{d0}.x.example",
            "%(d)",
            "%",
            "%{d",
            "%{dx}",
            "%{c}",
            "a.b/c",
            "%{d}x",
        ] {
            assert_eq!(Spec::domain(text), Err(BadRecord), "{text}");
        }
    }
}
