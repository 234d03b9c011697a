//! What the store asks of the file system for segments, behind traits so that a simulation can stand in
//! and lose power.

use std::{
    fs,
    io::{self, IoSlice},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use rustix::fs::FallocateFlags;

/// An open segment.
pub(crate) trait Extents: Send + Sync {
    /// Writes all of `parts`, one after the other, from byte `start`.
    fn write_at(&self, parts: &[&[u8]], start: u64) -> io::Result<()>;
    /// Fills `buffer` from byte `start`.
    fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<()>;
    /// Brings what was written to stable storage, with the length.
    fn sync(&self) -> io::Result<()>;
    /// Gives `length` bytes from `start` back to the disk; they read as zeros from then on.
    fn punch(&self, start: u64, length: u64) -> io::Result<()>;
    /// Cuts the file at `length`.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Bytes that it takes on the disk, holes left out.
    fn allocated(&self) -> io::Result<u64>;
}

/// A directory tree on stable storage.
pub(crate) trait Disk: Send + Sync {
    /// Makes a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Extents>>;
    /// Opens a file that exists.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Extents>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Brings the names in `directory` to stable storage.
    fn sync_names(&self, directory: &Path) -> io::Result<()>;
    /// The names in `directory`.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Bytes that we may still write.
    fn free(&self, directory: &Path) -> io::Result<u64>;
}

/// The machine's own file system.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Extents>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Extents>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        fs::File::open(directory)?.sync_all()
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn free(&self, directory: &Path) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(directory)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }
}

struct RealFile(fs::File);

/// The kernel takes at most this many pieces in one call (IOV_MAX).
const PIECES: usize = 1024;

impl Extents for RealFile {
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

    fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, start)
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

/// Makes `directory` (and its parents) for its owner only, if it is not there.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder.create(directory)?;
    match directory.parent() {
        Some(parent) if parent != Path::new("") => fs::File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
