//! The audit trail: order of events, and what they are found by.

use crate::{
    Error, EventId, event, params,
    sql::{self, Value},
};

use super::{Check, Finding, Look, ROWS};

/// Every event: readable, in order of time, found by its addresses. Events are never changed, so what an earlier step
/// saw holds.
#[derive(Default)]
pub(super) struct Events {
    after: i64,
    /// When the event before was written.
    at: i64,
}

impl Check for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT id, at FROM event WHERE id > ?1 ORDER BY id LIMIT ?2";
        let events = look.rows(list, params![self.after, ROWS / 4], |row| {
            Ok((row.int(0)?, row.int(1)?))
        })?;
        for (id, at) in &events {
            let event = EventId(*id);
            if *at < self.at {
                look.tell(Finding::EventTime {
                    event,
                    at: *at,
                    before: self.at,
                });
            }
            self.at = *at;
            self.after = *id;
            match missing(look, event) {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => look.tell(Finding::EventAddresses { event, missing }),
                Err(Error::Corrupt(why)) => look.tell(Finding::EventUnreadable { event, why }),
                Err(error) => return Err(error),
            }
        }
        Ok(!events.is_empty())
    }
}

fn missing(look: &mut Look<'_, '_>, event: EventId) -> Result<Vec<String>, Error> {
    event::missing_addresses(look.sql, event.0)
}

/// Addresses that lead to no event.
#[derive(Default)]
pub(super) struct Addresses {
    after: (String, i64),
}

impl Check for Addresses {
    fn name(&self) -> &'static str {
        "addresses of events"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT a.address, a.event, e.id FROM event_address a LEFT JOIN event e ON e.id = a.event
                    WHERE (a.address, a.event) > (?1, ?2) ORDER BY a.address, a.event LIMIT ?3";
        let page = [
            Value::from(&self.after.0),
            Value::Int(self.after.1),
            Value::Int(ROWS),
        ];
        let rows = sql::rows(look.sql, list, &page, |row| {
            Ok((row.text(0)?, row.int(1)?, row.maybe_int(2)?.is_some()))
        })?;
        look.rows += rows.len() as u64;
        for (address, event, exists) in &rows {
            if !exists {
                look.tell(Finding::AddressOrphan {
                    address: address.clone(),
                    event: EventId(*event),
                });
            }
        }
        match rows.into_iter().next_back() {
            Some((address, event, _)) => self.after = (address, event),
            None => return Ok(false),
        }
        Ok(true)
    }
}
