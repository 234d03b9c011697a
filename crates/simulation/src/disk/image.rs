//! What a disk holds while nobody uses it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;

use super::inode::Inode;

/// The files of a disk that is switched off.
#[derive(Clone, Default)]
pub struct Image {
    files: BTreeMap<PathBuf, Arc<Vec<u8>>>,
    pub(super) directories: BTreeSet<PathBuf>,
}

impl Image {
    pub(super) fn new(files: BTreeMap<PathBuf, Vec<u8>>, directories: BTreeSet<PathBuf>) -> Self {
        let files = files.into_iter();
        Self {
            files: files.map(|(path, bytes)| (path, Arc::new(bytes))).collect(),
            directories,
        }
    }

    pub(super) fn of_live(
        files: &BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
        directories: &BTreeSet<PathBuf>,
    ) -> Self {
        let files = files.iter();
        let files = files.map(|(path, inode)| (path.clone(), inode.lock().live().to_vec()));
        Self::new(files.collect(), directories.clone())
    }

    pub(super) fn inodes(&self) -> BTreeMap<PathBuf, Arc<Mutex<Inode>>> {
        let files = self.files.iter();
        files
            .map(|(path, bytes)| {
                let inode = Inode::holding(bytes.as_ref().clone());
                (path.clone(), Arc::new(Mutex::new(inode)))
            })
            .collect()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// The files, for looking at what a failed history left.
    pub fn files(&self) -> impl Iterator<Item = (&PathBuf, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path, bytes.as_slice()))
    }
}
