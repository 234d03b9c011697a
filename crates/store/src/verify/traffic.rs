//! How much mail there was, hour by hour.

use serde_json::Value;

use crate::{Error, params, traffic};

use super::{Check, Finding, Look};

/// Rows looked at in one step.
const AT_ONCE: i64 = 500;

/// Every row: whole, none over another, and each hour that is over closed by the mark.
pub(super) struct Spans {
    after: i64,
    /// The first hour that the rows before do not span.
    free: i64,
}

impl Default for Spans {
    fn default() -> Self {
        Self {
            after: i64::MIN,
            free: i64::MIN,
        }
    }
}

impl Check for Spans {
    fn name(&self) -> &'static str {
        "traffic by the hour"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page = "SELECT hour, hours, closed, content FROM traffic_span WHERE hour > ?1 ORDER BY hour LIMIT ?2";
        let rows = look.rows(page, params![self.after, AT_ONCE], traffic::span)?;
        look.rows += rows.len() as u64;
        for span in &rows {
            let is_object = matches!(serde_json::from_str(&span.content), Ok(Value::Object(_)));
            let why = match is_object {
                false => Some("what was counted cannot be read"),
                true if span.hour < self.free => Some("the row before spans it as well"),
                true => None,
            };
            if let Some(why) = why {
                look.tell(Finding::TrafficDamaged {
                    hour: span.hour,
                    why: why.to_owned(),
                });
            }
            self.free = span.hour.saturating_add(span.hours);
        }
        if let Some(last) = rows.last() {
            self.after = last.hour;
            return Ok(true);
        }
        // Of an event that is not there the rows cannot tell.
        let ahead = "SELECT m.event FROM traffic_mark m WHERE m.event > (SELECT COALESCE(MAX(id), 0) FROM event)";
        for event in look.rows(ahead, &[], |row| row.int(0))? {
            look.tell(Finding::TrafficDamaged {
                hour: 0,
                why: format!("they tell of events up to {event}, which the trail has not"),
            });
        }
        Ok(false)
    }
}
