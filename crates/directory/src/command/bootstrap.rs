//! The first person of a new installation.

use store::{Recorded, Store, Tx};
use trail::{Actor, Event, Kind};

use super::{CommandError, person};
use crate::{Role, tables};

/// Enters the first person with every officer's role, mapped to an operating-system user: for `init`, when there
/// is nobody yet who could give a command.
///
/// # Errors
/// [`CommandError::State`] when anybody is there already; [`CommandError::Argument`] when a name cannot be one.
pub async fn bootstrap(store: &Store, name: &str, os_user: &str) -> Result<(), CommandError> {
    let name = person::short_name(name)?;
    let user = person::user_name(os_user)?;
    let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, CommandError> {
        if !tables::person::all(tx)?.is_empty() {
            return Err(CommandError::State(
                "the directory has its first person already".to_owned(),
            ));
        }
        let id = tables::person::insert(tx, &name, &name)?;
        tables::person::map_user(tx, id, &user)?;
        for role in Role::OFFICERS {
            tables::person::grant(tx, id, role)?;
        }
        let roles: Vec<&str> = Role::OFFICERS.into_iter().map(Role::as_str).collect();
        let event = Event::new(Kind::PersonAdded, Actor::System)
            .subject(name.as_str())
            .detail("full_name", name.as_str())
            .detail("user", user.as_str())
            .detail("roles", roles)
            .detail("reason", "first person of the installation");
        Ok(tx.record(&event, ())?)
    };
    store.commit(Vec::new(), work).await?;
    Ok(())
}
