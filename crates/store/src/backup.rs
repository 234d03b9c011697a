//! A copy of the store while it runs. `restore` makes a store of it again.

use std::{
    fs,
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use trail::{Actor, By, Kind};

use crate::{
    Error, Store,
    collect::Chore,
    disk::{Disk as _, RealDisk},
    open,
    segment::{Extent, PREAMBLE},
    shared::Shared,
    sql,
    sqlite::Connection,
    tree, tx,
};

impl Store {
    /// Copies the store as it is at one instant into `to`, an empty or missing directory, while commits go
    /// on: database, the bodies it names, and at the end the installation key (so a copy that was cut
    /// short does not open). The copy is as secret as the store. When this returns, it is on stable storage.
    ///
    /// # Errors
    /// When `to` holds something, or on I/O errors; what was copied until then stays, and the trail tells of it.
    pub async fn backup(&self, to: &Path) -> Result<(), Error> {
        self.backup_with(to, Backup::default(), |_, _| {})
            .await
            .map(drop)
    }

    /// As [`Store::backup`], with the site's own files. `progress` hears the bytes copied and their sum; the sum is
    /// given back.
    ///
    /// # Errors
    /// As [`Store::backup`].
    pub async fn backup_with(
        &self,
        to: &Path,
        how: Backup,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<u64, Error> {
        let shared = std::sync::Arc::clone(&self.inner.shared);
        let (target, beside) = (to.to_owned(), how.beside);
        let place = target.clone();
        self.blocking(move || make_room(&place)).await?;
        let by = how.by.unwrap_or_else(|| Actor::System.into());
        let deletions = how.deletions;
        let event = |kind: Kind| {
            let event = by.event(kind).subject(to.display().to_string());
            event.detail("deletions", deletions)
        };
        // A copy that is cut short is on record too: it holds mail.
        let begun = event(Kind::StoreBackingUp);
        let begun = self.commit(Vec::new(), move |tx| tx.record(&begun, ()));
        let begun: Result<_, Error> = begun.await;
        begun?;
        let copying = tokio::task::spawn_blocking(move || {
            let mut told = Told {
                done: 0,
                total: 0,
                progress: Box::new(progress),
            };
            copy(&shared, &target, &beside, &mut told).map(|()| told.done)
        });
        let copied = copying
            .await
            .unwrap_or_else(|panic| Err(Error::Panicked(panic.to_string())));
        // Whatever became of it: what died meanwhile was kept for it.
        if let Some(threads) = &*self.inner.threads.lock() {
            threads.chores.ask(Chore::Collect);
        }
        let bytes = copied?;
        let event = event(Kind::StoreBackedUp).detail("bytes", bytes);
        let noted = self.commit(Vec::new(), move |tx| tx.record(&event, bytes));
        let noted: Result<_, Error> = noted.await;
        Ok(noted?.value)
    }
}

/// How to back up.
#[derive(Clone, Debug, Default)]
pub struct Backup {
    /// Who does it, for the event; `None` is the server itself.
    pub by: Option<By>,
    /// Files of the site that are copied too, relative to the store's directory.
    pub beside: Vec<PathBuf>,
    /// Deletions of accounts that were carried out before, for the event.
    pub deletions: u64,
}

/// Who hears how far it has come.
struct Told {
    done: u64,
    total: u64,
    progress: Box<dyn FnMut(u64, u64) + Send>,
}

impl Told {
    fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        (self.progress)(self.done, self.total);
    }
}

/// Makes the directory, which must have nothing in it.
fn make_room(to: &Path) -> Result<(), Error> {
    let io_error = |error| Error::io(to, error);
    RealDisk.make_directory(to).map_err(io_error)?;
    if fs::read_dir(to).map_err(io_error)?.next().is_some() {
        return Err(io_error(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a backup goes into an empty directory",
        )));
    }
    Ok(())
}

