//! The first stage: takes what has arrived, writes its bodies and, while the second stage makes its rows, syncs them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{Job, Submission};
use crate::{
    BodyId, Error,
    recover::MOST_UNNOTED,
    segment::{Appender, Extent},
    shared::Shared,
    tx::Pending,
};

/// What goes to the second stage together.
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    /// Written but not trusted: to be noted as free.
    pub(super) abandoned: Vec<Extent>,
    /// Tells when the bodies are durable, or why they will never be.
    pub(super) synced: oneshot::Receiver<Result<(), Error>>,
    pub(super) gathered: Instant,
}

/// One commit with its bodies in place.
pub(super) struct Entry {
    pub(super) job: Box<dyn Job>,
    pub(super) bodies: Vec<(BodyId, Pending)>,
    pub(super) extents: Vec<Extent>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Runs until the queue is closed and empty.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut appender: Appender,
    mut queue: mpsc::Receiver<Submission>,
    hand_over: mpsc::Sender<Batch>,
) {
    // The place for a batch first: what comes while there is none makes the batch larger.
    while let Ok(place_for_batch) = hand_over.reserve().await {
        let Some(first) = queue.recv().await else {
            appender.close();
            return;
        };
        let gathered = Instant::now();
        let submissions = gather(&shared, first, &mut queue);
        let entries = place(&shared, &mut appender, submissions);
        let with_bodies = entries.iter().any(|entry| !entry.extents.is_empty());
        let (tell, synced) = oneshot::channel();
        let batch = Batch {
            entries,
            abandoned: appender.abandoned(),
            synced,
            gathered,
        };
        // Nobody listens only when the second stage is gone, which `reserve` finds out.
        if with_bodies {
            place_for_batch.send(batch);
            // In a simulation the second stage has its turn here, as it has on a machine with several processors.
            tokio::task::yield_now().await;
            tell.send(appender.sync()).ok();
        } else {
            tell.send(Ok(())).ok();
            place_for_batch.send(batch);
        }
    }
    // The second stage is gone: it can only have panicked. Whoever waits hears that the store has closed.
}

fn gather(
    shared: &Shared,
    first: Submission,
    queue: &mut mpsc::Receiver<Submission>,
) -> Vec<Submission> {
    let size = |submission: &Submission| -> usize {
        let records = submission
            .bodies
            .iter()
            .map(|body| body.sealed.record.len());
        records.sum()
    };
    let mut bytes = size(&first);
    let mut submissions = vec![first];
    while submissions.len() < shared.options.batch_limit && bytes < shared.options.batch_bytes {
        let Ok(next) = queue.try_recv() else {
            break;
        };
        bytes += size(&next);
        submissions.push(next);
    }
    submissions
}

/// Writes all bodies; those whose bodies cannot be written are answered here.
fn place(shared: &Shared, appender: &mut Appender, submissions: Vec<Submission>) -> Vec<Entry> {
    let records: Vec<&[u8]> = submissions
        .iter()
        .flat_map(|submission| &submission.bodies)
        .map(|body| body.sealed.record.as_slice())
        .collect();
    let new = submissions
        .iter()
        .any(|submission| !submission.moves && !submission.bodies.is_empty());
    let placed = if records.is_empty() {
        Ok(Vec::new())
    } else {
        check_room(shared, &records, new).and_then(|()| appender.write(&records))
    };
    if placed.is_ok() {
        let bytes: usize = records.iter().map(|record| record.len()).sum();
        let counters = &shared.counters;
        counters
            .bodies
            .fetch_add(records.len() as u64, Ordering::Relaxed);
        counters
            .body_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }
    let mut extents = placed.as_deref().unwrap_or_default().iter().copied();
    let mut entries = Vec::with_capacity(submissions.len());
    for mut submission in submissions {
        if let (Err(error), false) = (&placed, submission.bodies.is_empty()) {
            submission.job.fail(error.again());
            submission.job.answer();
            continue;
        }
        let places: Vec<Extent> = extents.by_ref().take(submission.bodies.len()).collect();
        let bodies = submission.bodies.iter().zip(&places);
        entries.push(Entry {
            job: submission.job,
            bodies: bodies
                .map(|(body, extent)| (body.id, Pending::new(body, *extent)))
                .collect(),
            extents: places,
            _room: submission.room,
        });
    }
    entries
}

/// New mail must leave room for what frees room, and must not heap up in segments while no row can be written.
fn check_room(shared: &Shared, records: &[&[u8]], new: bool) -> Result<(), Error> {
    if let Some((bytes, error)) = &*shared.unnoted.lock()
        && *bytes > MOST_UNNOTED
    {
        // The batch goes on without its bodies, and so finds out when the database works again.
        return Err(error.again());
    }
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    // What is moved leaves some of it, so that the rows of a deletion always find room.
    let reserve = shared.options.reserve_bytes / if new { 1 } else { 2 };
    let needed = reserve.saturating_add(bytes as u64);
    if shared.segments.free()? < needed {
        return Err(Error::Full);
    }
    Ok(())
}
