//! Archives. Each is opened in memory, entry by entry, within what the inspector allows; a file is known by its name in the archive
//! and never written anywhere.

mod cab;
mod lzh;
mod packed;
mod rar;
mod seven_zip;
mod tar;
mod zip;

use malware::{
    What,
    walk::{Archive, File, Inspector},
};
use message::charset;

/// KiB that one decoder may take for its dictionary; more than any program asks for by default.
const DICTIONARY_KIB: u32 = 256 << 10;

/// Looks at what lies in `file`.
pub(crate) fn open(inspector: &mut Inspector<'_>, archive: Archive, file: File<'_>, data: &[u8]) {
    match archive {
        Archive::Zip => zip::open(inspector, file, data),
        Archive::SevenZip => seven_zip::open(inspector, file, data),
        Archive::Tar => tar::open(inspector, file, data),
        Archive::Gzip => packed::gzip(inspector, file, data),
        Archive::Bzip2 => packed::bzip2(inspector, file, data),
        Archive::Xz => packed::xz(inspector, file, data),
        Archive::Rar => rar::open(inspector, file, data),
        Archive::Lzh => lzh::open(inspector, file, data),
        Archive::Cab => cab::open(inspector, file, data),
    }
}

/// A name in an archive: UTF-8, or what Japanese Windows writes.
fn decoded(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => charset::decode(name, "shift_jis"),
    }
}

/// What a name gives to note of an entry that stays closed.
fn closed(inspector: &mut Inspector<'_>, outer: File<'_>, name: &str, what: What, why: &str) {
    let path = named(inspector, outer, name);
    inspector.note(what, &path, why);
}

/// What a name alone gives to note; its path.
fn named(inspector: &mut Inspector<'_>, outer: File<'_>, name: &str) -> String {
    let path = format!("{}/{name}", outer.path);
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let file = File {
        path: &path,
        name: last,
        ..outer
    };
    inspector.closed(file);
    path
}

#[cfg(test)]
mod tests;
