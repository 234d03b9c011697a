//! The levers `limit`, `unlimit`, `drain` and `undrain`, and what ends with an incident ([`crate::restraint`]).

use store::{
    Topic, Tx,
    queue::{self, Selection, State},
};
use trail::{Event, Kind};

use super::{CommandError, Executor};
use crate::{
    restraint::{self, Door, MOST, Of, Per, Rate},
    tables::account,
};

/// Why a restraint ends that nobody lifted before.
const CLOSED: &str = "the incident is closed";

/// Limits somebody's mail for an incident, in place of what the incident had limited it to before.
pub(super) fn limit(
    tx: &mut Tx<'_>,
    me: &Executor,
    (of, rate): (&Of, Rate),
    (incident, reason): (i64, &str),
) -> Result<Vec<Event>, CommandError> {
    if let Of::Identifier(name) = of {
        if account::by_identifier(tx, name)?.is_none() {
            return Err(CommandError::NoSuch {
                what: "identifier",
                name: name.clone(),
            });
        }
        if rate.per != Per::Hour {
            return Err(CommandError::Argument(format!(
                "what an identifier submits is counted by the hour: write --rate {}/hour",
                rate.of_an_hour()
            )));
        }
    }
    let now = restraint::in_force(tx)?;
    let (limits, _) = now.of_incident(incident);
    let before = limits.into_iter().find(|limit| limit.of == *of);
    if before.is_none() && now.count() >= MOST {
        return Err(CommandError::State(format!(
            "incidents restrain {MOST} things, the most there may be: limit networks instead of addresses, or lift some"
        )));
    }
    tx.touch(Topic::Blocks);
    let mut event = me
        .event(Kind::LimitPlaced, of.to_string())
        .detail("rate", rate.to_string())
        .detail("incident", incident)
        .detail("reason", reason);
    if let Some(before) = before {
        event = event.detail("before", before.rate.to_string());
    }
    Ok(vec![event])
}

/// Lifts a limit of an incident.
pub(super) fn unlimit(
    tx: &mut Tx<'_>,
    me: &Executor,
    of: &Of,
    (incident, reason): (i64, &str),
) -> Result<Vec<Event>, CommandError> {
    let now = restraint::in_force(tx)?;
    let (limits, _) = now.of_incident(incident);
    let Some(limit) = limits.into_iter().find(|limit| limit.of == *of) else {
        return Err(CommandError::State(format!(
            "incident {incident} does not limit {of}"
        )));
    };
    tx.touch(Topic::Blocks);
    Ok(vec![lifted(me, limit, reason)])
}

fn lifted(me: &Executor, limit: &restraint::Limit, reason: &str) -> Event {
    me.event(Kind::LimitLifted, limit.of.to_string())
        .detail("rate", limit.rate.to_string())
        .detail("incident", limit.incident)
        .detail("reason", reason)
}

/// Has no new mail taken at a door, and all that waits in the queue tried at once.
pub(super) fn drain(
    tx: &mut Tx<'_>,
    me: &Executor,
    door: Door,
    (incident, reason): (i64, &str),
) -> Result<Vec<Event>, CommandError> {
    let now = restraint::in_force(tx)?;
    if let Some(other) = now.at(door) {
        return Err(CommandError::State(format!(
            "incident {other} has no new mail taken ({}) already",
            door.as_str()
        )));
    }
    let waiting = Selection {
        state: Some(State::Waiting),
        ..Selection::default()
    };
    let due = queue::retry(tx, &waiting)?;
    tx.touch(Topic::Blocks);
    let event = me
        .event(Kind::DrainBegun, door.as_str())
        .detail("incident", incident)
        .detail("reason", reason)
        .detail("due", due);
    Ok(vec![event])
}

/// Has new mail taken again.
pub(super) fn undrain(
    tx: &mut Tx<'_>,
    me: &Executor,
    door: Door,
    (incident, reason): (i64, &str),
) -> Result<Vec<Event>, CommandError> {
    let now = restraint::in_force(tx)?;
    if now.at(door) != Some(incident) {
        return Err(CommandError::State(format!(
            "it is not for incident {incident} that no new mail is taken ({})",
            door.as_str()
        )));
    }
    tx.touch(Topic::Blocks);
    Ok(vec![undrained(me, door, (incident, reason))])
}

fn undrained(me: &Executor, door: Door, (incident, reason): (i64, &str)) -> Event {
    me.event(Kind::DrainEnded, door.as_str())
        .detail("incident", incident)
        .detail("reason", reason)
}

/// What ends when an incident is closed; to be asked before it is. The events belong into the same commit.
pub(super) fn end(
    tx: &mut Tx<'_>,
    me: &Executor,
    incident: i64,
) -> Result<Vec<Event>, CommandError> {
    let now = restraint::in_force(tx)?;
    let (limits, drains) = now.of_incident(incident);
    let limits = limits.into_iter().map(|limit| lifted(me, limit, CLOSED));
    let drains = drains
        .into_iter()
        .map(|drain| undrained(me, drain.door, (incident, CLOSED)));
    let ended: Vec<Event> = limits.chain(drains).collect();
    if !ended.is_empty() {
        tx.touch(Topic::Blocks);
    }
    Ok(ended)
}
