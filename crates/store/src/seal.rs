//! Bodies and notes under their owners' keys. `docs/format.md` has the bytes.

use world::World;
use zeroize::Zeroizing;

use crate::{
    AccountId, BodyId, Error,
    cipher::{self, Cipher, Key, TAG},
    compression::{compress, decompress},
    keys::key_from,
    segment::{HEADER, Header},
};

/// Larger bodies are refused: no mail is as large, and lengths stay far from any overflow.
pub(crate) const LARGEST: usize = 1 << 30;

/// Every body has a key of its own that seals once, so the nonce need not differ.
const ONLY_NONCE: [u8; cipher::NONCE] = [0; cipher::NONCE];
const NOTE_VERSION: u8 = 1;

/// A sealed record and what is needed to open it.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Header and ciphertext, as they go into a segment.
    pub(crate) record: Vec<u8>,
    /// BLAKE3 of the raw body.
    pub(crate) digest: [u8; 32],
    /// The body's key, wrapped for each owner.
    pub(crate) wrapped: Vec<(AccountId, Vec<u8>)>,
}

/// Compresses (at `level`, if it is to be) and seals `raw` as body `id` for `owners`.
pub(crate) fn seal(
    id: BodyId,
    raw: &[u8],
    owners: &[(AccountId, std::sync::Arc<Key>)],
    level: Option<i32>,
    world: &World,
) -> Result<Sealed, Error> {
    if raw.len() > LARGEST {
        return Err(crate::Refusal::Limit("body size").into());
    }
    let mut text = Vec::with_capacity(raw.len() + TAG);
    let compressed = match level {
        Some(level) => compress(raw, level, &mut text),
        None => {
            text.extend_from_slice(raw);
            false
        }
    };
    let header = Header {
        id,
        compressed,
        sealed: (text.len() + TAG) as u64,
        size: raw.len() as u64,
    }
    .to_bytes();
    let key: Key = Zeroizing::new(world.bytes());
    cipher::seal(&key, ONLY_NONCE, &header, &mut text)?;
    let mut record = Vec::with_capacity(HEADER + text.len());
    record.extend_from_slice(&header);
    record.append(&mut text);
    let mut wrapped = Vec::with_capacity(owners.len());
    for (owner, owner_key) in owners {
        wrapped.push((*owner, wrap(id, *owner, owner_key, &key, world)?));
    }
    Ok(Sealed {
        record,
        digest: *blake3::hash(raw).as_bytes(),
        wrapped,
    })
}

/// Opens a record in place with its body's key: the raw body, which is what was sealed, or it would not open. Who examines
/// all of the store compares its `digest` too.
pub(crate) fn open(
    id: BodyId,
    record: &mut [u8],
    size: u64,
    digest: Option<&[u8]>,
    key: &Key,
) -> Result<Vec<u8>, Error> {
    let damaged = |what: &str| Error::Corrupt(format!("body {id}: {what}"));
    let (bytes, text) = record
        .split_first_chunk_mut::<HEADER>()
        .ok_or_else(|| damaged("its record is too short"))?;
    let header = Header::from_bytes(bytes).ok_or_else(|| damaged("its header is not one"))?;
    if header.id != id || header.size != size || header.sealed != text.len() as u64 {
        return Err(damaged("its header tells of another"));
    }
    let text = Cipher::new(key)?
        .open(ONLY_NONCE, bytes, text)
        .ok_or_else(|| damaged("it does not open with its key"))?;
    let raw = if header.compressed {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(LARGEST);
        decompress(text, size).ok_or_else(|| damaged("it does not decompress"))?
    } else {
        text.to_vec()
    };
    if raw.len() as u64 != size {
        return Err(damaged("its size differs"));
    }
    if digest.is_some_and(|digest| blake3::hash(&raw).as_bytes().as_slice() != digest) {
        return Err(damaged("its digest differs"));
    }
    Ok(raw)
}

fn bound(body: BodyId, account: AccountId) -> Vec<u8> {
    [
        b"kakitome body key 1".as_slice(),
        &body.0.to_be_bytes(),
        &account.0.to_be_bytes(),
    ]
    .concat()
}

/// The key of `body` wrapped for `account`.
pub(crate) fn wrap(
    body: BodyId,
    account: AccountId,
    account_key: &Key,
    body_key: &Key,
    world: &World,
) -> Result<Vec<u8>, Error> {
    cipher::seal_box(
        account_key,
        world.bytes(),
        &bound(body, account),
        body_key.as_slice(),
    )
}

/// The reverse of [`wrap`].
pub(crate) fn unwrap(
    body: BodyId,
    account: AccountId,
    account_key: &Key,
    wrapped: &[u8],
) -> Result<Key, Error> {
    unwrap_with(&Cipher::new(account_key)?, body, account, wrapped)
}

/// The same with the account's key made ready.
pub(crate) fn unwrap_with(
    account_key: &Cipher,
    body: BodyId,
    account: AccountId,
    wrapped: &[u8],
) -> Result<Key, Error> {
    account_key
        .open_box(&bound(body, account), wrapped)
        .and_then(|key| key_from(&key))
        .ok_or_else(|| {
            Error::Corrupt(format!(
                "the key of body {body} does not open for {account}"
            ))
        })
}

fn note_bound(account: AccountId) -> Vec<u8> {
    [b"kakitome note 1".as_slice(), &account.0.to_be_bytes()].concat()
}

/// Seals a small blob for `account`.
pub(crate) fn seal_note(
    account: AccountId,
    key: &Key,
    plain: &[u8],
    world: &World,
) -> Result<Vec<u8>, Error> {
    let mut sealed = cipher::seal_box(key, world.bytes(), &note_bound(account), plain)?;
    sealed.insert(0, NOTE_VERSION);
    Ok(sealed)
}

/// The reverse of [`seal_note`].
pub(crate) fn open_note(account: AccountId, key: &Key, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let damaged = || Error::Corrupt(format!("a note of account {account} does not open"));
    match sealed.split_first() {
        Some((&NOTE_VERSION, sealed)) => cipher::open_box(key, &note_bound(account), sealed)
            .map(|plain| plain.to_vec())
            .ok_or_else(damaged),
        _ => Err(damaged()),
    }
}

/// A key for hashes, made from the account's.
pub(crate) fn hash_key(key: &Key) -> Key {
    Zeroizing::new(blake3::derive_key(
        "kakitome 2026 account hash",
        key.as_slice(),
    ))
}
