//! Stored password hashes: today's, and those that other mail servers leave behind.

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Cost;

/// Longest stored hash that is accepted, in octets.
const MAX_HASH: usize = 512;
/// Argon2 memory that an imported hash may ask for, in KiB: 256 MiB.
const MAX_ARGON2_MEMORY_KIB: u32 = 256 * 1024;
/// Argon2 passes that an imported hash may ask for.
const MAX_ARGON2_PASSES: u32 = 32;
/// Argon2 lanes that an imported hash may ask for.
const MAX_ARGON2_LANES: u32 = 16;
/// SHA-512-crypt rounds that an imported hash may ask for.
const MAX_SHA_CRYPT_ROUNDS: u32 = 1_000_000;
/// bcrypt cost that an imported hash may ask for.
const MAX_BCRYPT_COST: u32 = 14;
/// Octets of a SHA-512 digest.
const SHA512_LEN: usize = 64;

/// How a password is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Ours.
    Argon2id,
    /// Older Dovecot installations.
    Argon2i,
    /// `$6$` of crypt(3).
    Sha512Crypt,
    /// Salted SHA-512, base64.
    Ssha512,
    /// bcrypt, `$2a$`, `$2b$`, `$2y$`.
    BlfCrypt,
}

impl Scheme {
    const ALL: [Self; 5] = [
        Self::Argon2id,
        Self::Argon2i,
        Self::Sha512Crypt,
        Self::Ssha512,
        Self::BlfCrypt,
    ];

    /// Its name as Dovecot writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2id => "ARGON2ID",
            Self::Argon2i => "ARGON2I",
            Self::Sha512Crypt => "SHA512-CRYPT",
            Self::Ssha512 => "SSHA512",
            Self::BlfCrypt => "BLF-CRYPT",
        }
    }

    pub(crate) const fn is_argon2(self) -> bool {
        matches!(self, Self::Argon2id | Self::Argon2i)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }
}

/// Why a text is no password hash that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashProblem {
    #[error("the password hash must begin with its scheme in braces, as {{SHA512-CRYPT}}")]
    NoScheme,
    #[error(
        "the scheme {{{0}}} is not accepted (ARGON2ID, ARGON2I, SHA512-CRYPT, SSHA512 and BLF-CRYPT are)"
    )]
    UnknownScheme(String),
    #[error("the hash is not well-formed for {{{0}}}")]
    Malformed(&'static str),
    #[error("the hash asks for more work than is allowed: {0}")]
    TooCostly(&'static str),
}

/// A stored password hash that is well-formed. Does not print.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) scheme: Scheme,
    secret: Zeroizing<String>,
}

impl Stored {
    pub(super) fn new(scheme: Scheme, secret: String) -> Self {
        Self {
            scheme,
            secret: Zeroizing::new(secret),
        }
    }

    /// Reads `{SCHEME}secret`.
    pub(crate) fn parse(text: &str) -> Result<Self, HashProblem> {
        let (name, secret) = text
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .ok_or(HashProblem::NoScheme)?;
        Self::from_columns(name, secret)
    }

