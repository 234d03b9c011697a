//! OSV, schema 1.x (<https://ossf.github.io/osv-schema/>).

use serde::Deserialize;
use serde_json::Value;

use super::{
    Entry,
    text::{first_line, maybe, word},
};
use crate::{
    Advisory, Affected, Point, Reference, Rule, Severity, Source, Stretch, What,
    limits::{AFFECTED, DETAILS, LIST, TITLE, VERSIONS, line, lines},
    version::Scheme,
};

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    /// Debian's records name CVE numbers here.
    #[serde(default)]
    upstream: Vec<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    published: Option<String>,
    modified: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    severity: Vec<Metric>,
    #[serde(default)]
    references: Vec<Link>,
    #[serde(default)]
    affected: Vec<Touched>,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "type", default)]
    kind: String,
    url: String,
}

#[derive(Deserialize)]
struct Touched {
    #[serde(default)]
    package: Option<Package>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    severity: Vec<Metric>,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<serde_json::Map<String, Value>>,
}

pub(super) fn record(value: Value) -> Result<Option<Entry>, String> {
    let record: Record = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if record.affected.len() > AFFECTED {
        return Err(format!("it names more than {AFFECTED} packages"));
    }
    let details = record.details.unwrap_or_default();
    let summary = record.summary.unwrap_or_default();
    let title = match summary.trim() {
        "" => first_line(&details),
        summary => summary,
    };
    let of_packages = record.affected.iter().flat_map(|one| &one.severity);
    let severity = record
        .severity
        .iter()
        .chain(of_packages)
        .take(LIST)
        .map(metric)
        .collect();
    let names = record.aliases.iter().chain(&record.upstream).take(LIST);
    let aliases = names
        .map(|name| word("an alias", name))
        .collect::<Result<_, _>>()?;
    let references = record.references.iter().take(LIST);
    let references = references.map(|link| Reference {
        kind: maybe(&link.kind).to_ascii_lowercase(),
        url: maybe(&link.url),
    });
    let mut advisory = Advisory {
        source: Source::Osv,
        id: word("the id", &record.id)?,
        aliases,
        title: line(title, TITLE),
        details: lines(&details, DETAILS),
        published: maybe(&record.published.unwrap_or_default()),
        modified: maybe(&record.modified),
        withdrawn: maybe(&record.withdrawn.unwrap_or_default()),
        severity,
        references: references.collect(),
        workaround: String::new(),
        affected: Vec::new(),
    };
    // Debian's identifiers of records for one CVE have its number in them.
    if let Some(cve) = advisory
        .id
        .strip_prefix("DEBIAN-")
        .filter(|name| crate::record_is_cve(name))
        && !advisory.aliases.iter().any(|name| name == cve)
    {
        advisory.aliases.push(cve.to_owned());
    }
    for touched in record.affected {
        if let Some(affected) = affected(touched)? {
            advisory.affected.push(affected);
        }
    }
    Ok(Some(Entry::Advisory(Box::new(advisory))))
}

fn metric(metric: &Metric) -> Severity {
    let vector = maybe(&metric.score);
    let name = match vector.split('/').next() {
        Some(name) if name.starts_with("CVSS:") => name.to_owned(),
        _ => maybe(&metric.kind),
    };
    Severity {
        metric: name,
        vector,
        tenths: None,
    }
}

fn affected(touched: Touched) -> Result<Option<Affected>, String> {
    // Without a package it is about a repository of sources.
    let Some(package) = touched.package else {
        return Ok(None);
    };
    let points: usize = touched.ranges.iter().map(|range| range.events.len()).sum();
    if points.saturating_add(touched.versions.len()) > VERSIONS {
        return Err(format!("a package has more than {VERSIONS} versions"));
    }
    let ecosystem = word("an ecosystem", &package.ecosystem)?;
    let scheme = Scheme::of_ecosystem(&ecosystem);
    let mut stretches = Vec::new();
    for range in touched.ranges {
        let scheme = match range.kind.as_str() {
            "SEMVER" => Some(Scheme::Semver),
            "ECOSYSTEM" => Some(scheme),
            "GIT" => None,
            other => {
                return Err(format!(
                    "a range has the type {other:?}, which OSV does not know"
                ));
            }
        };
        let points = range.events.iter().map(point).collect::<Result<_, _>>()?;
        stretches.push(Stretch { scheme, points });
    }
    let versions = touched
        .versions
        .iter()
        .map(|version| word("a version", version));
    Ok(Some(Affected {
        what: vec![What::Package {
            ecosystem,
            name: word("a package's name", &package.name)?,
        }],
        rule: Rule::Osv {
            versions: versions.collect::<Result<_, _>>()?,
            stretches,
        },
    }))
}

fn point(event: &serde_json::Map<String, Value>) -> Result<Point, String> {
    let (Some((name, version)), 1) = (event.iter().next(), event.len()) else {
        return Err("an event of a range has not exactly one version".to_owned());
    };
    let version = word("a version", version.as_str().unwrap_or_default())?;
    Ok(match name.as_str() {
        "introduced" => Point::Introduced(version),
        "fixed" => Point::Fixed(version),
        "last_affected" => Point::LastAffected(version),
        "limit" => Point::Limit(version),
        other => {
            return Err(format!(
                "an event of a range is {other:?}, which OSV does not know"
            ));
        }
    })
}
