//! Authentication: an identifier's proof is checked, slowed down, and recorded, whichever way it ends. SCRAM, whose
//! proof comes in several steps, is in `scram`.

use std::sync::Arc;

use protocol::sasl::{Secret, server::Failure};
use store::{AccountId, Recorded, Tx};
use subtle::ConstantTimeEq;
use trail::{Actor, Event, Kind};

use crate::{
    Attempt, Directory, Login, Options, Refusal, SecondFactor, Service, Unproved,
    attempt::{Reason, event, told},
    hash::NewSecrets,
    proved::{Gate, Judged, Proof, Second, judge, still_good},
    tables::{
        account::{self, AccountState},
        app_password, credential, life, plaintext, second_factor,
    },
    throttle::{Crowded, Held},
};

/// How often a check is repeated because the account changed while it ran.
const MOST_REPEATS: usize = 3;

/// How one check ended.
pub(crate) enum Ended {
    In(Login),
    Refused(Reason),
    /// The account changed while the check ran.
    Moved,
}

/// What the commit of a login can end in.
pub(crate) enum CommitFailure {
    Refused(Reason),
    Moved,
    Store(store::Error),
}

impl From<store::Error> for CommitFailure {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// What the store knows of a claimed identifier.
pub(crate) struct Found {
    pub(crate) account: Option<account::Entry>,
    pub(crate) credential: Option<credential::Entry>,
    pub(crate) decoy_key: Option<Vec<u8>>,
    /// Those whose time is not over.
    pub(crate) apps: Vec<app_password::Entry>,
    pub(crate) base: Option<app_password::Base>,
    /// Whether it has a second factor.
    pub(crate) factors: bool,
}

impl Found {
    /// The app password that `password` is. Takes as long for any of them, and next to nothing.
    fn app(&self, password: &Secret) -> Option<i64> {
        let digest = app_password::digest(password);
        let mut found = None;
        for app in &self.apps {
            if bool::from(app.digest.as_bytes().ct_eq(digest.as_bytes())) {
                found = Some(app.number);
            }
        }
        found
    }
}

impl Directory {
    pub(crate) async fn check_password(
        &self,
        attempt: &Attempt,
        claimed: &str,
        password: &[u8],
        second: Option<&Second>,
    ) -> Result<Login, Refusal> {
        let options = self.options();
        let identifier = options.canonical_identifier(claimed);
        // Kept so that the attempt counts as under way until it has ended.
        let _held = self.take_turn(attempt, claimed, &identifier).await?;
        let password = Secret::new(password.to_vec());
        for _ in 0..MOST_REPEATS {
            match self
                .check_once(attempt, &identifier, (&password, second), &options)
                .await?
            {
                Ended::In(login) => {
                    self.inner.throttle.succeeded(&identifier, attempt.peer);
                    return Ok(login);
                }
                Ended::Refused(reason) => {
                    return self.refuse(attempt, claimed, &identifier, reason).await;
                }
                Ended::Moved => {}
            }
        }
        self.refuse(attempt, claimed, &identifier, Reason::Changed)
            .await
    }

    pub(crate) async fn confirm_password(
        &self,
        attempt: &Attempt,
        login: &Login,
        password: &Secret,
    ) -> Result<(), Refusal> {
        let (identifier, options) = (&login.identifier, self.options());
        let _held = self.take_turn(attempt, identifier, identifier).await?;
        let found = self.find(identifier).await?;
        let reason = match (found.account, found.credential) {
            (Some(account), Some(held)) if account.generation == login.generation => {
                let stored = (held.stored, held.scram.is_some());
                let hasher = &self.inner.hasher;
                let check = hasher.check(stored, password.clone(), options.cost(), found.base);
                match check.await {
                    Ok(checked) if checked.matches => return Ok(()),
                    Ok(_) => Reason::WrongPassword,
                    Err(problem) => {
                        tracing::error!(%problem, "a password could not be checked");
                        Reason::Failed
                    }
                }
            }
            _ => Reason::Changed,
        };
        Err(self.refusal(attempt, identifier, identifier, reason).await)
    }

    /// Waits until this attempt may be looked at. The attempt counts as under way until the result is dropped.
    pub(crate) async fn take_turn(
        &self,
        attempt: &Attempt,
        claimed: &str,
        identifier: &str,
    ) -> Result<Held, Refusal> {
        let pace = self.options().pace();
        match self.inner.throttle.hold(identifier, attempt.peer, pace) {
            Ok(mut held) => {
                held.wait().await;
                Ok(held)
            }
            Err(Crowded) => Err(self
                .refusal(attempt, claimed, identifier, Reason::Crowded)
                .await),
        }
    }

