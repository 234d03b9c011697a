//! The character set of octets that nobody labelled.

use encoding_rs::{EUC_JP, SHIFT_JIS, WINDOWS_1252};

use super::iso2022;

/// The octets as text: UTF-8 if they are that, else JIS with escapes, Shift_JIS or EUC-JP if they can be
/// that, else Windows-1252, which can be anything.
#[must_use]
pub fn decode_unlabelled(octets: &[u8]) -> String {
    if iso2022::has_escape(octets) {
        return iso2022::decode(octets);
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        return text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    }
    if let Some(text) = damaged_utf8(octets) {
        return text;
    }
    [SHIFT_JIS, EUC_JP]
        .into_iter()
        .filter_map(|encoding| encoding.decode_without_bom_handling_and_without_replacement(octets))
        .min_by_key(|text| text.chars().map(strangeness).sum::<u64>())
        .unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(octets).0)
        .into_owned()
}

/// Text that was UTF-8 until something cut it inside a character, or damaged a little of it. Only characters of
/// three octets or more prove it: half-width kana of Shift_JIS can look like those of two.
fn damaged_utf8(octets: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(octets);
    let bad = text
        .chars()
        .filter(|c| *c == char::REPLACEMENT_CHARACTER)
        .count();
    let good = text
        .chars()
        .filter(|c| c.len_utf8() >= 3)
        .count()
        .saturating_sub(bad);
    (good >= bad.saturating_mul(3)).then(|| text.into_owned())
}

/// How unlikely a character is in Japanese mail. Kana and common kanji cost least.
fn strangeness(c: char) -> u64 {
    match c {
        '\0'..='\u{7f}' | '\u{3000}'..='\u{30ff}' => 0,
        '\u{4e00}'..='\u{9fff}' | '\u{ff00}'..='\u{ff60}' => 1,
        // EUC-JP read as Shift_JIS turns into runs of these.
        '\u{ff61}'..='\u{ff9f}' => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_japanese_encodings_apart() {
        let text = "会議のお知らせ、カタカナとひらがな";
        for encoding in [SHIFT_JIS, EUC_JP, encoding_rs::ISO_2022_JP] {
            let (octets, _, lost) = encoding.encode(text);
            assert!(!lost);
            assert_eq!(decode_unlabelled(&octets), text, "{}", encoding.name());
        }
        assert_eq!(decode_unlabelled(text.as_bytes()), text);
        assert_eq!(decode_unlabelled(b"caf\xe9"), "café");
        assert_eq!(
            decode_unlabelled(text.as_bytes().get(..13).unwrap_or_default()),
            "会議のお\u{fffd}"
        );
    }
}
