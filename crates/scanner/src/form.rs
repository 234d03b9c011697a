//! What a file is by its first octets.

use memchr::memmem;

/// A kind of file that holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Zip,
    SevenZip,
    Tar,
    Gzip,
    Bzip2,
    Xz,
    Rar,
    Lzh,
    Cab,
    Mail,
    /// One that is not opened, by its name.
    Other(&'static str),
}

/// First octets, and where they stand.
const FIRST: &[(usize, &[u8], Container)] = &[
    (0, b"PK\x03\x04", Container::Zip),
    (0, b"PK\x05\x06", Container::Zip),
    (0, b"PK\x07\x08", Container::Zip),
    (0, b"7z\xbc\xaf\x27\x1c", Container::SevenZip),
    (257, b"ustar", Container::Tar),
    (0, b"\x1f\x8b", Container::Gzip),
    (0, b"BZh", Container::Bzip2),
    (0, b"\xfd7zXZ\0", Container::Xz),
    (0, b"MSCF", Container::Cab),
    (0, b"Rar!\x1a\x07", Container::Rar),
    (0, b"RE~^", Container::Rar),
    (7, b"**ACE**", Container::Other("ace")),
    (0, b"\x28\xb5\x2f\xfd", Container::Other("zstd")),
    (0, b"\x1f\x9d", Container::Other("compress")),
    (0, b"LZIP", Container::Other("lzip")),
    (0, b"MSWIM\0\0\0", Container::Other("wim")),
    (32_769, b"CD001", Container::Other("iso9660")),
    (0, b"\x78\x9f\x3e\x22", Container::Other("tnef")),
    (0, b"Cr24", Container::Other("crx")),
    (0, b"xar!", Container::Other("xar")),
];

/// Ends of names that stand for each kind: a desktop opens a file by its name, whatever it begins with.
const NAMED: &[(&str, Container)] = &[
    ("zip", Container::Zip),
    ("jar", Container::Zip),
    ("docx", Container::Zip),
    ("docm", Container::Zip),
    ("xlsx", Container::Zip),
    ("xlsm", Container::Zip),
    ("pptx", Container::Zip),
    ("pptm", Container::Zip),
    ("7z", Container::SevenZip),
    ("tar", Container::Tar),
    ("gz", Container::Gzip),
    ("tgz", Container::Gzip),
    ("bz2", Container::Bzip2),
    ("xz", Container::Xz),
    ("lzh", Container::Lzh),
    ("lha", Container::Lzh),
    ("cab", Container::Cab),
    ("eml", Container::Mail),
    ("rar", Container::Rar),
    ("arj", Container::Other("arj")),
];

fn has(data: &[u8], at: usize, octets: &[u8]) -> bool {
    let rest = data.get(at..).unwrap_or_default();
    rest.starts_with(octets)
}

/// What it holds others as, by its first octets.
pub(crate) fn container(data: &[u8]) -> Option<Container> {
    let known = FIRST.iter().find(|(at, octets, _)| has(data, *at, octets));
    if let Some((_, _, container)) = known {
        return Some(*container);
    }
    // `-lh5-` and its likes, after a length and a sum.
    let method = data.get(2..7).unwrap_or_default();
    match method {
        [b'-', b'l', b'h' | b'z', _, b'-'] => Some(Container::Lzh),
        _ => None,
    }
}

/// Whether programs that look for such an archive find one in what begins as something else: most skip what stands before it, since
/// archives that unpack themselves begin with a program.
pub(crate) fn may_be(container: Container, data: &[u8]) -> bool {
    let anywhere = |octets: &[u8]| memmem::find(data, octets).is_some();
    match container {
        // Its directory stands at its end.
        Container::Zip => anywhere(b"PK\x05\x06"),
        Container::SevenZip => anywhere(b"7z\xbc\xaf\x27\x1c"),
        Container::Rar => anywhere(b"Rar!\x1a\x07") || anywhere(b"RE~^"),
        Container::Cab => anywhere(b"MSCF\0\0\0\0"),
        Container::Tar => has(data, 257, b"ustar"),
        Container::Lzh => memmem::find_iter(data, b"-l").any(|at| {
            let method = at.checked_add(5).and_then(|end| data.get(at..end));
            matches!(
                method,
                Some([_, _, b'h' | b'z', b'0'..=b'9' | b'd' | b's', b'-'])
            )
        }),
        // These begin where the file does, or are not opened by any name.
        Container::Gzip
        | Container::Bzip2
        | Container::Xz
        | Container::Mail
        | Container::Other(_) => false,
    }
}

/// What it holds others as, if its name says the truth.
pub(crate) fn named(name: &str) -> Option<Container> {
    let extension = crate::name::extension(name);
    let known = NAMED.iter().find(|(end, _)| *end == extension);
    known.map(|(_, container)| *container)
}

/// Programs of Windows, Linux, macOS and Java, shortcuts, and scripts that name their interpreter.
pub(crate) fn is_program(data: &[u8]) -> bool {
    // Fat binaries of macOS and classes of Java begin alike; both can be run.
    const STARTS: &[&[u8]] = &[
        b"\x7fELF",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"dex\n03",
        b"L\0\0\0\x01\x14\x02\0",
        b"#!/",
        b"#! /",
    ];
    let is_dos = data.starts_with(b"MZ") && data.len() >= 64;
    is_dos || STARTS.iter().any(|start| data.starts_with(start))
}

/// Documents of office programs until 2007, and encrypted ones since.
pub(crate) fn is_compound(data: &[u8]) -> bool {
    data.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
}

/// The media type; empty where the first octets say nothing.
pub(crate) fn media_type(data: &[u8]) -> &'static str {
    infer::get(data).map_or("", |kind| kind.mime_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_octets_tell() {
        assert_eq!(container(b"PK\x03\x04rest"), Some(Container::Zip));
        assert_eq!(container(b"\x20\x11-lh5-"), Some(Container::Lzh));
        assert_eq!(container(b"Rar!\x1a\x07\x01\0"), Some(Container::Rar));
        assert_eq!(container(b"plain text"), None);
        assert_eq!(container(b""), None);
        assert!(may_be(Container::Lzh, b"MZ..  -lh5-"));
        assert!(!may_be(Container::Lzh, b"a -list of -lh"));
        assert!(may_be(Container::Zip, b"xxPK\x05\x06") && !may_be(Container::Zip, b"PK\x03\x04"));
        assert_eq!(named("A.ZIP "), Some(Container::Zip));
        assert_eq!(named("a.txt"), None);
        let mut program = b"MZ".to_vec();
        assert!(!is_program(&program), "two letters are a text");
        program.resize(64, 0);
        assert!(is_program(&program));
        assert!(is_program(b"#!/bin/sh\n"));
        assert_eq!(media_type(b"%PDF-1.7"), "application/pdf");
    }
}
