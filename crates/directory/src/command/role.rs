//! `person role grant | revoke`

use store::{PersonId, Tx};
use trail::Kind;

use super::{Alone, Caller, CommandError, Commit, person::find};
use crate::{Role, tables};

const MAY: &[Role] = &[Role::SystemOfficer, Role::SecurityOfficer];

/// Gives a person a role.
///
/// # Errors
/// [`CommandError`].
pub async fn grant(caller: &Caller, name: &str, role: Role) -> Result<(), CommandError> {
    let alone = Alone(caller.store().clone());
    grant_by(caller, (name, role), alone).await
}

/// The same, committed together with the mail that tells of it: who gives roles could make the second person that the regulation wants.
///
/// # Errors
/// As [`grant`].
pub async fn grant_by(
    caller: &Caller,
    (name, role): (&str, Role),
    by: impl Commit,
) -> Result<(), CommandError> {
    let words = format!("person role grant {name} {role}");
    let name = name.to_owned();
    let work = caller.change_by(by, &words, MAY, move |tx, me| {
        let person = find(tx, &name)?;
        let before = held(tx, person.id)?;
        if !tables::person::grant(tx, person.id, role)? {
            return Err(CommandError::State(format!(
                "{name} holds the role {role} already"
            )));
        }
        let event = me
            .event(Kind::RoleGranted, &name)
            .detail("role", role.as_str())
            .detail("roles_before", before)
            .detail("roles_after", held(tx, person.id)?);
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// Takes a role from a person.
///
/// # Errors
/// [`CommandError`]; the last system officer keeps the role.
pub async fn revoke(caller: &Caller, name: &str, role: Role) -> Result<(), CommandError> {
    let alone = Alone(caller.store().clone());
    revoke_by(caller, (name, role), alone).await
}

/// The same, committed together with the mail that tells of it.
///
/// # Errors
/// As [`revoke`].
pub async fn revoke_by(
    caller: &Caller,
    (name, role): (&str, Role),
    by: impl Commit,
) -> Result<(), CommandError> {
    let words = format!("person role revoke {name} {role}");
    let name = name.to_owned();
    let work = caller.change_by(by, &words, MAY, move |tx, me| {
        let person = find(tx, &name)?;
        let before = held(tx, person.id)?;
        if before.contains(&role.as_str()) {
            keep_one_officer(tx, person.id, &[role])?;
        }
        if !tables::person::revoke(tx, person.id, role)? {
            return Err(CommandError::State(format!(
                "{name} does not hold the role {role}"
            )));
        }
        note_ceased(tx, person.id, role.is_officers())?;
        let event = me
            .event(Kind::RoleRevoked, &name)
            .detail("role", role.as_str())
            .detail("roles_before", before)
            .detail("roles_after", held(tx, person.id)?);
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
}

/// Notes that a person who held an officer's role holds none any more: they count on for a while (`order::alone_from`).
pub(super) fn note_ceased(
    tx: &mut Tx<'_>,
    person: PersonId,
    was_officer: bool,
) -> Result<(), store::Error> {
    let roles = tables::person::roles(tx, person)?;
    match was_officer && !roles.into_iter().any(Role::is_officers) {
        true => tables::officer::note_ceased(tx),
        false => Ok(()),
    }
}

/// The roles that a person holds, by name.
fn held(tx: &mut Tx<'_>, person: PersonId) -> Result<Vec<&'static str>, store::Error> {
    let roles = tables::person::roles(tx, person)?;
    Ok(roles.into_iter().map(Role::as_str).collect())
}

/// Refuses to let the last system officer go who is not to leave: nobody could order or grant anything any more.
pub(super) fn keep_one_officer(
    tx: &mut Tx<'_>,
    person: PersonId,
    losing: &[Role],
) -> Result<(), CommandError> {
    if losing.contains(&Role::SystemOfficer)
        && !tables::person::another_stays(tx, Role::SystemOfficer, person)?
    {
        return Err(CommandError::State(
            "this is the last system officer who stays; grant the role to another person first"
                .to_owned(),
        ));
    }
    Ok(())
}
