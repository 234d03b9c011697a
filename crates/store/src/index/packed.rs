//! The text of a message as the index keeps it, to tell whether it holds a needle without reading the message: sealed
//! under the account's key, as the message itself is.

use std::sync::Arc;

use memchr::memmem::Finder;
use message::text::Words;
use world::World;

use super::Field;
use crate::{
    AccountId, EmailId, Error,
    cipher::{self, Cipher, Key},
    compression,
};

/// Octets of a text at most; a message with more is read when it is a candidate.
const MAX_TEXT: usize = 256 << 10;
const LEVEL: i32 = 1;
/// Octets of each of the two numbers that stand first: the lengths of headers and body.
const LENGTH: usize = 4;

/// Headers and body: their lengths, and both together, compressed if that makes them shorter.
pub(super) struct Packed(Vec<u8>);

impl Packed {
    /// Packs a text; `None` when it is too long.
    pub(super) fn of(words: &Words) -> Option<Self> {
        let texts = [words.headers.as_bytes(), words.body.as_bytes()].concat();
        if texts.len() > MAX_TEXT {
            return None;
        }
        let mut packed = Vec::with_capacity(texts.len() / 2 + 2 * LENGTH);
        for text in [&words.headers, &words.body] {
            packed.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
        }
        compression::compress(&texts, LEVEL, &mut packed);
        Some(Self(packed))
    }
}

/// Seals and opens the texts of an account.
pub(super) struct Texts {
    account: AccountId,
    key: Arc<Key>,
    ready: Cipher,
}

impl Texts {
    pub(super) fn new(account: AccountId, key: Arc<Key>) -> Result<Self, Error> {
        Ok(Self {
            account,
            ready: Cipher::new(&key)?,
            key,
        })
    }

    pub(super) fn seal(
        &self,
        email: EmailId,
        text: &Packed,
        world: &World,
    ) -> Result<Vec<u8>, Error> {
        cipher::seal_box(&self.key, world.bytes(), &self.bound(email), &text.0)
    }

    /// Whether a sealed text holds the needle in `field`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is damaged.
    pub(super) fn hold(
        &self,
        email: EmailId,
        sealed: &[u8],
        needle: &Finder<'_>,
        field: Field,
    ) -> Result<bool, Error> {
        let damaged = || Error::Corrupt(format!("the text of message {email} is damaged"));
        let (texts, headers) = self.open(email, sealed).ok_or_else(damaged)?;
        let (headers, body) = texts.split_at_checked(headers).ok_or_else(damaged)?;
        let found = |text: &[u8]| needle.find(text).is_some();
        Ok(match field {
            Field::Headers => found(headers),
            Field::Body => found(body),
            Field::Text => found(body) || found(headers),
        })
    }

    /// Headers and body of a sealed text, and where the body begins; `None` when it is damaged.
    pub(super) fn open(&self, email: EmailId, sealed: &[u8]) -> Option<(Vec<u8>, usize)> {
        let packed = self.ready.open_box(&self.bound(email), sealed)?;
        let number = |at: &[u8; LENGTH]| usize::try_from(u32::from_le_bytes(*at)).ok();
        let (headers, rest) = packed.split_first_chunk::<LENGTH>()?;
        let (body, rest) = rest.split_first_chunk::<LENGTH>()?;
        let headers = number(headers)?;
        let length = headers.checked_add(number(body)?)?;
        let texts = match rest.len() == length {
            true => rest.to_vec(),
            false if length <= MAX_TEXT => compression::decompress(rest, length)?,
            false => return None,
        };
        (texts.len() == length && headers <= length).then_some((texts, headers))
    }

    fn bound(&self, email: EmailId) -> Vec<u8> {
        let mut bound = b"kakitome index text 1".to_vec();
        bound.extend_from_slice(&self.account.0.to_be_bytes());
        bound.extend_from_slice(&email.0.to_be_bytes());
        bound
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use zeroize::Zeroizing;

    use super::*;

    const EMAIL: EmailId = EmailId(7);

    fn texts() -> Texts {
        Texts::new(AccountId(5), Arc::new(Zeroizing::new([3; 32]))).unwrap()
    }

    fn sealed(headers: &str, body: &str) -> Vec<u8> {
        let words = Words {
            headers: headers.to_owned(),
            body: body.to_owned(),
            whole: true,
        };
        let packed = Packed::of(&words).unwrap();
        texts().seal(EMAIL, &packed, &World::system()).unwrap()
    }

    #[test]
    fn a_needle_is_found_in_its_field_only() {
        let sealed = sealed("subject: 会議 a", "bc 議事");
        let held = |needle: &str, field| {
            let needle = Finder::new(needle.as_bytes());
            texts().hold(EMAIL, &sealed, &needle, field).unwrap()
        };
        assert!(held("会議", Field::Headers) && !held("会議", Field::Body));
        assert!(held("議事", Field::Body) && !held("議事", Field::Headers));
        assert!(held("会議", Field::Text) && held("議事", Field::Text));
        // Nothing reaches from the headers into the body.
        assert!(!held("ab", Field::Text));
    }

    #[test]
    fn a_text_opens_whole_and_for_its_message_only() {
        let sealed = sealed("", &"会議".repeat(1000));
        let open = |email, sealed: &[u8]| texts().open(email, sealed);
        assert_eq!(open(EMAIL, &sealed).unwrap().0.len(), 6000);
        assert!(open(EmailId(8), &sealed).is_none());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 4;
            assert!(open(EMAIL, &damaged).is_none(), "{at}");
        }
        assert!(!sealed.windows(3).any(|octets| octets == "会".as_bytes()));
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let of = |length| {
            Packed::of(&Words {
                headers: String::new(),
                body: "x".repeat(length),
                whole: true,
            })
        };
        assert!(of(MAX_TEXT + 1).is_none());
        let longest = of(MAX_TEXT).unwrap();
        let sealed = texts().seal(EMAIL, &longest, &World::system()).unwrap();
        assert_eq!(texts().open(EMAIL, &sealed).unwrap().0.len(), MAX_TEXT);
    }
}
