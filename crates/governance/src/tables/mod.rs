//! The tables of `governance.sql` and most of `duties.sql` as Rust sees them. No rule is decided here.

pub(crate) mod capacity;
pub(crate) mod expert;
pub(crate) mod incident;
pub(crate) mod occasion;
pub(crate) mod report;
pub(crate) mod standing;
pub(crate) mod task;

use jiff::Timestamp;
use serde_json::{Map, Value};
use store::{Error, sql::Row};

/// A time, where there may be none.
fn maybe_time(row: &dyn Row, column: usize) -> Result<Option<Timestamp>, Error> {
    match row.maybe_int(column)? {
        None => Ok(None),
        Some(_) => row.time(column).map(Some),
    }
}

/// A column that holds an object.
fn object(text: &str) -> Result<Map<String, Value>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt(format!("an object: {error}")))
}

/// An object as a column holds it.
fn text(object: &Map<String, Value>) -> String {
    Value::Object(object.clone()).to_string()
}
