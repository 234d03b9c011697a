//! Answers into bytes.

use crate::imap::response::write_number;

/// Extended response codes (RFC 2449, section 8; RFC 3206; RFC 6856).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseCode {
    /// IN-USE: another session holds the maildrop.
    InUse,
    /// LOGIN-DELAY: too soon after the last session.
    LoginDelay,
    /// AUTH: the credentials are wrong.
    Auth,
    /// SYS/TEMP: trouble here that will pass.
    SysTemp,
    /// SYS/PERM: trouble here that needs a person.
    SysPerm,
    /// UTF8: the message or maildrop needs UTF8.
    Utf8,
}

impl ResponseCode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::Auth => "AUTH",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Utf8 => "UTF8",
        }
    }
}

/// What CAPA tells, by the connection's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities<'a> {
    /// STLS is on offer.
    pub stls: bool,
    /// USER and PASS may be used now.
    pub user: bool,
    /// SASL mechanisms that may be used now.
    pub mechanisms: &'a [&'a str],
    /// Name for IMPLEMENTATION; in the transaction state only.
    pub implementation: Option<&'a str>,
}

/// Collects answers as bytes. Write out [`Encoder::bytes`] whenever it suits, then [`Encoder::clear`] it.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// An empty encoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What waits to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Takes what waits.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Forgets what waits: it was sent.
    pub fn clear(&mut self) {
        const KEEP: usize = 64 * 1024;
        self.out.clear();
        self.out.shrink_to(KEEP);
    }

    /// `+OK text`; a bare `+OK` for no text. Also the greeting.
    pub fn ok(&mut self, text: &str) {
        self.out.extend_from_slice(b"+OK");
        self.text(text);
    }

    /// `-ERR [CODE] text`
    pub fn err(&mut self, code: Option<ResponseCode>, text: &str) {
        self.out.extend_from_slice(b"-ERR");
        if let Some(code) = code {
            self.out.extend_from_slice(b" [");
            self.out.extend_from_slice(code.as_str().as_bytes());
            self.out.push(b']');
        }
        self.text(text);
    }

    /// `+ base64`: a challenge of AUTH.
    pub fn challenge(&mut self, challenge: &[u8]) {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(challenge);
        self.out.extend_from_slice(b"+ ");
        self.out.extend_from_slice(encoded.as_bytes());
        self.crlf();
    }

    /// `+OK` and the capability list (RFC 2449).
    pub fn capabilities(&mut self, capabilities: &Capabilities<'_>) {
        self.ok("capabilities follow");
        for name in [
            "TOP",
            "UIDL",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "PIPELINING",
            "UTF8",
        ] {
            self.line(&[name]);
        }
        if capabilities.user {
            self.line(&["USER"]);
        }
        if capabilities.stls {
            self.line(&["STLS"]);
        }
        if !capabilities.mechanisms.is_empty() {
            let words: Vec<&str> = std::iter::once("SASL")
                .chain(capabilities.mechanisms.iter().copied())
                .collect();
            self.line(&words);
        }
        if let Some(name) = capabilities.implementation {
            self.line(&["IMPLEMENTATION", name]);
        }
        self.end();
    }

    /// `+OK` and the names alone: the answer to AUTH without a mechanism.
    pub fn mechanisms(&mut self, mechanisms: &[&str]) {
        self.ok("");
        for mechanism in mechanisms {
            self.line(&[mechanism]);
        }
        self.end();
    }

    fn line(&mut self, words: &[&str]) {
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                self.out.push(b' ');
            }
            self.out.extend(
                word.bytes()
                    .filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)),
            );
        }
        self.crlf();
    }

    pub(super) fn numbers(&mut self, prefix: &[u8], first: u64, second: u64) {
        self.out.extend_from_slice(prefix);
        write_number(&mut self.out, first);
        self.out.push(b' ');
        write_number(&mut self.out, second);
        self.crlf();
    }

    pub(super) fn numbered(&mut self, prefix: &[u8], number: u64, text: &str) {
        self.out.extend_from_slice(prefix);
        write_number(&mut self.out, number);
        self.text(text);
    }

    /// RETR: `+OK n octets` and the whole message.
    pub fn message(&mut self, message: &[u8]) {
        self.out.extend_from_slice(b"+OK ");
        write_number(
            &mut self.out,
            u64::try_from(message.len()).unwrap_or(u64::MAX),
        );
        self.text("octets");
        self.stuffed(message);
        self.end();
    }

    /// TOP: the header, the empty line, and so many lines of the body. Whether that was text: a line of the body, or all
    /// that there is of the message.
    pub fn top(&mut self, message: &[u8], lines: u32) -> bool {
        let sent = top(message, lines);
        self.ok("");
        self.stuffed(sent);
        self.end();
        sent.len() == message.len() || sent.len() > top(message, 0).len()
    }

    /// Octets with a dot put before each line that begins with one. Nothing else is changed, but a message that does
    /// not end with CR LF gets one, since the end could not be told otherwise.
    fn stuffed(&mut self, octets: &[u8]) {
        self.out
            .reserve(octets.len().saturating_add(octets.len() / 64));
        let mut from = 0usize;
        if octets.first() == Some(&b'.') {
            self.out.push(b'.');
        }
        // A client may take a bare LF for a line end, so a dot behind one is doubled only behind CR LF: doubling it
        // elsewhere would change the message for those who go by the standard.
        for found in memchr::memmem::find_iter(octets, b"\r\n.") {
            let upto = found.saturating_add(2);
            self.out
                .extend_from_slice(octets.get(from..upto).unwrap_or_default());
            self.out.push(b'.');
            from = upto;
        }
        self.out
            .extend_from_slice(octets.get(from..).unwrap_or_default());
        if !octets.is_empty() && !octets.ends_with(b"\r\n") {
            self.crlf();
        }
    }

    pub(super) fn end(&mut self) {
        self.out.extend_from_slice(b".\r\n");
    }

    fn crlf(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push(b' ');
            self.out.extend(text.bytes().map(|octet| {
                if matches!(octet, b'\r' | b'\n' | 0) {
                    b' '
                } else {
                    octet
                }
            }));
        }
        self.crlf();
    }
}

