//! What a proof is good for: which services it opens, and what else is asked for (clauses 4.1, 7.1(1)).

use std::net::IpAddr;

use protocol::sasl::Secret;
use store::{Tx, sql::Sql};

use crate::{
    Login, SecondFactor, Service,
    attempt::Reason,
    command::{leaving::has_left, second_factor::is_needed},
    hash::NewSecrets,
    login::CommitFailure,
    passkey::{Assertion, Challenge, Fault},
    tables::{
        account::{self, AccountState},
        app_password, reading, second_factor, shared,
    },
    totp,
};

/// What was proved of an account.
pub(crate) enum Proof {
    /// Its password; the second factor that came with it; today's secrets, when what is stored is of old.
    Password {
        second: Option<Second>,
        upgrade: Option<NewSecrets>,
    },
    /// One of its app passwords, by number.
    App(i64),
}

/// A second factor as it is shown.
#[derive(Clone)]
pub(crate) enum Second {
    /// A time-based code.
    Code(Secret),
    /// What a passkey answered to a challenge.
    Passkey(Box<(Assertion, Challenge)>),
}

/// Where the proof was given, and how strict the site is.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) service: Service,
    pub(crate) protocol: &'static str,
    pub(crate) peer: IpAddr,
    /// Whether an initial password opens only the page where it is changed.
    pub(crate) initial_only_to_change: bool,
    /// Who must have a second factor for mail programs, too.
    pub(crate) second_factor: SecondFactor,
}

/// What a proof turned out to be.
#[derive(Default)]
pub(crate) struct Judged {
    /// The app password, if it was one.
    pub(crate) app_password: Option<app_password::Entry>,
    /// The second factor, if one was asked for.
    pub(crate) second_factor: Option<second_factor::Entry>,
    /// The order that its maker reads another's mailbox on.
    pub(crate) reads_on: Option<i64>,
}

/// Judges a proof for `account` as it is in this transaction, and notes the use of what was used beside the password.
pub(crate) fn judge(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    gate: Gate,
    proof: &Proof,
) -> Result<Judged, CommitFailure> {
    let refused = |reason| Err(CommitFailure::Refused(reason));
    if let Proof::App(number) = proof {
        return by_app(tx, account, gate, *number);
    }
    let now = tx.now();
    permitted(account, gate.service).map_err(CommitFailure::Refused)?;
    if has_left(tx, account, now)? {
        return refused(Reason::HolderLeft);
    }
    let mut judged = Judged::default();
    match proof {
        Proof::Password { second, .. } if gate.service == Service::Web => {
            judged.second_factor = demanded(tx, account, second.as_ref())?;
        }
        _ if second_factor::any(tx, account.id)? => return refused(Reason::AppPasswordNeeded),
        _ if account.must_change_password && gate.initial_only_to_change => {
            return refused(Reason::InitialPassword);
        }
        _ if is_needed(tx, account, gate.second_factor)? => {
            return refused(Reason::SecondFactorMissing);
        }
        _ => {}
    }
    Ok(judged)
}

/// Judges an app password: of the holder, of one who shares the identifier, or of one who reads it on an order.
fn by_app(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    gate: Gate,
    number: i64,
) -> Result<Judged, CommitFailure> {
    let refused = |reason| Err(CommitFailure::Refused(reason));
    let now = tx.now();
    let entry = app_password::one(tx, account.id, number)?
        .filter(|entry| entry.is_good(now))
        .ok_or(CommitFailure::Moved)?;
    let reads_on = match maker(tx, account, &entry, now)? {
        Maker::Nobody => return refused(Reason::NoUser),
        Maker::User => None,
        Maker::Reader(order) => Some(order),
    };
    let open = match gate.service {
        Service::Msa => entry.msa && reads_on.is_none(),
        // POP3 cannot read without taking away.
        Service::Mra => entry.mra && (reads_on.is_none() || gate.protocol == "imap"),
        Service::Web => false,
    };
    if !open {
        return refused(Reason::NotPermitted);
    }
    // A mailbox that nobody uses may be read.
    if reads_on.is_none() || account.state == AccountState::Deleted {
        permitted(account, gate.service).map_err(CommitFailure::Refused)?;
    }
    if reads_on.is_none() && has_left(tx, account, now)? {
        return refused(Reason::HolderLeft);
    }
    app_password::note_use(tx, &entry, &gate.peer.to_string())?;
    Ok(Judged {
        app_password: Some(entry),
        second_factor: None,
        reads_on,
    })
}

