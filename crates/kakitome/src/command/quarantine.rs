//! `quarantine`: mail that is set apart (clause 5.3(2)).

use directory::{Person, Role};
use jiff::SignedDuration;
use serde_json::json;
use store::{QueueId, quarantine::Selection};
use transfer::command::quarantine::{self, Reach};

use super::{Answer, Failure, need};
use crate::{
    cli::{ApartArgs, QuarantineCommand},
    digests,
    site::Site,
};

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: QuarantineCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let transfer = &site.transfer;
    let reach = &Reach::of(transfer, caller).await?;
    match command {
        QuarantineCommand::List(words) => {
            let mut pages = quarantine::list(transfer, reach, selection(&words)?);
            while let Some(page) = pages.next().await? {
                for apart in &page {
                    answer.item(apart).await?;
                }
            }
            Ok(())
        }
        QuarantineCommand::Show { id } => {
            let apart = quarantine::show(transfer, reach, parse(&id)?).await?;
            answer.row(&apart).await
        }
        QuarantineCommand::Release(words) => {
            let done = quarantine::release(transfer, reach, chosen(&words)?).await?;
            if done.kept > 0 {
                answer
                    .note(format!(
                        "{} messages stay: only an administrator may release them",
                        done.kept
                    ))
                    .await;
            }
            if done.damaged > 0 {
                let text = format!(
                    "{} messages stay, since they cannot be opened; the log tells why, and `verify` what is wrong",
                    done.damaged
                );
                answer.note(text).await;
            }
            told(done, answer).await
        }
        QuarantineCommand::Delete(words) => {
            let done = quarantine::delete(transfer, reach, chosen(&words)?).await?;
            told(done, answer).await
        }
        QuarantineCommand::Digest => {
            need(caller, &[Role::Administrator])?;
            let sent = digests::send(site).await?;
            let row = json!({ "digests": sent.digests, "messages": sent.messages });
            answer.row(&row).await
        }
        QuarantineCommand::Figures { days } => {
            let from = site.world.now() - SignedDuration::from_hours(i64::from(days) * 24);
            for figures in quarantine::figures(transfer, caller, from).await? {
                answer.item(&figures).await?;
            }
            Ok(())
        }
    }
}

async fn told(done: quarantine::Done, answer: &mut Answer) -> Result<(), Failure> {
    if done.recipients == 0 {
        return Err(Failure::Refused(
            "nothing that is set apart matches, or nothing that you may release".to_owned(),
        ));
    }
    answer.row(&done).await
}

fn parse(id: &str) -> Result<QueueId, Failure> {
    id.parse()
        .map_err(|error| Failure::Words(format!("{id:?} is {error}")))
}

/// A selection that names something, or all of it in so many words.
fn chosen(words: &ApartArgs) -> Result<Selection, Failure> {
    let ApartArgs {
        ids,
        sender,
        recipient,
        cause,
        all,
    } = words;
    let names = !ids.is_empty() || sender.is_some() || recipient.is_some() || cause.is_some();
    if !names && !all {
        return Err(transfer::command::CommandError::NothingSelected.into());
    }
    selection(words)
}

fn selection(words: &ApartArgs) -> Result<Selection, Failure> {
    let address = |text: &str| super::address(text.trim_matches(['<', '>']));
    Ok(Selection {
        ids: words
            .ids
            .iter()
            .map(|id| parse(id))
            .collect::<Result<_, _>>()?,
        sender: match words.sender.as_deref() {
            None => None,
            Some("<>" | "") => Some(None),
            Some(text) => Some(Some(address(text)?)),
        },
        recipient: words.recipient.as_deref().map(address).transpose()?,
        cause: words.cause.clone(),
        ..Selection::default()
    })
}
