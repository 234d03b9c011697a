//! The client's side of an exchange: for smarthosts, and for tests of the server's side.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    ChannelBindings, Mechanism, Nonce, Secret, prepare_identity, prepare_password,
    scram::{Key, attribute, escape_name, hash, hmac, is_nonce, salted_password, same, xor_into},
};

/// Most PBKDF2 iterations that a server may make this client do: a bound on the work.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// Fewest iterations that are accepted: RFC 7677, section 4. A server that asks for less would let
/// who listens try passwords cheaply.
pub const MIN_ITERATIONS: u32 = 4096;

/// Whom to log in as.
#[derive(Clone, Debug)]
pub struct Login {
    /// The identity.
    pub identity: String,
    /// Its password.
    pub password: Secret,
    /// A fresh nonce, for SCRAM.
    pub nonce: Nonce,
    /// The bindings of the TLS connection.
    pub bindings: ChannelBindings,
    /// Whether the server listed a `-PLUS` mechanism.
    pub plus_offered: bool,
}

/// One authentication as a client.
#[derive(Debug)]
pub struct Exchange {
    login: Login,
    mechanism: Mechanism,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Start,
    /// LOGIN: the name is sent, the password is next.
    Password,
    /// SCRAM: the first message is sent.
    First {
        header: String,
        bare: String,
    },
    /// SCRAM: the proof is sent; this is what the server must answer.
    Final {
        server_signature: Key,
    },
    /// Everything is said.
    Done,
    Broken,
}

impl Exchange {
    /// Begins an exchange.
    ///
    /// # Errors
    /// When the identity cannot be prepared, or the mechanism needs a channel binding that is not there.
    pub fn new(mechanism: Mechanism, mut login: Login) -> Result<Self, Error> {
        login.identity = prepare_identity(&login.identity).ok_or(Error::BadIdentity)?;
        login.password = prepare_password(&login.password);
        if mechanism.binds_channel() && !login.bindings.any() {
            return Err(Error::NoChannelBinding);
        }
        Ok(Self {
            login,
            mechanism,
            stage: Stage::Start,
        })
    }

    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response, when the mechanism has one. Call it first, or not at all: a protocol
    /// without initial responses gets the same octets in answer to the first, empty challenge.
    pub fn initial(&mut self) -> Option<Secret> {
        match self.mechanism {
            Mechanism::Login => None,
            Mechanism::Plain => {
                self.stage = Stage::Done;
                let mut message = vec![0];
                message.extend_from_slice(self.login.identity.as_bytes());
                message.push(0);
                message.extend_from_slice(self.login.password.expose());
                Some(Secret::new(message))
            }
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Some(self.client_first()),
        }
    }

    /// The answer to a challenge.
    ///
    /// # Errors
    /// When the server says what the mechanism does not allow, or cannot prove that it knows the
    /// password. The exchange must then be cancelled.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret, Error> {
        match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Start => match self.initial() {
                Some(first) if challenge.is_empty() => Ok(first),
                Some(_) => {
                    self.stage = Stage::Broken;
                    Err(Error::Unexpected)
                }
                None => {
                    self.stage = Stage::Password;
                    Ok(Secret::from(self.login.identity.as_str()))
                }
            },
            Stage::Password => {
                self.stage = Stage::Done;
                Ok(self.login.password.clone())
            }
            Stage::First { header, bare } => self.client_final(challenge, &header, &bare),
            Stage::Final { server_signature } => {
                let sent = std::str::from_utf8(challenge)
                    .ok()
                    .and_then(|text| attribute(text.split(',').next(), 'v'))
                    .and_then(|v| STANDARD.decode(v).ok())
                    .ok_or(Error::Unexpected)?;
                if !same(&sent, &*server_signature) {
                    return Err(Error::WrongServer);
                }
                self.stage = Stage::Done;
                Ok(Secret::new(Vec::new()))
            }
            Stage::Done | Stage::Broken => Err(Error::Unexpected),
        }
    }

    /// To be asked when the server reports success.
    ///
    /// # Errors
    /// When the server has not proved that it knows the password too, though the mechanism says it must.
    pub fn finish(&self) -> Result<(), Error> {
        match self.stage {
            Stage::Done => Ok(()),
            Stage::Start
            | Stage::Password
            | Stage::First { .. }
            | Stage::Final { .. }
            | Stage::Broken => Err(Error::WrongServer),
        }
    }

    fn client_first(&mut self) -> Secret {
        let header = match self.login.bindings.best() {
            Some((name, _)) if self.mechanism.binds_channel() => format!("p={name},,"),
            Some(_) if !self.login.plus_offered => "y,,".to_owned(),
            _ => "n,,".to_owned(),
        };
        let bare = format!(
            "n={},r={}",
            escape_name(&self.login.identity),
            self.login.nonce.as_str()
        );
        let message = format!("{header}{bare}");
        self.stage = Stage::First { header, bare };
        Secret::from(message)
    }

    fn client_final(
        &mut self,
        challenge: &[u8],
        header: &str,
        bare: &str,
    ) -> Result<Secret, Error> {
        let server_first = std::str::from_utf8(challenge).map_err(|_| Error::Unexpected)?;
        let mut attributes = server_first.split(',');
        let nonce = attribute(attributes.next(), 'r').ok_or(Error::Unexpected)?;
        let salt = attribute(attributes.next(), 's')
            .and_then(|s| STANDARD.decode(s).ok())
            .ok_or(Error::Unexpected)?;
        let iterations: u32 = attribute(attributes.next(), 'i')
            .and_then(|i| i.parse().ok())
            .ok_or(Error::Unexpected)?;
        let own = self.login.nonce.as_str();
        if !is_nonce(nonce) || !nonce.starts_with(own) || nonce.len() == own.len() {
            return Err(Error::Unexpected);
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(Error::Iterations(iterations));
        }

        let mut channel = header.as_bytes().to_vec();
        if let (true, Some((_, data))) =
            (self.mechanism.binds_channel(), self.login.bindings.best())
        {
            channel.extend_from_slice(data);
        }
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(channel));
        let signed = format!("{bare},{server_first},{without_proof}");

        let salted = salted_password(&self.login.password, &salt, iterations);
        let mut proof = hmac(&*salted, &[b"Client Key"]);
        let stored_key = hash(&*proof);
        let signature = hmac(&*stored_key, &[signed.as_bytes()]);
        xor_into(&mut proof, &signature);
        let server_key = hmac(&*salted, &[b"Server Key"]);
        self.stage = Stage::Final {
            server_signature: hmac(&*server_key, &[signed.as_bytes()]),
        };
        Ok(Secret::from(format!(
            "{without_proof},p={}",
            STANDARD.encode(proof.as_slice())
        )))
    }
}

/// Why a client gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The identity is empty, too long, or has characters that SASLprep forbids.
    #[error("the identity cannot be used for authentication")]
    BadIdentity,
    /// A `-PLUS` mechanism without TLS bindings.
    #[error("the connection has no channel binding")]
    NoChannelBinding,
    /// The server's message does not follow the mechanism.
    #[error("the server's challenge does not follow the mechanism")]
    Unexpected,
    /// The server asks for too little or too much work.
    #[error("the server asks for {0} iterations")]
    Iterations(u32),
    /// The server did not prove that it knows the password: it may be an impostor.
    #[error("the server did not prove that it knows the password")]
    WrongServer,
}
