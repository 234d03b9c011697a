//! What reports about TLS are made of.

use crate::{Error, tls_report};

use super::{Check, Finding, Look};

/// Rows looked at in one step.
const AT_ONCE: i64 = 1000;

/// Every row of sessions that a report is to tell of.
#[derive(Default)]
pub(super) struct Sessions {
    after: (i64, String, String),
}

impl Check for Sessions {
    fn name(&self) -> &'static str {
        "sessions that reports tell of"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let page = format!(
            "SELECT {}, day FROM tls_session WHERE (day, domain, digest) > (?1, ?2, ?3) \
             ORDER BY day, domain, digest LIMIT ?4",
            tls_report::COLUMNS
        );
        let (day, domain, digest) = &self.after;
        let after = crate::params![*day, domain, digest, AT_ONCE];
        let rows = look.rows(&page, after, |row| {
            let key = (row.int(11)?, row.text(0)?, row.text(1)?);
            Ok((key, tls_report::counted(row).err()))
        })?;
        look.rows += rows.len() as u64;
        for ((_, domain, _), why) in &rows {
            if let Some(why) = why {
                look.tell(Finding::TlsSessionsDamaged {
                    domain: domain.clone(),
                    why: why.to_string(),
                });
            }
        }
        match rows.into_iter().next_back() {
            Some((last, _)) => self.after = last,
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// Every note that queued mail is a report: only of mail that is in the queue.
pub(super) struct Mails;

impl Check for Mails {
    fn name(&self) -> &'static str {
        "queued reports"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let strays = "SELECT body FROM tls_report_mail WHERE body NOT IN (SELECT body FROM queue_message) LIMIT ?1";
        let rows = look.rows(strays, crate::params![AT_ONCE], |row| row.int(0))?;
        look.rows += rows.len() as u64;
        for body in rows {
            look.tell(Finding::TlsReportStray { body });
        }
        Ok(false)
    }
}
