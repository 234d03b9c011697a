//! The queue: messages with their recipients, and bodies.

use crate::{
    AccountId, BodyId, Error, QueueId, params,
    queue::{self, Selection},
};

use super::{Check, Finding, Look};

/// Messages looked at in one step.
const AT_ONCE: i64 = 256;

/// Every queued message.
#[derive(Default)]
pub(super) struct Messages {
    after: i64,
}

impl Check for Messages {
    fn name(&self) -> &'static str {
        "queued messages"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT q.id, q.body, o.body, (SELECT r.number FROM queue_recipient r WHERE r.message = q.id LIMIT 1)
                    FROM queue_message q LEFT JOIN body_owner o ON o.body = q.body AND o.account = ?1
                    WHERE q.id > ?2 ORDER BY q.id LIMIT ?3";
        let page = params![AccountId::QUEUE, self.after, AT_ONCE];
        let queued = look.rows(list, page, |row| {
            let (owned, waited) = (row.maybe_int(2)?.is_some(), row.maybe_int(3)?.is_some());
            Ok((QueueId(row.int(0)?), BodyId(row.int(1)?), owned, waited))
        })?;
        let Some((last, ..)) = queued.last() else {
            return Ok(false);
        };
        self.after = last.0;
        for (id, body, owned, waited) in &queued {
            if !waited {
                look.tell(Finding::QueueEmpty { id: *id });
            }
            if !owned {
                let (id, body) = (*id, *body);
                look.tell(Finding::QueueUnowned { id, body });
            }
        }
        let page = Selection {
            ids: queued.iter().map(|(id, ..)| *id).collect(),
            ..Selection::default()
        };
        let mut unreadable = Vec::new();
        queue::select_all(look.sql, &page, queued.len(), &mut |id, error| {
            let why = error.to_string();
            unreadable.push(Finding::QueueUnreadable { id, why });
        })?;
        look.found.append(&mut unreadable);
        Ok(true)
    }
}

/// Recipients of messages that are not in the queue.
#[derive(Default)]
pub(super) struct Recipients {
    after: i64,
}

impl Check for Recipients {
    fn name(&self) -> &'static str {
        "recipients"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        for _ in 0..AT_ONCE {
            let next = "SELECT r.message, q.id FROM queue_recipient r LEFT JOIN queue_message q ON q.id = r.message
                        WHERE r.message > ?1 ORDER BY r.message LIMIT 1";
            let next = look.first(next, params![self.after], |row| {
                Ok((row.int(0)?, row.maybe_int(1)?))
            })?;
            let Some((message, exists)) = next else {
                return Ok(false);
            };
            self.after = message;
            look.rows += 1;
            if exists.is_none() {
                let list = "SELECT address FROM queue_recipient WHERE message = ?1 ORDER BY number LIMIT 100";
                let recipients = look.rows(list, params![message], |row| {
                    Ok(row.text(0).unwrap_or_else(|error| error.to_string()))
                })?;
                look.tell(Finding::RecipientOrphans {
                    id: QueueId(message),
                    recipients,
                });
            }
        }
        Ok(true)
    }
}
