//! Parts of a message, as FETCH names them.

use std::fmt;

/// `section-spec` of RFC 9051: a part path and what of that part is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Part numbers from the outermost; empty means the message itself.
    pub path: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
}

/// What of a part a [`Section`] means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SectionText {
    /// All of it: the whole message, or the part's content in its transfer encoding.
    #[default]
    Full,
    /// The header of the message, or of the enclosed message.
    Header,
    /// The named header fields, and an empty line.
    HeaderFields(Vec<String>),
    /// All header fields but the named, and an empty line.
    HeaderFieldsNot(Vec<String>),
    /// The body of the message, or of the enclosed message.
    Text,
    /// The MIME header of the part.
    Mime,
}

/// `<offset.length>` of a FETCH item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// First octet, from 0.
    pub offset: u32,
    /// At most so many octets; never 0.
    pub length: u32,
}

impl Partial {
    /// The octets of `whole` that are meant; none beyond its end.
    #[must_use]
    pub fn of<'a>(&self, whole: &'a [u8]) -> &'a [u8] {
        let start = usize::try_from(self.offset)
            .unwrap_or(usize::MAX)
            .min(whole.len());
        let end = start
            .saturating_add(usize::try_from(self.length).unwrap_or(usize::MAX))
            .min(whole.len());
        whole.get(start..end).unwrap_or_default()
    }
}

impl Section {
    /// Appends what stands between the brackets.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_path(&self.path, out);
        let name: &[u8] = match &self.text {
            SectionText::Full => return,
            SectionText::Header => b"HEADER",
            SectionText::HeaderFields(_) => b"HEADER.FIELDS",
            SectionText::HeaderFieldsNot(_) => b"HEADER.FIELDS.NOT",
            SectionText::Text => b"TEXT",
            SectionText::Mime => b"MIME",
        };
        if !self.path.is_empty() {
            out.push(b'.');
        }
        out.extend_from_slice(name);
        let (SectionText::HeaderFields(fields) | SectionText::HeaderFieldsNot(fields)) = &self.text
        else {
            return;
        };
        out.extend_from_slice(b" (");
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            super::response::write_astring(out, field.as_bytes());
        }
        out.push(b')');
    }
}

/// Appends part numbers with dots between them.
pub(crate) fn write_path(path: &[u32], out: &mut Vec<u8>) {
    for (index, &part) in path.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        super::response::write_number(out, u64::from(part));
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}
