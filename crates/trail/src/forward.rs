//! Events as other systems take them: syslog (RFC 5424) over TLS (RFC 5425), and the Open Cybersecurity Schema Framework.

use crate::entry::Entry;

pub use crate::ocsf::ocsf;

/// The facility "log audit" (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;
/// Octets of a header field of syslog at most, by field (RFC 5424, section 6).
const MOST_HOST: usize = 255;
const MOST_MESSAGE_ID: usize = 32;

/// How the event is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The line of the trail itself (`docs/trail.md`).
    #[default]
    Json,
    /// OCSF.
    Ocsf,
}

/// One message of syslog with its length before it, as RFC 5425, section 4.3, frames it.
#[must_use]
pub fn frame(entry: &Entry, host: &str, version: &str, format: Format) -> Vec<u8> {
    let text = match format {
        Format::Json => entry.line(),
        Format::Ocsf => ocsf(entry, version).to_string(),
    };
    let severity = match entry.outcome.as_str() {
        "success" => 6,
        "refused" => 4,
        _ => 3,
    };
    let priority = FACILITY * 8 + severity;
    let at = jiff::Timestamp::from_microsecond(entry.at).unwrap_or_default();
    let message = format!(
        "<{priority}>1 {at:.6} {} kakitome - {} - {text}",
        field(host, MOST_HOST),
        field(&entry.kind, MOST_MESSAGE_ID)
    );
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend_from_slice(message.as_bytes());
    frame
}

/// Printable ASCII without spaces, or the sign for nothing.
fn field(text: &str, most: usize) -> String {
    let text: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Kind;

    fn entry(kind: &str) -> Entry {
        Entry {
            id: 7,
            at: 1_764_244_800_123_456,
            version: 1,
            kind: kind.to_owned(),
            actor: "identifier:a@city.example".to_owned(),
            outcome: "refused".to_owned(),
            address: Some("192.0.2.7".to_owned()),
            subject: "a@city.example".to_owned(),
            order: None,
            detail: r#"{"service":"mra"}"#.to_owned(),
        }
    }

    #[test]
    fn a_frame_is_as_long_as_it_says() {
        let frame = frame(
            &entry("authentication.failed"),
            "mail.city.example",
            "1",
            Format::Json,
        );
        let text = String::from_utf8(frame).unwrap();
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        let head = "<108>1 2025-11-27T12:00:00.123456Z mail.city.example kakitome - authentication.failed - {";
        assert!(message.starts_with(head), "{message}");
    }

    #[test]
    fn every_kind_fits_into_a_message_id() {
        for kind in Kind::ALL {
            assert!(kind.as_str().len() <= MOST_MESSAGE_ID, "{kind:?}");
        }
    }
}
