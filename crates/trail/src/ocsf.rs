//! Events as the Open Cybersecurity Schema Framework has them, version 1.3.0.
//!
//! An event is of a class if it has what the class demands, and a base event otherwise: nothing is made up. The tests hold every
//! kind against the published schema.

use serde_json::{Map, Value, json};

use crate::entry::Entry;

/// The version of the schema that [`ocsf`] writes.
const OCSF: &str = "1.3.0";
/// Classes: their numbers, whose first digit is their category.
const BASE: u64 = 0;
const INCIDENT: u64 = 2005;
const ACCOUNT: u64 = 3001;
const AUTHENTICATION: u64 = 3002;
const ACCESS: u64 = 3005;
const EMAIL: u64 = 4009;
const OTHER: u64 = 99;

/// The event in OCSF. What has no place there of its own is told as it is, under `unmapped`.
#[must_use]
pub fn ocsf(entry: &Entry, version: &str) -> Value {
    let detail = match serde_json::from_str(&entry.detail) {
        Ok(Value::Object(detail)) => detail,
        _ => Map::from_iter([("detail".to_owned(), Value::from(entry.detail.as_str()))]),
    };
    let (class, activity, fields) = match class_of(&entry.kind) {
        Some((class, activity)) => match fields(class, entry, &detail) {
            Some(fields) => (class, activity, fields),
            None => (BASE, OTHER, Map::new()),
        },
        None => (BASE, OTHER, Map::new()),
    };
    let (status, severity) = standing(class, activity, &entry.outcome);
    let mut event = json!({
        "metadata": {
            "version": OCSF,
            "uid": entry.id.to_string(),
            "event_code": entry.kind,
            "log_name": "audit trail",
            "product": { "name": "Kakitome", "vendor_name": "Kakitome", "version": version },
        },
        "class_uid": class,
        "category_uid": class / 1000,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "time": entry.at / 1000,
        "status_id": status,
        "status": status_name(class, status, &entry.outcome),
        "severity_id": severity,
        "message": format!("{}: {}", entry.kind, entry.subject),
    });
    if let Some(event) = event.as_object_mut() {
        if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
            event.insert("status_detail".to_owned(), reason.into());
        }
        event.extend(fields);
        event.insert("unmapped".to_owned(), unmapped(entry, detail).into());
    }
    event
}

/// The details as they are, and what of the event a class may have no place for.
fn unmapped(entry: &Entry, mut detail: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in [
        ("outcome", &entry.outcome),
        ("subject", &entry.subject),
        ("actor", &entry.actor),
    ] {
        detail.insert(name.to_owned(), value.as_str().into());
    }
    if let Some(address) = &entry.address {
        detail.insert("address".to_owned(), address.as_str().into());
    }
    if let Some(order) = entry.order {
        detail.insert("order".to_owned(), order.into());
    }
    detail
}

/// The class of a kind of event, and its activity there. What has no class is a base event.
fn class_of(kind: &str) -> Option<(u64, u64)> {
    Some(match kind {
        // Logon.
        "authentication.succeeded" | "authentication.failed" => (AUTHENTICATION, 1),
        // Create, enable, disable, delete; password change, reset (by another); second factor enabled, disabled.
        "account.issued" => (ACCOUNT, 1),
        "account.resumed" => (ACCOUNT, 2),
        "account.suspended" => (ACCOUNT, 5),
        "account.deleted" => (ACCOUNT, 6),
        "account.password" | "account.password-upgraded" => (ACCOUNT, 3),
        "account.letter" => (ACCOUNT, 4),
        "account.second-factor" => (ACCOUNT, 10),
        "account.second-factor-removed" => (ACCOUNT, 11),
        // Assign and revoke privileges.
        "role.granted" => (ACCESS, 1),
        "role.revoked" => (ACCESS, 2),
        // Send, receive.
        "submission.accepted" | "submission.refused" | "delivery.relayed" => (EMAIL, 1),
        "smtp.accepted" | "smtp.refused" | "delivery.local" => (EMAIL, 2),
        // Create, update, close.
        "incident.opened" => (INCIDENT, 1),
        "incident.step" | "incident.acted" => (INCIDENT, 2),
        "incident.closed" => (INCIDENT, 3),
        _ => match kind.split_once('.')?.0 {
            "account" => (ACCOUNT, OTHER),
            "delivery" | "quarantine" => (EMAIL, OTHER),
            _ => return None,
        },
    })
}

/// Status and severity. The status of an incident is its own, not that of the command.
fn standing(class: u64, activity: u64, outcome: &str) -> (u64, u64) {
    let severity = match outcome {
        "success" => 1,
        _ => 3,
    };
    if class == INCIDENT {
        // New, in progress, closed.
        return match activity {
            1 => (1, 4),
            2 => (2, 3),
            _ => (5, 1),
        };
    }
    match outcome {
        "success" => (1, severity),
        "deferred" => (OTHER, 2),
        _ => (2, severity),
    }
}

fn status_name(class: u64, status: u64, outcome: &str) -> String {
    let name = match (class, status) {
        (INCIDENT, 1) => "New",
        (INCIDENT, 2) => "In Progress",
        (INCIDENT, _) => "Closed",
        (_, 1) => "Success",
        (_, 2) => "Failure",
        _ => outcome,
    };
    name.to_owned()
}

