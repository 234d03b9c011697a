//! Keys that mail is signed with (RFC 6376, section 3.3; RFC 8301; RFC 8463).

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, Ed25519KeyPair, KeyPair as _, RsaKeyPair},
};
use data_encoding::BASE64;
use message::Domain;
use sha2::{Digest as _, Sha256};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA of 2048 bits with SHA-256 (RFC 8301). Every verifier knows it.
    Rsa,
    /// Ed25519 with SHA-256 (RFC 8463). Many verifiers do not know it yet, and pass over it.
    Ed25519,
}

impl Algorithm {
    /// The word, as settings, tables and the record's `k=` have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// From the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Rsa, Self::Ed25519]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == word)
    }

    /// As a signature's `a=` has it.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }
}

/// Why there is no key, or no signature.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The library could not make a key.
    #[error("no {} key could be made", .0.as_str())]
    NotMade(Algorithm),
    /// The octets are no private key.
    #[error("this is no {} key in PKCS #8", .0.as_str())]
    NoKey(Algorithm),
    /// The library could not sign.
    #[error("the {} key could not sign", .0.as_str())]
    NotSigned(Algorithm),
    /// What was to be signed has no From field, or more of a header than is read.
    #[error("the message has no From field in a header of a size that is read")]
    NoHeader,
}

/// A key for one domain, known to the world by a selector. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Key {
    /// The domain that it signs for.
    pub domain: Domain,
    /// The label before `_domainkey` under which the DNS shows its public part.
    pub selector: String,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A new key: the private part in PKCS #8, and the public part as the DNS shows it.
#[derive(Debug)]
pub struct NewKey {
    /// PKCS #8, version 1.
    pub pkcs8: zeroize::Zeroizing<Vec<u8>>,
    /// The value of `p=` (RFC 6376, section 3.6.1; RFC 8463, section 4).
    pub public: String,
}

/// Makes a key. RSA takes a good part of a second.
///
/// # Errors
/// [`SignError::NotMade`].
pub fn make_key(algorithm: Algorithm) -> Result<NewKey, SignError> {
    let failed = |_| SignError::NotMade(algorithm);
    let (pkcs8, public) = match algorithm {
        Algorithm::Rsa => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
            (pkcs8.as_ref().to_vec(), BASE64.encode(public.as_ref()))
        }
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
            let public = BASE64.encode(pair.public_key().as_ref());
            (pkcs8.as_ref().to_vec(), public)
        }
    };
    Ok(NewKey {
        pkcs8: pkcs8.into(),
        public,
    })
}

/// The TXT record that shows a key's public part to the world (RFC 6376, section 3.6.1).
#[must_use]
pub fn record(algorithm: Algorithm, public: &str) -> String {
    format!("v=DKIM1; k={}; h=sha256; p={public}", algorithm.as_str())
}

/// Whether a TXT record shows this public part.
#[must_use]
pub fn shows(text: &str, public: &str) -> bool {
    text.split(';').any(|tag| {
        let Some((name, value)) = tag.split_once('=') else {
            return false;
        };
        let value: String = value.split_ascii_whitespace().collect();
        name.trim() == "p" && value == public
    })
}

impl Key {
    /// A key from its private part.
    ///
    /// # Errors
    /// [`SignError::NoKey`].
    pub fn from_pkcs8(
        domain: Domain,
        selector: &str,
        algorithm: Algorithm,
        pkcs8: &[u8],
    ) -> Result<Self, SignError> {
        let failed = |_| SignError::NoKey(algorithm);
        let pair = match algorithm {
            Algorithm::Rsa => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(failed)?),
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8);
                Pair::Ed25519(pair.map_err(failed)?)
            }
        };
        Ok(Self {
            domain,
            selector: selector.to_owned(),
            pair: Arc::new(pair),
        })
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match *self.pair {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature over `data`, in base64.
    pub(super) fn sign(&self, data: &[u8]) -> Result<String, SignError> {
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let (padding, random) = (&signature::RSA_PKCS1_SHA256, SystemRandom::new());
                pair.sign(padding, &random, data, &mut signature)
                    .map_err(|_| SignError::NotSigned(Algorithm::Rsa))?;
                Ok(BASE64.encode(&signature))
            }
            Pair::Ed25519(pair) => {
                // The hash is what is signed (RFC 8463, section 3).
                let hash = Sha256::digest(data);
                let signature = pair
                    .try_sign(&hash)
                    .map_err(|_| SignError::NotSigned(Algorithm::Ed25519))?;
                Ok(BASE64.encode(signature.as_ref()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_what_it_was_made_as() {
        let domain = Domain::parse("example.jp").unwrap();
        for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
            let made = make_key(algorithm).unwrap();
            let key = Key::from_pkcs8(domain.clone(), "k1", algorithm, &made.pkcs8).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert!(shows(&record(algorithm, &made.public), &made.public));
            assert_eq!(Algorithm::from_word(algorithm.as_str()), Some(algorithm));
            let other = Key::from_pkcs8(domain.clone(), "k1", algorithm, b"nonsense");
            assert_eq!(other.unwrap_err(), SignError::NoKey(algorithm));
        }
    }

    #[test]
    fn a_record_shows_one_key() {
        for (text, shown) in [
            ("v=DKIM1; k=rsa; p=AA BB", true),
            ("p=AABB", true),
            ("v=DKIM1; P=AABB", false),
            ("v=DKIM1; p=", false),
            ("v=DKIM1; p=AABBC", false),
            ("v=DKIM1; n=p; p=XX", false),
            ("", false),
        ] {
            assert_eq!(shows(text, "AABB"), shown, "{text}");
        }
    }
}
