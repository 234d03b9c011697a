//! `register`: clause 7.1(5).

use directory::command::{
    Caller,
    register::{self, Wanted},
};

use super::{Answer, Failure, backups};
use crate::{cli::RegisterCommand, site::Site};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: RegisterCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        RegisterCommand::List {
            address,
            person,
            at,
        } => {
            let at = at.as_deref().map(|at| site.time(at)).transpose()?;
            let wanted = Wanted {
                address,
                person,
                at,
            };
            for line in register::list(caller, wanted).await? {
                answer.item(&line).await?;
            }
            Ok(())
        }
        RegisterCommand::Erase { identifier, reason } => {
            Ok(register::ask_erasure(caller, &identifier, &reason).await?)
        }
        RegisterCommand::Approve { identifier } => {
            register::approve_erasure(caller, &identifier).await?;
            backups::after_deletion(site, answer).await
        }
    }
}
