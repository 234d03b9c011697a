//! FETCH responses, written item by item.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Encoder, without_nul, write_flags};
use crate::imap::date::DateTime;
use crate::imap::flag::FlagList;
use crate::imap::section::{Section, write_path};

/// Writes one FETCH response straight into the encoder's buffer: call the items in any order, then
/// [`FetchWriter::finish`]. Dropping it without that finishes the response too, so the stream stays well-formed.
#[derive(Debug)]
pub struct FetchWriter<'a> {
    encoder: &'a mut Encoder,
    /// Where the response started, to take back one that stayed empty.
    start: usize,
    empty: bool,
}

impl<'a> FetchWriter<'a> {
    pub(super) fn start(encoder: &'a mut Encoder, sequence_number: u32) -> Self {
        let start = encoder.len();
        encoder.raw(b"* ");
        encoder.number(u64::from(sequence_number));
        encoder.raw(b" FETCH (");
        Self {
            encoder,
            start,
            empty: true,
        }
    }

    fn item(&mut self, name: &[u8]) {
        if !self.empty {
            self.encoder.raw(b" ");
        }
        self.empty = false;
        self.encoder.raw(name);
    }

    /// FLAGS
    pub fn flags(&mut self, flags: &FlagList) {
        self.item(b"FLAGS ");
        write_flags(&mut self.encoder.out, flags, false);
    }

    /// UID
    pub fn uid(&mut self, uid: u32) {
        self.item(b"UID ");
        self.encoder.number(u64::from(uid));
    }

    /// RFC822.SIZE, octets
    pub fn size(&mut self, size: u64) {
        self.item(b"RFC822.SIZE ");
        self.encoder.number(size);
    }

    /// INTERNALDATE
    pub fn internal_date(&mut self, date: DateTime) {
        self.item(b"INTERNALDATE ");
        self.date(date);
    }

    /// SAVEDATE (RFC 8514), NIL when it is unknown.
    pub fn save_date(&mut self, at: Option<Timestamp>) {
        self.item(b"SAVEDATE ");
        match at {
            Some(at) => self.date(DateTime::utc(at)),
            None => self.encoder.raw(b"NIL"),
        }
    }

    fn date(&mut self, date: DateTime) {
        self.encoder.raw(b"\"");
        date.write(&mut self.encoder.out);
        self.encoder.raw(b"\"");
    }

    /// MODSEQ (RFC 7162)
    pub fn mod_seq(&mut self, mod_seq: u64) {
        self.item(b"MODSEQ (");
        self.encoder.number(mod_seq);
        self.encoder.raw(b")");
    }

    /// EMAILID (RFC 8474): letters, digits, `_` and `-` only.
    pub fn email_id(&mut self, id: &str) {
        self.item(b"EMAILID (");
        self.encoder.raw(id.as_bytes());
        self.encoder.raw(b")");
    }

    /// THREADID, NIL when there is none.
    pub fn thread_id(&mut self, id: Option<&str>) {
        match id {
            Some(id) => {
                self.item(b"THREADID (");
                self.encoder.raw(id.as_bytes());
                self.encoder.raw(b")");
            }
            None => self.item(b"THREADID NIL"),
        }
    }

    /// RFC822 (IMAP4rev1)
    pub fn rfc822(&mut self, message: &[u8]) {
        self.item(b"RFC822 ");
        self.encoder.literal(message);
    }

    /// RFC822 up to the literal's octets, as [`FetchWriter::section_head`].
    pub fn rfc822_head(&mut self, length: u64) -> Vec<u8> {
        self.item(b"RFC822 ");
        self.literal_head(length)
    }

    /// RFC822.HEADER up to the literal's octets, as [`FetchWriter::section_head`].
    pub fn rfc822_header_head(&mut self, length: u64) -> Vec<u8> {
        self.item(b"RFC822.HEADER ");
        self.literal_head(length)
    }

    /// RFC822.TEXT up to the literal's octets, as [`FetchWriter::section_head`].
    pub fn rfc822_text_head(&mut self, length: u64) -> Vec<u8> {
        self.item(b"RFC822.TEXT ");
        self.literal_head(length)
    }

    /// RFC822.HEADER (IMAP4rev1)
    pub fn rfc822_header(&mut self, header: &[u8]) {
        self.item(b"RFC822.HEADER ");
        self.encoder.literal(header);
    }

    /// RFC822.TEXT (IMAP4rev1)
    pub fn rfc822_text(&mut self, text: &[u8]) {
        self.item(b"RFC822.TEXT ");
        self.encoder.literal(text);
    }

    /// BODY[section]<origin>; `origin` is the offset that was asked for, and `content` what is left of the section
    /// after the range was applied. `None` gives NIL: there is no such part.
    pub fn section(&mut self, section: &Section, origin: Option<u32>, content: Option<&[u8]>) {
        self.section_name(section, origin);
        match content {
            Some(content) => self.encoder.literal(content),
            None => self.encoder.raw(b"NIL"),
        }
    }

