//! xtext: how DSN parameters write what an SMTP parameter cannot hold (RFC 3461, section 4), and the
//! UTF-8 address form (RFC 6533, section 3).

use std::fmt::Write;

/// Decodes xtext. `None` when it is malformed or yields anything but printable ASCII and spaces, so that
/// what comes out can stand on a header line.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '+' {
            let (digits, after) = rest.get(1..)?.split_at_checked(2)?;
            if !digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
            {
                return None;
            }
            let octet = u8::from_str_radix(digits, 16).ok()?;
            decoded.push(printable(char::from(octet))?);
            rest = after;
        } else {
            decoded.push(printable(c).filter(|c| !matches!(c, '=' | ' '))?);
            rest = rest.get(1..)?;
        }
    }
    Some(decoded)
}

/// Encodes printable ASCII as xtext; other characters as UTF-8 octets in `+XX`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_graphic() && !matches!(octet, b'+' | b'=') {
            encoded.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            write!(encoded, "+{octet:02X}").unwrap_or_default();
        }
    }
    encoded
}

/// Decodes `utf-8-addr-xtext` or `utf-8-addr-unitext`: characters stand for themselves or as `\x{…}`.
/// `None` when it is malformed or holds control characters.
pub(super) fn decode_utf8(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at_checked(at)?;
        decoded.push_str(plain);
        let (digits, after) = escaped.strip_prefix("\\x{")?.split_once('}')?;
        if digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = after;
    }
    decoded.push_str(rest);
    (!decoded.chars().any(char::is_control)).then_some(decoded)
}

/// Encodes an address as `utf-8-addr-xtext`: ASCII only, good in any SMTP session.
pub(super) fn encode_utf8(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\') {
            encoded.push(c);
        } else {
            write!(encoded, "\\x{{{:X}}}", u32::from(c)).unwrap_or_default();
        }
    }
    encoded
}

fn printable(c: char) -> Option<char> {
    (c == ' ' || c.is_ascii_graphic()).then_some(c)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_not_xtext() {
        for bad in [
            "+", "+4", "+4g", "+0d", "+0D", "+00", "a=b", "a b", "é", "+C3+A9", "+é",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("a+2Bb+3Dc+20d").unwrap(), "a+b=c d");
    }

    #[test]
    fn reads_both_utf8_forms() {
        assert_eq!(decode_utf8("\\x{592A}@x.jp").unwrap(), "太@x.jp");
        assert_eq!(decode_utf8("太@x.jp").unwrap(), "太@x.jp");
        for bad in ["\\x{D}", "\\", "\\x{", "\\x{}", "\\x{D800}", "\\x{1234567}"] {
            assert_eq!(decode_utf8(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn round_trips(ascii in "[ -~]{0,40}", any in "\\PC{0,20}") {
            prop_assert_eq!(decode(&encode(&ascii)).unwrap(), ascii);
            prop_assert_eq!(decode_utf8(&encode_utf8(&any)).unwrap(), any);
        }

        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ignored = (decode(&text), decode_utf8(&text));
        }
    }
}
