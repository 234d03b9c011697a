//! What the store takes and what it has done.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    Error,
    open::{log_of, size},
    shared::Shared,
};

/// Facts for `status` and metrics. Counts begin when the store is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Bytes on the disk that segments take, holes left out.
    pub segment_bytes: u64,
    /// Bytes of the database with its log.
    pub database_bytes: u64,
    /// Bytes that may still be written on that disk.
    pub free_bytes: u64,
    /// Batches, committed or not.
    pub batches: u64,
    /// Commits in them.
    pub commits: u64,
    /// Batches that could not be committed.
    pub failed_batches: u64,
    /// Commits of the largest batch.
    pub largest_batch: u64,
    /// Bodies written.
    pub bodies: u64,
    /// Bytes of bodies written, compressed and sealed.
    pub body_bytes: u64,
    /// Time from the first commit's arrival to the answer, of all batches together.
    pub batch_time: Duration,
    /// The longest such time.
    pub longest_batch: Duration,
    /// Freed extents given back to the disk.
    pub collected: u64,
}

pub(crate) fn gather(shared: &Shared) -> Result<Facts, Error> {
    let counters = &shared.counters;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let database = shared.database();
    let size = |path: &Path| size(shared.disk.as_ref(), path);
    Ok(Facts {
        segment_bytes: shared.segments.allocated()?,
        database_bytes: size(&database)? + size(&log_of(&database))?,
        free_bytes: shared.segments.free()?,
        batches: count(&counters.batches),
        commits: count(&counters.commits),
        failed_batches: count(&counters.failed_batches),
        largest_batch: count(&counters.largest_batch),
        bodies: count(&counters.bodies),
        body_bytes: count(&counters.body_bytes),
        batch_time: Duration::from_micros(count(&counters.waited_microseconds)),
        longest_batch: Duration::from_micros(count(&counters.longest_microseconds)),
        collected: count(&counters.collected),
    })
}
