//! The file of the trail's index. Nothing outside this module names its engine.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::{
    Error,
    disk::Disk,
    sqlite::beside::{self, Sort},
};

/// One row an event, its id for a rowid: its words, of which only the lists of events are kept.
const SORT: Sort = Sort {
    name: "index of the audit trail",
    // 2: message identifiers are among the words.
    format: 2,
    tables: "CREATE VIRTUAL TABLE word USING fts5(
        words, content = '', columnsize = 0, detail = none, tokenize = 'ascii');",
};

/// The file, open.
pub(super) struct File {
    handle: Connection,
}

impl File {
    /// Opens the file, or makes it.
    pub(super) fn open(on: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let handle = SORT.open(on, path)?;
        Ok(Self { handle })
    }

    /// All events up to this one are in the file.
    pub(super) fn watermark(&self) -> Result<i64, Error> {
        self.handle
            .query_row("SELECT watermark FROM meta", [], |row| row.get(0))
            .map_err(failed)
    }

    /// Adds events with their words, divided by spaces, and moves the watermark from `after` to the last of them, at once.
    /// `false` when it does not stand there: the file was made anew since it was asked, and lacks what lies before.
    pub(super) fn add(&mut self, after: i64, events: &[(i64, String)]) -> Result<bool, Error> {
        let Some((last, _)) = events.last() else {
            return Ok(true);
        };
        let mut add = || -> rusqlite::Result<bool> {
            let transaction = self.handle.transaction()?;
            if !beside::advance(&transaction, after, *last)? {
                return Ok(false);
            }
            let mut insert =
                transaction.prepare_cached("INSERT INTO word (rowid, words) VALUES (?1, ?2)")?;
            for (id, words) in events {
                insert.execute(params![id, words])?;
            }
            drop(insert);
            transaction.commit()?;
            Ok(true)
        };
        add().map_err(failed)
    }

    /// Events after `after` and before `before` that have a word of each list of `wanted`, in order, at most `limit`.
    pub(super) fn find(
        &self,
        wanted: &[Vec<String>],
        (after, before): (i64, i64),
        limit: usize,
    ) -> Result<Vec<i64>, Error> {
        let lists = wanted
            .iter()
            .map(|words| format!("({})", words.join(" OR ")));
        let expression = lists.collect::<Vec<_>>().join(" AND ");
        let find = || -> rusqlite::Result<Vec<i64>> {
            let mut statement = self.handle.prepare_cached(
                "SELECT rowid FROM word WHERE word MATCH ?1 AND rowid > ?2 AND rowid < ?3 ORDER BY rowid LIMIT ?4",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows =
                statement.query_map(params![expression, after, before, limit], |row| row.get(0))?;
            rows.collect()
        };
        find().map_err(failed)
    }

    /// What the engine complains about.
    pub(super) fn complaints(&self) -> Result<Vec<String>, Error> {
        let look = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.handle.prepare("PRAGMA integrity_check(10)")?;
            let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
            lines
                .filter(|line| line.as_ref().map_or(true, |line| line != "ok"))
                .collect()
        };
        look().map_err(failed)
    }
}

/// Removes the file.
pub(super) fn remove(on: &dyn Disk, path: &Path) -> Result<(), Error> {
    beside::remove(on, path)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: rusqlite::Error) -> Error {
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
        let mut file = File::open(&RealDisk, &directory.path().join("trail.db")).unwrap();
        let events = |ids: &[i64]| -> Vec<(i64, String)> {
            ids.iter().map(|id| (*id, "k1".to_owned())).collect()
        };
        assert!(file.add(0, &events(&[3, 5])).unwrap());
        assert!(!file.add(0, &events(&[7])).unwrap());
        assert!(!file.add(3, &events(&[7])).unwrap());
        let found = |file: &File| file.find(&[vec!["k1".to_owned()]], (0, 100), 10).unwrap();
        assert_eq!((file.watermark().unwrap(), found(&file)), (5, vec![3, 5]));
        assert!(file.add(5, &events(&[7])).unwrap());
        assert_eq!(found(&file), [3, 5, 7]);
    }
}
