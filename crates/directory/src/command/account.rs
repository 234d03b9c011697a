//! `account issue | delete | suspend | resume | list | show | password`

use jiff::Timestamp;
use message::address::Address;
use protocol::sasl::Secret;
use serde::Serialize;
use store::{Topic, Tx, mailbox, sql::Sql};
use trail::{Event, Kind};

use super::{
    Alone, Caller, CommandError, Commit, Executor, idle, incident,
    on_behalf::{Act, Ground},
    plain_text, renewed,
};
use crate::{
    Options, Role, password as rule,
    tables::{
        account::{self, AccountState},
        address, app_password, credential, life, person, shared,
    },
};

pub use super::{
    delete::{Deleted, Queued, delete, delete_named},
    issue::{Issue, Issued, issue},
};

/// Who may suspend and resume.
pub const MAY_SUSPEND: &[Role] = &[
    Role::Administrator,
    Role::AccountManager,
    Role::SecurityOfficer,
];
/// Who may set another's password.
const MAY_SET: &[Role] = &[Role::AccountManager];
const MAY_SWITCH: &[Role] = &[Role::Administrator, Role::AccountManager];
/// Longest reason, in characters.
pub(super) const MOST_REASON: usize = 500;

/// An account, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    /// The identifier (識別コード).
    pub identifier: String,
    /// Its main address.
    pub address: Address,
    /// The holder's short name.
    pub person: String,
    /// The order it was issued on.
    pub order: i64,
    /// The order it was deleted on.
    pub delete_order: Option<i64>,
    /// Whether it can be used.
    pub state: AccountState,
    /// Whether it may submit mail.
    pub msa: bool,
    /// Whether it may fetch mail.
    pub mra: bool,
    /// Whether the password is still the one that was issued.
    pub must_change_password: bool,
    /// How the password is stored: the scheme's name.
    pub scheme: Option<&'static str>,
    /// Aliases.
    pub aliases: Vec<Address>,
    /// Role addresses routed here by command.
    pub roles: Vec<Address>,
    /// Octets kept.
    pub used: u64,
    /// Messages kept.
    pub messages: u64,
    /// Octets permitted.
    pub quota: Option<u64>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it was suspended.
    pub suspended_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// Every account, the deleted ones too: the register (clause 7.1(5)).
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<AccountView>, CommandError> {
    caller
        .look("account list", &Role::OFFICERS, |snapshot, _| {
            let all = account::all(snapshot)?;
            all.into_iter().map(|entry| view(snapshot, entry)).collect()
        })
        .await
}

/// One account.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, name: &str) -> Result<AccountView, CommandError> {
    let words = format!("account show {name}");
    let identifier = caller.directory.options().canonical_identifier(name);
    caller
        .look(&words, &[], move |snapshot, me| {
            let entry = account::by_identifier(snapshot, &identifier)?;
            let mine = entry.as_ref().is_some_and(|entry| entry.person.0 == me.id);
            if !mine && !Role::OFFICERS.iter().any(|role| me.has(*role)) {
                return Err(CommandError::NotPermitted(&Role::OFFICERS));
            }
            let entry = entry.ok_or(CommandError::NoSuch {
                what: "account",
                name: identifier,
            })?;
            view(snapshot, entry)
        })
        .await
}

/// Suspends an identifier at once (clause 4.1(1)a): no login, and no session that began before is valid any more;
/// mail keeps arriving.
///
/// # Errors
/// [`CommandError`].
pub async fn suspend(caller: &Caller, name: &str, reason: &str) -> Result<(), CommandError> {
    let words = format!("account suspend {name}");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = async {
        let reason = plain_text("the reason", reason, MOST_REASON)?;
        caller
            .change(&words, MAY_SUSPEND, move |tx, me| {
                let events = suspend_in(tx, me, &options, (&name, &reason), None)?;
                Ok(((), events))
            })
            .await
    };
    caller.run(&words, work).await
}

