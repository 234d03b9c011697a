//! ZIP (APPNOTE.TXT), and the documents that are made of it.

use std::io::Cursor;

use malware::What;
use zip::{ZipArchive, result::ZipError};

use super::{closed, decoded};
use malware::walk::{File, Inspector};

/// Every document of ECMA-376 has it.
const OFFICE_MARK: &str = "[Content_Types].xml";

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let mut archive = match ZipArchive::new(Cursor::new(data)) {
        Ok(archive) => archive,
        Err(error) => {
            inspector.note(What::Damaged, file.path, &error.to_string());
            return;
        }
    };
    // Programs that unpack differ in which of two names, or of two headers, they believe.
    if let Err(error) = archive.validate_header_consistency() {
        inspector.note(What::Damaged, file.path, &error.to_string());
    }
    let is_document = archive.index_for_name(OFFICE_MARK).is_some();
    let inside = File {
        is_inner: file.is_inner || is_document,
        ..file
    };
    for index in 0..archive.len() {
        if !inspector.may_go_on(file.path) {
            return;
        }
        entry(inspector, inside, &mut archive, index);
    }
}

fn entry(
    inspector: &mut Inspector<'_>,
    outer: File<'_>,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
) {
    let (name, encrypted) = match archive.by_index_raw(index) {
        Ok(entry) => (decoded(entry.name_raw()), entry.encrypted()),
        Err(error) => {
            inspector.note(What::Damaged, outer.path, &error.to_string());
            return;
        }
    };
    if name.ends_with('/') {
        return;
    }
    if encrypted {
        closed(inspector, outer, &name, What::Encrypted, "zip");
        return;
    }
    match archive.by_index(index) {
        Ok(entry) => {
            let path = format!("{}/{name}", outer.path);
            let unpacked = inspector.unpack(entry, &path);
            inspector.inner(outer, &name, &unpacked);
        }
        Err(ZipError::UnsupportedArchive(why)) => {
            closed(inspector, outer, &name, What::Unopened, why);
        }
        Err(error) => closed(inspector, outer, &name, What::Damaged, &error.to_string()),
    }
}
