//! What both sides of SCRAM-SHA-256 share: keys, proofs and the messages' attributes (RFC 5802, 7677).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Secret, prepare::password_octets};

/// Octets of salt that new credentials have, and that made-up ones must have too.
pub const SALT_LEN: usize = 16;
/// Iterations for new credentials. RFC 7677 demands at least 4096; the client pays for them at each
/// login, the server only when a password is set.
pub const DEFAULT_ITERATIONS: u32 = 20_000;

/// Octets of a SHA-256 hash.
pub(super) const HASH_LEN: usize = 32;
/// One key or proof. Wiped when dropped.
pub(super) type Key = Zeroizing<[u8; HASH_LEN]>;

/// What a server keeps of a password so that SCRAM-SHA-256 can prove it. Knowing it does not let one
/// log in elsewhere, but lets one try passwords, so it is treated as a secret: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    /// The salt, as the client is told it.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: u32,
    /// `H(ClientKey)`
    pub stored_key: Zeroizing<[u8; HASH_LEN]>,
    /// The key that the server proves itself with.
    pub server_key: Zeroizing<[u8; HASH_LEN]>,
}

/// What a server offers to one who claims an identity: its password, and others that are as good, with the same salt and as
/// many iterations, since the client is told of them before anybody knows which it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramOffer {
    /// The password's.
    pub credentials: ScramCredentials,
    /// Of further passwords: `H(ClientKey)` and the server's key.
    pub others: Vec<ScramKeys>,
}

/// The keys of a further password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// `H(ClientKey)`
    pub stored_key: Zeroizing<[u8; HASH_LEN]>,
    /// The key that the server proves itself with.
    pub server_key: Zeroizing<[u8; HASH_LEN]>,
}

impl From<ScramCredentials> for ScramOffer {
    fn from(credentials: ScramCredentials) -> Self {
        Self {
            credentials,
            others: Vec::new(),
        }
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys")
    }
}

impl ScramCredentials {
    /// Derives the credentials for a password, which is prepared first. Takes time in proportion to
    /// `iterations` (0 counts as 1): run it where blocking is allowed.
    #[must_use]
    pub fn derive(password: &Secret, salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        let client_key = hmac(&*salted, &[b"Client Key"]);
        Self {
            salt: salt.to_vec(),
            iterations: iterations.max(1),
            stored_key: hash(&*client_key),
            server_key: hmac(&*salted, &[b"Server Key"]),
        }
    }

    /// Credentials for an identity that does not exist: the same for the same name as long as `key`
    /// (an installation's secret) stays the same, and with no password that fits. An attacker sees
    /// neither a difference to real ones nor a change between two tries. `iterations` must be what
    /// real credentials have.
    #[must_use]
    pub fn decoy(key: &[u8], identity: &str, iterations: u32) -> Self {
        let name = identity.as_bytes();
        let salt = hmac(key, &[b"scram decoy salt\0", name]);
        Self {
            salt: salt.iter().copied().take(SALT_LEN).collect(),
            iterations: iterations.max(1),
            stored_key: hmac(key, &[b"scram decoy stored\0", name]),
            server_key: hmac(key, &[b"scram decoy server\0", name]),
        }
    }
}

impl fmt::Debug for ScramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredentials")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Random text that makes an exchange unique. The driver makes it, since this room has no randomness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Octets of randomness that a nonce takes.
    pub const RANDOM_LEN: usize = 24;

    /// A nonce from fresh random octets.
    #[must_use]
    pub fn new(random: [u8; Self::RANDOM_LEN]) -> Self {
        Self(STANDARD.encode(random))
    }

    /// A nonce from text, for tests with known vectors. `None` unless it is 1 to 256 printable ASCII
    /// characters without a comma.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        is_nonce(text).then(|| Self(text.to_owned()))
    }

    /// The text that goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is `1*printable` of RFC 5802, of a sensible length.
pub(super) fn is_nonce(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// PBKDF2-HMAC-SHA-256 with one block (`Hi` of RFC 5802).
pub(super) fn salted_password(password: &Secret, salt: &[u8], iterations: u32) -> Key {
    let keyed = mac(&password_octets(password));
    let mut first = keyed.clone();
    first.update(salt);
    first.update(&1u32.to_be_bytes());
    let mut last: Key = Zeroizing::new(first.finalize().into_bytes().into());
    let mut sum = last.clone();
    for _ in 1..iterations {
        let mut next = keyed.clone();
        next.update(&*last);
        *last = next.finalize().into_bytes().into();
        xor_into(&mut sum, &last);
    }
    sum
}

pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = mac(key);
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// An HMAC keyed without a way to fail: long keys are hashed and short ones padded, as RFC 2104 says.
fn mac(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0u8; 64]);
    if key.len() > block.len() {
        let hashed = hash(key);
        for (to, from) in block.iter_mut().zip(hashed.iter()) {
            *to = *from;
        }
    } else {
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
    }
    Hmac::new(&(*block).into())
}

pub(super) fn hash(data: &[u8]) -> Key {
    Zeroizing::new(Sha256::digest(data).into())
}

/// `a ^= b`
pub(super) fn xor_into(a: &mut Key, b: &Key) {
    for (to, from) in a.iter_mut().zip(b.iter()) {
        *to ^= from;
    }
}

pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Splits `k=value` and checks the key.
pub(super) fn attribute(part: Option<&str>, key: char) -> Option<&str> {
    part?.strip_prefix(key)?.strip_prefix('=')
}

/// Writes a name as `saslname`: `=` and `,` escaped.
pub(super) fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// Reads a `saslname`. `None` when an `=` stands alone.
pub(super) fn unescape_name(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(2)?;
        text.push(match escaped {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// RFC 7914, section 11 (first 32 octets).
    #[test]
    fn pbkdf2_vectors() {
        assert_eq!(
            hex(&*salted_password(&"passwd".into(), b"salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
        assert_eq!(
            hex(&*salted_password(&"Password".into(), b"NaCl", 80_000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        );
    }

    /// RFC 4231, test cases 2 and 6 (a key longer than the block).
    #[test]
    fn hmac_vectors() {
        assert_eq!(
            hex(&*hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&*hmac(
                &[0xaa; 131],
                &[b"Test Using Larger Than Block-Size Key - Hash Key First"]
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(escape_name("a=b,c"), "a=3Db=2Cc");
        assert_eq!(unescape_name("a=3Db=2Cc").unwrap(), "a=b,c");
        for bad in ["=", "a=", "a=2", "a=2c", "a=41", "=é"] {
            assert_eq!(unescape_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn decoys_are_steady_and_look_real() {
        let a = ScramCredentials::decoy(b"key", "nobody", 20_000);
        assert_eq!(a, ScramCredentials::decoy(b"key", "nobody", 20_000));
        assert_ne!(
            a.salt,
            ScramCredentials::decoy(b"key", "noone", 20_000).salt
        );
        assert_eq!(a.salt.len(), SALT_LEN);
        assert!(!format!("{a:?}").contains("salt"));
    }
}
