//! What a file's name claims, and how names deceive.

use malware::What;

/// Ends of names that a desktop runs, installs or mounts with one click. It is what mail services refuse, with what the
/// regulation's time did not know: disk images, shortcuts, add-ins.
const RUN: &[&str] = &[
    "ace",
    "ade",
    "apk",
    "app",
    "appinstaller",
    "application",
    "appref-ms",
    "appx",
    "bat",
    "chm",
    "class",
    "cmd",
    "com",
    "cpl",
    "dll",
    "dmg",
    "exe",
    "gadget",
    "hta",
    "img",
    "inf",
    "ins",
    "iso",
    "isp",
    "jar",
    "jnlp",
    "js",
    "jse",
    "lnk",
    "mde",
    "msc",
    "msi",
    "msix",
    "msp",
    "mst",
    "ocx",
    "pif",
    "pkg",
    "ps1",
    "psm1",
    "reg",
    "scf",
    "scr",
    "sct",
    "settingcontent-ms",
    "shb",
    "sys",
    "vb",
    "vbe",
    "vbs",
    "vhd",
    "vhdx",
    "vxd",
    "wsc",
    "wsf",
    "wsh",
    "xbap",
    "xll",
];
/// Ends of names of what people read, hear and look at.
const READ: &[&str] = &[
    "bmp", "csv", "doc", "docm", "docx", "eml", "gif", "heic", "htm", "html", "ics", "jpeg", "jpg",
    "jtd", "key", "mov", "mp3", "mp4", "msg", "odp", "ods", "odt", "pages", "pdf", "png", "ppt",
    "pptx", "rtf", "svg", "tif", "tiff", "txt", "webp", "xdw", "xls", "xlsm", "xlsx", "xml", "zip",
];
/// Spaces in a row that put the end of a name out of sight.
const HIDING_SPACES: usize = 5;

/// The end of a name without its dot, in small letters; empty where it has none. Windows does not see dots and spaces at the end.
pub(crate) fn extension(name: &str) -> String {
    let seen = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    match seen.rsplit_once('.') {
        Some((_, end)) => end.trim().to_ascii_lowercase(),
        None => String::new(),
    }
}

/// Whether a desktop would run what has this name.
pub(crate) fn is_run(name: &str) -> bool {
    RUN.contains(&extension(name).as_str())
}

/// Whether people would take what has this name for a document.
pub(crate) fn is_read(name: &str) -> bool {
    READ.contains(&extension(name).as_str())
}

/// Whether a desktop opens what has this name in a browser, which runs the scripts in it.
pub(crate) fn is_page(name: &str) -> bool {
    matches!(
        extension(name).as_str(),
        "htm" | "html" | "mht" | "mhtml" | "shtm" | "shtml" | "svg" | "xht" | "xhtml"
    )
}

/// What the name alone gives to note.
pub(crate) fn notes(name: &str) -> Vec<What> {
    let mut notes = Vec::new();
    if is_run(name) {
        notes.push(What::Executable);
        let before = name.rsplit_once('.').map_or("", |(before, _)| before);
        if is_read(before) {
            notes.push(What::DoubleExtension);
        }
    }
    if name.chars().any(turns) {
        notes.push(What::Reversed);
    }
    if hides_its_end(name) {
        notes.push(What::Padded);
    }
    notes
}

/// Unicode's embeddings, overrides and isolates. Marks that only Arabic and Hebrew need (U+200E, U+200F) turn nothing.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hides_its_end(name: &str) -> bool {
    let Some((before, end)) = name.rsplit_once('.') else {
        return false;
    };
    let mut row = 0_usize;
    for c in before.chars() {
        row = match c.is_whitespace() || c == '\u{3164}' || c == '\u{2800}' {
            true => row.saturating_add(1),
            false => 0,
        };
        if row >= HIDING_SPACES && !end.is_empty() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceits_are_seen() {
        for (name, expected) in [
            (
                "invoice.pdf.exe",
                vec![What::Executable, What::DoubleExtension],
            ),
            ("setup.EXE. .", vec![What::Executable]),
            (
                "見積\u{202e}fdp.exe",
                vec![What::Executable, What::Reversed],
            ),
            (
                "報告書.docx                 .scr",
                vec![What::Executable, What::DoubleExtension, What::Padded],
            ),
            ("a.tar.gz", vec![]),
            ("報告書 第2回.docx", vec![]),
            ("版 1.2.pdf", vec![]),
            ("no end", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(notes(name), expected, "{name}");
        }
    }

    #[test]
    fn lists_are_in_order() {
        for list in [RUN, READ] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }
}
