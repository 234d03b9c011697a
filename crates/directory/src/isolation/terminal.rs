//! What a terminal that submits without a login has waiting in the queue (clauses 5.2(5), 6.1(1)b). The queue does not know where a message
//! came from; the event of its submission does, which was recorded at the instant at which it was queued.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use store::{
    Error, QueueId, Snapshot, Tx, event,
    queue::{self, Selection, State},
    sql::Sql,
};
use trail::Kind;

use super::{Cause, LOOK_BACK};
use crate::{Directory, command::incident::Step, tables::incident as table};

/// Waiting messages without an identifier that are looked at, the newest first.
const MOST_LOOKED_AT: u32 = 20_000;
/// How long before the queue was read something may have been queued that was not seen: a commit takes less.
const UNSEEN: SignedDuration = SignedDuration::from_secs(60);
/// Messages that the step names.
const MOST_NAMED: usize = 20;

/// Messages of a terminal that wait in the queue, as far as they were known before the commit.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    ids: BTreeSet<QueueId>,
    /// From then on others may have been queued.
    seen_until: Option<Timestamp>,
}

impl Directory {
    /// What the terminal at `peer` has waiting without a login. To be asked before the commit that shuts it out: that looks at what was
    /// queued meanwhile alone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting_of(&self, peer: IpAddr) -> Result<Waiting, Error> {
        let store = &self.inner.store;
        let now = store.now();
        let from = now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
        let read = move |snapshot: &mut Snapshot<'_>| of(snapshot, peer, from);
        Ok(Waiting {
            ids: store.read(read).await?,
            seen_until: now.checked_sub(UNSEEN).ok(),
        })
    }
}

/// What a terminal has waiting that was queued at `from` or later.
fn of(sql: &mut dyn Sql, peer: IpAddr, from: Timestamp) -> Result<BTreeSet<QueueId>, Error> {
    let mut ids = BTreeSet::new();
    for (id, at) in queue::without_identifier(sql, from, MOST_LOOKED_AT)? {
        let event = event::recorded_at(sql, at, Kind::SubmissionAccepted, &id.to_string())?;
        let came_from = event.and_then(|recorded| recorded.event.address);
        if came_from.is_some_and(|came_from| came_from.to_canonical() == peer.to_canonical()) {
            ids.insert(id);
        }
    }
    Ok(ids)
}

/// Holds what the terminal at `peer` has queued.
pub(super) fn hold(
    tx: &mut Tx<'_>,
    peer: IpAddr,
    waiting: &Waiting,
    cause: &Cause<'_>,
    events: &mut Vec<trail::Event>,
) -> Result<(), Error> {
    let mut ids = waiting.ids.clone();
    if let Some(from) = waiting.seen_until {
        ids.extend(of(tx, peer, from)?);
    }
    let selection = Selection {
        ids: ids.into_iter().collect(),
        state: Some(State::Waiting),
        ..Selection::default()
    };
    // Without ids a selection means all.
    let ids = match selection.ids.is_empty() {
        true => Vec::new(),
        false => queue::ids(tx, &selection)?,
    };
    let held = match ids.is_empty() {
        true => 0,
        false => queue::set_state(tx, &selection, State::Held)?,
    };
    let mut note = format!("{held} recipients");
    if !ids.is_empty() {
        let named: Vec<String> = ids
            .iter()
            .take(MOST_NAMED)
            .map(QueueId::to_string)
            .collect();
        note.push_str(&format!(" of {} messages: {}", ids.len(), named.join(", ")));
    }
    table::take_step(tx, cause.incident, Step::QueueHeld.as_str(), None, &note)?;
    if held > 0 {
        let event = cause.event(Kind::QueueHeld, &peer.to_canonical().to_string());
        events.push(
            event
                .detail("recipients", held)
                .detail("incident", cause.incident),
        );
    }
    Ok(())
}
