//! Content transfer encodings (RFC 2045, section 6), read liberally.

use std::borrow::Cow;

use memchr::memchr;

/// How a part's body is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, and what has no encoding named.
    SevenBit,
    /// `8bit`
    EightBit,
    /// `binary`
    Binary,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
    /// Anything else, in lower case: not decoded.
    Other(String),
}

impl Encoding {
    /// Reads the value of `Content-Transfer-Encoding`. Never fails.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let end = value.find([' ', '\t', ';', '(']).unwrap_or(value.len());
        // Bounded and cleaned before it is looked at, so that its name reads back as the same.
        let token: String = value
            .get(..end)
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(64)
            .collect();
        let token = token.trim_matches('"').to_ascii_lowercase();
        match token.as_str() {
            "" | "7bit" | "7-bit" => Self::SevenBit,
            "8bit" | "8-bit" => Self::EightBit,
            "binary" => Self::Binary,
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            _ => Self::Other(token),
        }
    }

    /// Its name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
            Self::Other(name) => name,
        }
    }

    /// Whether the body stands there as it is.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }

    /// The body decoded. `None` for an encoding that is not known (IMAP `UNKNOWN-CTE`, RFC 3516).
    #[must_use]
    pub fn decode<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::SevenBit | Self::EightBit | Self::Binary => Some(Cow::Borrowed(body)),
            Self::Base64 => Some(Cow::Owned(decode_base64(body))),
            Self::QuotedPrintable => Some(Cow::Owned(decode_quoted_printable(body))),
            Self::Other(_) => None,
        }
    }
}

/// Base64 without complaint: what is not of the alphabet is passed over, and padding ends a group wherever it
/// stands, so that encodings strung together read through.
#[must_use]
pub fn decode_base64(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len() / 4 * 3);
    let mut bits = 0_u32;
    let mut count = 0_u8;
    let mut rest = encoded;
    loop {
        if count == 0 {
            rest = whole_groups(rest, &mut out);
        }
        let Some((octet, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        match value(*octet) {
            PADDING => {
                flush_base64(bits, count, &mut out);
                (bits, count) = (0, 0);
            }
            NO_DIGIT => {}
            digit => {
                bits = bits << 6 | u32::from(digit);
                count = count.saturating_add(1);
                if count == 4 {
                    out.extend(bits.to_be_bytes().get(1..).unwrap_or_default());
                    (bits, count) = (0, 0);
                }
            }
        }
    }
    flush_base64(bits, count, &mut out);
    out
}

/// Decodes groups of four digits with nothing between them, and returns what follows: nearly all that mail holds is such.
fn whole_groups<'e>(mut encoded: &'e [u8], out: &mut Vec<u8>) -> &'e [u8] {
    while let Some((group, rest)) = encoded.split_first_chunk::<4>() {
        let [a, b, c, d] = group.map(value);
        if (a | b | c | d) > LAST_DIGIT {
            break;
        }
        let bits = [a, b, c, d]
            .iter()
            .fold(0, |bits, digit| bits << 6 | u32::from(*digit));
        let [_, octets @ ..] = bits.to_be_bytes();
        out.extend_from_slice(&octets);
        encoded = rest;
    }
    encoded
}

/// The largest value of a digit of base64; those below have bits above it.
const LAST_DIGIT: u8 = 63;
/// Stands for `=`.
const PADDING: u8 = 64;
/// Stands for what is not of the alphabet.
const NO_DIGIT: u8 = 128;
/// What each octet stands for in base64 (RFC 4648, section 4).
const VALUES: [u8; 256] = values();

fn value(octet: u8) -> u8 {
    // Every octet has a place in it.
    VALUES.get(usize::from(octet)).copied().unwrap_or(NO_DIGIT)
}

const fn values() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0_u8;
    while digit <= LAST_DIGIT {
        values[alphabet[digit as usize] as usize] = digit;
        digit += 1;
    }
    values[b'=' as usize] = PADDING;
    values
}

