//! What a milter wants changed, checked before it is believed, and its application to the message.

use std::ops::Range;

/// Octets of a field's name (RFC 5322, section 2.1.1, leaves no room for more on its line).
const LONGEST_NAME: usize = 200;
/// Octets of a field's line without its end (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;
/// Octets of a field's value.
const LONGEST_VALUE: usize = 64 << 10;

/// A change of one field of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    kind: EditKind,
    name: Vec<u8>,
    /// The whole field with its line end; empty: it goes.
    field: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EditKind {
    Add,
    /// Before the field at this place.
    Insert(usize),
    /// The so-manieth of its name, from one.
    Change(usize),
}

/// Why a field is none, and with it all that the milter said is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Its name is none (RFC 5322, section 3.6.8).
    #[error("a field without a valid name")]
    Name,
    /// A line of it would not belong to it, and so could be another field or the message's end.
    #[error("a field with a line that does not belong to it")]
    Fold,
    /// It holds something else than printable ASCII.
    #[error("a field with octets that a header may not hold")]
    Octets,
    /// It is too long, or a line of it.
    #[error("a field that is too long")]
    Long,
    /// The new body has bare line ends or octets of zero.
    #[error("a body with bare line ends or octets of zero")]
    Body,
}

impl Edit {
    /// A new field behind all others. `spaced`: the value brings its own space.
    ///
    /// # Errors
    /// When it would be no field.
    pub fn add(name: &[u8], value: &[u8], spaced: bool) -> Result<Self, EditError> {
        Self::new(EditKind::Add, name, value, spaced)
    }

    /// A new field before the one at `place`; 0 is the first.
    ///
    /// # Errors
    /// When it would be no field.
    pub fn insert(place: u32, name: &[u8], value: &[u8], spaced: bool) -> Result<Self, EditError> {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        Self::new(EditKind::Insert(place), name, value, spaced)
    }

    /// Another value for the so-manieth field of this name, from one; an empty one removes it. Where there are not so many, it is
    /// added.
    ///
    /// # Errors
    /// When it would be no field.
    pub fn change(which: u32, name: &[u8], value: &[u8], spaced: bool) -> Result<Self, EditError> {
        let which = usize::try_from(which.max(1)).unwrap_or(usize::MAX);
        let mut edit = Self::new(EditKind::Change(which), name, value, spaced)?;
        if value.is_empty() {
            edit.field = Vec::new();
        }
        Ok(edit)
    }

    fn new(kind: EditKind, name: &[u8], value: &[u8], spaced: bool) -> Result<Self, EditError> {
        let is_name = |octet: &u8| octet.is_ascii_graphic() && *octet != b':';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(is_name) {
            return Err(EditError::Name);
        }
        if value.len() > LONGEST_VALUE {
            return Err(EditError::Long);
        }
        let mut field = name.to_vec();
        field.push(b':');
        if !spaced && !value.is_empty() {
            field.push(b' ');
        }
        // Lines are ended by LF here (smfi_addheader), by CRLF in a message; an end behind the last one says nothing.
        for (number, line) in value
            .trim_ascii_end()
            .split(|octet| *octet == b'\n')
            .enumerate()
        {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_plain = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~');
            if !line.iter().all(is_plain) {
                return Err(EditError::Octets);
            }
            if number > 0 {
                let folds = line
                    .first()
                    .is_some_and(|octet| matches!(octet, b' ' | b'\t'));
                if !folds || line.trim_ascii().is_empty() {
                    return Err(EditError::Fold);
                }
                field.extend_from_slice(b"\r\n");
            }
            field.extend_from_slice(line);
        }
        field.extend_from_slice(b"\r\n");
        if field
            .split(|octet| *octet == b'\n')
            .any(|line| line.len() > LONGEST_LINE.saturating_add(1))
        {
            return Err(EditError::Long);
        }
        Ok(Self {
            kind,
            name: name.to_vec(),
            field,
        })
    }

