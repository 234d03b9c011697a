//! Incidents and the steps taken in them (clauses 4.1, 4.4, 5.2, 5.5, 8.4).

use jiff::Timestamp;
use store::{
    AccountId, Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use crate::{command::incident::IncidentKind, runbook};

/// An incident's row, with the names in it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) kind: String,
    /// The identifier that it is about, if it is about one.
    pub(crate) account: Option<(AccountId, String)>,
    /// The network address that it is about, if it is about one.
    pub(crate) address: Option<String>,
    pub(crate) reason: String,
    /// A JSON object.
    pub(crate) facts: String,
    pub(crate) since: Timestamp,
    /// `None`: the server by itself.
    pub(crate) opened_by: Option<String>,
    pub(crate) opened_at: Timestamp,
    pub(crate) closed_by: Option<String>,
    pub(crate) closed_at: Option<Timestamp>,
}

/// A step that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// `None`: the server by itself.
    pub(crate) by: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) note: String,
}

const SELECT: &str =
    "SELECT i.number, i.kind, i.account, a.identifier, i.reason, i.since, o.name, i.opened_at,
    c.name, i.closed_at, i.address, i.facts FROM incident i LEFT JOIN account a ON a.id = i.account
    LEFT JOIN person o ON o.id = i.opened_by LEFT JOIN person c ON c.id = i.closed_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        number: row.int(0)?,
        kind: row.text(1)?,
        account: match row.maybe_int(2)? {
            Some(id) => Some((AccountId(id), row.text(3)?)),
            None => None,
        },
        address: row.maybe_text(10)?,
        facts: row.text(11)?,
        reason: row.text(4)?,
        since: row.time(5)?,
        opened_by: row.maybe_text(6)?,
        opened_at: row.time(7)?,
        closed_by: row.maybe_text(8)?,
        closed_at: super::maybe_time(row, 9)?,
    })
}

pub(crate) fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE i.number = ?1");
    first(sql, &find, params![number], read)
}

/// The newest first.
pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(sql, &format!("{SELECT} ORDER BY i.number DESC"), &[], read)
}

impl Entry {
    /// What it is about.
    pub(crate) fn kind(&self) -> Result<IncidentKind, Error> {
        IncidentKind::named(&self.kind).ok_or_else(|| {
            Error::Corrupt(format!(
                "incident {} is of no kind: {}",
                self.number, self.kind
            ))
        })
    }

    /// The identifier that it is about; empty when it is about none.
    pub(crate) fn identifier(&self) -> &str {
        self.account.as_ref().map_or("", |(_, name)| name)
    }
}

/// Those of an account that are not closed, the newest first.
pub(crate) fn open_of(sql: &mut dyn Sql, account: AccountId) -> Result<Vec<Entry>, Error> {
    let find =
        format!("{SELECT} WHERE i.account = ?1 AND i.closed_at IS NULL ORDER BY i.number DESC");
    rows(sql, &find, params![account], read)
}

/// The newest of a kind that is not closed and is about no account, but about this network address, if it is about one.
pub(crate) fn open_at(
    sql: &mut dyn Sql,
    kind: &str,
    address: Option<&str>,
) -> Result<Option<Entry>, Error> {
    let find = format!(
        "{SELECT} WHERE i.kind = ?1 AND i.account IS NULL AND COALESCE(i.address, '') = ?2 AND i.closed_at IS NULL \
         ORDER BY i.number DESC LIMIT 1"
    );
    first(sql, &find, params![kind, address.unwrap_or_default()], read)
}

/// Whether one of a kind is open about this network address, or was opened since a time.
pub(crate) fn opened_at_since(
    sql: &mut dyn Sql,
    kind: &str,
    address: &str,
    from: Timestamp,
) -> Result<bool, Error> {
    let find = "SELECT 1 FROM incident WHERE kind = ?1 AND address = ?2 AND (closed_at IS NULL OR opened_at >= ?3) LIMIT 1";
    let found = first(sql, find, params![kind, address, from], |row| row.int(0))?;
    Ok(found.is_some())
}

/// How many of a kind are open that the server opened.
pub(crate) fn open_by_server(sql: &mut dyn Sql, kind: &str) -> Result<u64, Error> {
    let count =
        "SELECT COUNT(*) FROM incident WHERE kind = ?1 AND closed_at IS NULL AND opened_by IS NULL";
    let count = first(sql, count, params![kind], |row| row.count(0))?;
    Ok(count.unwrap_or_default())
}

/// What a new incident says.
pub(crate) struct New<'a> {
    pub(crate) kind: IncidentKind,
    pub(crate) account: Option<AccountId>,
    pub(crate) address: Option<&'a str>,
    pub(crate) reason: &'a str,
    pub(crate) facts: &'a str,
    pub(crate) since: Timestamp,
    /// `None`: the server by itself.
    pub(crate) opened_by: Option<PersonId>,
}

/// Enters an incident, which goes by the runbook in force. Returns its number, the next after the highest given, and the runbook's, if
/// one is kept already.
pub(crate) fn insert(tx: &mut Tx<'_>, new: &New<'_>) -> Result<(i64, Option<i64>), Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM incident";
    let highest = first(tx, highest, &[], |row| row.int(0))?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let now = tx.now();
    tx.execute(
        "INSERT INTO incident (number, kind, account, reason, since, opened_by, opened_at, address, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            number,
            new.kind.as_str(),
            new.account,
            new.reason,
            new.since,
            new.opened_by,
            now,
            new.address,
            new.facts
        ],
    )?;
    let book = runbook::bind(tx, number, new.kind)?;
    Ok((number, book))
}

/// The newest of a kind, open or closed.
pub(crate) fn last_of(sql: &mut dyn Sql, kind: IncidentKind) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE i.kind = ?1 ORDER BY i.number DESC LIMIT 1");
    first(sql, &find, params![kind.as_str()], read)
}

pub(crate) fn close(tx: &mut Tx<'_>, number: i64, by: PersonId) -> Result<(), Error> {
    let now = tx.now();
    let close = "UPDATE incident SET closed_by = ?2, closed_at = ?3 WHERE number = ?1";
    tx.execute(close, params![number, by, now])?;
    Ok(())
}

pub(crate) fn steps(sql: &mut dyn Sql, number: i64) -> Result<Vec<Step>, Error> {
    let list = "SELECT s.step, p.name, s.done_at, s.note FROM incident_step s
                LEFT JOIN person p ON p.id = s.done_by WHERE s.incident = ?1 ORDER BY s.done_at, s.step";
    rows(sql, list, params![number], |row| {
        Ok(Step {
            name: row.text(0)?,
            by: row.maybe_text(1)?,
            at: row.time(2)?,
            note: row.text(3)?,
        })
    })
}

/// Notes a step; `false` when it was taken before.
pub(crate) fn take_step(
    tx: &mut Tx<'_>,
    number: i64,
    step: &str,
    by: Option<PersonId>,
    note: &str,
) -> Result<bool, Error> {
    let now = tx.now();
    let insert = "INSERT INTO incident_step (incident, step, done_by, done_at, note) VALUES (?1, ?2, ?3, ?4, ?5)
                  ON CONFLICT (incident, step) DO NOTHING";
    Ok(tx.execute(insert, params![number, step, by, now, note])? > 0)
}
