//! What is written in the settings' file, key by key, and how one state of it differs from another: a change is an event with
//! what stood there before and what stands there now.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Keys as `section.key`, with their values. What is not written has its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written(BTreeMap<String, Value>);

impl Written {
    /// What `text` says, which has been read as settings before.
    pub(super) fn of(text: &str) -> Self {
        let mut found = BTreeMap::new();
        if let Ok(table) = toml::from_str::<Value>(text) {
            flatten("", table, &mut found);
        }
        Self(found)
    }

    /// As an event tells it.
    pub(crate) fn to_json(&self) -> Value {
        json!(self.0)
    }

    /// The reverse; what is no object says nothing.
    pub(crate) fn from_json(value: &Value) -> Self {
        let keys = value.as_object().cloned().unwrap_or_default();
        Self(keys.into_iter().collect())
    }

    /// The keys that are wanted.
    pub(crate) fn only(&self, is_wanted: impl Fn(&str) -> bool) -> Self {
        let keys = self.0.iter().filter(|(key, _)| is_wanted(key));
        Self(
            keys.map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// The keys that differ from those of `before`, each with both values; null: not written.
    pub(crate) fn changes(&self, before: &Self) -> BTreeMap<String, Value> {
        let keys = self.0.keys().chain(before.0.keys());
        let differ = keys.filter(|key| self.0.get(*key) != before.0.get(*key));
        let told = differ.map(|key| {
            let both = json!({ "before": before.0.get(key), "after": self.0.get(key) });
            (key.clone(), both)
        });
        told.collect()
    }
}

fn flatten(name: &str, value: Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let name = match name {
                    "" => key,
                    name => format!("{name}.{key}"),
                };
                flatten(&name, value, found);
            }
        }
        value => {
            found.insert(name.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_has_what_was_before() {
        let before = Written::of("[audit]\nretain_years = 10\n[server]\nhostname = \"a\"\n");
        let after = Written::of(
            "[audit]\nretain_years = 3\nrotate_months = 1\n[server]\nhostname = \"a\"\n",
        );
        let changes = after.changes(&before);
        assert_eq!(
            json!(changes),
            json!({
                "audit.retain_years": { "before": 10, "after": 3 },
                "audit.rotate_months": { "before": null, "after": 1 },
            })
        );
        assert_eq!(Written::from_json(&after.to_json()), after);
        assert!(after.changes(&after).is_empty());
    }
}
