//! Encoded words (RFC 2047, RFC 2231 section 5).

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{charset, transfer};

/// The text with its encoded words decoded.
///
/// Words side by side in one character set are joined before the characters are decoded, since mailers cut words
/// inside a character. Words inside quotes or without white space around them are decoded too: the standard
/// forbids them, and Japanese mailers write them. A word in an unknown encoding stays as it is.
#[must_use]
pub fn decode_words(text: &str) -> String {
    if !text.contains("=?") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut run: Option<(&str, Vec<u8>)> = None;
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let Some((word, after)) = Word::split(from) else {
            flush(&mut run, &mut out);
            let skip = from.get(2..).unwrap_or_default();
            out.push_str(before);
            out.push_str("=?");
            rest = skip;
            continue;
        };
        let is_adjacent = run.is_some() && before.chars().all(|c| matches!(c, ' ' | '\t'));
        match &mut run {
            Some((charset, octets))
                if is_adjacent && charset.eq_ignore_ascii_case(word.charset) =>
            {
                octets.extend(word.octets());
            }
            _ => {
                flush(&mut run, &mut out);
                if !is_adjacent {
                    out.push_str(before);
                }
                run = Some((word.charset, word.octets()));
            }
        }
        rest = after;
    }
    flush(&mut run, &mut out);
    out.push_str(rest);
    // A line break inside an encoded word must not become one in the reader's hands.
    out.retain(|c| !matches!(c, '\r' | '\n' | '\0'));
    out
}

fn flush(run: &mut Option<(&str, Vec<u8>)>, out: &mut String) {
    if let Some((charset, octets)) = run.take() {
        out.push_str(&charset::decode(&octets, charset));
    }
}

struct Word<'a> {
    charset: &'a str,
    is_base64: bool,
    encoded: &'a str,
}

impl<'a> Word<'a> {
    /// The word that `text` begins with (`=?charset?B?…?=`), and what follows it.
    fn split(text: &'a str) -> Option<(Self, &'a str)> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        let (encoded, rest) = rest.split_once('?')?;
        let after = rest.strip_prefix('=')?;
        let is_base64 = match encoding {
            "B" | "b" => true,
            "Q" | "q" => false,
            _ => return None,
        };
        let charset = charset
            .split_once('*')
            .map_or(charset, |(name, _language)| name);
        if charset.is_empty() || !charset.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        Some((
            Self {
                charset,
                is_base64,
                encoded,
            },
            after,
        ))
    }

    fn octets(&self) -> Vec<u8> {
        if self.is_base64 {
            return transfer::decode_base64(self.encoded.as_bytes());
        }
        let spaced = self.encoded.replace('_', " ");
        transfer::decode_hex_escapes(spaced.as_bytes(), b'=')
    }
}

/// Octets of text in one encoded word, so that the word stays within the 75 octets of RFC 2047.
const CHUNK: usize = 45;

/// The text as US-ASCII: as it is when it is printable ASCII, else as encoded words in UTF-8 with a space between them:
/// one line, which [`crate::build::field`] folds.
#[must_use]
pub fn encode_words(text: &str) -> String {
    if !text.contains("=?") && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut chunk = String::new();
    for c in text.chars() {
        if chunk.len().saturating_add(c.len_utf8()) > CHUNK {
            words.push(encode_word(&chunk));
            chunk.clear();
        }
        chunk.push(c);
    }
    words.push(encode_word(&chunk));
    words.join(" ")
}

fn encode_word(text: &str) -> String {
    format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_joined_before_characters_are_decoded() {
        // 会議 cut in the middle of 議: E4 BC 9A E8 | AD B0.
        assert_eq!(
            decode_words("=?UTF-8?B?5Lya6A==?= =?utf-8?B?rbA=?="),
            "会議"
        );
        assert_eq!(
            decode_words("=?UTF-8?Q?=E4=BC=9A=E8?= \t=?utf-8?B?rbA=?="),
            "会議"
        );
        // JIS that stays in two-octet state over the border.
        assert_eq!(
            decode_words("=?ISO-2022-JP?B?GyRCMnE=?= =?ISO-2022-JP?B?NUQbKEI=?="),
            "会議"
        );
    }

    #[test]
    fn white_space_counts_only_beside_text() {
        assert_eq!(decode_words("a =?UTF-8?Q?b?= c"), "a b c");
        assert_eq!(decode_words("=?UTF-8?Q?a?= =?ISO-8859-1?Q?=E9?="), "aé");
        assert_eq!(decode_words("=?UTF-8?Q?a_b?="), "a b");
        assert_eq!(decode_words("=?UTF-8*ja?Q?a?="), "a");
        assert_eq!(decode_words("x=?UTF-8?Q?a?=y"), "xay");
    }

    #[test]
    fn broken_words_stay() {
        for text in [
            "=?",
            "=?UTF-8?",
            "=?UTF-8?X?a?=",
            "=?UTF-8?Q?a",
            "a =?b",
            "=??Q?a?=",
        ] {
            assert_eq!(decode_words(text), text);
        }
        assert_eq!(decode_words("=?UTF-8?Q?a=0D=0Ab?="), "ab");
        assert_eq!(decode_words("=?UTF-8?B?5Lya?==?UTF-8?B?6K2w?="), "会議");
    }

    proptest! {
        #[test]
        fn encoding_round_trips(text in "[^\\r\\n\\x00\\x{feff}]{0,80}") {
            let encoded = encode_words(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded == text || encoded.split(' ').all(|word| word.len() <= 75));
            prop_assert_eq!(decode_words(&encoded), text);
        }

        #[test]
        fn anything_decodes(text in "(=\\?|\\?=|\\?[BQ]\\?|utf-8|[ a=?_]){0,30}") {
            let _ignored = decode_words(&text);
        }
    }
}
