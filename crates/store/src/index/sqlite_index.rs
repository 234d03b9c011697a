//! The index's engine: one SQLite file with an FTS5 table for each account, so that forgetting an account is
//! removing a file. Nothing outside this module names the engine.

mod examine;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use super::Field;
use super::gram::Condition;
use crate::{
    BodyId, EmailId, Error,
    disk::{self, Disk},
    sqlite,
};

/// What this build writes. A file of another format is made anew.
const FORMAT: i64 = 1;

/// WAL with `synchronous = NORMAL` loses at most the newest transactions when power fails, never the file:
/// the watermark stands in the same transaction as the grams, so they are simply written again. The
/// tokenizer `ascii` takes all that is not ASCII as it is, and of ASCII a gram holds letters and digits only.
const SCHEMA: &str = "
    CREATE TABLE meta (format INTEGER NOT NULL, watermark INTEGER NOT NULL);
    INSERT INTO meta VALUES (1, 0);
    CREATE TABLE document (email INTEGER PRIMARY KEY, body INTEGER NOT NULL, complete INTEGER NOT NULL);
    CREATE INDEX document_incomplete ON document (email) WHERE complete = 0;
    CREATE VIRTUAL TABLE gram USING fts5(
        grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
";

pub(super) use examine::Examined;

/// A message for the index.
pub(super) struct Document {
    pub(super) email: EmailId,
    pub(super) body: BodyId,
    /// Its marked grams, divided by spaces; `None`: it cannot be indexed and is always a candidate.
    pub(super) grams: Option<String>,
}

/// An account's file, open for reading and writing.
pub(super) struct File {
    handle: Connection,
}

impl File {
    /// Opens the file, or makes it. One that is damaged or of another format is made anew.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        match Self::open_existing(disk, path) {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Self::create(disk, path),
            Err(error @ Error::Corrupt(_)) => {
                tracing::warn!(path = %path.display(), %error, "a search index is made anew");
                remove(disk, path)?;
                Self::create(disk, path)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the file if there is one.
    pub(super) fn open_existing(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, Error> {
        let size = disk.size(path).map_err(|error| Error::io(path, error))?;
        if size.is_none() {
            return Ok(None);
        }
        let handle = connect(disk, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let format: rusqlite::Result<Option<i64>> = handle
            .query_row("SELECT format FROM meta", [], |row| row.get(0))
            .optional();
        match format {
            Ok(Some(FORMAT)) => Ok(Some(Self { handle })),
            Ok(_) => Err(Error::Corrupt(
                "a search index of another format".to_owned(),
            )),
            // Without tables: another connection is making it, or died before it had.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => Ok(None),
            Err(error) => Err(database(error)),
        }
    }

    fn create(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        disk::open_or_create(disk, path).map_err(|error| Error::io(path, error))?;
        let mut handle = connect(disk, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let transaction = handle.transaction().map_err(database)?;
        transaction.execute_batch(SCHEMA).map_err(database)?;
        transaction.commit().map_err(database)?;
        Ok(Self { handle })
    }

    /// All messages of the account up to this one are in the file.
    pub(super) fn watermark(&self) -> Result<EmailId, Error> {
        self.handle
            .query_row("SELECT watermark FROM meta", [], |row| row.get(0))
            .map(EmailId)
            .map_err(database)
    }

    /// Adds `documents` and moves the watermark, at once.
    pub(super) fn add(&mut self, documents: &[Document], watermark: EmailId) -> Result<(), Error> {
        let transaction = self.handle.transaction().map_err(database)?;
        {
            let mut name = transaction
                .prepare_cached("INSERT INTO document (email, body, complete) VALUES (?1, ?2, ?3)")
                .map_err(database)?;
            let mut index = transaction
                .prepare_cached("INSERT INTO gram (rowid, grams) VALUES (?1, ?2)")
                .map_err(database)?;
            for document in documents {
                name.execute(params![
                    document.email.0,
                    document.body.0,
                    document.grams.is_some()
                ])
                .map_err(database)?;
                if let Some(grams) = &document.grams {
                    index
                        .execute(params![document.email.0, grams])
                        .map_err(database)?;
                }
            }
        }
        transaction
            .execute("UPDATE meta SET watermark = ?1", params![watermark.0])
            .map_err(database)?;
        transaction.commit().map_err(database)
    }

    /// Removes messages.
    pub(super) fn remove(&mut self, emails: &[EmailId]) -> Result<(), Error> {
        let transaction = self.handle.transaction().map_err(database)?;
        {
            let mut index = transaction
                .prepare_cached("DELETE FROM gram WHERE rowid = ?1")
                .map_err(database)?;
            let mut name = transaction
                .prepare_cached("DELETE FROM document WHERE email = ?1")
                .map_err(database)?;
            for email in emails {
                index.execute(params![email.0]).map_err(database)?;
                name.execute(params![email.0]).map_err(database)?;
            }
        }
        transaction.commit().map_err(database)
    }

    /// Messages after `after`, ascending, at most `limit`.
    pub(super) fn documents(&self, after: EmailId, limit: usize) -> Result<Vec<EmailId>, Error> {
        let mut statement = self
            .handle
            .prepare_cached("SELECT email FROM document WHERE email > ?1 ORDER BY email LIMIT ?2")
            .map_err(database)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![after.0, limit], |row| row.get(0).map(EmailId))
            .map_err(database)?;
        rows.collect::<Result<_, _>>().map_err(database)
    }

    /// The messages that fulfil all `conditions` in `field`, the watermark, and those that are always candidates:
    /// one consistent view.
    pub(super) fn candidates(
        &mut self,
        conditions: &[Condition<'_>],
        field: Field,
    ) -> Result<(Vec<(EmailId, BodyId)>, EmailId), Error> {
        let transaction = self.handle.transaction().map_err(database)?;
        let watermark = transaction
            .query_row("SELECT watermark FROM meta", [], |row| row.get(0))
            .map(EmailId)
            .map_err(database)?;
        let mut statement = transaction
            .prepare_cached(
                "SELECT d.email, d.body FROM gram JOIN document d ON d.email = gram.rowid WHERE gram MATCH ?1 \
                 UNION ALL SELECT email, body FROM document WHERE complete = 0 ORDER BY 1",
            )
            .map_err(database)?;
        let rows = statement
            .query_map(params![expression(conditions, field)], |row| {
                Ok((EmailId(row.get(0)?), BodyId(row.get(1)?)))
            })
            .map_err(database)?;
        let found = rows.collect::<Result<_, _>>().map_err(database)?;
        Ok((found, watermark))
    }
}

/// Removes an account's file with its log.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match disk.remove(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&file, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The marks that stand before grams: where in the message they are from.
pub(super) const IN_HEADERS: char = 'h';
pub(super) const IN_BODY: char = 'b';

fn expression(conditions: &[Condition<'_>], field: Field) -> String {
    let all = |mark: char| -> String {
        let terms: Vec<String> = conditions
            .iter()
            .map(|condition| {
                let star = if condition.prefix { "*" } else { "" };
                format!("\"{mark}{}\"{star}", condition.gram)
            })
            .collect();
        terms.join(" AND ")
    };
    match field {
        Field::Headers => all(IN_HEADERS),
        Field::Body => all(IN_BODY),
        Field::Text => format!("({}) OR ({})", all(IN_HEADERS), all(IN_BODY)),
    }
}

fn connect(disk: &dyn Disk, path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let handle = sqlite::handle(disk, path, flags).map_err(database)?;
    handle
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
             PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000; PRAGMA trusted_schema = OFF;",
        )
        .map_err(database)?;
    Ok(handle)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn database(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Corrupt(format!("search index: {error}"))
        }
        _ => Error::Database(format!("search index: {error}")),
    }
}
