//! `[probe]`: the server's own listeners are probed (clauses 4.3(6), 5.1(1), 6.1(1)).

use std::path::{Path, PathBuf};

use jiff::civil;
use rustls::RootCertStore;
use serde::{Deserialize, Deserializer, de};

use super::policy::roots;

/// `[probe]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProbeKeys {
    /// When, each day, by the organisation's time zone; `false`: never.
    pub(crate) daily: Daily,
    /// PEM file of the roots that vouch for the site's certificate; relative to the site's directory. Default: the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for ProbeKeys {
    fn default() -> Self {
        Self {
            daily: Daily(Some(civil::time(4, 40, 0, 0))),
            ca_file: None,
        }
    }
}

impl ProbeKeys {
    /// The roots, from their file.
    pub(crate) fn roots(&self, directory: &Path) -> Result<Option<RootCertStore>, String> {
        let file = self.ca_file.as_ref();
        file.map(|file| roots(&directory.join(file))).transpose()
    }
}

/// A time of the day, `"04:40"`, or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Daily(pub(crate) Option<civil::Time>);

impl<'de> Deserialize<'de> for Daily {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Daily;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time of the day such as \"04:40\", or false (never)")
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Daily, E> {
                match on {
                    true => Err(E::invalid_value(de::Unexpected::Bool(on), &self)),
                    false => Ok(Daily(None)),
                }
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Daily, E> {
                civil::Time::strptime("%H:%M", text)
                    .map(|time| Daily(Some(time)))
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<ProbeKeys, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_time_of_the_day_or_never() {
        assert_eq!(
            read("").unwrap().daily,
            Daily(Some(civil::time(4, 40, 0, 0)))
        );
        let keys = read("daily = \"23:05\"").unwrap();
        assert_eq!(keys.daily, Daily(Some(civil::time(23, 5, 0, 0))));
        assert_eq!(read("daily = false").unwrap().daily, Daily(None));
        for wrong in [
            "daily = true",
            "daily = \"24:00\"",
            "daily = \"4\"",
            "daily = 4",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
