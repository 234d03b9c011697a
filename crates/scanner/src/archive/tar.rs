//! tar (POSIX.1-2001, GNU).

use malware::What;

use super::decoded;
use crate::inspector::{File, Inspector};

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let mut archive = tar::Archive::new(data);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => {
            inspector.note(What::Damaged, file.path, &error.to_string());
            return;
        }
    };
    for entry in entries {
        if !inspector.may_go_on(file.path) {
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                inspector.note(What::Damaged, file.path, &error.to_string());
                return;
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
}
