//! The rules' rows.

use jiff::Timestamp;
use screening::outbreak::{Marks, Rule, RuleHandling};
use serde::Serialize;
use store::{
    BodyId, Error, Tx,
    mailbox::Flags,
    params,
    sql::{self, Row, Sql},
};

/// A rule, as shown.
#[derive(Clone, Debug, Serialize)]
pub struct RuleView {
    /// Its number.
    pub number: i64,
    /// What it means.
    pub marks: Marks,
    /// What it does.
    pub handling: RuleHandling,
    /// Why it was made.
    pub reason: String,
    /// Who made it.
    pub begun_by: String,
    /// When.
    pub begun_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// Who ended it before.
    pub ended_by: Option<String>,
    /// When it has ended.
    pub ended_at: Option<Timestamp>,
    /// Accounts that the notice went to.
    pub told: u64,
    /// The notice, if one was sent.
    #[serde(skip)]
    pub(super) notice: Option<BodyId>,
}

impl RuleView {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            number: self.number,
            marks: self.marks.clone(),
            handling: self.handling,
        }
    }
}

const COLUMNS: &str = "number, marks, handling, reason, begun_by, begun_at, ends_at, ended_by, ended_at, notice, told";

fn read(row: &dyn Row) -> Result<RuleView, Error> {
    let number = row.int(0)?;
    let damaged = |what: &str| Error::Corrupt(format!("{what} of the outbreak's rule {number}"));
    let (marks, handling) = (row.text(1)?, row.text(2)?);
    Ok(RuleView {
        number,
        marks: serde_json::from_str(&marks).map_err(|_| damaged("the marks"))?,
        handling: match handling.as_str() {
            "refuse" => RuleHandling::Refuse,
            "quarantine" => RuleHandling::Quarantine,
            _ => return Err(damaged("the handling")),
        },
        reason: row.text(3)?,
        begun_by: row.text(4)?,
        begun_at: row.time(5)?,
        ends_at: row.time(6)?,
        ended_by: row.maybe_text(7)?,
        ended_at: row.maybe_time(8)?,
        notice: row.maybe_int(9)?.map(BodyId),
        told: row.count(10)?,
    })
}

/// All of them, the newest first.
pub(super) fn all(sql: &mut dyn Sql) -> Result<Vec<RuleView>, Error> {
    let list = format!("SELECT {COLUMNS} FROM outbreak_rule ORDER BY number DESC");
    sql::rows(sql, &list, &[], read)
}

/// Those that have not ended. What cannot be read is passed over and told of: the others hold.
pub(super) fn open(
    sql: &mut dyn Sql,
    damaged: &mut dyn FnMut(Error),
) -> Result<Vec<RuleView>, Error> {
    let list =
        format!("SELECT {COLUMNS} FROM outbreak_rule WHERE ended_at IS NULL ORDER BY number");
    let mut found = Vec::new();
    sql.query(&list, &[], &mut |row| {
        match read(row) {
            Ok(rule) => found.push(rule),
            Err(error) => damaged(error),
        }
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn one(sql: &mut dyn Sql, number: i64) -> Result<Option<RuleView>, Error> {
    let find = format!("SELECT {COLUMNS} FROM outbreak_rule WHERE number = ?1");
    sql::first(sql, &find, params![number], read)
}

/// What a new rule says.
pub(super) struct New<'a> {
    pub(super) marks: &'a str,
    pub(super) handling: RuleHandling,
    pub(super) reason: &'a str,
    pub(super) begun_by: &'a str,
    pub(super) ends_at: Timestamp,
}

/// Enters a rule and returns its number, the next after the highest given.
pub(super) fn insert(tx: &mut Tx<'_>, new: &New<'_>) -> Result<i64, Error> {
    let highest = "SELECT COALESCE(MAX(number), 0) FROM outbreak_rule";
    let highest = sql::first(tx, highest, &[], |row| row.int(0))?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let now = tx.now();
    tx.execute(
        "INSERT INTO outbreak_rule (number, marks, handling, reason, begun_by, begun_at, ends_at, told) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        params![
            number,
            new.marks,
            new.handling.as_str(),
            new.reason,
            new.begun_by,
            now,
            new.ends_at
        ],
    )?;
    Ok(number)
}

/// Notes the notice that staff were sent.
pub(super) fn tell(tx: &mut Tx<'_>, number: i64, notice: BodyId, told: u64) -> Result<(), Error> {
    let told = i64::try_from(told).unwrap_or(i64::MAX);
    let note = "UPDATE outbreak_rule SET notice = ?2, told = ?3 WHERE number = ?1";
    tx.execute(note, params![number, notice, told])?;
    Ok(())
}

/// Ends a rule; `false` when it had ended. `by` is `None` when its time is over.
pub(super) fn end(tx: &mut Tx<'_>, number: i64, by: Option<&str>) -> Result<bool, Error> {
    let now = tx.now();
    let end = "UPDATE outbreak_rule SET ended_by = ?2, ended_at = ?3 WHERE number = ?1 AND ended_at IS NULL";
    Ok(tx.execute(end, params![number, by, now])? > 0)
}

/// How many accounts hold the notice, wherever they have put it, and how many have read it.
pub(super) fn readers(sql: &mut dyn Sql, notice: BodyId) -> Result<(u64, u64), Error> {
    let count = "SELECT COUNT(DISTINCT b.account), COUNT(DISTINCT CASE WHEN m.flags & ?2 <> 0 THEN b.account END)
        FROM message m JOIN mailbox b ON b.id = m.mailbox WHERE m.body = ?1";
    let seen = i64::from(Flags::SEEN.0);
    let found = sql::first(sql, count, params![notice, seen], |row| {
        Ok((row.count(0)?, row.count(1)?))
    })?;
    Ok(found.unwrap_or_default())
}
