//! From a raw message to the grams of its text.

use message::{Limits, mime::Structure, text};

use super::{
    gram::grams,
    sqlite_index::{IN_BODY, IN_HEADERS},
};

/// Different grams of one message at most. One with more is a candidate for every needle.
const MAX_GRAMS: usize = 200_000;

/// Folds a needle as the text was folded.
pub(super) fn fold(needle: &str) -> String {
    text::fold(needle)
}

/// The grams of headers and body, each with its mark, divided by spaces. `None` when not all of the text could
/// be taken: then the index cannot tell what the message holds.
pub(super) fn marked_grams(raw: &[u8]) -> Option<String> {
    let limits = Limits::default();
    let headers = text::searchable_headers(raw, &limits);
    let structure = Structure::parse(raw, &limits);
    let body = text::searchable_body(raw, &structure, &limits);
    // A text that fills its limit may have been cut inside a character.
    let full = limits.text_octets.saturating_sub(8);
    if headers.len() >= full || body.len() >= full {
        return None;
    }
    let mut marked = String::new();
    for (mark, text) in [(IN_HEADERS, headers), (IN_BODY, body)] {
        let folded = text::fold(&text);
        for gram in grams(&folded, MAX_GRAMS)? {
            marked.push(mark);
            marked.push_str(gram);
            marked.push(' ');
        }
    }
    Some(marked)
}
