//! `address alias add | remove`, `address role`

use message::address::Address;
use store::{Tx, sql::Sql};
use trail::Kind;

use super::{
    Caller, CommandError, Executor,
    account::present,
    new_address::{nobody_elses, usual},
    order::{self, mark_single},
};
use crate::{
    Options, Role,
    route::{MOST_TARGETS, ROLE_LOCALS, role_mailbox},
    tables::{account, address, forward, shared},
};

const MAY: &[Role] = &[Role::AccountManager];
const MAY_ROUTE: &[Role] = &[Role::Administrator, Role::AccountManager];

/// Makes `alias` mean an account, beside those it means already.
///
/// # Errors
/// [`CommandError`]; main addresses and addresses that were another's cannot be aliases, and nobody adds their own account to one that
/// means another's.
pub async fn add_alias(
    caller: &Caller,
    alias: &Address,
    account: &str,
) -> Result<(), CommandError> {
    let words = format!("address alias add {alias} {account}");
    let options = caller.directory.options();
    let (alias, name) = (alias.canonical(), account.to_owned());
    let work = caller.change(&words, MAY, move |tx, me| {
        if options.own(alias.domain()).is_none() {
            return Err(CommandError::NotOwn(alias));
        }
        usual(&alias)?;
        let account = present(tx, &options, &name)?;
        if address::is_main(tx, &alias)? {
            return Err(CommandError::Exists {
                what: "address",
                name: alias.to_string(),
            });
        }
        let targets = address::targets(tx, &alias, MOST_TARGETS)?;
        if targets.is_empty() && address::was_anothers(tx, &alias, Some(account.id))? {
            return Err(CommandError::Retired(alias));
        }
        if targets.is_empty() {
            nobody_elses(tx, &options, &alias, Some(account.id))?;
        }
        if targets.len() >= usize::try_from(MOST_TARGETS).unwrap_or(usize::MAX) {
            return Err(CommandError::State(format!(
                "{alias} means {MOST_TARGETS} accounts already"
            )));
        }
        let mut others = Vec::with_capacity(targets.len());
        for (other, _) in targets {
            others.extend(account::by_id(tx, other)?);
        }
        let single = takes_alone(tx, (&options, &alias), me, &account, &others)?;
        if !address::insert(tx, &alias, account.id, false)? {
            return Err(CommandError::Exists {
                what: "alias",
                name: alias.to_string(),
            });
        }
        let event = me
            .event(Kind::AccountChanged, account.identifier)
            .detail("alias_added", alias.to_string())
            .detail("targets_before", identifiers(others));
        Ok(((), vec![mark_single(event, single)]))
    });
    caller.run(&words, work).await
}

/// Takes an alias from an account.
///
/// # Errors
/// [`CommandError`].
pub async fn remove_alias(
    caller: &Caller,
    alias: &Address,
    account: &str,
) -> Result<(), CommandError> {
    let words = format!("address alias remove {alias} {account}");
    let options = caller.directory.options();
    let (alias, name) = (alias.canonical(), account.to_owned());
    let work = caller.change(&words, MAY, move |tx, me| {
        let account = present(tx, &options, &name)?;
        let writers = forward::writers(tx, &alias)?;
        if !address::remove_alias(tx, &alias, account.id)? {
            return Err(CommandError::NoSuch {
                what: "alias",
                name: alias.to_string(),
            });
        }
        let mut event = me
            .event(Kind::AccountChanged, account.identifier)
            .detail("alias_removed", alias.to_string());
        // With the last whom it means, it is not said any more who may write to it.
        let after = forward::writers(tx, &alias)?;
        if after != writers {
            event = event
                .detail("writers", after.as_str())
                .detail("writers_before", writers.as_str());
        }
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// Routes `postmaster@` or `abuse@` of an own domain to an account.
///
/// # Errors
/// [`CommandError`]; nobody takes one whose mail was another's for their own, whether it was routed there or went there by itself.
pub async fn role(caller: &Caller, role: &Address, account: &str) -> Result<(), CommandError> {
    let words = format!("address role {role} {account}");
    let options = caller.directory.options();
    let (role, name) = (role.canonical(), account.to_owned());
    let work = caller.change(&words, MAY_ROUTE, move |tx, me| {
        if options.own(role.domain()).is_none() {
            return Err(CommandError::NotOwn(role));
        }
        if !ROLE_LOCALS.contains(&role.local()) {
            return Err(CommandError::Argument(format!(
                "{role} is neither postmaster@ nor abuse@"
            )));
        }
        let account = present(tx, &options, &name)?;
        let before = match role_mailbox(tx, &role)? {
            Some((before, _)) => account::by_id(tx, before)?,
            None => None,
        };
        let single = takes_alone(tx, (&options, &role), me, &account, before.as_slice())?;
        let before = before.map(|before| before.identifier);
        address::set_role(tx, &role, account.id)?;
        let event = me
            .event(Kind::AccountChanged, account.identifier)
            .detail("role_address_before", before)
            .detail("role_address", role.to_string());
        Ok(((), vec![mark_single(event, single)]))
    });
    caller.run(&words, work).await
}

fn identifiers(accounts: Vec<account::Entry>) -> Vec<String> {
    let all = accounts.into_iter();
    all.map(|account| account.identifier).collect()
}

/// Whether the executor gives the mail of an address that means `others`, another's among them, to an account that they read
/// themselves: that would be another's mail, by nobody's decision but their own (clause 7.1(4)).
///
/// # Errors
/// [`CommandError::State`] if it is so, unless the site has only one person for it.
fn takes_alone(
    tx: &mut Tx<'_>,
    (options, address): (&Options, &Address),
    me: &Executor,
    account: &account::Entry,
    others: &[account::Entry],
) -> Result<bool, CommandError> {
    let mut takes = false;
    if is_read_by(tx, account, me)? {
        for other in others {
            takes |= !is_read_by(tx, other, me)?;
        }
    }
    let now = tx.now();
    if takes && !order::single_permitted(tx, now, options)? {
        return Err(CommandError::State(format!(
            "{address} means another's account, and {} is read by you: another person with the role makes it mean that one, too",
            account.identifier
        )));
    }
    Ok(takes)
}

/// Whether the executor holds the account or shares it, whatever the day.
fn is_read_by(
    sql: &mut dyn Sql,
    account: &account::Entry,
    me: &Executor,
) -> Result<bool, store::Error> {
    let users = shared::users(sql, account.id)?;
    Ok(account.person.0 == me.id || users.iter().any(|(user, _)| *user == me.id))
}
