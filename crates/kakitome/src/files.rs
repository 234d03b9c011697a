//! Files that only the server's user may read.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
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
