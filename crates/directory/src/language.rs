//! In which language people are written to.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// In which language mail of the server's own is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
    /// Japanese first, then English.
    #[default]
    Both,
}

/// No language has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no language that people are written to in: ja, en or both is expected")]
pub struct UnknownLanguage(pub String);

impl Language {
    /// Its name, as commands, settings and the trail write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
            Self::Both => "both",
        }
    }

    /// What is said in Japanese and in English, in this language; between the two stands `between`.
    #[must_use]
    pub fn choose(self, ja: &str, en: &str, between: &str) -> String {
        match self {
            Self::Ja => ja.to_owned(),
            Self::En => en.to_owned(),
            Self::Both => format!("{ja}{between}{en}"),
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Ja, Self::En, Self::Both];
        let found = all.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| UnknownLanguage(text.to_owned()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
