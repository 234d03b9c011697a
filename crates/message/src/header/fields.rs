//! Cutting a header into fields.

use std::ops::Range;

use memchr::memchr;

use super::decode_words;
use crate::{Limits, charset};

/// The fields of one header, with their places in the octets they were read from.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    fields: Vec<Field<'a>>,
    body_start: usize,
}

impl<'a> Header<'a> {
    /// Reads the header that `raw` begins with; it ends at the first empty line, or with `raw`.
    ///
    /// Lines that are no fields (an mbox `From ` line, say) are passed over. Lines may end in LF alone, as in
    /// messages appended by careless clients. Fields beyond the limits are not listed, but the body is
    /// still found behind them.
    #[must_use]
    pub fn parse(raw: &'a [u8], limits: &Limits) -> Self {
        Self::parse_if(raw, limits, |_| true)
    }

    /// Reads the fields of these names (in any case) alone, wherever they stand in a header of whatever length, at most
    /// `most` of them: for what must not be overlooked. Memory grows with these fields and not with the header.
    #[must_use]
    pub fn named(raw: &'a [u8], names: &[&str], most: usize) -> Self {
        let limits = Limits {
            header_octets: usize::MAX,
            header_fields: most,
            ..Limits::default()
        };
        Self::parse_if(raw, &limits, |name| {
            names
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
        })
    }

    fn parse_if(raw: &'a [u8], limits: &Limits, wanted: impl Fn(&[u8]) -> bool) -> Self {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut at = 0;
        let mut last_is_field = false;
        while at < raw.len() {
            let end = line_end(raw, at);
            let line = raw.get(at..end).unwrap_or_default();
            if is_blank(line) {
                at = end;
                break;
            }
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if last_is_field && let Some(field) = fields.last_mut() {
                    field.range.end = end;
                }
            } else {
                last_is_field = fields.len() < limits.header_fields && end <= limits.header_octets;
                let name =
                    name_length(line).filter(|name| wanted(line.get(..*name).unwrap_or_default()));
                match name {
                    Some(name) if last_is_field => fields.push(Field {
                        whole: raw,
                        name: at..at.saturating_add(name),
                        range: at..end,
                        value_octets: limits.value_octets,
                    }),
                    _ => last_is_field = false,
                }
            }
            at = end;
        }
        Self {
            fields,
            body_start: at,
        }
    }

    /// Where the body begins: behind the empty line.
    #[must_use]
    pub fn body_start(&self) -> usize {
        self.body_start
    }

    /// The fields in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field<'a>> {
        self.fields.iter()
    }

    /// The first field of that name, in any case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|f| f.is(name))
    }

    /// All fields of that name, in any case.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Field<'a>> {
        self.fields.iter().filter(move |f| f.is(name))
    }

    /// The decoded text of the first field of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(Field::text)
    }

    /// The unfolded text of the first field of that name, encoded words untouched.
    #[must_use]
    pub fn unfolded(&self, name: &str) -> Option<String> {
        self.first(name).map(Field::unfolded)
    }
}

impl<'s, 'a> IntoIterator for &'s Header<'a> {
    type Item = &'s Field<'a>;
    type IntoIter = std::slice::Iter<'s, Field<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One field of a header.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    whole: &'a [u8],
    name: Range<usize>,
    range: Range<usize>,
    value_octets: usize,
}

impl<'a> Field<'a> {
    /// The name as it is written, without the colon.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.whole.get(self.name.clone()).unwrap_or_default()
    }

    /// Whether this is the name, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// The place of the whole field, folded lines and the last line's end included.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The whole field, folded lines and the last line's end included.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.whole.get(self.range.clone()).unwrap_or_default()
    }

    /// What stands behind the colon, untouched.
    #[must_use]
    pub fn raw_value(&self) -> &'a [u8] {
        let line = self
            .whole
            .get(self.name.end..self.range.end)
            .unwrap_or_default();
        let colon = memchr(b':', line).map_or(line.len(), |at| at.saturating_add(1));
        line.get(colon..).unwrap_or_default()
    }

    /// The value as one line of UTF-8, without white space around it; encoded words are untouched.
    #[must_use]
    pub fn unfolded(&self) -> String {
        let value = self.raw_value();
        unfold(value.get(..self.value_octets).unwrap_or(value))
    }

    /// The value as people read it: unfolded and encoded words decoded.
    #[must_use]
    pub fn text(&self) -> String {
        decode_words(&self.unfolded())
    }
}

