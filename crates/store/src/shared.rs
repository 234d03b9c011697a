//! What all threads and tasks of one store share.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use world::World;

use crate::{
    AccountId, EmailId, Error, Options, Topic,
    disk::{Disk, Lock},
    event::index::TrailIndex,
    id::Generator,
    keys::Keyring,
    quarantine::figures::Counted,
    segment::Segments,
    sqlite,
    tree::Tree,
};

/// Shared state. It outlives the committer's threads.
pub(crate) struct Shared {
    /// The installation's directory.
    pub(crate) directory: PathBuf,
    /// Settings.
    pub(crate) options: Options,
    pub(crate) world: World,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) ids: Generator,
    pub(crate) keys: Keyring,
    pub(crate) trail: TrailIndex,
    pub(crate) counted: Counted,
    pub(crate) tree: Tree,
    pub(crate) segments: Arc<Segments>,
    pub(crate) readers: Readers,
    pub(crate) topics: Topics,
    pub(crate) gone: Gone,
    pub(crate) counters: Counters,
    /// Held while bodies are erased, and by whoever needs them not to be.
    pub(crate) collecting: tokio::sync::Mutex<()>,
    /// The instant of the last batch, in microseconds since 1970.
    pub(crate) last_at: AtomicI64,
    /// Bytes of bodies that failed transactions left without a row, and how the last one failed.
    pub(crate) unnoted: Mutex<Option<(u64, Error)>>,
    /// The database's log has outgrown housekeeping: the writer is to help.
    pub(crate) log_is_long: AtomicBool,
    /// Held as long as the store is open.
    pub(crate) lock: Mutex<Option<Lock>>,
}

impl Shared {
    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join(crate::open::DATABASE)
    }
}

/// Connections for snapshots.
pub(crate) struct Readers {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    count: usize,
    idle: Mutex<Vec<sqlite::Connection>>,
    /// One permit a connection.
    pub(crate) permits: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Readers {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, count: usize) -> Self {
        Self {
            disk,
            path,
            count: count.max(1),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(count.max(1))),
            closed: AtomicBool::new(false),
        }
    }

    /// Runs `work` over a consistent view, on this thread.
    pub(crate) fn with<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut sqlite::Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::Closed.into());
        }
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => sqlite::Connection::reader(self.disk.as_ref(), &self.path)?,
        };
        connection.begin_reading()?;
        let result = work(&mut connection);
        // A connection that cannot end its view is dropped, and the view with it.
        if connection.rollback().is_ok() {
            let mut idle = self.idle.lock();
            if idle.len() < self.count && !self.closed.load(Ordering::SeqCst) {
                idle.push(connection);
            }
        }
        result
    }

    /// Refuses further snapshots and drops the connections.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.idle.lock().clear();
    }
}

/// Messages that no mailbox holds any more and that the search index may still hold.
#[derive(Default)]
pub(crate) struct Gone(Mutex<Leavers>);

#[derive(Default)]
struct Leavers {
    accounts: BTreeMap<AccountId, Left>,
    noted: usize,
}

/// What left an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// These messages.
    These(Vec<EmailId>),
    /// Too many to be remembered one by one.
    Many,
}

/// Messages that are remembered at most, of all accounts together.
const MOST_GONE: usize = 1 << 20;

impl Gone {
    /// Takes what a transaction has noted.
    pub(crate) fn add(&self, gone: &mut Vec<(AccountId, EmailId)>) {
        if gone.is_empty() {
            return;
        }
        let mut leavers = self.0.lock();
        for (account, email) in gone.drain(..) {
            let full = leavers.noted >= MOST_GONE;
            let left = leavers
                .accounts
                .entry(account)
                .or_insert(Left::These(Vec::new()));
            match left {
                Left::These(_) if full => *left = Left::Many,
                Left::These(emails) => {
                    emails.push(email);
                    leavers.noted += 1;
                }
                Left::Many => {}
            }
        }
    }

    /// Says that the account must be looked through.
    pub(crate) fn look_through(&self, account: AccountId) {
        self.0.lock().accounts.insert(account, Left::Many);
    }

    /// All of it, once.
    pub(crate) fn take(&self) -> BTreeMap<AccountId, Left> {
        std::mem::take(&mut *self.0.lock()).accounts
    }
}

/// Who watches what.
#[derive(Default)]
pub(crate) struct Topics {
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    senders: HashMap<Topic, watch::Sender<u64>>,
    /// Senders at which those that nobody listens to are dropped.
    sweep_at: usize,
    /// Changes published so far, and the last of them, so that who reads and then watches knows what it missed.
    published: u64,
    latest: VecDeque<Topic>,
}

/// Changes that are remembered at most; whoever is further behind is told that it missed something.
const LATEST: usize = 1024;

impl Topics {
    pub(crate) fn watch(&self, topic: Topic) -> watch::Receiver<u64> {
        let mut watched = self.watched.lock();
        if watched.senders.len() >= watched.sweep_at.max(64) {
            watched
                .senders
                .retain(|_, sender| sender.receiver_count() > 0);
            watched.sweep_at = watched.senders.len() * 2;
        }
        let sender = watched
            .senders
            .entry(topic)
            .or_insert_with(|| watch::Sender::new(0));
        sender.subscribe()
    }

    /// How many changes were published so far.
    pub(crate) fn moment(&self) -> u64 {
        self.watched.lock().published
    }

    /// A receiver that has changed already if `topic` did since `moment`, or may have.
    pub(crate) fn watch_since(&self, topic: Topic, moment: u64) -> watch::Receiver<u64> {
        // First: what is published from now on wakes it.
        let mut receiver = self.watch(topic);
        let watched = self.watched.lock();
        let since = usize::try_from(watched.published.saturating_sub(moment)).unwrap_or(usize::MAX);
        let mut seen = watched.latest.iter().rev().take(since);
        if since > watched.latest.len() || seen.any(|latest| *latest == topic) {
            receiver.mark_changed();
        }
        receiver
    }

    pub(crate) fn publish(&self, topic: Topic) {
        let mut watched = self.watched.lock();
        watched.published += 1;
        if watched.latest.len() >= LATEST {
            watched.latest.pop_front();
        }
        watched.latest.push_back(topic);
        if let Some(sender) = watched.senders.get(&topic) {
            sender.send_modify(|value| *value = value.wrapping_add(1));
        }
    }
}

/// Counts since the store was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) failed_batches: AtomicU64,
    pub(crate) largest_batch: AtomicU64,
    pub(crate) bodies: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    pub(crate) waited_microseconds: AtomicU64,
    pub(crate) longest_microseconds: AtomicU64,
    pub(crate) collected: AtomicU64,
}

impl Counters {
    pub(crate) fn batch(&self, commits: u64) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.commits.fetch_add(commits, Ordering::Relaxed);
        self.largest_batch.fetch_max(commits, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.waited_microseconds.fetch_add(time, Ordering::Relaxed);
        self.longest_microseconds.fetch_max(time, Ordering::Relaxed);
    }
}
