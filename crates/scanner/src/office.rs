//! Documents of office programs: code in them, and passwords before them.

use malware::What;
use memchr::memmem;

/// A compound file (MS-CFB) names its streams in its directory, in UTF-16 and never compressed; so they are found even where the
/// file is damaged in a way that an office program mends. `_VBA_PROJECT` is the stream that every VBA project has (MS-OVBA,
/// section 2.3.4.1).
const MACROS: &str = "_VBA_PROJECT";
/// What a document since 2007 is in, once it has a password (MS-OFFCRYPTO, section 2.3.4.4).
const ENCRYPTED: &str = "EncryptedPackage";
/// In zipped documents, the file that holds the code, and the directory of sheets that are code (Excel 4.0).
const CODE: [&str; 2] = ["/vbaproject.bin", "/macrosheets/"];

/// Whether a file in a zipped document is code, by its path.
pub(crate) fn is_code(path: &str) -> bool {
    let path = path.to_lowercase();
    CODE.iter().any(|code| path.contains(code))
}

/// What a compound file gives to note.
pub(crate) fn notes(data: &[u8]) -> Vec<What> {
    let has = |name: &str| {
        let octets: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memmem::find(data, &octets).is_some()
    };
    let mut notes = Vec::new();
    if has(MACROS) {
        notes.push(What::Macros);
    }
    if has(ENCRYPTED) {
        notes.push(What::Encrypted);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_name() {
        let file = |name: &str| -> Vec<u8> {
            let octets = name.encode_utf16().flat_map(u16::to_le_bytes);
            b"\xd0\xcf\x11\xe0".iter().copied().chain(octets).collect()
        };
        assert_eq!(notes(&file("_VBA_PROJECT")), [What::Macros]);
        assert_eq!(notes(&file("EncryptedPackage")), [What::Encrypted]);
        assert!(notes(&file("WordDocument")).is_empty());
    }
}
