//! Times and sizes as people write them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A time: `250ms`, `30s`, `5m`, `4h`, `10d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

/// A size: `512B`, `64KiB`, `50MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Time {
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads the text; `None` when it is no such thing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(Self(Duration::from_millis(
            number.checked_mul(milliseconds)?,
        )))
    }
}

impl Size {
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// Reads the text; `None` when it is no such thing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let octets: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        Some(Self(number.checked_mul(octets)?))
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

macro_rules! deserialize_from_text {
    ($type:ident, $expecting:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text)
                            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

deserialize_from_text!(Time, "a time such as \"30s\", \"5m\", \"4h\" or \"10d\"");
deserialize_from_text!(Size, "a size such as \"64KiB\", \"50MiB\" or \"1GiB\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(Time::parse("5m"), Some(Time::seconds(300)));
        assert_eq!(Time::parse("5"), None);
        assert_eq!(Time::parse("99999999999999999999d"), None);
        assert_eq!(Size::parse("50MiB"), Some(Size::mebibytes(50)));
        assert_eq!(Size::parse("50 MB"), None);
        assert_eq!(Size::parse(&format!("{}GiB", u64::MAX)), None);
    }
}
