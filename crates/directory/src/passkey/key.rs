//! Public keys as devices write them (COSE_Key: RFC 9052, section 7; RFC 9053; RFC 8230), and what they sign.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use ciborium::Value;

use super::{Fault, cbor};

/// Algorithms that are taken, the best liked first: EdDSA with Ed25519, ES256 with P-256, RS256 (IANA, "COSE Algorithms").
pub const ALGORITHMS: [i32; 3] = [EDDSA, ES256, RS256];
const EDDSA: i32 = -8;
const ES256: i32 = -7;
const RS256: i32 = -257;

// What the numbers in a COSE_Key mean (RFC 9052, table 4; RFC 9053, tables 17 to 20; RFC 8230, table 4).
const KIND: i32 = 1;
const ALGORITHM: i32 = 3;
const CURVE: i32 = -1;
const X: i32 = -2;
const Y: i32 = -3;
const MODULUS: i32 = -1;
const EXPONENT: i32 = -2;
const KIND_OCTETS: i32 = 1;
const KIND_POINT: i32 = 2;
const KIND_RSA: i32 = 3;
const P256: i32 = 1;
const CURVE_25519: i32 = 6;

/// Octets of a coordinate on either curve.
const COORDINATE: usize = 32;
/// Octets of an RSA modulus: 2048 to 8192 bits.
const LEAST_MODULUS: usize = 256;
const MOST_MODULUS: usize = 1024;
/// Octets of an RSA exponent at most.
const MOST_EXPONENT: usize = 8;
/// Begins a point that is written with both coordinates (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

enum Key {
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
}

/// Checks that a key is one that signatures can be verified with.
pub(super) fn check(cose: &[u8]) -> Result<(), Fault> {
    read(cose).map(drop)
}

/// Verifies the signature of `signed` by a key (WebAuthn Level 3, section 5.8.5).
pub(super) fn verify(cose: &[u8], signed: &[u8], signature: &[u8]) -> Result<(), Fault> {
    let verified = match read(cose)? {
        Key::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
        Key::P256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature)
        }
        Key::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature),
    };
    verified.map_err(|_| Fault::Signature)
}

fn read(cose: &[u8]) -> Result<Key, Fault> {
    let map = cbor::only(cose, "the passkey's key")?;
    let kind = (number(&map, ALGORITHM)?, number(&map, KIND)?);
    match kind {
        (EDDSA, KIND_OCTETS) if number(&map, CURVE)? == CURVE_25519 => {
            Ok(Key::Ed25519(octets(&map, X, COORDINATE..=COORDINATE)?))
        }
        (ES256, KIND_POINT) if number(&map, CURVE)? == P256 => {
            let mut point = vec![UNCOMPRESSED];
            point.extend(octets(&map, X, COORDINATE..=COORDINATE)?);
            point.extend(octets(&map, Y, COORDINATE..=COORDINATE)?);
            Ok(Key::P256(point))
        }
        (RS256, KIND_RSA) => Ok(Key::Rsa(RsaPublicKeyComponents {
            n: octets(&map, MODULUS, LEAST_MODULUS..=MOST_MODULUS)?,
            e: octets(&map, EXPONENT, 1..=MOST_EXPONENT)?,
        })),
        _ => Err(Fault::Key),
    }
}

fn number(map: &Value, label: i32) -> Result<i32, Fault> {
    let value = cbor::field(map, &Value::from(label), "the passkey's key")?;
    let number = value.as_integer().map(i128::from).ok_or(Fault::Key)?;
    i32::try_from(number).map_err(|_| Fault::Key)
}

fn octets(map: &Value, label: i32, len: std::ops::RangeInclusive<usize>) -> Result<Vec<u8>, Fault> {
    let value = cbor::field(map, &Value::from(label), "the passkey's key")?;
    let octets = value.as_bytes().ok_or(Fault::Key)?;
    match len.contains(&octets.len()) {
        true => Ok(octets.clone()),
        false => Err(Fault::Key),
    }
}
