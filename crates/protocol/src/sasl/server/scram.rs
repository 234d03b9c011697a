//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677), the server's side.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Failure, Step, failed};
use crate::sasl::{
    ChannelBindings, Nonce, ScramOffer, Secret, prepare_identity,
    scram::{HASH_LEN, Key, attribute, hash, hmac, is_nonce, same, unescape_name, xor_into},
};

#[derive(Debug)]
pub(super) struct Scram {
    plus: bool,
    plus_offered: bool,
    nonce: Nonce,
    bindings: ChannelBindings,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    First,
    Credentials(ClientFirst),
    Final(Box<Expected>),
    /// The proof was right; the driver has not accepted it yet.
    Proved {
        identity: String,
        signature: String,
    },
    /// The server's signature is sent; the client's empty answer ends it.
    Signed(String),
    Over,
}

#[derive(Debug)]
struct ClientFirst {
    identity: String,
    /// What `c=` of the final message must hold: the GS2 header and the binding's data.
    channel: Vec<u8>,
    bare: String,
    nonce: String,
}

#[derive(Debug)]
struct Expected {
    client: ClientFirst,
    server_first: String,
    nonce: String,
    offer: ScramOffer,
}

impl Scram {
    pub(super) fn new(
        plus: bool,
        nonce: Nonce,
        bindings: ChannelBindings,
        plus_offered: bool,
    ) -> Self {
        Self {
            plus,
            plus_offered,
            nonce,
            bindings,
            stage: Stage::First,
        }
    }

