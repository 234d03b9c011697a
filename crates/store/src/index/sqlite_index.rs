//! The index's engine: one SQLite file with an FTS5 table for each account, so that forgetting an account is
//! removing a file. Nothing outside this module names the engine.

mod examine;
mod roll;

use std::path::Path;

use memchr::memmem::Finder;
use rusqlite::{Connection, params};

use super::{Field, gram::Condition, packed::Texts};
use crate::{
    EmailId, Error,
    disk::Disk,
    sqlite::beside::{self, Sort},
};

/// The format is to be raised also when texts are folded otherwise: a test of `extract` tells of that. The tokenizer
/// `ascii` takes all that is not ASCII as it is, and of ASCII a gram holds letters and digits only.
const SORT: Sort = Sort {
    name: "search index",
    format: 3,
    tables: "
    CREATE TABLE document (
        email INTEGER PRIMARY KEY, complete INTEGER NOT NULL, kept INTEGER NOT NULL);
    CREATE INDEX document_incomplete ON document (email) WHERE complete = 0;
    CREATE TABLE text (email INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
    CREATE VIRTUAL TABLE gram USING fts5(
        grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
    CREATE TABLE roll (
        mailbox INTEGER PRIMARY KEY, uid_validity INTEGER NOT NULL, modseq INTEGER NOT NULL, content BLOB NOT NULL);",
};

/// Free pages that are not worth a copy of the file.
const FEW_PAGES: i64 = 16;

pub(super) use examine::Examined;
pub(super) use roll::Kept;

/// A message for the index.
pub(super) struct Document {
    pub(super) email: EmailId,
    /// Its marked grams, divided by spaces; `None`: it cannot be indexed and is always a candidate.
    pub(super) grams: Option<String>,
    /// Its text, sealed, if it is kept.
    pub(super) text: Option<Vec<u8>>,
}

/// An account's file, open for reading and writing.
pub(super) struct File {
    handle: Connection,
}

impl File {
    /// Opens the file, or makes it. One that is damaged or of another format is made anew.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let handle = SORT.open(disk, path)?;
        Ok(Self { handle })
    }

    /// Opens the file if there is one.
    pub(super) fn open_existing(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, Error> {
        let handle = SORT.open_existing(disk, path)?;
        Ok(handle.map(|handle| Self { handle }))
    }

    /// All messages of the account up to this one are in the file.
    pub(super) fn watermark(&self) -> Result<EmailId, Error> {
        self.handle
            .query_row("SELECT watermark FROM meta", [], |row| row.get(0))
            .map(EmailId)
            .map_err(database)
    }

    /// Adds `documents` and moves the watermark from where it stood when they were read, at once. `false` when it does not
    /// stand there: the file was made anew since, and lacks what lies before.
    pub(super) fn add(
        &mut self,
        documents: &[Document],
        from: EmailId,
        to: EmailId,
    ) -> Result<bool, Error> {
        let mut add = || -> rusqlite::Result<bool> {
            let transaction = self.handle.transaction()?;
            if !beside::advance(&transaction, from.0, to.0)? {
                return Ok(false);
            }
            for document in documents {
                insert(&transaction, document)?;
            }
            transaction.commit()?;
            Ok(true)
        };
        add().map_err(database)
    }

    /// Removes messages.
    pub(super) fn remove(&mut self, emails: &[EmailId]) -> Result<(), Error> {
        let mut remove = || -> rusqlite::Result<()> {
            let transaction = self.handle.transaction()?;
            for email in emails {
                for statement in [
                    "DELETE FROM gram WHERE rowid = ?1",
                    "DELETE FROM text WHERE email = ?1",
                    "DELETE FROM document WHERE email = ?1",
                ] {
                    transaction
                        .prepare_cached(statement)?
                        .execute(params![email.0])?;
                }
            }
            transaction.commit()
        };
        remove().map_err(database)
    }

    /// Gives back what `removed` messages took, if that is a third of the file or more; whether it was.
    pub(super) fn shrink(&mut self, removed: u64) -> Result<bool, Error> {
        let shrink = || -> rusqlite::Result<bool> {
            let number = |pragma| {
                let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
                self.handle.query_row(pragma, [], read)
            };
            let documents = number("SELECT count(*) FROM document")?;
            if i64::try_from(removed).unwrap_or(i64::MAX).saturating_mul(2) < documents {
                return Ok(false);
            }
            // Removed rows stay in the grams until these are merged.
            self.handle
                .execute_batch("INSERT INTO gram (gram) VALUES ('optimize')")?;
            let free = number("PRAGMA freelist_count")?;
            if free >= FEW_PAGES && free.saturating_mul(3) >= number("PRAGMA page_count")? {
                self.handle.execute_batch("VACUUM")?;
                // The copy is in the log; the file becomes smaller when it is moved there.
                self.handle
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            }
            Ok(true)
        };
        shrink().map_err(database)
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
    ) -> Result<(Vec<EmailId>, EmailId), Error> {
        let transaction = self.handle.transaction().map_err(database)?;
        let watermark = transaction
            .query_row("SELECT watermark FROM meta", [], |row| row.get(0))
            .map(EmailId)
            .map_err(database)?;
        let mut statement = transaction
            .prepare_cached(
                "SELECT rowid FROM gram WHERE gram MATCH ?1 \
                 UNION ALL SELECT email FROM document WHERE complete = 0 ORDER BY 1",
            )
            .map_err(database)?;
        let rows = statement
            .query_map(params![expression(conditions, field)], |row| {
                row.get(0).map(EmailId)
            })
            .map_err(database)?;
        let found = rows.collect::<Result<_, _>>().map_err(database)?;
        Ok((found, watermark))
    }

    /// Whether each of `emails` holds the needle in `field`; `None` for those whose text is not kept.
    pub(super) fn hold(
        &self,
        emails: &[EmailId],
        texts: &Texts,
        needle: &Finder<'_>,
        field: Field,
    ) -> Result<Vec<Option<bool>>, Error> {
        let mut statement = self
            .handle
            .prepare_cached("SELECT sealed FROM text WHERE email = ?1")
            .map_err(database)?;
        let mut held = Vec::with_capacity(emails.len());
        for email in emails {
            let mut rows = statement.query(params![email.0]).map_err(database)?;
            let row = rows.next().map_err(database)?;
            let sealed = row
                .map(|row| row.get_ref(0).map_err(database))
                .transpose()?;
            let sealed = sealed.and_then(|sealed| sealed.as_blob().ok());
            held.push(
                sealed
                    .map(|sealed| texts.hold(*email, sealed, needle, field))
                    .transpose()?,
            );
        }
        Ok(held)
    }
}

fn insert(transaction: &Connection, document: &Document) -> rusqlite::Result<()> {
    let email = document.email.0;
    transaction
        .prepare_cached("INSERT INTO document (email, complete, kept) VALUES (?1, ?2, ?3)")?
        .execute(params![
            email,
            document.grams.is_some(),
            document.text.is_some()
        ])?;
    if let Some(grams) = &document.grams {
        transaction
            .prepare_cached("INSERT INTO gram (rowid, grams) VALUES (?1, ?2)")?
            .execute(params![email, grams])?;
    }
    if let Some(text) = &document.text {
        transaction
            .prepare_cached("INSERT INTO text (email, sealed) VALUES (?1, ?2)")?
            .execute(params![email, text])?;
    }
    Ok(())
}

/// Removes an account's file with its log.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    beside::remove(disk, path)
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

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn database(error: rusqlite::Error) -> Error {
    SORT.failed(&error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn what_was_read_for_another_file_is_not_added() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = File::open(&RealDisk, &directory.path().join("1.db")).unwrap();
        let document = |email| Document {
            email: EmailId(email),
            grams: None,
            text: None,
        };
        let mut add = |email, from| file.add(&[document(email)], EmailId(from), EmailId(email));
        assert!(add(5, 0).unwrap());
        assert!(!add(7, 0).unwrap());
        assert!(add(7, 5).unwrap());
        assert_eq!(file.watermark().unwrap(), EmailId(7));
        let documents = file.documents(EmailId(0), 10).unwrap();
        assert_eq!(documents, [EmailId(5), EmailId(7)]);
    }
}
