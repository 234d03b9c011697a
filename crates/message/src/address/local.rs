//! The part before the `@`.

use std::fmt::{self, Write};

use super::AddressError;

/// Longest local part in octets, decoded. RFC 5321, section 4.5.3.1.1, obliges to 64; return paths that
/// carry the recipient (VERP, SRS) are longer, and a receiver should impose no less than it must.
pub const MAX_LOCAL_OCTETS: usize = 256;

/// Whether `c` may stand in an atom (RFC 5322 `atext`, widened by RFC 6532).
#[must_use]
pub fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        !is_forbidden(c)
    }
}

/// Whether `local` can be written without quotes (RFC 5321 `Dot-string`).
#[must_use]
pub fn is_dot_string(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Control characters and line separators: they would let an address break out of its line.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Checks a decoded local part.
pub(super) fn check(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::EmptyLocal);
    }
    if local.len() > MAX_LOCAL_OCTETS {
        return Err(AddressError::LocalTooLong);
    }
    local
        .chars()
        .find(|c| is_forbidden(*c))
        .map_or(Ok(()), |bad| Err(AddressError::BadCharacter(bad)))
}

/// Reads a local part in either form; returns it decoded, and what follows it.
pub(super) fn parse(text: &str) -> Result<(String, &str), AddressError> {
    let (local, rest) = match text.strip_prefix('"') {
        Some(quoted) => parse_quoted(quoted)?,
        None => parse_dotted(text)?,
    };
    check(&local)?;
    Ok((local, rest))
}

/// Dots may stand anywhere: `a..b` and `a.` were issued by Japanese carriers.
fn parse_dotted(text: &str) -> Result<(String, &str), AddressError> {
    let end = text.find('@').unwrap_or(text.len());
    let (local, rest) = text.split_at(end);
    match local.chars().find(|c| *c != '.' && !is_atext(*c)) {
        Some(bad) => Err(AddressError::BadCharacter(bad)),
        None => Ok((local.to_owned(), rest)),
    }
}

fn parse_quoted(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((local, text.get(at.saturating_add(1)..).unwrap_or_default())),
            '\\' => match chars.next() {
                // A quoted pair holds printable ASCII only (RFC 5321 `quoted-pairSMTP`).
                Some((_, c)) if c == ' ' || c.is_ascii_graphic() => local.push(c),
                Some((_, c)) => return Err(AddressError::BadCharacter(c)),
                None => return Err(AddressError::OpenQuote),
            },
            c => local.push(c),
        }
        if local.len() > MAX_LOCAL_OCTETS {
            return Err(AddressError::LocalTooLong);
        }
    }
    Err(AddressError::OpenQuote)
}

/// Writes a decoded local part, quoted when it must be.
pub(super) struct Written<'a>(pub(super) &'a str);

impl Written<'_> {
    /// How long it is.
    pub(super) fn octets(&self) -> usize {
        if is_dot_string(self.0) {
            return self.0.len();
        }
        let is_escaped = |b: &u8| matches!(b, b'"' | b'\\');
        let escaped = self.0.bytes().filter(is_escaped).count();
        // And two quotation marks.
        self.0.len().saturating_add(escaped).saturating_add(2)
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}
