//! Modified UTF-7 (RFC 3501, section 5.1.3), strictly: one name has one spelling.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Decodes a name; `None` when it is not canonical modified UTF-7.
#[must_use]
pub(super) fn decode(encoded: &[u8]) -> Option<String> {
    let mut decoded = String::with_capacity(encoded.len());
    let mut rest = encoded;
    let mut after_shift = false;
    while let Some((&octet, tail)) = rest.split_first() {
        match octet {
            b'&' => {
                let end = tail.iter().position(|&octet| octet == b'-')?;
                let (shifted, after) = tail.split_at_checked(end)?;
                rest = after.get(1..)?;
                if shifted.is_empty() {
                    decoded.push('&');
                    after_shift = false;
                } else {
                    // Two shifts in a row would be a second spelling of one.
                    if after_shift {
                        return None;
                    }
                    decode_shifted(shifted, &mut decoded)?;
                    after_shift = true;
                }
            }
            b' '..=b'~' => {
                decoded.push(char::from(octet));
                rest = tail;
                after_shift = false;
            }
            _ => return None,
        }
    }
    Some(decoded)
}

fn decode_shifted(shifted: &[u8], decoded: &mut String) -> Option<()> {
    let octets = BASE64.decode(shifted).ok()?;
    if octets.len() % 2 != 0 {
        return None;
    }
    let units = octets.chunks_exact(2).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        _ => 0,
    });
    for character in char::decode_utf16(units) {
        let character = character.ok()?;
        if (' '..='~').contains(&character) {
            return None;
        }
        decoded.push(character);
    }
    Some(())
}

/// Encodes a name. The result is printable ASCII, except that nothing is done to keep control characters out of a
/// shift: [`MailboxName`](super::MailboxName) has none.
#[must_use]
pub(super) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut pending: Vec<u8> = Vec::new();
    for character in name.chars() {
        if !(' '..='~').contains(&character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                pending.extend_from_slice(&unit.to_be_bytes());
            }
            continue;
        }
        flush(&mut pending, &mut encoded);
        encoded.push(character);
        if character == '&' {
            encoded.push('-');
        }
    }
    flush(&mut pending, &mut encoded);
    encoded
}

fn flush(pending: &mut Vec<u8>, encoded: &mut String) {
    if !pending.is_empty() {
        encoded.push('&');
        BASE64.encode_string(&*pending, encoded);
        encoded.push('-');
        pending.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_names() {
        for (plain, encoded) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Tom & Jerry", "Tom &- Jerry"),
            ("&&", "&-&-"),
            ("送信済み", "&kAFP4W4IMH8-"),
            ("😀", "&2D3eAA-"),
            ("a", "a"),
        ] {
            assert_eq!(encode(plain), encoded);
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(plain));
        }
    }

    #[test]
    fn second_spellings_are_refused() {
        for bad in [
            "&",
            "&AGE-",
            "&U,B",
            "&ZeVn&LIqe-",
            "&ZeVn-&LIqe-",
            "&2D0-",
            "&ZeVnLIqf",
            "&Z-",
            "caf\u{e9}",
            "&ZeVnLIqe=-",
            "&ZeVnL-",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives(name in "\\PC{0,40}") {
            let encoded = encode(&name);
            prop_assert!(encoded.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
            prop_assert_eq!(decode(encoded.as_bytes()), Some(name));
        }

        #[test]
        fn whatever_decodes_has_that_one_spelling(octets in "[&A-Za-z,+ -]{0,24}") {
            if let Some(name) = decode(octets.as_bytes()) {
                prop_assert_eq!(encode(&name), octets);
            }
        }
    }
}
