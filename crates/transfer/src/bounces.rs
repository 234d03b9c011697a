//! Bounces that come in, as facts: who did not get what, and why (clause 5.5(1)).

use message::{
    Address, Limits,
    bounce::{Bounce, Failure},
};
use store::QueueId;
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

/// Reads a message without a sender, if it is a bounce.
pub(crate) fn read(raw: &[u8]) -> Option<Bounce> {
    Bounce::of(raw, &Limits::default())
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