    pub(super) fn respond(&mut self, response: &Secret) -> Step {
        let Some(text) = response.expose_str() else {
            return failed(None, Failure::Malformed);
        };
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::First => self.client_first(text),
            Stage::Final(expected) => self.client_final(text, *expected),
            Stage::Signed(identity) if text.is_empty() => Step::Done { identity },
            Stage::Signed(identity) => failed(Some(identity), Failure::Malformed),
            Stage::Credentials(_) | Stage::Proved { .. } | Stage::Over => {
                failed(None, Failure::Malformed)
            }
        }
    }

    pub(super) fn credentials(&mut self, offer: ScramOffer) -> Step {
        let Stage::Credentials(client) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return failed(None, Failure::Malformed);
        };
        let nonce = format!("{}{}", client.nonce, self.nonce.as_str());
        let server_first = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&offer.credentials.salt),
            offer.credentials.iterations
        );
        let challenge = server_first.clone().into_bytes();
        self.stage = Stage::Final(Box::new(Expected {
            client,
            server_first,
            nonce,
            offer,
        }));
        Step::Challenge(challenge)
    }

    pub(super) fn accept(&mut self) -> Step {
        let Stage::Proved {
            identity,
            signature,
        } = std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return failed(None, Failure::Malformed);
        };
        self.stage = Stage::Signed(identity);
        Step::Challenge(format!("v={signature}").into_bytes())
    }

    pub(super) fn claimed(&self) -> Option<&str> {
        match &self.stage {
            Stage::First | Stage::Over => None,
            Stage::Credentials(client) => Some(&client.identity),
            Stage::Final(expected) => Some(&expected.client.identity),
            Stage::Proved { identity, .. } | Stage::Signed(identity) => Some(identity),
        }
    }

    fn client_first(&mut self, text: &str) -> Step {
        match self.read_client_first(text) {
            Ok(client) => {
                let identity = client.identity.clone();
                self.stage = Stage::Credentials(client);
                Step::Credentials { identity }
            }
            Err((identity, failure)) => failed(identity, failure),
        }
    }

    fn read_client_first(&self, text: &str) -> Result<ClientFirst, (Option<String>, Failure)> {
        const MALFORMED: (Option<String>, Failure) = (None, Failure::Malformed);
        let mut parts = text.splitn(3, ',');
        let flag = parts.next().ok_or(MALFORMED)?;
        let authzid = parts.next().ok_or(MALFORMED)?;
        let bare = parts.next().ok_or(MALFORMED)?;

        // A mandatory extension (`m=`) would stand where `n=` must: it is refused as malformed.
        let mut attributes = bare.split(',');
        let name = attribute(attributes.next(), 'n').ok_or(MALFORMED)?;
        let nonce = attribute(attributes.next(), 'r').ok_or(MALFORMED)?;
        let identity = unescape_name(name)
            .and_then(|n| prepare_identity(&n))
            .ok_or(MALFORMED)?;
        if !is_nonce(nonce) {
            return Err((Some(identity), Failure::Malformed));
        }
        let binding = match self.binding_data(flag) {
            Ok(data) => data,
            Err(failure) => return Err((Some(identity), failure)),
        };
        if !authzid.is_empty() {
            let claimed = attribute(Some(authzid), 'a')
                .and_then(unescape_name)
                .and_then(|a| prepare_identity(&a));
            if claimed.as_ref() != Some(&identity) {
                return Err((Some(identity), Failure::OtherAuthorization));
            }
        }
        let mut channel = format!("{flag},{authzid},").into_bytes();
        channel.extend_from_slice(binding);
        Ok(ClientFirst {
            identity,
            channel,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// Judges the GS2 channel-binding flag (RFC 5802, section 6) and returns the data to compare.
    fn binding_data(&self, flag: &str) -> Result<&[u8], Failure> {
        match (flag, self.plus) {
            ("n", false) => Ok(&[]),
            ("y", false) if self.plus_offered => Err(Failure::Downgrade),
            ("y", false) => Ok(&[]),
            (flag, true) => {
                let name = flag.strip_prefix("p=").ok_or(Failure::Malformed)?;
                self.bindings.by_name(name).ok_or(Failure::ChannelBinding)
            }
            (flag, false) if flag.starts_with("p=") => Err(Failure::ChannelBinding),
            (_, false) => Err(Failure::Malformed),
        }
    }

    fn client_final(&mut self, text: &str, expected: Expected) -> Step {
        let Expected {
            client,
            server_first,
            nonce,
            offer,
        } = expected;
        let fail = |failure| failed(Some(client.identity.clone()), failure);

        let Some((without_proof, proof)) = text.rsplit_once(",p=") else {
            return fail(Failure::Malformed);
        };
        let Some(proof) = read_proof(proof) else {
            return fail(Failure::Malformed);
        };
        let mut attributes = without_proof.split(',');
        let channel = attribute(attributes.next(), 'c').and_then(|c| STANDARD.decode(c).ok());
        let Some(channel) = channel else {
            return fail(Failure::Malformed);
        };
        if attribute(attributes.next(), 'r') != Some(nonce.as_str()) {
            return fail(Failure::Malformed);
        }
        if !same(&channel, &client.channel) {
            return fail(Failure::ChannelBinding);
        }

        let signed = format!("{},{server_first},{without_proof}", client.bare);
        let Some((password, server_key)) = which(&offer, &signed, &proof) else {
            return fail(Failure::WrongProof);
        };
        let server_signature = hmac(server_key, &[signed.as_bytes()]);
        let identity = client.identity;
        self.stage = Stage::Proved {
            identity: identity.clone(),
            signature: STANDARD.encode(server_signature.as_slice()),
        };
        Step::Proved { identity, password }
    }
}

/// The password that `proof` is of, and the key that the server proves itself with. Takes the same time whichever it is.
fn which<'a>(offer: &'a ScramOffer, signed: &str, proof: &Key) -> Option<(usize, &'a [u8])> {
    let first = &offer.credentials;
    let others = offer.others.iter();
    let all = std::iter::once((&first.stored_key, &first.server_key))
        .chain(others.map(|keys| (&keys.stored_key, &keys.server_key)));
    let mut found = None;
    for (number, (stored_key, server_key)) in all.enumerate() {
        let mut client_key = proof.clone();
        xor_into(
            &mut client_key,
            &hmac(stored_key.as_slice(), &[signed.as_bytes()]),
        );
        if same(&*hash(&*client_key), stored_key.as_slice()) {
            found = found.or(Some((number, server_key.as_slice())));
        }
    }
    found
}

fn read_proof(text: &str) -> Option<zeroize::Zeroizing<[u8; HASH_LEN]>> {
    let bytes = STANDARD.decode(text).ok()?;
    <[u8; HASH_LEN]>::try_from(bytes).ok().map(Into::into)
}
