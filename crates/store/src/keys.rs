//! The installation key and the accounts' keys.
//!
//! An account's key is random, wrapped by the installation key and kept in `account_key`. The installation key
//! is a file of its own, `keys/installation.key`: whoever has the database alone can read no mail.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;
use world::World;
use zeroize::Zeroizing;

use crate::{
    AccountId, Error,
    cipher::{self, KEY, Key},
    disk::Disk,
    params,
    sql::{self, Sql},
};

/// Account keys kept unwrapped in memory at most.
const CACHED: usize = 4096;
const FIRST_LINE: &str = "kakitome installation key 1";
/// Octets of a file with a key at most.
const LONGEST: usize = 1024;
/// The name of the installation key's file.
pub(crate) const FILE: &str = "installation.key";

/// The keys of this installation, unwrapped as they are needed.
pub(crate) struct Keyring {
    installation: Key,
    world: World,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    keys: HashMap<AccountId, Arc<Key>>,
    /// Accounts whose key was destroyed, so that a reader of an older snapshot does not bring it back.
    destroyed: HashSet<AccountId>,
}

impl Keyring {
    /// Reads the installation key, or makes it when `fresh` says that the store has none yet.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Path,
        fresh: bool,
        world: World,
    ) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let installation = match read_file(disk, &path)? {
            Some(key) => key,
            None if fresh => make_file(disk, directory, &path, &world)?,
            None => {
                return Err(Error::KeyFile {
                    path,
                    reason:
                        "missing: bring it back from a backup, for without it no mail can be read"
                            .to_owned(),
                });
            }
        };
        Ok(Self {
            installation,
            world,
            cached: Mutex::default(),
        })
    }

    /// A value that tells whether two stores have the same installation key, and nothing else about it.
    pub(crate) fn fingerprint(&self) -> String {
        let key = blake3::derive_key(
            "kakitome 2026 installation key fingerprint",
            self.installation.as_slice(),
        );
        blake3::hash(&key).to_hex().to_string()
    }

    /// A key for another use than mail, which tells nothing about the installation key.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, self.installation.as_slice())
    }

    /// A new account key, wrapped.
    pub(crate) fn make(&self, account: AccountId) -> Result<Vec<u8>, Error> {
        let key: Key = Zeroizing::new(self.world.bytes());
        cipher::seal_box(
            &self.installation,
            self.world.bytes(),
            &bound(account),
            key.as_slice(),
        )
    }

    /// The key of `account`, from memory or through `sql`. `remember` it only when `sql` sees nothing
    /// uncommitted.
    pub(crate) fn find(
        &self,
        sql: &mut dyn Sql,
        account: AccountId,
        remember: bool,
    ) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.known(account)? {
            return Ok(key);
        }
        let statement = "SELECT wrapped FROM account_key WHERE account = ?1";
        let wrapped = sql::first(sql, statement, params![account], |row| row.blob(0))?
            .ok_or(Error::NoKey(account))?;
        let key = Arc::new(self.unwrap(account, &wrapped)?);
        if remember {
            self.remember(account, &key)?;
        }
        Ok(key)
    }

    /// The key of `account` if it is in memory.
    pub(crate) fn known(&self, account: AccountId) -> Result<Option<Arc<Key>>, Error> {
        let cached = self.cached.lock();
        if cached.destroyed.contains(&account) {
            return Err(Error::NoKey(account));
        }
        Ok(cached.keys.get(&account).cloned())
    }

    fn remember(&self, account: AccountId, key: &Arc<Key>) -> Result<(), Error> {
        let mut cached = self.cached.lock();
        if cached.destroyed.contains(&account) {
            return Err(Error::NoKey(account));
        }
        if cached.keys.len() >= CACHED
            && let Some(other) = cached.keys.keys().next().copied()
        {
            cached.keys.remove(&other);
        }
        cached.keys.insert(account, Arc::clone(key));
        Ok(())
    }

    /// Forgets a key that is being destroyed.
    pub(crate) fn forget(&self, account: AccountId) {
        let mut cached = self.cached.lock();
        cached.keys.remove(&account);
        cached.destroyed.insert(account);
    }

    /// Takes [`Keyring::forget`] back: the destroying transaction failed.
    pub(crate) fn recall(&self, account: AccountId) {
        self.cached.lock().destroyed.remove(&account);
    }

    fn unwrap(&self, account: AccountId, wrapped: &[u8]) -> Result<Key, Error> {
        cipher::open_box(&self.installation, &bound(account), wrapped)
            .and_then(|key| key_from(&key))
            .ok_or_else(|| Error::Corrupt(format!("the key of account {account} does not open")))
    }
}

fn bound(account: AccountId) -> Vec<u8> {
    [
        b"kakitome account key 1".as_slice(),
        &account.0.to_be_bytes(),
    ]
    .concat()
}

/// A key from bytes of its length.
pub(crate) fn key_from(bytes: &[u8]) -> Option<Key> {
    <[u8; KEY]>::try_from(bytes).ok().map(Zeroizing::new)
}

fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Key>, Error> {
    let bad = |reason: &str| Error::KeyFile {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let Some(text) = read_text(disk, path)? else {
        return Ok(None);
    };
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(bad(
            "not an installation key of a format that this program knows",
        ));
    }
    let key = lines.next().and_then(from_hex);
    key.map(Some)
        .ok_or_else(|| bad("the key is damaged: bring it back from a backup"))
}

/// The text of a file with a key, if there is one.
pub(crate) fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<Zeroizing<String>>, Error> {
    let io_error = |source| Error::io(path, source);
    let bad = |reason: &str| Error::KeyFile {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(error)),
    };
    let mode = file.mode().map_err(io_error)?;
    if mode & 0o077 != 0 {
        return Err(bad(&format!(
            "mode {mode:03o} lets others read the key: make it 600 and think about who may have read it"
        )));
    }
    let mut bytes = Zeroizing::new([0; LONGEST]);
    let length = file.read_some(bytes.as_mut_slice(), 0).map_err(io_error)?;
    let text = bytes.get(..length).unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| bad("this is no text"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

fn make_file(disk: &dyn Disk, directory: &Path, path: &Path, world: &World) -> Result<Key, Error> {
    let key: Key = Zeroizing::new(world.bytes());
    let hex = to_hex(key.as_slice());
    let text = Zeroizing::new(format!("{FIRST_LINE}\n{}\n", hex.as_str()));
    write_text(disk, directory, path, &text)?;
    Ok(key)
}

/// Makes a file with a key, durably.
pub(crate) fn write_text(
    disk: &dyn Disk,
    directory: &Path,
    path: &Path,
    text: &str,
) -> Result<(), Error> {
    // Under another name first: a crash in between must not leave a key file without a key.
    let unfinished = path.with_extension("key.new");
    let write = || -> io::Result<()> {
        match disk.remove(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&unfinished)?;
        file.write_at(&[text.as_bytes()], 0)?;
        file.sync()?;
        disk.rename(&unfinished, path)?;
        disk.sync_names(directory)
    };
    write().map_err(|error| Error::io(path, error))
}

pub(crate) fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

pub(crate) fn from_hex(text: &str) -> Option<Key> {
    let mut key: Key = Zeroizing::new([0; KEY]);
    if text.len() != KEY * 2 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        *byte = u8::try_from(value).ok()?;
    }
    Some(key)
}
