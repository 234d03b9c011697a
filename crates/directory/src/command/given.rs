//! What a holder was given elsewhere, beside the own account: shared identifiers, and mailboxes to read. With the last account of theirs
//! that ends too, since nobody looks after it any more (clauses 7.1(3), 8.1).

use store::{AccountId, Error, PersonId, Topic, Tx, sql::Sql};
use trail::{Event, Kind};

use super::reading::close;
use crate::tables::{account, app_password, reading, shared};

/// Whether the person has no account but this one.
fn is_last(sql: &mut dyn Sql, account: &account::Entry) -> Result<bool, Error> {
    let theirs = account::of_person(sql, account.person.0)?;
    Ok(theirs.iter().all(|one| one.id == account.id))
}

/// What the holder of an account that is about to be deleted was given elsewhere, in words, with what becomes of it.
pub(super) fn listed(sql: &mut dyn Sql, account: &account::Entry) -> Result<Vec<String>, Error> {
    let (person, name) = (account.person.0, account.person.1.as_str());
    let fate = match is_last(sql, account)? {
        true => format!("ended, since it is the last account of {name}"),
        false => format!("stays, since {name} has another account"),
    };
    let mut found = Vec::new();
    for (_, identifier) in of_others(sql, account.id, person)? {
        found.push(format!("use of the shared {identifier}: {fate}"));
    }
    for entry in readings(sql, account.id, person)? {
        found.push(format!(
            "reading of {} on order {}: {fate}",
            entry.identifier, entry.order
        ));
    }
    Ok(found)
}

/// Ends it, with the app passwords that the holder made there, if the account that is about to be deleted on `order` is their last; an
/// event for each, begun by `event`.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    account: &account::Entry,
    order: i64,
    event: impl Fn(Kind, &str) -> Event,
) -> Result<Vec<Event>, Error> {
    if !is_last(tx, account)? {
        return Ok(Vec::new());
    }
    let person = account.person.0;
    let mut events = Vec::new();
    for (id, identifier) in of_others(tx, account.id, person)? {
        let before = names(tx, id)?;
        shared::leave(tx, id, person)?;
        let revoked = app_password::revoke_made_by(tx, id, person)?;
        tx.touch(Topic::Account(id));
        let event = event(Kind::AccountChanged, &identifier)
            .order(order)
            .detail("users", names(tx, id)?)
            .detail("users_before", before)
            .detail("app_passwords_revoked", revoked);
        events.push(event);
    }
    for entry in readings(tx, account.id, person)? {
        let event = event(Kind::ReadingEnded, &entry.identifier).detail("delete_order", order);
        events.push(close(tx, &entry, event, "deleted")?);
    }
    Ok(events)
}

/// Identifiers other than `but` that a person shares.
fn of_others(
    sql: &mut dyn Sql,
    but: AccountId,
    person: PersonId,
) -> Result<Vec<(AccountId, String)>, Error> {
    let mut all = shared::of_person(sql, person)?;
    all.retain(|(id, _)| *id != but);
    Ok(all)
}

/// A person's accesses to accounts other than `but`.
fn readings(
    sql: &mut dyn Sql,
    but: AccountId,
    person: PersonId,
) -> Result<Vec<reading::Entry>, Error> {
    let mut all = reading::all(sql)?;
    all.retain(|entry| entry.person.0 == person && entry.account != but);
    Ok(all)
}

fn names(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<String>, Error> {
    let users = shared::users(sql, account)?.into_iter();
    Ok(users.map(|(_, name)| name).collect())
}
