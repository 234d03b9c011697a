#![allow(clippy::unwrap_used)]
use std::sync::LazyLock;

use super::*;
use crate::{
    Kind,
    schema::{self, Fact, Holds},
};

/// The published schema of the classes that are written: `tools/ocsf.py` cuts it out (Apache-2.0, the OCSF project).
const SCHEMA: &str = include_str!("../../tests/ocsf/1.3.0.json");

static PUBLISHED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap());

/// What is wrong with an event, by the schema.
struct Check {
    schema: &'static Value,
    faults: Vec<String>,
}

impl Check {
    fn new() -> Self {
        Self {
            schema: &PUBLISHED,
            faults: Vec::new(),
        }
    }

    fn event(mut self, event: &Value) -> Vec<String> {
        let class = event["class_uid"].to_string();
        let of = &self.schema["classes"][&class];
        assert!(of.is_object(), "no class {class}");
        self.object(&class, of, event);
        let uid =
            event["class_uid"].as_u64().unwrap() * 100 + event["activity_id"].as_u64().unwrap();
        if event["type_uid"] != uid {
            self.faults.push("type_uid".to_owned());
        }
        self.faults
    }

    fn object(&mut self, path: &str, of: &Value, value: &Value) {
        let Some(value) = value.as_object() else {
            return self.faults.push(format!("{path}: no object"));
        };
        let attributes = of["attributes"].as_object().unwrap();
        for (name, attribute) in attributes {
            if attribute["requirement"] == "required" && !value.contains_key(name) {
                self.faults.push(format!("{path}.{name} is required"));
            }
        }
        let one_of = of["constraints"]["at_least_one"].as_array();
        let has = |name: &Value| value.contains_key(name.as_str().unwrap());
        if one_of.is_some_and(|names| !names.iter().any(has)) {
            self.faults
                .push(format!("{path}: at least one of {one_of:?}"));
        }
        for (name, value) in value {
            let path = format!("{path}.{name}");
            match attributes.get(name) {
                Some(attribute) => self.attribute(&path, attribute, value),
                None => self.faults.push(format!("{path} is unknown")),
            }
        }
    }

    fn attribute(&mut self, path: &str, attribute: &Value, value: &Value) {
        if attribute["is_array"] == true {
            let Some(values) = value.as_array() else {
                return self.faults.push(format!("{path}: no list"));
            };
            return values.iter().for_each(|one| self.one(path, attribute, one));
        }
        self.one(path, attribute, value);
    }

    fn one(&mut self, path: &str, attribute: &Value, value: &Value) {
        let kind = attribute["type"].as_str().unwrap();
        if let Some(permitted) = attribute["enum"].as_array() {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            if !permitted.iter().any(|one| *one == text.as_str()) {
                self.faults
                    .push(format!("{path}: {value} is not permitted"));
            }
        }
        if kind == "object" {
            return;
        }
        let object = &self.schema["objects"][kind];
        if object.is_object() {
            return self.object(path, object, value);
        }
        let base = self.schema["types"][kind]["type"].as_str().unwrap_or(kind);
        let fits = match base {
            "string_t" => value.is_string(),
            "integer_t" | "long_t" => value.is_i64() || value.is_u64(),
            "boolean_t" => value.is_boolean(),
            _ => false,
        };
        let shaped = match (kind, value.as_str()) {
            ("email_t", Some(text)) => is_address(text),
            ("hostname_t", Some(text)) => is_hostname(text),
            ("ip_t", Some(text)) => text.parse::<std::net::IpAddr>().is_ok(),
            _ => true,
        };
        if !fits || !shaped {
            self.faults.push(format!("{path}: {value} is no {kind}"));
        }
    }
}

/// A value that a fact may have.
fn sample(fact: &Fact) -> Value {
    match (fact.name, fact.holds) {
        ("sender", _) => "yamada@partner.example".into(),
        ("recipients", _) => json!(["tanaka@city.example", "sato@city.example"]),
        ("recipient", _) => "tanaka@city.example".into(),
        ("host", _) => "mx.partner.example".into(),
        (name, Holds::Text | Holds::Any) => format!("some {name}").into(),
        (_, Holds::Number) => 7.into(),
        (_, Holds::Boolean) => true.into(),
        (_, Holds::List) => json!(["one"]),
        (_, Holds::Object) => json!({ "a": 1 }),
    }
}

fn entry(kind: &str, outcome: &str, actor: &str, detail: &Value) -> Entry {
    Entry {
        id: 7,
        at: 1_764_244_800_123_456,
        version: 1,
        kind: kind.to_owned(),
        actor: actor.to_owned(),
        outcome: outcome.to_owned(),
        address: Some("192.0.2.7".to_owned()),
        subject: "tanaka@city.example".to_owned(),
        order: Some(3),
        detail: detail.to_string(),
    }
}

