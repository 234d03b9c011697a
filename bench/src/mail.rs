//! Messages to send, built once; only a serial number changes from one to the next.

use std::fmt::Write;

/// Digits of a serial number.
const DIGITS: usize = 12;
const WORDS: [&str; 24] = [
    "budget", "meeting", "attached", "please", "Tuesday", "the", "of", "minutes", "section",
    "regards", "office", "to", "by", "draft", "revised", "and", "in", "number", "form", "report",
    "schedule", "before", "we", "confirm",
];

const PART: &str = "--cut\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
const ATTACHMENT: &str = "--cut\r\nContent-Type: application/octet-stream; name=scan.bin\r\n\
    Content-Disposition: attachment; filename=scan.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n";

/// A message whose serial number can be set in place.
#[derive(Clone)]
pub(crate) struct Letter {
    bytes: Vec<u8>,
    serials: Vec<usize>,
    size: usize,
}

impl Letter {
    /// A message of exactly `octets` octets (more than 900): headers as a mail program writes them, words up to 4 KiB, the
    /// rest an attachment. Words compress as mail does, the attachment hardly.
    pub(crate) fn new(from: &str, octets: usize, seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9));
        let blank = "0".repeat(DIGITS);
        let attached = octets > 8192;
        let (kind, head, tail) = match attached {
            true => ("multipart/mixed; boundary=cut", PART, "--cut--\r\n"),
            false => ("text/plain; charset=utf-8", "", ""),
        };
        let mut text = format!(
            "Date: Thu, 26 Nov 2026 12:00:00 +0900\r\nFrom: Hanako Tanaka <{from}>\r\nTo: <list@bench.test>\r\n\
             Message-ID: <{blank}.{seed}@sender.test>\r\nSubject: Minutes of meeting {blank}\r\nMIME-Version: 1.0\r\n\
             Content-Type: {kind}\r\n\r\n{head}"
        );
        while text.len() < octets.min(4096).saturating_sub(90) {
            words(&mut text, &mut chance);
        }
        if attached {
            text.push_str(ATTACHMENT);
        }
        let end = octets - tail.len();
        while text.len() + 80 < end {
            coded(&mut text, &mut chance, 76);
        }
        let rest = end.saturating_sub(text.len() + 2);
        coded(&mut text, &mut chance, rest);
        text.push_str(tail);
        let serials = text.match_indices(&blank).map(|(at, _)| at).collect();
        let size = text.len();
        text.push_str(".\r\n");
        Self {
            bytes: text.into_bytes(),
            serials,
            size,
        }
    }

    /// Makes it the message with this number.
    pub(crate) fn number(&mut self, serial: usize) {
        let digits = format!("{serial:0DIGITS$}");
        for at in &self.serials {
            if let Some(place) = self.bytes.get_mut(*at..*at + DIGITS) {
                place.copy_from_slice(digits.as_bytes());
            }
        }
    }

    /// The message.
    pub(crate) fn plain(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }

    /// The message and the end-of-data line. No line of it begins with a dot.
    pub(crate) fn dotted(&self) -> &[u8] {
        &self.bytes
    }
}

fn words(text: &mut String, chance: &mut Chance) {
    let begin = text.len();
    while text.len() - begin < 66 {
        text.push_str(chance.pick::<&str>(&WORDS));
        text.push(' ');
    }
    let number = chance.next() % 100_000;
    // Writing to a String cannot fail.
    let written = write!(text, "{number}\r\n");
    debug_assert!(written.is_ok());
}

fn coded(text: &mut String, chance: &mut Chance, count: usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for _ in 0..count {
        text.push(char::from(*chance.pick(ALPHABET)));
    }
    text.push_str("\r\n");
}

/// Numbers without order, the same in each run (xorshift).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let count = u64::try_from(from.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(self.next() % count).unwrap_or(0);
        &from[at]
    }
}

/// The word that the search looks for: "budget meeting".
pub(crate) const WORD: &str = "予算会議";

/// Message `number` of the mailbox that is searched: every hundredth part of three holds [`WORD`], in ISO-2022-JP, in
/// UTF-8 as base64 and in Shift_JIS by turns; the others hold its characters apart, in the same three charsets.
pub(crate) fn japanese(number: usize) -> (Vec<u8>, bool) {
    const HIT: [&[u8]; 3] = [
        b"\x1b$BMh=5$NM=;;2q5D$K$D$$$F$4O\"Mm$7$^$9!#\x1b(B",
        b"5p2l6YCx44Gu5LqI566X5Lya6K2w44Gr44Gk44GE44Gm44GU6YCj57Wh44GX44G+44GZ44CC",
        b"\x97\x88\x8f\x54\x82\xcc\x97\x5c\x8e\x5a\x89\xef\x8b\x63\x82\xc9\x82\xc2\x82\xa2\x82\xc4\x82\xb2\x98\x41\x97\x8d\x82\xb5\x82\xdc\x82\xb7\x81\x42",
    ];
    const MISS: [&[u8]; 3] = [
        b"\x1b$B<!2s$O2q>l$H5DBj$,7h$^$j<!Bh$*CN$i$;$7$^$9!#\x1b(B",
        b"5qyh5Zue44Gv5Lya5aC044Go6K2w6aGM44GM5rG644G+44KK5qyh56ys44GK55+l44KJ44Gb44GX44G+44GZ44CC",
        b"\x8e\x9f\x89\xf1\x82\xcd\x89\xef\x8f\xea\x82\xc6\x8b\x63\x91\xe8\x82\xaa\x8c\x88\x82\xdc\x82\xe8\x8e\x9f\x91\xe6\x82\xa8\x92\x6d\x82\xe7\x82\xb9\x82\xb5\x82\xdc\x82\xb7\x81\x42",
    ];
    const KIND: [(&str, &str); 3] = [
        ("iso-2022-jp", "7bit"),
        ("utf-8", "base64"),
        ("shift_jis", "8bit"),
    ];
    let (hundred, place) = (number / 100, number % 100);
    let hit = place < 3;
    let kind = (number + hundred) % 3;
    let (charset, coding) = KIND[kind];
    let mut bytes = format!(
        "Date: Thu, 26 Nov 2026 12:00:00 +0900\r\nFrom: <tanaka@sender.test>\r\nTo: <suzuki@bench.test>\r\n\
         Message-ID: <{number}.ja@sender.test>\r\nSubject: number {number}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n"
    )
    .into_bytes();
    // The word stands near the end, so that no early part of the text decides.
    for _ in 0..20 {
        bytes.extend_from_slice(MISS[kind]);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(if hit { HIT[kind] } else { MISS[kind] });
    bytes.extend_from_slice(b"\r\n");
    (bytes, hit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_its_size_and_number() {
        for octets in [1024, 4096, 102_400] {
            let mut letter = Letter::new("a@bench.test", octets, 7);
            letter.number(42);
            assert_eq!(letter.plain().len(), octets);
            let text = String::from_utf8_lossy(letter.plain());
            assert!(text.contains("Message-ID: <000000000042.7@"), "{text}");
            assert!(letter.dotted().ends_with(b"\r\n.\r\n"));
            assert!(!text.contains("\r\n."));
        }
    }

    #[test]
    fn three_of_a_hundred_hold_the_word_in_each_charset() {
        let mut hits = [0; 3];
        for number in 0..10_000 {
            if japanese(number).1 {
                hits[(number + number / 100) % 3] += 1;
            }
        }
        assert_eq!(hits, [100; 3]);
    }
}
