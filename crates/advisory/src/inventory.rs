//! Software as data: what runs here, by the names that feeds know it by.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::matching::plain;

/// What kind of software it is (clause 4.3(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// This server.
    Server,
    /// A library that is built into it.
    Component,
    /// A package of the operating system.
    Package,
    /// A scanner that the server asks.
    Scanner,
    /// What the settings name.
    Declared,
}

impl ItemKind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Component => "component",
            Self::Package => "package",
            Self::Scanner => "scanner",
            Self::Declared => "declared",
        }
    }
}

/// A piece of software.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// What kind.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL; empty: it has none.
    pub purl: String,
    /// What OSV knows it as: ecosystem, name and version (of Debian: those of its source).
    pub package: Option<(String, String, String)>,
    /// What CVE and JVN know it as: vendor and product, in the form of CPE.
    pub products: Vec<(String, String)>,
}

impl Item {
    /// A package of crates.io.
    #[must_use]
    pub fn of_crate(name: &str, version: &str) -> Self {
        Self {
            kind: ItemKind::Component,
            name: name.to_owned(),
            version: version.to_owned(),
            purl: format!("pkg:cargo/{name}@{version}"),
            package: Some(("crates.io".to_owned(), name.to_owned(), version.to_owned())),
            products: Vec::new(),
        }
    }

    /// A scanner, by the name that the server has for it. clamd is known to CVE under its maker's name, too.
    #[must_use]
    pub fn of_scanner(name: &str, version: &str) -> Self {
        let pair = |vendor: &str, product: &str| (vendor.to_owned(), product.to_owned());
        let products = match name {
            "clamd" => vec![pair("clamav", "clamav"), pair("cisco", "clamav")],
            _ => Vec::new(),
        };
        Self {
            kind: ItemKind::Scanner,
            name: name.to_owned(),
            version: version.to_owned(),
            purl: String::new(),
            package: None,
            products,
        }
    }

    /// What the settings name.
    ///
    /// # Errors
    /// What is wrong with `purl` or `cpe`.
    pub fn declared(name: &str, version: &str, purl: &str, cpe: &str) -> Result<Self, String> {
        let package = match purl {
            "" => None,
            purl => Some(package_of(purl, version)?),
        };
        let products = match cpe {
            "" => Vec::new(),
            cpe => {
                let found = cpe_of(cpe).ok_or_else(|| {
                    format!(
                        "{cpe:?} is no CPE name such as cpe:2.3:a:vendor:product:*:*:*:*:*:*:*:*"
                    )
                })?;
                vec![(found.0, found.1)]
            }
        };
        Ok(Self {
            kind: ItemKind::Declared,
            name: name.to_owned(),
            version: version.to_owned(),
            purl: purl.to_owned(),
            package,
            products,
        })
    }
}

/// Vendor, product and version (if it names one) of a CPE name, 2.2 (`cpe:/a:vendor:product:1.0`) or 2.3.
pub(crate) fn cpe_of(text: &str) -> Option<(String, String, Option<String>)> {
    let rest = text
        .strip_prefix("cpe:2.3:")
        .or_else(|| text.strip_prefix("cpe:/"))?;
    // `\:` is a colon within a part.
    let rest = rest.replace("\\:", "\u{1}");
    let mut parts = rest
        .split(':')
        .map(|part| part.replace('\u{1}', ":").replace('\\', ""));
    let part = parts.next()?;
    let (vendor, product) = (plain(&parts.next()?), plain(&parts.next()?));
    let is_name = |name: &str| !name.is_empty() && name != "*" && name != "-";
    if !matches!(part.as_str(), "a" | "o" | "h") || !is_name(&vendor) || !is_name(&product) {
        return None;
    }
    let version = parts.next().filter(|version| is_name(version));
    Some((vendor, product, version))
}

/// The ecosystem, name and version that OSV has for a package URL.
fn package_of(purl: &str, version: &str) -> Result<(String, String, String), String> {
    let wrong = || {
        format!(
            "{purl:?} is no package URL such as pkg:pypi/name or pkg:deb/debian/name?distro=debian-12"
        )
    };
    let rest = purl.strip_prefix("pkg:").ok_or_else(wrong)?;
    let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let rest = rest.split(['@', '#']).next().unwrap_or(rest);
    let (kind, name) = rest.split_once('/').ok_or_else(wrong)?;
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.is_empty() {
        return Err(wrong());
    }
    let (ecosystem, name) = match kind {
        "cargo" => ("crates.io".to_owned(), last.to_owned()),
        "npm" => ("npm".to_owned(), name.replace("%40", "@")),
        "pypi" => ("PyPI".to_owned(), last.to_ascii_lowercase()),
        "golang" => ("Go".to_owned(), name.to_owned()),
        "deb" => {
            let distro = qualifiers
                .split('&')
                .find_map(|part| part.strip_prefix("distro=debian-"));
            let release = distro
                .map(|release| format!(":{release}"))
                .unwrap_or_default();
            (format!("Debian{release}"), last.to_owned())
        }
        other => {
            return Err(format!(
                "{purl:?}: packages of the type {other:?} are not known here; cargo, npm, pypi, golang and deb are"
            ));
        }
    };
    Ok((ecosystem, name, version.to_owned()))
}

