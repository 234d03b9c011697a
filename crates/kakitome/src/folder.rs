//! A folder that is made for somebody: written under another name, and given its own when all of it is on stable storage. So there is never
//! a half one, and the trail can know of it before anybody finds it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use trail::{merkle::Hasher, volume::FileOf};

/// A folder under way. What is not given its name is removed.
pub(crate) struct Folder {
    to: PathBuf,
    path: PathBuf,
    /// What was written, in order.
    pub(crate) files: Vec<FileOf>,
    readers: Readers,
    done: bool,
}

/// Who may read what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone.
    Owner,
    /// The owner's group, too.
    Group,
}

/// A file that is written piece by piece.
pub(crate) struct Growing {
    name: String,
    out: BufWriter<File>,
    digest: Hasher,
    octets: u64,
}

impl Folder {
    /// Makes a folder beside `to`, with `mark` in its name, that only its owner may enter until it has its own.
    pub(crate) fn new(to: &Path, mark: &str, readers: Readers) -> io::Result<Self> {
        if !crate::files::is_vacant(to)? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is something in it already, and what is made goes into a new or an empty directory",
            ));
        }
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let path = to.with_file_name(format!(".{name}.unfinished-{mark}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self {
            to: to.to_owned(),
            path,
            files: Vec::new(),
            readers,
            done: false,
        })
    }

    /// The modes of folders and of files in it.
    fn modes(&self) -> (u32, u32) {
        match self.readers {
            Readers::Owner => (0o700, 0o600),
            Readers::Group => (0o750, 0o640),
        }
    }

    /// Where it lies now.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a file, whose name may have folders in it.
    pub(crate) fn begin(&self, name: &str) -> io::Result<Growing> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(self.modes().0)
                .create(parent)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.modes().1)
            .open(path)?;
        Ok(Growing {
            name: name.to_owned(),
            out: BufWriter::new(file),
            digest: Hasher::default(),
            octets: 0,
        })
    }

    /// Brings a file to stable storage.
    pub(crate) fn end(&mut self, file: Growing) -> io::Result<()> {
        file.out.into_inner()?.sync_all()?;
        self.files.push(FileOf {
            name: file.name,
            octets: file.octets,
            digest: file.digest.finish(),
        });
        Ok(())
    }

    /// Writes a file as a whole.
    pub(crate) fn put(&mut self, name: &str, octets: &[u8]) -> io::Result<()> {
        let mut file = self.begin(name)?;
        file.push(octets)?;
        self.end(file)
    }

    /// Brings the names of all files to stable storage.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
            File::open(&folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Gives it its name. A directory that something was put into meanwhile is not replaced.
    pub(crate) fn name(mut self) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(self.modes().0))?;
        fs::rename(&self.path, &self.to)?;
        self.done = true;
        match self.to.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Growing {
    pub(crate) fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)?;
        self.digest.write_all(octets)?;
        self.octets += octets.len() as u64;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%error, "what was not made whole could not be removed: {path}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_has_its_name_when_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("bundle");
        fs::create_dir(&to).unwrap();
        let mut folder = Folder::new(&to, "1", Readers::Owner).unwrap();
        folder.put("a/b.txt", b"x").unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
        folder.sync().unwrap();
        folder.name().unwrap();
        assert_eq!(fs::read(to.join("a/b.txt")).unwrap(), b"x");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&to), mode(&to.join("a"))), (0o700, 0o700));
        assert_eq!(mode(&to.join("a/b.txt")), 0o600);
        // It is full now.
        assert!(Folder::new(&to, "2", Readers::Owner).is_err());
        let other = place.path().join("other");
        let mut unfinished = Folder::new(&other, "3", Readers::Group).unwrap();
        unfinished.put("b.txt", b"y").unwrap();
        assert_eq!(mode(unfinished.path()), 0o700);
        drop(unfinished);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        let mut shared = Folder::new(&other, "4", Readers::Group).unwrap();
        shared.put("b.txt", b"y").unwrap();
        shared.name().unwrap();
        assert_eq!(mode(&other), 0o750);
    }
}