fn copy(shared: &Shared, to: &Path, beside: &[PathBuf], told: &mut Told) -> Result<(), Error> {
    let io_error = |error| Error::io(to, error);
    for part in [open::SEGMENTS, open::KEYS] {
        RealDisk.make_directory(&to.join(part)).map_err(io_error)?;
    }
    // What the copied database names must not be erased before it is copied itself.
    let _held = shared.collecting.blocking_lock();
    let database = to.join(open::DATABASE);
    private_file(&database).map_err(io_error)?;
    Connection::reader(shared.disk.as_ref(), &shared.database())?.copy_to(&database)?;
    sync(&database).map_err(io_error)?;
    let mut copied = Connection::reader(&RealDisk, &database)?;
    let bodies = "SELECT coalesce(sum(length), 0) FROM body";
    let bodies = sql::first(&mut copied, bodies, &[], |row| row.count(0))?;
    let size = open::size(&RealDisk, &database)?;
    told.total = size.saturating_add(bodies.unwrap_or_default());
    told.add(size);
    for number in shared.segments.numbers()? {
        copy_segment(shared, &mut copied, number, to, told)?;
    }
    drop(copied);
    for name in beside {
        copy_beside(&shared.directory, to, name)?;
    }
    copy_beside(
        &shared.directory,
        to,
        &Path::new(open::KEYS).join(tree::FILE),
    )?;
    let key = shared.directory.join(open::KEYS).join(crate::keys::FILE);
    let copy_key = || -> io::Result<()> {
        let target = to.join(open::KEYS).join(crate::keys::FILE);
        let mut file = private_file(&target)?;
        file.write_all(&zeroize::Zeroizing::new(fs::read(&key)?))?;
        file.sync_all()?;
        for part in [open::SEGMENTS, open::KEYS, "."] {
            sync(&to.join(part))?;
        }
        Ok(())
    };
    copy_key().map_err(io_error)
}

/// Copies a file of the site, and syncs it with its name.
fn copy_beside(from: &Path, to: &Path, name: &Path) -> Result<(), Error> {
    let (source, target) = (from.join(name), to.join(name));
    let copy = || -> io::Result<()> {
        let parent = target.parent().unwrap_or(to);
        RealDisk.make_directory(parent)?;
        let mut file = private_file(&target)?;
        file.write_all(&zeroize::Zeroizing::new(fs::read(&source)?))?;
        file.sync_all()?;
        sync(parent)
    };
    copy().map_err(|error| Error::io(&source, error))
}

/// Copies the living records of a segment to the same places; the rest stays a hole.
fn copy_segment(
    shared: &Shared,
    copied: &mut Connection,
    number: u64,
    to: &Path,
    told: &mut Told,
) -> Result<(), Error> {
    let statement = "SELECT segment, start, length FROM body WHERE segment = ?1 AND start >= ?2 ORDER BY start LIMIT 4096";
    let path = shared.segments.path(number);
    let target = to
        .join(open::SEGMENTS)
        .join(path.file_name().unwrap_or_default());
    let io_error = |error| Error::io(&target, error);
    let mut files = None;
    let mut from = 0;
    loop {
        let params = crate::params![tx::signed(number)?, tx::signed(from)?];
        let found: Vec<Extent> = sql::rows(copied, statement, params, tx::extent)?;
        let Some(last) = found.last() else {
            break;
        };
        from = last.end();
        if files.is_none() {
            let source = fs::File::open(&path).map_err(|error| Error::io(&path, error))?;
            let target = private_file(&target).map_err(io_error)?;
            files = Some((source, target));
        }
        let Some((source, target)) = &mut files else {
            break;
        };
        copy_range(source, target, 0, PREAMBLE as u64).map_err(io_error)?;
        for (start, end) in runs(&found) {
            copy_range(source, target, start, end - start).map_err(io_error)?;
            told.add(end - start);
        }
    }
    match files {
        Some((_, target)) => target.sync_all().map_err(io_error),
        None => Ok(()),
    }
}

/// Neighbours joined.
fn runs(extents: &[Extent]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for extent in extents {
        match runs.last_mut() {
            Some((_, end)) if *end == extent.start => *end = extent.end(),
            _ => runs.push((extent.start, extent.end())),
        }
    }
    runs
}

fn copy_range(
    source: &mut fs::File,
    target: &mut fs::File,
    start: u64,
    length: u64,
) -> io::Result<()> {
    source.seek(SeekFrom::Start(start))?;
    target.seek(SeekFrom::Start(start))?;
    let copied = io::copy(&mut io::Read::take(&mut *source, length), target)?;
    if copied == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