#[test]
fn every_kind_is_as_the_published_schema_has_it() {
    let mut classes = std::collections::BTreeSet::new();
    for kind in Kind::ALL {
        let schema = schema::of(*kind).unwrap();
        for outcome in schema.outcomes {
            for always_only in [false, true] {
                let facts = schema.facts.iter();
                let facts = facts.filter(|fact| !always_only || fact.when == schema::When::Always);
                let detail: Map<String, Value> = facts
                    .map(|fact| (fact.name.to_owned(), sample(fact)))
                    .collect();
                for actor in [
                    "person:sato",
                    "identifier:tanaka@city.example",
                    "system",
                    "peer",
                ] {
                    let detail = Value::Object(detail.clone());
                    let mut entry = entry(kind.as_str(), outcome.as_str(), actor, &detail);
                    if always_only {
                        (entry.address, entry.order) = (None, None);
                        entry.subject = String::new();
                    }
                    let event = ocsf(&entry, "0.1.0");
                    let faults = Check::new().event(&event);
                    assert!(faults.is_empty(), "{faults:?} in {event}");
                    classes.insert(event["class_uid"].as_u64().unwrap());
                }
            }
        }
    }
    assert_eq!(
        classes.into_iter().collect::<Vec<_>>(),
        [BASE, INCIDENT, ACCOUNT, AUTHENTICATION, ACCESS, EMAIL]
    );
}

#[test]
fn the_check_finds_what_is_wrong() {
    let detail = json!({ "sender": "a@b.example", "recipients": ["c@d.example"] });
    let entry = entry("smtp.accepted", "success", "peer", &detail);
    let whole = ocsf(&entry, "0.1.0");
    for wrong in ["email", "direction_id", "metadata", "severity_id"] {
        let mut event = whole.clone();
        event.as_object_mut().unwrap().remove(wrong);
        let faults = Check::new().event(&event);
        assert_eq!(faults, [format!("4009.{wrong} is required")]);
    }
    for (name, value) in [
        ("direction_id", json!(7)),
        ("colour", json!("red")),
        ("email", json!({ "from": "nobody", "to": ["c@d.example"] })),
        ("time", json!("today")),
    ] {
        let mut event = whole.clone();
        event[name] = value;
        assert_eq!(Check::new().event(&event).len(), 1, "{name}");
    }
}

#[test]
fn details_are_put_where_readers_look_for_them() {
    let detail = json!({ "service": "mra", "mechanism": "PLAIN", "tls": true, "reason": "wrong" });
    let actor = "identifier:tanaka@city.example";
    let event = ocsf(
        &entry("authentication.failed", "refused", actor, &detail),
        "1",
    );
    assert_eq!(event["type_uid"], 300_201);
    assert_eq!(
        (&event["status_id"], &event["status_detail"]),
        (&json!(2), &json!("wrong"))
    );
    assert_eq!(event["user"]["email_addr"], "tanaka@city.example");
    assert_eq!(event["service"]["name"], "MRA");
    assert_eq!(event["src_endpoint"]["ip"], "192.0.2.7");
    assert_eq!(event["unmapped"]["service"], "mra");

    let detail = json!({
        "sender": "tanaka@city.example", "recipients": ["b@partner.example"], "message_id": "<1@x>", "size": 900,
    });
    let event = ocsf(
        &entry("submission.accepted", "success", actor, &detail),
        "1",
    );
    assert_eq!(event["type_uid"], 400_901);
    assert_eq!(event["direction_id"], 2);
    assert_eq!(event["email"]["to"], json!(["b@partner.example"]));
    assert_eq!(event["email"]["message_uid"], "<1@x>");

    // A bounce has no sender: nothing is made up.
    let detail = json!({ "sender": "<>", "recipients": ["b@partner.example"] });
    let event = ocsf(&entry("smtp.accepted", "success", "peer", &detail), "1");
    assert_eq!(event["class_uid"], 0);
    assert_eq!(event["unmapped"]["sender"], "<>");

    let opened = json!({ "incident_kind": "credential", "identifier": "a@city.example", "reason": "stolen" });
    for (kind, detail, activity, status) in [
        ("incident.opened", opened, 1, 1),
        (
            "incident.step",
            json!({ "step": "acknowledged", "note": "read" }),
            2,
            2,
        ),
        (
            "incident.closed",
            json!({ "identifier": "a@city.example" }),
            3,
            5,
        ),
    ] {
        let event = ocsf(&entry(kind, "success", "person:sato", &detail), "1");
        assert_eq!(
            (&event["activity_id"], &event["status_id"]),
            (&json!(activity), &json!(status))
        );
        assert_eq!(event["finding_info_list"][0]["uid"], "tanaka@city.example");
        assert_eq!(event["assignee_group"]["name"], "officers");
    }
}
