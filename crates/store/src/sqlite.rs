//! The embedded engine. Nothing outside this module names SQLite.
//!
//! WAL with `synchronous=FULL`: one sync a commit, readers see their snapshot and never wait for the
//! writer. Automatic checkpoints are off: housekeeping does them beside the writer, which only helps when
//! its log has grown all the same.

pub(crate) mod beside;
#[cfg(feature = "simulation")]
pub(crate) mod vfs;

use std::{
    ffi::c_int,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{
    Connection as Handle, ErrorCode, OpenFlags,
    config::DbConfig,
    ffi,
    hooks::Wal,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    Error,
    disk::{self, Disk},
    schema::{self, Step},
    sql::{Engine, Row, Sql, Value, View},
};

/// Bytes of a page, which are SQLite's own choice.
const PAGE: u64 = 4096;
/// Bytes of the log before its first page, and before each page.
const LOG_HEADERS: (u64, u64) = (32, 24);
/// Prepared statements kept by each connection.
const STATEMENTS: usize = 256;
/// How long the writer waits for a checkpoint to let go.
const WRITER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a checkpoint that empties the log waits for readers; the writer waits meanwhile.
const ERASER_PATIENCE: Duration = Duration::from_millis(50);

/// A connection to the database.
pub(crate) struct Connection {
    handle: Handle,
    /// What ended the transaction by itself.
    broken: Option<Error>,
    /// Pages of the log, as of the last commit.
    log_pages: Arc<AtomicU64>,
}

impl Connection {
    /// The one that writes. Makes the file, for its owner only, when there is none.
    pub(crate) fn writer(on: &dyn Disk, path: &Path) -> Result<Self, Error> {
        // Not by SQLite: it would make its log and index files with the mode of the database, and it does not bring
        // the database's name to stable storage.
        disk::open_or_create(on, path).map_err(|error| Error::io(path, error))?;
        let mut handle = open(on, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        handle.busy_timeout(WRITER_PATIENCE).map_err(database)?;
        handle
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
                 PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;
                 PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;
                 PRAGMA journal_size_limit = 67108864;",
            )
            .map_err(database)?;
        let log_pages = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&log_pages);
        let noted = move |_: &mut Wal, pages: c_int| {
            count.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        handle.wal_hook(Some(noted)).map_err(database)?;
        Ok(Self {
            handle,
            broken: None,
            log_pages,
        })
    }

    /// One that only reads.
    pub(crate) fn reader(on: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let handle = open(on, path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        handle.busy_timeout(WRITER_PATIENCE).map_err(database)?;
        handle
            .execute_batch(
                "PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;
                 PRAGMA trusted_schema = OFF;",
            )
            .map_err(database)?;
        Ok(Self {
            handle,
            broken: None,
            log_pages: Arc::default(),
        })
    }

    /// One that only moves the log into the database.
    pub(crate) fn checkpointer(on: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let handle = open(on, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        handle.busy_timeout(ERASER_PATIENCE).map_err(database)?;
        handle
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
            .map_err(database)?;
        Ok(Self {
            handle,
            broken: None,
            log_pages: Arc::default(),
        })
    }

    /// Moves what it can of the log into the database without making anybody wait; bytes of the log.
    pub(crate) fn checkpoint(&self) -> Result<u64, Error> {
        let (_, pages) = self.move_log("PRAGMA wal_checkpoint(PASSIVE)")?;
        Ok(pages * PAGE)
    }

    /// Bytes of the log, as of this writer's last commit.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_pages.load(Ordering::Relaxed) * PAGE
    }

    /// Where the log ended in its file after this writer's last commit; 0 before the first.
    pub(crate) fn log_end(&self) -> u64 {
        let (first, each) = LOG_HEADERS;
        match self.log_pages.load(Ordering::Relaxed) {
            0 => 0,
            pages => first + pages * (each + PAGE),
        }
    }

    /// Moves the whole log into the database and empties it, so that nothing deleted survives there.
    /// `false` when a reader was in the way.
    pub(crate) fn empty_log(&self) -> Result<bool, Error> {
        let (done, _) = self.move_log("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(done)
    }

    fn move_log(&self, pragma: &str) -> Result<(bool, u64), Error> {
        let moved = self.handle.query_row(pragma, [], |row| {
            Ok((row.get::<_, i64>(0)? == 0, row.get::<_, i64>(1)?))
        });
        match moved {
            Ok((done, pages)) => Ok((done, u64::try_from(pages).unwrap_or(0))),
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == ErrorCode::DatabaseBusy =>
            {
                Ok((false, 0))
            }
            Err(error) => Err(database(error)),
        }
    }

    /// Starts a transaction that writes.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.run("BEGIN IMMEDIATE")
    }

    /// Starts a consistent view.
    pub(crate) fn begin_reading(&mut self) -> Result<(), Error> {
        self.run("BEGIN")
    }

    /// Ends it, durably.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        self.run("COMMIT")
    }

    /// Undoes it, if it is still there.
    pub(crate) fn rollback(&mut self) -> Result<(), Error> {
        if self.in_transaction() {
            self.run("ROLLBACK")?;
        }
        Ok(())
    }

    /// Whether a transaction is open. Some failures (a full disk) end it by themselves.
    pub(crate) fn in_transaction(&self) -> bool {
        !self.handle.is_autocommit()
    }

    /// What ended the transaction by itself, if that happened.
    pub(crate) fn take_broken(&mut self) -> Option<Error> {
        self.broken.take()
    }

    /// Notes a failure that ended the transaction.
    fn note<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result
            && !self.in_transaction()
        {
            self.broken = Some(error.again());
        }
        result
    }

    fn try_query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut prepared = self.handle.prepare_cached(sql).map_err(database)?;
        for (index, param) in params.iter().enumerate() {
            prepared
                .raw_bind_parameter(index + 1, Bound(*param))
                .map_err(database)?;
        }
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next().map_err(database)? {
            each(&Found(row))?;
        }
        Ok(())
    }

    fn try_execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error> {
        let mut prepared = self.handle.prepare_cached(sql).map_err(database)?;
        for (index, param) in params.iter().enumerate() {
            prepared
                .raw_bind_parameter(index + 1, Bound(*param))
                .map_err(database)?;
        }
        let changed = prepared.raw_execute().map_err(database)?;
        Ok(changed as u64)
    }

    /// A point to which [`Connection::undo_job`] returns.
    pub(crate) fn begin_job(&mut self) -> Result<(), Error> {
        self.run("SAVEPOINT job")
    }

    /// Keeps what was done since [`Connection::begin_job`].
    pub(crate) fn keep_job(&mut self) -> Result<(), Error> {
        self.run("RELEASE job")
    }

    /// Undoes it.
    pub(crate) fn undo_job(&mut self) -> Result<(), Error> {
        self.run("ROLLBACK TO job")?;
        self.run("RELEASE job")
    }

    fn run(&mut self, statement: &str) -> Result<(), Error> {
        let mut prepared = self.handle.prepare_cached(statement).map_err(database)?;
        prepared.raw_execute().map(|_| ()).map_err(database)
    }

    /// The format of the database; 0 when it is empty.
    pub(crate) fn format(&mut self) -> Result<i64, Error> {
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'";
        let mut count = 0;
        self.query(tables, &[], &mut |row| {
            count = row.int(0)?;
            Ok(())
        })?;
        if count == 0 {
            return Ok(0);
        }
        let mut format = None;
        self.query(
            "SELECT value FROM meta WHERE name = 'format'",
            &[],
            &mut |row| {
                format = row.text(0)?.parse().ok();
                Ok(())
            },
        )?;
        format.ok_or_else(|| Error::Corrupt("the database does not say its format".to_owned()))
    }

    /// Runs the statements of one step; the caller holds the transaction.
    pub(crate) fn apply(&mut self, step: &Step) -> Result<(), Error> {
        for file in step.files {
            for statement in schema::statements(file) {
                self.handle
                    .execute_batch(&dialect(&statement))
                    .map_err(|error| {
                        Error::Database(format!("format {}: {error}: {statement}", step.format))
                    })?;
            }
        }
        Ok(())
    }

    /// Copies the database as it is now to `path`, while others go on.
    pub(crate) fn copy_to(&mut self, path: &Path) -> Result<(), Error> {
        let mut target = open(
            &disk::RealDisk,
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        let backup = rusqlite::backup::Backup::new(&self.handle, &mut target).map_err(database)?;
        let done = backup.step(-1).map_err(database)?;
        if done == rusqlite::backup::StepResult::Done {
            Ok(())
        } else {
            Err(Error::Database(format!(
                "the copy did not finish: {done:?}"
            )))
        }
    }
}

