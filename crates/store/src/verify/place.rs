//! Where bodies lie: segments, free room, marks.

use crate::{
    BodyId, Error,
    mark::Mark,
    params, recover,
    segment::Extent,
    sql::Row,
    tx::{self, signed},
};

use super::{Check, Finding, Look, ROWS};

/// The marks in `meta`: how far the segments are known, and which ids are used.
pub(super) struct Marks;

/// Tables whose ids come from the one generator.
pub(crate) const WITH_IDS: [&str; 6] = [
    "event",
    "body",
    "email",
    "mailbox",
    "queue_message",
    "quarantined",
];

impl Check for Marks {
    fn name(&self) -> &'static str {
        "marks"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let noted = Mark::find(look.sql)?.unwrap_or_default();
        let last = recover::last_row(look.sql)?;
        if last > noted {
            look.tell(Finding::MarkBehind {
                noted: noted.to_string(),
                last: last.to_string(),
            });
        }
        let mut highest = 0;
        for table in WITH_IDS {
            let statement = format!("SELECT max(id) FROM {table}");
            let found = look.first(&statement, &[], |row| row.maybe_int(0))?;
            highest = found.flatten().unwrap_or(0).max(highest);
        }
        let find = "SELECT value FROM meta WHERE name = 'ids'";
        let noted = look.first(find, &[], |row| row.text(0))?;
        let noted = noted.and_then(|text| text.parse().ok()).unwrap_or(0);
        if highest > noted {
            look.tell(Finding::IdMarkLow { noted, highest });
        }
        Ok(false)
    }
}

/// What each segment says of itself.
#[derive(Default)]
pub(super) struct Segments {
    after: u64,
}

impl Check for Segments {
    fn name(&self) -> &'static str {
        "segments"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        // Asked before the names: a segment that is just being made is above it.
        let active = look.shared.segments.active();
        let mut numbers = look.shared.segments.numbers()?;
        numbers.retain(|number| *number > self.after && *number <= active);
        numbers.truncate(64);
        for number in &numbers {
            look.rows += 1;
            let why = match look.shared.segments.check_preamble(*number) {
                Ok(()) => continue,
                // Removed since it was listed. Where a body is named in it, that is told with the body.
                Err(error) if error.is_missing() => continue,
                Err(Error::Corrupt(why)) => why,
                Err(error) => error.to_string(),
            };
            look.tell(Finding::Segment {
                number: *number,
                why,
            });
        }
        self.after = numbers.last().copied().unwrap_or(self.after);
        Ok(!numbers.is_empty())
    }
}

/// Free room that is none.
#[derive(Default)]
pub(super) struct Free {
    after: (i64, i64),
}

impl Check for Free {
    fn name(&self) -> &'static str {
        "free room"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT segment, start, length FROM body_free WHERE (segment, start) > (?1, ?2)
                    ORDER BY segment, start LIMIT ?3";
        let page = params![self.after.0, self.after.1, ROWS];
        let free = look.rows(list, page, tx::extent)?;
        for extent in &free {
            let before = "SELECT start, length, id FROM body WHERE segment = ?1 AND start < ?2
                          ORDER BY start DESC LIMIT 1";
            let place = params![signed(extent.segment)?, signed(extent.end())?];
            let found = look.first(before, place, |row| {
                let end = row.count(0)?.saturating_add(row.count(1)?);
                Ok((end, BodyId(row.int(2)?)))
            })?;
            if let Some((_, body)) = found.filter(|(end, _)| *end > extent.start) {
                look.tell(Finding::FreeOverlaps {
                    segment: extent.segment,
                    start: extent.start,
                    length: extent.length,
                    body,
                });
            }
        }
        match free.last() {
            Some(last) => self.after = (signed(last.segment)?, signed(last.start)?),
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// Bodies in each other's bytes. Places are used once, so one look at each body is enough, whatever dies meanwhile.
#[derive(Default)]
pub(super) struct Overlaps {
    /// The one that reaches farthest so far.
    farthest: Option<(Extent, BodyId)>,
    after: (i64, i64),
}

fn placed(row: &dyn Row) -> Result<(Extent, BodyId), Error> {
    Ok((tx::extent(row)?, BodyId(row.int(3)?)))
}

impl Check for Overlaps {
    fn name(&self) -> &'static str {
        "places"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT segment, start, length, id FROM body WHERE (segment, start) > (?1, ?2)
                    ORDER BY segment, start LIMIT ?3";
        let page = params![self.after.0, self.after.1, ROWS];
        let bodies = look.rows(list, page, placed)?;
        for (extent, body) in &bodies {
            let farther = match self.farthest {
                Some((other, first)) if other.segment == extent.segment => {
                    if other.end() > extent.start {
                        look.tell(Finding::BodiesOverlap {
                            segment: extent.segment,
                            first,
                            second: *body,
                        });
                    }
                    extent.end() > other.end()
                }
                _ => true,
            };
            if farther {
                self.farthest = Some((*extent, *body));
            }
        }
        match bodies.last() {
            Some((last, _)) => self.after = (signed(last.segment)?, signed(last.start)?),
            None => return Ok(false),
        }
        Ok(true)
    }
}