    /// Records an attempt that failed before there was a proof to judge.
    pub(crate) async fn record_failure(
        &self,
        attempt: &Attempt,
        claimed: &str,
        failure: Failure,
    ) -> Refusal {
        let identifier = self.options().canonical_identifier(claimed);
        let _held = match self.take_turn(attempt, claimed, &identifier).await {
            Ok(held) => held,
            Err(refusal) => return refusal,
        };
        let reason = match failure {
            Failure::WrongProof => match self.find(&identifier).await {
                Ok(found) if found.account.is_some() => Reason::WrongPassword,
                Ok(_) => Reason::Unknown,
                Err(refusal) => return refusal,
            },
            failure => Reason::Exchange(failure),
        };
        self.refusal(attempt, claimed, &identifier, reason).await
    }

    async fn check_once(
        &self,
        attempt: &Attempt,
        identifier: &str,
        (password, second): (&Secret, Option<&Second>),
        options: &Arc<Options>,
    ) -> Result<Ended, Refusal> {
        let found = self.find(identifier).await?;
        if let (Some(account), Some(app)) = (&found.account, found.app(password)) {
            return self.commit_login(attempt, account, Proof::App(app)).await;
        }
        let known = found
            .account
            .as_ref()
            .map(|account| (account.id, account.generation));
        // Where the password is not enough, it takes as long as a wrong one: who guesses must not notice.
        let (factors, web) = (found.factors, attempt.service == Service::Web);
        let remembered = known.filter(|_| !factors).is_some_and(|(id, generation)| {
            let lifetime = options.proof_lifetime;
            self.inner
                .proofs
                .holds(id, generation, password.expose(), lifetime)
        });
        let mut upgrade = None;
        if !remembered {
            let has_scram = found.credential.as_ref().is_none_or(|c| c.scram.is_some());
            let stored = found
                .credential
                .map_or_else(|| self.inner.hasher.decoy(options.cost()), |c| c.stored);
            let check = self.inner.hasher.check(
                (stored, has_scram),
                password.clone(),
                options.cost(),
                found.base,
            );
            let checked = match check.await {
                Ok(checked) => checked,
                Err(problem) => {
                    tracing::error!(%problem, "a password could not be checked");
                    return Ok(Ended::Refused(Reason::Failed));
                }
            };
            if !checked.matches {
                let reason = known.map_or(Reason::Unknown, |_| Reason::WrongPassword);
                return Ok(Ended::Refused(reason));
            }
            upgrade = checked.upgrade;
        }
        let Some(account) = found.account else {
            return Ok(Ended::Refused(Reason::Unknown));
        };
        if factors && web && !self.inner.codes.may_try(account.id) {
            return Ok(Ended::Refused(Reason::TooManyCodes));
        }
        let second = second.cloned();
        let proof = Proof::Password { second, upgrade };
        let ended = self.commit_login(attempt, &account, proof).await?;
        if let (Ended::In(login), true) = (&ended, factors) {
            self.inner.codes.right(login.account);
        } else if let (Ended::In(login), false) = (&ended, remembered) {
            self.inner
                .proofs
                .remember(login.account, login.generation, password.expose());
        }
        Ok(ended)
    }

    /// Commits the success of a proof that was made for `account` as it was read: in one commit with the check
    /// that nothing has changed since, with the upgrade of an old hash, and with the events.
    pub(crate) async fn commit_login(
        &self,
        attempt: &Attempt,
        account: &account::Entry,
        proof: Proof,
    ) -> Result<Ended, Refusal> {
        let (id, generation) = (account.id, account.generation);
        let options = self.options();
        let gate = Gate {
            service: attempt.service,
            protocol: attempt.protocol,
            peer: attempt.peer,
            initial_only_to_change: options.initial_only_to_change,
            second_factor: match options.second_factor_for_mail {
                true => options.second_factor,
                false => SecondFactor::Optional,
            },
        };
        let mut success = event(attempt, &account.identifier, Ok(()));
        // What stays on this machine crosses no network.
        let unprotected = (!attempt.tls && !attempt.peer.to_canonical().is_loopback())
            .then(|| (attempt.peer.to_canonical().to_string(), attempt.protocol));
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<Login>, CommitFailure> {
            let account = account::by_id(tx, id)?.ok_or(CommitFailure::Moved)?;
            if account.generation != generation {
                return Err(CommitFailure::Moved);
            }
            let Judged {
                app_password,
                second_factor,
                reads_on,
            } = judge(tx, &account, gate, &proof)?;
            if let Some(order) = reads_on {
                success = success.order(order).detail("reading", true);
            }
            if let Some(app) = &app_password {
                success = success
                    .detail("app_password", app.number)
                    .detail("app_password_name", app.name.as_str())
                    .detail("person", app.maker.as_str());
            }
            if let Some(factor) = &second_factor {
                success = success
                    .detail("second_factor", factor.number)
                    .detail("second_factor_kind", factor.kind.as_str());
            }
            if let Proof::Password {
                upgrade: Some(new), ..
            } = &proof
            {
                upgrade_credential(tx, &account, new)?;
            }
            if reads_on.is_none() {
                life::note_use(tx, id)?;
            }
            if let Some((from, with)) = &unprotected {
                plaintext::note_login(tx, id, from, with)?;
            }
            let login = Login {
                account: id,
                identifier: account.identifier,
                address: account.address,
                generation,
                app_password: app_password.as_ref().map(|app| app.number),
                person: app_password.map(|app| app.maker),
                reads_on,
            };
            Ok(tx.record(&success, login)?)
        };
        match self.inner.store.commit(Vec::new(), work).await {
            Ok(receipt) => Ok(Ended::In(receipt.value)),
            Err(CommitFailure::Moved) => Ok(Ended::Moved),
            Err(CommitFailure::Refused(reason)) => Ok(Ended::Refused(reason)),
            Err(CommitFailure::Store(error)) => Err(unavailable(&error)),
        }
    }

