//! Whether events can be read, and are found by what they tell of.

use crate::{
    Error, params,
    shared::Shared,
    sql::{self, Sql},
};

use super::{
    search::recorded,
    words::{COLUMNS, Facts},
};

/// Whether event `id` can be read, if it is there.
///
/// # Errors
/// [`Error::Corrupt`] when it cannot.
pub(crate) fn readable(sql: &mut dyn Sql, id: i64) -> Result<(), Error> {
    let find = format!("SELECT {COLUMNS} FROM event WHERE id = ?1");
    sql::first(sql, &find, params![id], recorded).map(drop)
}

/// Of the events after `after` and up to `reach`, at most `limit`: the first that the trail's index does not find by all
/// its facts, how many were looked at, and the last of them (`None`: there was none).
///
/// # Errors
/// When the events or the index cannot be read.
pub(crate) fn unfound(
    shared: &Shared,
    sql: &mut dyn Sql,
    (after, reach): (i64, i64),
    limit: i64,
) -> Result<(Option<i64>, u64, Option<i64>), Error> {
    let list =
        format!("SELECT {COLUMNS} FROM event WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3");
    let mut events = sql::rows(sql, &list, params![after, reach, limit], Facts::of)?;
    let last = events.last().map(|facts| facts.id);
    let mut looked = 0;
    for facts in &mut events {
        looked += 1;
        facts.complete(sql)?;
        let wanted: Vec<Vec<String>> = facts.words().into_iter().map(|word| vec![word]).collect();
        let alone = (facts.id.saturating_sub(1), facts.id.saturating_add(1));
        let hits = shared.trail.find(sql, &wanted, alone, 1)?;
        if hits.ids.is_empty() {
            return Ok((Some(facts.id), looked, Some(facts.id)));
        }
    }
    Ok((None, looked, last))
}
