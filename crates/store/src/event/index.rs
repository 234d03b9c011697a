//! The trail's index: which events tell of an address, a person, a subject, a kind or a failure.
//!
//! It follows the commits some moments behind and takes many events at once, so that no commit waits for it: a search
//! looks through the events that it has not reached. It can be removed while nothing runs, and is made again from the
//! events. It holds hashes of facts, and only narrows: whoever finds an event by it looks at the event.

mod file;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::words::{COLUMNS, Facts};
use crate::{Error, disk::Disk, params, shared::Shared, sql, sql::Sql};

use file::File;

/// The file's name in the directory of indexes.
const NAME: &str = "trail.db";
/// Events of one transaction of the index.
const BATCH: i64 = 1000;
/// How long events are left to gather: many cost little more than one.
const GATHER: Duration = Duration::from_secs(1);
/// How long after a failure the index is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// The index of an installation's trail.
pub(crate) struct TrailIndex {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    file: Mutex<Slot>,
    /// Held by whoever brings it on: nothing must get into it twice.
    following: Mutex<()>,
    /// There are events that it has not reached.
    pub(crate) behind: Notify,
}

/// Where the file is.
enum Slot {
    /// It is opened when it is first needed.
    Shut,
    Open(File),
    /// The store has closed.
    Closed,
}

/// What the index found.
pub(crate) struct Hits {
    /// Events, in order.
    pub(crate) ids: Vec<i64>,
    /// Events after this one are not in the index yet.
    pub(crate) reach: i64,
}

impl TrailIndex {
    /// The index in `directory`. Nothing is opened yet.
    pub(crate) fn new(directory: &Path, disk: Arc<dyn Disk>) -> Self {
        let behind = Notify::new();
        // What an earlier run did not come to.
        behind.notify_one();
        Self {
            path: directory.join(NAME),
            disk,
            file: Mutex::new(Slot::Shut),
            following: Mutex::new(()),
            behind,
        }
    }

    /// Events strictly within `span` that have a word of each list of `wanted`, at most `limit`.
    ///
    /// # Errors
    /// When the index cannot be read: the events themselves must be looked through then.
    pub(crate) fn find(
        &self,
        sql: &mut dyn Sql,
        wanted: &[Vec<String>],
        span: (i64, i64),
        limit: usize,
    ) -> Result<Hits, Error> {
        self.with(sql, |file| {
            Ok(Hits {
                reach: file.watermark()?,
                ids: file.find(wanted, span, limit)?,
            })
        })
    }

    /// What is wrong with the file as a file, and the last event in it. It may not be there yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn look(&self, sql: &mut dyn Sql) -> Result<(Vec<String>, i64), Error> {
        let size = self.disk.size(&self.path);
        if size
            .map_err(|error| Error::io(&self.path, error))?
            .is_none()
        {
            return Ok((Vec::new(), 0));
        }
        self.with(sql, |file| Ok((file.complaints()?, file.watermark()?)))
    }

    /// Throws the index away; it is made anew from the events.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        self.throw_away(&mut self.file.lock())
    }

    /// Closes the file for good.
    pub(crate) fn close(&self) {
        *self.file.lock() = Slot::Closed;
    }

    /// Takes in the next events; whether there may be more.
    ///
    /// # Errors
    /// When the events cannot be read or the index cannot be written.
    pub(crate) fn follow_some(&self, shared: &Shared) -> Result<bool, Error> {
        let _alone = self.following.lock();
        shared.readers.with(|sql| {
            let after = self.with(sql, |file| file.watermark())?;
            let events = next(sql, after)?;
            let added = self.with(sql, |file| file.add(after, &events))?;
            let is_full = i64::try_from(events.len()).is_ok_and(|count| count == BATCH);
            Ok(is_full || !added)
        })
    }

    fn with<T>(
        &self,
        sql: &mut dyn Sql,
        work: impl FnOnce(&mut File) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut slot = self.file.lock();
        if matches!(*slot, Slot::Shut) {
            self.open(&mut slot, sql)?;
        }
        let Slot::Open(file) = &mut *slot else {
            return Err(Error::Closed);
        };
        let done = work(file);
        if let Err(error @ Error::Corrupt(_)) = &done {
            tracing::warn!(%error, "the index of the audit trail is made anew");
            self.throw_away(&mut slot)?;
        }
        done
    }

    /// Opens the file. What an earlier run left is used only if the last event in it is one of this trail.
    fn open(&self, slot: &mut Slot, sql: &mut dyn Sql) -> Result<(), Error> {
        let mut file = File::open(self.disk.as_ref(), &self.path)?;
        let last = file.watermark()?;
        let there = "SELECT id FROM event WHERE id = ?1";
        if last != 0 && sql::first(sql, there, params![last], |_| Ok(()))?.is_none() {
            tracing::warn!("the index of the audit trail is of another trail and is made anew");
            drop(file);
            self.throw_away(slot)?;
            file = File::open(self.disk.as_ref(), &self.path)?;
        }
        *slot = Slot::Open(file);
        Ok(())
    }

    fn throw_away(&self, slot: &mut Slot) -> Result<(), Error> {
        if matches!(slot, Slot::Closed) {
            return Err(Error::Closed);
        }
        *slot = Slot::Shut;
        file::remove(self.disk.as_ref(), &self.path)?;
        self.behind.notify_one();
        Ok(())
    }
}

/// The words of the events after `after`, at most [`BATCH`].
fn next(sql: &mut dyn Sql, after: i64) -> Result<Vec<(i64, String)>, Error> {
    let list = format!("SELECT {COLUMNS} FROM event WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut events = sql::rows(sql, &list, params![after, BATCH], Facts::of)?;
    let mut found = Vec::with_capacity(events.len());
    for facts in &mut events {
        facts.complete(sql)?;
        let words: Vec<String> = facts.words().into_iter().collect();
        found.push((facts.id, words.join(" ")));
    }
    Ok(found)
}

/// Follows the commits until the store closes.
pub(crate) async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = follow(&shared) => {}
    }
}

async fn follow(shared: &Shared) {
    let index = &shared.trail;
    loop {
        index.behind.notified().await;
        tokio::time::sleep(GATHER).await;
        loop {
            match index.follow_some(shared) {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => break,
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the index of the audit trail stays behind: searches look through the events");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
