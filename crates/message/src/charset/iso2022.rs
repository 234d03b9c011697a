//! ISO-2022-JP and its relatives (RFC 1468, 1554, 2237; CP50220 to CP50222; RFC 1557 shifts).
//!
//! encoding_rs follows the web, which knows neither JIS X 0212 nor shifts nor 8-bit half-width kana. Here a
//! message is cut at its escapes, and each stretch is handed to the EUC table of the same characters.

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK};

const ESC: u8 = 0x1b;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// What the current stretch holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Ascii,
    Kana,
    Double(Double),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Double {
    Jis0208,
    Jis0212,
    Gb2312,
    Ksc5601,
}

/// The escapes without their ESC. Those of JIS X 0213 plane 1 are read as JIS X 0208, of which it is an extension.
const ESCAPES: &[(&[u8], Set)] = &[
    (b"(B", Set::Ascii),
    (b"(J", Set::Ascii),
    (b"(H", Set::Ascii),
    (b"(I", Set::Kana),
    (b")I", Set::Kana),
    (b"$@", Set::Double(Double::Jis0208)),
    (b"$B", Set::Double(Double::Jis0208)),
    (b"&@\x1b$B", Set::Double(Double::Jis0208)),
    (b"$(B", Set::Double(Double::Jis0208)),
    (b"$(O", Set::Double(Double::Jis0208)),
    (b"$(Q", Set::Double(Double::Jis0208)),
    (b"$(D", Set::Double(Double::Jis0212)),
    (b"$A", Set::Double(Double::Gb2312)),
    (b"$(C", Set::Double(Double::Ksc5601)),
];

/// Whether the octets hold an escape to Japanese characters.
pub(super) fn has_escape(octets: &[u8]) -> bool {
    memchr::memchr_iter(ESC, octets).any(|at| {
        let rest = octets.get(at.saturating_add(1)..).unwrap_or_default();
        [b"$B".as_slice(), b"$@", b"$(D", b"$(O", b"$(Q", b"(I"]
            .iter()
            .any(|e| rest.starts_with(e))
    })
}

/// The octets as text. A line end returns to ASCII, as RFC 1468 demands of writers.
pub(super) fn decode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut set = Set::Ascii;
    // ISO-2022-KR and -CN designate a set with `ESC $ ) C` or `ESC $ ) A`, and shift to it later.
    let mut shifted = Set::Kana;
    let mut rest = octets;
    while let Some(&first) = rest.first() {
        match first {
            ESC => {
                let (found, len) = escape(rest);
                match found {
                    Some(Escape::Select(next)) => set = next,
                    Some(Escape::Designate(next)) => shifted = next,
                    None => {}
                }
                rest = rest.get(len..).unwrap_or_default();
            }
            SHIFT_OUT => {
                set = shifted;
                rest = rest.get(1..).unwrap_or_default();
            }
            SHIFT_IN => {
                set = Set::Ascii;
                rest = rest.get(1..).unwrap_or_default();
            }
            b'\r' | b'\n' => {
                set = Set::Ascii;
                text.push(char::from(first));
                rest = rest.get(1..).unwrap_or_default();
            }
            _ => {
                let end = rest
                    .iter()
                    .position(|b| matches!(*b, ESC | SHIFT_OUT | SHIFT_IN | b'\r' | b'\n'))
                    .unwrap_or(rest.len());
                let (stretch, after) = rest.split_at(end);
                push(stretch, set, &mut text);
                rest = after;
            }
        }
    }
    text
}

enum Escape {
    Select(Set),
    Designate(Set),
}

/// Reads the escape that `rest` begins with. An unknown one counts as the ESC alone.
fn escape(rest: &[u8]) -> (Option<Escape>, usize) {
    let after = rest.get(1..).unwrap_or_default();
    for (sequence, double) in [
        (b"$)C".as_slice(), Double::Ksc5601),
        (b"$)A", Double::Gb2312),
    ] {
        if after.starts_with(sequence) {
            return (Some(Escape::Designate(Set::Double(double))), 4);
        }
    }
    for (sequence, set) in ESCAPES {
        if after.starts_with(sequence) {
            return (Some(Escape::Select(*set)), sequence.len().saturating_add(1));
        }
    }
    (None, 1)
}

fn push(stretch: &[u8], set: Set, text: &mut String) {
    match set {
        Set::Ascii if stretch.is_ascii() => text.extend(stretch.iter().map(|b| char::from(*b))),
        // 8-bit octets outside any escape: half-width kana of CP50220, or raw text of another set.
        Set::Ascii if stretch.iter().all(|b| b.is_ascii() || is_kana8(*b)) => {
            text.extend(stretch.iter().map(|b| {
                if b.is_ascii() {
                    char::from(*b)
                } else {
                    kana(*b)
                }
            }));
        }
        Set::Ascii => text.push_str(&super::decode_unlabelled(stretch)),
        Set::Kana => text.extend(stretch.iter().map(|b| match b | 0x80 {
            high if is_kana8(high) => kana(high),
            _ if b.is_ascii() => char::from(*b),
            _ => char::REPLACEMENT_CHARACTER,
        })),
        Set::Double(double) => push_double(stretch, double, text),
    }
}

fn is_kana8(b: u8) -> bool {
    (0xa1..=0xdf).contains(&b)
}

fn kana(b: u8) -> char {
    char::from_u32(0xff61_u32.saturating_add(u32::from(b).saturating_sub(0xa1)))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn push_double(stretch: &[u8], double: Double, text: &mut String) {
    let table: &'static Encoding = match double {
        Double::Jis0208 | Double::Jis0212 => EUC_JP,
        Double::Gb2312 => GBK,
        Double::Ksc5601 => EUC_KR,
    };
    let mut euc = Vec::with_capacity(stretch.len().saturating_mul(2));
    let mut octets = stretch.iter().copied();
    while let Some(first) = octets.next() {
        if first == b' ' || first == b'\t' {
            euc.push(first);
            continue;
        }
        let Some(second) = octets.next() else {
            // Half a character: kept as a mark of the damage, not as a letter.
            euc.push(0xff);
            break;
        };
        if double == Double::Jis0212 {
            euc.push(0x8f);
        }
        euc.extend([first | 0x80, second | 0x80]);
    }
    text.push_str(&table.decode_without_bom_handling(&euc).0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_width_kana_in_all_three_ways() {
        assert_eq!(decode(b"\x1b(I1\x1b(B!"), "ｱ!");
        assert_eq!(decode(b"\x0e1\x0f!"), "ｱ!");
        assert_eq!(decode(b"\xb1!"), "ｱ!");
    }

    #[test]
    fn other_sets_and_nec_characters() {
        assert_eq!(decode(b"\x1b$(D0!\x1b(B"), "丂");
        assert_eq!(decode(b"\x1b$B-!\x1b(B"), "①");
        assert_eq!(decode(b"\x1b$)C\x0e0!\x0f"), "가");
    }

    #[test]
    fn damage_stays_local() {
        assert_eq!(decode(b"\x1b$B2q5"), "会\u{fffd}");
        assert_eq!(decode(b"\x1b$B2q\r\nabc"), "会\r\nabc");
        assert_eq!(decode(b"a\x1bZb"), "aZb");
    }
}