/// The header with its empty line, and `lines` lines of the body.
fn top(message: &[u8], lines: u32) -> &[u8] {
    let mut end = if message.starts_with(b"\r\n") {
        2
    } else {
        memchr::memmem::find(message, b"\r\n\r\n")
            .map_or(message.len(), |found| found.saturating_add(4))
    };
    for _ in 0..lines {
        let rest = message.get(end..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        end = memchr::memmem::find(rest, b"\r\n").map_or(message.len(), |found| {
            end.saturating_add(found).saturating_add(2)
        });
    }
    message.get(..end).unwrap_or(message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after_status(bytes: &[u8]) -> &[u8] {
        &bytes[bytes.iter().position(|&octet| octet == b'\n').unwrap() + 1..]
    }

    /// What a client does with a multi-line answer.
    fn unstuffed(bytes: &[u8]) -> Vec<u8> {
        let body = after_status(bytes).strip_suffix(b".\r\n").unwrap();
        let mut out = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, b"\r\n").map_or(rest.len(), |found| found + 2);
            let line = &rest[..end];
            assert_ne!(line, b".\r\n", "the answer ended early");
            out.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = &rest[end..];
        }
        out
    }

    #[test]
    fn dots_are_doubled_and_nothing_else_changes() {
        let mut encoder = Encoder::new();
        encoder.message(b".a\r\n..\r\n\n.\nb\r\n.");
        assert_eq!(
            encoder.bytes(),
            b"+OK 15 octets\r\n..a\r\n...\r\n\n.\nb\r\n..\r\n.\r\n"
        );
    }

    #[test]
    fn top_counts_lines_of_the_body() {
        let message = b"A: b\r\n\r\n1\r\n.2\r\n3";
        for (lines, expected) in [
            (0, &b"A: b\r\n\r\n"[..]),
            (1, b"A: b\r\n\r\n1\r\n"),
            (2, b"A: b\r\n\r\n1\r\n.2\r\n"),
            (9, message),
        ] {
            assert_eq!(top(message, lines), expected);
        }
        for (lines, is_text) in [(0, false), (1, true), (u32::MAX, true)] {
            assert_eq!(Encoder::new().top(message, lines), is_text, "{lines}");
        }
        assert!(Encoder::new().top(b"A: b\r\n\r\n", 0), "all there is");
        assert_eq!(top(b"A: b\r\n", 5), b"A: b\r\n");
        assert_eq!(top(b"\r\nx\r\n", 0), b"\r\n");
    }

    #[test]
    fn text_cannot_forge_an_answer() {
        let mut encoder = Encoder::new();
        encoder.err(Some(ResponseCode::SysTemp), "a\r\n+OK b");
        assert_eq!(encoder.bytes(), b"-ERR [SYS/TEMP] a  +OK b\r\n");
    }

    proptest! {
        #[test]
        fn a_client_gets_what_was_stored(message in "[.a\r\n]{0,30}") {
            let mut encoder = Encoder::new();
            encoder.message(message.as_bytes());
            let mut expected = message.into_bytes();
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(unstuffed(encoder.bytes()), expected);
        }
    }
}
