//! A store from a backup.
//!
//! A backup is older than what was lost. Mail programs have seen what came after it: UIDs, changes with their MODSEQ,
//! mailboxes. Those numbers would be given again, to other messages, and a program that trusts its cache would show the
//! wrong ones. So every mailbox gets a UIDVALIDITY that nobody has seen (RFC 9051, section 2.3.1.1: then a cache is
//! thrown away), and ids jump ahead. To raise UIDs and MODSEQs instead would not do: a program that synchronizes by
//! MODSEQ (RFC 7162) would never hear that changes it knows are undone.

use std::{
    fs,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;
use trail::{Actor, Event, Kind};
use world::World;

use crate::{
    Error, Options, Recorded, Store, Tx,
    disk::{Disk as _, RealDisk},
    id, keys, open, params, schema,
    sql::{self, Engine as _},
    sqlite::Connection,
    tree,
};

/// Ids are given from this far ahead: a day of them, should the clock have been put back since the backup.
const IDS_AHEAD: i64 = 86_400_000 << 20;
/// UIDVALIDITYs are given from this far ahead of the seconds since 1970 and of all given before: more than an
/// installation makes beyond its clock.
const VALIDITY_AHEAD: i64 = 1_000_000;
/// Bytes copied between two words on how far it has come.
const PIECE: usize = 4 << 20;

/// How to restore.
#[derive(Clone, Debug, Default)]
pub struct Restore {
    /// Who does it, for the event.
    pub user: String,
    /// No mail program has seen anything later than the backup: UIDVALIDITYs stay.
    pub keep_validity: bool,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// When the last event of the backup was written.
    pub last_event: Option<jiff::Timestamp>,
    /// Mailboxes that have a new UIDVALIDITY.
    pub mailboxes: u64,
    /// Bytes copied.
    pub bytes: u64,
}

impl Store {
    /// Copies the backup `from` into `to` (empty or missing), durably, makes the numbers safe that mail programs keep,
    /// records it and gives the store, open. `progress` hears the bytes copied and their sum.
    ///
    /// When it fails, what was copied stays, to be removed by hand.
    ///
    /// # Errors
    /// When `from` is not whole, is in use or of a later format; when `to` holds something; on I/O errors.
    pub async fn restore(
        from: &Path,
        to: &Path,
        how: &Restore,
        options: &Options,
        world: World,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(Self, Restored), Error> {
        let (source, target) = (from.to_owned(), to.to_owned());
        let copying = tokio::task::spawn_blocking(move || copy(&source, &target, progress));
        let bytes = match copying.await {
            Ok(copied) => copied?,
            Err(panic) => return Err(Error::Panicked(panic.to_string())),
        };
        jump_ids(to, &world)?;
        let store = Self::open(to, options, world)?;
        let mut restored = Restored {
            last_event: None,
            mailboxes: 0,
            bytes,
        };
        let (how, source) = (how.clone(), from.display().to_string());
        let noted = store.commit(Vec::new(), move |tx| note(tx, &how, &source));
        let noted: Result<_, Error> = noted.await;
        (restored.last_event, restored.mailboxes) = noted?.value;
        Ok((store, restored))
    }
}

/// Copies what a backup has: database, segments, and the key at the end.
fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<u64, Error> {
    let _alone = must_be_whole(from)?;
    let io_error = |error| Error::io(to, error);
    RealDisk.make_directory(to).map_err(io_error)?;
    if fs::read_dir(to).map_err(io_error)?.next().is_some() {
        return Err(io_error(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a restore goes into an empty directory",
        )));
    }
    for part in [open::SEGMENTS, open::KEYS] {
        RealDisk.make_directory(&to.join(part)).map_err(io_error)?;
    }
    let files = files(from)?;
    let mut total = 0u64;
    for name in &files {
        total = total.saturating_add(size(&from.join(name))?);
    }
    let mut done = 0;
    for name in &files {
        let source = from.join(name);
        let mut told = |bytes| {
            done += bytes;
            progress(done, total);
        };
        copy_file(&source, &to.join(name), &mut told).map_err(|error| Error::io(&source, error))?;
    }
    for part in [open::SEGMENTS, open::KEYS, "."] {
        let sync = || fs::File::open(to.join(part))?.sync_all();
        sync().map_err(io_error)?;
    }
    Ok(total)
}

/// Refuses what is no whole backup, and what a server works with. Holds the lock, if there is one.
fn must_be_whole(from: &Path) -> Result<Option<fs::File>, Error> {
    let missing = |name: &Path, why: &str| {
        let source = io::Error::new(io::ErrorKind::NotFound, why);
        Err(Error::io(name, source))
    };
    let database = from.join(open::DATABASE);
    if size(&database)? == 0 {
        return missing(&database, "there is no backup here: no database");
    }
    let key = from.join(open::KEYS).join(keys::FILE);
    if size(&key)? == 0 {
        return missing(
            &key,
            "the backup is not whole: the key, which is written last, is missing",
        );
    }
    let lock = match fs::File::open(from.join(open::LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(from, error)),
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(lock)),
        Err(_) => Err(Error::Locked {
            directory: from.to_owned(),
            process: None,
        }),
    }
}