/// The fields whose names are in `names` (or are not, with `except`), as they stand, with an empty line behind
/// them: IMAP `HEADER.FIELDS` and `HEADER.FIELDS.NOT` (RFC 9051, section 6.4.5).
#[must_use]
pub fn select_fields(raw_header: &[u8], names: &[&str], except: bool, limits: &Limits) -> Vec<u8> {
    let header = Header::parse(raw_header, limits);
    let mut chosen = Vec::new();
    for field in &header {
        if names.iter().any(|n| field.is(n)) != except {
            chosen.extend_from_slice(field.raw());
            if !chosen.ends_with(b"\n") {
                chosen.extend_from_slice(b"\r\n");
            }
        }
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}

/// Removes, in place, the fields of that name (in any case) whose value `is_doomed`, in a header of whatever length. Returns how
/// many there were. Time grows with the message, memory not at all.
pub(super) fn remove_fields_if(
    message: &mut Vec<u8>,
    name: &str,
    is_doomed: impl Fn(&[u8]) -> bool,
) -> usize {
    let (mut at, mut kept, mut removed) = (0, 0, 0_usize);
    while at < message.len() {
        let first_end = line_end(message, at);
        let line = message.get(at..first_end).unwrap_or_default();
        if is_blank(line) {
            break;
        }
        let length = name_length(line);
        let is_named = length
            .and_then(|length| line.get(..length))
            .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        let mut end = first_end;
        while matches!(message.get(end), Some(b' ' | b'\t')) {
            end = line_end(message, end);
        }
        let field = message.get(at..end).unwrap_or_default();
        let colon = memchr(b':', field).map_or(field.len(), |colon| colon.saturating_add(1));
        if is_named && is_doomed(field.get(colon..).unwrap_or_default()) {
            removed = removed.saturating_add(1);
        } else {
            message.copy_within(at..end, kept);
            kept = kept.saturating_add(end.saturating_sub(at));
        }
        at = end;
    }
    if removed > 0 {
        message.drain(kept..at);
    }
    removed
}

/// Where the line that begins at `at` ends, its line feed included.
pub(crate) fn line_end(raw: &[u8], at: usize) -> usize {
    let rest = raw.get(at..).unwrap_or_default();
    memchr(b'\n', rest).map_or(raw.len(), |lf| at.saturating_add(lf).saturating_add(1))
}

/// Whether the line, with its end, is empty.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// The length of the field name a line begins with. White space between name and colon is obsolete, but read.
fn name_length(line: &[u8]) -> Option<usize> {
    let colon = memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    valid.then_some(name.len())
}

/// One line of UTF-8 without NUL, CR or LF.
pub(crate) fn unfold(value: &[u8]) -> String {
    let line: Vec<u8> = value
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n' | 0))
        .collect();
    let mut text = match String::from_utf8(line) {
        Ok(text) if !text.contains('\u{1b}') => text,
        Ok(text) => charset::decode_unlabelled(text.as_bytes()),
        Err(error) => charset::decode_unlabelled(error.as_bytes()),
    };
    // A decoder may bring forth what the octets did not show.
    text.retain(|c| !matches!(c, '\r' | '\n' | '\0'));
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed.len() == text.len() {
        text
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn parse(raw: &[u8]) -> Header<'_> {
        Header::parse(raw, &Limits::default())
    }

    #[test]
    fn folding_and_places() {
        let raw = b"A: 1\r\n 2\r\nB : x\r\n\r\nbody";
        let h = parse(raw);
        assert_eq!(h.unfolded("a").unwrap(), "1 2");
        assert_eq!(h.first("a").unwrap().raw(), b"A: 1\r\n 2\r\n");
        assert_eq!(h.unfolded("b").unwrap(), "x");
        assert_eq!(h.body_start(), raw.len() - 4);
    }

    #[test]
    fn named_fields_are_found_behind_any_number_of_others() {
        let raw = format!(
            "A: 1\r\n{}a : 2\r\n 3\r\nB: x\r\n\r\nA: 4",
            "X: y\r\n y\r\n".repeat(50_000)
        );
        let h = Header::named(raw.as_bytes(), &["a"], 9);
        let values: Vec<String> = h.iter().map(Field::unfolded).collect();
        assert_eq!(values, ["1", "2 3"]);
        assert_eq!(&raw[h.body_start()..], "A: 4");
        let h = Header::named(raw.as_bytes(), &["a", "b"], 2);
        assert_eq!(h.iter().count(), 2);
    }

    #[test]
    fn broken_headers_still_read() {
        let h = parse(b"From x Mon Jan 1\nnot a field\n more\nA: 1\n\nbody");
        assert_eq!(h.iter().count(), 1);
        assert_eq!(h.unfolded("A").unwrap(), "1");
        assert_eq!(parse(b"\r\nbody").body_start(), 2);
        assert_eq!(parse(b"A: 1").body_start(), 4);
        assert_eq!(parse(b"").body_start(), 0);
    }

    #[test]
    fn raw_japanese_headers() {
        assert_eq!(
            parse(b"Subject: \x89\xef\x8bc\r\n\r\n")
                .text("subject")
                .unwrap(),
            "会議"
        );
        assert_eq!(
            parse(b"Subject: \x1b$B2q5D\x1b(B!\r\n\r\n")
                .text("subject")
                .unwrap(),
            "会議!"
        );
        assert_eq!(
            parse("Subject: 会議\r\n\r\n".as_bytes())
                .text("subject")
                .unwrap(),
            "会議"
        );
    }

    #[test]
    fn limits_keep_the_body_in_sight() {
        let limits = Limits {
            header_fields: 1,
            ..Limits::default()
        };
        let h = Header::parse(b"A: 1\r\nB: 2\r\n c\r\n\r\nx", &limits);
        assert_eq!(h.iter().count(), 1);
        assert_eq!(h.first("a").unwrap().raw(), b"A: 1\r\n");
        assert_eq!(h.body_start(), 18);
    }

    #[test]
    fn fields_are_selected_by_name() {
        let raw = b"A: 1\r\nB: 2\r\n c\r\na: 3\r\n\r\n";
        let limits = Limits::default();
        assert_eq!(
            select_fields(raw, &["a"], false, &limits),
            b"A: 1\r\na: 3\r\n\r\n"
        );
        assert_eq!(
            select_fields(raw, &["a"], true, &limits),
            b"B: 2\r\n c\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn places_are_in_range_and_in_order(raw in prop::collection::vec(
            prop::sample::select(b"A: \r\n\t\x1b$B=?x".to_vec()), 0..80)) {
            let h = parse(&raw);
            let mut last = 0;
            for f in &h {
                prop_assert!(f.range().start >= last && f.range().end <= h.body_start());
                last = f.range().end;
                prop_assert!(!f.unfolded().contains(['\r', '\n', '\0']));
                let _ignored = f.text();
            }
            prop_assert!(h.body_start() <= raw.len());
        }
    }
}