/// Opens a database on `disk`.
fn open(disk: &dyn Disk, path: &Path, flags: OpenFlags) -> Result<Handle, Error> {
    let handle = handle(disk, path, flags).map_err(database)?;
    handle.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(handle)
}

/// The engine's own handle to a file on `disk`.
pub(crate) fn handle(disk: &dyn Disk, path: &Path, flags: OpenFlags) -> rusqlite::Result<Handle> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let handle = match disk.engine() {
        Some(name) => Handle::open_with_flags_and_vfs(path, flags, name),
        None => Handle::open_with_flags(path, flags),
    }?;
    // One plan for each statement, whatever is bound to it: else SQLite compiles it anew for other values.
    handle.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(handle)
}

/// A portable `CREATE TABLE` as this engine wants it: a 64-bit primary key is the table's own order
/// here; tables with other keys are kept in the order of their key.
fn dialect(statement: &str) -> String {
    if !statement.starts_with("CREATE TABLE") {
        return statement.to_owned();
    }
    if statement.contains("BIGINT PRIMARY KEY") {
        return statement.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY");
    }
    if statement.contains("PRIMARY KEY") {
        return format!("{statement} WITHOUT ROWID");
    }
    statement.to_owned()
}

impl Sql for Connection {
    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let result = self.try_query(sql, params, each);
        self.note(result)
    }
}

