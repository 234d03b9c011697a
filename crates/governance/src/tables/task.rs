//! Tasks and what became of them.

use jiff::Timestamp;
use serde_json::{Map, Value};
use store::{
    Error, PersonId, Tx, params,
    sql::{Row, Sql, first, rows},
};

use super::{maybe_time, object, text};
use crate::look::{MISSED, REGULAR};

/// The facts of a task that say when the span that it is about begins and ends.
pub(crate) const FROM: &str = "from";
pub(crate) const TO: &str = "to";
/// Stands in a period between what was settled before, and the day on which it was seen anew.
pub(crate) const ANEW: char = '+';
/// Tasks of a workflow that are looked through for those that cover a span, the newest.
const MOST_COVERING: u32 = 100;

/// A task's row, with the names in it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) workflow: String,
    pub(crate) period: String,
    pub(crate) opened_at: Timestamp,
    pub(crate) due_at: Timestamp,
    pub(crate) facts: Map<String, Value>,
    pub(crate) answers: Option<Map<String, Value>>,
    pub(crate) done_by: Option<(PersonId, String)>,
    pub(crate) done_at: Option<Timestamp>,
    pub(crate) closed_by: Option<String>,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) reminded_at: Option<Timestamp>,
}

/// In how many spans before nobody ran who could have met them.
pub(crate) fn missed(entry: &Entry) -> u64 {
    let missed = entry.facts.get(MISSED).and_then(Value::as_u64);
    missed.unwrap_or_default()
}

/// When it would have been due, if it was opened so late that it is due later.
pub(crate) fn regular(entry: &Entry) -> Option<Timestamp> {
    let regular: Timestamp = entry.facts.get(REGULAR)?.as_str()?.parse().ok()?;
    (regular < entry.due_at).then_some(regular)
}

/// A step that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) what: String,
    /// `None`: the server by itself.
    pub(crate) by: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) note: String,
}

const SELECT: &str = "SELECT t.number, t.workflow, t.period, t.opened_at, t.due_at, t.facts, t.answers, t.done_by, d.name, t.done_at,
    c.name, t.closed_at, t.reminded_at FROM task t LEFT JOIN person d ON d.id = t.done_by LEFT JOIN person c ON c.id = t.closed_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        number: row.int(0)?,
        workflow: row.text(1)?,
        period: row.text(2)?,
        opened_at: row.time(3)?,
        due_at: row.time(4)?,
        facts: object(&row.text(5)?)?,
        answers: row.maybe_text(6)?.map(|text| object(&text)).transpose()?,
        done_by: match row.maybe_int(7)? {
            Some(id) => Some((PersonId(id), row.text(8)?)),
            None => None,
        },
        done_at: maybe_time(row, 9)?,
        closed_by: row.maybe_text(10)?,
        closed_at: maybe_time(row, 11)?,
        reminded_at: maybe_time(row, 12)?,
    })
}

pub(crate) fn by_number(sql: &mut dyn Sql, number: i64) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE t.number = ?1");
    first(sql, &find, params![number], read)
}

/// Those that are not closed, the ones that are due first before the others.
pub(crate) fn open(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} WHERE t.closed_at IS NULL ORDER BY t.due_at, t.number");
    rows(sql, &find, &[], read)
}

/// The newest `most` of all.
pub(crate) fn newest(sql: &mut dyn Sql, most: u32) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} ORDER BY t.number DESC LIMIT ?1");
    rows(sql, &find, params![most], read)
}

/// The newest of a workflow.
pub(crate) fn of(sql: &mut dyn Sql, workflow: &str, most: u32) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} WHERE t.workflow = ?1 ORDER BY t.number DESC LIMIT ?2");
    rows(sql, &find, params![workflow, most], read)
}

/// The last one of a workflow that was closed.
pub(crate) fn last_closed(sql: &mut dyn Sql, workflow: &str) -> Result<Option<Entry>, Error> {
    let find = format!(
        "{SELECT} WHERE t.workflow = ?1 AND t.closed_at IS NOT NULL ORDER BY t.number DESC LIMIT 1"
    );
    first(sql, &find, params![workflow], read)
}

/// Whether there is a task of the workflow and period, closed or not.
pub(crate) fn is_there(sql: &mut dyn Sql, workflow: &str, period: &str) -> Result<bool, Error> {
    let same = "SELECT number FROM task WHERE workflow = ?1 AND period = ?2";
    Ok(first(sql, same, params![workflow, period], |row| row.int(0))?.is_some())
}

