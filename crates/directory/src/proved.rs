//! What a proof is good for: which services it opens, and what else is asked for (clauses 4.1, 7.1(1)).

use std::net::IpAddr;

use protocol::sasl::Secret;
use store::{Tx, sql::Sql};

use crate::{
    Service,
    hash::NewSecrets,
    login::{CommitFailure, Reason},
    tables::{
        account::{self, AccountState},
        app_password, second_factor, shared,
    },
    totp,
};

/// What was proved of an account.
pub(crate) enum Proof {
    /// Its password; the second factor's code that came with it; today's secrets, when what is stored is of old.
    Password {
        code: Option<Secret>,
        upgrade: Option<NewSecrets>,
    },
    /// One of its app passwords, by number.
    App(i64),
}

/// Where the proof was given, and how strict the site is.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) service: Service,
    pub(crate) peer: IpAddr,
    /// Whether an initial password opens only the page where it is changed.
    pub(crate) initial_only_to_change: bool,
}

/// Judges a proof for `account` as it is in this transaction, and notes the use of what was used beside the password; the
/// app password, if it was one.
pub(crate) fn judge(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    gate: Gate,
    proof: &Proof,
) -> Result<Option<app_password::Entry>, CommitFailure> {
    permitted(account, gate.service).map_err(CommitFailure::Refused)?;
    match proof {
        Proof::App(number) => {
            let found = app_password::one(tx, account.id, *number)?;
            let now = tx.now();
            let entry = found
                .filter(|entry| entry.is_good(now))
                .ok_or(CommitFailure::Moved)?;
            let open = match gate.service {
                Service::Msa => entry.msa,
                Service::Mra => entry.mra,
                Service::Web => false,
            };
            if !open {
                return Err(CommitFailure::Refused(Reason::NotPermitted));
            }
            if shared::of(tx, account.id)?.is_some()
                && !shared::is_user(tx, account.id, entry.made_by)?
            {
                return Err(CommitFailure::Refused(Reason::NoUser));
            }
            app_password::note_use(tx, &entry, &gate.peer.to_string())?;
            Ok(Some(entry))
        }
        Proof::Password { code, .. } if gate.service == Service::Web => {
            second(tx, account, code.as_ref())?;
            Ok(None)
        }
        Proof::Password { .. } if second_factor::any(tx, account.id)? => {
            Err(CommitFailure::Refused(Reason::AppPasswordNeeded))
        }
        Proof::Password { .. } if account.must_change_password && gate.initial_only_to_change => {
            Err(CommitFailure::Refused(Reason::InitialPassword))
        }
        Proof::Password { .. } => Ok(None),
    }
}

/// Demands the account's second factor, if it has one.
fn second(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    code: Option<&Secret>,
) -> Result<(), CommitFailure> {
    let factors = second_factor::of(tx, account.id)?;
    if factors.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let code = code.and_then(Secret::expose_str).unwrap_or_default();
    for factor in factors {
        let secret = second_factor::secret(tx, account.id, &factor)?;
        if let Some(step) = totp::step_of(&secret, code, now, factor.counter) {
            return Ok(second_factor::note_use(tx, factor.number, step)?);
        }
    }
    Err(CommitFailure::Refused(Reason::WrongCode))
}

/// Whether an account that has proved itself may use the service.
fn permitted(account: &account::Entry, service: Service) -> Result<(), Reason> {
    let open = match service {
        Service::Msa => account.msa,
        Service::Mra => account.mra,
        Service::Web => true,
    };
    match account.state {
        AccountState::Active if open => Ok(()),
        AccountState::Active => Err(Reason::NotPermitted),
        AccountState::Suspended => Err(Reason::Suspended),
        AccountState::Deleted => Err(Reason::Unknown),
    }
}

/// Whether what was proved by an app password still counts.
pub(crate) fn still_good(
    sql: &mut dyn Sql,
    account: store::AccountId,
    app_password: Option<i64>,
    now: jiff::Timestamp,
) -> Result<bool, store::Error> {
    let Some(number) = app_password else {
        return Ok(true);
    };
    let Some(entry) = app_password::one(sql, account, number)? else {
        return Ok(false);
    };
    let is_shared = shared::of(sql, account)?.is_some();
    Ok(entry.is_good(now) && (!is_shared || shared::is_user(sql, account, entry.made_by)?))
}
