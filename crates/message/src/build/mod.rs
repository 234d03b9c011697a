//! The few fields that a server adds to a message. What is there already is never rewritten.

mod field;
mod received;

use std::borrow::Cow;

use jiff::Timestamp;

use crate::{
    Domain,
    header::{Header, format_date},
};

pub use field::{field, text_field};
pub use received::{Received, received_count};

/// What a submitted message must have and may lack (RFC 6409, section 8).
#[derive(Clone, Debug)]
pub struct Missing<'a> {
    /// The time of submission.
    pub at: Timestamp,
    /// The offset to write the date in, in minutes.
    pub offset_minutes: i16,
    /// The left side of the identifier: letters, digits, `.`, `-`, `_`; never used before or after.
    pub unique: &'a str,
    /// The right side of the identifier.
    pub domain: &'a Domain,
}

impl Missing<'_> {
    /// `Date` and `Message-ID` as far as `message` lacks them, each with its line end, to be put before it.
    #[must_use]
    pub fn fields_for(&self, message: &[u8]) -> String {
        let header = Header::named(message, &["date", "message-id"], ENOUGH);
        let has = |name| header.unfolded(name).is_some_and(|v| !v.is_empty());
        let mut fields = String::new();
        if !has("date") {
            fields.push_str(&field("Date", &format_date(self.at, self.offset_minutes)));
        }
        if !has("message-id") {
            let unique: String = self
                .unique
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c))
                .collect();
            fields.push_str(&field("Message-ID", &format!("<{unique}@{}>", self.domain)));
        }
        fields
    }
}

/// The message without its `Bcc` and `Resent-Bcc` fields (RFC 5322, section 3.6.3; RFC 6409, section 8).
#[must_use]
pub fn without_bcc(message: &[u8]) -> Cow<'_, [u8]> {
    without_fields(message, &["bcc", "resent-bcc"])
}

/// The message without the fields of these names, in any case.
#[must_use]
pub fn without_fields<'a>(message: &'a [u8], names: &[&str]) -> Cow<'a, [u8]> {
    // A `Bcc` must go wherever it stands, and however many there are.
    let doomed = Header::named(message, names, usize::MAX);
    if doomed.iter().next().is_none() {
        return Cow::Borrowed(message);
    }
    let mut kept = Vec::with_capacity(message.len());
    let mut from = 0;
    for field in &doomed {
        kept.extend_from_slice(message.get(from..field.range().start).unwrap_or_default());
        from = field.range().end;
    }
    kept.extend_from_slice(message.get(from..).unwrap_or_default());
    Cow::Owned(kept)
}

/// Fields of one name that are looked at where their number decides nothing, or where it is far beyond every limit.
const ENOUGH: usize = 10_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn missing(domain: &Domain) -> Missing<'_> {
        Missing {
            at: "2024-01-01T01:00:00Z".parse().unwrap(),
            offset_minutes: 540,
            unique: "abc\r\n.1",
            domain,
        }
    }

    #[test]
    fn only_what_is_missing_is_added() {
        let domain = Domain::parse("x.jp").unwrap();
        assert_eq!(
            missing(&domain).fields_for(b"Subject: x\r\n\r\n"),
            "Date: Mon, 01 Jan 2024 10:00:00 +0900\r\nMessage-ID: <abc.1@x.jp>\r\n"
        );
        assert_eq!(
            missing(&domain).fields_for(b"date: x\r\nMESSAGE-ID: <1@x>\r\n\r\n"),
            ""
        );
    }

    #[test]
    fn bcc_goes_and_nothing_else() {
        let raw =
            b"To: a\r\nBCC: b,\r\n c\r\nSubject: Bcc: no\r\nResent-Bcc: d\r\n\r\nBcc: body\r\n";
        assert_eq!(
            without_bcc(raw).as_ref(),
            b"To: a\r\nSubject: Bcc: no\r\n\r\nBcc: body\r\n"
        );
        assert!(matches!(without_bcc(b"To: a\r\n\r\n"), Cow::Borrowed(_)));
        let hidden = format!("{}Bcc: b\r\n\r\n", "X: y\r\n".repeat(5_000));
        assert!(!without_bcc(hidden.as_bytes()).ends_with(b"Bcc: b\r\n\r\n"));
    }
}
