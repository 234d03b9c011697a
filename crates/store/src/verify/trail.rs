//! The audit trail: order of events, and what they are found by.

use crate::{Error, EventId, event, params};

use super::{Check, Finding, Look, ROWS};

/// Every event: readable, in order of time. Events are never changed, so what an earlier step saw holds.
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
            match event::readable(look.sql, *id) {
                Ok(()) => {}
                Err(Error::Corrupt(why)) => look.tell(Finding::EventUnreadable { event, why }),
                Err(error) => return Err(error),
            }
        }
        Ok(!events.is_empty())
    }
}

/// The index of the trail: every event up to where it reaches is found by all that it tells of.
#[derive(Default)]
pub(super) struct Index {
    after: i64,
    /// The last event that it says it has.
    reach: Option<i64>,
}

impl Check for Index {
    fn name(&self) -> &'static str {
        "index of the trail"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        match self.examine(look) {
            Ok((None, goes_on)) => Ok(goes_on),
            Ok((Some(why), _)) | Err(Error::Corrupt(why)) => {
                // It is made anew as a whole: one fault is enough.
                look.tell(Finding::TrailIndex { why });
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Index {
    /// What is wrong, and whether there may be more to look at.
    fn examine(&mut self, look: &mut Look<'_, '_>) -> Result<(Option<String>, bool), Error> {
        let reach = match self.reach {
            Some(reach) => reach,
            None => {
                let (complaints, reach) = look.shared.trail.look(look.sql)?;
                if let Some(complaint) = complaints.into_iter().next() {
                    return Ok((Some(complaint), false));
                }
                *self.reach.insert(reach)
            }
        };
        let span = (self.after, reach);
        let (unfound, looked, last) = event::unfound(look.shared, look.sql, span, ROWS / 4)?;
        look.rows += looked;
        let why = unfound.map(|event| {
            format!(
                "event {} is not found by all that it tells of",
                EventId(event)
            )
        });
        if let Some(last) = last {
            self.after = last;
        }
        Ok((why, last.is_some()))
    }
}

/// Addresses that stand for no event.
#[derive(Default)]
pub(super) struct Addresses {
    after: i64,
}

impl Check for Addresses {
    fn name(&self) -> &'static str {
        "addresses of events"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT n.event, count(*), min(e.id) FROM event_named n LEFT JOIN event e ON e.id = n.event
                    WHERE n.event > ?1 GROUP BY n.event ORDER BY n.event LIMIT ?2";
        let named = look.rows(list, params![self.after, ROWS / 100], |row| {
            Ok((row.int(0)?, row.count(1)?, row.maybe_int(2)?))
        })?;
        for (event, rows, there) in &named {
            if there.is_none() {
                look.tell(Finding::AddressOrphans {
                    event: EventId(*event),
                    rows: *rows,
                });
            }
            self.after = *event;
        }
        Ok(!named.is_empty())
    }
}
