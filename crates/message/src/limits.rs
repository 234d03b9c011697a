//! How much of a hostile message is looked at.

/// Bounds for reading one message. Beyond a bound the reader degrades and never fails: surplus header fields are
/// not interpreted, surplus parts stay inside the part before them, too deep structures become
/// `application/octet-stream`, and of parts whose descriptions would be too much only type, encoding and place are told. Bytes are never lost, since all results are ranges of the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Multipart and message nesting that is followed. Default 32.
    pub depth: usize,
    /// Parts in one message, all levels together. Default 1,000.
    pub parts: usize,
    /// Octets of what the headers of parts tell (parameters, descriptions, envelopes of messages inside), all parts
    /// together; each address and each parameter counts for 16 more. It bounds what is kept of a message beside its
    /// body. Default 256 KiB.
    pub described_octets: usize,
    /// Octets of one header (message or part) that are interpreted. Default 256 KiB.
    pub header_octets: usize,
    /// Fields of one header that are interpreted. Default 1,000.
    pub header_fields: usize,
    /// Octets of one field's value that are interpreted. Default 64 KiB.
    pub value_octets: usize,
    /// Addresses read from one field. Default 2,000.
    pub addresses: usize,
    /// Message identifiers read from `References`. Default 500.
    pub references: usize,
    /// Parameters read from one `Content-Type` or `Content-Disposition`. Default 100.
    pub parameters: usize,
    /// Octets of decoded text that are taken for searching, all parts together. Default 4 MiB.
    pub text_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            parts: 1_000,
            described_octets: 256 * 1024,
            header_octets: 256 * 1024,
            header_fields: 1_000,
            value_octets: 64 * 1024,
            addresses: 2_000,
            references: 500,
            parameters: 100,
            text_octets: 4 * 1024 * 1024,
        }
    }
}

/// What an item of a list counts for with so many octets of text: the list itself takes memory, too.
pub(crate) fn weight_of(octets: usize) -> usize {
    octets.saturating_add(16)
}
