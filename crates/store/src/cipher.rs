//! AES-256-GCM, as the store uses it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes that sealing adds at the end.
pub(crate) const TAG: usize = 16;

/// A key that leaves no trace in memory.
pub(crate) type Key = Zeroizing<[u8; KEY]>;

/// A key made ready, for whoever opens many boxes with it: making it ready takes longer than opening a small one.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// Makes `key` ready.
    pub(crate) fn new(key: &Key) -> Result<Self, Error> {
        UnboundKey::new(&AES_256_GCM, key.as_slice())
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| Error::Corrupt("a key of the wrong length".to_owned()))
    }

    /// Opens `sealed` in place; what was sealed is its front part, returned.
    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; NONCE],
        bound: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(bound), sealed).ok()
    }

    /// Opens what [`seal_box`] made; `None` when it is not that.
    pub(crate) fn open_box(&self, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.open(*nonce, bound, &mut text)?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Seals `text` in place and appends the tag.
pub(crate) fn seal(
    key: &Key,
    nonce: [u8; NONCE],
    bound: &[u8],
    text: &mut Vec<u8>,
) -> Result<(), Error> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    Cipher::new(key)?
        .0
        .seal_in_place_append_tag(nonce, Aad::from(bound), text)
        .map_err(|_| Error::Corrupt("too long to seal".to_owned()))
}

/// Seals `plain` with a random nonce, which goes in front.
pub(crate) fn seal_box(
    key: &Key,
    nonce: [u8; NONCE],
    bound: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut text = Vec::with_capacity(plain.len() + TAG);
    text.extend_from_slice(plain);
    seal(key, nonce, bound, &mut text)?;
    let mut sealed = Vec::with_capacity(NONCE + text.len());
    sealed.extend_from_slice(&nonce);
    sealed.append(&mut text);
    Ok(sealed)
}

/// [`Cipher::open_box`] with a key that opens nothing else.
pub(crate) fn open_box(key: &Key, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    Cipher::new(key).ok()?.open_box(bound, sealed)
}
