//! The forms in which messages are signed (RFC 6376, section 3.4): what changes on the way without meaning anything is taken out.

use sha2::Digest;

/// Where a body in canonical form goes.
pub(crate) trait Sink {
    fn put(&mut self, octets: &[u8]);
}

impl<D: Digest> Sink for D {
    fn put(&mut self, octets: &[u8]) {
        self.update(octets);
    }
}

/// A field in relaxed form, without its line end: the name in lower case, the value on one line, each run of white space one space,
/// and none at its ends.
pub(crate) fn relaxed_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.trim_ascii().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let mut gap = false;
    let begins = out.len();
    for octet in value {
        match octet {
            b' ' | b'\t' | b'\r' | b'\n' => gap = true,
            octet => {
                if gap && out.len() > begins {
                    out.push(b' ');
                }
                gap = false;
                out.push(*octet);
            }
        }
    }
}

/// Empty lines at the end are one line's end, which is there even if the body is empty.
pub(crate) fn simple(body: &[u8], hasher: &mut impl Sink) {
    let mut kept = body;
    while let Some(shorter) = kept.strip_suffix(b"\r\n") {
        kept = shorter;
    }
    hasher.put(kept);
    hasher.put(b"\r\n");
}

/// White space at the end of lines goes, other white space is one space, and empty lines at the end go. An empty body stays
/// empty.
pub(crate) fn relaxed(body: &[u8], hasher: &mut impl Sink) {
    let mut empty_lines = 0_usize;
    let mut line = Vec::new();
    for raw in body.split_inclusive(|octet| *octet == b'\n') {
        let content = raw.strip_suffix(b"\r\n").unwrap_or(raw);
        line.clear();
        for octet in content {
            match octet {
                b' ' | b'\t' if line.last() == Some(&b' ') => {}
                b' ' | b'\t' => line.push(b' '),
                octet => line.push(*octet),
            }
        }
        if line.last() == Some(&b' ') {
            line.pop();
        }
        if line.is_empty() {
            empty_lines = empty_lines.saturating_add(1);
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            hasher.put(b"\r\n");
        }
        hasher.put(&line);
        hasher.put(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relaxed_fields() {
        // RFC 6376, section 3.4.5, and more.
        for (name, value, canonical) in [
            ("A", " X\r\n", "a:X"),
            ("B ", " Y\t\r\n\tZ  \r\n", "b:Y Z"),
            ("Subject", "\r\n", "subject:"),
            ("X", "a  b", "x:a b"),
        ] {
            let mut out = Vec::new();
            relaxed_field(name.as_bytes(), value.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), canonical);
        }
    }
}
