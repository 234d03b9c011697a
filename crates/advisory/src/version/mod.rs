//! How versions compare, as those who give them define it.

mod debian;
mod generic;
mod semver;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// A way to compare versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Semantic Versioning 2.0.0, as cargo reads it.
    Semver,
    /// dpkg's (Debian Policy, section 5.6.12).
    Debian,
    /// Numbers between dots, for all others; letters compare as letters, and `*` is above every number.
    Generic,
}

impl Scheme {
    /// The scheme of an ecosystem of OSV.
    #[must_use]
    pub fn of_ecosystem(ecosystem: &str) -> Self {
        match ecosystem.split(':').next().unwrap_or_default() {
            "crates.io" | "npm" | "Go" | "Hex" | "Pub" | "SwiftURL" => Self::Semver,
            "Debian" | "Ubuntu" => Self::Debian,
            _ => Self::Generic,
        }
    }

    /// Which of two versions is later; `None`: one of them is no version of this scheme.
    #[must_use]
    pub fn compare(self, one: &str, other: &str) -> Option<Ordering> {
        match self {
            Self::Semver => semver::compare(one, other),
            Self::Debian => debian::compare(one, other),
            Self::Generic => generic::compare(one, other),
        }
    }
}
