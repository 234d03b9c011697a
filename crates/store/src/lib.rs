//! The only durable writer: mail bodies, mailboxes, queue, directory tables and audit events.
//!
//! # How data enters
//!
//! A caller seals its bodies with [`Store::seal`] (compress, encrypt, wrap the key for each owner) and
//! hands them, with a closure over a [`Tx`], to [`Store::commit`]. The closure reads and writes rows and
//! ends with [`Tx::record`], the only maker of the [`Recorded`] that it must return: so there is no
//! change without its audit event, and no event for a change that did not happen. The committer gathers
//! what concurrent callers submit, makes the bodies durable, then runs every closure in one database
//! transaction (each in a savepoint of its own, so one refusal does not touch the others), commits, and
//! only then answers with a [`Receipt`].
//!
//! # How data leaves
//!
//! [`Store::read`] runs a closure over a [`Snapshot`]: a consistent view that never waits for the
//! writer. [`Store::body`] opens a sealed body for one of its owners. [`Store::watch`] wakes a session
//! when something it looks at has changed.
//!
//! # What it never does
//!
//! It knows no protocol and no policy, and it answers no receipt for what is not on stable storage.
//! Domain modules ([`mailbox`], [`queue`], [`event`]) speak the narrow SQL of [`sql`], which SQLite
//! carries today and PostgreSQL can carry later; nothing outside `sqlite` names an engine.

pub mod abuse;
pub mod acme;
pub mod acquaintance;
mod backup;
mod batch;
mod cipher;
mod collect;
mod commit;
mod compact;
mod compression;
pub mod disk;
mod error;
pub mod event;
mod facts;
#[cfg(test)]
mod faults;
mod forward;
pub mod id;
pub mod index;
mod keys;
mod log_ahead;
pub mod mailbox;
mod mark;
mod open;
pub mod outbreak;
pub mod policy;
pub mod quarantine;
pub mod queue;
mod read;
mod recover;
mod release;
mod repair;
mod restore;
mod schema;
mod seal;
mod segment;
mod shared;
pub mod sql;
mod sqlite;
pub mod sts;
pub mod tls_report;
pub mod traffic;
pub mod tree;
mod tx;
pub mod verify;
pub mod words;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use world::{Worker, World};

use collect::{Chore, Chores};
use commit::Entrance;
use shared::Shared;

pub use backup::Backup;
pub use error::{Error, Refusal};
pub use facts::Facts;
pub use id::{AccountId, BodyId, EmailId, EventId, MailboxId, PersonId, QueueId, ThreadId};
pub use repair::Repaired;
pub use restore::{Restore, Restored};
pub use tx::{Snapshot, Tx};
pub use verify::{Finding, Progress, Verification};

/// The store of one installation. Cheap to clone; all clones speak to the same committer.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    entrance: Entrance,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    stages: [Worker; 2],
    keeper: Worker,
    chores: Chores,
    /// Follow the events, until they are told to stop: the trail's index and its tree.
    followers: [Worker; 2],
    stop: watch::Sender<bool>,
}

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Segments are closed at this size, in bytes. Default 256 MiB.
    pub segment_size: u64,
    /// Commits gathered into one batch at most. Default 512.
    pub batch_limit: usize,
    /// Bytes of bodies gathered into one batch at most. Default 64 MiB.
    pub batch_bytes: usize,
    /// Bytes of the database's log after which it is moved into the database; on the disk it takes up to some more than
    /// twice that. Default 32 MiB.
    pub log_bytes: u64,
    /// After so long without a commit the database's log is emptied and its room given back. Default 30 s.
    pub log_rest: Duration,
    /// Connections kept for readers. Default 8.
    pub readers: usize,
    /// zstd level for bodies above 32 KiB; smaller ones are compressed at -1 at most, for speed. Default 1.
    pub compression_level: i32,
    /// Bodies of fewer octets are kept as they are: to pack and unpack them takes longer than what it saves. Default 8 KiB.
    pub compress_from: usize,
    /// Below this many free bytes on the disk, commits that add bodies are refused with
    /// [`Error::Full`]; deletions go on. Default 64 MiB.
    pub reserve_bytes: u64,
    /// A segment in which at least so many bytes, and a third of what it takes on the disk, belong to no body is given back
    /// whole: what lives in it is written anew. Default 8 MiB.
    pub waste_bytes: u64,
    /// A mailbox with at least so many messages has its roll ([`mailbox::Roll`]) kept beside the database, so that it need not be
    /// read row by row to be selected. Default 2,048.
    pub roll_from: u64,
    /// How long events wait at most until a signed checkpoint tells of them (clause 4.2(2)). Default one minute, which is also the
    /// most that there is.
    pub checkpoint_every: Duration,
    /// What the trail's log is called when its key is made, with a mark behind it that no other log has: the site's host
    /// name. Default `kakitome.invalid`.
    pub trail_origin: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_size: 256 << 20,
            batch_limit: 512,
            batch_bytes: 64 << 20,
            log_bytes: 32 << 20,
            log_rest: Duration::from_secs(30),
            readers: 8,
            compression_level: 1,
            compress_from: 8 << 10,
            reserve_bytes: 64 << 20,
            waste_bytes: 8 << 20,
            roll_from: 2048,
            checkpoint_every: Duration::from_secs(60),
            trail_origin: "kakitome.invalid".to_owned(),
        }
    }
}

