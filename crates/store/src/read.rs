//! Reading bodies: as many at once as the caller has room for.

use bytes::Bytes;

use crate::{
    AccountId, BodyId, Error, Snapshot, batch,
    cipher::Cipher,
    seal,
    segment::Extent,
    shared::Shared,
    sql::{self, Sql, Value},
    tx,
};

/// Octets between two records that are read and thrown away rather than asked for apart.
const GAP: u64 = 4 << 10;
/// Octets of several records that are read at once.
const RUN: u64 = 256 << 10;

/// What the tables say of a body and one of its owners.
struct Found {
    body: BodyId,
    extent: Extent,
    size: u64,
    wrapped: Vec<u8>,
}

/// Opens `bodies` for `account`; what is wrong with one stands in its place.
pub(crate) fn bodies(
    shared: &Shared,
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
    bodies: &[BodyId],
) -> Result<Vec<Result<Bytes, Error>>, Error> {
    let mut found = find(snapshot, account, bodies)?;
    found.sort_unstable_by_key(|found| found.extent);
    let mut opened = open_all(shared, snapshot, account, &found);
    opened.sort_unstable_by_key(|(body, _)| *body);
    let of = |body: &BodyId| {
        let place = opened.binary_search_by_key(body, |(body, _)| *body);
        match place.ok().and_then(|place| opened.get(place)) {
            Some((_, Ok(raw))) => Ok(raw.clone()),
            Some((_, Err(error))) => Err(error.again()),
            None => Err(missing(account, *body)),
        }
    };
    Ok(bodies.iter().map(of).collect())
}

/// The rows of those of `bodies` that `account` owns, each once.
fn find(sql: &mut dyn Sql, account: AccountId, bodies: &[BodyId]) -> Result<Vec<Found>, Error> {
    let ids: Vec<i64> = batch::ascending(bodies).iter().map(|body| body.0).collect();
    let mut found = Vec::with_capacity(ids.len());
    for list in batch::lists(&ids) {
        let statement = format!(
            "SELECT b.segment, b.start, b.length, b.size, o.wrapped, o.body \
             FROM body_owner o JOIN body b ON b.id = o.body WHERE o.account = ?1 AND o.body IN ({})",
            batch::marks(2, list.len())
        );
        let mut params = vec![Value::from(account)];
        params.extend(list.iter().map(|id| Value::Int(*id)));
        found.extend(sql::rows(sql, &statement, &params, |row| {
            Ok(Found {
                extent: tx::extent(row)?,
                size: row.count(3)?,
                wrapped: row.blob(4)?,
                body: BodyId(row.int(5)?),
            })
        })?);
    }
    Ok(found)
}

/// Opens what was found, ascending by place.
fn open_all(
    shared: &Shared,
    snapshot: &mut Snapshot<'_>,
    account: AccountId,
    found: &[Found],
) -> Vec<(BodyId, Result<Bytes, Error>)> {
    if found.is_empty() {
        return Vec::new();
    }
    let key = shared.keys.find(snapshot, account, true);
    let owner = match key.and_then(|key| Cipher::new(&key)) {
        Ok(owner) => owner,
        Err(error) => {
            let each = found.iter();
            return each.map(|found| (found.body, Err(error.again()))).collect();
        }
    };
    let mut opened = Vec::with_capacity(found.len());
    let mut rest = found;
    while !rest.is_empty() {
        let (run, later) = rest.split_at(neighbours(rest));
        rest = later;
        open_run(shared, account, &owner, run, &mut opened);
    }
    opened
}

/// How many of `found`, at least one, lie so close together that they are read at once.
fn neighbours(found: &[Found]) -> usize {
    let Some(first) = found.first().map(|found| found.extent) else {
        return 0;
    };
    let mut end = first.end();
    let others = found.iter().skip(1).take_while(|found| {
        let extent = found.extent;
        let is_near = extent.segment == first.segment
            && extent.start >= end
            && extent.start - end <= GAP
            && extent.end().saturating_sub(first.start) <= RUN;
        end = extent.end();
        is_near
    });
    others.count() + 1
}

/// Opens neighbours, read at once. What cannot be read so is read one by one, for only some may be damaged.
fn open_run(
    shared: &Shared,
    account: AccountId,
    owner: &Cipher,
    run: &[Found],
    opened: &mut Vec<(BodyId, Result<Bytes, Error>)>,
) {
    let mut records = match run {
        [first, .., last] => {
            let whole = Extent {
                length: last.extent.end().saturating_sub(first.extent.start),
                ..first.extent
            };
            shared.segments.read(whole).ok()
        }
        _ => None,
    };
    let from = run.first().map_or(0, |first| first.extent.start);
    for found in run {
        let place = |place: u64| usize::try_from(place.saturating_sub(from)).unwrap_or(usize::MAX);
        let range = place(found.extent.start)..place(found.extent.end());
        let raw = match records.as_mut().and_then(|records| records.get_mut(range)) {
            Some(record) => open(account, owner, found, record),
            None => shared
                .segments
                .read(found.extent)
                .and_then(|mut record| open(account, owner, found, &mut record)),
        };
        opened.push((
            found.body,
            raw.or_else(|error| judge(shared, account, owner, found, error)),
        ));
    }
}

fn open(
    account: AccountId,
    owner: &Cipher,
    found: &Found,
    record: &mut [u8],
) -> Result<Bytes, Error> {
    let key = seal::unwrap_with(owner, found.body, account, &found.wrapped)?;
    seal::open(found.body, record, found.size, None, &key).map(Bytes::from)
}

/// What it means that a body did not open. It may have been erased or moved since the view began: that is no damage.
fn judge(
    shared: &Shared,
    account: AccountId,
    owner: &Cipher,
    found: &Found,
    mut error: Error,
) -> Result<Bytes, Error> {
    let mut place = found.extent;
    loop {
        let now = shared
            .readers
            .with(|sql| find(sql, account, &[found.body]))?
            .pop()
            .ok_or_else(|| missing(account, found.body))?;
        if now.extent == place {
            return Err(error);
        }
        place = now.extent;
        let read = shared.segments.read(place);
        match read.and_then(|mut record| open(account, owner, &now, &mut record)) {
            Ok(raw) => return Ok(raw),
            Err(again) => error = again,
        }
    }
}

fn missing(account: AccountId, body: BodyId) -> Error {
    Error::NotFound(format!("body {body} of {account}"))
}
