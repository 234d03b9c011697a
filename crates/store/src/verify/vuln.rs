//! Cases of vulnerability: their rows say the same as their steps.

use crate::{Error, sql::Row};

use super::{Check, Finding, Look};

/// Every case. There are far fewer of them than of anything that comes with mail.
#[derive(Default)]
pub(super) struct Cases {
    after: i64,
}

/// Rows looked at in one step.
const AT_ONCE: i64 = 500;

impl Check for Cases {
    fn name(&self) -> &'static str {
        "cases of vulnerability"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page = "SELECT c.number, c.opened_at, c.closed_at, \
                    (SELECT s.step FROM vuln_step s WHERE s.case_number = c.number AND s.step NOT IN ('excepted', 'shared') ORDER BY s.number DESC LIMIT 1), \
                    (SELECT count(*) FROM vuln_advisory a WHERE a.case_number = c.number) \
                    FROM vuln_case c WHERE c.number > ?1 ORDER BY c.number LIMIT ?2";
        let rows = look.rows(page, crate::params![self.after, AT_ONCE], |row| {
            Ok((row.int(0)?, trouble(row)))
        })?;
        look.rows += rows.len() as u64;
        for (number, why) in &rows {
            if let Some(why) = why {
                look.tell(Finding::CaseDamaged {
                    number: *number,
                    why: (*why).to_owned(),
                });
            }
        }
        match rows.last() {
            Some((last, _)) => self.after = *last,
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// What is wrong with a case.
fn trouble(row: &dyn Row) -> Option<&'static str> {
    let (Ok(opened), Ok(closed), Ok(last)) = (row.time(1), row.maybe_time(2), row.maybe_text(3))
    else {
        return Some("it cannot be read");
    };
    let is_over = last.as_deref() == Some("closed");
    if closed.is_some() != is_over {
        return Some("it is closed in its row or in its steps, and not in both");
    }
    if closed.is_some_and(|closed| closed < opened) {
        return Some("it was closed before it was opened");
    }
    match row.count(4) {
        Ok(0) | Err(_) => Some("no source tells of it"),
        Ok(_) => None,
    }
}
