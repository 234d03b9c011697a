//! Reports of abuse that are prepared (clause 5.2(6)), until somebody sends or drops them, and for a while after.

use jiff::Timestamp;

use crate::{
    Error, QueueId, Tx, params,
    sql::{self, Row, Sql},
};

/// Reports that are kept: a flood of malware prepares no more until old ones are forgotten.
pub const MOST_REPORTS: u64 = 2000;
/// Reports about one address that are kept, so that one sender cannot leave no room for the others.
pub const MOST_OF_A_SOURCE: u64 = 20;

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The message's id, as in its reply and events.
    pub message: QueueId,
    /// When it came.
    pub at: Timestamp,
    /// The address it came from.
    pub source: String,
    /// The confirmed name of that address; empty: none.
    pub reverse_name: String,
    /// Who is shown to have sent it; empty: nobody.
    pub domain: String,
    /// The envelope's sender; empty: the null sender.
    pub sender: String,
    /// What a scanner calls it.
    pub malware: String,
    /// The message's header.
    pub header: String,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody decided yet.
    Open,
    /// It was sent to this address.
    Sent(String),
    /// Nothing is to be sent.
    Dropped,
}

/// Prepares a report; `false`: there are [`MOST_REPORTS`] already, or [`MOST_OF_A_SOURCE`] about this address. One that is there
/// already about the same message stays as it is.
///
/// # Errors
/// When the database fails.
pub fn prepare(tx: &mut Tx<'_>, report: &Prepared) -> Result<bool, Error> {
    let count = "SELECT count(*), count(CASE WHEN source = ?1 THEN 1 END) FROM abuse_report";
    let kept = sql::first(tx, count, params![&report.source], |row| {
        Ok((row.count(0)?, row.count(1)?))
    })?;
    let (all, of_source) = kept.unwrap_or_default();
    if all >= MOST_REPORTS || of_source >= MOST_OF_A_SOURCE {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO abuse_report (message, at, source, reverse_name, domain, sender, malware, header, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open') \
         ON CONFLICT (message) DO NOTHING",
        params![
            report.message,
            report.at,
            &report.source,
            &report.reverse_name,
            &report.domain,
            &report.sender,
            &report.malware,
            &report.header
        ],
    )?;
    Ok(true)
}

const COLUMNS: &str =
    "message, at, source, reverse_name, domain, sender, malware, header, state, sent_to";

/// All reports, the newest first.
///
/// # Errors
/// When the database fails.
pub fn all(sql: &mut dyn Sql) -> Result<Vec<(Prepared, State)>, Error> {
    let list = format!("SELECT {COLUMNS} FROM abuse_report ORDER BY at DESC, message DESC");
    sql::rows(sql, &list, &[], read)
}

/// One of them.
///
/// # Errors
/// When the database fails.
pub fn one(sql: &mut dyn Sql, message: QueueId) -> Result<Option<(Prepared, State)>, Error> {
    let find = format!("SELECT {COLUMNS} FROM abuse_report WHERE message = ?1");
    sql::first(sql, &find, params![message], read)
}

fn read(row: &dyn Row) -> Result<(Prepared, State), Error> {
    let state = match (row.text(8)?.as_str(), row.maybe_text(9)?) {
        ("open", None) => State::Open,
        ("dropped", None) => State::Dropped,
        ("sent", Some(to)) => State::Sent(to),
        _ => return Err(Error::Corrupt("the state of a report of abuse".to_owned())),
    };
    let report = Prepared {
        message: QueueId(row.int(0)?),
        at: row.time(1)?,
        source: row.text(2)?,
        reverse_name: row.text(3)?,
        domain: row.text(4)?,
        sender: row.text(5)?,
        malware: row.text(6)?,
        header: row.text(7)?,
    };
    Ok((report, state))
}

/// Closes an open report; `false`: it is not there, or not open any more.
///
/// # Errors
/// When the database fails.
pub fn close(tx: &mut Tx<'_>, message: QueueId, state: &State) -> Result<bool, Error> {
    let (state, to) = match state {
        State::Open => return Ok(false),
        State::Sent(to) => ("sent", Some(to)),
        State::Dropped => ("dropped", None),
    };
    let close =
        "UPDATE abuse_report SET state = ?2, sent_to = ?3 WHERE message = ?1 AND state = 'open'";
    Ok(tx.execute(close, params![message, state, to])? > 0)
}

/// Whether any is from before `before`.
///
/// # Errors
/// When the database fails.
pub fn is_due(sql: &mut dyn Sql, before: Timestamp) -> Result<bool, Error> {
    let find = "SELECT 1 FROM abuse_report WHERE at < ?1 LIMIT 1";
    Ok(sql::first(sql, find, params![before], |_| Ok(()))?.is_some())
}

/// Forgets those from before `before`, whatever became of them; returns how many.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    let gone = tx.execute("DELETE FROM abuse_report WHERE at < ?1", params![before])?;
    Ok(gone)
}
