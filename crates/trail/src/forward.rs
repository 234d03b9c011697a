//! Events as other systems take them: syslog (RFC 5424) over TLS (RFC 5425), and the Open Cybersecurity Schema Framework.

use serde_json::{Map, Value, json};

use crate::entry::Entry;

/// The facility "log audit" (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;
/// Octets of a header field of syslog at most, by field (RFC 5424, section 6).
const MOST_HOST: usize = 255;
const MOST_MESSAGE_ID: usize = 32;
/// The version of the schema that [`ocsf`] writes.
const OCSF: &str = "1.3.0";

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

/// A class of OCSF: its number, the number of its category, and an activity of it.
struct Class {
    uid: u64,
    category: u64,
    activity: u64,
}

const fn class(uid: u64, category: u64, activity: u64) -> Class {
    Class {
        uid,
        category,
        activity,
    }
}

/// What a kind of event is in OCSF. What has no class there is a base event.
fn class_of(kind: &str) -> Class {
    match kind {
        // Authentication: logon.
        "authentication.succeeded" | "authentication.failed" => class(3002, 3, 1),
        // Account change: create, enable, password change, delete, disable (suspension), other.
        "account.issued" => class(3001, 3, 1),
        "account.resumed" => class(3001, 3, 2),
        "account.password" | "account.password-upgraded" => class(3001, 3, 3),
        "account.deleted" => class(3001, 3, 6),
        "account.suspended" => class(3001, 3, 5),
        // User access management: assign and revoke privileges.
        "role.granted" => class(3005, 3, 1),
        "role.revoked" => class(3005, 3, 2),
        // Email activity: send, receive.
        "submission.accepted" | "submission.refused" | "delivery.relayed" => class(4009, 4, 1),
        "smtp.accepted" | "smtp.refused" | "delivery.local" => class(4009, 4, 2),
        // Incident finding: create, update, close.
        "incident.opened" => class(2005, 2, 1),
        "incident.step" | "incident.acted" => class(2005, 2, 2),
        "incident.closed" => class(2005, 2, 3),
        _ => match kind.split_once('.') {
            Some(("account", _)) => class(3001, 3, 99),
            Some(("delivery" | "queue", _)) => class(4009, 4, 99),
            _ => class(0, 0, 99),
        },
    }
}

/// The event in OCSF. The details have no place there of their own and are told as they are, under `unmapped`.
#[must_use]
pub fn ocsf(entry: &Entry, version: &str) -> Value {
    let Class {
        uid,
        category,
        activity,
    } = class_of(&entry.kind);
    let (status, severity) = match entry.outcome.as_str() {
        "success" => (1, 1),
        _ => (2, 3),
    };
    let mut unmapped = match serde_json::from_str(&entry.detail) {
        Ok(Value::Object(detail)) => detail,
        _ => Map::from_iter([("detail".to_owned(), Value::from(entry.detail.as_str()))]),
    };
    unmapped.insert("outcome".to_owned(), entry.outcome.as_str().into());
    unmapped.insert("subject".to_owned(), entry.subject.as_str().into());
    if let Some(order) = entry.order {
        unmapped.insert("order".to_owned(), order.into());
    }
    let mut event = json!({
        "metadata": {
            "version": OCSF,
            "uid": entry.id.to_string(),
            "event_code": entry.kind,
            "log_name": "audit trail",
            "product": { "name": "Kakitome", "vendor_name": "Kakitome", "version": version },
        },
        "class_uid": uid,
        "category_uid": category,
        "activity_id": activity,
        "type_uid": uid * 100 + activity,
        "time": entry.at / 1000,
        "status_id": status,
        "severity_id": severity,
        "message": format!("{}: {}", entry.kind, entry.subject),
        "unmapped": unmapped,
    });
    if let (Some((_, name)), Some(fields)) = (entry.actor.split_once(':'), event.as_object_mut()) {
        fields.insert("actor".to_owned(), json!({ "user": { "name": name } }));
        if matches!(uid, 3001 | 3002 | 3005) {
            let user = if uid == 3002 {
                name
            } else {
                entry.subject.as_str()
            };
            fields.insert("user".to_owned(), json!({ "name": user }));
        }
    }
    if let (Some(address), Some(fields)) = (&entry.address, event.as_object_mut()) {
        fields.insert("src_endpoint".to_owned(), json!({ "ip": address }));
    }
    event
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

    #[test]
    fn ocsf_has_what_every_event_of_it_has() {
        let event = ocsf(&entry("authentication.failed"), "0.1.0");
        assert_eq!(event["class_uid"], 3002);
        assert_eq!(event["type_uid"], 300_201);
        assert_eq!(event["time"], 1_764_244_800_123_u64);
        assert_eq!(event["status_id"], 2);
        assert_eq!(event["user"]["name"], "a@city.example");
        assert_eq!(event["src_endpoint"]["ip"], "192.0.2.7");
        assert_eq!(event["unmapped"]["service"], "mra");
        let event = ocsf(&entry("store.collected"), "0.1.0");
        assert_eq!(
            (&event["class_uid"], &event["type_uid"]),
            (&json!(0), &json!(99))
        );
    }
}
