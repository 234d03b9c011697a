//! Replies (RFC 5321, section 4.2) with enhanced status codes (RFC 2034, 3463).

use std::fmt;

use message::{StatusClass, StatusCode};

/// Most octets of text on one reply line that this side writes; RFC 5321, section 4.5.3.1.5, allows 512
/// for the line with its code and line end.
const MAX_TEXT: usize = 480;

/// The subject and detail of an enhanced status code. Its class is not here: it follows from the reply
/// code, so that the two can never contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail(u8, u8);

#[allow(missing_docs)] // Each is the name that RFC 3463 (or the RFC beside it) gives.
impl Detail {
    pub const OTHER: Self = Self(0, 0);
    pub const OTHER_ADDRESS: Self = Self(1, 0);
    pub const BAD_MAILBOX: Self = Self(1, 1);
    pub const BAD_SYSTEM: Self = Self(1, 2);
    pub const BAD_MAILBOX_SYNTAX: Self = Self(1, 3);
    pub const AMBIGUOUS: Self = Self(1, 4);
    pub const ADDRESS_VALID: Self = Self(1, 5);
    pub const MOVED: Self = Self(1, 6);
    pub const BAD_SENDER_SYNTAX: Self = Self(1, 7);
    pub const BAD_SENDER_SYSTEM: Self = Self(1, 8);
    pub const MAILBOX_DISABLED: Self = Self(2, 1);
    pub const MAILBOX_FULL: Self = Self(2, 2);
    pub const MESSAGE_TOO_LONG_FOR_MAILBOX: Self = Self(2, 3);
    pub const OTHER_SYSTEM: Self = Self(3, 0);
    pub const SYSTEM_FULL: Self = Self(3, 1);
    pub const NOT_ACCEPTING: Self = Self(3, 2);
    pub const MESSAGE_TOO_BIG: Self = Self(3, 4);
    pub const CONNECTION_TIMEOUT: Self = Self(4, 2);
    pub const ROUTING_LOOP: Self = Self(4, 6);
    pub const OTHER_PROTOCOL: Self = Self(5, 0);
    pub const INVALID_COMMAND: Self = Self(5, 1);
    pub const SYNTAX: Self = Self(5, 2);
    pub const TOO_MANY_RECIPIENTS: Self = Self(5, 3);
    pub const INVALID_ARGUMENTS: Self = Self(5, 4);
    /// RFC 4954: an authentication line is too long.
    pub const AUTH_LINE_TOO_LONG: Self = Self(5, 6);
    pub const CONTENT: Self = Self(6, 0);
    pub const CONVERSION_REQUIRED: Self = Self(6, 3);
    /// RFC 6531: a UTF-8 address cannot be handled.
    pub const UTF8_ADDRESS_NOT_PERMITTED: Self = Self(6, 7);
    pub const SECURITY: Self = Self(7, 0);
    pub const NOT_AUTHORIZED: Self = Self(7, 1);
    /// RFC 4954: the credentials are wrong.
    pub const BAD_CREDENTIALS: Self = Self(7, 8);
    /// RFC 4954: the mechanism is too weak.
    pub const MECHANISM_TOO_WEAK: Self = Self(7, 9);
    /// RFC 5248: encryption needed.
    pub const ENCRYPTION_NEEDED: Self = Self(7, 10);
    /// RFC 4954: encryption required for the requested mechanism.
    pub const ENCRYPTION_REQUIRED_FOR_MECHANISM: Self = Self(7, 11);
    /// RFC 7372: no SPF result is a pass.
    pub const SPF_FAILED: Self = Self(7, 23);
    /// RFC 7372: no passing DKIM signature.
    pub const DKIM_FAILED: Self = Self(7, 20);
    /// RFC 7372: no way of validation passed.
    pub const MULTIPLE_FAILED: Self = Self(7, 26);
    /// RFC 7505: the sender's domain has a null MX.
    pub const SENDER_NULL_MX: Self = Self(7, 27);
    /// RFC 8689: REQUIRETLS support is required.
    pub const REQUIRETLS_NEEDED: Self = Self(7, 30);
}

impl Detail {
    /// Any other subject and detail (below 256, which covers every registered code).
    #[must_use]
    pub const fn new(subject: u8, detail: u8) -> Self {
        Self(subject, detail)
    }

    fn in_class(self, class: StatusClass) -> StatusCode {
        StatusCode {
            class,
            subject: self.0.into(),
            detail: self.1.into(),
        }
    }
}

/// A reply, as this side sends it or as a server gave it.
///
/// Its lines hold printable ASCII when this side made it; when a peer gave it, what the peer wrote with
/// control characters replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<StatusCode>,
    lines: Vec<String>,
}

impl Reply {
    /// A positive reply with an enhanced status: `Reply::new::<250>(Detail::OTHER, "Done")`. A code
    /// outside 200 to 299 does not compile.
    #[must_use]
    pub fn new<const CODE: u16>(detail: Detail, text: &str) -> Self {
        const { assert!(CODE >= 200 && CODE < 300, "not a positive reply code") };
        Self::build(CODE, Some(detail.in_class(StatusClass::Success)), text)
    }

