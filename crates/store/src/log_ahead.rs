//! Room for the database's log before it is needed.
//!
//! A sync of bytes that were written over is one write to the disk; when the file grows, the file system must write its
//! journal as well. The log begins short and is cut when the store rests, so that without this each commit of a burst would
//! pay for both. The zeros lie behind everything that the engine has written: to it they are what any log has behind its
//! last commit, bytes without the log's checksum.

use std::{path::PathBuf, sync::Arc};

use crate::{
    disk::{self, Disk, File},
    sqlite::Connection,
};

/// Bytes of zeros behind the log's last commit.
const AHEAD: u64 = 1 << 20;

/// The log's file as the writer's thread, which alone adds to the log, sees it.
pub(crate) struct LogAhead {
    path: PathBuf,
    file: Option<Arc<dyn File>>,
    /// Bytes of the log at the last look.
    used: u64,
    ahead: u64,
}

impl LogAhead {
    /// For the log at `path`, which is moved into the database at `log_bytes`.
    pub(crate) fn new(path: PathBuf, log_bytes: u64) -> Self {
        Self {
            path,
            file: None,
            used: 0,
            ahead: AHEAD.min(log_bytes / 8),
        }
    }

    /// Writes zeros where the next commits will come, unless they are there or commits are so large that the zeros would
    /// be half of what goes to the disk. They are synced with the next commit.
    pub(crate) fn make_ready(&mut self, disk: &dyn Disk, writer: &Connection) {
        let used = writer.log_end();
        let grown = used.saturating_sub(self.used);
        self.used = used;
        if used == 0 || grown > self.ahead / 4 {
            return;
        }
        if let Err(error) = self.extend(disk, used) {
            // The log needs no zeros: the next commit finds out by itself whether there is room.
            tracing::debug!(%error, "no zeros ahead in the database's log");
            self.file = None;
        }
    }

    fn extend(&mut self, disk: &dyn Disk, used: u64) -> std::io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(disk.open(&self.path)?),
        };
        let length = file.length()?;
        // A log that is shorter than what was committed was just emptied.
        if length < used || length - used >= self.ahead / 4 {
            return Ok(());
        }
        disk::write_zeros(file.as_ref(), length, used + self.ahead)
    }
}
