//! `queue`: clause 5.4.

use message::address::Host;
use serde_json::json;
use store::queue::{Selection, State};
use transfer::command::{self, Which};

use super::{Answer, Failure, words};
use crate::{
    cli::{QueueCommand, SelectionArgs},
    settings::Time,
    site::Site,
};

pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    command: QueueCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let store = &site.store;
    let changed = match command {
        QueueCommand::List(words) => {
            let mut listing = command::list(store, caller, selection(site, &words)?).await?;
            while let Some(page) = listing.next().await? {
                for message in &page {
                    answer.item(&brief(message)).await?;
                }
            }
            return Ok(());
        }
        QueueCommand::Show { id } => {
            let id = id
                .parse()
                .map_err(|error| Failure::Words(format!("{id:?} is {error}")))?;
            return answer.row(&command::show(store, caller, id).await?).await;
        }
        QueueCommand::Retry(words) => command::retry(store, caller, which(site, &words)?).await?,
        QueueCommand::Hold(words) => command::hold(store, caller, which(site, &words)?).await?,
        QueueCommand::Release(words) => {
            command::release(store, caller, which(site, &words)?).await?
        }
        QueueCommand::Discard { selection, reason } => {
            let reason = words("the reason", &reason)?;
            command::discard(store, caller, which(site, &selection)?, &reason).await?
        }
        QueueCommand::Bounce { selection, reason } => {
            let reason = match reason {
                Some(reason) => words("the reason", &reason)?,
                None => "returned by the administrator".to_owned(),
            };
            command::bounce(&site.transfer, caller, which(site, &selection)?, &reason).await?
        }
    };
    if changed == 0 {
        return Err(Failure::Refused(
            "nothing in the queue matches (held mail is not retried: release it first)".to_owned(),
        ));
    }
    answer.row(&json!({ "recipients": changed })).await
}

/// A queued message on one line.
fn brief(message: &command::Listed) -> serde_json::Value {
    let recipients: Vec<&str> = message
        .recipients
        .iter()
        .map(|recipient| recipient.address.as_str())
        .collect();
    let first = message.recipients.first();
    json!({
        "id": message.id,
        "queued_at": message.queued_at,
        "size": message.size,
        "sender": if message.sender.is_empty() { "<>" } else { message.sender.as_str() },
        "recipients": recipients,
        "state": first.map(|recipient| recipient.state),
        "attempts": first.map(|recipient| recipient.attempts),
        "next_attempt": first.map(|recipient| recipient.next_attempt),
        "last_reply": first.map(|recipient| recipient.last_reply.as_str()),
    })
}

fn which(site: &Site, words: &SelectionArgs) -> Result<Which, Failure> {
    if words.all {
        return Ok(Which::All);
    }
    Ok(Which::Selected(Box::new(selection(site, words)?)))
}

/// A domain in the form in which the queue has it, or a next hop such as `relay.example:587`.
fn destination(text: &str) -> Result<String, Failure> {
    let (domain, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (text, None),
    };
    let host = Host::parse(domain)
        .map_err(|error| Failure::Words(format!("{text:?} is no domain: {error}")))?;
    Ok(match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    })
}

fn selection(site: &Site, words: &SelectionArgs) -> Result<Selection, Failure> {
    let address = |text: &str| super::address(text.trim_matches(['<', '>']));
    Ok(Selection {
        ids: words
            .ids
            .iter()
            .map(|id| {
                id.parse()
                    .map_err(|error| Failure::Words(format!("{id:?} is {error}")))
            })
            .collect::<Result<_, _>>()?,
        sender: match words.sender.as_deref() {
            None => None,
            Some("<>" | "") => Some(None),
            Some(text) => Some(Some(address(text)?)),
        },
        recipient: words.recipient.as_deref().map(address).transpose()?,
        domain: words.domain.as_deref().map(destination).transpose()?,
        queued_from: None,
        queued_before: match &words.older_than {
            None => None,
            Some(age) => {
                let age = Time::parse(age).ok_or_else(|| {
                    Failure::Words(format!("{age:?} is no time such as 30m, 4h or 2d"))
                })?;
                Some(site.world.now() - age.0)
            }
        },
        state: match words.state.as_deref() {
            None => None,
            Some("waiting") => Some(State::Waiting),
            Some("held") => Some(State::Held),
            Some(other) => {
                return Err(Failure::Words(format!(
                    "{other:?} is no state: waiting or held"
                )));
            }
        },
        identifier: words.identifier.clone(),
    })
}
