//! One file, packed: gzip (RFC 1952), bzip2, xz.

use std::io::Read;

use ::bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::DICTIONARY_KIB;
use malware::walk::{File, Inspector};

pub(super) fn gzip(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    single(inspector, file, MultiGzDecoder::new(data));
}

pub(super) fn bzip2(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    single(inspector, file, MultiBzDecoder::new(data));
}

pub(super) fn xz(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    single(
        inspector,
        file,
        XzReader::new_mem_limit(data, true, DICTIONARY_KIB),
    );
}

fn single(inspector: &mut Inspector<'_>, file: File<'_>, reader: impl Read) {
    let name = inner_name(file.name);
    let path = format!("{}/{name}", file.path);
    let unpacked = inspector.unpack(reader, &path);
    inspector.inner(file, &name, &unpacked);
}

/// The name without its last end, as programs that unpack give it; `.tgz` and its likes hold a tar.
fn inner_name(name: &str) -> String {
    let Some((before, end)) = name.rsplit_once('.') else {
        return "unpacked".to_owned();
    };
    match end.to_ascii_lowercase().as_str() {
        "tgz" | "tbz" | "tbz2" | "txz" => format!("{before}.tar"),
        _ => before.to_owned(),
    }
}
