//! `person add | list | show | leave | map | unmap`

use jiff::Timestamp;
use serde::Serialize;
use store::{Topic, sql::Sql};
use trail::Kind;
use unicode_normalization::UnicodeNormalization;

use super::{
    Alone, Caller, CommandError, Commit, account::on_order, is_hidden, leaving, new_address::fold,
    on_behalf, plain_text,
};
use crate::{
    Language, Role,
    tables::{self, language, life},
};

/// Longest short name, in characters.
const MOST_NAME: usize = 128;
/// Longest full name, in characters.
const MOST_FULL_NAME: usize = 200;
/// Longest name of an operating-system user, in octets.
const MOST_USER: usize = 64;

pub(super) const MAY_ADD: &[Role] = &[
    Role::SystemOfficer,
    Role::SecurityOfficer,
    Role::PersonnelClerk,
];
const MAY_MAP: &[Role] = &[Role::SystemOfficer, Role::SecurityOfficer];

/// A person to enter.
#[derive(Clone, Debug, Default)]
pub struct Add {
    /// Short name, unique for ever.
    pub name: String,
    /// Full name; the short name when not given.
    pub full_name: Option<String>,
    /// The operating-system user that the person is.
    pub os_user: Option<String>,
}

/// A person, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct PersonView {
    /// Short name.
    pub name: String,
    /// Full name.
    pub full_name: String,
    /// Whether the person has left.
    pub left: bool,
    /// Roles held.
    pub roles: Vec<Role>,
    /// Operating-system users that the person is.
    pub users: Vec<String>,
    /// Identifiers of accounts not deleted.
    pub accounts: Vec<String>,
    /// When the person was entered.
    pub added_at: Timestamp,
    /// Who announced the person (clause 9.1(1)); absent if that is not on record.
    pub announced_by: Option<String>,
    /// When the person first said that they know that mail records are kept and analysed.
    pub acknowledged_at: Option<Timestamp>,
    /// When the person is to leave.
    pub leaves_at: Option<Timestamp>,
    /// In which language the person is written to; absent: as the site says.
    pub language: Option<Language>,
    /// When the person left.
    pub left_at: Option<Timestamp>,
}

/// What remains to be done after a person left.
#[derive(Clone, Debug, Serialize)]
pub struct Left {
    /// Accounts that still exist: each needs an order to delete it (clause 9.2(1)).
    pub accounts: Vec<String>,
}