/// The octets of a group of two or three digits.
fn flush_base64(bits: u32, count: u8, out: &mut Vec<u8>) {
    let octets = match count {
        2 => (bits << 12).to_be_bytes().get(1..2).map(<[u8]>::to_vec),
        3 => (bits << 6).to_be_bytes().get(1..3).map(<[u8]>::to_vec),
        _ => None,
    };
    out.extend(octets.unwrap_or_default());
}

/// Quoted-printable (RFC 2045, section 6.7): white space at line ends goes, soft line breaks join, and an `=` that
/// begins no escape stays.
#[must_use]
pub fn decode_quoted_printable(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at.saturating_add(1));
        let (line, after) = rest.split_at(end);
        rest = after;
        let (content, ending) = match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
            (Some(content), _) => (content, b"\r\n".as_slice()),
            (None, Some(content)) => (content, b"\n".as_slice()),
            (None, None) => (line, b"".as_slice()),
        };
        let content = content.trim_ascii_end();
        match content.strip_suffix(b"=") {
            Some(soft) => out.extend(decode_hex_escapes(soft, b'=')),
            None => {
                out.extend(decode_hex_escapes(content, b'='));
                out.extend_from_slice(ending);
            }
        }
    }
    out
}

/// Replaces each `mark` followed by two hexadecimal digits by the octet they name.
#[must_use]
pub(crate) fn decode_hex_escapes(encoded: &[u8], mark: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, after)) = rest.split_first() {
        let octet = match after {
            [high, low, ..] if first == mark => hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        match octet {
            Some(octet) => {
                out.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn encodings_by_name() {
        assert_eq!(Encoding::parse("BASE64"), Encoding::Base64);
        assert_eq!(Encoding::parse("8bit (comment)"), Encoding::EightBit);
        assert_eq!(Encoding::parse("x-uuencode").as_str(), "x-uuencode");
        assert_eq!(Encoding::parse("x-uuencode").decode(b"a"), None);
    }

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        let long = format!("{}\"x", "a".repeat(63));
        for value in ["\u{1}", "\u{1}\"base64\"", "\"\"", "b\u{7f}inary", &long] {
            let encoding = Encoding::parse(value);
            assert_eq!(Encoding::parse(encoding.as_str()), encoding, "{value:?}");
            assert!(!encoding.as_str().is_empty());
        }
        assert_eq!(Encoding::parse("\u{1}"), Encoding::SevenBit);
    }

    #[test]
    fn quoted_printable() {
        assert_eq!(
            decode_quoted_printable(b"a=3Db=\r\nc  \r\nd=zz="),
            b"a=bc\r\nd=zz"
        );
        assert_eq!(decode_quoted_printable(b"=E4=bc=9A"), "会".as_bytes());
    }

    #[test]
    fn base64_is_lenient() {
        assert_eq!(decode_base64(b"YQ==YmM="), b"abc");
        assert_eq!(decode_base64(b"YW Jj\r\n!ZA"), b"abcd");
        assert_eq!(decode_base64(b"Y"), b"");
        assert_eq!(decode_base64(b"YWJjZA==ZGVm\r\nZ2g"), b"abcddefgh");
        assert_eq!(decode_base64(b"\xff/+Aa"), b"\xff\xe0\x1a");
    }

    proptest! {
        #[test]
        fn base64_round_trips(octets in any::<Vec<u8>>()) {
            prop_assert_eq!(decode_base64(STANDARD.encode(&octets).as_bytes()), octets);
        }

        #[test]
        fn base64_is_read_through_whatever_lies_between(
            octets in any::<Vec<u8>>(),
            junk in vec((any::<prop::sample::Index>(), "[ \r\n!é]{1,3}"), 0..8),
        ) {
            let mut encoded = STANDARD.encode(&octets);
            for (place, junk) in junk {
                let at = place.index(encoded.len() + 1);
                encoded.insert_str(encoded.floor_char_boundary(at), &junk);
            }
            prop_assert_eq!(decode_base64(encoded.as_bytes()), octets);
        }

        #[test]
        fn quoted_printable_never_grows(octets in any::<Vec<u8>>()) {
            prop_assert!(decode_quoted_printable(&octets).len() <= octets.len());
        }
    }
}
