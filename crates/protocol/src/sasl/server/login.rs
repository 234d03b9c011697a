//! LOGIN: the name, then the password, each asked for. Never standardised
//! (draft-murchison-sasl-login); offered for programs that know nothing else.

use super::{Failure, PasswordClaim, Step, failed};
use crate::sasl::{MAX_PASSWORD, Secret, prepare_identity, prepare_password};

/// What asks for the name.
pub(super) const ASK_NAME: &[u8] = b"Username:";
const ASK_PASSWORD: &[u8] = b"Password:";

#[derive(Debug, Default)]
pub(super) struct Login {
    identity: Option<String>,
}

impl Login {
    pub(super) fn respond(&mut self, response: &Secret) -> Step {
        match self.identity.take() {
            None => self.take_name(response),
            Some(identity) => take_password(identity, response),
        }
    }

    pub(super) fn claimed(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    fn take_name(&mut self, response: &Secret) -> Step {
        match response.expose_str().and_then(prepare_identity) {
            Some(identity) => {
                self.identity = Some(identity);
                Step::Challenge(ASK_PASSWORD.to_vec())
            }
            None => failed(None, Failure::Malformed),
        }
    }
}

fn take_password(identity: String, response: &Secret) -> Step {
    match response.expose_str() {
        None => failed(Some(identity), Failure::Malformed),
        Some(text) if text.is_empty() || text.len() > MAX_PASSWORD => {
            failed(Some(identity), Failure::WrongProof)
        }
        Some(text) if text.contains('\0') => failed(Some(identity), Failure::Malformed),
        Some(_) => Step::Password(PasswordClaim {
            identity,
            password: prepare_password(response),
        }),
    }
}
