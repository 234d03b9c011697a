//! CVE records, format 5 (<https://cveproject.github.io/cve-schema/>).

use serde::Deserialize;
use serde_json::Value;

use super::{
    Entry,
    text::{first_line, maybe, word},
};
use crate::{
    Advisory, Affected, Change, Mark, Reference, Rule, Severity, Source, Status, What,
    inventory::cpe_of,
    limits::{AFFECTED, DETAILS, LIST, TITLE, VERSIONS, line, lines},
    matching::plain,
    version::Scheme,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    data_type: String,
    cve_metadata: Metadata,
    #[serde(default)]
    containers: Containers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    cve_id: String,
    state: String,
    #[serde(default)]
    date_published: String,
    #[serde(default)]
    date_updated: String,
    #[serde(default)]
    date_rejected: String,
}

#[derive(Default, Deserialize)]
struct Containers {
    #[serde(default)]
    cna: Container,
    #[serde(default)]
    adp: Vec<Container>,
}

#[derive(Default, Deserialize)]
struct Container {
    #[serde(default)]
    title: String,
    #[serde(default)]
    descriptions: Vec<Words>,
    #[serde(default)]
    affected: Vec<Product>,
    #[serde(default)]
    references: Vec<Link>,
    #[serde(default)]
    metrics: Vec<serde_json::Map<String, Value>>,
    #[serde(default)]
    workarounds: Vec<Words>,
}

#[derive(Deserialize)]
struct Words {
    lang: String,
    value: String,
}

#[derive(Deserialize)]
struct Link {
    url: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(default)]
    vendor: String,
    #[serde(default)]
    product: String,
    #[serde(default, rename = "collectionURL")]
    collection: String,
    #[serde(default)]
    package_name: String,
    #[serde(default)]
    cpes: Vec<String>,
    #[serde(default)]
    versions: Vec<Version>,
    #[serde(default)]
    default_status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: String,
    status: Status,
    #[serde(default)]
    version_type: String,
    #[serde(default)]
    less_than: Option<String>,
    #[serde(default)]
    less_than_or_equal: Option<String>,
    #[serde(default)]
    changes: Vec<Changed>,
}

#[derive(Deserialize)]
struct Changed {
    at: String,
    status: Status,
}

pub(super) fn record(value: Value) -> Result<Option<Entry>, String> {
    let record: Record = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if record.data_type != "CVE_RECORD" {
        return Err(format!("it is a {:?}, not a CVE_RECORD", record.data_type));
    }
    let id = word("the CVE number", &record.cve_metadata.cve_id)?;
    if !crate::record_is_cve(&id) {
        return Err(format!("{id:?} is no CVE number"));
    }
    let metadata = record.cve_metadata;
    let withdrawn = match metadata.state.as_str() {
        "PUBLISHED" => String::new(),
        "REJECTED" if metadata.date_rejected.is_empty() => "rejected".to_owned(),
        "REJECTED" => maybe(&metadata.date_rejected),
        other => return Err(format!("its state is {other:?}, which CVE does not know")),
    };
    let all: Vec<Container> = std::iter::once(record.containers.cna)
        .chain(record.containers.adp)
        .collect();
    let english = |words: &[Words]| {
        let found = words.iter().find(|words| words.lang.starts_with("en"));
        found.map_or_else(String::new, |words| words.value.clone())
    };
    let cna = all.first();
    let details = cna
        .map(|cna| english(&cna.descriptions))
        .unwrap_or_default();
    let title = match cna.map_or("", |cna| cna.title.trim()) {
        "" => first_line(&details),
        title => title,
    };
    let mut advisory = Advisory {
        source: Source::Cve,
        id,
        aliases: Vec::new(),
        title: line(title, TITLE),
        details: lines(&details, DETAILS),
        published: maybe(&metadata.date_published),
        modified: maybe(&metadata.date_updated),
        withdrawn,
        severity: all
            .iter()
            .flat_map(|one| &one.metrics)
            .filter_map(metric)
            .take(LIST)
            .collect(),
        references: all
            .iter()
            .flat_map(|one| &one.references)
            .take(LIST)
            .map(reference)
            .collect(),
        workaround: lines(
            &cna.map(|cna| english(&cna.workarounds)).unwrap_or_default(),
            DETAILS,
        ),
        affected: Vec::new(),
    };
    for product in all.into_iter().flat_map(|one| one.affected) {
        if advisory.affected.len() >= AFFECTED {
            return Err(format!("it names more than {AFFECTED} products"));
        }
        advisory.affected.push(affected(product)?);
    }
    Ok(Some(Entry::Advisory(Box::new(advisory))))
}

