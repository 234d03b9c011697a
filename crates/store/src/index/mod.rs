//! The search index: which messages can hold a text.
//!
//! IMAP SEARCH means substring, and grams can only narrow: [`Index::candidates`] gives every indexed message that could hold
//! the needle, and says up to which message the index reaches. [`Index::hold`] tells which of them do, by the text that it
//! keeps of most. The caller verifies the others and all later messages against their text.
//!
//! The index follows the store by itself, some moments behind, in the order of EMAILIDs. It holds
//! pieces of plain text (the texts themselves are sealed), so it has rules of its own: a directory apart that no backup takes, a file for each account, and
//! [`Index::forget`] removes that file as soon as the account is deleted. It can be removed at any time while
//! nothing runs; it is made again from the store.

mod examine;
mod extract;
mod follow;
mod gram;
mod packed;
mod rolls;
mod sqlite_index;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use memchr::memmem::Finder;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use world::Worker;

use crate::{AccountId, EmailId, Error, Store, disk::Disk};

use packed::Texts;
use sqlite_index::File;

/// Accounts whose files are kept open at most.
const OPEN_ACCOUNTS: usize = 64;
/// Octets of a folded needle that grams are made of.
const MAX_NEEDLE: usize = 1024;
/// Candidates whose text is looked at in one go.
const AT_ONCE: usize = 1000;

/// Where a needle is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Headers and body (IMAP `TEXT`).
    Text,
    /// The body with its decoded parts (`BODY`).
    Body,
    /// Any header (`HEADER`, `SUBJECT`, `FROM` …): verification tells which.
    Headers,
}

/// What the index can say of a needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// Nothing: the needle has no letters or digits enough. Every message must be verified.
    All,
    /// Only these, and all messages that the index has not reached.
    These(Found),
}

/// The messages that could hold a needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Their EMAILIDs, ascending. Some may be expunged by now.
    pub emails: Vec<EmailId>,
    /// Messages with a higher EMAILID are not indexed yet: each may hold the needle.
    pub covered_up_to: EmailId,
}

/// The search index of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Index {
    shared: Arc<Shared>,
    stop: Arc<watch::Sender<bool>>,
    follower: Arc<Mutex<Option<Worker>>>,
}

impl Index {
    /// Opens the index under `directory` (making it if there is none) and starts to follow `store`. To be called
    /// in a tokio runtime.
    ///
    /// # Errors
    /// When the directory cannot be made, or the system refuses a thread.
    pub fn open(directory: &Path, store: Store) -> Result<Self, Error> {
        let disk = Arc::clone(&store.inner.shared.disk);
        disk.make_directory(directory)
            .map_err(|error| Error::io(directory, error))?;
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            disk,
            store,
            files: Mutex::new(Files::default()),
            lost: Mutex::new(BTreeSet::new()),
            lost_one: Notify::new(),
        });
        let (stop, stopped) = watch::channel(false);
        let world = &shared.store.inner.shared.world;
        let following = follow::run(Arc::clone(&shared), stopped);
        let started = world.start_behind("search-index", following);
        let follower = started.map_err(|error| Error::io(directory, error))?;
        Ok(Self {
            shared,
            stop: Arc::new(stop),
            follower: Arc::new(Mutex::new(Some(follower))),
        })
    }

    /// The messages of `account` whose text could hold `needle` in `field`. The needle is folded here.
    ///
    /// # Errors
    /// When the index cannot be read: every message must be verified then, as with [`Candidates::All`].
    pub async fn candidates(
        &self,
        account: AccountId,
        needle: &str,
        field: Field,
    ) -> Result<Candidates, Error> {
        // Cut after folding: a character may fold otherwise with what follows it.
        let mut folded = extract::fold(needle);
        folded.truncate(folded.floor_char_boundary(MAX_NEEDLE));
        let shared = Arc::clone(&self.shared);
        self.shared
            .store
            .blocking(move || shared.candidates(account, &folded, field))
            .await
    }

    /// Whether each of `emails` of `account`, which are indexed, holds `needle` in `field`, in their order; `None` for those
    /// that must be read to tell. The needle is folded here.
    ///
    /// # Errors
    /// When the index cannot be read: every message must be verified then.
    pub async fn hold(
        &self,
        account: AccountId,
        emails: &[EmailId],
        needle: &str,
        field: Field,
    ) -> Result<Vec<Option<bool>>, Error> {
        let needle = Finder::new(extract::fold(needle).as_bytes()).into_owned();
        let needle = Arc::new(needle);
        let mut held = Vec::with_capacity(emails.len());
        for some in emails.chunks(AT_ONCE) {
            let (shared, needle) = (Arc::clone(&self.shared), Arc::clone(&needle));
            let some = some.to_vec();
            let asking = move || shared.hold(account, &some, &needle, field);
            held.extend(self.shared.store.blocking(asking).await?);
        }
        Ok(held)
    }

    /// Removes all that the index holds of `account`, at once and for good. To be called when the commit that
    /// deleted the account is durable; should the process die in between, the next start does it.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub async fn forget(&self, account: AccountId) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        self.shared
            .store
            .blocking(move || shared.forget(account))
            .await
    }

    /// Waits until all messages of `account` that are in the store now are indexed, and its rolls kept. For tests and for
    /// commands that rebuild.
    ///
    /// # Errors
    /// When the store or the index cannot be read or written.
    pub async fn catch_up(&self, account: AccountId) -> Result<(), Error> {
        follow::catch_up(&self.shared, account).await?;
        rolls::renew(&self.shared, account).await
    }

    /// Stops following and waits for what is under way.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        let follower = self.follower.lock().take();
        if let Some(follower) = follower
            && !follower.ended().await
        {
            tracing::error!("the search index's follower ended in a panic");
        }
        self.shared.files.lock().open.clear();
    }
}

