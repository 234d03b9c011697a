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

/// Whether it smuggles: a script that decodes and saves, or a large piece of data with a script that does either.
pub(crate) fn smuggles(page: &[u8]) -> bool {
    let page = page.get(..LOOKED_AT).unwrap_or(page).to_ascii_lowercase();
    let has = |words: &[&str]| {
        let mut words = words.iter();
        words.any(|word| memmem::find(&page, word.as_bytes()).is_some())
    };
    // An SVG picture is a page, too.
    if !has(&["<script", "onload=", "onerror="]) {
        return false;
    }
    let (decodes, saves) = (has(DECODES), has(SAVES));
    (decodes && saves) || ((decodes || saves) && holds_data(&page))
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
    let start = start.to_ascii_lowercase();
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
        assert!(is_page(smuggler.as_bytes()) && smuggles(smuggler.as_bytes()));
        let hidden = format!(
            "<svg onload=\"x.Download\"><script>d='{}';y=atob(d)</script>",
            "QUJD".repeat(400)
        );
        assert!(is_page(hidden.as_bytes()) && smuggles(hidden.as_bytes()));
        let newsletter = "<!DOCTYPE html><body><img src=\"data:image/png;base64,AAAA\"><a href=x download=\"y\">z</a>";
        assert!(!smuggles(newsletter.as_bytes()));
        let counted = "<html><script>document.write(new Date())</script>";
        assert!(!smuggles(counted.as_bytes()));
        assert!(!is_page(b"plain"));
    }
}
