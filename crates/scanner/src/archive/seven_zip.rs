//! 7z (7zFormat.txt of the LZMA SDK).

use std::io::Cursor;

use malware::What;
use sevenz_rust2::{Archive, BlockDecoder, Error, Password};

use super::{DICTIONARY_KIB, closed};
use malware::walk::{File, Inspector};

/// A worker has one thread, and may not start another.
const THREADS: u32 = 1;

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let memory = usize::try_from(DICTIONARY_KIB).unwrap_or(usize::MAX);
    let password = Password::empty();
    let mut source = Cursor::new(data);
    let archive = match Archive::read_with_memory_limit(&mut source, &password, memory) {
        Ok(archive) => archive,
        Err(error) => {
            failed(inspector, file, &error);
            return;
        }
    };
    for block in 0..archive.blocks.len() {
        if !inspector.may_go_on(file.path) {
            return;
        }
        let decoder = BlockDecoder::new_with_memory_limit(
            THREADS,
            memory,
            block,
            &archive,
            &password,
            &mut source,
        );
        let names: Vec<String> = decoder
            .entries()
            .iter()
            .map(|entry| entry.name.clone())
            .collect();
        let mut seen = 0_usize;
        let ended = decoder.for_each_entries(&mut |entry, reader| {
            if !inspector.may_go_on(file.path) {
                return Ok(false);
            }
            seen = seen.saturating_add(1);
            if entry.is_directory {
                return Ok(true);
            }
            let path = format!("{}/{}", file.path, entry.name);
            let unpacked = inspector.unpack(reader, &path);
            inspector.inner(file, &entry.name, &unpacked);
            // What was cut off would be unpacked to get at the next one.
            let octets = u64::try_from(unpacked.len()).unwrap_or(u64::MAX);
            Ok(octets >= entry.size)
        });
        if let Err(error) = ended {
            failed(inspector, file, &error);
        }
        // Their names are known, whatever became of the block.
        for name in names.iter().skip(seen) {
            if !inspector.may_go_on(file.path) {
                return;
            }
            closed(inspector, file, name, What::Unopened, "7z");
        }
    }
}

fn failed(inspector: &mut Inspector<'_>, file: File<'_>, error: &Error) {
    let what = match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => What::Encrypted,
        Error::Unsupported(_)
        | Error::UnsupportedCompressionMethod(_)
        | Error::UnsupportedVersion { .. }
        | Error::ExternalUnsupported => What::Unopened,
        Error::MaxMemLimited { .. } => What::TooLarge,
        _ => What::Damaged,
    };
    inspector.note(what, file.path, &error.to_string());
}
