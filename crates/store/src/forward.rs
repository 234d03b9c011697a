//! How far the trail was given to other systems. What has been given is no change: it has no event of its own.

use trail::entry::Entry;

use crate::{
    Error, Store, Tx, params, sql,
    tree::{COLUMNS, entry},
};

impl Store {
    /// Events after the one with the id `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entries_after(&self, after: i64, limit: u32) -> Result<Vec<Entry>, Error> {
        self.read(move |snapshot| {
            let list = format!("SELECT {COLUMNS} FROM event WHERE id > ?1 ORDER BY id LIMIT ?2");
            sql::rows(snapshot, &list, params![after, limit], entry)
        })
        .await
    }

    /// The id of the newest event; 0 when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_event(&self) -> Result<i64, Error> {
        self.read(|snapshot| {
            let newest = "SELECT id FROM event ORDER BY id DESC LIMIT 1";
            Ok(sql::first(snapshot, newest, &[], |row| row.int(0))?.unwrap_or(0))
        })
        .await
    }

    /// Up to which event the destination `name` was given the trail; `None`: nothing yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn forwarded(&self, name: &str) -> Result<Option<i64>, Error> {
        let row = row_of(name);
        self.read(move |snapshot| {
            let find = "SELECT value FROM meta WHERE name = ?1";
            let text = sql::first(snapshot, find, params![&row], |row| row.text(0))?;
            let damaged = |text: &str| Error::Corrupt(format!("meta: {row} is {text:?}"));
            text.map(|text| text.parse().map_err(|_| damaged(&text)))
                .transpose()
        })
        .await
    }

    /// Notes that the destination `name` was given the trail up to `event`, durably.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn note_forwarded(&self, name: &str, event: i64) -> Result<(), Error> {
        let row = row_of(name);
        let noting = move |tx: &mut Tx<'_>| -> Result<_, Error> {
            let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            tx.execute(put, params![&row, &event.to_string()])?;
            Ok(tx.bookkeeping(()))
        };
        self.commit(Vec::new(), noting).await.map(drop)
    }
}

/// The row of `meta` that holds it.
fn row_of(name: &str) -> String {
    format!("forwarded {name}")
}
