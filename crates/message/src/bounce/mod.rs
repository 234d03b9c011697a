//! Mail that tells that other mail was not delivered: in the standard's form (RFC 3464), or in the words of the program that wrote it.
//!
//! ```
//! use message::{Limits, bounce::{Bounce, Cause}};
//! let raw = "From: MAILER-DAEMON@isp.example\r\nSubject: failure notice\r\n\r\n\
//!            Hi. This is the qmail-send program.\r\n\r\n<taro@isp.example>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n";
//! let bounce = Bounce::of(raw.as_bytes(), &Limits::default()).unwrap();
//! assert_eq!(bounce.failures[0].cause, Cause::NoMailbox);
//! ```

mod cause;
mod words;

pub use cause::Cause;

use crate::{
    Address, Limits, StatusCode,
    dsn::{Action, ReportedRecipient, parse_report},
    header::Header,
    mime::{Part, Structure},
};

/// Recipients of one bounce that are read.
pub const MOST_FAILURES: usize = 50;
/// Octets of a text that are searched for what it says.
const MOST_TEXT: usize = 32 << 10;
/// Characters of what a server said that are kept.
const MOST_SAID: usize = 300;

/// What a bounce tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounce {
    /// Message-ID of the message that was not delivered, without brackets, when it came back.
    pub message_id: Option<String>,
    /// Who did not get it, each with why; at least one, at most [`MOST_FAILURES`].
    pub failures: Vec<Failure>,
    /// Whether it is in the standard's form.
    pub standard: bool,
}

/// Why one recipient did not get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The recipient, as far as it can be made out.
    pub address: Option<Address>,
    /// Whether it will not be tried again.
    pub permanent: bool,
    /// The enhanced status code, when one is told.
    pub status: Option<StatusCode>,
    /// Why.
    pub cause: Cause,
    /// What the server said, on one line.
    pub said: String,
}

impl Bounce {
    /// Reads a bounce. `None` when the message is none, as far as can be made out: a receipt, a report of a delivery, or anybody's
    /// mail.
    #[must_use]
    pub fn of(message: &[u8], limits: &Limits) -> Option<Self> {
        let structure = Structure::parse(message, limits);
        if let Some(report) = parse_report(message, &structure, limits) {
            let recipients = report.recipients.iter().take(MOST_FAILURES);
            let failures: Vec<Failure> = recipients.filter_map(reported).collect();
            return (!failures.is_empty()).then_some(Self {
                message_id: report.message_id,
                failures,
                standard: true,
            });
        }
        let header = Header::parse(message, limits);
        let subject = header.text("subject").unwrap_or_default();
        let from = header.text("from").unwrap_or_default();
        if !words::is_bounce(&from, &subject) {
            return None;
        }
        let text = text_of(message, &structure)?;
        let (said, returned) = words::split_returned(&text);
        let failures = words::failures(said, MOST_FAILURES);
        (!failures.is_empty()).then(|| Self {
            message_id: words::message_id(returned),
            failures,
            standard: false,
        })
    }
}

fn reported(recipient: &ReportedRecipient) -> Option<Failure> {
    let permanent = match recipient.action {
        Some(Action::Failed) | None => true,
        Some(Action::Delayed) => false,
        // Delivered, relayed, expanded: no bounce.
        Some(_) => return None,
    };
    let said = recipient.diagnostic.clone().unwrap_or_default();
    let original = recipient.original.as_ref();
    let original = original.and_then(|original| Address::parse(&original.address).ok());
    Some(Failure {
        address: original.or_else(|| recipient.address.clone()),
        permanent,
        status: recipient.status,
        cause: Cause::of(recipient.status, &said),
        said: on_one_line(&said),
    })
}

/// The first text of a message, as far as it is searched.
fn text_of(message: &[u8], structure: &Structure) -> Option<String> {
    let parts = structure.root.walk();
    let is_plain = |part: &&&Part| part.content_type.is("text", "plain");
    let is_text = |part: &&&Part| part.content_type.kind == "text";
    let part = parts
        .iter()
        .find(is_plain)
        .or_else(|| parts.iter().find(is_text))?;
    let octets = part.decoded_body(message)?;
    let cut = octets.get(..MOST_TEXT).unwrap_or(&octets);
    let charset = part.content_type.params.get("charset");
    let text = match charset {
        Some(charset) => crate::charset::decode(cut, &charset),
        None => crate::charset::decode_unlabelled(cut),
    };
    Some(match part.content_type.subtype.as_str() {
        "html" => crate::text::html_to_text(&text),
        _ => text,
    })
}

/// Without line ends and other controls, and shortened.
fn on_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    line.chars()
        .filter(|c| !c.is_control())
        .take(MOST_SAID)
        .collect()
}

#[cfg(test)]
mod tests;
