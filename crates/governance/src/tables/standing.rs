//! How each check stood when it was last looked at.

use jiff::Timestamp;
use regulation::Text;
use store::{
    Error, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::{object, text};
use crate::state::{Finding, State};

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) finding: Finding,
    /// Since when it is in that state.
    pub(crate) since: Timestamp,
    /// When an event last told of it.
    pub(crate) told_at: Timestamp,
}

const SELECT: &str =
    "SELECT name, state, reason_ja, reason_en, facts, since, told_at FROM standing";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    let state: State = row
        .text(1)?
        .parse()
        .map_err(|error| Error::Corrupt(format!("standing.state: {error}")))?;
    Ok(Entry {
        name: row.text(0)?,
        finding: Finding {
            state,
            why: Text::new(row.text(2)?, row.text(3)?),
            facts: object(&row.text(4)?)?,
        },
        since: row.time(5)?,
        told_at: row.time(6)?,
    })
}

pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    rows(sql, &format!("{SELECT} ORDER BY name"), &[], read)
}

pub(crate) fn by_name(sql: &mut dyn Sql, name: &str) -> Result<Option<Entry>, Error> {
    first(
        sql,
        &format!("{SELECT} WHERE name = ?1"),
        params![name],
        read,
    )
}

pub(crate) fn put(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), Error> {
    let facts = text(&entry.finding.facts);
    tx.execute(
        "INSERT INTO standing (name, state, reason_ja, reason_en, facts, since, told_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason_ja = excluded.reason_ja,
         reason_en = excluded.reason_en, facts = excluded.facts, since = excluded.since,
         told_at = excluded.told_at",
        params![
            &entry.name,
            entry.finding.state.as_str(),
            &entry.finding.why.ja,
            &entry.finding.why.en,
            &facts,
            entry.since,
            entry.told_at
        ],
    )?;
    Ok(())
}
