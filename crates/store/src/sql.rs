//! The narrow, portable SQL that domain logic is written in.
//!
//! Statements use `?1`, `?2` … for parameters; integers are 64-bit, text is UTF-8, blobs are bytes.
//! Allowed: SELECT with joins, INSERT … ON CONFLICT, UPDATE, DELETE, RETURNING. Not allowed: anything that only
//! one engine has (rowid, PRAGMA, AUTOINCREMENT, INSERT OR REPLACE, typeof, FTS functions).

use crate::Error;

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// A 64-bit integer; booleans are 0 and 1; times are microseconds since 1970 in UTC.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

macro_rules! from_int {
    ($($int:ty),*) => {$(
        impl From<$int> for Value<'_> {
            fn from(int: $int) -> Self {
                Self::Int(i64::from(int))
            }
        }
    )*};
}
from_int!(i64, i32, u32, u16, u8, bool);

macro_rules! from_id {
    ($($id:ident),*) => {$(
        impl From<crate::$id> for Value<'_> {
            fn from(id: crate::$id) -> Self {
                Self::Int(id.0)
            }
        }
    )*};
}
from_id!(
    AccountId, BodyId, EmailId, EventId, MailboxId, PersonId, QueueId, ThreadId
);

impl From<jiff::Timestamp> for Value<'_> {
    fn from(at: jiff::Timestamp) -> Self {
        Self::Int(at.as_microsecond())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(maybe: Option<T>) -> Self {
        maybe.map_or(Self::Null, Into::into)
    }
}

/// `params![a, b]` is a `&[Value]` of values that convert.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::Value::from($value)),*] as &[$crate::sql::Value<'_>] };
}

/// One row of an answer; columns count from 0.
pub trait Row {
    /// The column as it is. [`Error::Database`] when there is no such column.
    ///
    /// # Errors
    /// When there is no such column.
    fn value(&self, column: usize) -> Result<Value<'_>, Error>;
}

impl dyn Row + '_ {
    /// An integer column.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn int(&self, column: usize) -> Result<i64, Error> {
        match self.value(column)? {
            Value::Int(int) => Ok(int),
            other => Err(mismatch(column, "an integer", other)),
        }
    }

    /// A counter column: an integer that is never negative.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn count(&self, column: usize) -> Result<u64, Error> {
        let int = self.int(column)?;
        u64::try_from(int).map_err(|_| mismatch(column, "a count", Value::Int(int)))
    }

    /// An integer column that may be NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn maybe_int(&self, column: usize) -> Result<Option<i64>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(int) => Ok(Some(int)),
            other => Err(mismatch(column, "an integer or NULL", other)),
        }
    }

    /// A time column (microseconds since 1970).
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn time(&self, column: usize) -> Result<jiff::Timestamp, Error> {
        let int = self.int(column)?;
        jiff::Timestamp::from_microsecond(int)
            .map_err(|_| mismatch(column, "a time", Value::Int(int)))
    }

    /// A time column that may be NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn maybe_time(&self, column: usize) -> Result<Option<jiff::Timestamp>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            _ => self.time(column).map(Some),
        }
    }

    /// A text column.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn text(&self, column: usize) -> Result<String, Error> {
        match self.value(column)? {
            Value::Text(text) => Ok(text.to_owned()),
            other => Err(mismatch(column, "text", other)),
        }
    }

    /// A text column that may be NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn maybe_text(&self, column: usize) -> Result<Option<String>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.to_owned())),
            other => Err(mismatch(column, "text or NULL", other)),
        }
    }

    /// A blob column.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn blob(&self, column: usize) -> Result<Vec<u8>, Error> {
        match self.value(column)? {
            Value::Blob(bytes) => Ok(bytes.to_vec()),
            other => Err(mismatch(column, "bytes", other)),
        }
    }

    /// A blob column that may be NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn maybe_blob(&self, column: usize) -> Result<Option<Vec<u8>>, Error> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Blob(bytes) => Ok(Some(bytes.to_vec())),
            other => Err(mismatch(column, "bytes or NULL", other)),
        }
    }
}

fn mismatch(column: usize, wanted: &str, found: Value<'_>) -> Error {
    let found = match found {
        Value::Null => "NULL",
        Value::Int(_) => "an integer out of range",
        Value::Text(_) => "text",
        Value::Blob(_) => "bytes",
    };
    Error::Corrupt(format!(
        "column {column} should hold {wanted} but holds {found}"
    ))
}

/// What can be asked, in a snapshot and in a transaction alike.
pub trait Sql {
    /// Runs a query and hands each row to `each`, which can stop it by an error.
    ///
    /// # Errors
    /// When the database refuses the statement, or `each` fails.
    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// What a database engine does for a snapshot.
pub(crate) trait View: Sql {
    /// The engine's own examination of a table with its indexes: what it complains about.
    fn examine(&mut self, table: &str) -> Result<Vec<String>, Error>;
}

/// What a database engine does for a transaction that writes.
pub(crate) trait Engine: Sql {
    /// Executes one changing statement; how many rows it changed.
    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error>;
    /// Makes the indexes of a table anew from its rows.
    fn reindex(&mut self, table: &str) -> Result<(), Error>;
}

/// All rows of a query, mapped.
///
/// # Errors
/// Those of [`Sql::query`] and of `map`.
pub fn rows<T>(
    sql: &mut dyn Sql,
    statement: &str,
    params: &[Value<'_>],
    mut map: impl FnMut(&dyn Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    sql.query(statement, params, &mut |row| {
        found.push(map(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// The first row of a query, mapped, if there is one.
///
/// # Errors
/// Those of [`Sql::query`] and of `map`.
pub fn first<T>(
    sql: &mut dyn Sql,
    statement: &str,
    params: &[Value<'_>],
    mut map: impl FnMut(&dyn Row) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut found = None;
    sql.query(statement, params, &mut |row| {
        if found.is_none() {
            found = Some(map(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}
