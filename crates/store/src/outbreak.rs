//! Mail that was delivered and is not wanted there any more (clause 5.2(2)): found by who knows what to look for, noted, and on
//! approval taken out of the mailboxes and set apart.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    AccountId, BodyId, EmailId, Error, MailboxId, QueueId, Tx, id, mailbox, params,
    quarantine::{self, NewHeld},
    sql::{self, Row, Sql},
};

/// A message of an account, wherever its mailboxes have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its EMAILID.
    pub email: EmailId,
    /// Whose it is.
    pub account: AccountId,
    /// Its body.
    pub body: BodyId,
}

/// The EMAILID before all that came at `at` or later.
#[must_use]
pub fn before(at: Timestamp) -> EmailId {
    EmailId(id::not_before(at).saturating_sub(1))
}

/// Messages of all accounts with an EMAILID above `after`, in the order in which they came, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn delivered(sql: &mut dyn Sql, after: EmailId, limit: u32) -> Result<Vec<Delivered>, Error> {
    let list = "SELECT id, account, body FROM email WHERE id > ?1 ORDER BY id LIMIT ?2";
    sql::rows(sql, list, params![after, limit], |row| {
        Ok(Delivered {
            email: EmailId(row.int(0)?),
            account: AccountId(row.int(1)?),
            body: BodyId(row.int(2)?),
        })
    })
}

/// A search of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The rule's number.
    pub rule: i64,
    /// Who asked for it.
    pub searched_by: String,
    /// When it was noted.
    pub searched_at: Timestamp,
    /// Mail that came at this time or later was looked at.
    pub since: Timestamp,
    /// Messages that were looked at.
    pub looked: u64,
    /// Those of them that could not be read.
    pub unreadable: u64,
}

/// What became of a message that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It lies where it was found.
    Found,
    /// It is set apart under this id, or was.
    Pulled(QueueId),
    /// Its owner had deleted it before it could be pulled.
    Gone,
}

/// A message that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub delivered: Delivered,
    /// What of it the rule means.
    pub what: String,
    /// What became of it.
    pub state: State,
}

/// Notes a search and what it found in place of the search before; what was pulled stays noted.
///
/// # Errors
/// When the database fails.
pub fn note_search(tx: &mut Tx<'_>, search: &Search, found: &[Found]) -> Result<(), Error> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    tx.execute(
        "INSERT INTO outbreak_search (rule, searched_by, searched_at, since, looked, unreadable) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (rule) DO UPDATE SET searched_by = excluded.searched_by, searched_at = excluded.searched_at, \
         since = excluded.since, looked = excluded.looked, unreadable = excluded.unreadable",
        params![
            search.rule,
            &search.searched_by,
            search.searched_at,
            search.since,
            count(search.looked),
            count(search.unreadable)
        ],
    )?;
    tx.execute(
        "DELETE FROM outbreak_found WHERE rule = ?1 AND state <> 'pulled'",
        params![search.rule],
    )?;
    for one in found {
        let Delivered {
            email,
            account,
            body,
        } = one.delivered;
        tx.execute(
            "INSERT INTO outbreak_found (rule, email, account, body, what, state) VALUES (?1, ?2, ?3, ?4, ?5, 'found') \
             ON CONFLICT (rule, email) DO NOTHING",
            params![search.rule, email, account, body, &one.what],
        )?;
    }
    Ok(())
}

/// The last search of a rule.
///
/// # Errors
/// When the database fails.
pub fn search(sql: &mut dyn Sql, rule: i64) -> Result<Option<Search>, Error> {
    let find = "SELECT searched_by, searched_at, since, looked, unreadable FROM outbreak_search WHERE rule = ?1";
    sql::first(sql, find, params![rule], |row| {
        Ok(Search {
            rule,
            searched_by: row.text(0)?,
            searched_at: row.time(1)?,
            since: row.time(2)?,
            looked: row.count(3)?,
            unreadable: row.count(4)?,
        })
    })
}

/// What the searches of a rule found, with an EMAILID above `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn found(
    sql: &mut dyn Sql,
    rule: i64,
    after: EmailId,
    limit: u32,
) -> Result<Vec<Found>, Error> {
    let list = "SELECT email, account, body, what, state, held FROM outbreak_found WHERE rule = ?1 AND email > ?2 \
                ORDER BY email LIMIT ?3";
    sql::rows(sql, list, params![rule, after, limit], one)
}

fn one(row: &dyn Row) -> Result<Found, Error> {
    let state = match (row.text(4)?.as_str(), row.maybe_int(5)?) {
        ("found", None) => State::Found,
        ("gone", None) => State::Gone,
        ("pulled", Some(held)) => State::Pulled(QueueId(held)),
        _ => {
            return Err(Error::Corrupt(
                "the state of mail that was found".to_owned(),
            ));
        }
    };
    Ok(Found {
        delivered: Delivered {
            email: EmailId(row.int(0)?),
            account: AccountId(row.int(1)?),
            body: BodyId(row.int(2)?),
        },
        what: row.text(3)?,
        state,
    })
}

/// Takes a message that was found out of all mailboxes of its account and sets it apart as `held` (`None`: its body is gone);
/// `false` when it lies in none any more, which is noted too.
///
/// # Errors
/// [`Error::NotFound`] when it is not to be pulled any more: somebody else just did, or searched anew. When the database fails.
pub fn pull(
    tx: &mut Tx<'_>,
    rule: i64,
    delivered: &Delivered,
    held: Option<&NewHeld>,
) -> Result<bool, Error> {
    let list = "SELECT mailbox, uid FROM message WHERE email = ?1 ORDER BY mailbox, uid";
    let mut places: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    (tx as &mut dyn Sql).query(list, params![delivered.email], &mut |row| {
        let uid = u32::try_from(row.int(1)?).map_err(|_| Error::Corrupt("a UID".to_owned()))?;
        places.entry(row.int(0)?).or_default().push(uid);
        Ok(())
    })?;
    let held = held.filter(|_| !places.is_empty());
    let (state, id) = match held {
        Some(held) => ("pulled", Some(held.id)),
        None => ("gone", None),
    };
    let settle = "UPDATE outbreak_found SET state = ?3, held = ?4 WHERE rule = ?1 AND email = ?2 AND state = 'found'";
    if tx.execute(settle, params![rule, delivered.email, state, id])? == 0 {
        let what = format!("message {} among what rule {rule} found", delivered.email);
        return Err(Error::NotFound(what));
    }
    if let Some(held) = held {
        quarantine::keep(tx, held)?;
        for (mailbox, uids) in places {
            mailbox::expunge(tx, MailboxId(mailbox), &uids)?;
        }
    }
    Ok(held.is_some())
}

/// Takes out what was found of an account that is about to be erased.
pub(crate) fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM outbreak_found WHERE account = ?1",
        params![account],
    )?;
    Ok(())
}
