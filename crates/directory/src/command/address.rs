//! `address alias add | remove`, `address role`

use message::address::Address;
use trail::Kind;

use super::{
    Caller, CommandError,
    account::present,
    new_address::{nobody_elses, usual},
};
use crate::{
    Role,
    route::{MOST_TARGETS, ROLE_LOCALS},
    tables::{account, address, forward},
};

const MAY: &[Role] = &[Role::AccountManager];
const MAY_ROUTE: &[Role] = &[Role::Administrator, Role::AccountManager];

/// Makes `alias` mean an account, beside those it means already.
///
/// # Errors
/// [`CommandError`]; main addresses and addresses that were another's cannot be aliases.
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
        if !address::insert(tx, &alias, account.id, false)? {
            return Err(CommandError::Exists {
                what: "alias",
                name: alias.to_string(),
            });
        }
        let event = me
            .event(Kind::AccountChanged, account.identifier)
            .detail("alias_added", alias.to_string());
        Ok(((), vec![event]))
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
/// [`CommandError`].
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
        let before = match address::role_target(tx, &role)? {
            Some((before, _)) => account::by_id(tx, before)?.map(|before| before.identifier),
            None => None,
        };
        address::set_role(tx, &role, account.id)?;
        let event = me
            .event(Kind::AccountChanged, account.identifier)
            .detail("role_address_before", before)
            .detail("role_address", role.to_string());
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}
