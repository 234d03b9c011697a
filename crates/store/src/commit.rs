//! The committer: many callers, one writer, two syncs a batch.
//!
//! ```text
//! callers ──queue──▶ gather (bodies: one write, one sync) ──▶ apply (rows: one transaction) ──▶ answers
//! ```
//!
//! Both stages are workers with a thread each. `apply` makes the rows of a batch while `gather` syncs its bodies, and commits
//! them once the bodies are durable. While it commits, `gather` collects and syncs the next batch, and everything that
//! arrives meanwhile makes up the one after. The order of a caller's commits is kept, with
//! bodies or without.

mod apply;
mod gather;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use world::{Panicked, Worker};

use crate::{
    Error, Receipt, Recorded, SealedBody, Tx, collect::Chores, segment::Appender, shared::Shared,
    sqlite,
};

pub(crate) use apply::{Applier, Behind, IDS_AHEAD, mark_ids};

/// Commits that wait in the queue at most; further callers wait before it.
const QUEUE: usize = 4096;

/// One commit on its way.
pub(crate) struct Submission {
    pub(crate) job: Box<dyn Job>,
    pub(crate) bodies: Vec<SealedBody>,
    /// Whether the bodies are only moved, so that room becomes free.
    pub(crate) moves: bool,
    /// Gives back the memory that the bodies may take.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// A caller's closure with its types hidden.
pub(crate) trait Job: Send {
    /// Runs the closure; whether its changes are to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Turns success into this failure.
    fn fail(&mut self, error: Error);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

pub(crate) struct Work<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<Receipt<T>, E>>,
}

impl<T, E, F> Job for Work<T, E, F>
where
    T: Send,
    E: From<Error> + Send,
    F: FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let result = match catch_unwind(AssertUnwindSafe(|| work(tx))) {
            Ok(result) => result.map(|recorded| recorded.value),
            Err(panic) => {
                let said = Panicked::from_payload(panic.as_ref());
                Err(Error::from(said).into())
            }
        };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn fail(&mut self, error: Error) {
        if !matches!(self.result, Some(Err(_))) {
            self.result = Some(Err(error.into()));
        }
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(Error::Closed.into()));
        // A caller that went away does not need the answer; what it asked for is done all the same.
        self.caller.send(result.map(|value| Receipt { value })).ok();
    }
}

/// The way into the committer.
#[derive(Clone)]
pub(crate) struct Entrance {
    queue: Arc<Mutex<Option<mpsc::Sender<Submission>>>>,
    /// Kibibytes of bodies that may be on their way.
    room: Arc<Semaphore>,
    room_size: u32,
}

impl Entrance {
    /// The queue, unless the store is closing.
    fn queue(&self) -> Result<mpsc::Sender<Submission>, Error> {
        self.queue.lock().clone().ok_or(Error::Closed)
    }

    /// Submits from a task and waits for the answer.
    pub(crate) async fn commit<T, E, F>(
        &self,
        bodies: Vec<SealedBody>,
        work: F,
    ) -> Result<Receipt<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
    {
        self.submit(bodies, false, work).await
    }

    /// The same with bodies that lie elsewhere already. They may be written to a disk that is too full for mail: their old
    /// places become free.
    pub(crate) async fn commit_moved<T, E, F>(
        &self,
        bodies: Vec<SealedBody>,
        work: F,
    ) -> Result<Receipt<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
    {
        self.submit(bodies, true, work).await
    }

    async fn submit<T, E, F>(
        &self,
        bodies: Vec<SealedBody>,
        moves: bool,
        work: F,
    ) -> Result<Receipt<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
    {
        let queue = self.queue()?;
        let room = if bodies.is_empty() {
            None
        } else {
            let bytes: usize = bodies.iter().map(|body| body.sealed.record.len()).sum();
            let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
            let permits = Arc::clone(&self.room).acquire_many_owned(wanted.min(self.room_size));
            Some(permits.await.map_err(|_| Error::Closed)?)
        };
        let (job, answer) = pack(work);
        let submission = Submission {
            job,
            bodies,
            moves,
            room,
        };
        queue.send(submission).await.map_err(|_| Error::Closed)?;
        drop(queue);
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Lets nothing more in. What is in goes through.
    pub(crate) fn shut(&self) {
        self.queue.lock().take();
    }
}

type Answer<T, E> = oneshot::Receiver<Result<Receipt<T>, E>>;

fn pack<T, E, F>(work: F) -> (Box<dyn Job>, Answer<T, E>)
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    let job = Work {
        work: Some(work),
        result: None,
        caller,
    };
    (Box::new(job), answer)
}

/// Starts both stages.
pub(crate) fn start(
    shared: &Arc<Shared>,
    writer: sqlite::Connection,
    appender: Appender,
    chores: Chores,
    applier: Applier,
) -> Result<(Entrance, [Worker; 2]), Error> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    // One batch is made ready while another is applied; what comes meanwhile waits in the queue and makes up one.
    let (hand_over, batches) = mpsc::channel(1);
    let world = &shared.world;
    let gather = world.start(
        "store-gather",
        gather::run(Arc::clone(shared), appender, receiver, hand_over),
    );
    let apply = world.start(
        "store-apply",
        applier.run(Arc::clone(shared), writer, batches, chores),
    );
    let refused = |error| Error::io(&shared.directory, error);
    let (gather, apply) = (gather.map_err(refused)?, apply.map_err(refused)?);
    let kibibytes = (shared.options.batch_bytes / 1024).saturating_mul(2);
    let room_size = u32::try_from(kibibytes)
        .unwrap_or(u32::MAX >> 4)
        .clamp(64, u32::MAX >> 4);
    let entrance = Entrance {
        queue: Arc::new(Mutex::new(Some(sender))),
        room: Arc::new(Semaphore::new(room_size as usize)),
        room_size,
    };
    Ok((entrance, [gather, apply]))
}
