//! PLAIN (RFC 4616): `authzid NUL authcid NUL passwd`, all at once.

use super::{Failure, PasswordClaim, Step, failed};
use crate::sasl::{MAX_PASSWORD, Secret, prepare_identity, prepare_password};

pub(super) fn read(response: &Secret) -> Step {
    let Some((authzid, authcid, password)) = split(response.expose()) else {
        return failed(None, Failure::Malformed);
    };
    let Some(identity) = prepare_identity(authcid) else {
        return failed(None, Failure::Malformed);
    };
    if !authzid.is_empty() && prepare_identity(authzid).as_ref() != Some(&identity) {
        return failed(Some(identity), Failure::OtherAuthorization);
    }
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return failed(Some(identity), Failure::WrongProof);
    }
    Step::Password(PasswordClaim {
        identity,
        password: prepare_password(&Secret::from(password)),
    })
}

fn split(message: &[u8]) -> Option<(&str, &str, &str)> {
    let text = std::str::from_utf8(message).ok()?;
    let mut parts = text.split('\0');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(found)
}
