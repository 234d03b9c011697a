//! What is told to officers elsewhere (clause 8.3(6)): documents of the Common Security Advisory Framework 2.0 (OASIS), as a security
//! advisory (section 4.4 of the standard) or as VEX (section 4.5).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `csaf_security_advisory`
    Advisory,
    /// `csaf_vex`
    Vex,
}

/// Why a product is not affected (CSAF 2.0, section 3.2.3.5.2; the words are VEX's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// What is vulnerable is not part of it.
    ComponentNotPresent,
    /// The code is not.
    VulnerableCodeNotPresent,
    /// It is never run.
    VulnerableCodeNotInExecutePath,
    /// Nobody from outside can steer it.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something before it holds it off.
    InlineMitigationsAlreadyExist,
}

impl Justification {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Self::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::VulnerableCodeCannotBeControlledByAdversary => {
                "vulnerable_code_cannot_be_controlled_by_adversary"
            }
            Self::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
        }
    }
}

impl std::str::FromStr for Justification {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == word);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("{word:?} is no justification of VEX; they are {all}")
        })
    }
}

/// How a product stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is affected.
    KnownAffected,
    /// It was, and is not any more.
    Fixed,
    /// It is not.
    KnownNotAffected,
    /// Nobody has decided yet.
    UnderInvestigation,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::KnownAffected => "known_affected",
            Self::Fixed => "fixed",
            Self::KnownNotAffected => "known_not_affected",
            Self::UnderInvestigation => "under_investigation",
        }
    }
}

/// A product of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL, or empty.
    pub purl: String,
    /// How it stands.
    pub standing: Standing,
}

/// All that a document says.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Who tells it.
    pub publisher: String,
    /// The publisher's address in the web, which makes its identifiers unique.
    pub namespace: String,
    /// The document's identifier.
    pub id: String,
    /// What it is about, in a line.
    pub title: String,
    /// The CVE number, or empty.
    pub cve: String,
    /// Other names: who gave them, and the name.
    pub ids: Vec<(String, String)>,
    /// What happened to the case, oldest first, with the time (RFC 3339). Each is a revision; at least one.
    pub revisions: Vec<(String, String)>,
    /// The time of the document (RFC 3339).
    pub now: String,
    /// Notes: a title each, and what it says.
    pub notes: Vec<(String, String)>,
    /// Pages that say more.
    pub references: Vec<String>,
    /// What is touched; at least one.
    pub products: Vec<Product>,
    /// What is done about it.
    pub remedy: String,
    /// Whether a newer version is the remedy.
    pub is_update: bool,
    /// That it is exploited, and since when; or empty.
    pub exploited: String,
    /// Why it is not affected, if that was decided, and the words of who decided it.
    pub justified: Option<(Justification, String)>,
}

/// The document.
#[must_use]
pub fn document(sharing: &Sharing, profile: Profile) -> Value {
    let (category, word) = match profile {
        Profile::Advisory => ("csaf_security_advisory", "Security advisory"),
        Profile::Vex => ("csaf_vex", "VEX"),
    };
    let revisions: Vec<Value> = (1_u64..).zip(&sharing.revisions).map(|(number, (at, what))| {
        json!({ "date": at, "number": number.to_string(), "summary": filled(what) })
    }).collect();
    let first = sharing.revisions.first().map_or(&sharing.now, |(at, _)| at);
    let last = sharing.revisions.last().map_or(&sharing.now, |(at, _)| at);
    let products: Vec<Value> = (1_u64..)
        .zip(&sharing.products)
        .map(|(number, product)| {
            let mut entry = Map::new();
            entry.insert(
                "name".to_owned(),
                json!(format!("{} {}", product.name, product.version)),
            );
            entry.insert("product_id".to_owned(), json!(product_id(number)));
            if !product.purl.is_empty() {
                entry.insert(
                    "product_identification_helper".to_owned(),
                    json!({ "purl": product.purl }),
                );
            }
            Value::Object(entry)
        })
        .collect();
    json!({
        "document": {
            "category": category,
            "csaf_version": "2.0",
            "title": filled(&format!("{word}: {}", sharing.title)),
            "publisher": { "category": "user", "name": filled(&sharing.publisher), "namespace": sharing.namespace },
            "notes": [{ "category": "general", "title": "Scope", "text": "How the software of this mail service stands. Written from the records of its vulnerability case." }],
            "tracking": {
                "id": filled(&sharing.id),
                "status": "final",
                "version": sharing.revisions.len().max(1).to_string(),
                "initial_release_date": first,
                "current_release_date": last,
                "generator": { "date": sharing.now, "engine": { "name": "Kakitome" } },
                "revision_history": revisions,
            },
        },
        "product_tree": { "full_product_names": products },
        "vulnerabilities": [vulnerability(sharing)],
    })
}