/// The same within a transaction, perhaps from an incident.
pub(super) fn suspend_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    (name, reason): (&str, &str),
    incident: Option<i64>,
) -> Result<Vec<Event>, CommandError> {
    let account = present(tx, options, name)?;
    if account.state == AccountState::Suspended {
        return Err(CommandError::State(format!(
            "{} is suspended already",
            account.identifier
        )));
    }
    account::suspend(tx, account.id)?;
    // The new password that a resumption takes is to be the only way in.
    let revoked = app_password::revoke_all(tx, account.id)?;
    tx.touch(Topic::Account(account.id));
    let mut event = me
        .event(Kind::AccountSuspended, account.identifier)
        .detail("reason", reason)
        .detail("before", AccountState::Active.as_str())
        .detail("after", AccountState::Suspended.as_str())
        .detail("app_passwords_revoked", revoked);
    if let Some(incident) = incident {
        event = event.detail("incident", incident);
    }
    Ok(vec![event])
}

/// Resumes a suspended identifier: refused until a new password has been set (clause 4.1(1)b), and where a rule would suspend it again. It
/// counts as idle anew only when its holder has been warned again.
///
/// # Errors
/// [`CommandError`].
pub async fn resume(caller: &Caller, name: &str) -> Result<(), CommandError> {
    let words = format!("account resume {name}");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = caller.change(&words, MAY_SUSPEND, move |tx, me| {
        Ok(((), resume_in(tx, me, &options, &name)?))
    });
    caller.run(&words, work).await
}

/// The same within a transaction.
pub(super) fn resume_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    name: &str,
) -> Result<Vec<Event>, CommandError> {
    let account = present(tx, options, name)?;
    if account.state != AccountState::Suspended {
        return Err(CommandError::State(format!(
            "{} is not suspended",
            account.identifier
        )));
    }
    let now = tx.now();
    if super::leaving::has_left(tx, &account, now)? {
        return Err(CommandError::State(format!(
            "{} is not resumed: {} has left, or was to leave before now (clause 9.2(1)); `person depart` puts that on another day. \
             An incident of it is closed without that (`incident close`)",
            account.identifier, account.person.1
        )));
    }
    if let Some(since) = idle::off_roster(tx, options, &account, now)? {
        return Err(CommandError::State(format!(
            "{} is not resumed: {} is not on the personnel's list since {since}, and it would be suspended again for that \
             (clause 7.1(3)): compare a list that has {} first (`person roster`)",
            account.identifier, account.person.1, account.person.1
        )));
    }
    if let Some(refused) = renewed::refusal(tx, &account, now)? {
        return Err(refused);
    }
    if !account.renewed {
        return Err(CommandError::NotRenewed(account.identifier));
    }
    let incidents = incident::before_resumption(tx, &account)?;
    account::resume(tx, account.id)?;
    // Who was warned long ago would be suspended again before they could log in.
    life::forget_warning(tx, account.id)?;
    tx.touch(Topic::Account(account.id));
    let event = me
        .event(Kind::AccountResumed, account.identifier)
        .detail("before", AccountState::Suspended.as_str())
        .detail("after", AccountState::Active.as_str())
        .detail("suspended_at", account.suspended_at)
        .detail(
            "incident",
            incidents.first().map(|incident| incident.number),
        );
    let mut events = vec![event];
    let resumed = incident::Step::Resumed.as_str();
    for incident in incidents {
        events.push(incident::take(tx, me, incident.number, resumed, "")?);
    }
    Ok(events)
}

