//! SCRAM: a proof that comes in steps. The attempt takes its turn before the salt goes out, counts as under way
//! until the exchange ends, and leaves its event however it ends: also when nobody ends it.

use protocol::sasl::{ScramCredentials, ScramOffer, server::Failure};

use crate::{
    Attempt, Directory, Login, Refusal, attempt::Reason, login::Ended, proved::Proof,
    tables::account, throttle::Held,
};

/// A SCRAM exchange under way. Dropped before its end, it is recorded as abandoned.
#[must_use = "what ends it is recorded"]
pub struct ScramExchange {
    open: Option<Open>,
}

struct Open {
    directory: Directory,
    attempt: Attempt,
    claimed: String,
    identifier: String,
    /// Whether there is such an account.
    known: bool,
    /// The account as it was when its secrets were handed out: a proof says that the client knew the password of
    /// that time, and nothing of one that came since. `None` when the secrets were made up.
    account: Option<account::Entry>,
    /// The numbers of the app passwords whose secrets went out with it.
    apps: Vec<i64>,
    _held: Held,
}

impl Directory {
    pub(crate) async fn open_scram(
        &self,
        attempt: &Attempt,
        claimed: &str,
    ) -> Result<(ScramExchange, ScramOffer), Refusal> {
        let options = self.options();
        let identifier = options.canonical_identifier(claimed);
        let held = self.take_turn(attempt, claimed, &identifier).await?;
        let found = self.find(&identifier).await?;
        let secrets = found.credential.and_then(|credential| credential.scram);
        let known = found.account.is_some();
        let key = found
            .decoy_key
            .as_deref()
            .unwrap_or(self.inner.process_key.as_slice());
        let decoy = || ScramCredentials::decoy(key, &identifier, options.scram_iterations);
        let (account, credentials) = match (found.account, secrets, found.base) {
            (Some(account), Some(secrets), _) => (Some(account), secrets),
            // A password from elsewhere that has not been used yet: the app passwords alone can be proved.
            (Some(account), None, Some(base)) => {
                let credentials = ScramCredentials {
                    salt: base.salt,
                    iterations: base.iterations,
                    ..decoy()
                };
                (Some(account), credentials)
            }
            _ => (None, decoy()),
        };
        let offer = ScramOffer {
            credentials,
            others: found.apps.iter().map(|app| app.keys.clone()).collect(),
        };
        let open = Open {
            directory: self.clone(),
            attempt: attempt.clone(),
            claimed: claimed.to_owned(),
            identifier,
            known,
            account,
            apps: found.apps.iter().map(|app| app.number).collect(),
            _held: held,
        };
        Ok((ScramExchange { open: Some(open) }, offer))
    }
}

impl ScramExchange {
    /// The proof was right, of the password with this number in the offer: lets the identifier in, unless its account changed since the exchange began or may not
    /// use the service. Records the event. To be asked before the client is told anything.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn proved(mut self, password: usize) -> Result<Login, Refusal> {
        match self.open.take() {
            Some(open) => open.proved(password).await,
            None => Err(Refusal::Temporary),
        }
    }

    /// The exchange failed; records why, and slows down who guesses.
    pub async fn failed(mut self, failure: Failure) -> Refusal {
        match self.open.take() {
            Some(open) => open.failed(failure).await,
            None => Refusal::Temporary,
        }
    }
}

impl Open {
    async fn proved(self, password: usize) -> Result<Login, Refusal> {
        let Some(account) = &self.account else {
            return Err(self.refuse(Reason::Unknown).await);
        };
        let proof = match password.checked_sub(1) {
            None => Proof::Password {
                second: None,
                upgrade: None,
            },
            Some(place) => match self.apps.get(place) {
                Some(number) => Proof::App(*number),
                None => return Err(self.refuse(Reason::Failed).await),
            },
        };
        let ended = self
            .directory
            .commit_login(&self.attempt, account, proof)
            .await?;
        match ended {
            Ended::In(login) => {
                let throttle = &self.directory.inner.throttle;
                throttle.succeeded(&self.identifier, self.attempt.peer);
                Ok(login)
            }
            Ended::Refused(reason) => Err(self.refuse(reason).await),
            Ended::Moved => Err(self.refuse(Reason::Changed).await),
        }
    }

    async fn failed(self, failure: Failure) -> Refusal {
        let reason = match failure {
            Failure::WrongProof if !self.known => Reason::Unknown,
            Failure::WrongProof => Reason::WrongPassword,
            failure => Reason::Exchange(failure),
        };
        self.refuse(reason).await
    }

    async fn refuse(&self, reason: Reason) -> Refusal {
        self.directory
            .refusal(&self.attempt, &self.claimed, &self.identifier, reason)
            .await
    }
}

impl Drop for ScramExchange {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(open.failed(Failure::Abandoned))),
            Err(_) => tracing::error!(
                identifier = open.identifier,
                "an abandoned authentication could not be recorded: the server is gone"
            ),
        }
    }
}

impl std::fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScramExchange")
    }
}