fn reference(link: &Link) -> Reference {
    let kind = link.tags.iter().find(|tag| !tag.starts_with("x_"));
    Reference {
        kind: kind.map_or_else(String::new, |tag| maybe(tag)),
        url: maybe(&link.url),
    }
}

fn metric(metric: &serde_json::Map<String, Value>) -> Option<Severity> {
    let (name, value) = metric.iter().find(|(name, _)| name.starts_with("cvssV"))?;
    let vector = value.get("vectorString").and_then(Value::as_str);
    let score = value.get("baseScore").and_then(Value::as_f64);
    let version = match name.as_str() {
        "cvssV2_0" => "CVSS:2.0",
        "cvssV3_0" => "CVSS:3.0",
        "cvssV3_1" => "CVSS:3.1",
        "cvssV4_0" => "CVSS:4.0",
        _ => return None,
    };
    Some(Severity {
        metric: version.to_owned(),
        vector: maybe(vector.unwrap_or_default()),
        tenths: score.and_then(tenths),
    })
}

/// A score in tenths; `None`: it is none.
pub(super) fn tenths(score: f64) -> Option<u16> {
    // Written and read again, since a number with a fraction cannot become a whole one otherwise without a cast.
    (0.0..=10.0)
        .contains(&score)
        .then(|| format!("{:.0}", score * 10.0).parse().ok())
        .flatten()
}

fn affected(product: Product) -> Result<Affected, String> {
    let points: usize = product
        .versions
        .iter()
        .map(|one| one.changes.len().saturating_add(1))
        .sum();
    if points > VERSIONS {
        return Err(format!("a product has more than {VERSIONS} versions"));
    }
    let mut what = Vec::new();
    let named = |text: &str| !text.is_empty() && text != "n/a";
    if named(&product.vendor) && named(&product.product) {
        what.push(What::Product {
            vendor: plain(&product.vendor),
            product: plain(&product.product),
            version: None,
        });
    }
    if product.collection.contains("://crates.io") && named(&product.package_name) {
        let name = maybe(&product.package_name);
        what.push(What::Package {
            ecosystem: "crates.io".to_owned(),
            name,
        });
    }
    for cpe in product.cpes.iter().take(LIST) {
        if let Some((vendor, product, _)) = cpe_of(cpe) {
            let one = What::Product {
                vendor,
                product,
                version: None,
            };
            if !what.contains(&one) {
                what.push(one);
            }
        }
    }
    let marks = product
        .versions
        .into_iter()
        .map(mark)
        .collect::<Result<_, _>>()?;
    let others = product.default_status.unwrap_or(Status::Unknown);
    Ok(Affected {
        what,
        rule: Rule::Cve { marks, others },
    })
}

fn mark(one: Version) -> Result<Mark, String> {
    let scheme = match one.version_type.as_str() {
        "semver" => Some(Scheme::Semver),
        "dpkg" | "deb" => Some(Scheme::Debian),
        "git" => None,
        // `custom`, `python`, `maven`, `rpm` and what else there is are compared by numbers, and not at all where those fail.
        _ => Some(Scheme::Generic),
    };
    let bound = |text: Option<String>| text.map(|text| word("a version", &text)).transpose();
    let changes = one.changes.into_iter().map(|change| {
        let at = word("a version", &change.at)?;
        Ok::<_, String>(Change {
            at,
            status: change.status,
        })
    });
    Ok(Mark {
        version: word("a version", &one.version)?,
        status: one.status,
        scheme,
        less_than: bound(one.less_than)?,
        up_to: bound(one.less_than_or_equal)?,
        changes: changes.collect::<Result<_, _>>()?,
    })
}
