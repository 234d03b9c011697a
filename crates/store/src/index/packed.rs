//! The text of a message as the index keeps it, to tell whether it holds a needle without reading the message.

use memchr::memmem::Finder;
use message::text::Words;

use super::Field;
use crate::{Error, compression};

/// Octets of a text at most; a message with more is read when it is a candidate.
const MAX_TEXT: usize = 256 << 10;
const LEVEL: i32 = 1;
/// Octets of each of the two numbers that stand first: the lengths of headers and body.
const LENGTH: usize = 4;
/// Octets of the texts' checksum behind them.
const SUM: usize = 8;

/// Headers and body: their lengths, a checksum, and both together, compressed if that makes them shorter.
pub(super) struct Packed(Vec<u8>);

impl Packed {
    /// Packs a text; `None` when it is too long.
    pub(super) fn of(words: &Words) -> Option<Self> {
        let texts = [words.headers.as_bytes(), words.body.as_bytes()].concat();
        if texts.len() > MAX_TEXT {
            return None;
        }
        let mut packed = Vec::with_capacity(texts.len() / 2 + 2 * LENGTH + SUM);
        for text in [&words.headers, &words.body] {
            packed.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
        }
        packed.extend_from_slice(&sum(&texts));
        compression::compress(&texts, LEVEL, &mut packed);
        Some(Self(packed))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn sum(texts: &[u8]) -> [u8; SUM] {
    let mut sum = [0; SUM];
    sum.copy_from_slice(&blake3::hash(texts).as_bytes()[..SUM]);
    sum
}

/// Headers and body of a packed text; `None` when it is damaged.
pub(super) fn unpack(packed: &[u8]) -> Option<(Vec<u8>, usize)> {
    let number = |at: &[u8; LENGTH]| usize::try_from(u32::from_le_bytes(*at)).ok();
    let (headers, rest) = packed.split_first_chunk::<LENGTH>()?;
    let (body, rest) = rest.split_first_chunk::<LENGTH>()?;
    let (checksum, rest) = rest.split_first_chunk::<SUM>()?;
    let headers = number(headers)?;
    let length = headers.checked_add(number(body)?)?;
    let texts = match rest.len() == length {
        true => rest.to_vec(),
        false if length <= MAX_TEXT => compression::decompress(rest, length)?,
        false => return None,
    };
    (texts.len() == length && sum(&texts) == *checksum).then_some((texts, headers))
}

/// Whether a packed text holds the needle in `field`.
///
/// # Errors
/// [`Error::Corrupt`] when it is damaged.
pub(super) fn holds(packed: &[u8], needle: &Finder<'_>, field: Field) -> Result<bool, Error> {
    let damaged = || Error::Corrupt("a text in a search index is damaged".to_owned());
    let (texts, headers) = unpack(packed).ok_or_else(damaged)?;
    let (headers, body) = texts.split_at_checked(headers).ok_or_else(damaged)?;
    let found = |text: &[u8]| needle.find(text).is_some();
    Ok(match field {
        Field::Headers => found(headers),
        Field::Body => found(body),
        Field::Text => found(body) || found(headers),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(headers: &str, body: &str) -> Words {
        Words {
            headers: headers.to_owned(),
            body: body.to_owned(),
            whole: true,
        }
    }

    #[test]
    fn a_needle_is_found_in_its_field_only() {
        let packed = Packed::of(&words("subject: 会議 a", "bc 議事")).unwrap();
        let held = |needle: &str, field| {
            let needle = Finder::new(needle.as_bytes());
            holds(packed.as_bytes(), &needle, field).unwrap()
        };
        assert!(held("会議", Field::Headers) && !held("会議", Field::Body));
        assert!(held("議事", Field::Body) && !held("議事", Field::Headers));
        assert!(held("会議", Field::Text) && held("議事", Field::Text));
        // Nothing reaches from the headers into the body.
        assert!(!held("ab", Field::Text));
    }

    #[test]
    fn damage_shows_and_what_is_too_long_is_not_kept() {
        let packed = Packed::of(&words("", &"会議".repeat(1000))).unwrap();
        let needle = Finder::new("x");
        for at in 0..packed.0.len() {
            let mut damaged = packed.0.clone();
            damaged[at] ^= 4;
            let told = holds(&damaged, &needle, Field::Body);
            // A flag of the compression may be one that changes nothing of the text.
            assert!(matches!(told, Err(Error::Corrupt(_)) | Ok(false)), "{at}");
        }
        let mut damaged = packed.0.clone();
        damaged[2 * LENGTH] ^= 1;
        assert!(holds(&damaged, &needle, Field::Body).is_err());
        assert!(Packed::of(&words("", &"x".repeat(MAX_TEXT + 1))).is_none());
        let longest = Packed::of(&words("", &"x".repeat(MAX_TEXT))).unwrap();
        assert!(holds(longest.as_bytes(), &needle, Field::Body).unwrap());
    }
}
