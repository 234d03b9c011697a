//! What people did from an incident.

use jiff::Timestamp;
use store::{
    Error, PersonId, Tx, params,
    sql::{Sql, first, rows},
};

/// A lever that was used.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) lever: String,
    pub(crate) target: String,
    /// Whether what it does stays until it is undone.
    pub(crate) lasts: bool,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
}

/// Those of an incident, in order.
pub(crate) fn of(sql: &mut dyn Sql, incident: i64) -> Result<Vec<Entry>, Error> {
    let list = "SELECT l.lever, l.target, l.lasts, p.name, l.used_at FROM incident_lever l
                JOIN person p ON p.id = l.used_by WHERE l.incident = ?1 ORDER BY l.number";
    rows(sql, list, params![incident], |row| {
        Ok(Entry {
            lever: row.text(0)?,
            target: row.text(1)?,
            lasts: row.int(2)? != 0,
            by: row.text(3)?,
            at: row.time(4)?,
        })
    })
}

/// Notes that one was used.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    incident: i64,
    (lever, target, lasts): (&str, &str, bool),
    by: PersonId,
) -> Result<(), Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM incident_lever WHERE incident = ?1";
    let highest = first(tx, highest, params![incident], |row| row.int(0))?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let now = tx.now();
    tx.execute(
        "INSERT INTO incident_lever (incident, number, lever, target, lasts, used_by, used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![incident, number, lever, target, i64::from(lasts), by, now],
    )?;
    Ok(())
}
