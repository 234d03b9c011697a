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

mod batch;
mod error;
pub mod event;
pub mod id;
pub mod mailbox;
pub mod queue;
pub mod sql;

use std::path::Path;

use bytes::Bytes;
use tokio::sync::watch;
use world::World;

pub use error::{Error, Refusal};
pub use id::{AccountId, BodyId, EmailId, EventId, MailboxId, PersonId, QueueId, ThreadId};

use sql::{Row, Sql, Value};

/// The store of one installation. Cheap to clone; all clones speak to the same committer.
#[derive(Clone)]
pub struct Store {
    _inner: (),
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
    /// Connections kept for readers. Default 8.
    pub readers: usize,
    /// zstd level for bodies. Default 1.
    pub compression_level: i32,
    /// Below this many free bytes on the disk, commits that add bodies are refused with
    /// [`Error::Full`]; deletions go on. Default 64 MiB.
    pub reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_size: 256 << 20,
            batch_limit: 512,
            batch_bytes: 64 << 20,
            readers: 8,
            compression_level: 1,
            reserve_bytes: 64 << 20,
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
}

/// Proof that a transaction recorded its audit event. Only [`Tx::record`] makes it.
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
}

impl Store {
    /// Opens the store under `directory` (making it if it is empty), takes the installation's lock,
    /// recovers what an earlier crash left, and starts the committer.
    ///
    /// # Errors
    /// When another process has it open, when a file is damaged or of a later format, or on I/O errors.
    pub fn open(_directory: &Path, _options: &Options, _world: World) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Waits for all commits submitted, then closes. Later commits are refused with [`Error::Closed`].
    pub async fn close(&self) {
        unimplemented!()
    }

    /// Fresh, time-ordered ids. Unique for ever in this installation.
    #[must_use]
    pub fn next_id(&self) -> i64 {
        unimplemented!()
    }

    /// Compresses and seals `raw` for `owners` (each an account whose key exists, or
    /// [`AccountId::QUEUE`]). Costs CPU, no disk.
    ///
    /// # Errors
    /// [`Error::NoKey`] when an owner has no key (any more).
    pub fn seal(&self, _raw: &[u8], _owners: &[AccountId]) -> Result<SealedBody, Error> {
        unimplemented!()
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
        _bodies: Vec<SealedBody>,
        _work: impl FnOnce(&mut Tx<'_>) -> Result<Recorded<T>, E> + Send + 'static,
    ) -> Result<Receipt<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        unimplemented!()
    }

    /// Runs `work` over a consistent view, on a thread where blocking is allowed.
    ///
    /// # Errors
    /// Those of `work`, or [`Error`] when the database cannot be read.
    pub async fn read<T, E>(
        &self,
        _work: impl FnOnce(&mut Snapshot<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        unimplemented!()
    }

    /// Opens a body for one of its owners: the raw message, checked against its digest.
    ///
    /// # Errors
    /// [`Error::NotFound`] when `account` does not own it; [`Error::Corrupt`] when it does not open.
    pub async fn body(&self, _account: AccountId, _body: BodyId) -> Result<Bytes, Error> {
        unimplemented!()
    }

    /// A receiver whose value changes after each commit that touched `topic`.
    #[must_use]
    pub fn watch(&self, _topic: Topic) -> watch::Receiver<u64> {
        unimplemented!()
    }
}

/// A consistent, read-only view of the tables.
pub struct Snapshot<'a> {
    _sql: &'a mut dyn Sql,
}

impl Snapshot<'_> {
    /// Opens a blob that was sealed for `account` with [`Tx::seal_note`].
    ///
    /// # Errors
    /// [`Error::NoKey`] when the account's key is gone, [`Error::Corrupt`] when the blob does not open.
    pub fn open_note(&mut self, _account: AccountId, _sealed: &[u8]) -> Result<Vec<u8>, Error> {
        unimplemented!()
    }
}

impl Sql for Snapshot<'_> {
    fn query(
        &mut self,
        _sql: &str,
        _params: &[Value<'_>],
        _each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        unimplemented!()
    }
}

/// One transaction: reads, writes and, at its end, the audit event.
pub struct Tx<'a> {
    _sql: &'a mut dyn Sql,
}

impl Tx<'_> {
    /// Executes one changing statement of portable SQL; returns how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses it.
    pub fn execute(&mut self, _sql: &str, _params: &[Value<'_>]) -> Result<u64, Error> {
        unimplemented!()
    }

    /// The instant of this batch: the same for all its events.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        unimplemented!()
    }

    /// A fresh id, above all given before.
    pub fn next_id(&mut self) -> i64 {
        unimplemented!()
    }

    /// Records `event` in the trail, in this transaction, and makes the proof that `work` must return.
    ///
    /// # Errors
    /// When the database refuses it.
    pub fn record<T>(&mut self, _event: &trail::Event, _value: T) -> Result<Recorded<T>, Error> {
        unimplemented!()
    }

    /// Wakes those who watch `topic`, once this transaction is durable.
    pub fn touch(&mut self, _topic: Topic) {
        unimplemented!()
    }

    /// Makes the key of a new account. Its id comes from [`Tx::next_id`].
    ///
    /// # Errors
    /// When the account already has one.
    pub fn create_key(&mut self, _account: AccountId) -> Result<(), Error> {
        unimplemented!()
    }

    /// Destroys an account's key: what was sealed under it cannot be read any more (clause 7.1(3)).
    ///
    /// # Errors
    /// When the database refuses it.
    pub fn destroy_key(&mut self, _account: AccountId) -> Result<(), Error> {
        unimplemented!()
    }

    /// A key for keyed hashes that belong to `account`, derived from its key: without it nobody can tell
    /// what was hashed.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the account's key is gone.
    pub fn account_hash_key(&mut self, _account: AccountId) -> Result<[u8; 32], Error> {
        unimplemented!()
    }

    /// Seals a small blob (cached envelope, script) under `account`'s key.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the account's key is gone.
    pub fn seal_note(&mut self, _account: AccountId, _plain: &[u8]) -> Result<Vec<u8>, Error> {
        unimplemented!()
    }

    /// Opens a blob that was sealed for `account`. As [`Snapshot::open_note`].
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::Corrupt`].
    pub fn open_note(&mut self, _account: AccountId, _sealed: &[u8]) -> Result<Vec<u8>, Error> {
        unimplemented!()
    }

    /// Adds `count` references of `owner` to `body` (as many as messages or queue entries name it). An
    /// owner that did not share the body at sealing gets its key re-wrapped from `from`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when neither owns the body.
    pub fn retain_body(
        &mut self,
        _body: BodyId,
        _owner: AccountId,
        _from: AccountId,
        _count: u64,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Drops `count` references. The last one of the last owner frees the body: its room is given back
    /// to the disk after this transaction is durable.
    ///
    /// # Errors
    /// [`Error::NotFound`] when `owner` holds no such reference.
    pub fn release_body(
        &mut self,
        _body: BodyId,
        _owner: AccountId,
        _count: u64,
    ) -> Result<(), Error> {
        unimplemented!()
    }
}

impl Sql for Tx<'_> {
    fn query(
        &mut self,
        _sql: &str,
        _params: &[Value<'_>],
        _each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        unimplemented!()
    }
}
