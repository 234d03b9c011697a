//! `block add | remove | list`: networks whose connections are not taken, by any service.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use store::Tx;
use trail::{Event, Kind};
use wire::ExplicitNetwork;

use super::{Caller, CommandError, Executor, account::MOST_REASON, plain_text};
use crate::{
    Options, Role,
    blocks::unblocked,
    tables::block::{self, NewBlock},
};

pub(super) const MAY_BLOCK: &[Role] = &[Role::Administrator, Role::SecurityOfficer];

/// A block, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct BlockView {
    /// The network.
    pub network: String,
    /// Why.
    pub reason: String,
    /// The incident that it belongs to, if it belongs to one.
    pub incident: Option<i64>,
    /// Who placed it; `None`: the server.
    pub placed_by: Option<String>,
    /// When.
    pub placed_at: Timestamp,
    /// When it ends; `None`: when somebody ends it.
    pub ends_at: Option<Timestamp>,
}

/// Blocks a network, for so long, or until somebody ends it.
///
/// # Errors
/// [`CommandError`]: when it is blocked already, or holds an address that is never blocked.
pub async fn add(
    caller: &Caller,
    network: ExplicitNetwork,
    reason: &str,
    time: Option<Duration>,
) -> Result<BlockView, CommandError> {
    let words = format!("block add {network}");
    let options = caller.directory.options();
    let work = async {
        let reason = plain_text("the reason", reason, MOST_REASON)?;
        caller
            .change(&words, MAY_BLOCK, move |tx, me| {
                add_in(tx, me, &options, (&network, &reason, time), None)
            })
            .await
    };
    caller.run(&words, work).await
}

/// The same within a transaction, perhaps from an incident.
pub(super) fn add_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    options: &Options,
    (network, reason, time): (&ExplicitNetwork, &str, Option<Duration>),
    incident: Option<i64>,
) -> Result<(BlockView, Vec<Event>), CommandError> {
    let except = options.isolation.clone().unwrap_or_default().except;
    if let Some(never) = except.iter().find(|never| never.meets(network)) {
        return Err(CommandError::State(format!(
            "{network} is not blocked: {never} is a network that never is ([isolation] except)"
        )));
    }
    let (now, network) = (tx.now(), network.to_string());
    let known = block::of(tx, &network)?;
    if known.is_some_and(|known| known.ends_at.is_none_or(|end| end > now)) {
        return Err(CommandError::Exists {
            what: "block of",
            name: network,
        });
    }
    if block::count(tx)? >= block::MOST {
        return Err(CommandError::State(format!(
            "there are {} blocks, the most there may be: block networks instead of addresses, or end some",
            block::MOST
        )));
    }
    let ends_at = time.map(|time| now.checked_add(time).unwrap_or(Timestamp::MAX));
    let new = NewBlock {
        network: &network,
        reason,
        incident,
        placed_by: Some(me.id),
        ends_at,
    };
    block::put(tx, &new)?;
    let mut event = me
        .event(Kind::AddressBlocked, network.as_str())
        .detail("reason", reason);
    if let Some(incident) = incident {
        event = event.detail("incident", incident);
    }
    if let Some(end) = ends_at {
        event = event.detail("until", end.to_string());
    }
    let placed = block::of(tx, &network)?.map(view);
    let placed = placed.ok_or_else(|| no_such(&network))?;
    Ok((placed, vec![event]))
}

/// Ends a block.
///
/// # Errors
/// [`CommandError`].
pub async fn remove(
    caller: &Caller,
    network: ExplicitNetwork,
    reason: &str,
) -> Result<(), CommandError> {
    let words = format!("block remove {network}");
    let work = async {
        let reason = plain_text("the reason", reason, MOST_REASON)?;
        caller
            .change(&words, MAY_BLOCK, move |tx, me| {
                Ok(((), remove_in(tx, me, (&network, &reason), None)?))
            })
            .await
    };
    caller.run(&words, work).await
}

/// The same within a transaction, perhaps by a lever of an incident.
pub(super) fn remove_in(
    tx: &mut Tx<'_>,
    me: &Executor,
    (network, reason): (&ExplicitNetwork, &str),
    incident: Option<i64>,
) -> Result<Vec<Event>, CommandError> {
    let network = network.to_string();
    let known = block::of(tx, &network)?.ok_or_else(|| no_such(&network))?;
    block::remove(tx, &network)?;
    let mut event = unblocked(&me.into(), &known, reason);
    event.address = me.address;
    if let Some(incident) = incident {
        event = event.detail("by_incident", incident);
    }
    Ok(vec![event])
}

/// All blocks, the newest first.
///
/// # Errors
/// [`CommandError`].
pub async fn list(caller: &Caller) -> Result<Vec<BlockView>, CommandError> {
    caller
        .look("block list", &Role::OFFICERS, |snapshot, _| {
            Ok(block::all(snapshot)?.into_iter().map(view).collect())
        })
        .await
}

fn no_such(network: &str) -> CommandError {
    CommandError::NoSuch {
        what: "block of",
        name: network.to_owned(),
    }
}

fn view(entry: block::Entry) -> BlockView {
    BlockView {
        network: entry.network,
        reason: entry.reason,
        incident: entry.incident,
        placed_by: entry.placed_by,
        placed_at: entry.placed_at,
        ends_at: entry.ends_at,
    }
}
