//! `person`

use directory::{
    Role,
    command::{Caller, person, role},
};
use serde_json::json;

use super::{Answer, Failure};
use crate::cli::{PersonCommand, RoleCommand};

pub(super) async fn run(
    caller: &Caller,
    command: PersonCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        PersonCommand::Add {
            name,
            full_name,
            os_user,
        } => {
            let entered = person::Add {
                name,
                full_name,
                os_user,
            };
            answer.row(&person::add(caller, entered).await?).await
        }
        PersonCommand::List => {
            for entry in person::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        PersonCommand::Show { name } => answer.row(&person::show(caller, &name).await?).await,
        PersonCommand::Map { name, os_user } => Ok(person::map(caller, &name, &os_user).await?),
        PersonCommand::Leave { name } => {
            let left = person::leave(caller, &name).await?;
            answer
                .row(&json!({"person": name, "accounts": left.accounts}))
                .await?;
            if !left.accounts.is_empty() {
                answer
                    .note(
                        "Each account needs an order to delete it: `order delete` (clause 9.2(1)).",
                    )
                    .await;
            }
            Ok(())
        }
        PersonCommand::Role(RoleCommand::Grant { person, role }) => {
            Ok(role::grant(caller, &person, parse(&role)?).await?)
        }
        PersonCommand::Role(RoleCommand::Revoke { person, role }) => {
            Ok(role::revoke(caller, &person, parse(&role)?).await?)
        }
    }
}

fn parse(role: &str) -> Result<Role, Failure> {
    role.parse()
        .map_err(|error| Failure::Words(format!("{error}")))
}
