//! Incidents that the server opens by itself and that are about no identifier: one of a kind is open at most.

use jiff::Timestamp;
use serde_json::Value;
use store::{Error, Topic, Tx, sql::Sql};
use trail::{Actor, Event, Kind};

use crate::{
    command::incident::IncidentKind,
    tables::incident::{self as table, New},
};

/// What an incident is opened with.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Its kind.
    pub kind: IncidentKind,
    /// Why.
    pub reason: String,
    /// What is known: an object.
    pub facts: Value,
    /// Since when.
    pub since: Timestamp,
}

/// Opens an incident within a transaction that records the event that comes back. `None`: one of the kind is open already, and
/// nothing was done.
///
/// # Errors
/// When the database fails.
pub fn open(tx: &mut Tx<'_>, alarm: &Alarm) -> Result<Option<Event>, Error> {
    let kind = alarm.kind.as_str();
    if table::open_at(tx, kind, None)?.is_some() {
        return Ok(None);
    }
    let new = New {
        kind: alarm.kind,
        account: None,
        address: None,
        reason: &alarm.reason,
        facts: &alarm.facts.to_string(),
        since: alarm.since,
        opened_by: None,
    };
    let (number, book) = table::insert(tx, &new)?;
    tx.touch(Topic::Directory);
    let event = Event::new(Kind::IncidentOpened, Actor::System)
        .subject(number.to_string())
        .detail("incident_kind", kind)
        .detail("identifier", "")
        .detail("reason", alarm.reason.as_str())
        .detail("since", alarm.since.to_string())
        .detail("facts", alarm.facts.clone());
    Ok(Some(by(event, book)))
}

/// The event of an opening, with the runbook that the incident goes by.
pub(crate) fn by(event: Event, book: Option<i64>) -> Event {
    match book {
        Some(book) => event.detail("runbook", book),
        None => event,
    }
}

/// The same of a fault that stays: not again while the facts are those of the last incident of the kind in `key`, be it closed.
///
/// # Errors
/// When the database fails.
pub fn open_unless_known(
    tx: &mut Tx<'_>,
    alarm: &Alarm,
    key: &str,
) -> Result<Option<Event>, Error> {
    let last = table::last_of(tx, alarm.kind)?;
    let known = last.and_then(|last| serde_json::from_str::<Value>(&last.facts).ok());
    if known.is_some_and(|known| known.get(key) == alarm.facts.get(key)) {
        return Ok(None);
    }
    open(tx, alarm)
}

/// The number of the open incident of denial of service, if there is one.
///
/// # Errors
/// When the database fails.
pub fn open_dos_number(sql: &mut dyn Sql) -> Result<Option<i64>, Error> {
    let open = table::open_at(sql, IncidentKind::Dos.as_str(), None)?;
    Ok(open.map(|open| open.number))
}
