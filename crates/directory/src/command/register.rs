//! `register list | erase | approve`: who had which address when (clause 7.1(5)).

use jiff::Timestamp;
use serde::Serialize;
use store::sql::Sql;
use trail::Kind;

use super::{Caller, CommandError, account::MOST_REASON, order, plain_text};
use crate::{
    Options, Role,
    tables::{
        account::{self, AccountState},
        life, register as table,
    },
};

const MAY_ASK: &[Role] = &[Role::AccountManager, Role::SystemOfficer];
const MAY_APPROVE: &[Role] = &[Role::SecurityOfficer];

/// An address that a person has or had.
#[derive(Clone, Debug, Serialize)]
pub struct RegisterLine {
    /// The address.
    pub address: String,
    /// `main` or `alias`.
    pub kind: String,
    /// The identifier that it belongs to.
    pub identifier: String,
    /// The holder's short name.
    pub person: String,
    /// The holder's full name.
    pub full_name: String,
    /// The order on which the identifier was issued.
    pub order: i64,
    /// The order on which it was deleted.
    pub delete_order: Option<i64>,
    /// From when on; not known of aliases that were given up.
    pub from: Option<Timestamp>,
    /// Until when; `None`: still.
    pub until: Option<Timestamp>,
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this address, in any case.
    pub address: Option<String>,
    /// Of this person.
    pub person: Option<String>,
    /// That were good at this instant.
    pub at: Option<Timestamp>,
}

impl Wanted {
    fn matches(&self, line: &table::Line) -> bool {
        let is_then = |at: Timestamp| {
            line.from.is_none_or(|from| from <= at) && line.until.is_none_or(|until| at < until)
        };
        self.address
            .as_ref()
            .is_none_or(|address| *address == line.address)
            && self.person.as_ref().is_none_or(|name| *name == line.person)
            && self.at.is_none_or(is_then)
    }
}

/// The register.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller, mut wanted: Wanted) -> Result<Vec<RegisterLine>, CommandError> {
    let options = caller.directory.options();
    wanted.address = wanted
        .address
        .map(|address| options.canonical_identifier(&address));
    caller
        .look("register list", &Role::OFFICERS, move |snapshot, _| {
            let mut lines = table::lines(snapshot)?;
            lines.retain(|line| wanted.matches(line));
            Ok(lines.into_iter().map(shown).collect())
        })
        .await
}

fn shown(line: table::Line) -> RegisterLine {
    RegisterLine {
        address: line.address,
        kind: line.kind,
        identifier: line.identifier,
        person: line.person,
        full_name: line.full_name,
        order: line.order,
        delete_order: line.delete_order,
        from: line.from,
        until: line.until,
    }
}

/// Asks that who held a deleted identifier is erased from the register. The identifier stays taken.
///
/// # Errors
/// [`CommandError`].
pub async fn ask_erasure(caller: &Caller, name: &str, reason: &str) -> Result<(), CommandError> {
    let words = format!("register erase {name}");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = async {
        let reason = plain_text("the reason", reason, MOST_REASON)?;
        caller
            .change(&words, MAY_ASK, move |tx, me| {
                let account = deleted(tx, &options, &name)?;
                if let Some(wish) = table::wish(tx, account.id)? {
                    return Err(CommandError::State(match wish.approved_at {
                        Some(at) => {
                            format!("the entry of {} was erased at {at}", account.identifier)
                        }
                        None => format!(
                            "{} has asked for that; a security officer approves it",
                            wish.asked_by.1
                        ),
                    }));
                }
                table::ask(tx, account.id, &reason, me.id)?;
                let event = me.event(Kind::ErasureAsked, account.identifier);
                Ok(((), vec![event.detail("reason", reason)]))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Approves that, and does it: by a security officer who did not ask for it.
///
/// # Errors
/// [`CommandError`].
pub async fn approve_erasure(caller: &Caller, name: &str) -> Result<(), CommandError> {
    let words = format!("register approve {name}");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = caller.change(&words, MAY_APPROVE, move |tx, me| {
        let account = deleted(tx, &options, &name)?;
        let wish = table::wish(tx, account.id)?.filter(|wish| wish.approved_at.is_none());
        let wish = wish.ok_or_else(|| {
            CommandError::State(format!(
                "nobody has asked to erase the entry of {}: `register erase`",
                account.identifier
            ))
        })?;
        let single = wish.asked_by.0 == me.id;
        let now = tx.now();
        if single && !order::single_permitted(tx, now, &options)? {
            return Err(CommandError::State(format!(
                "{} asked for it: it needs another person",
                wish.asked_by.1
            )));
        }
        table::erase(tx, &account, me.id)?;
        let event = me
            .event(Kind::EntryErased, account.identifier)
            .detail("asked_by", wish.asked_by.1)
            .detail("reason", wish.reason);
        Ok(((), vec![order::mark_single(event, single)]))
    });
    caller.run(&words, work).await
}

/// An account that is deleted and that nothing holds.
fn deleted(
    sql: &mut dyn Sql,
    options: &Options,
    name: &str,
) -> Result<account::Entry, CommandError> {
    let identifier = options.canonical_identifier(name);
    let account = account::by_identifier(sql, &identifier)?;
    let account = account.ok_or(CommandError::NoSuch {
        what: "identifier",
        name: identifier,
    })?;
    if account.state != AccountState::Deleted {
        return Err(CommandError::State(format!(
            "{} is not deleted: only entries of the past can be erased",
            account.identifier
        )));
    }
    if let Some(hold) = life::hold(sql, account.id)? {
        return Err(CommandError::State(format!(
            "{} is held: {}",
            account.identifier, hold.reason
        )));
    }
    Ok(account)
}