    /// A positive or intermediate reply without an enhanced status: greetings, EHLO, 334, 354.
    #[must_use]
    pub fn plain<const CODE: u16>(text: &str) -> Self {
        const { assert!(CODE >= 200 && CODE < 400, "not a positive reply code") };
        Self::build(CODE, None, text)
    }

    /// A reply as a peer gave it. `None` when `code` is outside 200 to 599.
    #[must_use]
    pub fn received(code: u16, status: Option<StatusCode>, lines: &[String]) -> Option<Self> {
        (200..600).contains(&code).then(|| Self {
            code,
            status,
            lines: lines
                .iter()
                .map(|line| line.chars().map(visible).collect())
                .collect(),
        })
    }

    fn build(code: u16, status: Option<StatusCode>, text: &str) -> Self {
        Self {
            code,
            status,
            lines: text.split('\n').flat_map(tidy).collect(),
        }
    }

    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The texts of its lines, without the codes. At least one, perhaps empty.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Its text on one line.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Whether it is 2xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it is 3xx: go on.
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// Whether it is 4xx: trying later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Whether it is 5xx.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Writes the lines as they go over the wire.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        for (at, line) in self.lines.iter().enumerate() {
            let separator = if at == last { ' ' } else { '-' };
            out.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            if let Some(status) = self.status {
                out.extend_from_slice(format!("{status} ").as_bytes());
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// As people write it: `550 5.1.1 No such mailbox`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        write!(f, " {}", self.text())
    }
}

/// A reply that refuses: 4xx or 5xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Reply);

impl Refusal {
    /// A refusal: `Refusal::new::<550>(Detail::BAD_MAILBOX, "No such mailbox")`. A code outside 400 to
    /// 599 does not compile. Line feeds in the text begin new lines; what is not printable ASCII is
    /// replaced.
    #[must_use]
    pub fn new<const CODE: u16>(detail: Detail, text: &str) -> Self {
        const { assert!(CODE >= 400 && CODE < 600, "not a refusing reply code") };
        let class = if CODE < 500 {
            StatusClass::TransientFailure
        } else {
            StatusClass::PermanentFailure
        };
        Self(Reply::build(CODE, Some(detail.in_class(class)), text))
    }

    /// A refusal whose numbers are known at run time only (a setting, another server's reply). `None`
    /// when the code does not refuse.
    #[must_use]
    pub fn with_code(code: u16, detail: Detail, text: &str) -> Option<Self> {
        let class = match code {
            400..500 => StatusClass::TransientFailure,
            500..600 => StatusClass::PermanentFailure,
            _ => return None,
        };
        Some(Self(Reply::build(code, Some(detail.in_class(class)), text)))
    }

    /// Another server's refusal, to be passed on. `None` when the reply does not refuse.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Option<Self> {
        (reply.is_transient() || reply.is_permanent()).then(|| {
            // What a peer wrote may hold what must not be passed on: it is tidied like own text.
            Self(Reply::build(
                reply.code,
                reply.status,
                &reply.lines.join("\n"),
            ))
        })
    }

    /// What to say when this side cannot do its work now: 451 4.3.0.
    #[must_use]
    pub fn temporary() -> Self {
        Self::new::<451>(Detail::OTHER_SYSTEM, "Temporary failure, try again later")
    }

    /// What to say to a wrong password or unknown identity: 535 5.7.8.
    #[must_use]
    pub fn bad_credentials() -> Self {
        Self::new::<535>(Detail::BAD_CREDENTIALS, "Authentication failed")
    }

    /// The reply.
    #[must_use]
    pub fn reply(&self) -> &Reply {
        &self.0
    }

    /// The reply, by value.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One text as lines that fit: printable ASCII, nothing that could break out of its line.
fn tidy(text: &str) -> Vec<String> {
    let ascii: Vec<char> = text
        .trim_end_matches('\r')
        .chars()
        .map(|c| if c.is_ascii() { visible(c) } else { '?' })
        .collect();
    if ascii.is_empty() {
        return vec![String::new()];
    }
    ascii
        .chunks(MAX_TEXT)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn class_follows_code() {
        let refusal = Refusal::new::<452>(Detail::TOO_MANY_RECIPIENTS, "Enough");
        assert_eq!(written(refusal.reply()), "452 4.5.3 Enough\r\n");
        let reply = Reply::new::<250>(Detail::OTHER, "Done\nand done");
        assert_eq!(written(&reply), "250-2.0.0 Done\r\n250 2.0.0 and done\r\n");
        assert_eq!(written(&Reply::plain::<334>("")), "334 \r\n");
        assert!(Refusal::with_code(250, Detail::OTHER, "").is_none());
    }

    #[test]
    fn text_cannot_break_out() {
        let refusal = Refusal::new::<550>(Detail::OTHER, "a\r250 OK\0日\r\n250 b\r\n");
        assert_eq!(
            written(refusal.reply()),
            "550-5.0.0 a 250 OK ?\r\n550-5.0.0 250 b\r\n550 5.0.0 \r\n"
        );
    }

    #[test]
    fn long_text_is_folded() {
        let refusal = Refusal::new::<550>(Detail::OTHER, &"x".repeat(2000));
        for line in written(refusal.reply()).split_inclusive("\r\n") {
            assert!(line.len() <= 512, "{}", line.len());
        }
    }
}
