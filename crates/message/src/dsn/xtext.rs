//! Encodings for what a client hands over in `ENVID` and `ORCPT`.

use std::fmt;

use crate::transfer::decode_hex_escapes;

/// Longest value that is accepted, in octets encoded: ORCPT is at most 500 characters (RFC 3461, section 4.2).
const MAX_VALUE: usize = 1000;

/// Writes text as xtext (RFC 3461, section 4). Octets that are not printable ASCII are escaped too.
#[must_use]
pub fn xtext_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_graphic() && b != b'+' && b != b'=' {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("+{b:02X}"));
        }
    }
    out
}

/// Reads xtext. `None` when it is not well formed, is too long, or hides control characters or octets that are
/// not UTF-8.
#[must_use]
pub fn xtext_decode(text: &str) -> Option<String> {
    let well_formed = text.len() <= MAX_VALUE
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'=')
        && text.split('+').skip(1).all(|rest| {
            rest.get(..2)
                .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        });
    if !well_formed {
        return None;
    }
    let decoded = String::from_utf8(decode_hex_escapes(text.as_bytes(), b'+')).ok()?;
    (!decoded.chars().any(char::is_control)).then_some(decoded)
}

/// Writes an international address in ASCII: utf-8-addr-xtext of RFC 6533, section 3.
#[must_use]
pub fn utf8_addr_encode(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for c in address.chars() {
        if c.is_ascii_graphic() && !matches!(c, '\\' | '+' | '=') {
            out.push(c);
        } else {
            out.push_str(&format!("\\x{{{:02X}}}", u32::from(c)));
        }
    }
    out
}

/// Reads utf-8-addr-xtext and utf-8-addr-unitext. `None` when it is not well formed.
#[must_use]
pub fn utf8_addr_decode(text: &str) -> Option<String> {
    if text.len() > MAX_VALUE {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let (hex, after) = escaped.strip_prefix("x{")?.split_once('}')?;
        if hex.len() < 2 || hex.len() > 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    (!out.chars().any(char::is_control)).then_some(out)
}

/// The recipient as the sender first wrote it: `ORCPT` (RFC 3461, section 4.2), decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    /// The address type, in lower case: `rfc822`, `utf-8` or another.
    pub kind: String,
    /// The address, decoded.
    pub address: String,
}

impl OriginalRecipient {
    /// Reads the value of an `ORCPT` parameter. `None` when it is not well formed.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (kind, encoded) = value.split_once(';')?;
        let valid = !kind.is_empty()
            && kind.len() <= 40
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !valid || encoded.is_empty() {
            return None;
        }
        let kind = kind.to_ascii_lowercase();
        // A client that has SMTPUTF8 writes the address as it is; one that has not, escapes it, perhaps as xtext too.
        let address = match (kind.as_str(), xtext_decode(encoded)) {
            ("utf-8", Some(decoded)) => utf8_addr_decode(&decoded)?,
            ("utf-8", None) => utf8_addr_decode(encoded)?,
            (_, decoded) => decoded?,
        };
        (!address.is_empty()).then_some(Self { kind, address })
    }

    /// The value in ASCII, for an `ORCPT` parameter.
    #[must_use]
    pub fn to_parameter(&self) -> String {
        if self.kind == "utf-8" {
            format!("{};{}", self.kind, utf8_addr_encode(&self.address))
        } else {
            format!("{};{}", self.kind, xtext_encode(&self.address))
        }
    }
}

/// As it stands in a report: type and address, in ASCII where the address is.
impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.address)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_values_are_refused() {
        for text in ["+", "a+2", "a+zz", "a b", "a=b", "+0A", "+FF", "会"] {
            assert_eq!(xtext_decode(text), None, "{text}");
        }
        for text in ["\\", "\\x{}", "\\x{4F1A", "\\x{110000}", "\\x{0A}", "\\y"] {
            assert_eq!(utf8_addr_decode(text), None, "{text}");
        }
        for value in ["", "rfc822", ";a", "rfc822;", "rf c;a", "rfc822;a+0Db"] {
            assert_eq!(OriginalRecipient::parse(value), None, "{value}");
        }
    }

    #[test]
    fn original_recipients() {
        let plain = OriginalRecipient::parse("RFC822;a+2Bb@x.jp").unwrap();
        assert_eq!(plain.to_string(), "rfc822;a+b@x.jp");
        for value in ["utf-8;会@x.jp", "utf-8;\\x{4F1A}@x.jp"] {
            let wide = OriginalRecipient::parse(value).unwrap();
            assert_eq!(wide.address, "会@x.jp");
            assert_eq!(wide.to_parameter(), "utf-8;\\x{4F1A}@x.jp");
        }
    }

    proptest! {
        #[test]
        fn both_round_trip(text in "\\PC{0,40}") {
            prop_assume!(!text.chars().any(char::is_control));
            prop_assert_eq!(xtext_decode(&xtext_encode(&text)), Some(text.clone()));
            prop_assert_eq!(utf8_addr_decode(&utf8_addr_encode(&text)), Some(text));
        }
    }
}
