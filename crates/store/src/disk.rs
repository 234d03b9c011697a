//! What the store asks of the file system, behind traits so that a simulation can stand in, fail and lose power.
//!
//! Everything that a store keeps goes through [`Disk`]: segments, the key, the lock, and the database with its log.
//! On the machine's own disk the database engine reads and writes by itself, as it was tested by its makers; what
//! stands in for it is told by the name that [`Disk::engine`] gives.

use std::{
    fs,
    io::{self, IoSlice},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use rustix::fs::{FallocateFlags, FlockOperation};

/// An open file.
pub trait File: Send + Sync {
    /// Writes all of `parts`, one after the other, from byte `start`.
    ///
    /// # Errors
    /// What the system says; some of it may be written then.
    fn write_at(&self, parts: &[&[u8]], start: u64) -> io::Result<()>;
    /// Fills `buffer` from byte `start`, as far as the file goes; how many bytes there were.
    ///
    /// # Errors
    /// What the system says.
    fn read_some(&self, buffer: &mut [u8], start: u64) -> io::Result<usize>;
    /// Brings what was written to stable storage, with the length.
    ///
    /// # Errors
    /// What the system says. Nobody can know then what is on stable storage.
    fn sync(&self) -> io::Result<()>;
    /// Gives `length` bytes from `start` back to the disk; they read as zeros from then on.
    ///
    /// # Errors
    /// What the system says.
    fn punch(&self, start: u64, length: u64) -> io::Result<()>;
    /// Cuts the file at `length`.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;
    /// Bytes that it takes on the disk, holes left out.
    ///
    /// # Errors
    /// What the system says.
    fn allocated(&self) -> io::Result<u64>;
    /// Who may do what with it: the nine permission bits.
    ///
    /// # Errors
    /// What the system says.
    fn mode(&self) -> io::Result<u32>;

    /// Fills the whole of `buffer` from byte `start`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before; what the system says.
    fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<()> {
        let wanted = buffer.len();
        match self.read_some(buffer, start)? {
            read if read == wanted => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A directory tree on stable storage.
pub trait Disk: Send + Sync {
    /// Makes a file that must not exist yet, for its owner only.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`]; what the system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Removes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`]; what the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name in the same directory, in place of whatever had it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Brings the names in `directory` to stable storage.
    ///
    /// # Errors
    /// What the system says.
    fn sync_names(&self, directory: &Path) -> io::Result<()>;
    /// The names in `directory`.
    ///
    /// # Errors
    /// What the system says.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Makes `directory` (and its parents) for its owner only, durably, if it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn make_directory(&self, directory: &Path) -> io::Result<()>;
    /// Bytes of a file; `None` when there is none.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Bytes that we may still write.
    ///
    /// # Errors
    /// What the system says.
    fn free(&self, directory: &Path) -> io::Result<u64>;
    /// Takes the lock that the file at `path` stands for (making it if need be) as long as the value lives, and
    /// leaves `note` in it; else what its holder left.
    ///
    /// # Errors
    /// What the system says.
    fn lock(&self, path: &Path, note: &str) -> io::Result<Result<Lock, String>>;
    /// The name under which the database engine finds this disk; `None` for the engine's usual way.
    fn engine(&self) -> Option<&str> {
        None
    }
}

#[cfg(feature = "simulation")]
pub use crate::sqlite::vfs::EngineFiles;

/// A lock that is held as long as this lives.
pub type Lock = Box<dyn Send>;

/// The file at `path`, made for its owner only if it is not there, with its name on stable storage.
pub(crate) fn open_or_create(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn File>> {
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = disk.create(path)?;
            if let Some(directory) = path.parent() {
                disk.sync_names(directory)?;
            }
            Ok(file)
        }
        other => other,
    }
}

/// The directories on the way to `directory`, it among them, that are not there: the outermost first.
fn missing(directory: &Path) -> Vec<&Path> {
    let parts = directory.ancestors();
    let parts = parts.take_while(|part| *part != Path::new("") && !part.is_dir());
    let mut missing: Vec<&Path> = parts.collect();
    missing.reverse();
    missing
}

/// Writes zeros from `start` to `end`.
pub(crate) fn write_zeros(file: &dyn File, start: u64, end: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let missing = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    let mut zeros: Vec<&[u8]> = vec![&ZEROS; missing / ZEROS.len()];
    zeros.push(&ZEROS[..missing % ZEROS.len()]);
    file.write_at(&zeros, start)
}

/// The machine's own file system.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        fs::File::open(directory)?.sync_all()
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        let missing = missing(directory);
        if missing.is_empty() {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory)?;
        // Each name that was made is durable with the directory that it stands in.
        for part in missing {
            match part.parent() {
                Some(parent) if parent != Path::new("") => self.sync_names(parent)?,
                _ => self.sync_names(Path::new("."))?,
            }
        }
        Ok(())
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(facts) => Ok(Some(facts.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn free(&self, directory: &Path) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(directory)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }

    fn lock(&self, path: &Path, note: &str) -> io::Result<Result<Lock, String>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Ok(Err(io::read_to_string(&file).unwrap_or_default()));
            }
            Err(error) => return Err(error.into()),
        }
        let left = file
            .set_len(0)
            .and_then(|()| file.write_all_at(note.as_bytes(), 0));
        match left {
            // The note only makes a message better; the lock itself holds without it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
            other => other?,
        }
        Ok(Ok(Box::new(RealLock(file))))
    }

    fn engine(&self) -> Option<&str> {
        // SQLite's own way on Unix, with the log's index in memory of this process instead of a mapped file. A disk that
        // turns read-only under a mapped file ends the process at its next write to it; and nobody else has the
        // database open, as the store's lock says.
        Some("unix-excl")
    }
}

