//! Accounts and mailboxes: counters, highest numbers, and rows of accounts that are gone.

use crate::{AccountId, Error, MailboxId, params, sql, sql::Sql};

use super::{Check, Finding, Look};

/// Mailboxes counted in one step, and messages after which it ends early.
const MAILBOXES: usize = 64;
const MESSAGES: i64 = 50_000;

/// Every mailbox: counters, next UID, highest MODSEQ.
#[derive(Default)]
pub(super) struct Mailboxes {
    after: i64,
}

impl Check for Mailboxes {
    fn name(&self) -> &'static str {
        "mailboxes"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let mut messages = 0i64;
        for _ in 0..MAILBOXES {
            let next = "SELECT id FROM mailbox WHERE id > ?1 ORDER BY id LIMIT 1";
            let Some(id) = look.first(next, params![self.after], |row| row.int(0))? else {
                return Ok(false);
            };
            self.after = id;
            look.rows += 1;
            let Some(state) = State::of(look.sql, MailboxId(id))? else {
                continue;
            };
            messages = messages.saturating_add(state.held[0]);
            look.found.extend(state.findings(MailboxId(id)));
            if messages > MESSAGES {
                break;
            }
        }
        Ok(true)
    }
}

/// What a mailbox says, and what is true.
pub(crate) struct State {
    /// Messages, unseen, deleted, octets.
    pub(crate) counted: [i64; 4],
    pub(crate) held: [i64; 4],
    pub(crate) next: i64,
    pub(crate) next_needed: i64,
    pub(crate) modseq: i64,
    pub(crate) modseq_needed: i64,
}

impl State {
    /// Of `mailbox`, if it exists.
    pub(crate) fn of(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<Option<Self>, Error> {
        let said = "SELECT messages, unseen, deleted, bytes, uid_next, highest_modseq FROM mailbox WHERE id = ?1";
        let said = sql::first(sql, said, params![mailbox], |row| {
            let counted = [row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?];
            Ok((counted, row.int(4)?, row.int(5)?))
        })?;
        let Some((counted, next, modseq)) = said else {
            return Ok(None);
        };
        let holds =
            "SELECT count(*), coalesce(sum(1 - (flags & 1)), 0), coalesce(sum((flags & 8) / 8), 0),
                     coalesce(sum(size), 0), coalesce(max(uid), 0), coalesce(max(modseq), 0)
                     FROM message WHERE mailbox = ?1";
        let held = sql::first(sql, holds, params![mailbox], |row| {
            let held = [row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?];
            Ok((held, row.int(4)?, row.int(5)?))
        })?;
        let (held, uid, change) = held.unwrap_or_default();
        let gone = "SELECT coalesce(max(last), 0), coalesce(max(modseq), 0) FROM expunged WHERE mailbox = ?1";
        let gone = sql::first(sql, gone, params![mailbox], |row| {
            Ok((row.int(0)?, row.int(1)?))
        })?;
        let (gone_uid, gone_change) = gone.unwrap_or_default();
        Ok(Some(Self {
            counted,
            held,
            next,
            next_needed: uid.max(gone_uid).saturating_add(1),
            modseq,
            modseq_needed: change.max(gone_change),
        }))
    }

    fn findings(&self, mailbox: MailboxId) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.counted != self.held {
            findings.push(Finding::MailboxCounters {
                mailbox,
                counted: self.counted,
                held: self.held,
            });
        }
        if self.next < self.next_needed {
            findings.push(Finding::UidNext {
                mailbox,
                next: self.next,
                needed: self.next_needed,
            });
        }
        if self.modseq < self.modseq_needed {
            findings.push(Finding::ModSeq {
                mailbox,
                highest: self.modseq,
                needed: self.modseq_needed,
            });
        }
        findings
    }
}

/// Every account with mailboxes: what it uses, and its key.
#[derive(Default)]
pub(super) struct Accounts {
    after: i64,
}