fn vulnerability(sharing: &Sharing) -> Value {
    let mut found = Map::new();
    let mut put = |name: &str, value: Value| {
        found.insert(name.to_owned(), value);
    };
    if !sharing.cve.is_empty() {
        put("cve", json!(sharing.cve));
    }
    let ids: Vec<Value> = sharing
        .ids
        .iter()
        .map(|(who, name)| json!({ "system_name": filled(who), "text": filled(name) }))
        .collect();
    if !ids.is_empty() {
        put("ids", Value::Array(ids));
    }
    let notes = sharing.notes.iter().filter(|(_, text)| !text.is_empty());
    let mut notes: Vec<Value> = notes
        .map(|(title, text)| json!({ "category": "description", "title": title, "text": text }))
        .collect();
    if notes.is_empty() {
        notes.push(
            json!({ "category": "description", "title": "Title", "text": filled(&sharing.title) }),
        );
    }
    put("notes", Value::Array(notes));
    let references = sharing
        .references
        .iter()
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let references: Vec<Value> = references
        .map(|url| json!({ "summary": "More about it", "url": url }))
        .collect();
    if !references.is_empty() {
        put("references", Value::Array(references));
    }
    let numbered: Vec<(String, Standing)> = (1_u64..)
        .zip(&sharing.products)
        .map(|(number, product)| (product_id(number), product.standing))
        .collect();
    let of = |standing: Standing| {
        let found = numbered.iter().filter(|(_, own)| *own == standing);
        found.map(|(id, _)| json!(id)).collect::<Vec<_>>()
    };
    let mut status = Map::new();
    for standing in [
        Standing::KnownAffected,
        Standing::Fixed,
        Standing::KnownNotAffected,
        Standing::UnderInvestigation,
    ] {
        let ids = of(standing);
        if !ids.is_empty() {
            status.insert(standing.as_str().to_owned(), Value::Array(ids));
        }
    }
    put("product_status", Value::Object(status));
    // VEX demands an action for each product that is affected, and an impact for each that is not (section 4.5).
    let affected = of(Standing::KnownAffected);
    if !affected.is_empty() {
        let category = match sharing.is_update {
            true => "vendor_fix",
            false if sharing.remedy.is_empty() => "none_available",
            false => "mitigation",
        };
        let details = match sharing.remedy.as_str() {
            "" => "The publishers of the software name no remedy yet.",
            remedy => remedy,
        };
        put(
            "remediations",
            json!([{ "category": category, "details": details, "product_ids": affected }]),
        );
    }
    let mut threats = Vec::new();
    if !sharing.exploited.is_empty() {
        threats.push(json!({ "category": "exploit_status", "details": sharing.exploited }));
    }
    let unaffected = of(Standing::KnownNotAffected);
    if let (Some((justification, words)), false) = (&sharing.justified, unaffected.is_empty()) {
        put(
            "flags",
            json!([{ "label": justification.as_str(), "product_ids": unaffected }]),
        );
        threats.push(
            json!({ "category": "impact", "details": filled(words), "product_ids": unaffected }),
        );
    }
    if !threats.is_empty() {
        put("threats", Value::Array(threats));
    }
    Value::Object(found)
}

fn product_id(number: u64) -> String {
    format!("P-{number}")
}

/// The standard has no empty texts.
fn filled(text: &str) -> &str {
    match text.trim() {
        "" => "-",
        text => text,
    }
}
