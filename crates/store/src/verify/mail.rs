//! Messages in mailboxes, and the mail they show.

use crate::{AccountId, BodyId, EmailId, Error, MailboxId, params};

use super::{Check, Finding, Look, ROWS, body::shown};

/// Every message of every mailbox: whether it is what it shows.
#[derive(Default)]
pub(super) struct Messages {
    after: (i64, i64),
}

struct Shown {
    mailbox: MailboxId,
    /// As the table has it, which may be damaged.
    uid: i64,
    email: EmailId,
    body: BodyId,
    size: i64,
    kept: Option<BodyId>,
    account: Option<AccountId>,
    real: Option<i64>,
    owner: Option<i64>,
}

impl Check for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT m.mailbox, m.uid, m.email, m.body, m.size, e.body, e.account, b.size, x.account
                    FROM message m LEFT JOIN email e ON e.id = m.email LEFT JOIN body b ON b.id = m.body
                    LEFT JOIN mailbox x ON x.id = m.mailbox
                    WHERE (m.mailbox, m.uid) > (?1, ?2) ORDER BY m.mailbox, m.uid LIMIT ?3";
        let page = params![self.after.0, self.after.1, ROWS];
        let shown = look.rows(list, page, |row| {
            Ok(Shown {
                mailbox: MailboxId(row.int(0)?),
                uid: row.int(1)?,
                email: EmailId(row.int(2)?),
                body: BodyId(row.int(3)?),
                size: row.int(4)?,
                kept: row.maybe_int(5)?.map(BodyId),
                account: row.maybe_int(6)?.map(AccountId),
                real: row.maybe_int(7)?,
                owner: row.maybe_int(8)?,
            })
        })?;
        for message in &shown {
            look.found.extend(message.finding());
        }
        match shown.last() {
            Some(last) => self.after = (last.mailbox.0, last.uid),
            None => return Ok(false),
        }
        Ok(true)
    }
}

impl Shown {
    fn finding(&self) -> Option<Finding> {
        let (mailbox, email) = (self.mailbox, self.email);
        let uid = u32::try_from(self.uid).unwrap_or(u32::MAX);
        let (Some(kept), Some(account)) = (self.kept, self.account) else {
            return Some(Finding::MessageWithoutEmail {
                mailbox,
                uid,
                email,
                body: self.body,
            });
        };
        if self.owner.is_some_and(|owner| owner != account.0) {
            return Some(Finding::MessageForeign {
                mailbox,
                uid,
                email,
                account,
            });
        }
        if kept != self.body {
            return Some(Finding::MessageBody {
                mailbox,
                uid,
                shown: self.body,
                kept,
            });
        }
        let real = self.real.filter(|real| *real != self.size)?;
        Some(Finding::MessageSize {
            mailbox,
            uid,
            told: self.size,
            real,
        })
    }
}

/// Messages, and the memory of expunged ones, in mailboxes that do not exist.
#[derive(Default)]
pub(super) struct Strays {
    after: i64,
    expunged: bool,
}

impl Check for Strays {
    fn name(&self) -> &'static str {
        "mailboxes of messages"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let table = if self.expunged { "expunged" } else { "message" };
        let next = format!(
            "SELECT t.mailbox, m.id FROM {table} t LEFT JOIN mailbox m ON m.id = t.mailbox
             WHERE t.mailbox > ?1 ORDER BY t.mailbox LIMIT 1"
        );
        // From one mailbox to the next by the key: the rows between are not looked at.
        for _ in 0..64 {
            let found = look.first(&next, params![self.after], |row| {
                Ok((row.int(0)?, row.maybe_int(1)?))
            })?;
            let Some((mailbox, exists)) = found else {
                let goes_on = !self.expunged;
                *self = Self {
                    after: 0,
                    expunged: true,
                };
                return Ok(goes_on);
            };
            self.after = mailbox;
            look.rows += 1;
            if exists.is_none() {
                self.stray(look, MailboxId(mailbox), table)?;
            }
        }
        Ok(true)
    }
}

impl Strays {
    fn stray(&self, look: &mut Look<'_, '_>, mailbox: MailboxId, table: &str) -> Result<(), Error> {
        let count = format!("SELECT count(*) FROM {table} WHERE mailbox = ?1");
        let rows = look.first(&count, params![mailbox], |row| row.count(0))?;
        let rows = rows.unwrap_or_default();
        look.tell(if self.expunged {
            Finding::ExpungedOrphans { mailbox, rows }
        } else {
            Finding::MailboxMissing {
                mailbox,
                messages: rows,
            }
        });
        Ok(())
    }
}

/// Every message as its owner has it: whether a mailbox holds it, and whether it can be read.
#[derive(Default)]
pub(super) struct Emails {
    after: i64,
}

struct Kept {
    email: EmailId,
    account: AccountId,
    body: BodyId,
    summary: Vec<u8>,
    owned: bool,
    held: bool,
}

impl Check for Emails {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let list = "SELECT e.id, e.account, e.body, e.summary, o.body,
                    (SELECT m.uid FROM message m WHERE m.email = e.id LIMIT 1)
                    FROM email e LEFT JOIN body_owner o ON o.body = e.body AND o.account = e.account
                    WHERE e.id > ?1 ORDER BY e.id LIMIT ?2";
        let emails = look.rows(list, params![self.after, ROWS / 4], |row| {
            Ok(Kept {
                email: EmailId(row.int(0)?),
                account: AccountId(row.int(1)?),
                body: BodyId(row.int(2)?),
                summary: row.blob(3)?,
                owned: row.maybe_int(4)?.is_some(),
                held: row.maybe_int(5)?.is_some(),
            })
        })?;
        for kept in &emails {
            examine(look, kept)?;
        }
        match emails.last() {
            Some(last) => self.after = last.email.0,
            None => return Ok(false),
        }
        Ok(true)
    }
}

fn examine(look: &mut Look<'_, '_>, kept: &Kept) -> Result<(), Error> {
    let Kept {
        email,
        account,
        body,
        ..
    } = *kept;
    if !kept.owned {
        let holders = shown(look.sql, account, email)?;
        look.tell(Finding::EmailUnowned {
            email,
            account,
            body,
            holders,
        });
        return Ok(());
    }
    if !kept.held {
        look.tell(Finding::EmailUnseen {
            email,
            account,
            body,
        });
    }
    match look.sql.open_note(account, &kept.summary) {
        Ok(_) => Ok(()),
        Err(Error::Corrupt(_)) => {
            look.tell(Finding::SummaryDamaged {
                email,
                account,
                body,
            });
            Ok(())
        }
        // Its account is told of by itself.
        Err(Error::NoKey(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
