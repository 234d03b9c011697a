//! A device that holds one passkey, made for tests, and the browser in front of it: what they say is what WebAuthn Level 3 has
//! them say, unless a test turns a screw.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use ciborium::{Value, cbor};
use data_encoding::BASE64URL_NOPAD;

use super::passkey::{Assertion, Place, Registration};

/// Somebody was there, and proved it to the device.
pub const PRESENT: u8 = 0x01 | 0x04;

enum Keys {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

pub struct Device {
    keys: Keys,
    pub credential: Vec<u8>,
    pub user: Vec<u8>,
    /// Grows with each use, unless it is 0.
    pub counter: u32,
    pub flags: u8,
    /// What the browser says beside type, challenge and origin.
    pub more: &'static str,
}

impl Device {
    /// A new one, whose keys are for a COSE algorithm.
    pub fn new(algorithm: i32, user: &[u8]) -> Self {
        let keys = match algorithm {
            -8 => Keys::Ed25519(Ed25519KeyPair::generate().unwrap()),
            -7 => Keys::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            _ => Keys::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        let mut device = Self {
            keys,
            credential: Vec::new(),
            user: user.to_owned(),
            counter: 1,
            flags: PRESENT,
            more: r#","crossOrigin":false"#,
        };
        device.credential = digest(&SHA256, &device.cose()).as_ref()[..16].to_owned();
        device
    }

    /// Its public key (RFC 9052, section 7).
    pub fn cose(&self) -> Vec<u8> {
        let octets = |octets: &[u8]| Value::Bytes(octets.to_vec());
        octets_of(&match &self.keys {
            Keys::Ed25519(keys) => {
                let x = octets(keys.public_key().as_ref());
                cbor!({1 => 1, 3 => -8, -1 => 6, -2 => x}).unwrap()
            }
            Keys::P256(keys) => {
                let point = keys.public_key().as_ref();
                let (x, y) = (octets(&point[1..33]), octets(&point[33..]));
                cbor!({1 => 2, 3 => -7, -1 => 1, -2 => x, -3 => y}).unwrap()
            }
            Keys::Rsa(keys) => {
                // RSAPublicKey (RFC 8017, section A.1.1) with 2048 bits: the modulus without its sign, and 65537.
                let key = keys.public_key().as_ref();
                let (n, e) = (octets(&key[9..265]), octets(&key[267..]));
                cbor!({1 => 3, 3 => -257, -1 => n, -2 => e}).unwrap()
            }
        })
    }

    /// Authenticator data, with the passkey if it was just `made`.
    fn data(&self, place: &Place, made: bool) -> Vec<u8> {
        let mut data = digest(&SHA256, place.name.as_bytes()).as_ref().to_vec();
        data.push(self.flags | if made { 0x40 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        if made {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
            data.extend(&self.credential);
            data.extend(self.cose());
        }
        data
    }

    fn client_data(&self, kind: &str, place: &Place, challenge: &str) -> Vec<u8> {
        let (origin, more) = (&place.origin, self.more);
        format!(
            r#"{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#
        )
        .into_bytes()
    }

    /// Makes its passkey in answer to a challenge.
    pub fn registers(&self, place: &Place, challenge: &str) -> Registration {
        let data = Value::Bytes(self.data(place, true));
        let object = cbor!({"fmt" => "none", "attStmt" => {}, "authData" => data}).unwrap();
        Registration {
            place: place.clone(),
            client_data: self.client_data("create", place, challenge),
            object: octets_of(&object),
        }
    }

    /// Answers a challenge with its passkey.
    pub fn answers(&mut self, place: &Place, challenge: &str) -> Assertion {
        if self.counter > 0 {
            self.counter += 1;
        }
        let client_data = self.client_data("get", place, challenge);
        let authenticator_data = self.data(place, false);
        let hashed = digest(&SHA256, &client_data);
        let signed = [authenticator_data.as_slice(), hashed.as_ref()].concat();
        Assertion {
            place: place.clone(),
            credential: self.credential.clone(),
            user: self.user.clone(),
            signature: self.sign(&signed),
            client_data,
            authenticator_data,
        }
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let chance = SystemRandom::new();
        match &self.keys {
            Keys::Ed25519(keys) => keys.sign(signed).as_ref().to_vec(),
            Keys::P256(keys) => keys.sign(&chance, signed).unwrap().as_ref().to_vec(),
            Keys::Rsa(keys) => {
                let mut signature = vec![0; keys.public_modulus_len()];
                keys.sign(&RSA_PKCS1_SHA256, &chance, signed, &mut signature)
                    .unwrap();
                signature
            }
        }
    }
}

/// A challenge as browsers write it.
pub fn written(octets: &[u8]) -> String {
    BASE64URL_NOPAD.encode(octets)
}

fn octets_of(value: &Value) -> Vec<u8> {
    let mut octets = Vec::new();
    ciborium::into_writer(value, &mut octets).unwrap();
    octets
}