impl View for Connection {
    fn examine(&mut self, table: &str) -> Result<Vec<String>, Error> {
        let mut said = Vec::new();
        let examined = self.query(
            &format!("PRAGMA integrity_check({table})"),
            &[],
            &mut |row| {
                let line = row.text(0)?;
                if line != "ok" {
                    said.push(line);
                }
                Ok(())
            },
        );
        match examined {
            Err(Error::Corrupt(line)) => said.push(line),
            other => other?,
        }
        let orphans = format!("PRAGMA foreign_key_check({table})");
        self.query(&orphans, &[], &mut |row| {
            said.push(format!("a row refers to a missing one in {}", row.text(2)?));
            Ok(())
        })?;
        Ok(said)
    }
}

impl Engine for Connection {
    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error> {
        let result = self.try_execute(sql, params);
        self.note(result)
    }

    fn reindex(&mut self, table: &str) -> Result<(), Error> {
        self.execute(&format!("REINDEX {table}"), &[]).map(drop)
    }
}

struct Bound<'a>(Value<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(int),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

struct Found<'a>(&'a rusqlite::Row<'a>);

impl Row for Found<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>, Error> {
        match self.0.get_ref(column).map_err(database)? {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(int) => Ok(Value::Int(int)),
            ValueRef::Text(text) => std::str::from_utf8(text)
                .map(Value::Text)
                .map_err(|_| Error::Corrupt(format!("column {column} is not UTF-8"))),
            ValueRef::Blob(bytes) => Ok(Value::Blob(bytes)),
            ValueRef::Real(_) => Err(Error::Corrupt(format!("column {column} is a fraction"))),
        }
    }
}

/// What a failure of the engine means to the store's callers.
#[allow(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn database(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, text) = &error else {
        return Error::Database(error.to_string());
    };
    let text = text.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            Error::Full
        }
        ErrorCode::ReadOnly => Error::ReadOnly(text),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(text),
        _ => Error::Database(format!("{text} ({})", failure.extended_code)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_take_the_form_that_suits_their_keys() {
        assert_eq!(
            dialect("CREATE TABLE a (\n  id BIGINT PRIMARY KEY\n)"),
            "CREATE TABLE a (\n  id INTEGER PRIMARY KEY\n)"
        );
        assert_eq!(
            dialect("CREATE TABLE a (b TEXT, PRIMARY KEY (b))"),
            "CREATE TABLE a (b TEXT, PRIMARY KEY (b)) WITHOUT ROWID"
        );
        assert_eq!(
            dialect("CREATE INDEX a ON b (c)"),
            "CREATE INDEX a ON b (c)"
        );
    }
}
