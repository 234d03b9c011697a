//! The rolls of the account's large mailboxes.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{File, database};
use crate::{Error, MailboxId, mailbox::Roll};

/// Which roll is kept, as of when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Kept {
    pub(in crate::index) mailbox: MailboxId,
    pub(in crate::index) uid_validity: u32,
    pub(in crate::index) modseq: u64,
}

/// All rolls that the file keeps.
pub(super) fn list(handle: &Connection) -> Result<Vec<Kept>, Error> {
    let mut statement = handle
        .prepare_cached("SELECT mailbox, uid_validity, modseq FROM roll")
        .map_err(database)?;
    let rows = statement.query_map([], |row| {
        Ok(Kept {
            mailbox: MailboxId(row.get(0)?),
            uid_validity: row.get(1)?,
            modseq: count(row, 2)?,
        })
    });
    let rows = rows.map_err(database)?;
    rows.collect::<Result<_, _>>().map_err(database)
}

/// The roll of a mailbox, if the file keeps one.
pub(super) fn find(
    handle: &Connection,
    mailbox: MailboxId,
    uid_validity: u32,
) -> Result<Option<(Kept, Roll)>, Error> {
    let mut statement = handle
        .prepare_cached("SELECT modseq, content FROM roll WHERE mailbox = ?1 AND uid_validity = ?2")
        .map_err(database)?;
    let read = |row: &Row<'_>| {
        let kept = Kept {
            mailbox,
            uid_validity,
            modseq: count(row, 0)?,
        };
        Ok((kept, Roll::from_octets(row.get_ref(1)?.as_blob()?)))
    };
    let found = statement
        .query_row(params![mailbox.0, uid_validity], read)
        .optional()
        .map_err(database)?;
    match found {
        None => Ok(None),
        Some((kept, Some(roll))) if roll.modseq == kept.modseq => Ok(Some((kept, roll))),
        Some(_) => Err(Error::Corrupt(format!(
            "search index: the roll of mailbox {mailbox} is damaged"
        ))),
    }
}

/// A number that the format only writes from 1 on; 0 for what it never writes.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    Ok(u64::try_from(number).unwrap_or(0))
}

impl File {
    /// All rolls that are kept.
    pub(in crate::index) fn rolls(&self) -> Result<Vec<Kept>, Error> {
        list(&self.handle)
    }

    /// The roll of a mailbox, if one is kept.
    pub(in crate::index) fn roll(
        &self,
        mailbox: MailboxId,
        uid_validity: u32,
    ) -> Result<Option<Roll>, Error> {
        let found = find(&self.handle, mailbox, uid_validity)?;
        Ok(found.map(|(_, roll)| roll))
    }

    /// Keeps a roll in place of what was kept of this mailbox.
    pub(in crate::index) fn keep_roll(&mut self, kept: Kept, content: &[u8]) -> Result<(), Error> {
        let modseq = i64::try_from(kept.modseq).unwrap_or(i64::MAX);
        self.handle
            .prepare_cached(
                "INSERT OR REPLACE INTO roll (mailbox, uid_validity, modseq, content) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut statement| {
                statement.execute(params![kept.mailbox.0, kept.uid_validity, modseq, content])
            })
            .map_err(database)?;
        Ok(())
    }

    /// Keeps no roll of this mailbox any more.
    pub(in crate::index) fn drop_roll(&mut self, mailbox: MailboxId) -> Result<(), Error> {
        self.handle
            .execute("DELETE FROM roll WHERE mailbox = ?1", params![mailbox.0])
            .map_err(database)?;
        Ok(())
    }
}
