//! Passkeys as second factors: what a browser says that a device did, and whether it is so (WebAuthn Level 3, section 7).
//!
//! A device makes a pair of keys for this site and shows the public one ([`Registration`]); later it signs what nobody knew
//! before ([`Assertion`]). Passkeys must be discoverable (section 4): a login offers none by name, so that nothing is told
//! of an identifier before its password is known to be right. Who made the device is not asked: attestation is
//! neither wanted nor trusted.
//!
//! Nothing here does I/O. Whatever comes is bounded before it is read.

mod authenticator_data;
mod cbor;
mod challenge;
mod client_data;
mod key;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest::{SHA256, digest};
use ciborium::Value;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use authenticator_data::AuthenticatorData;
pub use challenge::Challenge;
pub(crate) use challenge::Challenges;
use client_data::Ceremony;
pub use key::ALGORITHMS;

/// Octets of a user handle that is made here (section 5.4.3 permits 64).
pub(crate) const USER_LEN: usize = 32;
/// Octets of a credential's id at most (section 7.1, step 25).
const MOST_CREDENTIAL: usize = 1023;
/// Octets of client data at most; browsers send some two hundred.
const MOST_CLIENT_DATA: usize = 4 << 10;
/// Octets of an attestation object at most: with a statement of some certificates, which is passed over.
const MOST_OBJECT: usize = 8 << 10;
/// Octets of authenticator data at most.
const MOST_AUTHENTICATOR_DATA: usize = 4 << 10;
/// Octets of a signature at most: RSA with 8192 bits.
const MOST_SIGNATURE: usize = 1 << 10;

/// Where the pages are reached.
#[derive(Clone, Debug)]
pub struct Place {
    /// The site's name, which passkeys are bound to (section 4, "Relying Party Identifier").
    pub name: String,
    /// The origin of the pages, as browsers write it: `https://mail.example.org`, with the port if it is another than 443.
    pub origin: String,
}

/// What a browser says of a passkey that was just made (section 5.2.1).
#[derive(Clone, Debug)]
pub struct Registration {
    /// Where the page was that asked for it.
    pub place: Place,
    /// `clientDataJSON`
    pub client_data: Vec<u8>,
    /// `attestationObject`
    pub object: Vec<u8>,
}

/// What a browser says of a passkey that was just used (section 5.2.2).
#[derive(Clone, Debug)]
pub struct Assertion {
    /// Where the page was that asked for it.
    pub place: Place,
    /// Which passkey: its credential's id.
    pub credential: Vec<u8>,
    /// `userHandle`: whose passkey it is, by the device.
    pub user: Vec<u8>,
    /// `clientDataJSON`
    pub client_data: Vec<u8>,
    /// `authenticatorData`
    pub authenticator_data: Vec<u8>,
    /// Over the two.
    pub signature: Vec<u8>,
}

/// Why a passkey was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be read, or is longer than any.
    #[error("{0} cannot be read")]
    Malformed(&'static str),
    /// It is an answer to something else.
    #[error("the answer is of another ceremony")]
    Ceremony,
    /// It answers another challenge.
    #[error("the answer is to another challenge")]
    Challenge,
    /// The challenge was answered before, or long ago.
    #[error("the page was open for too long, or was answered already: open it again")]
    Stale,
    /// Another page asked for it, or this one within another.
    #[error("the answer is for another page than this server's")]
    Origin,
    /// The device made it for another site.
    #[error("the passkey is another site's")]
    Site,
    /// Nobody touched the device.
    #[error("the device does not say that somebody was there")]
    NobodyThere,
    /// The device did not sign in a way that is known here.
    #[error("the passkey's key is of a kind that is not taken here")]
    Key,
    /// The account has it already.
    #[error("this passkey is there already")]
    Duplicate,
    /// It is not the passkey that it says, or another account's.
    #[error("the passkey is another")]
    Other,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// The device's counter did not grow: there may be two of it (section 6.1.1).
    #[error("the device's counter has gone back: there may be a copy of it")]
    Counter,
}

