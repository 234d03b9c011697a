//! Looking at every event of some kinds, in memory that does not grow with their number.

use trail::Kind;

use super::{Filter, search::span};
use crate::{
    Error, Snapshot,
    sql::{self, Value},
};

/// Events of one page.
const PAGE: i64 = 1000;

/// What is shown of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its kind's name.
    pub kind: String,
    /// The network address that it tells of.
    pub address: Option<String>,
    /// Its facts: a JSON object, as it is kept.
    pub detail: String,
}

/// Shows `each` all events of the filter's kinds within its time, in order; its other conditions mean nothing here. Returns how many
/// there were.
///
/// The events of the time are looked through a page at a time, without the trail's index, so that the count is exact however
/// far the index has come.
///
/// # Errors
/// When the database fails.
pub fn visit(
    snapshot: &mut Snapshot<'_>,
    filter: &Filter,
    each: &mut dyn FnMut(&Seen),
) -> Result<u64, Error> {
    let Some((mut after, before)) = span(snapshot.sql, filter)? else {
        return Ok(0);
    };
    let kinds: Vec<&str> = match filter.kinds.is_empty() {
        true => Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
        false => filter.kinds.iter().map(|kind| kind.as_str()).collect(),
    };
    let marks: Vec<String> = (0..kinds.len())
        .map(|number| format!("?{}", number + 4))
        .collect();
    let page = format!(
        "SELECT id, kind, address, detail FROM event WHERE id > ?1 AND id < ?2 AND kind IN ({}) ORDER BY id LIMIT ?3",
        marks.join(", ")
    );
    let mut count = 0_u64;
    loop {
        let mut params = vec![Value::Int(after), Value::Int(before), Value::Int(PAGE)];
        params.extend(kinds.iter().map(|kind| Value::from(*kind)));
        let rows = sql::rows(snapshot, &page, &params, |row| {
            let seen = Seen {
                kind: row.text(1)?,
                address: row.maybe_text(2)?,
                detail: row.text(3)?,
            };
            Ok((row.int(0)?, seen))
        })?;
        for (id, seen) in &rows {
            after = *id;
            count = count.saturating_add(1);
            each(seen);
        }
        if i64::try_from(rows.len()).is_ok_and(|found| found < PAGE) {
            return Ok(count);
        }
    }
}
