//! Signed notes (C2SP signed-note) with Ed25519: a text, an empty line, and a line for each signature.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::merkle::sha256;

/// The signature type Ed25519.
const TYPE: u8 = 1;
/// What stands before each signature.
const DASH: &str = "\u{2014} ";
/// Signature lines that are looked at in one note.
const MOST_SIGNATURES: usize = 100;

/// Why a note is not believed, or a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note.
    #[error("it is no signed note: {0}")]
    Malformed(&'static str),
    /// No signature of the key is on it.
    #[error("it bears no signature of {0}")]
    Unsigned(String),
    /// The signature is not that of the text.
    #[error("its signature of {0} is false")]
    False(String),
    /// It is no key as `name+id+key`.
    #[error("it is no key of the form name+id+key: {0}")]
    Key(&'static str),
}

/// The identity of a key: the first four octets of a hash over name and key.
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[TYPE], public]);
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// Whether a key may have this name: not empty, and neither spaces nor plus signs.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control())
}

/// What signs notes.
pub struct SigningKey {
    name: String,
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.name).finish()
    }
}

impl SigningKey {
    /// The key of that name from its secret (the seed of RFC 8032).
    ///
    /// # Errors
    /// When no key can have this name.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key(
                "its name is empty or has spaces or plus signs",
            ));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| NoteError::Key("its secret has the wrong length"))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("its public part has the wrong length"))?;
        Ok(Self {
            name: name.to_owned(),
            pair,
            public,
        })
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            public: self.public,
        }
    }

    /// The signed note of `text`, which ends in a newline.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let mut signature = key_id(&self.name, &self.public).to_vec();
        signature.extend(self.pair.sign(text.as_bytes()).as_ref());
        let signature = BASE64_STANDARD.encode(signature);
        format!("{text}\n{DASH}{} {signature}\n", self.name)
    }
}

/// What verifies the notes of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = key_id(&self.name, &self.public);
        let mut key = vec![TYPE];
        key.extend(self.public);
        let key = BASE64_STANDARD.encode(key);
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{key}", self.name)
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has not three parts"));
        };
        let bad = NoteError::Key("its last part is not an Ed25519 key in base64");
        let key = BASE64_STANDARD.decode(key).map_err(|_| bad.clone())?;
        let public = match key.split_first() {
            Some((&TYPE, public)) => public.try_into().map_err(|_| bad)?,
            _ => return Err(bad),
        };
        let key = Self {
            name: name.to_owned(),
            public,
        };
        let own = key.to_string();
        if !is_name(name) || own.split('+').nth(1) != Some(id) {
            return Err(NoteError::Key("its id is not that of its name and key"));
        }
        Ok(key)
    }
}

impl VerifierKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key signed.
    ///
    /// # Errors
    /// When it is no note, or not one of this key.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        if note.contains(|c: char| c.is_ascii_control() && c != '\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let Some((text, signatures)) = note.rsplit_once("\n\n") else {
            return Err(NoteError::Malformed(
                "it has no empty line before signatures",
            ));
        };
        // The text ends in a newline, which is the first of the two.
        let text = note.get(..=text.len()).unwrap_or_default();
        let Some(signatures) = signatures.strip_suffix('\n') else {
            return Err(NoteError::Malformed("its last line has no end"));
        };
        let id = key_id(&self.name, &self.public);
        for line in signatures.split('\n').take(MOST_SIGNATURES) {
            let Some((name, signature)) = line.strip_prefix(DASH).and_then(|l| l.split_once(' '))
            else {
                return Err(NoteError::Malformed("a line of its signatures is none"));
            };
            let Ok(signature) = BASE64_STANDARD.decode(signature) else {
                return Err(NoteError::Malformed("a signature is not in base64"));
            };
            let Some((signed_by, signature)) = signature.split_first_chunk::<4>() else {
                return Err(NoteError::Malformed("a signature is too short"));
            };
            if name != self.name || *signed_by != id {
                continue;
            }
            let key = UnparsedPublicKey::new(&ED25519, &self.public);
            return match key.verify(text.as_bytes(), signature) {
                Ok(()) => Ok(text),
                Err(_) => Err(NoteError::False(self.name.clone())),
            };
        }
        Err(NoteError::Unsigned(self.name.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// From the documentation of Go's `sumdb/note`, and from C2SP tlog-checkpoint.
    const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn keys_of_other_programs_are_read() {
        let key: VerifierKey = NEUMANN.parse().unwrap();
        assert_eq!(key.name(), "PeterNeumann");
        assert_eq!(key.to_string(), NEUMANN);
        for bad in [
            "",
            "a+b",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc",
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn notes_of_other_programs_are_opened() {
        let key: VerifierKey = NEUMANN.parse().unwrap();
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = format!(
            "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(key.open(&note).unwrap(), text);
        let changed = note.replace("answer", "Answer");
        assert_eq!(
            key.open(&changed),
            Err(NoteError::False("PeterNeumann".into()))
        );
    }

    #[test]
    fn what_is_signed_opens_and_nothing_else() {
        let key = SigningKey::new("mail.example/trail", &[7; 32]).unwrap();
        let (own, other) = (
            key.verifier(),
            SigningKey::new("mail.example/trail", &[8; 32]).unwrap(),
        );
        let text = "one\n\ntwo\n";
        let note = key.sign(text);
        assert_eq!(own.open(&note).unwrap(), text);
        let vkey = own.to_string();
        assert_eq!(vkey.parse::<VerifierKey>().unwrap().open(&note), Ok(text));
        assert!(matches!(
            other.verifier().open(&note),
            Err(NoteError::Unsigned(_))
        ));
        // A second signature beside it.
        let twice = format!("{note}{}", other.sign(text).rsplit_once("\n\n").unwrap().1);
        assert_eq!(other.verifier().open(&twice), Ok(text));
        assert_eq!(own.open(&twice), Ok(text));
        for end in 0..note.len() {
            if note.is_char_boundary(end) {
                assert!(own.open(&note[..end]).is_err(), "{end}");
            }
        }
        assert!(own.open(&note.replace("one", "one\r")).is_err());
        assert!(SigningKey::new("a b", &[7; 32]).is_err());
    }
}
