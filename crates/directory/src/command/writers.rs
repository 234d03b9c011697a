//! `account writers`: who may write to an alias.

use message::address::Address;
use serde::Serialize;
use store::{Error, sql::Sql};
use trail::Kind;

use super::{Caller, CommandError, account::present};
use crate::{
    Role, Writers,
    tables::{account, address, forward},
};

const MAY: &[Role] = &[Role::AccountManager];
/// Accounts that may be named for one alias.
const MOST_NAMED: usize = 500;

/// Who may write to an alias, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WritersView {
    /// The alias.
    pub alias: Address,
    /// The rule: `anyone`, `inside`, `members` or `named`.
    pub writers: &'static str,
    /// Of `named`: identifiers of those who may.
    pub named: Vec<String>,
}

/// Says who may write to an alias; of [`Writers::Named`], the identifiers in `named`.
///
/// # Errors
/// [`CommandError`]; to a main address everybody may write.
pub async fn set(
    caller: &Caller,
    alias: &Address,
    writers: Writers,
    named: Vec<String>,
) -> Result<WritersView, CommandError> {
    let words = format!("account writers {alias} {}", writers.as_str());
    let (alias, options) = (alias.canonical(), caller.directory.options());
    let work = caller.change(&words, MAY, move |tx, me| {
        must_be_alias(tx, &alias)?;
        if (writers == Writers::Named) == named.is_empty() {
            return Err(CommandError::Argument(
                "--writer names those who may write where the rule is `named`, and belongs to no other rule".to_owned(),
            ));
        }
        if named.len() > MOST_NAMED {
            return Err(CommandError::Argument(format!(
                "{MOST_NAMED} writers may be named at most: make an alias of them, and let its members write"
            )));
        }
        let mut accounts = Vec::with_capacity(named.len());
        for name in &named {
            let account = present(tx, &options, name)?.id;
            if !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        let before = view(tx, &alias)?;
        forward::set_writers(tx, &alias, (writers, &accounts))?;
        let after = view(tx, &alias)?;
        let mut event = me
            .event(Kind::AccountChanged, alias.to_string())
            .detail("writers", after.writers)
            .detail("writers_before", before.writers);
        if writers == Writers::Named {
            event = event.detail("named", after.named.clone());
        }
        if !before.named.is_empty() {
            event = event.detail("named_before", before.named);
        }
        Ok((after, vec![event]))
    });
    caller.run(&words, work).await
}

/// Who may write to an alias.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, alias: &Address) -> Result<WritersView, CommandError> {
    let words = format!("account writers {alias}");
    let alias = alias.canonical();
    caller
        .look(&words, &Role::OFFICERS, move |snapshot, _| {
            must_be_alias(snapshot, &alias)?;
            Ok(view(snapshot, &alias)?)
        })
        .await
}

fn must_be_alias(sql: &mut dyn Sql, alias: &Address) -> Result<(), CommandError> {
    if address::is_main(sql, alias)? {
        return Err(CommandError::Argument(format!(
            "{alias} is somebody's own address, to which everybody may write"
        )));
    }
    match address::targets(sql, alias, 1)?.is_empty() {
        false => Ok(()),
        true => Err(CommandError::NoSuch {
            what: "alias",
            name: alias.to_string(),
        }),
    }
}

fn view(sql: &mut dyn Sql, alias: &Address) -> Result<WritersView, Error> {
    let mut names = Vec::new();
    for id in forward::named_writers(sql, alias)? {
        names.extend(account::by_id(sql, id)?.map(|account| account.identifier));
    }
    Ok(WritersView {
        writers: forward::writers(sql, alias)?.as_str(),
        alias: alias.clone(),
        named: names,
    })
}
