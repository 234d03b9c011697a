//! Letters that can be known again.

use sha2::{Digest, Sha256};

/// A message with a body made from its name, so that any change on the way is seen.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: Vec<u8>,
}

impl Letter {
    /// A short letter.
    pub(crate) fn new(name: &str, from: &str, to: &str) -> Self {
        let body =
            format!("This is {name}.\r\n.\r\n..two dots, and a line after a lone dot\r\n\r\n");
        Self {
            name: name.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            body: body.into_bytes(),
        }
    }

    /// A letter with a body of at least `octets`: its name, and lines of base64 text, no two alike.
    pub(crate) fn large(name: &str, from: &str, to: &str, octets: usize) -> Self {
        let mut letter = Self::new(name, from, to);
        letter.body = format!("This is {name}.\r\n").into_bytes();
        let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
        while letter.body.len() < octets {
            for _ in 0..19 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                for shift in [0, 6, 12, 18] {
                    let six = usize::try_from((state >> shift) & 63).unwrap();
                    letter.body.push(
                        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[six],
                    );
                }
            }
            letter.body.extend_from_slice(b"\r\n");
        }
        letter
    }

    /// The header section, the empty line and the body.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = format!(
            "From: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0900\r\n\
             Message-ID: <{}@story.example>\r\n\r\n",
            self.from, self.to, self.name, self.name
        )
        .into_bytes();
        content.extend_from_slice(&self.body);
        content
    }

    /// The digest of the body.
    pub(crate) fn digest(&self) -> String {
        digest(&self.body)
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What follows the first empty line.
pub(crate) fn body(content: &[u8]) -> &[u8] {
    let at = content.windows(4).position(|four| four == b"\r\n\r\n");
    at.map_or(&[], |at| &content[at + 4..])
}
