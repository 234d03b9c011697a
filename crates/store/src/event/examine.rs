//! Whether an event is found by what it tells of.

use crate::{
    Error, params,
    sql::{self, Sql},
};

use super::{ADDRESS_LIMIT, envelope, search::recorded};

/// Ends of texts that were cut before they were written: what they began with is not known any more.
const CUT: char = '…';

/// Addresses that event `id` tells of and by which it is not found. Of an event whose details were cut, only what is
/// left of them can say.
///
/// # Errors
/// [`Error::Corrupt`] when the event cannot be read.
pub(crate) fn missing_addresses(sql: &mut dyn Sql, id: i64) -> Result<Vec<String>, Error> {
    let statement = "SELECT id, at, version, kind, actor, outcome, address, subject, ord, detail
                     FROM event WHERE id = ?1";
    let Some(found) = sql::first(sql, statement, params![id], recorded)? else {
        return Ok(Vec::new());
    };
    let network = found.event.address.map(|address| address.to_string());
    let told = envelope::addresses(&found.event, network);
    let mut missing = Vec::new();
    for address in told {
        let find = "SELECT event FROM event_address WHERE address = ?1 AND event = ?2";
        let known = sql::first(sql, find, params![&address, id], |_| Ok(()))?;
        if known.is_none() && !address.ends_with(CUT) {
            missing.push(address);
        }
    }
    if !missing.is_empty() {
        let count = "SELECT count(*) FROM event_address WHERE event = ?1";
        let full = sql::first(sql, count, params![id], |row| row.count(0))?;
        if full.unwrap_or_default() >= ADDRESS_LIMIT as u64 {
            missing.clear();
        }
    }
    Ok(missing)
}
