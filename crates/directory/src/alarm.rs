//! Incidents that are about no identifier: the server opens them, and one of a kind is open at most.

use jiff::Timestamp;
use serde_json::Value;
use store::{Error, Topic, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    command::incident::IncidentKind,
    tables::incident::{self as table, New},
};

/// Opens an incident of a surge of bounces to mail that was never sent from here (clause 5.5(2)), within a transaction that records
/// the event that comes back. `None`: one is open already, and nothing was done.
///
/// # Errors
/// When the database fails.
pub fn open_bounce_surge(
    tx: &mut Tx<'_>,
    reason: &str,
    facts: &Value,
    since: Timestamp,
) -> Result<Option<Event>, Error> {
    open(tx, IncidentKind::BounceSurge, reason, facts, since)
}

/// The same of traffic that differs much from what is usual while service suffers (clause 4.4(2)).
///
/// # Errors
/// When the database fails.
pub fn open_dos(
    tx: &mut Tx<'_>,
    reason: &str,
    facts: &Value,
    since: Timestamp,
) -> Result<Option<Event>, Error> {
    open(tx, IncidentKind::Dos, reason, facts, since)
}

/// The number of the open incident of denial of service, if there is one.
///
/// # Errors
/// When the database fails.
pub fn open_dos_number(sql: &mut dyn Sql) -> Result<Option<i64>, Error> {
    let open = table::open_at(sql, IncidentKind::Dos.as_str(), None)?;
    Ok(open.map(|open| open.number))
}

fn open(
    tx: &mut Tx<'_>,
    kind: IncidentKind,
    reason: &str,
    facts: &Value,
    since: Timestamp,
) -> Result<Option<Event>, Error> {
    let kind = kind.as_str();
    if table::open_at(tx, kind, None)?.is_some() {
        return Ok(None);
    }
    let new = New {
        kind,
        account: None,
        address: None,
        reason,
        facts: &facts.to_string(),
        since,
        opened_by: None,
    };
    let number = table::insert(tx, &new)?;
    tx.touch(Topic::Directory);
    let event = Event::new(Kind::IncidentOpened, Actor::System)
        .subject(number.to_string())
        .detail("incident_kind", kind)
        .detail("identifier", "")
        .detail("reason", reason)
        .detail("since", since.to_string())
        .detail("facts", facts.clone());
    Ok(Some(event))
}
