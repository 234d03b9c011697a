//! An advisory, whatever its feed's format: what it says of which versions, in the terms of its source.

use serde::{Deserialize, Serialize};

use crate::version::Scheme;

/// Which kind of feed a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Open Source Vulnerability format (RustSec, Debian, …).
    Osv,
    /// CVE record format 5.
    Cve,
    /// Japan Vulnerability Notes: JVNRSS, or VULDEF.
    Jvn,
}

impl Source {
    /// Its name in settings, events and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Osv => "osv",
            Self::Cve => "cve",
            Self::Jvn => "jvn",
        }
    }
}

/// What one source says of one vulnerability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// Where it is from.
    pub source: Source,
    /// Its identifier there, such as `RUSTSEC-2024-0001`, `CVE-2024-0001`, `JVNDB-2024-000001`.
    pub id: String,
    /// What others call it.
    pub aliases: Vec<String>,
    /// In a line.
    pub title: String,
    /// In some lines; may be empty.
    pub details: String,
    /// When it was published, as the source writes it.
    pub published: String,
    /// When it was changed last, as the source writes it.
    pub modified: String,
    /// When it was withdrawn or rejected; empty: it was not.
    pub withdrawn: String,
    /// How bad it is.
    pub severity: Vec<Severity>,
    /// Where more is said.
    pub references: Vec<Reference>,
    /// What to do instead of an update, where the source says so.
    pub workaround: String,
    /// What it touches.
    pub affected: Vec<Affected>,
}

impl Advisory {
    /// The name under which records of several sources are one case: the first CVE number, or the own identifier.
    #[must_use]
    pub fn canonical(&self) -> &str {
        let mut names = std::iter::once(&self.id).chain(&self.aliases);
        let found = names.find(|name| name.starts_with("CVE-"));
        found.unwrap_or(&self.id)
    }

    /// The CVE numbers that it has.
    pub fn cves(&self) -> impl Iterator<Item = &str> {
        let names = std::iter::once(&self.id).chain(&self.aliases);
        names.map(String::as_str).filter(|name| is_cve(name))
    }
}

/// Whether `name` is a CVE number: `CVE-`, four digits, `-`, at least four digits.
#[must_use]
pub(crate) fn is_cve(name: &str) -> bool {
    let digits = |text: &str, least: usize| {
        (least..=19).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
    };
    let rest = name.strip_prefix("CVE-");
    let parts = rest.and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(year, number)| year.len() == 4 && digits(year, 4) && digits(number, 4))
}

/// How bad a vulnerability is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severity {
    /// The metric's name and version: `CVSS:3.1`, `CVSS:4.0`, `CVSS:2.0`, …
    pub metric: String,
    /// Its vector; empty where the source has a score alone.
    pub vector: String,
    /// The base score in tenths, 0 to 100; `None`: the source does not say, and it cannot be computed here.
    pub tenths: Option<u16>,
}

/// A page that says more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// What it is, in the source's word: `fix`, `exploit`, `advisory`, …; may be empty.
    pub kind: String,
    /// Its address.
    pub url: String,
}

/// One package or product, and which of its versions are touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// What is meant.
    pub what: Vec<What>,
    /// What holds for which versions.
    pub rule: Rule,
}

/// A name for a package or product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A package of an ecosystem (OSV's names): `crates.io`, `Debian:12`.
    Package {
        /// The ecosystem, with its release if one is meant.
        ecosystem: String,
        /// The package.
        name: String,
    },
    /// A product of a vendor, both in the form of CPE: lower case, `_` for spaces.
    Product {
        /// Who makes it.
        vendor: String,
        /// What it is called.
        product: String,
        /// The only version that is meant, if the name has one.
        version: Option<String>,
    },
}

/// What holds for which versions, as the source defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// OSV: listed versions, and stretches between points.
    Osv {
        /// Versions that are affected.
        versions: Vec<String>,
        /// Stretches in which versions are affected.
        stretches: Vec<Stretch>,
    },
    /// CVE 5: statuses of versions and stretches, and one for all others.
    Cve {
        /// Those that are named.
        marks: Vec<Mark>,
        /// All others.
        others: Status,
    },
    /// Versions, as the source writes them in words for people; none: it does not say.
    Words {
        /// The words.
        versions: Vec<String>,
    },
}

/// A range of OSV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// How its versions compare; `None`: not here (commits).
    pub scheme: Option<Scheme>,
    /// Where something begins or ends.
    pub points: Vec<Point>,
}

/// An event of a range of OSV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Affected from this version on; `0` is before all.
    Introduced(String),
    /// Not affected from this version on.
    Fixed(String),
    /// Not affected after this version.
    LastAffected(String),
    /// Nothing is said of this version and later ones; `*` is after all.
    Limit(String),
}

/// What is said of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// They are.
    Affected,
    /// They are not.
    Unaffected,
    /// It is not said.
    Unknown,
}

/// A version, or a stretch of versions, of CVE 5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The version, or the first of the stretch; `0` and `*` are before all.
    pub version: String,
    /// What is said of it.
    pub status: Status,
    /// How versions compare; `None`: not here (commits).
    pub scheme: Option<Scheme>,
    /// The stretch ends before this.
    pub less_than: Option<String>,
    /// The stretch ends with this.
    pub up_to: Option<String>,
    /// What else is said from some version within it on.
    pub changes: Vec<Change>,
}

/// A change within a stretch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// From this version on.
    pub at: String,
    /// This is said.
    pub status: Status,
}