    async fn refuse(
        &self,
        attempt: &Attempt,
        claimed: &str,
        identifier: &str,
        reason: Reason,
    ) -> Result<Login, Refusal> {
        Err(self.refusal(attempt, claimed, identifier, reason).await)
    }

    /// Records a refusal and counts guesses. A refusal that cannot be recorded is temporary.
    pub(crate) async fn refusal(
        &self,
        attempt: &Attempt,
        claimed: &str,
        identifier: &str,
        reason: Reason,
    ) -> Refusal {
        if reason.is_guess() {
            self.inner.throttle.failed(identifier, attempt.peer);
        }
        let mut failure = event(attempt, claimed, Err(reason.as_str()));
        let whose = told(identifier);
        if !whose.is_empty() && failure.subject != whose {
            // Whose it would be, so that the holder sees it, however it was written.
            failure = failure.subject(whose).detail("claimed", told(claimed));
        }
        let work = move |tx: &mut Tx<'_>| tx.record(&failure, ());
        match self.inner.store.commit(Vec::new(), work).await {
            Ok(_) => reason.refusal(),
            Err(error) => unavailable(&error),
        }
    }

    /// Records a login that ended before any proof was looked at. Nothing was guessed, so that nobody's logins are held
    /// back for it; but the next of its kind from there is, as after a failure: the trail must not fill faster.
    pub(crate) async fn refuse_unproved(
        &self,
        attempt: &Attempt,
        claimed: &str,
        unproved: Unproved,
    ) {
        let throttle = &self.inner.throttle;
        let mut held = throttle.hold_unproved(attempt.peer, self.options().pace());
        let reason = match &mut held {
            Ok(held) => {
                held.wait().await;
                throttle.failed_unproved(attempt.peer);
                Reason::Unproved(unproved)
            }
            Err(_) => Reason::Crowded,
        };
        // Whatever is wrong with the record, the login stays refused.
        drop(self.refuse(attempt, claimed, "", reason).await);
    }

    /// Asks the same questions of the store for any text.
    pub(crate) async fn find(&self, identifier: &str) -> Result<Found, Refusal> {
        let identifier = identifier.to_owned();
        let now = self.inner.store.now();
        let read = move |snapshot: &mut store::Snapshot<'_>| -> Result<Found, store::Error> {
            let account = account::by_identifier(snapshot, &identifier)?
                .filter(|account| account.state != AccountState::Deleted);
            let id = account.as_ref().map_or(AccountId(0), |account| account.id);
            let mut apps = app_password::of(snapshot, id)?;
            apps.retain(|app| app.is_good(now));
            Ok(Found {
                apps,
                base: app_password::base(snapshot, id)?,
                factors: second_factor::any(snapshot, id)?,
                credential: credential::of(snapshot, id)?,
                decoy_key: credential::decoy_key(snapshot)?,
                account,
            })
        };
        self.inner
            .store
            .read(read)
            .await
            .map_err(|error| unavailable(&error))
    }

    pub(crate) async fn holds(&self, login: &Login) -> Result<bool, store::Error> {
        let (login, now) = (login.clone(), self.inner.store.now());
        let read = move |snapshot: &mut store::Snapshot<'_>| holds_at(snapshot, &login, now);
        self.inner.store.read(read).await
    }
}

