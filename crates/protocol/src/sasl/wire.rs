//! How SMTP, IMAP and POP3 carry SASL messages: base64 on a line, `=` for an empty initial response,
//! `*` to cancel (RFC 4954, 9051, 5034).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Secret;

/// Longest base64 line of an exchange that is accepted, in octets without line end
/// (RFC 4954, section 4, asks for 12288).
pub const DEFAULT_MAX_LINE: usize = 12_288;

/// One line from the client, in answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientLine {
    /// The response; may be empty. A secret, since it may hold a password.
    Response(Secret),
    /// The client gave up (`*`).
    Cancel,
}

/// Reads a line that answers a challenge, without its line end.
///
/// # Errors
/// When it is longer than `max_line` octets or is not base64 as RFC 4648 writes it.
pub fn decode_line(line: &[u8], max_line: usize) -> Result<ClientLine, WireError> {
    if line == b"*" {
        return Ok(ClientLine::Cancel);
    }
    decode(line, max_line).map(ClientLine::Response)
}

/// Reads the initial response that stands in the command itself, where `=` means empty.
///
/// # Errors
/// As [`decode_line`].
pub fn decode_initial(text: &[u8], max_line: usize) -> Result<Secret, WireError> {
    match text {
        b"=" => Ok(Secret::new(Vec::new())),
        // Nothing at all is "no initial response", which the caller must not pass here.
        b"" => Err(WireError::NotBase64),
        _ => decode(text, max_line),
    }
}

/// Writes a challenge or response as base64.
#[must_use]
pub fn encode(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// Writes an initial response as base64, `=` when it is empty.
#[must_use]
pub fn encode_initial(data: &[u8]) -> String {
    if data.is_empty() {
        "=".to_owned()
    } else {
        encode(data)
    }
}

fn decode(text: &[u8], max_line: usize) -> Result<Secret, WireError> {
    if text.len() > max_line {
        return Err(WireError::TooLong);
    }
    STANDARD
        .decode(text)
        .map(Secret::new)
        .map_err(|_| WireError::NotBase64)
}

/// Why a line of an exchange cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than allowed.
    #[error("the authentication line is too long")]
    TooLong,
    /// Not base64: a foreign character, wrong padding, or stray bits at the end.
    #[error("the authentication line is not base64")]
    NotBase64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        for bad in [
            "YQ", "YQ=", "YR==", "Y Q==", "YQ==\r", "-_==", "=", "YQ==YQ==",
        ] {
            assert_eq!(
                decode_line(bad.as_bytes(), 100),
                Err(WireError::NotBase64),
                "{bad}"
            );
        }
        assert_eq!(
            decode_line(b"YQ==", 100),
            Ok(ClientLine::Response(Secret::from("a")))
        );
        assert_eq!(
            decode_line(b"", 100),
            Ok(ClientLine::Response(Secret::from("")))
        );
        assert_eq!(decode_line(b"*", 100), Ok(ClientLine::Cancel));
        assert_eq!(decode_line(b"YWFh", 3), Err(WireError::TooLong));
    }

    #[test]
    fn empty_initial_is_an_equals_sign() {
        assert!(decode_initial(b"=", 100).unwrap().is_empty());
        assert!(decode_initial(b"", 100).is_err());
        assert_eq!(encode_initial(b""), "=");
    }
}
