//! Files beside the database that can be made anew from it: indexes.
//!
//! WAL with `synchronous = NORMAL` loses at most the newest transactions when power fails, never the file. Such a file
//! says its format in `meta.format`, and in the same transaction as its contents how far it has followed the database
//! in `meta.watermark`: what was lost is simply written again.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use crate::{
    Error,
    disk::{self, Disk},
};

/// What such a file is.
pub(crate) struct Sort {
    /// Its name in messages.
    pub(crate) name: &'static str,
    /// What this build writes. A file of another format is made anew.
    pub(crate) format: i64,
    /// Its tables, without `meta`.
    pub(crate) tables: &'static str,
}

impl Sort {
    /// Opens the file, or makes it. One that is damaged or of another format is made anew.
    pub(crate) fn open(&self, on: &dyn Disk, path: &Path) -> Result<Connection, Error> {
        match self.open_existing(on, path) {
            Ok(Some(file)) => Ok(file),
            Ok(None) => self.create(on, path),
            Err(error @ Error::Corrupt(_)) => {
                tracing::warn!(path = %path.display(), %error, "the {} is made anew", self.name);
                remove(on, path)?;
                self.create(on, path)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the file if there is one.
    pub(crate) fn open_existing(
        &self,
        on: &dyn Disk,
        path: &Path,
    ) -> Result<Option<Connection>, Error> {
        let size = on.size(path).map_err(|error| Error::io(path, error))?;
        if size.is_none() {
            return Ok(None);
        }
        let handle = self.connect(on, path)?;
        let format: rusqlite::Result<Option<i64>> = handle
            .query_row("SELECT format FROM meta", [], |row| row.get(0))
            .optional();
        match format {
            Ok(Some(format)) if format == self.format => Ok(Some(handle)),
            Ok(_) => Err(Error::Corrupt(format!("a {} of another format", self.name))),
            // Without tables: another connection is making it, or died before it had.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn create(&self, on: &dyn Disk, path: &Path) -> Result<Connection, Error> {
        disk::open_or_create(on, path).map_err(|error| Error::io(path, error))?;
        let mut handle = self.connect(on, path)?;
        let mut make = || -> rusqlite::Result<()> {
            let transaction = handle.transaction()?;
            transaction.execute_batch(&format!(
                "CREATE TABLE meta (format INTEGER NOT NULL, watermark INTEGER NOT NULL);
                 INSERT INTO meta VALUES ({}, 0);
                 {}",
                self.format, self.tables
            ))?;
            transaction.commit()
        };
        make().map_err(|error| self.failed(&error))?;
        Ok(handle)
    }

    fn connect(&self, on: &dyn Disk, path: &Path) -> Result<Connection, Error> {
        let connect = || -> rusqlite::Result<Connection> {
            let handle = super::handle(on, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            handle.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
                 PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000;
                 PRAGMA trusted_schema = OFF;",
            )?;
            Ok(handle)
        };
        connect().map_err(|error| self.failed(&error))
    }

    /// What a failure of the engine means to those who use the file.
    pub(crate) fn failed(&self, error: &rusqlite::Error) -> Error {
        let said = format!("{}: {error}", self.name);
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt(said),
            Some(ErrorCode::DiskFull) => Error::Full,
            _ => Error::Database(said),
        }
    }
}

/// Moves the watermark within the transaction that adds what lies between. `false` when it does not stand at `from`: the
/// file was made anew since it was asked, and lacks what lies before.
pub(crate) fn advance(transaction: &Connection, from: i64, to: i64) -> rusqlite::Result<bool> {
    let moved = "UPDATE meta SET watermark = ?1 WHERE watermark = ?2";
    Ok(transaction.execute(moved, [to, from])? > 0)
}

/// Octets written in one go over a file that is to go.
const PIECE: usize = 1 << 20;

fn write_over(on: &dyn Disk, path: &Path) -> std::io::Result<()> {
    let file = match on.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = file.length()?;
    let zeros = vec![0; PIECE];
    let mut at = 0;
    while at < length {
        let piece = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        file.write_at(&[zeros.get(..piece).unwrap_or_default()], at)?;
        at += piece as u64;
    }
    file.sync()
}

/// Removes a file with its log, written over before, since what was taken from sealed mail stands in it in plain.
pub(crate) fn remove(on: &dyn Disk, path: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        if let Err(error) = write_over(on, &file) {
            tracing::warn!(path = %file.display(), %error, "a file is removed that could not be written over");
        }
        match on.remove(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&file, error));
            }
            _ => {}
        }
    }
    Ok(())
}
