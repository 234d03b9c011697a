//! The second stage: one transaction a batch.

use std::sync::{Arc, atomic::Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use trail::{Actor, Event, Kind};

use super::gather::{Batch, Entry};
use crate::{
    AccountId, EmailId, Error, Topic, Tx,
    collect::{Chore, Chores},
    event,
    log_ahead::LogAhead,
    mark::Mark,
    params,
    segment::Extent,
    shared::Shared,
    sql::Engine as _,
    sqlite::Connection,
    tx::{self, Effects},
};

/// Ids above the last one that are marked as used ahead of time: one minute of them.
pub(crate) const IDS_AHEAD: i64 = 60_000 << 20;
/// How far the clock may be behind the last event before that is an event itself: what time services correct.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(2);

/// The state of the second stage between batches.
pub(crate) struct Applier {
    /// The instant of the last batch.
    pub(crate) last: Timestamp,
    /// Ids up to this one are marked as used.
    pub(crate) ids_marked: i64,
    /// How far bodies were written and synced.
    pub(crate) mark: Mark,
    /// How far the database says so.
    pub(crate) noted: Mark,
    /// Extents that are to be noted as free in the next transaction.
    pub(crate) lost: Vec<Extent>,
    /// Bytes of the log when it was last to be moved.
    pub(crate) log_asked: u64,
    pub(crate) log_ahead: LogAhead,
    pub(crate) behind: Behind,
}

/// Whether the clock shows less than the last event's time, and whether the trail tells it.
#[derive(Default)]
pub(crate) struct Behind {
    is: bool,
    told: bool,
}

/// What a batch leaves to be done after its commit.
#[derive(Default)]
struct Outcome {
    touched: Vec<Topic>,
    destroyed: Vec<AccountId>,
    freed: bool,
    gone: Vec<(AccountId, EmailId)>,
}

impl Applier {
    /// Runs until the first stage ends.
    pub(super) async fn run(
        mut self,
        shared: Arc<Shared>,
        mut writer: Connection,
        mut batches: mpsc::Receiver<Batch>,
        chores: Chores,
    ) {
        while let Some(batch) = batches.recv().await {
            self.batch(&shared, &mut writer, batch, &chores).await;
        }
        if let Err(error) = self.last_words(&shared, &mut writer) {
            tracing::warn!(%error, "the store could not note its last id; ids skip a minute at the next start");
        }
    }

    async fn batch(
        &mut self,
        shared: &Shared,
        writer: &mut Connection,
        mut batch: Batch,
        chores: &Chores,
    ) {
        for extent in &batch.abandoned {
            self.mark.leave(extent.segment);
        }
        for extent in batch.entries.iter().flat_map(|entry| &entry.extents) {
            self.mark.pass(*extent);
        }
        self.lost.append(&mut batch.abandoned);
        let mut outcome = Outcome::default();
        let entries = &mut batch.entries;
        let mut result = self.make_rows(shared, writer, entries, &mut outcome);
        let synced = batch.synced.await.unwrap_or(Err(Error::Closed));
        if synced.is_err() {
            let extents = entries.iter().flat_map(|entry| &entry.extents);
            extents.for_each(|extent| self.mark.leave(extent.segment));
            result = synced;
        }
        match result.and_then(|()| self.keep_rows(shared, writer)) {
            Ok(()) => self.succeeded(shared, &mut outcome, chores),
            Err(error) => self.failed(shared, writer, entries, &outcome, &error),
        }
        shared.counters.batch(batch.entries.len() as u64);
        shared.counters.waited(batch.gathered.elapsed());
        for entry in batch.entries {
            entry.job.answer();
        }
        // After the answers, which somebody waits for.
        shared.trail.behind.notify_one();
        shared.tree.behind.notify_one();
        self.move_log(shared, writer, chores);
        self.log_ahead.make_ready(shared.disk.as_ref(), writer);
    }

    /// Runs the commits of a batch.
    fn make_rows(
        &mut self,
        shared: &Shared,
        writer: &mut Connection,
        entries: &mut [Entry],
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        writer.take_broken();
        writer.begin()?;
        // The trail's times ascend even when the clock is put back.
        let clock = shared.world.now();
        let now = clock.max(self.last);
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        self.last = now;
        self.note_clock(shared, writer, clock)?;
        let mut freed = self.lost.clone();
        let alone = entries.len() == 1;
        for entry in entries.iter_mut() {
            if run_entry(shared, writer, entry, now, alone, outcome)? {
                continue;
            }
            freed.extend(&entry.extents);
            if alone {
                // It took the transaction with it.
                writer.begin()?;
                self.note_clock(shared, writer, clock)?;
            }
        }
        for extent in &freed {
            tx::insert_free(writer, *extent)?;
        }
        outcome.freed |= !freed.is_empty();
        Ok(())
    }

    /// Records, once, that the clock was put back.
    fn note_clock(
        &mut self,
        shared: &Shared,
        writer: &mut Connection,
        clock: Timestamp,
    ) -> Result<(), Error> {
        let behind = self.last.duration_since(clock);
        self.behind.is = behind > CLOCK_SLACK;
        if !self.behind.is || self.behind.told {
            return Ok(());
        }
        let event = Event::new(Kind::ClockBehind, Actor::System)
            .outcome(trail::Outcome::Failure)
            .detail("seconds", behind.as_secs())
            .detail("clock", clock.to_string());
        event::insert(writer, shared.ids.next(), self.last, &event)
    }

    /// Commits what was run, whose bodies are durable.
    fn keep_rows(&mut self, shared: &Shared, writer: &mut Connection) -> Result<(), Error> {
        let last = shared.ids.last();
        let marked = (last > self.ids_marked - IDS_AHEAD / 2).then_some(last + IDS_AHEAD);
        if let Some(marked) = marked {
            mark_ids(writer, marked)?;
        }
        // With the rows, so that what lies behind it was never known.
        if self.mark != self.noted {
            self.mark.note(writer)?;
        }
        writer.commit()?;
        self.behind.told = self.behind.is;
        shared
            .last_at
            .store(self.last.as_microsecond(), Ordering::Release);
        self.lost.clear();
        self.noted = self.mark;
        self.ids_marked = marked.unwrap_or(self.ids_marked);
        Ok(())
    }

    fn succeeded(&mut self, shared: &Shared, outcome: &mut Outcome, chores: &Chores) {
        *shared.unnoted.lock() = None;
        for topic in &outcome.touched {
            shared.topics.publish(*topic);
        }
        shared.gone.add(&mut outcome.gone);
        if !outcome.destroyed.is_empty() {
            chores.ask(Chore::Erase);
        }
        if outcome.freed {
            chores.ask(Chore::Collect);
        }
    }

    /// Undoes the whole batch. The store goes on: the next batch may find the disk in better health.
    fn failed(
        &mut self,
        shared: &Shared,
        writer: &mut Connection,
        entries: &mut [Entry],
        outcome: &Outcome,
        error: &Error,
    ) {
        tracing::error!(%error, commits = entries.len(), "a batch could not be committed and was undone");
        shared
            .counters
            .failed_batches
            .fetch_add(1, Ordering::Relaxed);
        if let Err(error) = writer.rollback() {
            tracing::error!(%error, "undoing it failed too");
        }
        for account in &outcome.destroyed {
            shared.keys.recall(*account);
        }
        for entry in entries {
            entry.job.fail(error.again());
            self.lost.append(&mut entry.extents);
        }
        let bytes = self.lost.iter().map(|extent| extent.length).sum();
        *shared.unnoted.lock() = Some((bytes, error.again()));
    }

    /// Housekeeping moves the log beside the writer, which for ever adds to its end; only when the writer
    /// itself moves the rest can the log begin anew.
    fn move_log(&mut self, shared: &Shared, writer: &Connection, chores: &Chores) {
        let bytes = writer.log_bytes();
        if bytes < self.log_asked {
            // It began anew.
            self.log_asked = 0;
        }
        if bytes - self.log_asked >= shared.options.log_bytes {
            self.log_asked = bytes;
            chores.ask(Chore::Checkpoint);
        }
        if shared.log_is_long.swap(false, Ordering::Relaxed)
            && let Err(error) = writer.checkpoint()
        {
            tracing::warn!(%error, "the database's log could not be moved into the database");
        }
    }

    /// A store closed in order gives the next ids right after its last.
    fn last_words(&self, shared: &Shared, writer: &mut Connection) -> Result<(), Error> {
        writer.begin()?;
        let noted = self
            .lost
            .iter()
            .try_for_each(|extent| tx::insert_free(writer, *extent))
            .and_then(|()| mark_ids(writer, shared.ids.last()))
            .and_then(|()| self.mark.note(writer))
            .and_then(|()| writer.commit());
        if noted.is_err() {
            writer.rollback()?;
        }
        noted
    }
}

/// Marks ids up to `marked` as used, whatever happens next.
pub(crate) fn mark_ids(writer: &mut Connection, marked: i64) -> Result<(), Error> {
    let statement = "INSERT INTO meta (name, value) VALUES ('ids', ?1)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    let marked = marked.to_string();
    writer.execute(statement, params![&marked]).map(|_| ())
}

/// Runs one commit in a savepoint of its own; whether its changes are kept. An error is the whole batch's.
///
/// One that is `alone` in its batch needs no savepoint, for which each page that it changes would be copied first: the
/// transaction is undone with it, and the caller begins anew.
fn run_entry(
    shared: &Shared,
    writer: &mut Connection,
    entry: &mut Entry,
    now: Timestamp,
    alone: bool,
    outcome: &mut Outcome,
) -> Result<bool, Error> {
    if !alone {
        writer.begin_job()?;
    }
    let effects = Effects {
        bodies: entry.bodies.drain(..).collect(),
        ..Effects::default()
    };
    let mut tx = Tx {
        engine: writer,
        shared,
        now,
        effects,
    };
    let mut keep = entry.job.run(&mut tx);
    if keep && let Err(error) = tx.settle_bodies() {
        entry.job.fail(error);
        keep = false;
    }
    let effects = tx.effects;
    // Some failures undo the whole transaction, whatever the closure made of them.
    if !writer.in_transaction() {
        outcome.destroyed.extend(effects.destroyed);
        return Err(writer.take_broken().unwrap_or(Error::Full));
    }
    if !keep {
        for account in effects.destroyed {
            shared.keys.recall(account);
        }
        match alone {
            true => writer.rollback()?,
            false => writer.undo_job()?,
        }
        return Ok(false);
    }
    // First: if keeping fails, the whole batch is undone, and the keys that it destroyed are back.
    outcome.destroyed.extend(effects.destroyed);
    if !alone {
        writer.keep_job()?;
    }
    outcome.touched.extend(effects.touched);
    outcome.freed |= effects.freed;
    outcome.gone.extend(effects.gone);
    Ok(true)
}