/// Switches submission (MSA) and retrieval (MRA) of an identifier on or off, each by itself (clause 7.1(1)b).
/// `None` leaves a switch as it is. Sessions that began before end.
///
/// # Errors
/// [`CommandError`].
pub async fn services(
    caller: &Caller,
    name: &str,
    msa: Option<bool>,
    mra: Option<bool>,
) -> Result<(), CommandError> {
    let told = |on: Option<bool>| on.map_or("as is", |on| if on { "on" } else { "off" });
    let words = format!(
        "account services {name} (msa {}, mra {})",
        told(msa),
        told(mra)
    );
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = caller.change(&words, MAY_SWITCH, move |tx, me| {
        let account = present(tx, &options, &name)?;
        let before = (account.msa, account.mra);
        let (msa, mra) = (msa.unwrap_or(before.0), mra.unwrap_or(before.1));
        account::switch(tx, account.id, msa, mra)?;
        tx.touch(Topic::Account(account.id));
        let event = me
            .event(Kind::AccountChanged, account.identifier)
            .detail("msa_before", before.0)
            .detail("msa", msa)
            .detail("mra_before", before.1)
            .detail("mra", mra);
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// Sets a password: the holder's own, or by an account manager anybody's. Without `chosen` one is made and
/// returned, once. One set by another than the holder has to be changed by the holder.
///
/// # Errors
/// [`CommandError`]; the present password again is refused.
pub async fn password(
    caller: &Caller,
    name: &str,
    chosen: Option<Secret>,
) -> Result<Option<Secret>, CommandError> {
    let alone = Alone(caller.directory.inner.store.clone());
    password_by(caller, (name, None), chosen, alone).await
}

/// The same, on the `order` of that number; what another than the holder does is committed together with the mail that tells of it: who
/// sets a password can log in with it.
///
/// # Errors
/// As [`password`]; [`CommandError::NeedsOrder`] where the settings demand one.
pub async fn password_by(
    caller: &Caller,
    (name, order): (&str, Option<i64>),
    chosen: Option<Secret>,
    by: impl Commit,
) -> Result<Option<Secret>, CommandError> {
    let words = on_order(format!("account password {name}"), order);
    let work = set_password(caller, &words, (name, order), (chosen, by));
    caller.run(&words, work).await
}

/// A command's words with the order that it is given on.
pub(super) fn on_order(words: String, order: Option<i64>) -> String {
    match order {
        Some(number) => format!("{words} --order {number}"),
        None => words,
    }
}

/// Refuses an order for what nobody needs one for.
pub(super) fn needs_none(order: Option<i64>) -> Result<(), CommandError> {
    match order {
        None => Ok(()),
        Some(number) => Err(CommandError::Argument(format!(
            "for the own account no order is needed: order {number} is left unused; leave --order out"
        ))),
    }
}

async fn set_password(
    caller: &Caller,
    words: &str,
    (name, order): (&str, Option<i64>),
    (chosen, by): (Option<Secret>, impl Commit),
) -> Result<Option<Secret>, CommandError> {
    let directory = &caller.directory;
    let options = directory.options();
    let (name, settings) = (name.to_owned(), options.clone());
    let now = directory.inner.store.now();
    let (account, full_name, held, base, own) = caller
        .peek(&[], move |snapshot, me| {
            let account = settable(snapshot, &settings, &name, me)?;
            ground(snapshot, (&settings, now), me, &account, order)?;
            let holder = person::by_name(snapshot, &account.person.1)?;
            let full_name = holder.map_or_else(String::new, |holder| holder.full_name);
            let held = credential::of(snapshot, account.id)?;
            let base = app_password::base(snapshot, account.id)?;
            let own = account.person.0 == me.id;
            Ok((account, full_name, held, base, own))
        })
        .await?;
    let made = chosen.is_none();
    let password = chosen.unwrap_or_else(|| rule::generate(&directory.inner.world));
    let text = password
        .expose_str()
        .ok_or_else(|| CommandError::Argument("the password is not UTF-8 text".to_owned()))?;
    let names = [account.person.1.as_str(), full_name.as_str()];
    rule::check(options.password_rule, text, &account.address, &names)?;
    let hasher = &directory.inner.hasher;
    let failed = |problem: crate::hash::HashFailure| CommandError::Hash(problem.to_string());
    if let Some(held) = held {
        let check = hasher.check((held.stored, true), password.clone(), options.cost(), None);
        if check.await.map_err(failed)?.matches {
            return Err(CommandError::SamePassword);
        }
    }
    let secrets = hasher
        .derive(password.clone(), options.cost(), base)
        .await
        .map_err(failed)?;
    let (name, generation) = (account.identifier, account.generation);
    let set = move |tx: &mut Tx<'_>, me: &Executor| {
        let account = settable(tx, &options, &name, me)?;
        let now = tx.now();
        let ground = ground(tx, (&options, now), me, &account, order)?;
        let fits = credential::fits(tx, account.id, &secrets)?;
        if account.generation != generation || !fits || own != (account.person.0 == me.id) {
            return Err(CommandError::Changed);
        }
        credential::set(tx, account.id, &secrets)?;
        account::renew(tx, account.id, !own)?;
        ground.spend(tx, me, &account.identifier)?;
        tx.touch(Topic::Account(account.id));
        let event = me
            .event(Kind::PasswordChanged, account.identifier)
            .detail("by", if own { "holder" } else { "account-manager" })
            .detail("made", made);
        Ok(((), vec![ground.told(event)]))
    };
    match own {
        true => caller.change(words, &[], set).await?,
        false => caller.change_by(by, words, MAY_SET, set).await?,
    }
    Ok(made.then_some(password))
}

/// What permits that the executor sets the password: who holds the account needs nothing.
fn ground(
    sql: &mut dyn Sql,
    site: (&Options, Timestamp),
    me: &Executor,
    account: &account::Entry,
    order: Option<i64>,
) -> Result<Ground, CommandError> {
    if account.person.0 == me.id {
        needs_none(order)?;
        return Ok(Ground::Role { single: false });
    }
    Ground::of(sql, site, me, (account, Act::Password), order)
}

/// The account, if the executor may set its password.
fn settable(
    sql: &mut dyn Sql,
    options: &Options,
    name: &str,
    me: &Executor,
) -> Result<account::Entry, CommandError> {
    let identifier = options.canonical_identifier(name);
    let entry = account::by_identifier(sql, &identifier)?;
    let own = entry.as_ref().is_some_and(|entry| entry.person.0 == me.id);
    if !own && !me.has(Role::AccountManager) {
        return Err(CommandError::NotHolder(identifier));
    }
    let account = present(sql, options, name)?;
    must_be_one_persons(sql, &account)?;
    Ok(account)
}

/// Refuses what a shared identifier has not: a password.
pub(super) fn must_be_one_persons(
    sql: &mut dyn Sql,
    account: &account::Entry,
) -> Result<(), CommandError> {
    match shared::of(sql, account.id)? {
        None => Ok(()),
        Some(_) => Err(CommandError::State(format!(
            "{} is shared and has no password: each of those who use it makes their own, `account app-password add`, in an incident \
             too, before it is resumed",
            account.identifier
        ))),
    }
}

/// An account that is not deleted.
pub(super) fn present(
    sql: &mut dyn Sql,
    options: &Options,
    name: &str,
) -> Result<account::Entry, CommandError> {
    let identifier = options.canonical_identifier(name);
    match account::by_identifier(sql, &identifier)? {
        Some(entry) if entry.state != AccountState::Deleted => Ok(entry),
        Some(_) | None => Err(CommandError::NoSuch {
            what: "account",
            name: identifier,
        }),
    }
}

fn view(sql: &mut dyn Sql, entry: account::Entry) -> Result<AccountView, CommandError> {
    let usage = if entry.state == AccountState::Deleted {
        mailbox::Usage::default()
    } else {
        mailbox::usage(sql, entry.id)?
    };
    let time = |at: Option<i64>| at.and_then(|at| Timestamp::from_microsecond(at).ok());
    Ok(AccountView {
        scheme: credential::of(sql, entry.id)?.map(|held| held.stored.scheme.as_str()),
        aliases: address::aliases(sql, entry.id)?,
        roles: address::roles_of(sql, entry.id)?,
        used: usage.bytes,
        messages: usage.messages,
        quota: usage.limit,
        identifier: entry.identifier,
        address: entry.address,
        person: entry.person.1,
        order: entry.order,
        delete_order: entry.delete_order,
        state: entry.state,
        msa: entry.msa,
        mra: entry.mra,
        must_change_password: entry.must_change_password,
        issued_at: entry.issued_at,
        suspended_at: time(entry.suspended_at),
        deleted_at: time(entry.deleted_at),
    })
}