    /// Octets that it adds at most.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.field.len()
    }

    /// In words: what it does to which field.
    #[must_use]
    pub fn words(&self) -> String {
        let verb = match self.kind {
            EditKind::Add | EditKind::Insert(_) => "add",
            EditKind::Change(_) if self.field.is_empty() => "remove",
            EditKind::Change(_) => "change",
        };
        let name = String::from_utf8_lossy(&self.name);
        let short: String = name.chars().take(40).collect();
        format!("{verb} {short}")
    }
}

/// A new body as it may stand in a message: whole lines, all of which CRLF ends.
pub(super) fn body(octets: Vec<u8>) -> Result<Vec<u8>, EditError> {
    let mut body = octets;
    if !body.is_empty() && !body.ends_with(b"\r\n") {
        body.extend_from_slice(b"\r\n");
    }
    let mut before = 0;
    for octet in &body {
        let is_bare = (*octet == b'\n') != (before == b'\r');
        if is_bare || *octet == 0 {
            return Err(EditError::Body);
        }
        before = *octet;
    }
    Ok(body)
}

/// The fields of `message` with their line ends, and where its body begins. A header ends at an empty line, or before a line
/// that is no field's.
pub(super) fn fields(message: &[u8]) -> (Vec<Range<usize>>, usize) {
    let mut fields: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(rest) = message.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest.iter().position(|octet| *octet == b'\n') {
            Some(end) => end.saturating_add(1),
            None => rest.len(),
        };
        let line = rest.get(..length).unwrap_or_default();
        let next = at.saturating_add(length);
        if matches!(line, b"\r\n" | b"\n") {
            return (fields, next);
        }
        match (line.first(), fields.last_mut()) {
            (Some(b' ' | b'\t'), Some(last)) => last.end = next,
            _ if name_of(line).is_some() => fields.push(at..next),
            _ => return (fields, at),
        }
        at = next;
    }
    (fields, at)
}

/// The name of a field.
pub(super) fn name_of(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|octet| *octet == b':')?;
    let name = field.get(..end)?.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some(name)
}

/// `message` with these changes, in their order, and with `body` for its own if there is one.
#[must_use]
pub fn edited(message: &[u8], edits: &[Edit], body: Option<&[u8]>) -> Vec<u8> {
    let (ranges, begins) = fields(message);
    let end = ranges.last().map_or(0, |range| range.end);
    let mut header: Vec<&[u8]> = ranges
        .into_iter()
        .map(|range| message.get(range).unwrap_or_default())
        .collect();
    for edit in edits {
        apply(&mut header, edit);
    }
    let own = message.get(begins..).unwrap_or_default();
    let body = body.unwrap_or(own);
    // The empty line, if it has one; a message that had none and gets fields or a body needs it.
    let between = message.get(end..begins).unwrap_or_default();
    let added: usize = edits.iter().map(Edit::octets).sum();
    let mut whole = Vec::with_capacity(end.saturating_add(added).saturating_add(body.len()));
    for field in header {
        whole.extend_from_slice(field);
        if !field.ends_with(b"\n") {
            whole.extend_from_slice(b"\r\n");
        }
    }
    match between.is_empty() {
        true => whole.extend_from_slice(b"\r\n"),
        false => whole.extend_from_slice(between),
    }
    whole.extend_from_slice(body);
    whole
}