/// A passkey as it is kept, sealed, beside its counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passkey {
    #[serde(with = "base64url")]
    pub(crate) user: Vec<u8>,
    #[serde(with = "base64url")]
    pub(crate) credential: Vec<u8>,
    /// The public key as the device wrote it (COSE_Key, RFC 9052, section 7), which names its algorithm.
    #[serde(with = "base64url")]
    pub(crate) key: Vec<u8>,
}

impl Passkey {
    pub(crate) fn to_octets(&self) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(self).map_err(|_| Fault::Malformed("the passkey"))
    }

    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        serde_json::from_slice(octets).ok()
    }

    /// Checks that the device answered `challenge` with this passkey, whose counter was `before`; returns the counter now
    /// (section 7.2).
    pub(crate) fn proved(
        &self,
        assertion: &Assertion,
        challenge: &Challenge,
        before: i64,
    ) -> Result<i64, Fault> {
        bounded(
            "the authenticator data",
            &assertion.authenticator_data,
            MOST_AUTHENTICATOR_DATA,
        )?;
        bounded("the signature", &assertion.signature, MOST_SIGNATURE)?;
        if assertion.credential != self.credential || assertion.user != self.user {
            return Err(Fault::Other);
        }
        client_data(
            &assertion.client_data,
            Ceremony::Get,
            challenge,
            &assertion.place,
        )?;
        let data = AuthenticatorData::read(&assertion.authenticator_data)?;
        data.is_for(&assertion.place)?;
        let hashed = digest(&SHA256, &assertion.client_data);
        let signed = [assertion.authenticator_data.as_slice(), hashed.as_ref()].concat();
        key::verify(&self.key, &signed, &assertion.signature)?;
        let now = i64::from(data.counter);
        if (now, before) != (0, 0) && now <= before {
            return Err(Fault::Counter);
        }
        Ok(now)
    }
}

/// Reads what was registered for `user` in answer to `challenge`: the passkey, and its counter (section 7.1).
pub(crate) fn registered(
    registration: &Registration,
    challenge: &Challenge,
    user: &[u8],
) -> Result<(Passkey, i64), Fault> {
    const WHAT: &str = "the attestation object";
    bounded(WHAT, &registration.object, MOST_OBJECT)?;
    client_data(
        &registration.client_data,
        Ceremony::Create,
        challenge,
        &registration.place,
    )?;
    let object = cbor::only(&registration.object, WHAT)?;
    let data = cbor::field(&object, &Value::from("authData"), WHAT)?;
    let data = data.as_bytes().ok_or(Fault::Malformed(WHAT))?;
    bounded("the authenticator data", data, MOST_AUTHENTICATOR_DATA)?;
    let data = AuthenticatorData::read(data)?;
    data.is_for(&registration.place)?;
    let made = data.made.ok_or(Fault::Malformed(WHAT))?;
    key::check(made.key)?;
    let passkey = Passkey {
        user: user.to_owned(),
        credential: made.credential.to_owned(),
        key: made.key.to_owned(),
    };
    Ok((passkey, i64::from(data.counter)))
}

fn client_data(
    octets: &[u8],
    ceremony: Ceremony,
    challenge: &Challenge,
    place: &Place,
) -> Result<(), Fault> {
    bounded("the client data", octets, MOST_CLIENT_DATA)?;
    client_data::check(octets, ceremony, challenge, place)
}

fn bounded(what: &'static str, octets: &[u8], most: usize) -> Result<(), Fault> {
    match octets.len() <= most {
        true => Ok(()),
        false => Err(Fault::Malformed(what)),
    }
}

mod base64url {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::BASE64URL_NOPAD;

    pub(super) fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64URL_NOPAD.encode(octets))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(D::Error::custom)
    }
}
