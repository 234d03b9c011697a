//! Housekeeping beside the committer: room given back to the disk, wasteful segments emptied, the database's log moved
//! along and, after a key was destroyed, emptied.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use trail::{Actor, Event, Kind};
use world::Worker;

use crate::{
    Error,
    commit::Entrance,
    compact::Compactor,
    params,
    segment::Extent,
    shared::Shared,
    sql::{self, Sql},
    sqlite::Connection,
    tx::{self, signed},
};

/// Extents given back in one go.
const AT_ONCE: i64 = 512;
/// How long to wait before the log is emptied again, when a reader was in the way.
const AGAIN: Duration = Duration::from_millis(200);
/// How long the compactor rests at least between two steps.
const REST: Duration = Duration::from_millis(20);
/// Bytes of the log that are not worth emptying it.
const SHORT_LOG: u64 = 4 << 20;

/// What housekeeping can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Give free room back.
    Collect,
    /// Move the log into the database.
    Checkpoint,
    /// Empty the log: it holds a destroyed key.
    Erase,
    /// Go on with segments that are wasteful.
    Compact,
    /// Nothing was asked for a while.
    Rest,
    /// Go home.
    Stop,
}

/// Where chores are asked for.
#[derive(Clone)]
pub(crate) struct Chores(mpsc::UnboundedSender<Chore>);

impl Chores {
    /// A list of chores, and who works it off.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Chore>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Asks; nobody waits for it.
    pub(crate) fn ask(&self, chore: Chore) {
        if self.0.send(chore).is_err() {
            tracing::warn!(
                ?chore,
                "housekeeping has ended; it is done at the next start"
            );
        }
    }
}

/// Starts the worker.
pub(crate) fn start(
    shared: &Arc<Shared>,
    entrance: Entrance,
    chores: mpsc::UnboundedReceiver<Chore>,
) -> Result<Worker, Error> {
    let checkpointer = Connection::checkpointer(shared.disk.as_ref(), &shared.database())?;
    let keeper = Keeper {
        shared: Arc::clone(shared),
        entrance,
        checkpointer,
        erase: false,
        examined: shared.segments.active(),
        compactor: Compactor::new(shared.segments.numbers()?),
        rested: Instant::now(),
        batches: 0,
    };
    let started = shared.world.start("store-keeper", keeper.run(chores));
    started.map_err(|error| Error::io(&shared.directory, error))
}

struct Keeper {
    shared: Arc<Shared>,
    entrance: Entrance,
    checkpointer: Connection,
    /// The log is still to be emptied.
    erase: bool,
    /// Segments below this one were looked at after they were left.
    examined: u64,
    compactor: Compactor,
    /// When the compactor may go on.
    rested: Instant,
    /// Batches committed when there was last time to look.
    batches: u64,
}

impl Keeper {
    async fn run(mut self, mut chores: mpsc::UnboundedReceiver<Chore>) {
        loop {
            let first = if self.erase {
                timeout(AGAIN, chores.recv())
                    .await
                    .unwrap_or(Some(Chore::Erase))
            } else if self.compactor.has_work() {
                timeout_at(self.rested, chores.recv())
                    .await
                    .unwrap_or(Some(Chore::Compact))
            } else {
                timeout(self.shared.options.log_rest, chores.recv())
                    .await
                    .unwrap_or(Some(Chore::Rest))
            };
            let Some(first) = first else {
                return;
            };
            // What was asked for twice is done once.
            let mut asked = vec![first];
            while let Ok(next) = chores.try_recv() {
                asked.push(next);
            }
            let wanted = |chore| asked.contains(&chore);
            self.erase |= wanted(Chore::Erase);
            let stop = wanted(Chore::Stop);
            if wanted(Chore::Collect) && !stop {
                self.collect().await;
            }
            if self.erase || stop {
                // A store that was closed in order is one file without a log.
                self.empty_log();
            } else if wanted(Chore::Checkpoint) {
                self.move_log();
            } else if wanted(Chore::Rest) {
                self.rest();
            }
            if stop {
                return;
            }
            if self.compactor.has_work() && Instant::now() >= self.rested {
                self.compact().await;
            }
        }
    }