/// Until when tasks of the workflow cover what lies before `to`; `None`: none does, of the newest.
pub(crate) fn covered(
    sql: &mut dyn Sql,
    workflow: &str,
    to: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let newest = of(sql, workflow, MOST_COVERING)?;
    let spans = newest.iter().filter_map(|entry| {
        let at = |name: &str| entry.facts.get(name)?.as_str()?.parse::<Timestamp>().ok();
        at(FROM).zip(at(TO))
    });
    let ends = spans.filter(|(begins, _)| *begins < to);
    Ok(ends.map(|(_, ends)| ends).max())
}

/// How many tasks there are of what is called `period`, or was seen anew after it, and how many of them are open.
pub(crate) fn again(sql: &mut dyn Sql, workflow: &str, period: &str) -> Result<(u64, u64), Error> {
    let anew = format!("{period}{ANEW}%");
    let count = "SELECT COUNT(*), COUNT(*) - COUNT(closed_at) FROM task WHERE workflow = ?1 AND (period = ?2 OR period LIKE ?3)";
    let read = |row: &dyn Row| Ok((row.count(0)?, row.count(1)?));
    let found = first(sql, count, params![workflow, period, &anew], read)?;
    Ok(found.unwrap_or_default())
}

/// Opens a task, unless there is one of the workflow and period; its number, the next after the highest given.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    workflow: &str,
    period: &str,
    due_at: Timestamp,
    facts: &Map<String, Value>,
) -> Result<Option<i64>, Error> {
    if is_there(tx, workflow, period)? {
        return Ok(None);
    }
    let highest = "SELECT COALESCE(MAX(number), 0) FROM task";
    let highest = first(tx, highest, &[], |row| row.int(0))?;
    let number = highest.unwrap_or_default().saturating_add(1);
    let (now, facts) = (tx.now(), text(facts));
    tx.execute(
        "INSERT INTO task (number, workflow, period, opened_at, due_at, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![number, workflow, period, now, due_at, &facts],
    )?;
    step(tx, number, "opened", None, "")?;
    Ok(Some(number))
}

/// Notes a step.
pub(crate) fn step(
    tx: &mut Tx<'_>,
    task: i64,
    what: &str,
    by: Option<PersonId>,
    note: &str,
) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO task_step (task, step, what, taken_by, at, note)
         SELECT ?1, COALESCE(MAX(step), 0) + 1, ?2, ?3, ?4, ?5 FROM task_step WHERE task = ?1",
        params![task, what, by, now, note],
    )?;
    Ok(())
}

pub(crate) fn steps(sql: &mut dyn Sql, task: i64) -> Result<Vec<Step>, Error> {
    let find = "SELECT s.what, p.name, s.at, s.note FROM task_step s LEFT JOIN person p ON p.id = s.taken_by
         WHERE s.task = ?1 ORDER BY s.step";
    rows(sql, find, params![task], |row| {
        Ok(Step {
            what: row.text(0)?,
            by: row.maybe_text(1)?,
            at: row.time(2)?,
            note: row.text(3)?,
        })
    })
}

/// When it was last not approved.
pub(crate) fn rejected_at(sql: &mut dyn Sql, task: i64) -> Result<Option<Timestamp>, Error> {
    let find = "SELECT MAX(at) FROM task_step WHERE task = ?1 AND what = 'rejected'";
    Ok(first(sql, find, params![task], |row| maybe_time(row, 0))?.flatten())
}

/// Notes who did it and what was said.
pub(crate) fn done(
    tx: &mut Tx<'_>,
    number: i64,
    by: PersonId,
    answers: &Map<String, Value>,
) -> Result<(), Error> {
    let (now, answers) = (tx.now(), text(answers));
    tx.execute(
        "UPDATE task SET done_by = ?2, done_at = ?3, answers = ?4 WHERE number = ?1",
        params![number, by, now, &answers],
    )?;
    Ok(())
}

/// Puts it back to where nobody has done it.
pub(crate) fn undo(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    tx.execute(
        "UPDATE task SET done_by = NULL, done_at = NULL, answers = NULL WHERE number = ?1",
        params![number],
    )?;
    Ok(())
}

/// Closes it.
pub(crate) fn close(tx: &mut Tx<'_>, number: i64, by: PersonId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE task SET closed_by = ?2, closed_at = ?3 WHERE number = ?1",
        params![number, by, now],
    )?;
    Ok(())
}

/// Closes it by what is on record, unless it was closed meanwhile; whether it was open.
pub(crate) fn settle(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    let now = tx.now();
    let close = "UPDATE task SET closed_at = ?2, done_by = NULL, done_at = NULL, answers = NULL WHERE number = ?1 AND closed_at IS NULL";
    Ok(tx.execute(close, params![number, now])? > 0)
}

/// Notes that its role holders were told of it now.
pub(crate) fn reminded(tx: &mut Tx<'_>, number: i64) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE task SET reminded_at = ?2 WHERE number = ?1",
        params![number, now],
    )?;
    Ok(())
}