impl Check for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        for _ in 0..64 {
            let next = "SELECT min(account) FROM (
                SELECT min(account) AS account FROM account_usage WHERE account > ?1
                UNION ALL SELECT min(account) FROM mailbox WHERE account > ?1) AS next";
            let next = look.first(next, params![self.after], |row| row.maybe_int(0))?;
            let Some(account) = next.flatten() else {
                return Ok(false);
            };
            self.after = account;
            look.rows += 1;
            let account = AccountId(account);
            let (counted, held) = usage(look.sql, account)?;
            if counted != Some(held) {
                look.tell(Finding::Usage {
                    account,
                    counted,
                    held,
                });
            }
            let key = "SELECT account FROM account_key WHERE account = ?1";
            if !look.exists(key, params![account])? {
                look.tell(Finding::KeyMissing { account });
            }
        }
        Ok(true)
    }
}

/// Octets and messages that an account counts, and that its mailboxes count.
pub(crate) fn usage(
    sql: &mut dyn Sql,
    account: AccountId,
) -> Result<(Option<[i64; 2]>, [i64; 2]), Error> {
    let pair = |row: &dyn sql::Row| Ok([row.int(0)?, row.int(1)?]);
    let counted = "SELECT bytes, messages FROM account_usage WHERE account = ?1";
    let counted = sql::first(sql, counted, params![account], pair)?;
    let held = "SELECT coalesce(sum(bytes), 0), coalesce(sum(messages), 0) FROM mailbox WHERE account = ?1";
    let held = sql::first(sql, held, params![account], pair)?;
    Ok((counted, held.unwrap_or_default()))
}

/// Tables that hold rows of accounts and nothing that a person would miss.
const OF_ACCOUNTS: [&str; 2] = ["subscription", "thread_reference"];

/// Rows of accounts that have no mailboxes.
#[derive(Default)]
pub(super) struct Orphans {
    table: usize,
    after: i64,
}

impl Check for Orphans {
    fn name(&self) -> &'static str {
        "rows of accounts"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let Some(table) = OF_ACCOUNTS.get(self.table).copied() else {
            return Ok(false);
        };
        for _ in 0..64 {
            let next = format!("SELECT min(account) FROM {table} WHERE account > ?1");
            let next = look.first(&next, params![self.after], |row| row.maybe_int(0))?;
            let Some(account) = next.flatten() else {
                self.table += 1;
                self.after = 0;
                return Ok(true);
            };
            self.after = account;
            look.rows += 1;
            if !has_mail(look.sql, AccountId(account))? {
                let count = format!("SELECT count(*) FROM {table} WHERE account = ?1");
                let rows = look.first(&count, params![account], |row| row.count(0))?;
                look.tell(Finding::AccountOrphans {
                    table,
                    account: AccountId(account),
                    rows: rows.unwrap_or_default(),
                });
            }
        }
        Ok(true)
    }
}

/// Whether the account has a mailbox, a message or a limit.
pub(crate) fn has_mail(sql: &mut dyn Sql, account: AccountId) -> Result<bool, Error> {
    for table in ["account_usage", "mailbox", "email"] {
        let find = format!("SELECT account FROM {table} WHERE account = ?1 LIMIT 1");
        if super::exists(sql, &find, params![account])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The last UIDVALIDITY given.
pub(super) struct Validity;

impl Check for Validity {
    fn name(&self) -> &'static str {
        "UIDVALIDITY"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let (last, needed) = validity(look.sql)?;
        if last < needed {
            look.tell(Finding::UidValidity { last, needed });
        }
        Ok(false)
    }
}

/// The last UIDVALIDITY given as noted, and the highest there is or was.
pub(crate) fn validity(sql: &mut dyn Sql) -> Result<(i64, i64), Error> {
    let mut number = |statement: &str| -> Result<i64, Error> {
        let found = sql::first(sql, statement, &[], |row| row.maybe_int(0))?;
        Ok(found.flatten().unwrap_or(0))
    };
    let last = number("SELECT max(last) FROM uid_validity")?;
    let used = number("SELECT max(uid_validity) FROM mailbox")?;
    let retired = number("SELECT max(retired_validity) FROM account_usage")?;
    Ok((last, used.max(retired)))
}