fn apply<'m>(header: &mut Vec<&'m [u8]>, edit: &'m Edit) {
    match edit.kind {
        EditKind::Add => header.push(&edit.field),
        EditKind::Insert(place) => header.insert(place.min(header.len()), &edit.field),
        EditKind::Change(which) => {
            let is_named = |field: &&[u8]| {
                name_of(field).is_some_and(|name| name.eq_ignore_ascii_case(&edit.name))
            };
            let found = (0..header.len())
                .filter(|at| header.get(*at).is_some_and(is_named))
                .nth(which.saturating_sub(1));
            match (found, edit.field.is_empty()) {
                (Some(at), true) => drop(header.remove(at)),
                (Some(at), false) => {
                    if let Some(field) = header.get_mut(at) {
                        *field = &edit.field;
                    }
                }
                (None, true) => {}
                (None, false) => header.push(&edit.field),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] = b"A: 1\r\nB: 2\r\n more\r\na: 3\r\n\r\nbody\r\n";

    fn text(edits: &[Edit]) -> String {
        String::from_utf8(edited(MESSAGE, edits, None)).unwrap()
    }

    #[test]
    fn fields_are_added_changed_and_removed() {
        let edits = [
            Edit::add(b"X", b"end", false).unwrap(),
            Edit::insert(1, b"Y", b" own space\n\tfolded", true).unwrap(),
            Edit::change(2, b"A", b"", false).unwrap(),
            Edit::change(1, b"b", b"two", false).unwrap(),
            Edit::change(9, b"B", b"new", false).unwrap(),
            Edit::change(9, b"C", b"", false).unwrap(),
        ];
        assert_eq!(
            text(&edits),
            "A: 1\r\nY: own space\r\n\tfolded\r\nb: two\r\nX: end\r\nB: new\r\n\r\nbody\r\n"
        );
        let words: Vec<String> = edits.iter().map(Edit::words).collect();
        assert_eq!(words[2..4], ["remove A", "change b"]);
        assert_eq!(
            edited(MESSAGE, &[], Some(b"other\r\n")),
            [&MESSAGE[..27], b"other\r\n"].concat()
        );
    }

    #[test]
    fn what_would_break_the_message_is_refused() {
        for (name, value, error) in [
            (&b""[..], &b"x"[..], EditError::Name),
            (b"X:Y", b"x", EditError::Name),
            (b"X\r\nY", b"x", EditError::Name),
            (b"X", b"a\nBcc: b", EditError::Fold),
            (b"X", b"a\n\n b", EditError::Fold),
            (b"X", b"a\n \n b", EditError::Fold),
            (b"X", b"a\rb", EditError::Octets),
            (b"X", b"\x80", EditError::Octets),
            (b"X", &[b'x'; 998], EditError::Long),
            (b"X", &[b' '; LONGEST_VALUE + 1], EditError::Long),
        ] {
            assert_eq!(Edit::add(name, value, false), Err(error), "{value:?}");
        }
        for bad in [&b"a\nb\r\n"[..], b"a\rb\r\n", b"\0\r\n", b"a\r"] {
            assert_eq!(body(bad.to_vec()), Err(EditError::Body), "{bad:?}");
        }
        assert_eq!(body(b"a".to_vec()).unwrap(), b"a\r\n");
    }

    #[test]
    fn a_message_without_a_body_or_a_header_stays_one() {
        let field = Edit::add(b"X", b"y", false).unwrap();
        let with = |message: &[u8]| edited(message, std::slice::from_ref(&field), None);
        assert_eq!(with(b""), b"X: y\r\n\r\n");
        assert_eq!(with(b"A: 1"), b"A: 1\r\nX: y\r\n\r\n");
        assert_eq!(with(b"no field\r\n"), b"X: y\r\n\r\nno field\r\n");
        assert_eq!(with(b"\r\nbody\r\n"), b"X: y\r\n\r\nbody\r\n");
    }

    proptest! {
        /// Whatever a milter asks for: the body stays, and so does the number of fields that it must be.
        #[test]
        fn no_edit_breaks_out(
            asked in proptest::collection::vec((0_u32..3, 0_u32..5, "[A-Bx]{1,2}", "[ -~\r\n\t]{0,20}"), 0..8),
        ) {
            let edits: Vec<Edit> = asked.iter().filter_map(|(kind, number, name, value)| {
                let (name, value) = (name.as_bytes(), value.as_bytes());
                match kind {
                    0 => Edit::add(name, value, false).ok(),
                    1 => Edit::insert(*number, name, value, true).ok(),
                    _ => Edit::change(*number, name, value, false).ok(),
                }
            }).collect();
            let whole = edited(MESSAGE, &edits, None);
            prop_assert!(whole.ends_with(b"\r\n\r\nbody\r\n") || whole == b"\r\nbody\r\n");
            let (found, begins) = fields(&whole);
            prop_assert_eq!(&whole[begins..], b"body\r\n");
            let added = edits.iter().filter(|edit| !matches!(edit.kind, EditKind::Change(_))).count();
            let changed = edits.len() - added;
            prop_assert!(found.len() >= (3 + added).saturating_sub(changed));
            prop_assert!(found.len() <= 3 + edits.len());
        }
    }
}
