//! Replies out of the octets that a server sends (RFC 5321, section 4.2), bounded.

use memchr::memchr;
use message::StatusCode;

use super::Limits;
use crate::smtp::Reply;

/// Gathers lines into replies.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    input: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
}

impl ReplyReader {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Whether octets are waiting that belong to no reply that was given out yet.
    pub(super) fn has_more(&self) -> bool {
        !self.input.is_empty() || self.code.is_some()
    }

    /// The next complete reply.
    pub(super) fn next_reply(&mut self, limits: &Limits) -> Result<Option<Reply>, ReplyError> {
        loop {
            let Some(at) = memchr(b'\n', &self.input) else {
                if self.input.len() > limits.reply_line {
                    return Err(ReplyError::TooLong);
                }
                return Ok(None);
            };
            if at > limits.reply_line {
                return Err(ReplyError::TooLong);
            }
            let line: Vec<u8> = self.input.drain(..=at).collect();
            if let Some(reply) = self.take_line(&line, limits)? {
                return Ok(Some(reply));
            }
        }
    }

    fn take_line(&mut self, line: &[u8], limits: &Limits) -> Result<Option<Reply>, ReplyError> {
        // A server that ends its lines with LF alone harms nobody here.
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = String::from_utf8_lossy(text);
        let (digits, rest) = text.split_at_checked(3).ok_or(ReplyError::Malformed)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ReplyError::Malformed);
        }
        let code: u16 = digits.parse().map_err(|_| ReplyError::Malformed)?;
        let (more, text) = match rest.split_at_checked(1) {
            None => (false, ""),
            Some((" ", text)) => (false, text),
            Some(("-", text)) => (true, text),
            Some(_) => return Err(ReplyError::Malformed),
        };
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::Malformed);
        }
        if self.lines.len() >= limits.reply_lines {
            return Err(ReplyError::TooLong);
        }
        self.code = Some(code);
        self.lines.push(text.to_owned());
        if more {
            return Ok(None);
        }
        self.code = None;
        finish(code, std::mem::take(&mut self.lines)).map(Some)
    }
}

/// Takes the enhanced status off the lines, where its class agrees with the code.
fn finish(code: u16, lines: Vec<String>) -> Result<Reply, ReplyError> {
    let agrees = |status: &StatusCode| u16::from(status.class.digit()) == code / 100;
    let status = lines
        .first()
        .and_then(|line| StatusCode::split(line).0)
        .filter(agrees);
    let lines = match status {
        None => lines,
        Some(status) => lines
            .into_iter()
            .map(|line| match StatusCode::split(&line) {
                (Some(again), rest) if again == status => rest.to_owned(),
                _ => line,
            })
            .collect(),
    };
    Reply::received(code, status, &lines).ok_or(ReplyError::Malformed)
}

/// Why a server's octets are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line or a reply is longer than the limit.
    #[error("the server's reply is too long")]
    TooLong,
    /// Not three digits, or not the same ones on each line.
    #[error("the server's reply is malformed")]
    Malformed,
    /// A reply came that nothing had asked for.
    #[error("the server sent a reply that nothing had asked for")]
    Unexpected,
    /// Something followed the reply to STARTTLS before the handshake: somebody may stand between.
    #[error("the server sent more after its reply to STARTTLS")]
    Injected,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        reader.feed(bytes);
        reader.next_reply(&Limits::default())
    }

    #[test]
    fn reads_replies() {
        let reply = read(b"550-5.1.1 No such\r\n550 5.1.1 user\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(reply.to_string(), "550 5.1.1 No such user");
        // A status of another class is only text.
        let reply = read(b"450 5.1.1 hm\r\n").unwrap().unwrap();
        assert_eq!((reply.status(), reply.text().as_str()), (None, "5.1.1 hm"));
        assert_eq!(read(b"250\r\n").unwrap().unwrap().code(), 250);
        assert_eq!(read(b"250-a\r\n").unwrap(), None);
        assert_eq!(read(b"250 a").unwrap(), None);
    }

    #[test]
    fn refuses_what_is_none() {
        for bad in [
            "\r\n",
            "25\r\n",
            "2x0 a\r\n",
            "250_a\r\n",
            "250-a\r\n251 b\r\n",
            "150 a\r\n",
            "999 a\r\n",
            "+25 a\r\n",
        ] {
            assert_eq!(read(bad.as_bytes()), Err(ReplyError::Malformed), "{bad:?}");
        }
        assert_eq!(read(&[b'2'; 5000]), Err(ReplyError::TooLong));
        assert_eq!(read(&b"250-a\r\n".repeat(1000)), Err(ReplyError::TooLong));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ignored = read(&bytes);
            let _ignored = read(&[b"250 ", bytes.as_slice(), b"\r\n"].concat());
        }
    }
}
