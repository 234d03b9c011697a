//! Networks whose connections are not taken (clause 5.2(5)).

use jiff::Timestamp;
use store::{
    Error, PersonId, Topic, Tx, params,
    sql::{Row, Sql, first, rows},
};

/// Networks that may be blocked at once: each connection is held against all of them.
pub(crate) const MOST: u64 = 10_000;

/// A block's row, with the name in it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) network: String,
    pub(crate) reason: String,
    pub(crate) incident: Option<i64>,
    /// `None`: the server by itself.
    pub(crate) placed_by: Option<String>,
    pub(crate) placed_at: Timestamp,
    pub(crate) ends_at: Option<Timestamp>,
}

/// What a new block says.
pub(crate) struct NewBlock<'a> {
    pub(crate) network: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) incident: Option<i64>,
    pub(crate) placed_by: Option<PersonId>,
    pub(crate) ends_at: Option<Timestamp>,
}

const SELECT: &str =
    "SELECT b.network, b.reason, b.incident, p.name, b.placed_at, b.ends_at FROM blocked_address b
    LEFT JOIN person p ON p.id = b.placed_by";

fn read(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        network: row.text(0)?,
        reason: row.text(1)?,
        incident: row.maybe_int(2)?,
        placed_by: row.maybe_text(3)?,
        placed_at: row.time(4)?,
        ends_at: row.maybe_time(5)?,
    })
}

/// All of them, the newest first.
pub(crate) fn all(sql: &mut dyn Sql) -> Result<Vec<Entry>, Error> {
    let list = format!("{SELECT} ORDER BY b.placed_at DESC, b.network");
    rows(sql, &list, &[], read)
}

/// That of one network, written as [`wire::ExplicitNetwork`] writes it.
pub(crate) fn of(sql: &mut dyn Sql, network: &str) -> Result<Option<Entry>, Error> {
    let find = format!("{SELECT} WHERE b.network = ?1");
    first(sql, &find, params![network], read)
}

pub(crate) fn count(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = "SELECT COUNT(*) FROM blocked_address";
    Ok(first(sql, count, &[], |row| row.count(0))?.unwrap_or_default())
}

/// Enters a block, in place of one that was there for the same network.
pub(crate) fn put(tx: &mut Tx<'_>, new: &NewBlock<'_>) -> Result<(), Error> {
    let now = tx.now();
    let put = "INSERT INTO blocked_address (network, reason, incident, placed_by, placed_at, ends_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (network) DO UPDATE SET reason = excluded.reason, incident = excluded.incident,
               placed_by = excluded.placed_by, placed_at = excluded.placed_at, ends_at = excluded.ends_at";
    let new = params![
        new.network,
        new.reason,
        new.incident,
        new.placed_by,
        now,
        new.ends_at
    ];
    tx.execute(put, new)?;
    tx.touch(Topic::Blocks);
    Ok(())
}

/// Ends a block; `false` when there is none.
pub(crate) fn remove(tx: &mut Tx<'_>, network: &str) -> Result<bool, Error> {
    let delete = "DELETE FROM blocked_address WHERE network = ?1";
    let found = tx.execute(delete, params![network])? > 0;
    tx.touch(Topic::Blocks);
    Ok(found)
}

/// Those whose time is over at `now`, at most a thousand.
pub(crate) fn over(sql: &mut dyn Sql, now: Timestamp) -> Result<Vec<Entry>, Error> {
    let find = format!("{SELECT} WHERE b.ends_at <= ?1 ORDER BY b.ends_at LIMIT 1000");
    rows(sql, &find, params![now], read)
}
