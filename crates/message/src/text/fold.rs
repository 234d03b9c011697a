//! One form for texts that people take for the same.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// The text in NFKC and without case: full-width letters become ASCII, half-width kana full-width. Hiragana and
/// katakana stay apart. The index and the check of its hits both use this, so they agree.
///
/// Folding twice is folding once.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = once(text);
    // Lower case can bring forth what NFKC changes, and the other way round; a second pass settles it.
    once(&folded).into_owned()
}

/// The text folded, with one space for each run of white space: header fields are folded with tabs and lines are broken
/// where it suits the mailer, but people search words.
#[must_use]
pub fn fold_words(text: &str) -> String {
    let folded = fold(text);
    let mut words = String::with_capacity(folded.len());
    for c in folded.chars() {
        if !c.is_whitespace() {
            words.push(c);
        } else if !words.ends_with(' ') {
            words.push(' ');
        }
    }
    words
}

fn once(text: &str) -> Cow<'_, str> {
    let composed = compose(text);
    if composed.chars().all(is_lower) {
        return composed;
    }
    let mut folded = String::with_capacity(composed.len());
    for c in composed.chars() {
        match c {
            'ß' | 'ẞ' => folded.push_str("ss"),
            'ς' => folded.push('σ'),
            // The dot above that `İ` leaves behind would make it differ from `i`.
            'İ' => folded.push('i'),
            c => folded.extend(c.to_lowercase()),
        }
    }
    match compose(&folded) {
        Cow::Owned(changed) => Cow::Owned(changed),
        Cow::Borrowed(_) => Cow::Owned(folded),
    }
}

/// The text in NFKC. Most text is already, which a look at each character tells.
fn compose(text: &str) -> Cow<'_, str> {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfkc().collect()),
    }
}

/// Whether folding leaves a character as it is.
fn is_lower(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_uppercase();
    }
    if matches!(c, 'ß' | 'ς') {
        return false;
    }
    let mut lower = c.to_lowercase();
    lower.next() == Some(c) && lower.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fold, fold_words};

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
    fn white_space_is_one_space() {
        assert_eq!(fold_words("\tA\r\n b\u{3000}\u{2028}c "), " a b c ");
        assert_eq!(fold_words(""), "");
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
