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
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// When it was committed, in microseconds since 1970; as RFC 3339 in UTC in the line, with six digits of the second's fraction.
    #[serde(serialize_with = "time")]
    pub at: i64,
    /// The version of its schema.
    pub version: i64,
    /// The name of its kind.
    pub kind: String,
    /// The actor's text.
    pub actor: String,
    /// The name of its outcome.
    pub outcome: String,
    /// The network address, if any.
    pub address: Option<String>,
    /// What it was done to.
    pub subject: String,
    /// The order that permitted it, if any.
    pub order: Option<i64>,
    /// Further facts: the text of a JSON object, which stands in the line as it is.
    #[serde(serialize_with = "detail")]
    pub detail: String,
}

impl Entry {
    /// The line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        // Nothing that a row can hold fails to be written: see `time` and `detail`.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A number that is no time, which the store never writes, is told as it is.
fn time<S: serde::Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_microsecond(*micros) {
        Ok(at) => serializer.collect_str(&format_args!("{at:.6}")),
        Err(_) => serializer.serialize_i64(*micros),
    }
}

/// A text that is no JSON in one line, which the store never writes, is told as a text.
fn detail<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) if !text.contains('\n') => raw.serialize(serializer),
        _ => serializer.serialize_str(text),
    }
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

    fn line(at: i64, detail: &str) -> String {
        let entry = Entry {
            id: 7,
            at,
            version: 1,
            kind: "smtp.accepted".to_owned(),
            actor: "peer".to_owned(),
            outcome: "success".to_owned(),
            address: None,
            subject: "会議 \"1\"\n".to_owned(),
            order: Some(3),
            detail: detail.to_owned(),
        };
        entry.line()
    }

    #[test]
    fn a_line_is_always_the_same() {
        assert_eq!(
            line(1_764_201_600_000_000, r#"{"b":1,"a":"é"}"#),
            "{\"id\":7,\"at\":\"2025-11-27T00:00:00.000000Z\",\"version\":1,\"kind\":\"smtp.accepted\",\
             \"actor\":\"peer\",\"outcome\":\"success\",\"address\":null,\"subject\":\"会議 \\\"1\\\"\\n\",\
             \"order\":3,\"detail\":{\"b\":1,\"a\":\"é\"}}"
        );
    }

    #[test]
    fn what_was_never_written_is_a_line_too() {
        for detail in ["", "{\n}", "x", "{} {}"] {
            let line = line(i64::MAX, detail);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["detail"], detail);
            assert_eq!(read["at"], i64::MAX);
            assert!(!line.contains('\n'));
        }
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
