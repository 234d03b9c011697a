//! `person role grant | revoke`

use store::{PersonId, Tx};
use trail::Kind;

use super::{Caller, CommandError, person::find};
use crate::{Role, tables};

const MAY: &[Role] = &[Role::SystemOfficer, Role::SecurityOfficer];

/// Gives a person a role.
///
/// # Errors
/// [`CommandError`].
pub async fn grant(caller: &Caller, name: &str, role: Role) -> Result<(), CommandError> {
    let words = format!("person role grant {name} {role}");
    let name = name.to_owned();
    let work = caller.change(&words, MAY, move |tx, me| {
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
    let words = format!("person role revoke {name} {role}");
    let name = name.to_owned();
    let work = caller.change(&words, MAY, move |tx, me| {
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
        let event = me
            .event(Kind::RoleRevoked, &name)
            .detail("role", role.as_str())
            .detail("roles_before", before)
            .detail("roles_after", held(tx, person.id)?);
        Ok(((), vec![event]))
    });
    caller.run(&words, work).await
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
