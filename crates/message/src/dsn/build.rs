//! Writing a notification.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use memchr::memmem;

use super::{Action, OriginalRecipient, human, utf8_addr_encode, xtext_encode};
use crate::{
    Address, Domain, Limits, StatusCode,
    build::{field, text_field},
    header::{Header, format_date},
};

/// Longest line of a message that can be returned whole (RFC 5321, section 4.5.3.1.6), without its line end.
const MAX_LINE: usize = 998;

/// What is told to a sender about one message.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// This server's name.
    pub reporting_mta: &'a Domain,
    /// Whom to tell: the sender of the message. There is no report about a message with the null sender.
    pub to: &'a Address,
    /// The identifier the sender gave (`ENVID`), decoded.
    pub envid: Option<&'a str>,
    /// When the message arrived here.
    pub arrived: Option<Timestamp>,
    /// The time of this report.
    pub at: Timestamp,
    /// The offset to write dates in, in minutes.
    pub offset_minutes: i16,
    /// Letters and digits never used before or after: for the identifier and the boundary.
    pub unique: &'a str,
    /// At least one.
    pub recipients: &'a [Recipient<'a>],
    /// What of the message goes back.
    pub returned: Returned<'a>,
}

/// What is told about one recipient.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    /// The address that was tried.
    pub address: Address,
    /// The address the sender first wrote (`ORCPT`).
    pub original: Option<OriginalRecipient>,
    /// What became of it.
    pub action: Action,
    /// Why.
    pub status: StatusCode,
    /// The server that was asked.
    pub remote_mta: Option<&'a str>,
    /// Its reply, with the code: `550 5.1.1 No such user`. Words that do not begin with a reply code are taken for
    /// this server's own.
    pub diagnostic: Option<&'a str>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// Until when it will be tried; only for [`Action::Delayed`].
    pub will_retry_until: Option<Timestamp>,
}

/// What of the message goes back to its sender (RFC 3461, section 4.3).
#[derive(Clone, Copy, Debug)]
pub enum Returned<'a> {
    /// The whole message (`RET=FULL`). Reduced to its header where it could not travel whole: lines too long, or
    /// bare CR, LF or NUL in it.
    Full(&'a [u8]),
    /// Its header only (`RET=HDRS`); give the whole message or its header.
    Header(&'a [u8]),
    /// Nothing.
    Nothing,
}

/// A notification ready to be sent, from the null sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The message.
    pub message: Vec<u8>,
    /// Whether it can only go where SMTPUTF8 is offered.
    pub needs_smtputf8: bool,
    /// Whether it holds octets above 127 (8BITMIME).
    pub is_8bit: bool,
}

