//! Mail that is set apart: messages, whom they are for, and bodies.

use crate::{
    Error, QueueId, params,
    quarantine::{self, Selection},
};

use super::{Check, Finding, Look};

/// Messages looked at in one step.
const AT_ONCE: usize = 256;

/// Every message that is set apart.
#[derive(Default)]
pub(super) struct Apart {
    after: i64,
    /// All messages were looked at; recipients without a message are next.
    messages_done: bool,
}

impl Check for Apart {
    fn name(&self) -> &'static str {
        "mail set apart"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        if self.messages_done {
            orphans(look)?;
            return Ok(false);
        }
        let after = QueueId(self.after);
        let page = quarantine::select(look.sql, &Selection::default(), after, AT_ONCE)?;
        look.rows += page.held.len() as u64;
        for (id, why) in page.damaged {
            let why = why.to_string();
            look.tell(Finding::QuarantineDamaged { id, why });
        }
        for held in &page.held {
            unowned(look, held)?;
        }
        self.messages_done = page.next.is_none();
        self.after = page.next.map_or(self.after, |next| next.0);
        Ok(true)
    }
}

/// Whether each of those it is for could read the body.
fn unowned(look: &mut Look<'_, '_>, held: &quarantine::Held) -> Result<(), Error> {
    let (id, body) = (held.message.id, held.message.body);
    for waiting in &held.recipients {
        let owner = waiting.to.place.owner();
        let owned = "SELECT body FROM body_owner WHERE body = ?1 AND account = ?2";
        if !look.exists(owned, params![body, owner])? {
            let why = format!("{owner} does not own its body {body}");
            look.tell(Finding::QuarantineDamaged { id, why });
        }
    }
    Ok(())
}

/// Messages for nobody, and recipients of no message.
fn orphans(look: &mut Look<'_, '_>) -> Result<(), Error> {
    for (list, why) in [
        (
            "SELECT q.id FROM quarantined q WHERE NOT EXISTS (SELECT 1 FROM quarantined_for r WHERE r.message = q.id)
             ORDER BY q.id LIMIT 1000",
            "it is for nobody",
        ),
        (
            "SELECT DISTINCT r.message FROM quarantined_for r LEFT JOIN quarantined q ON q.id = r.message
             WHERE q.id IS NULL ORDER BY r.message LIMIT 1000",
            "there are recipients, and no message",
        ),
    ] {
        for id in look.rows(list, &[], |row| row.int(0).map(QueueId))? {
            let why = why.to_owned();
            look.tell(Finding::QuarantineDamaged { id, why });
        }
    }
    Ok(())
}
