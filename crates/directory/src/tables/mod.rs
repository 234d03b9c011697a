//! The directory's tables (`directory.sql`, `life.sql`, `access.sql`, `incident.sql`, `submission.sql` and, of `duties.sql`, the first two in `store/src/schema`) as Rust sees them. No rule is decided here.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod app_password;
pub(crate) mod block;
pub(crate) mod copied;
pub(crate) mod credential;
pub(crate) mod forward;
pub(crate) mod incident;
pub(crate) mod language;
pub(crate) mod lever;
pub(crate) mod life;
pub(crate) mod officer;
pub(crate) mod order;
pub(crate) mod person;
pub(crate) mod plaintext;
pub(crate) mod reading;
pub(crate) mod register;
pub(crate) mod roster;
pub(crate) mod second_factor;
pub(crate) mod shared;
pub(crate) mod submitted;

use jiff::Timestamp;
use store::{Error, sql::Row};

/// A time, where there may be none.
fn maybe_time(row: &dyn Row, column: usize) -> Result<Option<Timestamp>, Error> {
    match row.maybe_int(column)? {
        None => Ok(None),
        Some(_) => row.time(column).map(Some),
    }
}

/// A column that should hold one of a few names, and holds something else.
fn strange(column: &str, found: &str) -> Error {
    Error::Corrupt(format!("{column} holds {found:?}"))
}
