//! A look at an account's file from beside, with a connection that only reads.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::{super::packed::Texts, Kept, SORT, database, roll};
use crate::{EmailId, Error, disk::Disk, mailbox::Roll, sqlite};

/// A file under examination.
pub(in crate::index) struct Examined {
    handle: Connection,
}

impl Examined {
    /// Opens the file; `None` when there is none, or none of this format: then it is about to be made anew.
    pub(in crate::index) fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, Error> {
        let size = disk.size(path).map_err(|error| Error::io(path, error))?;
        if size.is_none() {
            return Ok(None);
        }
        // Whoever may only read cannot take over the log that a power failure left. Nothing is changed: see the next statement.
        let handle = sqlite::handle(disk, path, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let handle = handle.map_err(database)?;
        handle
            .execute_batch("PRAGMA query_only = ON; PRAGMA busy_timeout = 10000;")
            .map_err(database)?;
        let format: rusqlite::Result<i64> =
            handle.query_row("SELECT format FROM meta", [], |row| row.get(0));
        match format {
            Ok(format) if format != SORT.format => Ok(None),
            // Without tables: it is just being made, or who made it died before it had.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => Ok(None),
            // What else is wrong with it, the engine says when it is asked.
            _ => Ok(Some(Self { handle })),
        }
    }

    /// What the engine complains about.
    pub(in crate::index) fn complaints(&self) -> Result<Vec<String>, Error> {
        let mut statement = self
            .handle
            .prepare("PRAGMA integrity_check(10)")
            .map_err(database)?;
        let lines = statement
            .query_map([], |row| row.get::<_, String>(0))
            .map_err(database)?;
        let lines: Vec<String> = lines.collect::<Result<_, _>>().map_err(database)?;
        let mut lines: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
        let left = "SELECT count(*) FROM text WHERE email NOT IN (SELECT email FROM document)";
        let left: i64 = self
            .handle
            .query_row(left, [], |row| row.get(0))
            .map_err(database)?;
        if left > 0 {
            lines.push(format!(
                "it keeps {left} texts of messages that it does not name"
            ));
        }
        Ok(lines)
    }

    /// All messages up to this one are said to be in the file.
    pub(in crate::index) fn watermark(&self) -> Result<EmailId, Error> {
        self.handle
            .query_row("SELECT watermark FROM meta", [], |row| row.get(0))
            .map(EmailId)
            .map_err(database)
    }

    /// Messages after `after`, ascending, at most `limit`; only those whose grams and text
    /// are there and sound, or that need none.
    pub(in crate::index) fn documents(
        &self,
        after: EmailId,
        limit: i64,
        texts: &Texts,
    ) -> Result<Vec<EmailId>, Error> {
        let look = || -> rusqlite::Result<Vec<EmailId>> {
            let mut statement = self.handle.prepare_cached(
                "SELECT d.email, t.sealed FROM document d LEFT JOIN text t ON t.email = d.email WHERE d.email > ?1 \
                 AND (d.complete = 0 OR EXISTS (SELECT 1 FROM gram_docsize g WHERE g.id = d.email)) \
                 AND (d.kept = 0 OR t.email IS NOT NULL) \
                 ORDER BY d.email LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after.0, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let email = EmailId(row.get(0)?);
                match row.get_ref(1)?.as_blob_or_null() {
                    Ok(Some(sealed)) if texts.open(email, sealed).is_none() => {}
                    _ => found.push(email),
                }
            }
            Ok(found)
        };
        look().map_err(database)
    }

    /// All rolls that are kept.
    pub(in crate::index) fn rolls(&self) -> Result<Vec<Kept>, Error> {
        roll::list(&self.handle)
    }

    /// A roll that is kept; `None` when it is not any more.
    pub(in crate::index) fn roll(&self, kept: Kept) -> Result<Option<(Kept, Roll)>, Error> {
        roll::find(&self.handle, kept.mailbox, kept.uid_validity)
    }
}
