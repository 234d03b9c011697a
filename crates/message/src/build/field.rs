//! Writing a field so that its value cannot become another field.

use crate::header::encode_words;

/// Longest line that folding aims at, in octets without the line end (RFC 5322, section 2.1.1).
const LINE: usize = 78;

/// Longest word that is written in one piece, so that no line is longer than mail allows (998).
const WORD: usize = 900;

/// `name: value` with its line end, folded at white space. Line ends and control characters in the value become
/// spaces. `name` is a constant of the caller's.
#[must_use]
pub fn field(name: &str, value: &str) -> String {
    let clean: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut text = format!("{name}:");
    let mut column = text.len();
    for word in clean.split(' ').filter(|w| !w.is_empty()).flat_map(pieces) {
        let width = word.len().saturating_add(1);
        if column.saturating_add(width) > LINE && column > name.len().saturating_add(1) {
            text.push_str("\r\n");
            column = 0;
        }
        text.push(' ');
        text.push_str(word);
        column = column.saturating_add(width);
    }
    text.push_str("\r\n");
    text
}

/// A word cut into pieces of at most [`WORD`] octets.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(rest.floor_char_boundary(WORD))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// As [`field`], for human text: what is not ASCII becomes encoded words.
#[must_use]
pub fn text_field(name: &str, value: &str) -> String {
    let clean: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    field(name, &encode_words(&clean))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Limits, header::Header};

    #[test]
    fn long_values_are_folded() {
        assert!(
            field("X", &"会".repeat(2000))
                .lines()
                .all(|l| l.len() <= 998)
        );
        let text = field("X", &"word ".repeat(40));
        assert!(text.lines().all(|l| l.len() <= 78), "{text}");
        assert_eq!(
            text_field("Subject", "会議"),
            "Subject: =?UTF-8?B?5Lya6K2w?=\r\n"
        );
    }

    proptest! {
        #[test]
        fn one_field_stays_one(value in any::<String>()) {
            for text in [field("X", &value), text_field("X", &value)] {
                let raw = format!("{text}Y: z\r\n\r\nbody");
                let header = Header::parse(raw.as_bytes(), &Limits::default());
                prop_assert_eq!(header.iter().count(), 2);
                prop_assert_eq!(&raw[header.body_start()..], "body");
            }
        }
    }
}