/// The files of a store, in the order in which they are copied.
fn files(from: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = vec![PathBuf::from(open::DATABASE)];
    // A directory that was copied by hand may have a log, which belongs to the database.
    let log = open::log_of(Path::new(open::DATABASE));
    if size(&from.join(&log))? > 0 {
        files.push(log);
    }
    let segments = from.join(open::SEGMENTS);
    let listed = fs::read_dir(&segments).map_err(|error| Error::io(&segments, error))?;
    for entry in listed {
        let name = entry
            .map_err(|error| Error::io(&segments, error))?
            .file_name();
        files.push(Path::new(open::SEGMENTS).join(name));
    }
    // A store of an earlier format has none.
    let trail_key = Path::new(open::KEYS).join(tree::FILE);
    if size(&from.join(&trail_key))? > 0 {
        files.push(trail_key);
    }
    files.push(Path::new(open::KEYS).join(keys::FILE));
    Ok(files)
}

/// Bytes of a file; 0 when there is none.
fn size(path: &Path) -> Result<u64, Error> {
    open::size(&RealDisk, path)
}

/// Copies a file, holes as holes, and syncs it.
fn copy_file(from: &Path, to: &Path, told: &mut dyn FnMut(u64)) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut target = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let mut piece = vec![0; PIECE];
    let mut length = 0u64;
    loop {
        let read = source.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        for block in bytes.chunks(64 << 10) {
            if block.iter().all(|byte| *byte == 0) {
                let step = i64::try_from(block.len()).map_err(io::Error::other)?;
                target.seek(io::SeekFrom::Current(step))?;
            } else {
                target.write_all(block)?;
            }
        }
        length += read as u64;
        told(read as u64);
    }
    target.set_len(length)?;
    target.sync_all()
}

/// Moves the mark of used ids far above all that can have been given since the backup, before any is given.
fn jump_ids(to: &Path, world: &World) -> Result<(), Error> {
    let mut writer = Connection::writer(&RealDisk, &to.join(open::DATABASE))?;
    let (found, known) = (writer.format()?, schema::newest());
    if found > known {
        return Err(Error::LaterFormat { found, known });
    }
    writer.begin()?;
    let find = "SELECT value FROM meta WHERE name = 'ids'";
    let marked = sql::first(&mut writer, find, &[], |row| row.text(0))?;
    let marked: i64 = marked.and_then(|text| text.parse().ok()).unwrap_or(0);
    let ahead = marked
        .max(id::not_before(world.now()))
        .saturating_add(IDS_AHEAD);
    let put = "INSERT INTO meta (name, value) VALUES ('ids', ?1)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    writer.execute(put, params![&ahead.to_string()])?;
    writer.commit()
}

type Noted = (Option<jiff::Timestamp>, u64);

/// New UIDVALIDITYs, and the event.
fn note(tx: &mut Tx<'_>, how: &Restore, from: &str) -> Result<Recorded<Noted>, Error> {
    let last = "SELECT at FROM event WHERE kind NOT IN ('store.collected', 'store.moved') ORDER BY id DESC LIMIT 1";
    let last_event = sql::first(tx, last, &[], |row| row.time(0))?;
    let mailboxes = if how.keep_validity {
        0
    } else {
        renew_validity(tx)?
    };
    let event = Event::new(Kind::StoreRestored, Actor::System)
        .subject(from)
        .detail("user", how.user.clone())
        .detail("last-event", last_event.map(|at| at.to_string()))
        .detail("mailboxes-renewed", mailboxes)
        .detail("validity-kept", how.keep_validity);
    tx.record(&event, (last_event, mailboxes))
}

/// Gives every mailbox a UIDVALIDITY of its own above all that can have been given; how many there are.
fn renew_validity(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let (last, used) = crate::verify::validity(tx)?;
    let base = last
        .max(used)
        .max(tx.now().as_second())
        .saturating_add(VALIDITY_AHEAD);
    let renewed = tx.execute(
        "UPDATE mailbox SET uid_validity = ?1 + numbered.place FROM \
         (SELECT id AS numbered_id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM mailbox) AS numbered \
         WHERE mailbox.id = numbered.numbered_id",
        params![base],
    )?;
    let last = base.saturating_add(crate::tx::signed(renewed)?);
    if u32::try_from(last).is_err() {
        return Err(crate::Refusal::Limit("UIDVALIDITY (2^32)").into());
    }
    tx.execute(
        "INSERT INTO uid_validity (id, last) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET last = ?1",
        params![last],
    )?;
    Ok(renewed)
}
