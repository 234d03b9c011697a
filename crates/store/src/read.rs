//! Reading bodies.

use bytes::Bytes;

use crate::{
    AccountId, BodyId, Error, Snapshot, params, seal,
    segment::Extent,
    shared::Shared,
    sql::{self, Sql},
    tx,
};

/// What the tables say of a body and one of its owners.
pub(crate) struct Found {
    pub(crate) extent: Extent,
    pub(crate) size: u64,
    pub(crate) digest: Vec<u8>,
    pub(crate) wrapped: Vec<u8>,
}

/// The row of `body` for its owner `account`.
pub(crate) fn find(
    sql: &mut dyn Sql,
    account: AccountId,
    body: BodyId,
) -> Result<Option<Found>, Error> {
    let statement = "SELECT b.segment, b.start, b.length, b.size, b.digest, o.wrapped
                     FROM body_owner o JOIN body b ON b.id = o.body
                     WHERE o.body = ?1 AND o.account = ?2";
    sql::first(sql, statement, params![body, account], |row| {
        Ok(Found {
            extent: tx::extent(row)?,
            size: row.count(3)?,
            digest: row.blob(4)?,
            wrapped: row.blob(5)?,
        })
    })
}

/// Opens `body` for `account`.
pub(crate) fn body(
    shared: &Shared,
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
    body: BodyId,
) -> Result<Bytes, Error> {
    let missing = || Error::NotFound(format!("body {body} of {account}"));
    let found = find(snapshot, account, body)?.ok_or_else(missing)?;
    let key = tx::body_key(&shared.keys, snapshot, account, body, &found.wrapped)?;
    let opened = shared
        .segments
        .read(found.extent)
        .and_then(|record| seal::open(body, record, found.size, &found.digest, &key));
    match opened {
        Ok(raw) => Ok(Bytes::from(raw)),
        // It may have been erased since this view began: that is no damage.
        Err(error) => match shared.readers.with(|sql| find(sql, account, body))? {
            Some(_) => Err(error),
            None => Err(missing()),
        },
    }
}
