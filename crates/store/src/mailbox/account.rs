//! What belongs to an account as a whole: its first mailboxes, its limit, its end.

use crate::{
    AccountId, BodyId, Error, MailboxId, Refusal, Topic, Tx, outbreak, params, quarantine, sql,
    sql::Sql, words,
};

use super::{
    SpecialUse, Usage,
    head::{Counts, maybe_count, signed},
    thread, tree,
};

/// Makes what every account has: INBOX and the special-use mailboxes `names`, subscribed. Called when the
/// account is issued.
///
/// # Errors
/// When the account has mailboxes already.
pub fn create_initial(
    tx: &mut Tx<'_>,
    account: AccountId,
    names: &[(&str, SpecialUse)],
) -> Result<(), Error> {
    if tree::count(tx, account)? > 0 {
        return Err(Refusal::MailboxExists("INBOX".to_owned()).into());
    }
    tree::create(tx, account, "INBOX", None)?;
    tree::subscribe(tx, account, "INBOX", true)?;
    for (name, special_use) in names {
        tree::create(tx, account, name, Some(*special_use))?;
        tree::subscribe(tx, account, name, true)?;
    }
    Ok(())
}

/// Sets or lifts the account's limit, in octets.
///
/// # Errors
/// When the database fails.
pub fn set_quota(tx: &mut Tx<'_>, account: AccountId, limit: Option<u64>) -> Result<(), Error> {
    let limit = limit.map(signed).transpose()?;
    must_have_row(tx, account)?;
    tx.execute(
        "UPDATE account_usage SET quota = ?2 WHERE account = ?1",
        params![account, limit],
    )?;
    tx.touch(Topic::Account(account));
    tx.touch(Topic::Directory);
    Ok(())
}

/// What the account uses and may use. Constant time. An account without mailboxes uses nothing.
///
/// # Errors
/// When the database fails.
pub fn usage(sql: &mut dyn Sql, account: AccountId) -> Result<Usage, Error> {
    let usage = sql::first(
        sql,
        "SELECT bytes, messages, quota FROM account_usage WHERE account = ?1",
        params![account],
        |row| {
            Ok(Usage {
                bytes: row.count(0)?,
                messages: row.count(1)?,
                limit: maybe_count(row, 2)?,
            })
        },
    )?;
    Ok(usage.unwrap_or_default())
}

/// Removes all of an account: mailboxes, messages, bodies it owns. For `account delete`, with
/// [`Tx::destroy_key`]. UIDVALIDITY of a later account can never repeat.
///
/// # Errors
/// When the database fails.
pub fn remove_account(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    let mailboxes = sql::rows(
        tx,
        "SELECT id FROM mailbox WHERE account = ?1",
        params![account],
        |row| Ok(MailboxId(row.int(0)?)),
    )?;
    for mailbox in mailboxes {
        tx.execute("DELETE FROM message WHERE mailbox = ?1", params![mailbox])?;
        tx.execute("DELETE FROM expunged WHERE mailbox = ?1", params![mailbox])?;
        tx.touch(Topic::Mailbox(mailbox));
    }
    let bodies = sql::rows(
        tx,
        "SELECT body, COUNT(*) FROM email WHERE account = ?1 GROUP BY body",
        params![account],
        |row| Ok((BodyId(row.int(0)?), row.count(1)?)),
    )?;
    tx.release_bodies(account, &bodies.into_iter().collect())?;
    tx.execute("DELETE FROM email WHERE account = ?1", params![account])?;
    quarantine::forget(tx, account)?;
    words::forget(tx, account)?;
    outbreak::forget(tx, account)?;
    tx.execute("DELETE FROM mailbox WHERE account = ?1", params![account])?;
    tx.execute(
        "DELETE FROM subscription WHERE account = ?1",
        params![account],
    )?;
    tx.execute(
        "DELETE FROM account_usage WHERE account = ?1",
        params![account],
    )?;
    thread::forget(tx, account)?;
    tx.touch(Topic::Account(account));
    Ok(())
}

/// Makes the row that counts what the account keeps, where it is missing.
pub(super) fn must_have_row(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO account_usage (account, bytes, messages, quota, retired_validity) VALUES (?1, 0, 0, NULL, 0) \
         ON CONFLICT (account) DO NOTHING",
        params![account],
    )?;
    Ok(())
}

/// Adds to what the account keeps.
pub(super) fn add_usage(tx: &mut Tx<'_>, account: AccountId, change: &Counts) -> Result<(), Error> {
    if change.messages != 0 {
        tx.execute(
            "UPDATE account_usage SET bytes = bytes + ?2, messages = messages + ?3 WHERE account = ?1",
            params![account, change.bytes, change.messages],
        )?;
    }
    Ok(())
}