/// Who made an app password, as far as it still matters.
enum Maker {
    /// One who may not use the account any more.
    Nobody,
    /// The holder, or one of those who share it.
    User,
    /// One who reads it on this order.
    Reader(i64),
}

fn maker(
    sql: &mut dyn Sql,
    account: &account::Entry,
    entry: &app_password::Entry,
    now: jiff::Timestamp,
) -> Result<Maker, store::Error> {
    if let Some(reading) = reading::open(sql, account.id, entry.made_by, now)? {
        return Ok(Maker::Reader(reading.order));
    }
    let uses = match shared::of(sql, account.id)? {
        None => entry.made_by == account.person.0,
        Some(_) => shared::is_user(sql, account.id, entry.made_by, now)?,
    };
    Ok(if uses { Maker::User } else { Maker::Nobody })
}

/// Demands a second factor of the account, if it has any; which one it was.
fn demanded(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    shown: Option<&Second>,
) -> Result<Option<second_factor::Entry>, CommitFailure> {
    if !second_factor::any(tx, account.id)? {
        return Ok(None);
    }
    let (factor, counter) = match shown {
        Some(Second::Code(code)) => by_code(tx, account, code)?,
        Some(Second::Passkey(answer)) => by_passkey(tx, account, &answer.0, &answer.1)?,
        None => return Err(CommitFailure::Refused(Reason::WrongCode)),
    };
    second_factor::note_use(tx, factor.number, counter)?;
    Ok(Some(factor))
}

/// The second factor whose code this is, and the time step.
fn by_code(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    code: &Secret,
) -> Result<(second_factor::Entry, i64), CommitFailure> {
    let now = tx.now();
    let code = code.expose_str().unwrap_or_default();
    for factor in second_factor::of_kind(tx, account.id, second_factor::TOTP)? {
        let secret = second_factor::secret(tx, account.id, &factor)?;
        if let Some(step) = totp::step_of(&secret, code, now, factor.counter) {
            return Ok((factor, step));
        }
    }
    Err(CommitFailure::Refused(Reason::WrongCode))
}

/// The passkey that answered, and its device's counter.
fn by_passkey(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    assertion: &Assertion,
    challenge: &Challenge,
) -> Result<(second_factor::Entry, i64), CommitFailure> {
    let mut all = second_factor::passkeys(tx, account.id)?.into_iter();
    let found = all.find(|(_, passkey)| passkey.credential == assertion.credential);
    let proved = found.ok_or(Fault::Other).and_then(|(factor, passkey)| {
        let counter = passkey.proved(assertion, challenge, factor.counter)?;
        Ok((factor, counter))
    });
    proved.map_err(|fault| {
        tracing::info!(identifier = account.identifier, %fault, "a passkey was refused");
        CommitFailure::Refused(match fault {
            Fault::Counter => Reason::CopiedPasskey,
            _ => Reason::WrongCode,
        })
    })
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

/// Whether what was proved of `account` still counts.
pub(crate) fn still_good(
    sql: &mut dyn Sql,
    account: &account::Entry,
    login: &Login,
    now: jiff::Timestamp,
) -> Result<bool, store::Error> {
    let usable = match account.state {
        AccountState::Active => true,
        AccountState::Suspended => login.reads_on.is_some(),
        AccountState::Deleted => false,
    };
    if !usable || account.generation != login.generation {
        return Ok(false);
    }
    if login.reads_on.is_none() && has_left(sql, account, now)? {
        return Ok(false);
    }
    let Some(number) = login.app_password else {
        return Ok(true);
    };
    let Some(entry) = app_password::one(sql, account.id, number)? else {
        return Ok(false);
    };
    let same = match maker(sql, account, &entry, now)? {
        Maker::Nobody => false,
        Maker::User => login.reads_on.is_none(),
        Maker::Reader(order) => login.reads_on == Some(order),
    };
    Ok(same && entry.is_good(now))
}
