//! Reading a notification that others wrote.

use super::{Action, OriginalRecipient, utf8_addr_decode};
use crate::{
    Address, Limits, StatusCode,
    header::{Header, parse_id},
    mime::{Content, Part, Structure},
};

/// What a notification tells (RFC 3464), as far as it can be made out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusReport {
    /// The identifier we gave the message (`ENVID`).
    pub envid: Option<String>,
    /// The server that reports, without the type before it.
    pub reporting_mta: Option<String>,
    /// `Message-ID` of the message that is reported on, without brackets, when that came back.
    pub message_id: Option<String>,
    /// What is told of each recipient. At most [`Limits::addresses`].
    pub recipients: Vec<ReportedRecipient>,
}

/// What a notification tells of one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// The address that was tried, when it is one.
    pub address: Option<Address>,
    /// The address we first gave.
    pub original: Option<OriginalRecipient>,
    /// What became of it; none when the word is unknown.
    pub action: Option<Action>,
    /// Why.
    pub status: Option<StatusCode>,
    /// The server that was asked.
    pub remote_mta: Option<String>,
    /// Its reply.
    pub diagnostic: Option<String>,
}

/// Finds and reads the status part of a notification. `None` when the message holds none.
#[must_use]
pub fn parse_report(
    message: &[u8],
    structure: &Structure,
    limits: &Limits,
) -> Option<StatusReport> {
    let root = &structure.root;
    if !root.content_type.is("multipart", "report") {
        return None;
    }
    let status = root.children().iter().find(|p| is_status(p))?;
    let body = status.decoded_body(message)?;
    let mut report = StatusReport::default();
    let mut rest = body.as_ref();
    let mut is_first = true;
    while !rest.is_empty() && report.recipients.len() < limits.addresses {
        let group = Header::parse(rest, limits);
        let is_empty = group.iter().next().is_none();
        if !is_empty && is_first {
            report.envid = group
                .unfolded("original-envelope-id")
                .filter(|v| !v.is_empty());
            report.reporting_mta = group
                .unfolded("reporting-mta")
                .map(|v| untyped(&v).to_owned());
        }
        // Some servers forget the empty line between their own fields and those of the first recipient.
        if group.first("final-recipient").is_some() || (!is_empty && !is_first) {
            report.recipients.push(recipient(&group));
        }
        is_first &= is_empty;
        rest = rest.get(group.body_start().max(1)..).unwrap_or_default();
    }
    report.message_id = returned_id(message, root, limits);
    Some(report)
}

fn is_status(part: &Part) -> bool {
    part.content_type.kind == "message"
        && matches!(
            part.content_type.subtype.as_str(),
            "delivery-status" | "global-delivery-status"
        )
}

fn recipient(group: &Header<'_>) -> ReportedRecipient {
    let text = |name| group.text(name).filter(|v| !v.is_empty());
    ReportedRecipient {
        address: text("final-recipient").and_then(|v| address(&v)),
        original: text("original-recipient").and_then(|v| original(&v)),
        action: text("action").and_then(|v| first_word(&v).parse().ok()),
        status: text("status").and_then(|v| StatusCode::parse(first_word(&v))),
        remote_mta: text("remote-mta").map(|v| untyped(&v).to_owned()),
        diagnostic: text("diagnostic-code").map(|v| untyped(&v).to_owned()),
    }
}

/// The value behind `type;`.
fn untyped(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

fn first_word(value: &str) -> &str {
    value
        .split([' ', '\t', '(', ';'])
        .next()
        .unwrap_or_default()
}

fn original(value: &str) -> Option<OriginalRecipient> {
    let (kind, address) = value.split_once(';')?;
    let kind = kind.trim().to_ascii_lowercase();
    let address = decoded(&kind, address.trim());
    (!address.is_empty()).then_some(OriginalRecipient { kind, address })
}

fn address(value: &str) -> Option<Address> {
    let (kind, text) = value.split_once(';').unwrap_or(("rfc822", value));
    let text = decoded(&kind.trim().to_ascii_lowercase(), text.trim());
    Address::parse(text.trim_matches(['<', '>'])).ok()
}

fn decoded(kind: &str, text: &str) -> String {
    let escaped = (kind == "utf-8").then(|| utf8_addr_decode(text)).flatten();
    escaped.unwrap_or_else(|| text.to_owned())
}

/// The identifier of the message that came back, whole or as its header.
fn returned_id(message: &[u8], root: &Part, limits: &Limits) -> Option<String> {
    root.children().iter().find_map(|part| match &part.content {
        Content::Message { envelope, .. } => envelope.message_id.as_deref().and_then(parse_id),
        _ => {
            let subtype = part.content_type.subtype.as_str();
            if !matches!(subtype, "rfc822-headers" | "global-headers") {
                return None;
            }
            let body = part.decoded_body(message)?;
            Header::parse(&body, limits)
                .unfolded("message-id")
                .and_then(|v| parse_id(&v))
        }
    })
}