/// What the index and its follower share.
struct Shared {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    store: Store,
    files: Mutex<Files>,
    /// Accounts whose file was damaged and removed: to be made anew.
    lost: Mutex<BTreeSet<AccountId>>,
    lost_one: Notify,
}

#[derive(Default)]
struct Files {
    open: HashMap<AccountId, Open>,
    /// Ascends with every use: the lowest leaves first.
    clock: u64,
    /// Accounts deleted while this process runs. Ids are never reused.
    forgotten: HashSet<AccountId>,
}

struct Open {
    account: Arc<AccountFiles>,
    used: u64,
}

/// The connections of one account: readers do not wait for the follower.
struct AccountFiles {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    /// Held while the follower brings this account up to date.
    following: tokio::sync::Mutex<()>,
}

enum Connection {
    Unopened,
    Open(File),
    Forgotten,
}

impl Shared {
    fn path(&self, account: AccountId) -> PathBuf {
        self.directory.join(format!("{account}.db"))
    }

    /// The account's connections; `None` when it was forgotten.
    fn account(&self, account: AccountId) -> Option<Arc<AccountFiles>> {
        let mut files = self.files.lock();
        if files.forgotten.contains(&account) {
            return None;
        }
        files.clock += 1;
        let now = files.clock;
        if let Some(open) = files.open.get_mut(&account) {
            open.used = now;
            return Some(Arc::clone(&open.account));
        }
        if files.open.len() >= OPEN_ACCOUNTS {
            // One that somebody works with stays: two sets of connections would not know of each other.
            let idle = files
                .open
                .iter()
                .filter(|(_, open)| Arc::strong_count(&open.account) == 1)
                .min_by_key(|(_, open)| open.used)
                .map(|(account, _)| *account);
            if let Some(idle) = idle {
                files.open.remove(&idle);
            }
        }
        let opened = Arc::new(AccountFiles {
            writer: Mutex::new(Connection::Unopened),
            reader: Mutex::new(Connection::Unopened),
            following: tokio::sync::Mutex::new(()),
        });
        files.open.insert(
            account,
            Open {
                account: Arc::clone(&opened),
                used: now,
            },
        );
        Some(opened)
    }

