//! HTML smuggling: a page that carries a file as text and has its reader's browser save it, so that no scanner on the way sees one.

use memchr::memmem;

/// Octets of a page that are looked at.
const LOOKED_AT: usize = 8 << 20;
/// Characters of base64 or hexadecimal digits in a row that are data, and no word.
const DATA: usize = 1024;

/// What makes octets of text.
const DECODES: &[&str] = &[
    "atob(",
    "fromcharcode",
    "uint8array",
    "charcodeat",
    "parseint(",
];
/// What gives a file to the reader.
const SAVES: &[&str] = &[
    "mssaveblob",
    "mssaveoropenblob",
    "createobjecturl",
    "new blob(",
    "new file(",
    ".download",
    "setattribute(\"download",
    "setattribute('download",
    " download=",
];

/// Whether it smuggles: a script that decodes and saves, or a large piece of data with a script that does either. `None`: not as far as it
/// was looked at, and it goes on.
pub(crate) fn smuggles(data: &[u8]) -> Option<bool> {
    let page = read(data.get(..LOOKED_AT).unwrap_or(data));
    let has = |words: &[&str]| {
        let mut words = words.iter();
        words.any(|word| memmem::find(&page, word.as_bytes()).is_some())
    };
    // An SVG picture is a page, too.
    let smuggles = has(&["<script", "onload=", "onerror="]) && {
        let (decodes, saves) = (has(DECODES), has(SAVES));
        (decodes && saves) || ((decodes || saves) && holds_data(&page))
    };
    match smuggles {
        false if data.len() > LOOKED_AT => None,
        known => Some(known),
    }
}

/// In small letters, and in UTF-8 where it is in UTF-16: browsers read that by its mark, whatever the header says, and by its first
/// characters.
fn read(page: &[u8]) -> Vec<u8> {
    let units: Option<fn([u8; 2]) -> u16> = match page {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, b'<', ..] => Some(u16::from_be_bytes),
        _ => None,
    };
    let Some(unit) = units else {
        return page.to_ascii_lowercase();
    };
    let units = page.chunks_exact(2);
    let units = units.map(|pair| match pair {
        [first, second] => unit([*first, *second]),
        _ => 0,
    });
    let text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.to_ascii_lowercase().into_bytes()
}

fn holds_data(page: &[u8]) -> bool {
    let is_data = |c: u8| c.is_ascii_alphanumeric() || b"+/=".contains(&c);
    let mut row = 0_usize;
    page.iter().any(|c| {
        row = match is_data(*c) {
            true => row.saturating_add(1),
            false => 0,
        };
        row >= DATA
    })
}

/// Whether it is one: by its start, past white space and a byte order mark.
pub(crate) fn is_page(data: &[u8]) -> bool {
    let start = data.get(..LONGEST_START).unwrap_or(data);
    let start = read(start);
    let marks: &[&[u8]] = &[b"<html", b"<!doctype html", b"<script", b"<svg", b"<body"];
    marks
        .iter()
        .any(|mark| memmem::find(&start, mark).is_some())
}

/// Octets in which a page says that it is one.
const LONGEST_START: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smuggler_is_told_from_a_newsletter() {
        let smuggler = "<html><script>var b=new Blob([atob(d)]);a.href=URL.createObjectURL(b);a.download='x.zip'</script>";
        assert!(is_page(smuggler.as_bytes()));
        assert_eq!(smuggles(smuggler.as_bytes()), Some(true));
        let hidden = format!(
            "<svg onload=\"x.Download\"><script>d='{}';y=atob(d)</script>",
            "QUJD".repeat(400)
        );
        assert!(is_page(hidden.as_bytes()));
        assert_eq!(smuggles(hidden.as_bytes()), Some(true));
        let newsletter = "<!DOCTYPE html><body><img src=\"data:image/png;base64,AAAA\"><a href=x download=\"y\">z</a>";
        assert_eq!(smuggles(newsletter.as_bytes()), Some(false));
        let counted = "<html><script>document.write(new Date())</script>";
        assert_eq!(smuggles(counted.as_bytes()), Some(false));
        assert!(!is_page(b"plain"));
    }

    #[test]
    fn neither_width_nor_length_hides_it() {
        let smuggler = "<html><script>new Blob([atob(d)]);a.download='x'</script>";
        let wide = |unit: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            let text = format!("{mark}{smuggler}");
            text.encode_utf16().flat_map(unit).collect()
        };
        for mark in ["\u{feff}", ""] {
            for page in [wide(u16::to_le_bytes, mark), wide(u16::to_be_bytes, mark)] {
                assert!(is_page(&page));
                assert_eq!(smuggles(&page), Some(true));
            }
        }
        let mut long = vec![b' '; LOOKED_AT];
        assert_eq!(smuggles(&long), Some(false));
        long.extend(smuggler.as_bytes());
        assert_eq!(smuggles(&long), None);
    }
}