/// A body compressed, encrypted and ready to be committed. Its id is already known, so that the
/// closure that commits it can refer to it.
#[derive(Debug)]
pub struct SealedBody {
    /// The id it will have.
    pub id: BodyId,
    /// Size of the raw message in octets.
    pub size: u64,
    pub(crate) sealed: seal::Sealed,
}

/// Proof that a transaction recorded its audit event. Outside of this crate only [`Tx::record`] makes it, and [`traffic::only_counted`] for what
/// merely follows the trail.
#[derive(Debug)]
#[must_use = "return it from the closure given to Store::commit"]
pub struct Recorded<T> {
    value: T,
}

impl<T> Recorded<T> {
    /// The same proof with another value.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Recorded<U> {
        Recorded {
            value: with(self.value),
        }
    }
}

/// Proof that a commit is on stable storage. Only the committer makes it.
#[derive(Debug)]
pub struct Receipt<T> {
    /// What the closure returned.
    pub value: T,
}

/// What a session can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Messages or flags of one mailbox.
    Mailbox(MailboxId),
    /// An account: its list of mailboxes, quota, password, suspension.
    Account(AccountId),
    /// The queue: something new, released or told to retry.
    Queue,
    /// A message came into any mailbox: what the search index follows.
    Arrivals,
    /// What people order: accounts, their addresses, states and quotas, people and their roles.
    Directory,
    /// Networks whose connections are not taken.
    Blocks,
}

/// A place in the order of commits, of one opened store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u64);

impl Store {
    /// Opens the store under `directory` (making it if it is empty), takes the installation's lock,
    /// recovers what an earlier crash left, and starts the committer.
    ///
    /// # Errors
    /// When another process has it open, when a file is damaged or of a later format, or on I/O errors.
    pub fn open(directory: &Path, options: &Options, world: World) -> Result<Self, Error> {
        Self::open_on(directory, options, world, Arc::new(disk::RealDisk))
    }

