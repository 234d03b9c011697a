//! Tasks and reports: each is as the events of its opening and closing tell.

use trail::Kind;

use crate::{Error, event::recorded_at};

use super::{Check, Finding, Look, is_told};

/// Rows looked at in one step.
const AT_ONCE: i64 = 200;

/// Every task: opened and closed by events.
#[derive(Default)]
pub(super) struct Tasks {
    after: i64,
}

impl Check for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page = "SELECT number, opened_at, closed_at FROM task WHERE number > ?1 ORDER BY number LIMIT ?2";
        let rows = look.rows(page, crate::params![self.after, AT_ONCE], |row| {
            let closed = match row.maybe_int(2)? {
                Some(_) => Some(row.time(2)?),
                None => None,
            };
            Ok((row.int(0)?, row.time(1)?, closed))
        })?;
        for (number, opened, closed) in &rows {
            let subject = number.to_string();
            if !is_told(look, *opened, &[Kind::TaskOpened], &subject)? {
                tell(
                    look,
                    format!("task {number}"),
                    "no event tells that it was opened",
                );
            }
            let ends = [Kind::TaskApproved, Kind::TaskDone];
            if let Some(closed) = closed
                && !is_told(look, *closed, &ends, &subject)?
            {
                tell(
                    look,
                    format!("task {number}"),
                    "no event tells that it was closed",
                );
            }
        }
        self.after = rows.last().map_or(self.after, |(number, ..)| *number);
        Ok(!rows.is_empty())
    }
}

/// Every report: its text is the one that its event tells the digest of.
#[derive(Default)]
pub(super) struct Reports {
    after: i64,
}

impl Check for Reports {
    fn name(&self) -> &'static str {
        "reports"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page =
            "SELECT number, made_at, text FROM report WHERE number > ?1 ORDER BY number LIMIT ?2";
        let rows = look.rows(page, crate::params![self.after, AT_ONCE], |row| {
            Ok((row.int(0)?, row.time(1)?, row.text(2)?))
        })?;
        for (number, made, text) in &rows {
            let digest = trail::volume::hex(&trail::merkle::sha256(&[text.as_bytes()]));
            let event = recorded_at(look.sql, *made, Kind::ReportMade, &number.to_string())?;
            let name = || format!("report {number}");
            match event {
                None => tell(look, name(), "no event tells that it was made"),
                Some(told) if told.event.detail.get("digest") != Some(&digest.into()) => {
                    tell(
                        look,
                        name(),
                        "its text is not the one that its event tells of",
                    );
                }
                Some(_) => {}
            }
        }
        self.after = rows.last().map_or(self.after, |(number, ..)| *number);
        Ok(!rows.is_empty())
    }
}

fn tell(look: &mut Look<'_, '_>, name: String, why: &str) {
    look.tell(Finding::WorkAltered {
        name,
        why: why.to_owned(),
    });
}
