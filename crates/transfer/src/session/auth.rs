//! AUTH: the machine speaks the mechanism, the directory judges. The directory records successes and failures
//! (clause 4.2(1)b) and slows down those who guess.

use directory::{Attempt, Refusal as Denied, Service};
use protocol::{
    sasl::{
        Mechanism, Nonce,
        server::{Failure, PasswordClaim},
    },
    smtp::{
        Refusal,
        server::{AuthAnswer, AuthFailed, CredentialsAnswer, PasswordAnswer, ProvedAnswer},
    },
};

use super::Conversation;
use crate::metrics;

impl Conversation<'_> {
    pub(super) fn auth_begins(&mut self, mechanism: Mechanism, answer: AuthAnswer) {
        self.mechanism = mechanism.name();
        let nonce = Nonce::new(self.transfer.world().bytes());
        answer.proceed(&mut self.machine, nonce);
    }

    pub(super) async fn password(&mut self, claim: PasswordClaim, answer: PasswordAnswer) {
        let directory = self.transfer.directory();
        let result = directory
            .authenticate(&self.attempt(), &claim.identity, claim.password.expose())
            .await;
        match result {
            Ok(login) => {
                self.proved = Some(login);
                answer.accept(&mut self.machine);
            }
            Err(denied) => {
                metrics::authentication(false);
                answer.refuse(&mut self.machine, denial(denied));
            }
        }
    }

    /// The attempt takes its turn here, before the salt goes out, and is under way until the exchange ends.
    pub(super) async fn credentials(&mut self, identity: String, answer: CredentialsAnswer) {
        let directory = self.transfer.directory();
        match directory.begin_scram(&self.attempt(), &identity).await {
            Ok((scram, credentials)) => {
                self.scram = Some(scram);
                answer.give(&mut self.machine, credentials);
            }
            Err(denied) => {
                metrics::authentication(false);
                answer.refuse(&mut self.machine, denial(denied));
            }
        }
    }

    /// The success is in the trail before the client is told that its proof was right.
    pub(super) async fn proved(&mut self, password: usize, answer: ProvedAnswer) {
        let verdict = match self.scram.take() {
            Some(scram) => scram.proved(password).await,
            None => Err(Denied::Temporary),
        };
        match verdict {
            Ok(login) => {
                self.proved = Some(login);
                answer.accept(&mut self.machine);
            }
            Err(denied) => {
                metrics::authentication(false);
                answer.refuse(&mut self.machine, denial(denied));
            }
        }
    }

    /// A failure that the machine found by itself: recorded and slowed down like any other, before its reply
    /// is written.
    pub(super) async fn auth_failed(&mut self, failed: AuthFailed) {
        self.proved = None;
        if failed.identity.is_none() && failed.failure == Failure::Cancelled {
            // The client gave up before it claimed anything.
            return;
        }
        metrics::authentication(false);
        match self.scram.take() {
            Some(scram) => scram.failed(failed.failure).await,
            None => {
                self.mechanism = failed.mechanism.map_or("", Mechanism::name);
                let identity = failed.identity.unwrap_or_default();
                let directory = self.transfer.directory();
                directory
                    .authentication_failed(&self.attempt(), &identity, failed.failure)
                    .await
            }
        };
    }

    /// The session ends in the middle of an exchange.
    pub(super) async fn auth_abandoned(&mut self) {
        if let Some(scram) = self.scram.take() {
            metrics::authentication(false);
            scram.failed(Failure::Abandoned).await;
        }
    }

    /// Who was accepted is in from now on.
    pub(super) fn let_in(&mut self) {
        if let Some(login) = self.proved.take() {
            metrics::authentication(true);
            tracing::info!(peer = %self.peer, identifier = login.identifier, "authenticated");
            self.login = Some(login);
        }
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            service: Service::Msa,
            protocol: "smtp",
            mechanism: self.mechanism,
            peer: self.peer.ip(),
            tls: self.tls().is_some(),
            client: self.hello.as_ref().map(|hello| hello.name.clone()),
        }
    }
}

/// What the peer is told: no more than that it was wrong, or that it may try again.
fn denial(denied: Denied) -> Refusal {
    match denied {
        Denied::Credentials | Denied::Passkey(_) => Refusal::bad_credentials(),
        Denied::InitialPassword => Refusal::new::<535>(
            protocol::smtp::Detail::BAD_CREDENTIALS,
            "Change the initial password first, on the web page of this server",
        ),
        Denied::SecondFactorMissing => Refusal::new::<535>(
            protocol::smtp::Detail::BAD_CREDENTIALS,
            "Add a second factor first, on the web page of this server, and an app password for this program",
        ),
        Denied::Temporary => Refusal::new::<454>(
            protocol::smtp::Detail::SECURITY,
            "Temporary authentication failure",
        ),
    }
}