    /// The same on another disk than the machine's own: a simulated one, which can fail and lose power.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        directory: &Path,
        options: &Options,
        world: World,
        disk: Arc<dyn disk::Disk>,
    ) -> Result<Self, Error> {
        let opened = open::open(directory, options, world, disk)?;
        let threads = Threads {
            stages: opened.stages,
            keeper: opened.keeper,
            chores: opened.chores,
            followers: opened.followers,
            stop: opened.stop,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                shared: opened.shared,
                entrance: opened.entrance,
                threads: Mutex::new(Some(threads)),
            }),
        })
    }

    /// Waits for all commits submitted, then closes. Later commits are refused with [`Error::Closed`].
    ///
    /// Dropping the last clone does the same, but makes its thread wait.
    pub async fn close(&self) {
        let Some(threads) = self.inner.shut() else {
            return;
        };
        for stage in threads.stages {
            tell(stage.ended().await);
        }
        threads.stop.send_replace(true);
        for follower in threads.followers {
            tell(follower.ended().await);
        }
        self.inner.shared.trail.close();
        self.inner.shared.readers.close();
        threads.chores.ask(Chore::Stop);
        tell(threads.keeper.ended().await);
        self.inner.shared.lock.lock().take();
    }

    /// The instant now, but never before that of the last commit: what was over stays over when the clock is put back.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        let shared = &self.inner.shared;
        let last = shared.last_at.load(std::sync::atomic::Ordering::Acquire);
        let last = jiff::Timestamp::from_microsecond(last).unwrap_or_default();
        shared.world.now().max(last)
    }

    /// How far the clock is behind the last commit.
    #[must_use]
    pub fn clock_behind(&self) -> jiff::SignedDuration {
        self.now().duration_since(self.inner.shared.world.now())
    }

    /// Fresh, time-ordered ids. Unique for ever in this installation.
    #[must_use]
    pub fn next_id(&self) -> i64 {
        self.inner.shared.ids.next()
    }

    /// Compresses and seals `raw` for `owners` (each an account whose key exists, or
    /// [`AccountId::QUEUE`]). Costs CPU, no disk.
    ///
    /// # Errors
    /// [`Error::NoKey`] when an owner has no key (any more).
    pub fn seal(&self, raw: &[u8], owners: &[AccountId]) -> Result<SealedBody, Error> {
        let shared = &self.inner.shared;
        let mut keyed: Vec<(AccountId, Arc<cipher::Key>)> = Vec::with_capacity(owners.len());
        for owner in owners {
            if keyed.iter().any(|(have, _)| have == owner) {
                continue;
            }
            let key = match shared.keys.known(*owner)? {
                Some(key) => key,
                None => shared
                    .readers
                    .with(|sql| shared.keys.find(sql, *owner, true))?,
            };
            keyed.push((*owner, key));
        }
        let id = BodyId(shared.ids.next());
        let options = &shared.options;
        let level = (raw.len() >= options.compress_from).then_some(options.compression_level);
        Ok(SealedBody {
            id,
            size: raw.len() as u64,
            sealed: seal::seal(id, raw, &keyed, level, &shared.world)?,
        })
    }

    /// Commits `bodies` and the changes that `work` makes, durably, in one transaction.
    ///
    /// `work` may run on another thread; it must not block on anything else. When it returns an error
    /// or panics, its changes (and bodies) are undone and nobody else's are touched.
    ///
    /// # Errors
    /// Those of `work`; or [`Error`] when the disk is full, read-only or fails. After an error, nothing
    /// of this call is in the store.
    pub async fn commit<T, E>(
        &self,
        bodies: Vec<SealedBody>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
    ) -> Result<Receipt<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.entrance.commit(bodies, work).await
    }

    /// Runs `work` over a consistent view, on a thread where blocking is allowed.
    ///
    /// # Errors
    /// Those of `work`, or [`Error`] when the database cannot be read.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permits = Arc::clone(&self.inner.shared.readers.permits);
        let permit = permits.acquire_owned().await.map_err(|_| Error::Closed)?;
        let shared = Arc::clone(&self.inner.shared);
        let reading = move || {
            let _permit = permit;
            shared
                .readers
                .with(|sql| work(&mut Snapshot::new(sql, &shared)))
        };
        self.blocking(reading).await
    }

    /// Runs `work` of the caller's own where blocking is allowed: sealing, reading what is long.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Panicked`] when it panics.
    pub async fn blocking<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match self.inner.shared.world.blocking(work).await {
            Ok(result) => result,
            Err(panicked) => Err(Error::from(panicked).into()),
        }
    }

    /// Opens a body for one of its owners: the raw message. Its seal is what is checked, not its digest: [`Store::verify`] does that.
    ///
    /// # Errors
    /// [`Error::NotFound`] when `account` does not own it; [`Error::Corrupt`] when it does not open.
    pub async fn body(&self, account: AccountId, body: BodyId) -> Result<Bytes, Error> {
        let opened = self.bodies(account, vec![body]).await?.pop();
        opened.unwrap_or_else(|| Err(Error::NotFound(format!("body {body} of {account}"))))
    }

    /// Opens several bodies at once, each as [`Store::body`] does. The caller bounds how many octets they are.
    ///
    /// # Errors
    /// When the database cannot be read; what is wrong with a body stands in its place.
    pub async fn bodies(
        &self,
        account: AccountId,
        bodies: Vec<BodyId>,
    ) -> Result<Vec<Result<Bytes, Error>>, Error> {
        let shared = Arc::clone(&self.inner.shared);
        self.read(move |snapshot| read::bodies(&shared, snapshot, account, &bodies))
            .await
    }

    /// Takes all events into the trail's index now, instead of some moments later. [`event::search`] finds every event
    /// without it too, only slower.
    ///
    /// # Errors
    /// When the events cannot be read or the index cannot be written.
    pub async fn index_trail(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.inner.shared);
        self.blocking(move || {
            while shared.trail.follow_some(&shared)? {}
            Ok(())
        })
        .await
    }

    /// A receiver whose value changes after each commit that touched `topic`.
    #[must_use]
    pub fn watch(&self, topic: Topic) -> watch::Receiver<u64> {
        self.inner.shared.topics.watch(topic)
    }

    /// Now, in the order of commits: to be asked before a read whose result is to be kept in step by
    /// [`Store::watch_since`].
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(self.inner.shared.topics.moment())
    }

    /// As [`Store::watch`], for somebody who has read since `moment`: its value has changed already if a commit since then
    /// touched `topic`, or if there were too many commits to tell.
    #[must_use]
    pub fn watch_since(&self, topic: Topic, moment: Moment) -> watch::Receiver<u64> {
        self.inner.shared.topics.watch_since(topic, moment.0)
    }

    /// What the store takes and what it has done since it was opened: for `status` and metrics.
    ///
    /// # Errors
    /// When the disk cannot be asked.
    pub fn facts(&self) -> Result<Facts, Error> {
        facts::gather(&self.inner.shared)
    }
}

impl Inner {
    /// Lets nothing more in; the threads that are to be waited for, once.
    fn shut(&self) -> Option<Threads> {
        self.entrance.shut();
        self.threads.lock().take()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(threads) = self.shut() else {
            return;
        };
        // The last clone may be dropped with a closure, on the thread that ran it: `join` does not wait for that one.
        for stage in threads.stages {
            tell(stage.join());
        }
        threads.stop.send_replace(true);
        for follower in threads.followers {
            tell(follower.join());
        }
        self.shared.trail.close();
        self.shared.readers.close();
        threads.chores.ask(Chore::Stop);
        tell(threads.keeper.join());
        self.shared.lock.lock().take();
    }
}

/// A worker's panic was told by the system's own words; this says whose it was.
fn tell(ended_well: bool) {
    if !ended_well {
        tracing::error!("a worker of the store panicked");
    }
}
