//! LZH, which Japanese offices packed with for decades.

use std::io::Cursor;

use delharc::LhaDecodeReader;
use malware::What;

use super::{closed, decoded};
use malware::walk::{File, Inspector};

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let mut archive = match LhaDecodeReader::new(Cursor::new(data)) {
        Ok(archive) => archive,
        Err(error) => {
            inspector.note(What::Damaged, file.path, &error.to_string());
            return;
        }
    };
    loop {
        if !inspector.may_go_on(file.path) {
            return;
        }
        let header = archive.header();
        let name = name(header);
        if !header.is_directory() {
            if archive.is_decoder_supported() {
                let path = format!("{}/{name}", file.path);
                let unpacked = inspector.unpack(&mut archive, &path);
                inspector.inner(file, &name, &unpacked);
            } else {
                closed(inspector, file, &name, What::Unopened, "lzh");
            }
        }
        match archive.seek_next_file() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                inspector.note(What::Damaged, file.path, &error.to_string());
                return;
            }
        }
    }
}

/// The name as it was written; its characters are those of whoever packed it.
fn name(header: &delharc::LhaHeader) -> String {
    let written = decoded(&header.filename);
    match written.is_empty() {
        true => header.parse_pathname_to_str(),
        false => written,
    }
}
