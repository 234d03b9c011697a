//! What stands in a mailbox.

use crate::{
    AccountId, BodyId, EmailId, Error, MailboxId, Snapshot, ThreadId, batch,
    index::Found,
    params, sql,
    sql::{Row, Sql, Value},
};

use super::{Entry, Flags, head::number, keywords};

const COLUMNS: &str =
    "uid, email, thread, body, modseq, flags, keywords, size, internal_date, save_date";

/// A range this many times wider than the list of UIDs in it is still read as a range.
const SPARSE: u64 = 8;

/// Entries with `from <= uid <= to`, ascending.
///
/// # Errors
/// When the database fails.
pub fn entries(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    from: u32,
    to: u32,
) -> Result<Vec<Entry>, Error> {
    let statement = format!(
        "SELECT {COLUMNS} FROM message WHERE mailbox = ?1 AND uid >= ?2 AND uid <= ?3 ORDER BY uid"
    );
    sql::rows(sql, &statement, params![mailbox, from, to], entry)
}

/// The entries of `uids`, ascending; those gone are left out.
///
/// # Errors
/// When the database fails.
pub fn entries_of(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    uids: &[u32],
) -> Result<Vec<Entry>, Error> {
    let uids = batch::ascending(uids);
    let (Some(&first), Some(&last)) = (uids.first(), uids.last()) else {
        return Ok(Vec::new());
    };
    if are_dense(&uids) {
        let mut found = entries(sql, mailbox, first, last)?;
        found.retain(|entry| uids.binary_search(&entry.uid).is_ok());
        return Ok(found);
    }
    let mut found = Vec::with_capacity(uids.len());
    for list in batch::lists(&widened(&uids)) {
        let statement = format!(
            "SELECT {COLUMNS} FROM message WHERE mailbox = ?1 AND uid IN ({}) ORDER BY uid",
            batch::marks(2, list.len())
        );
        let params = with_list(Value::from(mailbox), &list);
        found.extend(sql::rows(sql, &statement, &params, entry)?);
    }
    Ok(found)
}

/// Whether `uids`, ascending, are read as the range that they lie in.
pub(super) fn are_dense(uids: &[u32]) -> bool {
    let (Some(first), Some(last)) = (uids.first(), uids.last()) else {
        return false;
    };
    u64::from(last - first) <= SPARSE.saturating_mul(uids.len() as u64)
}

/// How many octets the sealed summaries of `uids` have, ascending by UID; those gone are left out. For a reader that must
/// know before it holds them.
///
/// # Errors
/// When the database fails.
pub fn summary_sizes(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    uids: &[u32],
) -> Result<Vec<(u32, u64)>, Error> {
    let uids = batch::ascending(uids);
    let mut sizes = Vec::with_capacity(uids.len());
    for list in batch::lists(&widened(&uids)) {
        let statement = format!(
            "SELECT m.uid, length(e.summary) FROM message m JOIN email e ON e.id = m.email \
             WHERE m.mailbox = ?1 AND m.uid IN ({}) ORDER BY m.uid",
            batch::marks(2, list.len())
        );
        let params = with_list(Value::from(mailbox), &list);
        sizes.extend(sql::rows(sql, &statement, &params, |row| {
            Ok((number(row, 0)?, row.count(1)?))
        })?);
    }
    Ok(sizes)
}

/// Octets of the messages in `mailbox` that are marked `\Deleted`: what an EXPUNGE would free.
///
/// # Errors
/// When the database fails.
pub fn deleted_octets(sql: &mut dyn Sql, mailbox: MailboxId) -> Result<u64, Error> {
    let octets = sql::first(
        sql,
        "SELECT coalesce(sum(size), 0) FROM message WHERE mailbox = ?1 AND (flags & ?2) <> 0",
        params![mailbox, Flags::DELETED.0],
        |row| row.count(0),
    )?;
    Ok(octets.unwrap_or_default())
}