impl Report<'_> {
    /// Writes the notification: `multipart/report` with a text for people, the status for programs, and what of the
    /// message goes back. In the variants of RFC 6533 when the sender's own address needs SMTPUTF8; other
    /// international addresses are escaped.
    #[must_use]
    pub fn build(&self) -> Notification {
        let utf8 = self.to.needs_smtputf8();
        let (kind, returned) = self.returned(utf8);
        let boundary = boundary(self.unique, returned);
        let mut message = self.header(&boundary).into_bytes();
        message.extend(part(
            &boundary,
            "text/plain; charset=utf-8",
            "base64",
            "Notification",
        ));
        message.extend(wrapped_base64(&human::text(self).replace('\n', "\r\n")).into_bytes());
        let status = self.status(utf8);
        let status_type = if utf8 {
            "message/global-delivery-status"
        } else {
            "message/delivery-status"
        };
        message.extend(part(
            &boundary,
            status_type,
            transfer_encoding(status.as_bytes()),
            "Delivery report",
        ));
        message.extend(status.into_bytes());
        if let Some(kind) = kind {
            message.extend(part(
                &boundary,
                kind,
                transfer_encoding(returned),
                self.description(),
            ));
            message.extend_from_slice(returned);
        }
        message.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
        Notification {
            needs_smtputf8: utf8,
            is_8bit: !message.is_ascii(),
            message,
        }
    }

    fn header(&self, boundary: &str) -> String {
        let unique = clean(self.unique);
        let mut text = field("Date", &format_date(self.at, self.offset_minutes));
        text.push_str(&field(
            "From",
            &format!(
                "Mail Delivery System <MAILER-DAEMON@{}>",
                self.reporting_mta
            ),
        ));
        text.push_str(&field("To", &format!("<{}>", self.to)));
        text.push_str(&text_field("Subject", human::subject(self)));
        text.push_str(&field(
            "Message-ID",
            &format!("<{unique}@{}>", self.reporting_mta),
        ));
        text.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
        let report_type = if self.to.needs_smtputf8() {
            "global-delivery-status"
        } else {
            "delivery-status"
        };
        text.push_str(&format!(
            "Content-Type: multipart/report; report-type={report_type};\r\n boundary=\"{boundary}\"\r\n\r\n"
        ));
        text.push_str("This is a delivery status notification in MIME format.\r\n");
        text
    }

    /// The fields for programs (RFC 3464, section 2).
    fn status(&self, utf8: bool) -> String {
        let date = |at| format_date(at, self.offset_minutes);
        let mut text = String::new();
        if let Some(envid) = self.envid {
            text.push_str(&field("Original-Envelope-Id", &ascii(envid, utf8)));
        }
        text.push_str(&field(
            "Reporting-MTA",
            &format!("dns; {}", self.reporting_mta),
        ));
        if let Some(arrived) = self.arrived {
            text.push_str(&field("Arrival-Date", &date(arrived)));
        }
        for r in self.recipients {
            text.push_str("\r\n");
            if let Some(original) = &r.original {
                text.push_str(&field(
                    "Original-Recipient",
                    &typed(&original.kind, &original.address, utf8),
                ));
            }
            let kind = if r.address.needs_smtputf8() {
                "utf-8"
            } else {
                "rfc822"
            };
            text.push_str(&field(
                "Final-Recipient",
                &typed(kind, &r.address.to_string(), utf8),
            ));
            text.push_str(&field("Action", r.action.as_str()));
            text.push_str(&field("Status", &r.status.to_string()));
            if let Some(mta) = r.remote_mta {
                text.push_str(&field("Remote-MTA", &format!("dns; {}", ascii(mta, utf8))));
            }
            if let Some(diagnostic) = r.diagnostic {
                // RFC 3464, section 2.3.6: `smtp` is for replies of SMTP servers.
                let kind = if is_reply(diagnostic) {
                    "smtp"
                } else {
                    "x-kakitome"
                };
                text.push_str(&field(
                    "Diagnostic-Code",
                    &format!("{kind}; {}", ascii(diagnostic, utf8)),
                ));
            }
            if let Some(at) = r.last_attempt {
                text.push_str(&field("Last-Attempt-Date", &date(at)));
            }
            if let Some(until) = r.will_retry_until.filter(|_| r.action == Action::Delayed) {
                text.push_str(&field("Will-Retry-Until", &date(until)));
            }
        }
        text
    }

    /// What the part that goes back is called.
    fn description(&self) -> &'static str {
        let undelivered = |r: &Recipient<'_>| matches!(r.action, Action::Failed | Action::Delayed);
        if self.recipients.iter().any(undelivered) {
            "Undelivered message"
        } else {
            "Delivered message"
        }
    }

    /// The media type and octets of what goes back. An international header makes it `message/global`, whoever is
    /// told (RFC 6532, section 3.7; RFC 6533, section 4).
    fn returned(&self, utf8: bool) -> (Option<&'static str>, &[u8]) {
        let (message, full) = match self.returned {
            Returned::Full(message) => (message, can_travel(message)),
            Returned::Header(message) => (message, false),
            Returned::Nothing => return (None, b""),
        };
        let header = message
            .get(..Header::parse(message, &Limits::default()).body_start())
            .unwrap_or_default();
        if !can_travel(header) {
            return (None, b"");
        }
        match (full, utf8 || !header.is_ascii()) {
            (true, false) => (Some("message/rfc822"), message),
            (true, true) => (Some("message/global"), message),
            (false, false) => (Some("text/rfc822-headers"), header),
            (false, true) => (Some("message/global-headers"), header),
        }
    }
}

/// Whether a diagnostic is the reply of an SMTP server: it begins with a code.
pub(super) fn is_reply(diagnostic: &str) -> bool {
    let (code, rest) = diagnostic.split_at_checked(3).unwrap_or((diagnostic, ""));
    code.len() == 3
        && code.bytes().all(|b| b.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with([' ', '-']))
}

/// Whether the octets can stand in a message that goes by `DATA`.
fn can_travel(octets: &[u8]) -> bool {
    octets.split_inclusive(|b| *b == b'\n').all(|line| {
        let content = line.strip_suffix(b"\r\n").unwrap_or(line);
        content.len() <= MAX_LINE && !content.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))
    })
}

fn part(boundary: &str, kind: &str, encoding: &str, description: &str) -> Vec<u8> {
    format!(
        "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Description: {description}\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    .into_bytes()
}

fn transfer_encoding(octets: &[u8]) -> &'static str {
    if octets.is_ascii() { "7bit" } else { "8bit" }
}

/// An address with its type; escaped when the report must be ASCII.
fn typed(kind: &str, address: &str, utf8: bool) -> String {
    if address.is_ascii() || utf8 {
        // xtext is for parameters; a report has the address itself (RFC 3464, section 2.3.1).
        format!("{kind}; {address}")
    } else {
        format!("utf-8; {}", utf8_addr_encode(address))
    }
}

/// A peer's words: bounded, and escaped when the report must be ASCII.
fn ascii(text: &str, utf8: bool) -> String {
    let text: String = text.chars().take(2000).collect();
    if utf8 || text.is_ascii() {
        return text;
    }
    text.split(' ')
        .map(|word| {
            if word.is_ascii() {
                word.to_owned()
            } else {
                xtext_encode(word)
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn clean(unique: &str) -> String {
    unique
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect()
}

/// A boundary that does not stand in what goes back: its sender could have guessed one.
fn boundary(unique: &str, returned: &[u8]) -> String {
    let mut boundary = format!("=_{}", clean(unique));
    while memmem::find(returned, boundary.as_bytes()).is_some() && boundary.len() < 70 {
        boundary.push('_');
    }
    boundary
}

fn wrapped_base64(text: &str) -> String {
    let encoded = STANDARD.encode(text);
    let mut out = String::with_capacity(encoded.len().saturating_add(encoded.len() / 38));
    let mut rest = encoded.as_str();
    while let Some((line, after)) = rest.split_at_checked(76) {
        out.push_str(line);
        out.push_str("\r\n");
        rest = after;
    }
    out.push_str(rest);
    out
}
