//! Events as the Merkle tree and exported volumes hold them.
//!
//! An event is one line of JSON, always the same for the same event. The tree does not hold the line but a commitment to it:
//! SHA-256 over a random salt and the line. Who has line and salt can prove the event; once both are erased, what is left in the
//! tree tells nothing of it and still proves all the others.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::merkle::{Hash, leaf_hash, sha256};

/// The salt of an event's commitment.
pub type Salt = [u8; 16];

/// An event as it is stored, in the order of its line's fields.
#[derive(Debug, Serialize)]
pub struct Entry<'e> {
    /// Its number.
    pub id: i64,
    /// When it was committed, in microseconds since 1970.
    #[serde(serialize_with = "time")]
    pub at: i64,
    /// The version of its schema.
    pub version: i64,
    /// The name of its kind.
    pub kind: &'e str,
    /// The actor's text.
    pub actor: &'e str,
    /// The name of its outcome.
    pub outcome: &'e str,
    /// The network address, if any.
    pub address: Option<&'e str>,
    /// What it was done to.
    pub subject: &'e str,
    /// The order that permitted it, if any.
    pub order: Option<i64>,
    /// Further facts: the text of a JSON object, which stands in the line as it is.
    pub detail: &'e RawValue,
}

impl Entry<'_> {
    /// The line, without its end. `None` when an event cannot be written so; none that the store made is.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

/// As RFC 3339 in UTC, always with six digits of the second's fraction.
fn time<S: serde::Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    let at = jiff::Timestamp::from_microsecond(*micros).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&format_args!("{at:.6}"))
}

/// The leaf of the tree for an event with this line.
#[must_use]
pub fn leaf(salt: &Salt, line: &str) -> Hash {
    leaf_hash(&sha256(&[salt, line.as_bytes()]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(detail: &str) -> Option<String> {
        let detail: Box<RawValue> = serde_json::from_str(detail).unwrap();
        let entry = Entry {
            id: 7,
            at: 1_764_201_600_000_000,
            version: 1,
            kind: "smtp.accepted",
            actor: "peer",
            outcome: "success",
            address: None,
            subject: "会議 \"1\"\n",
            order: Some(3),
            detail: &detail,
        };
        entry.line()
    }

    #[test]
    fn a_line_is_always_the_same() {
        assert_eq!(
            line(r#"{"b":1,"a":"é"}"#).unwrap(),
            "{\"id\":7,\"at\":\"2025-11-27T00:00:00.000000Z\",\"version\":1,\"kind\":\"smtp.accepted\",\
             \"actor\":\"peer\",\"outcome\":\"success\",\"address\":null,\"subject\":\"会議 \\\"1\\\"\\n\",\
             \"order\":3,\"detail\":{\"b\":1,\"a\":\"é\"}}"
        );
    }

    #[test]
    fn a_leaf_depends_on_line_and_salt() {
        let leaves = [
            leaf(&[0; 16], "a"),
            leaf(&[1; 16], "a"),
            leaf(&[0; 16], "b"),
        ];
        assert_ne!(leaves[0], leaves[1]);
        assert_ne!(leaves[0], leaves[2]);
    }
}
