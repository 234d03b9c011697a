//! One form for texts that people take for the same.

use unicode_normalization::UnicodeNormalization;

/// The text in NFKC and without case: full-width letters become ASCII, half-width kana full-width. Hiragana and
/// katakana stay apart. The index and the check of its hits both use this, so they agree.
///
/// Folding twice is folding once.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    once(&once(text))
}

/// Lower case can bring forth what NFKC changes, and the other way round; a second pass settles it.
fn once(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkc() {
        match c {
            'ß' | 'ẞ' => folded.push_str("ss"),
            'ς' => folded.push('σ'),
            // The dot above that `İ` leaves behind would make it differ from `i`.
            'İ' => folded.push('i'),
            c => folded.extend(c.to_lowercase()),
        }
    }
    folded.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fold;

    #[test]
    fn what_is_the_same() {
        assert_eq!(fold("ＡＢＣ　会議①"), "abc 会議1");
        assert_eq!(fold("ｶﾞｯｺｳ"), "ガッコウ");
        assert_eq!(fold("か\u{3099}"), "が");
        assert_eq!(fold("STRASSE"), fold("Straße"));
        assert_eq!(fold("ΣΑΣ"), fold("σας"));
        assert_ne!(fold("かな"), fold("カナ"));
    }

    #[test]
    fn every_character_settles() {
        // The unified ideographs of plane 2 stay as they are.
        for c in ('\0'..='\u{1ffff}').chain('\u{2f800}'..='\u{2fa1f}') {
            let folded = fold(c.encode_utf8(&mut [0; 4]));
            assert_eq!(fold(&folded), folded, "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,20}") {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