/// Enters a person, and announces them by that (clause 9.1(1)). Names are never used again, since the trail refers to them.
///
/// # Errors
/// [`CommandError`].
pub async fn add(caller: &Caller, person: Add) -> Result<PersonView, CommandError> {
    let words = format!("person add {}", person.name);
    let work = async {
        let name = short_name(&person.name)?;
        let full_name = plain_text(
            "the full name",
            person.full_name.as_deref().unwrap_or(&name),
            MOST_FULL_NAME,
        )?;
        let user = person.os_user.as_deref().map(user_name).transpose()?;
        caller
            .change(&words, MAY_ADD, move |tx, me| {
                must_be_nobody_elses(tx, &name)?;
                let id = tables::person::insert(tx, &name, &full_name)?;
                life::announce(tx, id, me.id)?;
                let mut event = me
                    .event(Kind::PersonAdded, &name)
                    .detail("full_name", full_name.as_str());
                if let Some(user) = user {
                    if !tables::person::map_user(tx, id, &user)? {
                        return Err(CommandError::Exists {
                            what: "a person for user",
                            name: user,
                        });
                    }
                    event = event.detail("user", user);
                }
                Ok((view(tx, &name)?, vec![event]))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Says which operating-system user a person is.
///
/// # Errors
/// [`CommandError`].
pub async fn map(caller: &Caller, name: &str, os_user: &str) -> Result<(), CommandError> {
    let alone = Alone(caller.directory.inner.store.clone());
    map_by(caller, (name, os_user), None, alone).await
}

/// The same, on the `order` of that number, committed together with the mail that tells of it: that user can do what the person can.
///
/// # Errors
/// As [`map`]; [`CommandError::NeedsOrder`] where the settings demand one and the person has a mailbox or an officer's role.
pub async fn map_by(
    caller: &Caller,
    (name, os_user): (&str, &str),
    order: Option<i64>,
    by: impl Commit,
) -> Result<(), CommandError> {
    let words = on_order(format!("person map {name} --user {os_user}"), order);
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = async {
        let user = user_name(os_user)?;
        caller
            .change_by(by, &words, MAY_MAP, move |tx, me| {
                let person = find(tx, &name)?;
                let ground = on_behalf::to_map(tx, &options, me, (&person, &user), order)?;
                let before = tables::person::users(tx, person.id)?;
                if !tables::person::map_user(tx, person.id, &user)? {
                    return Err(CommandError::Exists {
                        what: "a person for user",
                        name: user,
                    });
                }
                let event = me
                    .event(Kind::PersonAdded, &name)
                    .detail("user", user)
                    .detail("users_before", before)
                    .detail("users_after", tables::person::users(tx, person.id)?);
                ground.spend(tx, me, &name)?;
                Ok(((), vec![ground.told(event)]))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Takes an operating-system user from a person, committed together with the mail that tells of it: that user gives no command as them
/// any more.
///
/// # Errors
/// [`CommandError`]; the last user by whom a system officer gives commands stays.
pub async fn unmap(
    caller: &Caller,
    (name, os_user): (&str, &str),
    by: impl Commit,
) -> Result<(), CommandError> {
    let words = format!("person unmap {name} --os-user {os_user}");
    let name = name.to_owned();
    let work = async {
        let user = user_name(os_user)?;
        caller
            .change_by(by, &words, MAY_MAP, move |tx, me| {
                let person = any(tx, &name)?;
                let before = tables::person::users(tx, person.id)?;
                if !tables::person::unmap_user(tx, person.id, &user)? {
                    return Err(CommandError::State(format!(
                        "{name} is not the operating-system user {user}"
                    )));
                }
                let after = tables::person::users(tx, person.id)?;
                let officer = Role::SystemOfficer;
                if after.is_empty()
                    && tables::person::roles(tx, person.id)?.contains(&officer)
                    && !tables::person::another_commands(tx, officer, person.id)?
                {
                    return Err(CommandError::State(format!(
                        "{user} is the last by whom a system officer gives commands: give {name} another with `person map` first"
                    )));
                }
                let event = me
                    .event(Kind::PersonUnmapped, &name)
                    .detail("user", user)
                    .detail("users_before", before)
                    .detail("users_after", after);
                Ok(((), vec![event]))
            })
            .await
    };
    caller.run(&words, work).await
}

/// Everybody, those who left too.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<PersonView>, CommandError> {
    caller
        .look("person list", &Role::OFFICERS, |snapshot, _| {
            everybody(snapshot)
        })
        .await
}

/// Everybody, those who left too, for a command of another room that tells who holds which role.
///
/// # Errors
/// When the store cannot be read.
pub fn everybody(sql: &mut dyn Sql) -> Result<Vec<PersonView>, CommandError> {
    let all = tables::person::all(sql)?;
    all.into_iter()
        .map(|entry| view(sql, &entry.name))
        .collect()
}

/// One person.
///
/// # Errors
/// [`CommandError`].
pub async fn show(caller: &Caller, name: &str) -> Result<PersonView, CommandError> {
    let words = format!("person show {name}");
    let name = name.to_owned();
    caller
        .look(&words, &Role::OFFICERS, move |snapshot, _| {
            view(snapshot, &name)
        })
        .await
}

/// Notes that a person has left: all roles and operating-system users end at once, and nobody logs in as them any more. Accounts stay,
/// suspended, until they are deleted by order.
///
/// # Errors
/// [`CommandError`]; the last system officer cannot leave.
pub async fn leave(caller: &Caller, name: &str) -> Result<Left, CommandError> {
    let alone = Alone(caller.store().clone());
    leave_by(caller, name, alone).await
}

/// The same, committed together with the mail that tells of it, where the person is an officer.
///
/// # Errors
/// As [`leave`].
pub async fn leave_by(caller: &Caller, name: &str, by: impl Commit) -> Result<Left, CommandError> {
    let words = format!("person leave {name}");
    let name = name.to_owned();
    let work = caller.change_by(by, &words, MAY_ADD, move |tx, me| {
        let person = find(tx, &name)?;
        let roles = tables::person::roles(tx, person.id)?;
        super::role::keep_one_officer(tx, person.id, &roles)?;
        tables::person::leave(tx, person.id)?;
        let was_officer = roles.iter().any(|role| role.is_officers());
        super::role::note_ceased(tx, person.id, was_officer)?;
        let theirs = tables::account::of_person(tx, person.id)?;
        let mut events = Vec::new();
        for account in &theirs {
            let event = me.event(Kind::AccountSuspended, &account.identifier);
            events.extend(leaving::suspend(tx, account, event)?);
        }
        let accounts: Vec<String> = theirs
            .into_iter()
            .map(|account| account.identifier)
            .collect();
        // What they use with others is closed to them at once.
        let mut shared = Vec::new();
        for (account, identifier) in tables::shared::of_person(tx, person.id)? {
            tx.touch(Topic::Account(account));
            shared.push(identifier);
        }
        let roles: Vec<&str> = roles.into_iter().map(Role::as_str).collect();
        let event = me
            .event(Kind::PersonLeft, &name)
            .detail("roles", roles)
            .detail("accounts", accounts.clone())
            .detail("shared", shared);
        events.insert(0, event);
        Ok((Left { accounts }, events))
    });
    caller.run(&words, work).await
}

/// An active person of that name.
pub(super) fn find(sql: &mut dyn Sql, name: &str) -> Result<tables::person::Entry, CommandError> {
    let person = any(sql, name)?;
    if person.active {
        Ok(person)
    } else {
        Err(CommandError::State(format!("{name} has left")))
    }
}

/// Refuses one whose day to leave has come, whether anybody has noted that they left or not (clause 9.2(1)).
pub(crate) fn must_not_be_gone(
    sql: &mut dyn Sql,
    person: &tables::person::Entry,
    now: Timestamp,
) -> Result<(), CommandError> {
    match life::leaves_at(sql, person.id)?.filter(|day| *day <= now) {
        None => Ok(()),
        Some(leaves_at) => Err(CommandError::Departed {
            name: person.name.clone(),
            leaves_at,
        }),
    }
}

/// A person of that name, gone or not.
pub(super) fn any(sql: &mut dyn Sql, name: &str) -> Result<tables::person::Entry, CommandError> {
    tables::person::by_name(sql, name)?.ok_or_else(|| CommandError::NoSuch {
        what: "person",
        name: name.to_owned(),
    })
}

pub(super) fn view(sql: &mut dyn Sql, name: &str) -> Result<PersonView, CommandError> {
    let person = any(sql, name)?;
    let accounts = tables::account::of_person(sql, person.id)?;
    Ok(PersonView {
        roles: tables::person::roles(sql, person.id)?,
        users: tables::person::users(sql, person.id)?,
        accounts: accounts
            .into_iter()
            .map(|account| account.identifier)
            .collect(),
        name: person.name,
        full_name: person.full_name,
        left: !person.active,
        added_at: person.added_at,
        announced_by: life::announced_by(sql, person.id)?.map(|(_, name)| name),
        acknowledged_at: life::acknowledged(sql, person.id)?,
        leaves_at: life::leaves_at(sql, person.id)?,
        language: language::of(sql, person.id)?,
        left_at: person.left_at,
    })
}

/// Refuses a short name that somebody has or had, or that differs from theirs in case, width or form alone: who reads the trail would
/// take one for the other.
fn must_be_nobody_elses(sql: &mut dyn Sql, name: &str) -> Result<(), CommandError> {
    let folded = fold(name);
    let mut all = tables::person::all(sql)?.into_iter();
    match all.find(|other| fold(&other.name) == folded) {
        None => Ok(()),
        Some(other) => Err(CommandError::Exists {
            what: "person",
            name: other.name,
        }),
    }
}

/// A short name: letters and digits of any script, `.`, `_`, `-` and `@`.
pub(super) fn short_name(text: &str) -> Result<String, CommandError> {
    let name: String = text.nfc().collect();
    let fits = (1..=MOST_NAME).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "._-@+".contains(c))
        && !name.starts_with('-');
    if fits {
        Ok(name)
    } else {
        Err(CommandError::Argument(format!(
            "a person's short name has 1 to {MOST_NAME} letters, digits, or . _ - @ +, and does not begin with -"
        )))
    }
}

pub(super) fn user_name(text: &str) -> Result<String, CommandError> {
    if text.is_empty()
        || text.len() > MOST_USER
        || text.chars().any(|c| is_hidden(c) || c.is_whitespace())
    {
        return Err(CommandError::Argument(format!(
            "{text:?} is no operating-system user"
        )));
    }
    Ok(text.to_owned())
}
