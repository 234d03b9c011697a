//! The directory's tables (`store/src/schema/directory.sql`) as Rust sees them. No rule is decided here.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod credential;
pub(crate) mod order;
pub(crate) mod person;

use store::Error;

/// A column that should hold one of a few names, and holds something else.
fn strange(column: &str, found: &str) -> Error {
    Error::Corrupt(format!("{column} holds {found:?}"))
}
