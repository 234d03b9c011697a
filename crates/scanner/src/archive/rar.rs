//! RAR 1.3 to 7 (technote.txt of WinRAR).

use std::{
    cell::RefCell,
    io::{self, Cursor, Write},
    rc::Rc,
};

use malware::What;
use rars::{
    ArchiveMember, ArchiveReadOptions, ArchiveReader, Error, ErrorKind, ExtractionDecision,
    ExtractionErrorAction,
};

use super::{DICTIONARY_KIB, closed, decoded, named};
use malware::walk::{Bound, File, Inspector};

/// Headers of one archive that are read: each may be as small as a few octets, and takes some hundreds in memory.
const MOST_HEADERS: u64 = 100_000;
/// Octets of headers that are read.
const LONGEST_HEADERS: u64 = 32 << 20;
/// Octets of a file up to which the decoder of RAR 5 may keep it whole; of larger ones it keeps what its filters need.
const LARGEST_BUFFER: u64 = 16 << 20;
/// Octets that decoders take beside the dictionary: a larger one is made before the smaller one is given back.
const WORKSPACE: u64 = 2;

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let dictionary = u64::from(DICTIONARY_KIB) << 10;
    let options = ArchiveReadOptions::new()
        .with_max_header_count(MOST_HEADERS)
        .with_max_header_bytes(LONGEST_HEADERS)
        .with_rar50_dictionary_size_limit(dictionary)
        .with_rar50_buffered_decode_limit(LARGEST_BUFFER)
        .with_max_reader_workspace_bytes(dictionary.saturating_mul(WORKSPACE));
    let archive = match ArchiveReader::read_with_options(data, options) {
        Ok(archive) => archive,
        Err(error) => {
            failed(inspector, file.path, &error);
            return;
        }
    };
    let walk = RefCell::new(Walk {
        inspector,
        file,
        seen: 0,
        open: None,
    });
    let ended = archive.extract_with_control_and_errors(
        options,
        |member| Ok(walk.borrow_mut().reached(member)),
        |_, error| {
            walk.borrow_mut().finish(Some(error));
            Ok(ExtractionErrorAction::Continue)
        },
    );
    let mut walk = walk.into_inner();
    walk.finish(ended.as_ref().err());
    // Their names are known, whatever became of those before.
    for member in archive.members().skip(walk.seen) {
        if !walk.inspector.may_go_on(file.path) {
            return;
        }
        if !member.meta.is_directory {
            let name = decoded(&member.meta.name);
            closed(walk.inspector, file, &name, What::Unopened, "rar");
        }
    }
}

/// The way through an archive, file by file.
struct Walk<'w, 'e, 'f> {
    inspector: &'w mut Inspector<'e>,
    file: File<'f>,
    /// How many were reached, directories among them.
    seen: usize,
    /// The file that is being unpacked, and what came of it.
    open: Option<(String, Rc<RefCell<Vec<u8>>>)>,
}

impl Walk<'_, '_, '_> {
    /// What is to be done with the next one.
    fn reached(&mut self, member: &ArchiveMember) -> ExtractionDecision {
        self.finish(None);
        if !self.inspector.may_go_on(self.file.path) {
            return ExtractionDecision::Stop;
        }
        self.seen = self.seen.saturating_add(1);
        let meta = &member.meta;
        if meta.is_directory {
            return ExtractionDecision::Skip;
        }
        let name = decoded(&meta.name);
        let why = match () {
            () if meta.is_encrypted => (What::Encrypted, "rar"),
            () if meta.is_split_before || meta.is_split_after => {
                (What::Unopened, "it is in several volumes")
            }
            () if meta.is_redirection => {
                // Its name alone: what it leads to is a file of its own, or none.
                named(self.inspector, self.file, &name);
                return ExtractionDecision::Skip;
            }
            () => {
                let data = Rc::default();
                let sink = Sink {
                    data: Rc::clone(&data),
                    bound: self.inspector.bound(),
                };
                self.open = Some((name, data));
                return ExtractionDecision::Extract(Box::new(sink));
            }
        };
        closed(self.inspector, self.file, &name, why.0, why.1);
        // In a solid archive this ends the way: what follows needs it.
        ExtractionDecision::Skip
    }

    /// Looks at what was unpacked, up to where it failed.
    fn finish(&mut self, error: Option<&Error>) {
        let Some((name, data)) = self.open.take() else {
            if let Some(error) = error
                && !matches!(error.root_cause(), Error::CannotSkipSolidMember)
            {
                failed(self.inspector, self.file.path, error);
            }
            return;
        };
        let path = format!("{}/{name}", self.file.path);
        let unpacked = self.inspector.unpack(Cursor::new(data.take()), &path);
        if let Some(error) = error
            && error.kind() != ErrorKind::Io
        {
            failed(self.inspector, &path, error);
        }
        self.inspector.inner(self.file, &name, &unpacked);
    }
}

/// Keeps what a decoder writes, as far as room and time allow; the inspector says afterwards which of them ended.
struct Sink {
    data: Rc<RefCell<Vec<u8>>>,
    bound: Bound,
}

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut data = self.data.borrow_mut();
        // One octet more than there is room for, so that it is seen that there was more.
        let room = self.bound.octets.saturating_add(1);
        let left = room.saturating_sub(data.len());
        if left == 0 || self.bound.is_late() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let taken = octets.get(..left).unwrap_or(octets);
        data.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(inspector: &mut Inspector<'_>, path: &str, error: &Error) {
    let cause = error.root_cause();
    let what = match (cause, error.kind()) {
        (_, ErrorKind::PasswordRequired | ErrorKind::BadPassword) => What::Encrypted,
        (Error::HeaderCountLimitExceeded { .. }, _) => What::TooMany,
        (_, ErrorKind::ResourceLimit) => What::TooLarge,
        (Error::UnsupportedSignature, _) => What::Damaged,
        (_, ErrorKind::UnsupportedFormat | ErrorKind::UnsupportedFeature) => What::Unopened,
        _ => What::Damaged,
    };
    inspector.note(what, path, &cause.to_string());
}
