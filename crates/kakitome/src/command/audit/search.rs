//! `audit search`.

use serde_json::{Map, Value, json};
use store::event::{self, Filter};
use trail::{Kind, Outcome, Recorded};

use super::super::{Answer, Failure};
use crate::{cli::SearchArgs, site::Site};

/// Events read from the store at a time.
const PAGE: usize = 500;

pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    words: &SearchArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let filter = filter(site, words)?;
    let mut left = match words.id {
        Some(_) => 1,
        None => words.limit as usize,
    };
    let mut after = filter.after;
    let mut found = 0_u64;
    // Before the first row leaves, the trail knows that it was read.
    let reading = caller
        .by()
        .event(Kind::TrailRead)
        .detail("filter", described(words));
    site.record(reading).await?;
    while left > 0 {
        let page = Filter {
            after,
            ..filter.clone()
        };
        let wanted = left.min(PAGE);
        let events = site
            .store
            .read(move |snapshot| event::search(snapshot, &page, wanted))
            .await?;
        let last = events.last().map(|event| event.id);
        let wanted_id = |event: &&Recorded| words.id.is_none_or(|id| id == event.id);
        for event in events.iter().filter(wanted_id) {
            answer.item(&shown(event)).await?;
        }
        found += events.len() as u64;
        left -= events.len();
        match last {
            Some(id) if events.len() == wanted => after = Some(id),
            _ => break,
        }
    }
    if left == 0 && words.id.is_none() {
        answer
            .note(format!("{found} events are shown; --limit shows more"))
            .await;
    }
    Ok(())
}

/// An event as a row: the fixed fields first, then the details by name.
fn shown(recorded: &Recorded) -> Value {
    let event = &recorded.event;
    let mut row = Map::new();
    row.insert("id".into(), json!(recorded.id));
    row.insert("at".into(), json!(recorded.at));
    row.insert("kind".into(), json!(event.kind.as_str()));
    row.insert("result".into(), json!(event.outcome.as_str()));
    row.insert("actor".into(), json!(event.actor.to_text()));
    row.insert("address".into(), json!(event.address));
    row.insert("subject".into(), json!(event.subject));
    if let Some(order) = event.order {
        row.insert("order".into(), json!(order));
    }
    row.insert("detail".into(), Value::Object(event.detail.clone()));
    Value::Object(row)
}

fn filter(site: &Site, words: &SearchArgs) -> Result<Filter, Failure> {
    let time = |text: &str| site.time(text);
    Ok(Filter {
        from: words.from.as_deref().map(time).transpose()?,
        to: words.to.as_deref().map(time).transpose()?,
        actor: words.actor.clone(),
        address: words.address.clone(),
        message_id: words.message_id.clone(),
        kinds: words
            .kinds
            .iter()
            .map(|kind| kind.parse().map_err(|error| unknown_kind(&error)))
            .collect::<Result<_, _>>()?,
        outcome: match words.result.as_deref() {
            None => None,
            Some(name) => Some(Outcome::from_name(name).ok_or_else(|| {
                Failure::Words(format!(
                    "{name:?} is no result: success, refused, failure or deferred"
                ))
            })?),
        },
        subject: words.subject.clone(),
        after: words.id.map(|id| id.saturating_sub(1)),
    })
}

fn unknown_kind(error: &trail::UnknownKind) -> Failure {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    Failure::Words(format!("{error}; there are: {}", names.join(", ")))
}

/// The filter in words, for the event.
fn described(words: &SearchArgs) -> Value {
    json!({
        "from": words.from, "to": words.to, "actor": words.actor, "address": words.address,
        "kinds": words.kinds, "result": words.result, "subject": words.subject, "message_id": words.message_id, "id": words.id, "limit": words.limit,
    })
}
