//! The server's side of an exchange: one state machine for all mechanisms.

mod login;
mod plain;
mod scram;
#[cfg(test)]
mod tests;

use super::{ChannelBindings, Mechanism, Nonce, ScramOffer, Secret};

/// What the exchange wants next.
#[derive(Debug)]
pub enum Step {
    /// Send this to the client and hand its answer to [`Exchange::respond`]. Empty challenges occur.
    Challenge(Vec<u8>),
    /// Check this password. The exchange is over: the driver's verdict is the result.
    Password(PasswordClaim),
    /// Hand the SCRAM credentials of this identity to [`Exchange::credentials`]; for an identity that
    /// does not exist, [`ScramCredentials::decoy`](super::ScramCredentials::decoy), so that nobody can tell.
    Credentials {
        /// Whom the client claims to be, prepared.
        identity: String,
    },
    /// The client has proved that it knows the password, and has not been told so: judge, record, and then
    /// [`Exchange::accept`]. Nothing tells anybody that a proof is right before the driver has recorded it.
    Proved {
        /// Who it is.
        identity: String,
        /// By which of the passwords: 0 for the first, then those of [`ScramOffer::others`] from 1.
        password: usize,
    },
    /// The client has heard that its proof was accepted. The exchange is over.
    Done {
        /// Who it is.
        identity: String,
    },
    /// The exchange failed and is over.
    Failed {
        /// Whom the client claimed to be, as far as that is known.
        identity: Option<String>,
        /// What was wrong.
        failure: Failure,
    },
}

/// An identity with the password that shall prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordClaim {
    /// Whom the client claims to be, prepared.
    pub identity: String,
    /// The password, prepared ([`super::prepare_password`]).
    pub password: Secret,
}

/// Why an exchange failed before a password was checked, or that a proof was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The client's message is not what the mechanism prescribes.
    #[error("the client's message does not follow the mechanism")]
    Malformed,
    /// The client wants to act as somebody else.
    #[error("the authorisation identity differs from the authentication identity")]
    OtherAuthorization,
    /// The client's channel binding is not this connection's, or of a kind that it does not have:
    /// somebody may stand between.
    #[error("the channel binding does not match this connection")]
    ChannelBinding,
    /// The client believes that no channel binding was offered, though it was: somebody may have
    /// removed it from the list (RFC 5802, section 6).
    #[error("the offer of channel binding was removed on its way (downgrade)")]
    Downgrade,
    /// The password is wrong, or the identity does not exist.
    #[error("wrong password or unknown identity")]
    WrongProof,
    /// The client gave up (`*`).
    #[error("the client cancelled the exchange")]
    Cancelled,
    /// The client was gone before the end.
    #[error("the client left in the middle of the exchange")]
    Abandoned,
    /// The client's line is not base64, or too long.
    #[error("the client's line is not base64")]
    Unreadable,
    /// The client began where nothing protects what it says.
    #[error("the exchange was begun without TLS")]
    Unprotected,
}

/// One authentication, from the mechanism's choice to its result.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    Plain,
    Login(login::Login),
    Scram(Box<scram::Scram>),
    Over,
}

impl Exchange {
    /// Begins an exchange.
    ///
    /// `bindings` are those of the connection; `plus_offered` tells whether a `-PLUS` mechanism was
    /// listed to this client. `nonce` is fresh for each exchange; mechanisms other than SCRAM ignore it.
    #[must_use]
    pub fn new(
        mechanism: Mechanism,
        nonce: Nonce,
        bindings: ChannelBindings,
        plus_offered: bool,
    ) -> Self {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::Login(login::Login::default()),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => State::Scram(Box::new(
                scram::Scram::new(mechanism.binds_channel(), nonce, bindings, plus_offered),
            )),
        };
        Self { mechanism, state }
    }

    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The first step: with the initial response when the client sent one, else with the first
    /// challenge.
    pub fn start(&mut self, initial: Option<&Secret>) -> Step {
        match (initial, &self.state) {
            (Some(response), _) => self.respond(response),
            (None, State::Login(_)) => Step::Challenge(login::ASK_NAME.to_vec()),
            (None, _) => Step::Challenge(Vec::new()),
        }
    }

    /// Whom the client claims to be, as far as it has said so in an exchange that is not over.
    #[must_use]
    pub fn claimed(&self) -> Option<&str> {
        match &self.state {
            State::Login(login) => login.claimed(),
            State::Scram(scram) => scram.claimed(),
            State::Plain | State::Over => None,
        }
    }

    /// Takes the client's answer to the last challenge.
    pub fn respond(&mut self, response: &Secret) -> Step {
        let claimed = self.claimed().map(str::to_owned);
        let step = match &mut self.state {
            State::Plain => plain::read(response),
            State::Login(login) => login.respond(response),
            State::Scram(scram) => scram.respond(response),
            State::Over => failed(None, Failure::Malformed),
        };
        // What cannot be read names nobody; who was named before is still who is tried.
        let step = match step {
            Step::Failed { identity, failure } => failed(identity.or(claimed), failure),
            step => step,
        };
        self.close_after(step)
    }

    /// Takes the credentials that [`Step::Credentials`] asked for. At any other time, the exchange fails.
    pub fn credentials(&mut self, offer: impl Into<ScramOffer>) -> Step {
        let step = match &mut self.state {
            State::Scram(scram) => scram.credentials(offer.into()),
            State::Plain | State::Login(_) | State::Over => failed(None, Failure::Malformed),
        };
        self.close_after(step)
    }

    /// Goes on after [`Step::Proved`]: the client is told that its proof was accepted. At any other time, the
    /// exchange fails.
    pub fn accept(&mut self) -> Step {
        let step = match &mut self.state {
            State::Scram(scram) => scram.accept(),
            State::Plain | State::Login(_) | State::Over => failed(None, Failure::Malformed),
        };
        self.close_after(step)
    }

    /// Nothing may follow a result: a second answer would be judged against old state.
    fn close_after(&mut self, step: Step) -> Step {
        let goes_on = matches!(
            step,
            Step::Challenge(_) | Step::Credentials { .. } | Step::Proved { .. }
        );
        if !goes_on {
            self.state = State::Over;
        }
        step
    }
}

fn failed(identity: Option<String>, failure: Failure) -> Step {
    Step::Failed { identity, failure }
}