/// The packages that are installed, of dpkg's `status` file, whose name is in `wanted` (all, if that is empty). `release` is the
/// release of Debian, such as `12`; empty: not known.
///
/// # Errors
/// What is wrong with the file, and in which line.
pub fn dpkg(status: &str, release: &str, wanted: &BTreeSet<String>) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
    let mut begin = 1_usize;
    let lines = status.lines().chain(std::iter::once(""));
    for (number, line) in (1_usize..).zip(lines) {
        if line.is_empty() {
            items.extend(
                installed(&fields, release, wanted)
                    .map_err(|why| format!("the package at line {begin}: {why}"))?,
            );
            fields.clear();
            begin = number.saturating_add(1);
        } else if !line.starts_with([' ', '\t']) {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("line {number} is no field"))?;
            fields.insert(name, value.trim());
        }
    }
    items.sort();
    items.dedup();
    Ok(items)
}

fn installed(
    fields: &BTreeMap<&str, &str>,
    release: &str,
    wanted: &BTreeSet<String>,
) -> Result<Option<Item>, String> {
    if fields.is_empty() {
        return Ok(None);
    }
    let field = |name: &'static str| {
        fields
            .get(name)
            .copied()
            .filter(|value| !value.is_empty())
            .ok_or(name)
    };
    let name = field("Package").map_err(|name| format!("it has no field {name}"))?;
    let is_there = fields
        .get("Status")
        .is_some_and(|status| status.ends_with(" installed"));
    if !is_there || !(wanted.is_empty() || wanted.contains(name)) {
        return Ok(None);
    }
    let version = field("Version").map_err(|missing| format!("{name} has no field {missing}"))?;
    // `Source: name (version)`, where they differ from the package's.
    let (source, source_version) = match field("Source") {
        Err(_) => (name, version),
        Ok(source) => match source.split_once(" (") {
            Some((source, version)) => (source, version.trim_end_matches(')')),
            None => (source, version),
        },
    };
    let ecosystem = match release {
        "" => "Debian".to_owned(),
        release => format!("Debian:{release}"),
    };
    let distro = match release {
        "" => String::new(),
        release => format!("?distro=debian-{release}"),
    };
    Ok(Some(Item {
        kind: ItemKind::Package,
        name: name.to_owned(),
        version: version.to_owned(),
        purl: format!(
            "pkg:deb/debian/{name}@{}{distro}",
            version.replace('+', "%2B").replace(':', "%3A")
        ),
        package: Some((ecosystem, source.to_owned(), source_version.to_owned())),
        products: Vec::new(),
    }))
}

/// The release of Debian that `os-release` tells; `None`: it is no Debian.
#[must_use]
pub fn debian_release(os_release: &str) -> Option<String> {
    let value = |name: &str| {
        let mut lines = os_release.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.map(|value| value.trim_matches('"').to_owned())
    };
    (value("ID")? == "debian").then(|| value("VERSION_ID"))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cpe_names_of_both_forms() {
        let found = cpe_of("cpe:2.3:a:OpenSSL:openssl:3.0.1:*:*:*:*:*:*:*").unwrap();
        assert_eq!(
            found,
            ("openssl".into(), "openssl".into(), Some("3.0.1".into()))
        );
        assert_eq!(
            cpe_of("cpe:/a:cisco:clamav"),
            Some(("cisco".into(), "clamav".into(), None))
        );
        assert_eq!(cpe_of("cpe:2.3:a:x\\:y:z:*").unwrap().0, "x:y");
        for wrong in [
            "",
            "cpe:",
            "cpe:/a",
            "cpe:/x:y:z",
            "cpe:/a:*:z",
            "cpe:2.3:a:b",
        ] {
            assert_eq!(cpe_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn packages_that_are_installed() {
        let status = "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9+deb12u9\nDescription: x\n more: y\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: unbound\nStatus: install ok installed\nVersion: 1:1.17.1-2\nSource: unbound (1.17.1-2)\n";
        let found = dpkg(status, "12", &BTreeSet::new()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|item| (item.name.as_str(), item.package.clone().unwrap()))
            .collect();
        assert_eq!(
            names[0],
            (
                "libc6",
                ("Debian:12".into(), "glibc".into(), "2.36-9+deb12u9".into())
            )
        );
        assert_eq!(
            names[1],
            (
                "unbound",
                ("Debian:12".into(), "unbound".into(), "1.17.1-2".into())
            )
        );
        assert_eq!(names.len(), 2);
        assert!(
            dpkg("Package: x\nnonsense\n", "", &BTreeSet::new())
                .unwrap_err()
                .contains("line 2")
        );
        assert_eq!(
            debian_release("ID=debian\nVERSION_ID=\"12\"\n").as_deref(),
            Some("12")
        );
        assert_eq!(debian_release("ID=fedora\nVERSION_ID=40\n"), None);
    }

    #[test]
    fn package_urls() {
        let of = |purl| Item::declared("x", "1", purl, "").map(|item| item.package.unwrap());
        assert_eq!(
            of("pkg:deb/debian/postfix@3.7?arch=amd64&distro=debian-12")
                .unwrap()
                .0,
            "Debian:12"
        );
        assert_eq!(
            of("pkg:pypi/Django").unwrap(),
            ("PyPI".into(), "django".into(), "1".into())
        );
        for wrong in ["postfix", "pkg:", "pkg:deb", "pkg:deb/", "pkg:swift/x"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert!(Item::declared("x", "1", "", "postfix").is_err());
    }
}
