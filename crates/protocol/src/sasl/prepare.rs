//! Names and passwords in the one form that is compared (SASLprep, RFC 4013).

use std::borrow::Cow;

use stringprep::saslprep;
use zeroize::Zeroizing;

use super::Secret;

/// Longest identity that is accepted, in octets after preparation.
pub const MAX_IDENTITY: usize = 512;
/// Longest password that is accepted, in octets: a bound on the work of hashing it.
pub const MAX_PASSWORD: usize = 1024;

/// Prepares an identity. `None` when SASLprep forbids it, or it is empty or longer than [`MAX_IDENTITY`].
#[must_use]
pub fn prepare_identity(text: &str) -> Option<String> {
    if text.len() > MAX_IDENTITY {
        return None;
    }
    let prepared = saslprep(text).ok()?.into_owned();
    (!prepared.is_empty() && prepared.len() <= MAX_IDENTITY).then_some(prepared)
}

/// Prepares a password for hashing and for comparison.
///
/// A password that SASLprep does not allow (an emoji, which Unicode 3.2 did not have) is used as it
/// is: setting and checking treat it alike, and refusing it would lock out who chose it elsewhere.
#[must_use]
pub fn prepare_password(password: &Secret) -> Secret {
    let Some(text) = password.expose_str() else {
        return password.clone();
    };
    match saslprep(text) {
        Ok(Cow::Owned(prepared)) => Secret::from(prepared),
        Ok(Cow::Borrowed(_)) | Err(_) => password.clone(),
    }
}

/// The password as octets that are wiped, for the functions that derive keys.
pub(super) fn password_octets(password: &Secret) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(prepare_password(password).expose().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepares_as_rfc_4013_shows() {
        assert_eq!(prepare_identity("I\u{ad}X").as_deref(), Some("IX"));
        assert_eq!(prepare_identity("user").as_deref(), Some("user"));
        assert_eq!(prepare_identity("\u{aa}").as_deref(), Some("a"));
        assert_eq!(prepare_identity("\u{2168}").as_deref(), Some("IX"));
        assert_eq!(prepare_identity("\u{7}"), None);
        assert_eq!(prepare_identity("\u{627}\u{31}"), None);
        assert_eq!(prepare_identity(""), None);
        assert_eq!(prepare_identity(&"a".repeat(513)), None);
    }

    #[test]
    fn unpreparable_passwords_stay_as_they_are() {
        let emoji = Secret::from("🍣🍣");
        assert_eq!(prepare_password(&emoji), emoji);
        assert_eq!(prepare_password(&Secret::from("ﾊﾟｽ")), Secret::from("パス"));
    }
}
