//! The messages of a history: each has a number, and its text follows from the number and its length.

use std::fmt::Write as _;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Letter {
    /// Its number in the history.
    pub(crate) number: u64,
    /// Lines of its body.
    pub(crate) lines: u64,
}

const HOST: &str = "letters.example";

impl Letter {
    /// Its Message-ID, in angle brackets.
    pub(crate) fn message_id(self) -> String {
        format!("<{}.{}@{HOST}>", self.number, self.lines)
    }

    /// The letter that a text tells of by its Message-ID, with angle brackets or without.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let (before, _) = text.split_once(&format!("@{HOST}"))?;
        let begins = before.rfind(|one: char| !one.is_ascii_digit() && one != '.');
        let id = begins.map_or(before, |at| &before[at + 1..]);
        let (number, lines) = id.split_once('.')?;
        Some(Self {
            number: number.parse().ok()?,
            lines: lines.parse().ok()?,
        })
    }

    /// The whole text, with CRLF.
    pub(crate) fn text(self, from: &str) -> String {
        let mut text = format!(
            "Message-ID: {}\r\nDate: Thu, 26 Nov 2026 09:00:00 +0900\r\nFrom: <{from}>\r\nSubject: letter {}\r\n\r\n",
            self.message_id(),
            self.number,
        );
        let mut word = self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for line in 0..self.lines {
            word = word.rotate_left(17).wrapping_add(line | 1);
            // Writing to a string does not fail.
            write!(text, "{line} {word:016x} of letter {}\r\n", self.number).ok();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_found_by_its_text() {
        let letter = Letter {
            number: 17,
            lines: 3,
        };
        let text = letter.text("taro@example.jp");
        assert_eq!(Letter::find(&text), Some(letter));
        assert_eq!(text, letter.text("taro@example.jp"));
        assert_eq!(Letter::find("17.3@letters.example"), Some(letter));
        assert_eq!(Letter::find("Message-ID: <1.x@letters.example>"), None);
    }
}
