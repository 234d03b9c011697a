//! Responses: typed values in, bytes out.

mod code;
mod fetch;
mod mailbox;
mod search;
mod structure;

pub use code::ResponseCode;
pub use fetch::{FetchWriter, literal_pieces};
pub use mailbox::{ListAttributes, ListEntry, QuotaResource, StatusData};
pub use search::{SearchResult, ThreadNode};

use super::command::Tag;
use super::flag::FlagList;
use super::name::MailboxName;
use super::sequence::NumberSet;

/// The condition that a status response tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// OK
    Ok,
    /// NO: the command failed.
    No,
    /// BAD: the command was not understood.
    Bad,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

/// Collects responses as bytes. Write out [`Encoder::bytes`] whenever it suits, then [`Encoder::clear`] it.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    utf8: bool,
}

impl Encoder {
    /// An encoder for IMAP4rev1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Once the client enabled IMAP4rev2, names and strings go out as quoted UTF-8.
    pub fn set_utf8(&mut self, utf8: bool) {
        self.utf8 = utf8;
    }

    /// Whether UTF-8 may be quoted.
    #[must_use]
    pub const fn utf8(&self) -> bool {
        self.utf8
    }

    /// What waits to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes what waits; the encoder starts a new buffer.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Forgets what waits (it was sent), keeping the buffer for reuse unless a large body made it big.
    pub fn clear(&mut self) {
        const KEEP: usize = 64 * 1024;
        self.out.clear();
        self.out.shrink_to(KEEP);
    }

    /// Completes a command.
    pub fn tagged(&mut self, tag: &Tag, status: Status, code: Option<&ResponseCode>, text: &str) {
        self.out.extend_from_slice(tag.as_str().as_bytes());
        self.out.push(b' ');
        self.condition(status.as_str(), code, text);
    }

    /// An untagged status response, also the greeting (`* OK [CAPABILITY …] …`) and the answer to a command that had
    /// no valid tag (`* BAD …`).
    pub fn untagged(&mut self, status: Status, code: Option<&ResponseCode>, text: &str) {
        self.out.extend_from_slice(b"* ");
        self.condition(status.as_str(), code, text);
    }

    /// `* BYE`: the server is about to close.
    pub fn bye(&mut self, code: Option<&ResponseCode>, text: &str) {
        self.out.extend_from_slice(b"* ");
        self.condition("BYE", code, text);
    }

    /// `* PREAUTH`: a greeting on a connection that is authenticated by other means.
    pub fn preauth(&mut self, code: Option<&ResponseCode>, text: &str) {
        self.out.extend_from_slice(b"* ");
        self.condition("PREAUTH", code, text);
    }

    fn condition(&mut self, status: &str, code: Option<&ResponseCode>, text: &str) {
        self.out.extend_from_slice(status.as_bytes());
        self.out.push(b' ');
        if let Some(code) = code {
            self.out.push(b'[');
            code.write(&mut self.out);
            self.out.extend_from_slice(b"] ");
            self.resp_text(text);
        } else if let Some(rest) = text.strip_prefix('[') {
            // It would be read as a response code.
            self.out.push(b'(');
            self.resp_text(rest);
        } else {
            self.resp_text(text);
        }
        self.crlf();
    }

    /// Human text: a line end inside it would forge a response.
    fn resp_text(&mut self, text: &str) {
        if text.is_empty() {
            // The grammar wants one character at least.
            self.out.push(b'.');
        }
        for character in text.chars() {
            match character {
                '\r' | '\n' | '\0' => self.out.push(b' '),
                ' '..='~' => self.out.extend(u8::try_from(character)),
                _ if self.utf8 => self
                    .out
                    .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => self.out.push(b'?'),
            }
        }
    }

    /// `+ text`: go on with a literal, IDLE, or AUTHENTICATE without data.
    pub fn continuation(&mut self, text: &str) {
        self.out.extend_from_slice(b"+ ");
        self.resp_text(text);
        self.crlf();
    }

    /// `+ base64`: a challenge of AUTHENTICATE; an empty one is `+ ` and nothing.
    pub fn challenge(&mut self, challenge: &[u8]) {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(challenge);
        self.out.extend_from_slice(b"+ ");
        self.out.extend_from_slice(encoded.as_bytes());
        self.crlf();
    }

    /// `* CAPABILITY …`
    pub fn capability(&mut self, names: &[String]) {
        self.out.extend_from_slice(b"* CAPABILITY");
        for name in names {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
        }
        self.crlf();
    }

