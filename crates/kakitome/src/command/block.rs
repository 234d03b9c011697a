//! `block`: networks whose connections are not taken (clause 5.2(5)).

use directory::command::{Caller, block};

use super::{Answer, Failure};
use crate::cli::BlockCommand;

pub(super) async fn run(
    caller: &Caller,
    command: BlockCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    match command {
        BlockCommand::List => {
            for entry in block::list(caller).await? {
                answer.item(&entry).await?;
            }
            Ok(())
        }
        BlockCommand::Add {
            network,
            reason,
            time,
        } => {
            let time = time.map(|time| time.0);
            let placed = block::add(caller, network, &reason, time).await?;
            answer.row(&placed).await
        }
        BlockCommand::Remove { network, reason } => {
            Ok(block::remove(caller, network, &reason).await?)
        }
    }
}