    /// Works with the connection that writes, making the file if need be. `None` when the account was forgotten.
    fn write<T>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut File) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(files) = self.account(account) else {
            return Ok(None);
        };
        let mut writer = files.writer.lock();
        if matches!(*writer, Connection::Unopened) {
            *writer = Connection::Open(File::open(self.disk.as_ref(), &self.path(account))?);
        }
        let done = match &mut *writer {
            Connection::Open(file) => work(file).map(Some),
            Connection::Unopened | Connection::Forgotten => Ok(None),
        };
        drop(writer);
        if let Err(Error::Corrupt(what)) = &done {
            self.lose(account, &files, what)?;
        }
        done
    }

    /// The same, unless there is no file.
    fn write_existing<T>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut File) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.has_file(account)? {
            self.write(account, work)
        } else {
            Ok(None)
        }
    }

    /// Removes an account's file, for it holds nothing that is needed.
    fn drop_file(&self, account: AccountId, files: &AccountFiles) -> Result<(), Error> {
        let mut writer = files.writer.lock();
        let mut reader = files.reader.lock();
        if !matches!(*writer, Connection::Forgotten) {
            *writer = Connection::Unopened;
            *reader = Connection::Unopened;
            sqlite_index::remove(self.disk.as_ref(), &self.path(account))?;
        }
        Ok(())
    }

    /// Removes a damaged file and asks the follower to make it anew.
    fn lose(&self, account: AccountId, files: &AccountFiles, what: &str) -> Result<(), Error> {
        tracing::warn!(%account, what, "a damaged search index is made anew");
        self.drop_file(account, files)?;
        self.lost.lock().insert(account);
        self.lost_one.notify_one();
        Ok(())
    }

    fn candidates(
        &self,
        account: AccountId,
        folded: &str,
        field: Field,
    ) -> Result<Candidates, Error> {
        let conditions = gram::conditions(folded);
        if conditions.is_empty() {
            return Ok(Candidates::All);
        }
        let found = self.ask(account, |file| file.candidates(&conditions, field))?;
        let (emails, covered_up_to) = found.unwrap_or((Vec::new(), EmailId(0)));
        Ok(Candidates::These(Found {
            emails,
            covered_up_to,
        }))
    }

    fn hold(
        &self,
        account: AccountId,
        emails: &[EmailId],
        needle: &Finder<'_>,
        field: Field,
    ) -> Result<Vec<Option<bool>>, Error> {
        let texts = self.texts(account)?;
        let held = self.ask(account, |file| file.hold(emails, &texts, needle, field))?;
        Ok(held.unwrap_or_else(|| vec![None; emails.len()]))
    }

    /// What seals and opens the texts of `account`.
    fn texts(&self, account: AccountId) -> Result<Texts, Error> {
        let shared = &self.store.inner.shared;
        let key = match shared.keys.known(account)? {
            Some(key) => key,
            None => shared
                .readers
                .with(|sql| shared.keys.find(sql, account, true))?,
        };
        Texts::new(account, key)
    }

    /// Asks the connection that reads; `None` when there is no file. A damaged one is given up, to be made anew.
    fn ask<T>(
        &self,
        account: AccountId,
        question: impl FnOnce(&mut File) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(files) = self.account(account) else {
            return Ok(None);
        };
        let mut reader = files.reader.lock();
        let answer = match &mut *reader {
            Connection::Forgotten => return Ok(None),
            Connection::Open(file) => question(file).map(Some),
            Connection::Unopened => {
                match File::open_existing(self.disk.as_ref(), &self.path(account)) {
                    Ok(None) => return Ok(None),
                    Ok(Some(mut file)) => {
                        let answer = question(&mut file).map(Some);
                        *reader = Connection::Open(file);
                        answer
                    }
                    Err(error) => Err(error),
                }
            }
        };
        match answer {
            Err(Error::Corrupt(what)) => {
                drop(reader);
                self.lose(account, &files, &what)?;
                Ok(None)
            }
            answer => answer,
        }
    }

    fn forget(&self, account: AccountId) -> Result<(), Error> {
        let open = {
            let mut files = self.files.lock();
            files.forgotten.insert(account);
            files.open.remove(&account)
        };
        // Whoever works with a connection ends first, and finds it forgotten the next time.
        let held = open.map(|open| open.account);
        let locks = held.as_ref().map(|files| {
            let mut writer = files.writer.lock();
            let mut reader = files.reader.lock();
            *writer = Connection::Forgotten;
            *reader = Connection::Forgotten;
            (writer, reader)
        });
        let removed = sqlite_index::remove(self.disk.as_ref(), &self.path(account));
        drop(locks);
        removed
    }

    /// Whether the account has a file.
    fn has_file(&self, account: AccountId) -> Result<bool, Error> {
        let path = self.path(account);
        let size = self.disk.size(&path);
        Ok(size.map_err(|error| Error::io(&path, error))?.is_some())
    }

    /// The accounts that have a file.
    fn accounts_with_files(&self) -> Result<Vec<AccountId>, Error> {
        let names = self
            .disk
            .names(&self.directory)
            .map_err(|error| Error::io(&self.directory, error))?;
        let account = |name: &String| name.strip_suffix(".db")?.parse().ok();
        Ok(names.iter().filter_map(account).collect())
    }
}
