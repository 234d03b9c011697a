//! Words of feeds, within bounds.

use super::FeedError;
use crate::limits::{WORD, line};

/// XML without its mark of order, as UTF-8.
pub(super) fn utf8(octets: Vec<u8>) -> Result<String, FeedError> {
    let text = String::from_utf8(octets);
    let text = text.map_err(|error| FeedError::Json(format!("and no UTF-8: {error}")))?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

/// A name or number, which must be there and not be longer than such a thing is.
pub(super) fn word(what: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    let most = WORD;
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(format!(
            "{what} is empty, longer than {most} characters, or has controls in it"
        ));
    }
    Ok(text.to_owned())
}

/// A word that need not be there.
pub(super) fn maybe(text: &str) -> String {
    line(text, WORD)
}

/// The first of `lines` that says something.
pub(super) fn first_line(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}