/// Whether `login` still holds, as this transaction sees it: [`Directory::still_valid`] where nothing may come between.
///
/// # Errors
/// When the database fails.
pub fn holds(tx: &mut Tx<'_>, login: &Login) -> Result<bool, store::Error> {
    let now = tx.now();
    holds_at(tx, login, now)
}

fn holds_at(
    sql: &mut dyn store::sql::Sql,
    login: &Login,
    now: jiff::Timestamp,
) -> Result<bool, store::Error> {
    match account::by_id(sql, login.account)? {
        Some(account) => still_good(sql, &account, login, now),
        None => Ok(false),
    }
}

/// Replaces a hash of old with today's. Nothing changes for sessions: it is the same password.
fn upgrade_credential(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    new: &NewSecrets,
) -> Result<(), store::Error> {
    let Some(old) = credential::of(tx, account.id)? else {
        return Ok(());
    };
    if !credential::fits(tx, account.id, new)? {
        // The first app password was made while this ran: the next login upgrades.
        return Ok(());
    }
    credential::set(tx, account.id, new)?;
    let upgraded = Event::new(
        Kind::PasswordUpgraded,
        Actor::Identifier(account.identifier.clone()),
    )
    .subject(account.identifier.clone())
    .order(account.order)
    .detail("from", old.stored.scheme.as_str())
    .detail("to", new.stored.scheme.as_str())
    .detail("scram", true);
    drop(tx.record(&upgraded, ())?);
    Ok(())
}

fn unavailable(error: &store::Error) -> Refusal {
    tracing::error!(%error, "an authentication could not be read or recorded");
    Refusal::Temporary
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use message::address::{Address, Domain};
    use store::{Snapshot, Store};
    use world::World;

    use super::*;
    use crate::{
        OwnDomain, bootstrap,
        command::{Caller, account as accounts, arrival, order},
    };

    const fn password() -> Proof {
        Proof::Password {
            second: None,
            upgrade: None,
        }
    }

    const CHIEF: &str = "chief@example.jp";

    async fn site(folder: &std::path::Path) -> (Directory, Caller) {
        let world = World::system();
        let store = Store::open(folder, &store::Options::default(), world.clone()).unwrap();
        bootstrap(&store, "chief", "chief").await.unwrap();
        let name = Domain::parse("example.jp").unwrap();
        let options = Options {
            domains: vec![OwnDomain {
                name,
                catch_all: None,
            }],
            argon2_memory_kib: 64,
            argon2_passes: 1,
            scram_iterations: 100,
            allow_single_person: true,
            ..Options::default()
        };
        let directory = Directory::new(store, world, options);
        let chief = Caller::of_user(&directory, "chief", "test").await.unwrap();
        let wish = order::IssueOrder {
            for_person: "chief".into(),
            address: Address::parse(CHIEF).unwrap(),
            name: None,
            quota: None,
        };
        arrival::acknowledge(&chief, "chief", false).await.unwrap();
        let number = order::issue(&chief, wish).await.unwrap();
        order::approve(&chief, number).await.unwrap();
        let issue = accounts::Issue {
            order: number,
            address: None,
            shown: false,
        };
        accounts::issue(&chief, issue).await.unwrap();
        (directory, chief)
    }

    /// The order of things that a race would need luck for: the proof is made, the password is changed, and only
    /// then is the login committed.
    #[tokio::test]
    async fn a_proof_made_before_a_change_is_not_committed_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, chief) = site(folder.path()).await;
        let attempt = Attempt {
            service: Service::Mra,
            protocol: "imap",
            mechanism: "PLAIN",
            peer: [192, 0, 2, 1].into(),
            tls: true,
            client: None,
        };
        let find = async || directory.find(CHIEF).await.unwrap().account.unwrap();
        let proved = find().await;
        assert!(matches!(
            directory.commit_login(&attempt, &proved, password()).await,
            Ok(Ended::In(_))
        ));
        accounts::password(&chief, CHIEF, None).await.unwrap();
        assert!(matches!(
            directory.commit_login(&attempt, &proved, password()).await,
            Ok(Ended::Moved)
        ));
        let logins = |snapshot: &mut Snapshot<'_>| {
            let kinds = vec![Kind::AuthenticationSucceeded];
            let filter = store::event::Filter {
                kinds,
                ..Default::default()
            };
            store::event::search(snapshot, &filter, 10)
        };
        assert_eq!(directory.inner.store.read(logins).await.unwrap().len(), 1);
        // Suspended and resumed counts as changed too.
        let proved = find().await;
        accounts::suspend(&chief, CHIEF, "test").await.unwrap();
        assert!(matches!(
            directory.commit_login(&attempt, &proved, password()).await,
            Ok(Ended::Moved)
        ));
    }
}
