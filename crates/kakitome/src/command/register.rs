//! `register`: clause 7.1(5).

use directory::command::{
    Caller,
    register::{self, Wanted},
};

use super::{Answer, Failure, audit::search::time};
use crate::cli::RegisterCommand;

pub(super) async fn run(
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
            let at = at.as_deref().map(time).transpose()?;
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
            Ok(register::approve_erasure(caller, &identifier).await?)
        }
    }
}
