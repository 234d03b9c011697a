//! The reports that were made of incidents, and when people were told of steps that are late.

use directory::command::incident::IncidentKind;
use jiff::Timestamp;
use store::{
    Error, Tx, params,
    sql::{Sql, first, rows},
};

/// Of an incident's opening.
pub(crate) const OPENED: &str = "opened";
/// Of its end.
pub(crate) const CLOSED: &str = "closed";

/// Notes what a report is of.
pub(crate) fn link(tx: &mut Tx<'_>, report: i64, incident: i64, what: &str) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO incident_report (report, incident, what) VALUES (?1, ?2, ?3)",
        params![report, incident, what],
    )?;
    Ok(())
}

/// The numbers of the incidents of some kinds, ascending.
pub(crate) fn numbers_of(sql: &mut dyn Sql, kinds: &[IncidentKind]) -> Result<Vec<i64>, Error> {
    let mut found = Vec::new();
    for kind in kinds {
        let list = "SELECT number FROM incident WHERE kind = ?1";
        found.extend(rows(sql, list, params![kind.as_str()], |row| row.int(0))?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The numbers of the reports that are of an incident.
pub(crate) fn of(sql: &mut dyn Sql, incident: i64) -> Result<Vec<i64>, Error> {
    let list = "SELECT report FROM incident_report WHERE incident = ?1 ORDER BY report";
    rows(sql, list, params![incident], |row| row.int(0))
}

/// The incident whose opening a report is of.
pub(crate) fn opening_of(sql: &mut dyn Sql, report: i64) -> Result<Option<i64>, Error> {
    let find = "SELECT incident FROM incident_report WHERE report = ?1 AND what = 'opened'";
    first(sql, find, params![report], |row| row.int(0))
}

/// The reports of an incident's opening that nobody acknowledged yet.
pub(crate) fn waiting(sql: &mut dyn Sql, incident: i64) -> Result<Vec<i64>, Error> {
    let find = "SELECT i.report FROM incident_report i JOIN report r ON r.number = i.report
                WHERE i.incident = ?1 AND i.what = 'opened' AND r.acknowledged_at IS NULL ORDER BY i.report";
    rows(sql, find, params![incident], |row| row.int(0))
}

/// When people were last told that steps of an incident are late.
pub(crate) fn reminded(sql: &mut dyn Sql, incident: i64) -> Result<Option<Timestamp>, Error> {
    let find = "SELECT told_at FROM incident_reminder WHERE incident = ?1";
    first(sql, find, params![incident], |row| row.time(0))
}

/// Notes that they were told now.
pub(crate) fn remind(tx: &mut Tx<'_>, incident: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO incident_reminder (incident, told_at) VALUES (?1, ?2)
         ON CONFLICT (incident) DO UPDATE SET told_at = excluded.told_at",
        params![incident, now],
    )?;
    Ok(())
}
