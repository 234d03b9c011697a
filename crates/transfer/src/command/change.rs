//! What a command does to queued mail: in batches, each one commit with an event for each message.

use std::collections::BTreeSet;

use directory::Person;
use store::{
    Error, QueueId, Recorded, Store, Tx,
    event::DETAIL_LIMIT,
    queue::{self, Named, Selection, State},
};
use trail::{By, Event, Kind};

use super::{CommandError, batches, damage};
use crate::parcel;

/// A command that changes queued recipients and tells nobody outside.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Retry,
    Hold,
    Release,
    Discard { reason: String },
}

impl Deed {
    fn kind(&self) -> Kind {
        match self {
            Self::Retry => Kind::QueueRetried,
            Self::Hold => Kind::QueueHeld,
            Self::Release => Kind::QueueReleased,
            Self::Discard { .. } => Kind::QueueDiscarded,
        }
    }

    /// The state of the recipients that it changes; others are passed over. `None`: any.
    fn affects(&self) -> Option<State> {
        match self {
            Self::Retry | Self::Hold => Some(State::Waiting),
            Self::Release => Some(State::Held),
            Self::Discard { .. } => None,
        }
    }

    /// Does it; returns to whom it was done, of those `named`, and to how many.
    fn carry_out(
        &self,
        tx: &mut Tx<'_>,
        selection: &Selection,
        mut named: Vec<Named>,
    ) -> Result<(Vec<Named>, u64), Error> {
        let count = match self {
            Self::Retry => queue::retry(tx, selection)?,
            Self::Hold => queue::set_state(tx, selection, State::Held)?,
            Self::Release => queue::set_state(tx, selection, State::Waiting)?,
            Self::Discard { .. } => {
                // An address that cannot be read stays where it is.
                let taken = queue::discard(tx, selection)?;
                let gone: BTreeSet<(QueueId, String)> = taken
                    .iter()
                    .map(|(id, address)| (*id, address.to_string()))
                    .collect();
                for one in &mut named {
                    let id = one.id;
                    one.recipients
                        .retain(|address| gone.contains(&(id, address.clone())));
                }
                named.retain(|one| !one.recipients.is_empty());
                u64::try_from(taken.len()).unwrap_or(u64::MAX)
            }
        };
        Ok((named, count))
    }
}

/// Why a batch made no change.
enum Unchanged {
    /// Its mail has left the queue meanwhile.
    Gone,
    Failed(Error),
}

impl From<Error> for Unchanged {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Does `deed` to all that is selected; returns to how many recipients.
pub(super) async fn all(
    store: &Store,
    caller: &Person,
    mut selection: Selection,
    deed: Deed,
) -> Result<u64, CommandError> {
    if let Some(state) = deed.affects() {
        if selection.state.is_some_and(|wanted| wanted != state) {
            return Ok(0);
        }
        selection.state = Some(state);
    }
    let mut count = 0_u64;
    for ids in batches(store, &selection).await? {
        let part = Selection {
            ids,
            ..selection.clone()
        };
        let (deed, by) = (deed.clone(), caller.by());
        let work = move |tx: &mut Tx<'_>| batch(tx, &part, &deed, &by);
        match store.commit(Vec::new(), work).await {
            Ok(done) => count = count.saturating_add(done.value),
            Err(Unchanged::Gone) => {}
            Err(Unchanged::Failed(error)) => return Err(error.into()),
        }
    }
    Ok(count)
}

fn batch(
    tx: &mut Tx<'_>,
    selection: &Selection,
    deed: &Deed,
    by: &By,
) -> Result<Recorded<u64>, Unchanged> {
    let named = queue::named(tx, selection)?;
    let (named, mut count) = deed.carry_out(tx, selection, named)?;
    let mut events: Vec<Event> = named
        .into_iter()
        .flat_map(|one| told(deed, by, one))
        .collect();
    if let Deed::Discard { reason } = deed {
        let (purged, more) = damage::purge(tx, selection, by, reason)?;
        events.extend(purged);
        count = count.saturating_add(more);
    }
    if events.is_empty() {
        return Err(Unchanged::Gone);
    }
    Ok(parcel::record_all(tx, &events)?.map(|()| count))
}

/// What was done to one message, in as many parts as its recipients need.
fn told(deed: &Deed, by: &By, one: Named) -> Vec<Event> {
    let mut event = by
        .event(deed.kind())
        .subject(one.id.to_string())
        .detail("sender", one.sender.unwrap_or_else(|| "<>".to_owned()));
    if let Deed::Discard { reason } = deed {
        event = event.detail("reason", reason.as_str());
    }
    event.in_parts(DETAIL_LIMIT, vec![("recipients", one.recipients)])
}