    /// BODY[section]<origin> up to the literal's octets, for a body that is too large to be copied here. The caller
    /// takes the bytes so far out, sends exactly `length` octets by [`literal_pieces`], and goes on with this writer.
    pub fn section_head(&mut self, section: &Section, origin: Option<u32>, length: u64) -> Vec<u8> {
        self.section_name(section, origin);
        self.literal_head(length)
    }

    fn literal_head(&mut self, length: u64) -> Vec<u8> {
        self.encoder.raw(b"{");
        self.encoder.number(length);
        self.encoder.raw(b"}\r\n");
        self.take()
    }

    fn take(&mut self) -> Vec<u8> {
        self.start = 0;
        self.encoder.take()
    }

    /// Moves the bytes so far behind `waiting`, if they are more than so many; whether they were. Between the items of a
    /// response that may become long: the caller sends them, and goes on with this writer. An empty `waiting` changes places
    /// with the encoder's own buffer, so that nothing is copied and no room is asked for anew.
    pub fn move_if_over(&mut self, octets: usize, waiting: &mut Vec<u8>) -> bool {
        if self.empty || self.encoder.len() <= octets {
            return false;
        }
        self.start = 0;
        if waiting.is_empty() {
            std::mem::swap(waiting, &mut self.encoder.out);
        } else {
            waiting.append(&mut self.encoder.out);
        }
        true
    }

    fn section_name(&mut self, section: &Section, origin: Option<u32>) {
        self.item(b"BODY[");
        section.write(&mut self.encoder.out);
        self.encoder.raw(b"]");
        self.origin(origin);
        self.encoder.raw(b" ");
    }

    fn origin(&mut self, origin: Option<u32>) {
        if let Some(origin) = origin {
            self.encoder.raw(b"<");
            self.encoder.number(u64::from(origin));
            self.encoder.raw(b">");
        }
    }

    /// BINARY[path]<origin> (RFC 3516): a `literal8` when the content holds NUL. `None` gives NIL.
    pub fn binary(&mut self, path: &[u32], origin: Option<u32>, content: Option<&[u8]>) {
        self.binary_name(path, origin);
        match content {
            Some(content) => {
                if memchr::memchr(0, content).is_some() {
                    self.encoder.raw(b"~");
                    self.encoder.literal8(content);
                } else {
                    self.encoder.literal(content);
                }
            }
            None => self.encoder.raw(b"NIL"),
        }
    }

    /// BINARY[path]<origin> up to the octets of a literal, or of a `literal8` when they hold NUL. As
    /// [`FetchWriter::section_head`], but the octets go out as they are.
    pub fn binary_head(&mut self, path: &[u32], origin: Option<u32>, content: &[u8]) -> Vec<u8> {
        self.binary_name(path, origin);
        if memchr::memchr(0, content).is_some() {
            self.encoder.raw(b"~");
        }
        self.literal_head(u64::try_from(content.len()).unwrap_or(u64::MAX))
    }

    fn binary_name(&mut self, path: &[u32], origin: Option<u32>) {
        self.item(b"BINARY[");
        write_path(path, &mut self.encoder.out);
        self.encoder.raw(b"]");
        self.origin(origin);
        self.encoder.raw(b" ");
    }

    /// BINARY.SIZE[path]: octets of the decoded content
    pub fn binary_size(&mut self, path: &[u32], size: u64) {
        self.item(b"BINARY.SIZE[");
        write_path(path, &mut self.encoder.out);
        self.encoder.raw(b"] ");
        self.encoder.number(size);
    }

    /// The encoder, for items that are written elsewhere in this module.
    pub(super) fn named(&mut self, name: &[u8]) -> &mut Encoder {
        self.item(name);
        self.encoder
    }

    /// Closes the response. A response without items is taken back.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for FetchWriter<'_> {
    fn drop(&mut self) {
        if self.empty {
            self.encoder.out.truncate(self.start);
        } else {
            self.encoder.raw(b")\r\n");
        }
    }
}

/// Octets of one piece that had to be changed.
const PIECE: usize = 64 * 1024;

/// The octets of a literal as they go out, in pieces: NUL cannot stand in one (RFC 9051, section 4.3) and becomes 0x80, as
/// in what the encoder itself writes. What holds none is not copied.
pub fn literal_pieces(octets: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let clean = memchr::memchr(0, rest).unwrap_or(rest.len());
        if clean > 0 {
            let (piece, after) = rest.split_at(clean);
            rest = after;
            return Some(Cow::Borrowed(piece));
        }
        let (piece, after) = rest.split_at(PIECE.min(rest.len()));
        rest = after;
        let mut piece = piece.to_vec();
        without_nul(&mut piece);
        Some(Cow::Owned(piece))
    })
}