/// What a class has beside what all have; `None` if the event lacks what it demands.
fn fields(class: u64, entry: &Entry, detail: &Map<String, Value>) -> Option<Map<String, Value>> {
    let text = |name: &str| detail.get(name).and_then(Value::as_str);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    if class != INCIDENT
        && let Some(address) = &entry.address
    {
        put("src_endpoint", json!({ "ip": address }));
    }
    let actor = entry.actor.split_once(':').map(|(_, name)| name);
    if matches!(class, ACCOUNT | AUTHENTICATION)
        && let Some(name) = actor
    {
        put("actor", json!({ "user": { "name": name } }));
    }
    match class {
        AUTHENTICATION => {
            put("user", user(actor?));
            put(
                "service",
                json!({ "name": text("service")?.to_uppercase() }),
            );
            put(
                "auth_protocol",
                text("mechanism").unwrap_or("password").into(),
            );
            if let Some(tls) = detail.get("tls").and_then(Value::as_bool) {
                put("is_cleartext", (!tls).into());
            }
        }
        ACCOUNT => put("user", user(&entry.subject)),
        ACCESS => {
            put("user", user(&entry.subject));
            put("privileges", json!([text("role")?]));
        }
        EMAIL => email(entry, detail, &mut put)?,
        INCIDENT => incident(entry, detail, &mut put),
        _ => return None,
    }
    Some(fields)
}

fn user(name: &str) -> Value {
    match is_address(name) {
        true => json!({ "name": name, "email_addr": name }),
        false => json!({ "name": name }),
    }
}

/// Envelope and size. A message without a sender (a bounce), or with addresses beyond ASCII, is no email as OCSF has it.
fn email(
    entry: &Entry,
    detail: &Map<String, Value>,
    put: &mut impl FnMut(&str, Value),
) -> Option<()> {
    let text = |name: &str| detail.get(name).and_then(Value::as_str);
    let from = text("sender").filter(|from| is_address(from))?;
    let many = detail.get("recipients").and_then(Value::as_array);
    let many = many.into_iter().flatten().filter_map(Value::as_str);
    let to: Vec<&str> = many
        .chain(text("recipient"))
        .filter(|to| is_address(to))
        .collect();
    if to.is_empty() {
        return None;
    }
    let domain = |address: &str| {
        let (_, domain) = address.rsplit_once('@').unwrap_or_default();
        domain.to_ascii_lowercase()
    };
    // What this server's own domains are, an event does not say: mail from inside to the sender's own domain is internal.
    let stays = to.iter().all(|to| domain(to) == domain(from));
    let inbound = entry.kind.starts_with("smtp.") || entry.kind == "delivery.local";
    let direction = match (inbound, stays) {
        (true, false) => 1,
        (false, false) => 2,
        (_, true) if entry.kind.starts_with("smtp.") => 1,
        (_, true) => 3,
    };
    let mut email = json!({ "from": from, "to": to, "smtp_from": from, "smtp_to": to });
    if let Some(email) = email.as_object_mut() {
        if !entry.subject.is_empty() {
            email.insert("uid".to_owned(), entry.subject.as_str().into());
        }
        if let Some(id) = text("message_id") {
            email.insert("message_uid".to_owned(), id.into());
        }
        if let Some(size) = detail.get("size").and_then(Value::as_u64) {
            email.insert("size".to_owned(), size.into());
        }
    }
    put("email", email);
    put("direction_id", direction.into());
    if let Some(hello) = text("hello") {
        put("smtp_hello", hello.into());
    }
    if let Some(attempt) = detail.get("attempt").and_then(Value::as_u64) {
        put("attempt", attempt.into());
    }
    // Where a delivery went; who gave a message is the source.
    if let Some(host) = text("host").filter(|_| entry.kind.starts_with("delivery."))
        && is_hostname(host)
    {
        put("dst_endpoint", json!({ "hostname": host }));
    }
    Some(())
}

/// Incidents belong to the officers; who takes a step is under `unmapped`.
fn incident(entry: &Entry, detail: &Map<String, Value>, put: &mut impl FnMut(&str, Value)) {
    let text = |name: &str| detail.get(name).and_then(Value::as_str);
    let what = text("incident_kind")
        .or_else(|| text("step"))
        .unwrap_or("closed");
    let title = match text("identifier").filter(|name| !name.is_empty()) {
        Some(name) => format!("Incident {}: {what}, {name}", entry.subject),
        None => format!("Incident {}: {what}", entry.subject),
    };
    let mut finding = json!({ "uid": entry.subject, "title": title });
    if let (Some(reason), Some(finding)) = (text("reason"), finding.as_object_mut()) {
        finding.insert("desc".to_owned(), reason.into());
    }
    put("finding_info_list", json!([finding]));
    put("assignee_group", json!({ "name": "officers" }));
    if let Some(note) = text("note").filter(|note| !note.is_empty()) {
        put("comment", note.into());
    }
}

/// Whether OCSF takes the text for an address (`email_t`).
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let in_local = |c: char| c.is_ascii_graphic() && !"\"(),:;<>@[\\]".contains(c);
    let in_domain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let rest = domain.split_once('.');
    !local.is_empty()
        && local.chars().all(in_local)
        && rest.is_some_and(|(first, rest)| {
            !first.is_empty()
                && first.chars().all(in_domain)
                && !rest.is_empty()
                && rest.chars().all(|c| in_domain(c) || c == '.')
        })
}

/// Whether OCSF takes the text for the name of a host (`hostname_t`).
fn is_hostname(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

#[cfg(test)]
mod tests;
