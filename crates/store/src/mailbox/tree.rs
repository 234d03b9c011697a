//! The mailboxes of an account by name: made, deleted, renamed, subscribed.

use crate::{AccountId, Error, MailboxId, Refusal, Topic, Tx, params, sql, sql::Row, sql::Sql};

use super::{
    Mailbox, SpecialUse, account, copy, expunge,
    head::number,
    name::{self, canonical},
};

/// Mailboxes of one account at most.
pub const MAX_MAILBOXES: u64 = 10_000;
/// Subscriptions of one account at most.
pub const MAX_SUBSCRIPTIONS: u64 = 10_000;

const SELECT: &str = "SELECT m.id, m.account, m.name, m.uid_validity, m.uid_next, m.highest_modseq, m.special_use, \
     s.name, m.selectable, m.messages, m.unseen, m.deleted, m.bytes FROM mailbox m \
     LEFT JOIN subscription s ON s.account = m.account AND s.name = m.name";

/// All mailboxes of an account, by name. Subscriptions to names that do not exist are in [`subscriptions`].
///
/// # Errors
/// When the database fails.
pub fn list(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Mailbox>, Error> {
    let statement = format!("{SELECT} WHERE m.account = ?1 ORDER BY m.name");
    sql::rows(sql, &statement, params![account], mailbox)
}

/// Names the account subscribed to, whether they exist or not.
///
/// # Errors
/// When the database fails.
pub fn subscriptions(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<String>, Error> {
    sql::rows(
        sql,
        "SELECT name FROM subscription WHERE account = ?1 ORDER BY name",
        params![account],
        |row| row.text(0),
    )
}

/// The mailbox of that name (`INBOX` in any case).
///
/// # Errors
/// When the database fails.
pub fn by_name(
    sql: &mut dyn Sql,
    account: AccountId,
    name: &str,
) -> Result<Option<Mailbox>, Error> {
    let Ok(name) = canonical(name) else {
        return Ok(None);
    };
    let statement = format!("{SELECT} WHERE m.account = ?1 AND m.name = ?2");
    sql::first(sql, &statement, params![account, &name], mailbox)
}

/// The mailbox of that special use, if the account has one.
///
/// # Errors
/// When the database fails.
pub fn by_special_use(
    sql: &mut dyn Sql,
    account: AccountId,
    special_use: SpecialUse,
) -> Result<Option<Mailbox>, Error> {
    let statement =
        format!("{SELECT} WHERE m.account = ?1 AND m.special_use = ?2 AND m.selectable");
    sql::first(
        sql,
        &statement,
        params![account, special_use.column()],
        mailbox,
    )
}

/// The mailbox of that id, if it still exists.
///
/// # Errors
/// When the database fails.
pub fn by_id(sql: &mut dyn Sql, id: MailboxId) -> Result<Option<Mailbox>, Error> {
    let statement = format!("{SELECT} WHERE m.id = ?1");
    sql::first(sql, &statement, params![id], mailbox)
}

/// Makes a mailbox, and its parents where they are missing. One separator at the end of the name says that
/// names below it will follow and is not part of it (RFC 9051, section 6.3.4).
///
/// # Errors
/// [`Refusal`] when it exists, the name is bad, the special use is taken or there are too many.
pub fn create(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
    special_use: Option<SpecialUse>,
) -> Result<Mailbox, Error> {
    let name = canonical(name.strip_suffix(name::SEPARATOR).unwrap_or(name))?;
    let old = by_name(tx, account, &name)?;
    if old.as_ref().is_some_and(|old| old.selectable) {
        return Err(Refusal::MailboxExists(name).into());
    }
    if let Some(special_use) = special_use {
        must_be_free(tx, account, special_use)?;
    }
    let missing = missing_parents(tx, account, &name)?;
    must_have_places(tx, account, missing.len() + usize::from(old.is_none()))?;
    account::must_have_row(tx, account)?;
    for parent in missing {
        insert(tx, account, &parent, None, true)?;
    }
    if let Some(old) = old {
        tx.execute("DELETE FROM mailbox WHERE id = ?1", params![old.id])?;
    }
    let id = insert(tx, account, &name, special_use, true)?;
    tx.touch(Topic::Account(account));
    by_id(tx, id)?.ok_or_else(|| Error::NotFound(format!("mailbox {id}")))
}

/// Deletes a mailbox and its messages. INBOX stays; a name with children stays as not selectable.
///
/// # Errors
/// [`Refusal`] when there is none or it is protected: INBOX, or a name that only its children keep.
pub fn delete(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<(), Error> {
    let mailbox = existing(tx, account, name)?;
    let has_children = !below(tx, account, &mailbox.name)?.is_empty();
    if name::is_inbox(&mailbox.name) || (has_children && !mailbox.selectable) {
        return Err(Refusal::MailboxProtected(mailbox.name).into());
    }
    let (counts, emails) = expunge::empty(tx, mailbox.id)?;
    expunge::release_orphans(tx, account, &emails)?;
    account::add_usage(tx, account, &counts.negated())?;
    tx.execute("DELETE FROM mailbox WHERE id = ?1", params![mailbox.id])?;
    retire(tx, account, mailbox.uid_validity)?;
    if has_children {
        insert(tx, account, &mailbox.name, None, false)?;
    }
    tx.touch(Topic::Mailbox(mailbox.id));
    tx.touch(Topic::Account(account));
    Ok(())
}

/// Renames a mailbox with its children. Renaming INBOX moves its messages into a new mailbox and leaves its
/// children (RFC 9051, section 6.3.6). Subscriptions are to names and stay as they are.
///
/// # Errors
/// [`Refusal`] when there is none, or the new name exists or is bad, or lies below the old one.
pub fn rename(tx: &mut Tx<'_>, account: AccountId, from: &str, to: &str) -> Result<(), Error> {
    let mailbox = existing(tx, account, from)?;
    let to = canonical(to)?;
    if name::is_inbox(&mailbox.name) {
        let new = create(tx, account, &to, None)?;
        let uids = all_uids(tx, mailbox.id)?;
        copy::move_to(tx, mailbox.id, &uids, new.id)?;
        return Ok(());
    }
    if by_name(tx, account, &to)?.is_some() {
        return Err(Refusal::MailboxExists(to).into());
    }
    if to.starts_with(&name::below(&mailbox.name).0) {
        return Err(Refusal::MailboxName {
            name: to,
            reason: "it lies below the mailbox that would take it",
        }
        .into());
    }
    let mut moved = below(tx, account, &mailbox.name)?;
    let old_name = mailbox.name.clone();
    moved.push(mailbox);
    let missing = missing_parents(tx, account, &to)?;
    must_have_places(tx, account, missing.len())?;
    let mut targets = Vec::with_capacity(moved.len());
    for mailbox in &moved {
        let rest = mailbox.name.get(old_name.len()..).unwrap_or_default();
        targets.push(canonical(&format!("{to}{rest}"))?);
    }
    for parent in missing {
        insert(tx, account, &parent, None, true)?;
    }
    take_names(tx, account, &moved, &targets)?;
    tx.touch(Topic::Account(account));
    Ok(())
}

/// Gives each of `moved` its name of `targets`, and a new UIDVALIDITY to those whose own may be lower than
/// one that was shown under the new name.
fn take_names(
    tx: &mut Tx<'_>,
    account: AccountId,
    moved: &[Mailbox],
    targets: &[String],
) -> Result<(), Error> {
    let retired = sql::first(
        tx,
        "SELECT retired_validity FROM account_usage WHERE account = ?1",
        params![account],
        |row| number(row, 0),
    )?
    .unwrap_or_default();
    for (mailbox, target) in moved.iter().zip(targets) {
        let validity = if mailbox.uid_validity < retired {
            next_validity(tx)?
        } else {
            mailbox.uid_validity
        };
        tx.execute(
            "UPDATE mailbox SET name = ?2, uid_validity = ?3 WHERE id = ?1",
            params![mailbox.id, target, validity],
        )?;
        retire(tx, account, mailbox.uid_validity)?;
        tx.touch(Topic::Mailbox(mailbox.id));
    }
    Ok(())
}

/// Subscribes to a name or unsubscribes from it. The name need not exist.
///
/// # Errors
/// When the name is bad or there are too many.
pub fn subscribe(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
    subscribed: bool,
) -> Result<(), Error> {
    let name = canonical(name)?;
    if subscribed {
        let count = count_of(
            tx,
            "SELECT COUNT(*) FROM subscription WHERE account = ?1",
            account,
        )?;
        if count >= MAX_SUBSCRIPTIONS {
            return Err(Refusal::Limit("subscriptions of one account (10,000)").into());
        }
        tx.execute(
            "INSERT INTO subscription (account, name) VALUES (?1, ?2) ON CONFLICT (account, name) DO NOTHING",
            params![account, &name],
        )?;
    } else {
        tx.execute(
            "DELETE FROM subscription WHERE account = ?1 AND name = ?2",
            params![account, &name],
        )?;
    }
    tx.touch(Topic::Account(account));
    Ok(())
}

/// How many mailboxes the account has.
pub(super) fn count(sql: &mut dyn Sql, account: AccountId) -> Result<u64, Error> {
    count_of(
        sql,
        "SELECT COUNT(*) FROM mailbox WHERE account = ?1",
        account,
    )
}

fn count_of(sql: &mut dyn Sql, statement: &str, account: AccountId) -> Result<u64, Error> {
    Ok(sql::first(sql, statement, params![account], |row| row.count(0))?.unwrap_or_default())
}

fn existing(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<Mailbox, Error> {
    let found = by_name(tx, account, name)?;
    found.ok_or_else(|| Refusal::NoMailbox(name.chars().take(80).collect()).into())
}

/// The mailboxes below `name`, which is canonical.
fn below(sql: &mut dyn Sql, account: AccountId, name: &str) -> Result<Vec<Mailbox>, Error> {
    let (from, before) = name::below(name);
    let statement = format!("{SELECT} WHERE m.account = ?1 AND m.name >= ?2 AND m.name < ?3");
    sql::rows(sql, &statement, params![account, &from, &before], mailbox)
}

fn missing_parents(
    sql: &mut dyn Sql,
    account: AccountId,
    name: &str,
) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for parent in name::parents(name) {
        if by_name(sql, account, parent)?.is_none() {
            missing.push(parent.to_owned());
        }
    }
    Ok(missing)
}

fn must_have_places(tx: &mut Tx<'_>, account: AccountId, more: usize) -> Result<(), Error> {
    if count(tx, account)?.saturating_add(more as u64) > MAX_MAILBOXES {
        return Err(Refusal::Limit("mailboxes of one account (10,000)").into());
    }
    Ok(())
}

fn must_be_free(tx: &mut Tx<'_>, account: AccountId, special_use: SpecialUse) -> Result<(), Error> {
    let taken = sql::first(
        tx,
        "SELECT 1 FROM mailbox WHERE account = ?1 AND special_use = ?2",
        params![account, special_use.column()],
        |row| row.int(0),
    )?;
    match taken {
        Some(_) => Err(Refusal::SpecialUseTaken(special_use.attribute()).into()),
        None => Ok(()),
    }
}

fn insert(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
    special_use: Option<SpecialUse>,
    selectable: bool,
) -> Result<MailboxId, Error> {
    let id = MailboxId(tx.next_id());
    let validity = next_validity(tx)?;
    tx.execute(
        "INSERT INTO mailbox (id, account, name, uid_validity, uid_next, highest_modseq, special_use, selectable, \
         messages, unseen, deleted, bytes, keywords) VALUES (?1, ?2, ?3, ?4, 1, 1, ?5, ?6, 0, 0, 0, 0, '')",
        params![
            id,
            account,
            name,
            validity,
            special_use.map(SpecialUse::column),
            selectable
        ],
    )?;
    Ok(id)
}

/// A UIDVALIDITY above all given before in this installation, near the seconds since 1970.
fn next_validity(tx: &mut Tx<'_>) -> Result<u32, Error> {
    let last = sql::first(
        tx,
        "SELECT last FROM uid_validity WHERE id = 1",
        &[],
        |row| row.int(0),
    )?
    .unwrap_or_default();
    let next = tx.now().as_second().max(last.saturating_add(1));
    let next = u32::try_from(next).map_err(|_| Refusal::Limit("UIDVALIDITY (2^32)"))?;
    tx.execute(
        "INSERT INTO uid_validity (id, last) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET last = ?1",
        params![next],
    )?;
    Ok(next)
}

/// Notes that a mailbox with this UIDVALIDITY no longer stands under its name.
fn retire(tx: &mut Tx<'_>, account: AccountId, validity: u32) -> Result<(), Error> {
    tx.execute(
        "UPDATE account_usage SET retired_validity = ?2 WHERE account = ?1 AND retired_validity < ?2",
        params![account, validity],
    )?;
    Ok(())
}

fn all_uids(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<Vec<u32>, Error> {
    sql::rows(
        sql,
        "SELECT uid FROM message WHERE mailbox = ?1 ORDER BY uid",
        params![mailbox],
        |row| number(row, 0),
    )
}

fn mailbox(row: &dyn Row) -> Result<Mailbox, Error> {
    let special_use = match row.maybe_text(6)? {
        None => None,
        Some(text) => Some(
            SpecialUse::from_column(&text)
                .ok_or_else(|| Error::Corrupt(format!("{text:?} is no special use")))?,
        ),
    };
    Ok(Mailbox {
        id: MailboxId(row.int(0)?),
        account: AccountId(row.int(1)?),
        name: row.text(2)?,
        uid_validity: number(row, 3)?,
        uid_next: number(row, 4)?,
        highest_modseq: row.count(5)?,
        special_use,
        subscribed: row.maybe_text(7)?.is_some(),
        selectable: row.int(8)? != 0,
        messages: row.count(9)?,
        unseen: row.count(10)?,
        deleted: row.count(11)?,
        bytes: row.count(12)?,
    })
}
