//! The words of a message, as numbers that nobody reads back without the site's key.

use std::collections::BTreeSet;

use message::{
    Limits,
    header::Header,
    mime::{Content, Structure},
    text::{fold_words, searchable_body},
};

/// A word, hashed with a key of the site.
pub type Token = i64;

/// Octets of text that are looked at.
const MOST_TEXT: usize = 64 << 10;
/// Words of one message.
const MOST_TOKENS: usize = 2000;
/// Characters of a word between spaces. What is longer is no word, and tells by being there.
const LONGEST: usize = 24;
const SHORTEST: usize = 3;
/// Hosts that links lead to.
const MOST_HOSTS: usize = 50;
/// Fields whose words are told apart from the body's.
const FIELDS: [(&str, &str); 6] = [
    ("subject", "s"),
    ("from", "f"),
    ("reply-to", "r"),
    ("x-mailer", "m"),
    ("user-agent", "m"),
    ("list-id", "l"),
];

/// The different words of `message`: of some fields, of its texts, the hosts that links lead to, and what is attached. Japanese and other
/// text without spaces is taken in overlapping pairs of characters.
#[must_use]
pub fn tokens(message: &[u8], key: &[u8; 32]) -> Vec<Token> {
    let limits = Limits {
        text_octets: MOST_TEXT,
        ..Limits::default()
    };
    let mut found = Found {
        key,
        tokens: BTreeSet::new(),
    };
    let structure = Structure::parse(message, &limits);
    for part in structure.root.walk() {
        let kind = &part.content_type;
        found.add("t", &format!("{}/{}", kind.kind, kind.subtype));
        if let Some((_, ending)) = part
            .filename()
            .as_deref()
            .and_then(|name| name.rsplit_once('.'))
        {
            found.add("a", &message::text::fold(ending));
        }
    }
    let header = Header::parse(message, &limits);
    for (name, prefix) in FIELDS {
        if let Some(text) = header.text(name) {
            found.words(prefix, &fold_words(&text));
        }
    }
    hosts(message, &structure, &mut found);
    let text = searchable_body(message, &structure, &limits);
    found.words("", &fold_words(&text));
    found.tokens.into_iter().collect()
}

struct Found<'k> {
    key: &'k [u8; 32],
    tokens: BTreeSet<Token>,
}

impl Found<'_> {
    fn add(&mut self, prefix: &str, word: &str) {
        if self.tokens.len() >= MOST_TOKENS {
            return;
        }
        let mut hasher = blake3::Hasher::new_keyed(self.key);
        hasher
            .update(prefix.as_bytes())
            .update(b":")
            .update(word.as_bytes());
        let mut octets = [0; 8];
        hasher.finalize_xof().fill(&mut octets);
        self.tokens.insert(i64::from_be_bytes(octets));
    }

    fn words(&mut self, prefix: &str, text: &str) {
        for run in text.split(|c: char| !(c.is_alphanumeric() || "$%-_.@'".contains(c))) {
            let run = run.trim_matches(|c: char| !c.is_alphanumeric() && c != '$');
            self.run(prefix, run);
        }
    }

    /// What stands between two spaces: words of letters, or text that has none between its words.
    fn run(&mut self, prefix: &str, run: &str) {
        for piece in run.chunk_by_spacing() {
            let length = piece.chars().count();
            if piece.chars().next().is_some_and(is_unspaced) {
                let characters: Vec<char> = piece.chars().collect();
                for pair in characters.windows(2) {
                    self.add(prefix, &pair.iter().collect::<String>());
                }
            } else if (SHORTEST..=LONGEST).contains(&length) {
                self.add(prefix, piece);
            } else if length > LONGEST {
                self.add(prefix, &format!("long {}", length / 10));
            }
        }
    }
}

trait BySpacing {
    /// Cut where scripts with spaces meet those without.
    fn chunk_by_spacing(&self) -> Vec<&str>;
}

impl BySpacing for str {
    fn chunk_by_spacing(&self) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut before = None;
        for (at, c) in self.char_indices() {
            let unspaced = is_unspaced(c);
            if before.is_some_and(|before| before != unspaced) {
                pieces.push(self.get(begin..at).unwrap_or_default());
                begin = at;
            }
            before = Some(unspaced);
        }
        pieces.push(self.get(begin..).unwrap_or_default());
        pieces
    }
}

/// Kana, ideographs, Thai and the like, which are written without spaces.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// The hosts that links of text parts lead to.
fn hosts(message: &[u8], structure: &Structure, found: &mut Found<'_>) {
    let mut seen = 0;
    for part in structure.root.walk() {
        if !matches!(part.content, Content::Text { .. }) {
            continue;
        }
        let raw = part.raw_body(message);
        let Some(decoded) = part.encoding.decode(raw.get(..MOST_TEXT).unwrap_or(raw)) else {
            continue;
        };
        for at in memchr::memmem::find_iter(&decoded, b"://") {
            let after = decoded.get(at.saturating_add(3)..).unwrap_or_default();
            let is_host = |b: &u8| b.is_ascii_alphanumeric() || b"-._".contains(b);
            let host: Vec<u8> = after
                .iter()
                .take(253)
                .take_while(|b| is_host(b))
                .copied()
                .collect();
            let host = String::from_utf8_lossy(&host).to_ascii_lowercase();
            if host.contains('.') {
                found.add("u", host.trim_end_matches('.'));
                seen += 1;
            }
            if seen >= MOST_HOSTS {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn one(prefix: &str, word: &str) -> Token {
        let mut found = Found {
            key: &KEY,
            tokens: BTreeSet::new(),
        };
        found.add(prefix, word);
        found.tokens.pop_first().unwrap()
    }

    #[test]
    fn words_pairs_hosts_and_endings_are_found() {
        let raw = "From: Shop <shop@bad.example>\r\nSubject: =?utf-8?B?5oOF5aCx?= FREE offer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Ｗｉｎ <a href=\"https://Click.Bad.example/x?y\">今すぐ会議2026</a></p>\r\n\
            --b\r\nContent-Type: application/zip; name=\"a.ZIP\"\r\n\r\nxx\r\n--b--\r\n";
        let found = tokens(raw.as_bytes(), &KEY);
        for (prefix, word) in [
            ("s", "情報"),
            ("s", "free"),
            ("f", "shop@bad.example"),
            ("", "win"),
            ("", "今す"),
            ("", "会議"),
            ("", "2026"),
            ("u", "click.bad.example"),
            ("a", "zip"),
            ("t", "text/html"),
        ] {
            assert!(found.contains(&one(prefix, word)), "{prefix}:{word}");
        }
        assert!(!found.contains(&one("", "議2")));
        assert_ne!(
            tokens(raw.as_bytes(), &[8; 32]),
            found,
            "another site's words are other numbers"
        );
    }

    #[test]
    fn however_much_there_is_words_are_bounded() {
        let mut raw = b"Subject: x\r\n\r\n".to_vec();
        for n in 0..100_000_u32 {
            raw.extend(format!("word{n} https://h{n}.example/ ").into_bytes());
        }
        assert!(tokens(&raw, &KEY).len() <= MOST_TOKENS);
        assert!(tokens(b"", &KEY).len() <= 1);
    }
}
