//! The list of what this server is built of, in CycloneDX 1.6 (ECMA-424, JSON).

use serde_json::{Value, json};

use crate::inventory::Item;

/// The crates that a build names, one a line: `name vX.Y.Z`, and a path behind it for our own, which are left out.
#[must_use]
pub fn components(build: &str) -> Vec<Item> {
    let mut items: Vec<Item> = build.lines().filter_map(component).collect();
    items.sort();
    items.dedup();
    items
}

fn component(line: &str) -> Option<Item> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let is_own = words.any(|word| word.starts_with("(/"));
    (!is_own).then(|| Item::of_crate(name, version))
}

/// The document. `of` is the server itself.
#[must_use]
pub fn cyclonedx(of: &Item, components: &[Item]) -> Value {
    let entry = |item: &Item, kind: &str| {
        let mut entry = json!({
            "type": kind,
            "bom-ref": reference(item),
            "name": item.name,
            "version": item.version,
        });
        if let (Value::Object(entry), false) = (&mut entry, item.purl.is_empty()) {
            entry.insert("purl".to_owned(), json!(item.purl));
        }
        entry
    };
    let parts: Vec<Value> = components
        .iter()
        .map(|item| entry(item, "library"))
        .collect();
    let refs: Vec<String> = components.iter().map(reference).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": entry(of, "application") },
        "components": parts,
        "dependencies": [{ "ref": reference(of), "dependsOn": refs }],
    })
}

fn reference(item: &Item) -> String {
    match item.purl.as_str() {
        "" => format!("{}:{}@{}", item.kind.as_str(), item.name, item.version),
        purl => purl.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_rooms_are_not_named_and_twice_is_once() {
        let build = "kakitome v0.1.0 (/src/crates/kakitome)\ntokio v1.54.1\nsyn v2.0.1 (*)\ntokio v1.54.1 (*)\n\n";
        let names: Vec<String> = components(build)
            .into_iter()
            .map(|item| item.purl)
            .collect();
        assert_eq!(names, ["pkg:cargo/syn@2.0.1", "pkg:cargo/tokio@1.54.1"]);
    }
}