    /// `* ENABLED …`
    pub fn enabled<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.out.extend_from_slice(b"* ENABLED");
        for name in names {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
        }
        self.crlf();
    }

    /// `* ID (…)`; no fields give NIL.
    pub fn id(&mut self, fields: &[(&str, &str)]) {
        self.out.extend_from_slice(b"* ID ");
        if fields.is_empty() {
            self.out.extend_from_slice(b"NIL");
        } else {
            self.parenthesised(fields, |encoder, (name, value)| {
                encoder.string(name.as_bytes());
                encoder.out.push(b' ');
                encoder.string(value.as_bytes());
            });
        }
        self.crlf();
    }

    /// `* n EXISTS`
    pub fn exists(&mut self, count: u32) {
        self.counted(count, b" EXISTS\r\n");
    }

    /// `* n RECENT` (IMAP4rev1)
    pub fn recent(&mut self, count: u32) {
        self.counted(count, b" RECENT\r\n");
    }

    /// `* n EXPUNGE`
    pub fn expunge(&mut self, sequence_number: u32) {
        self.counted(sequence_number, b" EXPUNGE\r\n");
    }

    fn counted(&mut self, number: u32, what: &[u8]) {
        self.out.extend_from_slice(b"* ");
        self.number(u64::from(number));
        self.out.extend_from_slice(what);
    }

    /// `* VANISHED` (RFC 7162): with `earlier` as an answer to QRESYNC or FETCH. Nothing is written for no UIDs.
    pub fn vanished(&mut self, earlier: bool, uids: &NumberSet) {
        if uids.is_empty() {
            return;
        }
        self.out.extend_from_slice(if earlier {
            b"* VANISHED (EARLIER) "
        } else {
            b"* VANISHED "
        });
        write_set(&mut self.out, uids);
        self.crlf();
    }

    /// `* FLAGS (…)`: the flags that are in use in the mailbox.
    pub fn flags(&mut self, flags: &FlagList) {
        self.out.extend_from_slice(b"* FLAGS ");
        write_flags(&mut self.out, flags, false);
        self.crlf();
    }

    /// Starts `* n FETCH (…)`.
    pub fn fetch(&mut self, sequence_number: u32) -> FetchWriter<'_> {
        FetchWriter::start(self, sequence_number)
    }

    pub(super) fn crlf(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, number: u64) {
        write_number(&mut self.out, number);
    }

    /// A string: quoted where that is safe and short, a literal otherwise.
    pub(super) fn string(&mut self, octets: &[u8]) {
        write_string(&mut self.out, octets, self.utf8);
    }

    pub(super) fn nstring(&mut self, octets: Option<&[u8]>) {
        match octets {
            Some(octets) => self.string(octets),
            None => self.raw(b"NIL"),
        }
    }

    /// A literal. NUL cannot stand in one (RFC 9051, section 4.3): it goes out as 0x80, as other servers do it, so
    /// that sizes stay true. BINARY has a literal that can.
    pub(super) fn literal(&mut self, octets: &[u8]) {
        self.literal8(octets);
        let start = self.out.len().saturating_sub(octets.len());
        let sent = self.out.get_mut(start..).unwrap_or_default();
        if memchr::memchr(0, sent).is_some() {
            without_nul(sent);
        }
    }

    /// The same with NUL as it is, to be written behind `~`.
    pub(super) fn literal8(&mut self, octets: &[u8]) {
        self.out.push(b'{');
        self.number(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.out.extend_from_slice(b"}\r\n");
        self.out.extend_from_slice(octets);
    }

    pub(super) fn mailbox(&mut self, name: &MailboxName) {
        let wire = name.to_wire(self.utf8);
        write_string(&mut self.out, wire.as_bytes(), self.utf8);
    }

    pub(super) fn parenthesised<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.out.push(b'(');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b' ');
            }
            each(self, item);
        }
        self.out.push(b')');
    }
}

/// What a literal shows instead of NUL.
fn without_nul(octets: &mut [u8]) {
    for octet in octets.iter_mut().filter(|octet| **octet == 0) {
        *octet = 0x80;
    }
}

/// Decimal digits without the machinery of `format!`.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut used = 0usize;
    for slot in digits.iter_mut().rev() {
        *slot = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or_default());
        used = used.saturating_add(1);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let start = digits.len().saturating_sub(used);
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// `1:3,5`; nothing for an empty set.
pub(crate) fn write_set(out: &mut Vec<u8>, set: &NumberSet) {
    for (index, range) in set.ranges().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_number(out, u64::from(*range.start()));
        if range.start() != range.end() {
            out.push(b':');
            write_number(out, u64::from(*range.end()));
        }
    }
}

pub(crate) fn write_flags(out: &mut Vec<u8>, flags: &FlagList, new_ones: bool) {
    out.push(b'(');
    let mut first = true;
    for name in flags.names().chain(new_ones.then_some("\\*")) {
        if !first {
            out.push(b' ');
        }
        first = false;
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b')');
}

/// Longest string to be quoted: readers of lines have limits too.
const QUOTED_MAX: usize = 1000;

pub(crate) fn write_string(out: &mut Vec<u8>, octets: &[u8], utf8: bool) {
    let mut ascii = true;
    let plain = octets.len() <= QUOTED_MAX
        && octets.iter().all(|&octet| {
            ascii &= octet < 0x80;
            !matches!(octet, 0 | b'\r' | b'\n')
        });
    if plain && (ascii || (utf8 && std::str::from_utf8(octets).is_ok())) {
        out.push(b'"');
        for &octet in octets {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(octet);
        }
        out.push(b'"');
        return;
    }
    if memchr::memchr(0, octets).is_some() {
        // No string can hold NUL (RFC 9051, section 4.3); in a header's text it means nothing.
        let clean: Vec<u8> = octets.iter().copied().filter(|&octet| octet != 0).collect();
        return write_string(out, &clean, utf8);
    }
    out.push(b'{');
    write_number(out, u64::try_from(octets.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(b"}\r\n");
    out.extend_from_slice(octets);
}

/// An atom where possible, a string otherwise.
pub(crate) fn write_astring(out: &mut Vec<u8>, octets: &[u8]) {
    let atom = !octets.is_empty()
        && !octets.eq_ignore_ascii_case(b"NIL")
        && octets
            .iter()
            .all(|&octet| super::parse::is_astring_char(octet));
    if atom {
        out.extend_from_slice(octets);
    } else {
        write_string(out, octets, false);
    }
}

#[cfg(test)]
mod tests;
