//! `expert`: contracts with outside experts (clause 10.1(2)).

use directory::command::Caller;
use governance::expert;

use super::{Answer, Failure};
use crate::{
    cli::{ExpertAddArgs, ExpertCommand},
    site::Site,
};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    command: ExpertCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let rules = site.rules();
    let after = match command {
        ExpertCommand::List => {
            for one in expert::list(caller, &rules).await? {
                answer.item(&one).await?;
            }
            return Ok(());
        }
        ExpertCommand::Add(words) => expert::add(caller, &rules, entered(words)).await?,
        ExpertCommand::Renew {
            number,
            until,
            renew_by,
            contact,
        } => expert::renew(caller, &rules, number, until, renew_by, contact).await?,
        ExpertCommand::End { number, reason } => {
            expert::end(caller, &rules, number, &reason).await?
        }
        ExpertCommand::Drill {
            number,
            on,
            failed,
            result,
        } => expert::drill(caller, &rules, number, on, !failed, &result).await?,
    };
    // The clause stands otherwise now.
    site.look_at_clauses.notify_one();
    answer.row(&after).await
}

fn entered(words: ExpertAddArgs) -> expert::New {
    expert::New {
        name: words.name,
        contact: words.contact,
        from: words.from,
        until: words.until,
        renew_by: words.renew_by,
    }
}
