//! Archives. Each is opened in memory, entry by entry, within what the inspector allows; a file is known by its name in the archive
//! and never written anywhere.

mod cab;
mod lzh;
mod packed;
mod rar;
mod seven_zip;
mod tar;
mod zip;

use malware::What;
use message::charset;

use crate::{
    form::Container,
    inspector::{File, Inspector},
};

/// KiB that one decoder may take for its dictionary; more than any program asks for by default.
const DICTIONARY_KIB: u32 = 256 << 10;

/// Looks at what lies in `file`.
pub(crate) fn open(
    inspector: &mut Inspector<'_>,
    container: Container,
    file: File<'_>,
    data: &[u8],
) {
    match container {
        Container::Zip => zip::open(inspector, file, data),
        Container::SevenZip => seven_zip::open(inspector, file, data),
        Container::Tar => tar::open(inspector, file, data),
        Container::Gzip => packed::gzip(inspector, file, data),
        Container::Bzip2 => packed::bzip2(inspector, file, data),
        Container::Xz => packed::xz(inspector, file, data),
        Container::Rar => rar::open(inspector, file, data),
        Container::Lzh => lzh::open(inspector, file, data),
        Container::Cab => cab::open(inspector, file, data),
        Container::Mail => crate::mail::message(inspector, data, file.path, file.depth),
        Container::Other(kind) => inspector.note(What::Unopened, file.path, kind),
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