    /// Reads scheme and secret from where they are kept.
    pub(crate) fn from_columns(scheme: &str, secret: &str) -> Result<Self, HashProblem> {
        let scheme = Scheme::from_name(scheme)
            .ok_or_else(|| HashProblem::UnknownScheme(scheme.chars().take(32).collect()))?;
        if secret.len() > MAX_HASH || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HashProblem::Malformed(scheme.as_str()));
        }
        let stored = Self::new(scheme, secret.to_owned());
        stored.check_form()?;
        Ok(stored)
    }

    /// Scheme and secret, for where they are kept.
    pub(crate) fn into_columns(self) -> (String, Zeroizing<String>) {
        (self.scheme.as_str().to_owned(), self.secret)
    }

    /// A hash that no password is known for.
    pub(super) fn decoy(cost: Cost, salt: &[u8; 16], digest: &[u8; 32]) -> Self {
        let secret = format!(
            "$argon2id$v=19$m={},t={},p=1${}${}",
            cost.memory_kib,
            cost.passes,
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(digest)
        );
        Self::new(Scheme::Argon2id, secret)
    }

    /// Whether it is of today's scheme and costs at least what settings ask for.
    pub(crate) fn is_current(&self, cost: Cost) -> bool {
        self.scheme == Scheme::Argon2id
            && self.argon2_params().is_ok_and(|params| {
                params.m_cost() >= cost.memory_kib && params.t_cost() >= cost.passes
            })
    }

    /// Whether `password` is the one. Compares in constant time.
    pub(super) fn fits(&self, password: &[u8]) -> Result<bool, HashProblem> {
        match self.scheme {
            Scheme::Argon2id | Scheme::Argon2i => {
                let hash = self.argon2_hash()?;
                match Argon2::default().verify_password(password, &hash) {
                    Ok(()) => Ok(true),
                    Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(_) => Err(self.malformed()),
                }
            }
            Scheme::Sha512Crypt => {
                use sha_crypt::{PasswordVerifier as _, ShaCrypt};
                match ShaCrypt::SHA512.verify_password(password, self.secret.as_str()) {
                    Ok(()) => Ok(true),
                    Err(sha_crypt::password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(_) => Err(self.malformed()),
                }
            }
            Scheme::Ssha512 => {
                let (digest, salt) = self.ssha512_parts()?;
                let mut hash = Sha512::new();
                hash.update(password);
                hash.update(&salt);
                Ok(hash.finalize().as_slice().ct_eq(&digest).into())
            }
            Scheme::BlfCrypt => {
                bcrypt::verify(password, &self.secret).map_err(|_| self.malformed())
            }
        }
    }

    fn check_form(&self) -> Result<(), HashProblem> {
        match self.scheme {
            Scheme::Argon2id | Scheme::Argon2i => self.check_argon2(),
            Scheme::Sha512Crypt => self.check_sha_crypt(),
            Scheme::Ssha512 => self.ssha512_parts().map(|_| ()),
            Scheme::BlfCrypt => self.check_bcrypt(),
        }
    }

    fn check_argon2(&self) -> Result<(), HashProblem> {
        let hash = self.argon2_hash()?;
        let wanted = if self.scheme == Scheme::Argon2id {
            "argon2id"
        } else {
            "argon2i"
        };
        if hash.algorithm.as_str() != wanted || hash.salt.is_none() || hash.hash.is_none() {
            return Err(self.malformed());
        }
        let params = self.argon2_params()?;
        if params.m_cost() > MAX_ARGON2_MEMORY_KIB
            || params.t_cost() > MAX_ARGON2_PASSES
            || params.p_cost() > MAX_ARGON2_LANES
        {
            return Err(HashProblem::TooCostly("at most m=262144, t=32, p=16"));
        }
        Ok(())
    }

    fn check_sha_crypt(&self) -> Result<(), HashProblem> {
        let mut fields = self.secret.split('$');
        if (fields.next(), fields.next()) != (Some(""), Some("6")) {
            return Err(self.malformed());
        }
        let mut salt = fields.next();
        if let Some(rounds) = salt.and_then(|field| field.strip_prefix("rounds=")) {
            let rounds: u32 = rounds.parse().map_err(|_| self.malformed())?;
            if rounds > MAX_SHA_CRYPT_ROUNDS {
                return Err(HashProblem::TooCostly("at most 1000000 rounds"));
            }
            if rounds < sha_crypt::Params::ROUNDS_MIN {
                return Err(self.malformed());
            }
            salt = fields.next();
        }
        let salt_fits = salt.is_some_and(|salt| !salt.is_empty() && salt.len() <= 16);
        let hash_fits = fields.next().is_some_and(|hash| {
            hash.len() == 86
                && hash
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/')
        });
        if salt_fits && hash_fits && fields.next().is_none() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    fn check_bcrypt(&self) -> Result<(), HashProblem> {
        let parts: bcrypt::HashParts = self.secret.parse().map_err(|_| self.malformed())?;
        // `$2x$` marks hashes of a broken implementation, which ours does not imitate.
        if self.secret.starts_with("$2x$") || parts.get_cost() < 4 {
            return Err(self.malformed());
        }
        if parts.get_cost() > MAX_BCRYPT_COST {
            return Err(HashProblem::TooCostly("at most cost 14"));
        }
        Ok(())
    }

    fn ssha512_parts(&self) -> Result<(Vec<u8>, Vec<u8>), HashProblem> {
        let mut digest = STANDARD
            .decode(self.secret.as_bytes())
            .map_err(|_| self.malformed())?;
        if digest.len() <= SHA512_LEN {
            return Err(self.malformed());
        }
        let salt = digest.split_off(SHA512_LEN);
        Ok((digest, salt))
    }

    fn argon2_hash(&self) -> Result<PasswordHash, HashProblem> {
        PasswordHash::new(&self.secret).map_err(|_| self.malformed())
    }

    fn argon2_params(&self) -> Result<argon2::Params, HashProblem> {
        argon2::Params::try_from(&self.argon2_hash()?).map_err(|_| self.malformed())
    }

    fn malformed(&self) -> HashProblem {
        HashProblem::Malformed(self.scheme.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Made by `doveadm pw` (Dovecot 2.3), `openssl passwd -6` and crypt(3) for "sakura mochi 7".
    const FOREIGN: [&str; 8] = [
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$8suig/qyGUy5GGx88cJUcQ$5vCgDAi/RqsuPEs8AoXcXQASBKMhgpoEf4x3qQPtC0w",
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$kCid63DgV6SKg0eAFdGYTQ$GP5zV1nzhr7h7Wkstd/uj4h2QMvizma8EeUdwn4OfHk",
        "{SHA512-CRYPT}$6$lBQpwmRy9TGrZLGR$1gn2uAdAYczVR3x4B.2ivtJhjEzXAKForX5jZlx/FQgGbANna4KOgA6pOFazbGQVVa6ikDYJMcTO647NM4i0l.",
        "{SSHA512}0uTvtc8Q1sf2v2UzE09I0tztsurs7uCdPyI0S+HVcr1CgkTDU7lCc3InCyiM6bU9byIGXOgirIoxPVuIvWmoNMEJE+s=",
        "{BLF-CRYPT}$2y$05$TQzVD8EF7hxPLIAY5lXiV.JVxFATawbIOM2IoWoZ0HgHv.o9YHNjG",
        "{sha512-crypt}$6$Kakitome1$JBxS48VPOFJ.ngl7T.enurB6wI15FBqKnc2/B.wRnon1UPZjDzds1QnN1fcPCyfUrnqsr70.SpnrTRPFBqaEK/",
        "{SHA512-CRYPT}$6$rounds=10000$abcdefgh$knJaPVhTSOdGw.A8JYQSIWlFtitRLn8XZqhfcd.z2dzdJYU3MlmGeylNgzmWb6hOp.8V80L/nu8/qS224RBad1",
        "{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuXKTEyGV6paEx72uaCdgQy9aOINbQwsm",
    ];

    #[test]
    fn hashes_of_other_programs_fit_their_password_only() {
        for text in FOREIGN {
            let stored = Stored::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert!(stored.fits(b"sakura mochi 7").unwrap(), "{text}");
            assert!(!stored.fits(b"sakura mochi 8").unwrap(), "{text}");
            assert!(!stored.fits(b"").unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_of_ours_is_refused() {
        use HashProblem::{Malformed, NoScheme, TooCostly, UnknownScheme};
        let problem = |text: &str| Stored::parse(text).err();
        assert_eq!(problem("secret"), Some(NoScheme));
        assert_eq!(
            problem("{PLAIN}secret"),
            Some(UnknownScheme("PLAIN".into()))
        );
        assert_eq!(
            problem("{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"),
            Some(UnknownScheme("PLAIN-MD5".into()))
        );
        assert_eq!(
            problem("{ARGON2ID}$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ"),
            Some(Malformed("ARGON2ID"))
        );
        assert_eq!(
            problem("{SHA512-CRYPT}$6$salt$short"),
            Some(Malformed("SHA512-CRYPT"))
        );
        assert_eq!(problem("{SSHA512}AAAA"), Some(Malformed("SSHA512")));
        assert_eq!(
            problem("{BLF-CRYPT}$2y$05$short"),
            Some(Malformed("BLF-CRYPT"))
        );
        let costly = [
            FOREIGN[0].replace("m=65536", "m=4000000"),
            FOREIGN[6].replace("rounds=10000", "rounds=999999999"),
            FOREIGN[7].replace("$05$", "$31$"),
        ];
        for text in costly {
            assert!(matches!(problem(&text), Some(TooCostly(_))), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_that_parses_can_be_checked(text in "\\{(ARGON2ID|SHA512-CRYPT|SSHA512|BLF-CRYPT)\\}[$a-z0-9=,./+]{0,90}") {
            if let Ok(stored) = Stored::parse(&text) {
                proptest::prop_assert!(stored.fits(b"x").is_ok());
            }
        }
    }
}
