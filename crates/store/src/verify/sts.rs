//! What other domains demand of those who send them mail.

use crate::{Error, sql::Row};

use super::{Check, Finding, Look};

/// Rows looked at in one step.
const AT_ONCE: i64 = 1000;

/// Every policy (MTA-STS) that is kept.
#[derive(Default)]
pub(super) struct Policies {
    after: String,
}

impl Check for Policies {
    fn name(&self) -> &'static str {
        "policies of other domains"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page = "SELECT domain, mode, mx, max_age, fetched_at, expires_at FROM sts_policy \
                    WHERE domain > ?1 ORDER BY domain LIMIT ?2";
        let rows = look.rows(page, crate::params![self.after.as_str(), AT_ONCE], |row| {
            Ok((row.text(0)?, trouble(row)))
        })?;
        look.rows += rows.len() as u64;
        for (domain, why) in &rows {
            if let Some(why) = why {
                look.tell(Finding::StsPolicyDamaged {
                    domain: domain.clone(),
                    why: (*why).to_owned(),
                });
            }
        }
        match rows.last() {
            Some((last, _)) => self.after = last.clone(),
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// What is wrong with a row.
fn trouble(row: &dyn Row) -> Option<&'static str> {
    let (Ok(domain), Ok(mode), Ok(mx)) = (row.text(0), row.text(1), row.text(2)) else {
        return Some("it cannot be read");
    };
    let (Ok(_), Ok(from), Ok(until)) = (row.count(3), row.time(4), row.time(5)) else {
        return Some("its times cannot be read");
    };
    if message::address::Domain::parse(&domain).is_err() {
        return Some("its domain is none");
    }
    match mode.as_str() {
        "enforce" | "testing" if mx.is_empty() => Some("it names no host"),
        "enforce" | "testing" | "none" if from > until => Some("it ends before it was fetched"),
        "enforce" | "testing" | "none" => None,
        _ => Some("its mode is none"),
    }
}
