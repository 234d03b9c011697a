//! Files that only the server's user may read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Writes a file that must not exist yet, durably.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A file that was made and has nothing in it yet: nobody else makes it meanwhile. It goes again unless it is filled.
pub(crate) struct Claimed {
    path: PathBuf,
    file: File,
    filled: bool,
}

impl Claimed {
    /// Makes it; it must not exist yet.
    pub(crate) fn new(path: &Path, mode: u32) -> io::Result<Self> {
        let mut open = OpenOptions::new();
        let file = open.write(true).create_new(true).mode(mode).open(path)?;
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            filled: false,
        })
    }

    /// Writes what belongs in it, durably; the error with its path.
    pub(crate) fn fill(mut self, bytes: &[u8]) -> Result<(), (PathBuf, io::Error)> {
        let written = self.file.write_all(bytes);
        let written = written.and_then(|()| self.file.sync_all());
        self.filled = written.is_ok();
        written.map_err(|error| (self.path.clone(), error))
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.filled {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), %error, "a file that was not written whole could not be removed");
        }
    }
}

/// Makes a directory, and its parents, that only its owner may enter.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory that others may pass through but not list: every person of the site reaches the
/// control socket in it, and nothing else, since all other files and directories are closed.
pub(crate) fn make_passable_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o711).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & PASSABLE == PASSABLE {
        return Ok(());
    }
    // The umask took it: a service often runs under 077, and so may have the run that made the directory.
    fs::set_permissions(path, Permissions::from_mode(0o711))
}

/// What lets others pass through.
const PASSABLE: u32 = 0o011;

/// Whether `path` does not exist or is a directory with nothing in it.
pub(crate) fn is_vacant(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
