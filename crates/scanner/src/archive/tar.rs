//! tar (POSIX.1-2001, GNU).

use malware::What;

use super::decoded;
use malware::walk::{File, Inspector};

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let mut archive = tar::Archive::new(data);
    let ended = match archive.entries() {
        Ok(entries) => each(inspector, file, entries),
        Err(error) => {
            inspector.note(What::Damaged, file.path, &error.to_string());
            false
        }
    };
    // What stands behind an archive's end is nothing to this reader, and an archive to another.
    if ended && archive.into_inner().iter().any(|octet| *octet != 0) {
        let why = "there is more behind its end";
        inspector.note(What::Damaged, file.path, why);
    }
}

/// Whether the archive was looked at up to its end.
fn each(inspector: &mut Inspector<'_>, file: File<'_>, entries: tar::Entries<'_, &[u8]>) -> bool {
    for entry in entries {
        if !inspector.may_go_on(file.path) {
            return false;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                inspector.note(What::Damaged, file.path, &error.to_string());
                return false;
            }
        };
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let name = decoded(&entry.path_bytes());
        let path = format!("{}/{name}", file.path);
        let unpacked = inspector.unpack(entry, &path);
        inspector.inner(file, &name, &unpacked);
    }
    true
}
