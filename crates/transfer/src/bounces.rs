//! Bounces that come in, as facts: who did not get what, and why (clause 5.5(1)).

use message::{
    Address, Limits,
    bounce::{Bounce, Failure},
};
use store::{Error, QueueId, Store};
use trail::{Actor, Event, Kind};

/// Failures of one bounce that become events.
const MOST_EVENTS: usize = 20;

/// Events of a bounce that was accepted as `id` for `to`: one for each recipient that it tells of.
pub(crate) fn events(id: QueueId, to: &[Address], bounce: &Bounce) -> Vec<Event> {
    let failures = bounce.failures.iter().take(MOST_EVENTS);
    failures
        .map(|failure| event(id, to, bounce, failure))
        .collect()
}

/// Octets of a message that is read where it is: handing it to another thread would cost as much.
const SMALL: usize = 32 << 10;

/// Reads a message without a sender: what it tells, if it is a bounce.
///
/// # Errors
/// When the store is closing, or reading it ended in a panic.
pub(crate) async fn read(store: &Store, raw: Vec<u8>) -> Result<(Vec<u8>, Option<Bounce>), Error> {
    let is_small = raw.len() <= SMALL;
    let work = move || {
        let bounce = Bounce::of(&raw, &Limits::default());
        Ok((raw, bounce))
    };
    match is_small {
        true => work(),
        false => store.blocking(work).await,
    }
}

fn event(id: QueueId, to: &[Address], bounce: &Bounce, failure: &Failure) -> Event {
    // A bounce goes to the one who sent; more are a sign of something else, and the message's own event names them all.
    let to: Vec<String> = to
        .iter()
        .take(MOST_EVENTS)
        .map(ToString::to_string)
        .collect();
    let mut event = Event::new(Kind::BounceReceived, Actor::Peer)
        .subject(id.to_string())
        .detail("to", to)
        .detail("cause", failure.cause.as_str())
        .detail("permanent", failure.permanent)
        .detail("standard", bounce.standard);
    if let Some(about) = &bounce.message_id {
        event = event.detail("about", about.as_str());
    }
    if let Some(address) = &failure.address {
        event = event
            .detail("recipient", address.to_string())
            .detail("domain", address.domain().as_str());
    }
    if let Some(status) = failure.status {
        event = event.detail("status", status.to_string());
    }
    if !failure.said.is_empty() {
        event = event.detail("said", failure.said.as_str());
    }
    event
}