    fn move_log(&self) {
        match self.checkpointer.checkpoint() {
            // The writer must help to move the rest.
            Ok(bytes) if bytes > self.shared.options.log_bytes.saturating_mul(2) => {
                self.shared.log_is_long.store(true, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the database's log could not be moved into the database");
            }
        }
    }

    /// Gives the room of a long log back when nothing was committed since the last look: it stays as long as the busiest
    /// hour made it otherwise.
    fn rest(&mut self) {
        let batches = self.shared.counters.batches.load(Ordering::Relaxed);
        let busy = std::mem::replace(&mut self.batches, batches) != batches;
        if busy {
            return;
        }
        let log = crate::open::log_of(&self.shared.database());
        let emptied = match crate::open::size(self.shared.disk.as_ref(), &log) {
            Ok(length) if length <= SHORT_LOG => return,
            Ok(_) => {
                // First as far as nobody has to wait for it.
                self.move_log();
                self.checkpointer.empty_log().map(drop)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = emptied {
            tracing::warn!(%error, "the database's log could not be emptied; trying again");
        }
    }

    fn empty_log(&mut self) {
        match self.checkpointer.empty_log() {
            Ok(done) => self.erase = !done,
            Err(error) => {
                tracing::warn!(%error, "the database's log still holds a destroyed key; trying again");
            }
        }
    }

    /// Goes a step on with wasteful segments, and rests at least as long as it took.
    async fn compact(&mut self) {
        let began = Instant::now();
        let mut rest = REST;
        // A backup would not let the old places go.
        if let Ok(_alone) = Arc::clone(&self.shared).collecting.try_lock() {
            match self.compactor.step(&self.shared, &self.entrance).await {
                Ok(()) | Err(Error::Closed) => {}
                Err(error) => {
                    tracing::warn!(%error, "a segment that is mostly dead is not given back yet; trying again after more deletions");
                }
            }
        } else {
            rest = AGAIN;
        }
        let now = Instant::now();
        self.rested = now + rest.max(now - began);
    }

    async fn collect(&mut self) {
        loop {
            match self.collect_some().await {
                Ok(true) => {}
                Ok(false) | Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "room of erased bodies is not given back yet; trying again after the next deletion");
                    return;
                }
            }
        }
    }

    /// Gives back what one transaction can note; whether there was anything.
    async fn collect_some(&mut self) -> Result<bool, Error> {
        let shared = Arc::clone(&self.shared);
        // A backup may hold it for hours, and the log must be moved along meanwhile. It asks again at its end.
        let Ok(_alone) = shared.collecting.try_lock() else {
            return Ok(false);
        };
        // Read before the commit is handed in: what is on its way then comes before it.
        let active = shared.segments.active();
        let left = self.left_empty(active)?;
        let (free, gaps) = shared.readers.with(free_room)?;
        if free.is_empty() && left.is_empty() {
            self.examined = active;
            return Ok(false);
        }
        for (segment, gaps) in &gaps {
            shared.segments.punch(*segment, gaps)?;
        }
        // Only now may the rows go: until here, a crash repeats what was done, to no harm.
        let count = free.len();
        let empty = self
            .entrance
            .commit(Vec::new(), {
                let free = free.clone();
                move |tx| note(tx, &free, &left, active)
            })
            .await?
            .value;
        self.examined = active;
        for segment in empty {
            shared.segments.remove(segment)?;
        }
        self.compactor.died(&shared, &free);
        shared
            .counters
            .collected
            .fetch_add(count as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// Segments that were left since the last look and seem to hold nothing. One whose bodies all died while it
    /// was still written to has no death to come that would remove it.
    fn left_empty(&self, active: u64) -> Result<Vec<u64>, Error> {
        let mut empty = Vec::new();
        if self.examined >= active {
            return Ok(empty);
        }
        for segment in self.shared.segments.numbers()? {
            let was_left = (self.examined..active).contains(&segment);
            if was_left && !self.shared.readers.with(|sql| is_used(sql, segment))? {
                empty.push(segment);
            }
        }
        Ok(empty)
    }
}

type Gaps = BTreeMap<u64, Vec<(u64, u64)>>;

/// Free extents, and the gaps between living records around them: a block of the disk that several dead
/// records share is only given back when it is freed as a whole.
fn free_room(sql: &mut Connection) -> Result<(Vec<Extent>, Gaps), Error> {
    let list = "SELECT segment, start, length FROM body_free ORDER BY segment, start LIMIT ?1";
    let free = sql::rows(sql, list, params![AT_ONCE], tx::extent)?;
    let mut gaps = Gaps::new();
    for extent in &free {
        let gap = gap_around(sql, *extent)?;
        let gaps = gaps.entry(extent.segment).or_default();
        if gaps.last() != Some(&gap) {
            gaps.push(gap);
        }
    }
    Ok((free, gaps))
}

fn gap_around(sql: &mut dyn Sql, extent: Extent) -> Result<(u64, u64), Error> {
    let segment = signed(extent.segment)?;
    let start = signed(extent.start)?;
    let before = "SELECT start + length FROM body WHERE segment = ?1 AND start < ?2 ORDER BY start DESC LIMIT 1";
    let after = "SELECT start FROM body WHERE segment = ?1 AND start > ?2 ORDER BY start LIMIT 1";
    let before = sql::first(sql, before, params![segment, start], |row| row.count(0))?;
    let after = sql::first(sql, after, params![segment, start], |row| row.count(0))?;
    // Behind the last living record there may be others that are about to be committed.
    Ok((
        before.unwrap_or(crate::segment::PREAMBLE as u64),
        after.unwrap_or(extent.end()),
    ))
}

/// Takes the extents out of the tables and records it; returns which of their segments, and of those in `left`,
/// nothing lives in any more.
fn note(
    tx: &mut crate::Tx<'_>,
    free: &[Extent],
    left: &[u64],
    active: u64,
) -> Result<crate::Recorded<Vec<u64>>, Error> {
    let mut bytes = 0u64;
    let mut segments = left.to_vec();
    for extent in free {
        let statement = "DELETE FROM body_free WHERE segment = ?1 AND start = ?2";
        let place = params![signed(extent.segment)?, signed(extent.start)?];
        tx.execute(statement, place)?;
        bytes = bytes.saturating_add(extent.length);
        segments.push(extent.segment);
    }
    segments.sort_unstable();
    segments.dedup();
    let mut empty = Vec::new();
    for segment in segments {
        // Commits arrive here in the order of the segments: nothing on its way can lie in an older one.
        if segment < active && !is_used(tx, segment)? {
            empty.push(segment);
        }
    }
    let event = Event::new(Kind::BodiesCollected, Actor::System)
        .detail("bodies", free.len())
        .detail("bytes", bytes)
        .detail("segments-removed", empty.len());
    tx.record(&event, empty)
}

/// Whether anything of segment `segment` is in the tables.
pub(crate) fn is_used(sql: &mut dyn Sql, segment: u64) -> Result<bool, Error> {
    let segment = signed(segment)?;
    for table in ["body", "body_free"] {
        let statement = format!("SELECT start FROM {table} WHERE segment = ?1 LIMIT 1");
        if sql::first(sql, &statement, params![segment], |row| row.int(0))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
