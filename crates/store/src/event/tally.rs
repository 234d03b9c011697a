//! How many events there were, by kind and outcome.

use std::collections::BTreeMap;

use super::{Filter, search::span};
use crate::{Error, Snapshot, params, sql};

/// Events of a part of the trail, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the names of kind and outcome.
    pub counts: BTreeMap<(String, String), u64>,
    /// The last event that was counted: to go on after it. `None`: there were none left.
    pub last: Option<i64>,
}

/// Counts the next `limit` events of the time that `filter` says, after its [`Filter::after`]; its other conditions mean
/// nothing here.
///
/// # Errors
/// When the database fails.
pub fn tally(snapshot: &mut Snapshot<'_>, filter: &Filter, limit: u32) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let Some((after, before)) = span(snapshot.sql, filter)? else {
        return Ok(tally);
    };
    let count = "SELECT kind, outcome, count(*), max(id) FROM
                 (SELECT id, kind, outcome FROM event WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3) AS part
                 GROUP BY kind, outcome";
    let rows = sql::rows(snapshot, count, params![after, before, limit], |row| {
        Ok((row.text(0)?, row.text(1)?, row.count(2)?, row.int(3)?))
    })?;
    for (kind, outcome, count, last) in rows {
        tally.counts.insert((kind, outcome), count);
        tally.last = tally.last.max(Some(last));
    }
    Ok(tally)
}
