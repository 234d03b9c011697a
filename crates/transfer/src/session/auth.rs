//! AUTH: the machine speaks the mechanism, the directory judges. The directory records successes and failures
//! (clause 4.2(1)b) and slows down those who guess.

use directory::{Attempt, Login, Refusal as Denied, Service};
use protocol::{
    sasl::{Mechanism, Nonce, server::PasswordClaim},
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
                self.let_in(login);
                answer.accept(&mut self.machine);
            }
            Err(denied) => {
                metrics::authentication(false);
                answer.refuse(&mut self.machine, denial(denied));
            }
        }
    }

    pub(super) async fn credentials(&mut self, identity: String, answer: CredentialsAnswer) {
        match self.transfer.directory().scram_credentials(&identity).await {
            Ok(credentials) => answer.give(&mut self.machine, credentials),
            Err(denied) => answer.refuse(&mut self.machine, denial(denied)),
        }
    }

    pub(super) async fn proved(&mut self, identity: String, answer: ProvedAnswer) {
        let directory = self.transfer.directory();
        match directory
            .scram_finished(&self.attempt(), &identity, true)
            .await
        {
            Ok(login) => {
                self.let_in(login);
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
        if failed.identity.is_none() && failed.failure.is_none() {
            // The client gave up before it claimed anything.
            return;
        }
        metrics::authentication(false);
        let identity = failed.identity.unwrap_or_default();
        let directory = self.transfer.directory();
        let result = directory
            .scram_finished(&self.attempt(), &identity, false)
            .await;
        if result.is_ok() {
            tracing::error!(identity, "the directory let in a proof that failed");
        }
    }

    fn let_in(&mut self, login: Login) {
        metrics::authentication(true);
        tracing::info!(peer = %self.peer, identifier = login.identifier, "authenticated");
        self.login = Some(login);
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
        Denied::Credentials => Refusal::bad_credentials(),
        Denied::Temporary => Refusal::new::<454>(
            protocol::smtp::Detail::SECURITY,
            "Temporary authentication failure",
        ),
    }
}