/// The opened summaries of `uids`, ascending by UID; those gone are left out.
///
/// # Errors
/// When the database fails or a summary does not open.
pub fn summaries(
    snapshot: &mut Snapshot<'_>,
    mailbox: MailboxId,
    uids: &[u32],
) -> Result<Vec<(u32, Vec<u8>)>, Error> {
    let account = sql::first(
        snapshot,
        "SELECT account FROM mailbox WHERE id = ?1",
        params![mailbox],
        |row| Ok(AccountId(row.int(0)?)),
    )?;
    let Some(account) = account else {
        return Ok(Vec::new());
    };
    let uids = batch::ascending(uids);
    let mut opened = Vec::with_capacity(uids.len());
    for list in batch::lists(&widened(&uids)) {
        let statement = format!(
            "SELECT m.uid, e.summary FROM message m JOIN email e ON e.id = m.email \
             WHERE m.mailbox = ?1 AND m.uid IN ({}) ORDER BY m.uid",
            batch::marks(2, list.len())
        );
        let params = with_list(Value::from(mailbox), &list);
        let sealed = sql::rows(snapshot, &statement, &params, |row| {
            Ok((number(row, 0)?, row.blob(1)?))
        })?;
        for (uid, summary) in sealed {
            opened.push((uid, snapshot.open_note(account, &summary)?));
        }
    }
    Ok(opened)
}

/// Where the messages `emails` stand in `mailbox`, ascending by UID: what a search in the index found.
///
/// # Errors
/// When the database fails.
pub fn places_of_emails(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    emails: &[EmailId],
) -> Result<Vec<(u32, EmailId)>, Error> {
    let emails = batch::ascending(emails);
    let place = |row: &dyn Row| Ok((number(row, 0)?, EmailId(row.int(1)?)));
    if is_much_of(sql, mailbox, emails.len())? {
        let all = "SELECT uid, email FROM message WHERE mailbox = ?1 ORDER BY uid";
        let mut places = Vec::new();
        sql.query(all, params![mailbox], &mut |row| {
            let place = place(row)?;
            if emails.binary_search(&place.1).is_ok() {
                places.push(place);
            }
            Ok(())
        })?;
        return Ok(places);
    }
    let emails: Vec<i64> = emails.iter().map(|email| email.0).collect();
    let mut places = Vec::new();
    for list in batch::lists(&emails) {
        let statement = format!(
            "SELECT uid, email FROM message WHERE email IN ({}) AND mailbox = ?1",
            batch::marks(2, list.len())
        );
        let params = with_list(Value::from(mailbox), &list);
        places.extend(sql::rows(sql, &statement, &params, place)?);
    }
    Ok(batch::ascending(&places))
}

/// Whether a scan of the mailbox costs less than looking up `count` messages one by one.
fn is_much_of(sql: &mut dyn Sql, mailbox: MailboxId, count: usize) -> Result<bool, Error> {
    let messages = sql::first(
        sql,
        "SELECT messages FROM mailbox WHERE id = ?1",
        params![mailbox],
        |row| row.count(0),
    )?;
    Ok(messages.is_some_and(|messages| (count as u64).saturating_mul(16) > messages))
}

/// Where in `mailbox` the messages stand that a search must look at: those found, and those that the index has not reached
/// yet. Ascending by UID.
///
/// # Errors
/// When the database fails.
pub fn places_to_verify(
    sql: &mut dyn Sql,
    mailbox: MailboxId,
    found: &Found,
) -> Result<Vec<(u32, EmailId)>, Error> {
    let mut emails = sql::rows(
        sql,
        "SELECT id FROM email WHERE account = (SELECT account FROM mailbox WHERE id = ?1) AND id > ?2",
        params![mailbox, found.covered_up_to],
        |row| Ok(EmailId(row.int(0)?)),
    )?;
    emails.extend(&found.emails);
    places_of_emails(sql, mailbox, &emails)
}

/// UIDs as parameters of a list.
pub(super) fn widened(uids: &[u32]) -> Vec<i64> {
    uids.iter().copied().map(i64::from).collect()
}

/// `first` and then the values of `list`.
pub(super) fn with_list<'a>(first: Value<'a>, list: &[i64]) -> Vec<Value<'a>> {
    let mut params = vec![first];
    params.extend(list.iter().map(|value| Value::Int(*value)));
    params
}

fn entry(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        uid: number(row, 0)?,
        email: EmailId(row.int(1)?),
        thread: ThreadId(row.int(2)?),
        body: BodyId(row.int(3)?),
        modseq: row.count(4)?,
        flags: flags(row, 5)?,
        keywords: keywords::split(&row.text(6)?),
        size: row.count(7)?,
        internal_date: row.time(8)?,
        save_date: row.time(9)?,
    })
}

pub(super) fn flags(row: &dyn Row, column: usize) -> Result<Flags, Error> {
    u8::try_from(row.int(column)?)
        .map(Flags)
        .map_err(|_| Error::Corrupt("flags of a message are out of range".to_owned()))
}