/// Taken off when it is dropped, not only when the last descriptor is closed: a process that is being started beside this one has them
/// too until it runs its program.
struct RealLock(fs::File);

impl Drop for RealLock {
    fn drop(&mut self) {
        if let Err(error) = rustix::fs::flock(&self.0, FlockOperation::Unlock) {
            tracing::warn!(%error, "the lock of the store could not be taken off; it ends with the process");
        }
    }
}

struct RealFile(fs::File);

/// The kernel takes at most this many pieces in one call (IOV_MAX).
const PIECES: usize = 1024;

impl File for RealFile {
    fn write_at(&self, parts: &[&[u8]], start: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        let mut position = start;
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let some = rest.get(..PIECES).unwrap_or(rest);
            let written = match rustix::io::pwritev(&self.0, some, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            position += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn read_some(&self, buffer: &mut [u8], start: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, start.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn punch(&self, start: u64, length: u64) -> io::Result<()> {
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.0, how, start, length) {
            // Without holes the room stays taken until the whole segment goes; the bytes must not.
            Err(rustix::io::Errno::OPNOTSUPP) => self.overwrite(start, length),
            other => Ok(other?),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * 512)
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(self.0.metadata()?.mode() & 0o777)
    }
}

impl RealFile {
    fn overwrite(&self, start: u64, length: u64) -> io::Result<()> {
        let zeros = [0u8; 64 << 10];
        let end = start.saturating_add(length);
        let mut position = start;
        while position < end {
            let step = (end - position).min(zeros.len() as u64);
            let part = zeros
                .get(..usize::try_from(step).unwrap_or(zeros.len()))
                .unwrap_or(&zeros);
            self.0.write_all_at(part, position)?;
            position += step;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_directory_that_is_made_is_named_for_the_sync_of_its_parent() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("a/b/c");
        let made = ["a", "a/b", "a/b/c"].map(|part| place.path().join(part));
        assert_eq!(missing(&deep), made);
        RealDisk.make_directory(&deep).unwrap();
        assert!(deep.is_dir() && missing(&deep).is_empty());
        RealDisk.make_directory(&deep).unwrap();
        assert_eq!(missing(&deep.join("d")), [deep.join("d")]);
    }
}
