//! What a feed may take at most.

/// Bounds of a feed. Each is told where it ends the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of all records of an archive together, unpacked.
    pub unpacked: u64,
    /// Octets of a document that is read as a whole, unpacked: JSON that is no archive, XML.
    pub document: u64,
    /// Octets of one record.
    pub record: u64,
    /// Records.
    pub records: u64,
}

impl Default for Limits {
    /// Several times what the largest of the known feeds has today (Debian's in OSV: some 60,000 records).
    fn default() -> Self {
        Self {
            unpacked: 2 << 30,
            document: 32 << 20,
            record: 4 << 20,
            records: 1_000_000,
        }
    }
}

/// Characters of a title.
pub(crate) const TITLE: usize = 300;
/// Characters of a description.
pub(crate) const DETAILS: usize = 4000;
/// Characters of a name, a version, an identifier or an address.
pub(crate) const WORD: usize = 300;
/// Aliases, references and severities of one record, each.
pub(crate) const LIST: usize = 50;
/// Packages or products that one record names; a record with more is skipped, since what is left out could be ours.
pub(crate) const AFFECTED: usize = 5000;
/// Versions, and points of ranges, that one of them lists; likewise.
pub(crate) const VERSIONS: usize = 20_000;

/// `text` on one line, of at most `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let plain = text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|part| !part.is_empty());
    let joined = plain.collect::<Vec<_>>().join(" ");
    cut(&joined, most)
}

/// `text` without controls but line ends, of at most `most` characters.
pub(crate) fn lines(text: &str, most: usize) -> String {
    let plain: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(most.saturating_add(1))
        .collect();
    cut(plain.trim(), most)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
