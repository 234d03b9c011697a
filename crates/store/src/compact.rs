//! Segments that are wasteful: what lives in them is written anew, and they are given back whole.
//!
//! A hole gives back whole blocks of the disk only, so that dead bodies between living ones may free nothing. A body that is
//! moved is written as new mail is, durably, before its row tells of the new place; its old place then is free room as any
//! other. `docs/format.md` has the order.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use trail::{Actor, Event, Kind};

use crate::{
    BodyId, Error, SealedBody, Tx,
    commit::Entrance,
    mark::Mark,
    params,
    seal::Sealed,
    segment::{Extent, HEADER, Header},
    shared::Shared,
    sql::{self, Sql},
    tx::{self, signed},
};

/// Bodies moved in one commit at most, and bytes of them after which it ends early.
const BODIES: i64 = 512;
const BYTES: u64 = 4 << 20;
/// A segment is examined again when one part in so many of the waste that matters has come to it.
const EXAMINE_PART: u64 = 4;
/// One part in so many of what a segment takes must be waste.
const WASTE_PART: u64 = 3;
/// Stretches of a segment that are looked at to judge it, and bytes of each.
const STRETCHES: u64 = 16;
const STRETCH: u64 = 128 << 10;

/// What is to be examined and emptied.
pub(crate) struct Compactor {
    /// Segments that may be wasteful.
    suspects: BTreeSet<u64>,
    /// Bytes that died in a segment since it was examined.
    died: HashMap<u64, u64>,
    /// The segment whose bodies are being moved, and the byte from which they still lie there.
    emptying: Option<(u64, u64)>,
}

impl Compactor {
    /// Suspects every segment: what died before the start was counted by nobody.
    pub(crate) fn new(segments: Vec<u64>) -> Self {
        Self {
            suspects: segments.into_iter().collect(),
            died: HashMap::new(),
            emptying: None,
        }
    }

    /// Hears of extents that were given back.
    pub(crate) fn died(&mut self, shared: &Shared, extents: &[Extent]) {
        let enough = shared.options.waste_bytes / EXAMINE_PART;
        for extent in extents {
            let died = self.died.entry(extent.segment).or_default();
            *died = died.saturating_add(extent.length);
            if *died >= enough {
                self.died.remove(&extent.segment);
                self.suspects.insert(extent.segment);
            }
        }
    }

    /// Whether a step would do anything.
    pub(crate) fn has_work(&self) -> bool {
        self.emptying.is_some() || !self.suspects.is_empty()
    }

    /// Examines one segment, or moves some bodies out of the one that is being emptied.
    ///
    /// # Errors
    /// When the database or a segment cannot be read, or the bodies cannot be written. The segment is left as it is until
    /// more of it has died.
    pub(crate) async fn step(
        &mut self,
        shared: &Arc<Shared>,
        entrance: &Entrance,
    ) -> Result<(), Error> {
        let Some((segment, from)) = self.emptying.take() else {
            if let Some(segment) = self.suspects.pop_first()
                && shared
                    .readers
                    .with(|sql| is_wasteful(sql, shared, segment))?
            {
                if segment >= shared.segments.active() {
                    shared.segments.leave(segment);
                }
                self.emptying = Some((segment, 0));
            }
            return Ok(());
        };
        let found = shared.readers.with(|sql| lying(sql, segment, from))?;
        let Some((last, _)) = found.last().copied() else {
            self.died.remove(&segment);
            return Ok(());
        };
        move_bodies(shared, entrance, segment, &found).await?;
        self.emptying = Some((segment, last.end()));
        Ok(())
    }
}

/// Whether enough of what a segment takes belongs to no body.
fn is_wasteful(sql: &mut dyn Sql, shared: &Shared, segment: u64) -> Result<bool, Error> {
    let segments = &shared.segments;
    let measured = segments
        .length(segment)
        .and_then(|length| Ok((length, segments.allocated_by(segment)?)));
    let (length, allocated) = match measured {
        Ok(measured) => measured,
        Err(error) if error.is_missing() => return Ok(false),
        Err(error) => return Err(error),
    };
    // The zeros ahead of the last record are no waste.
    let behind = Mark::find(sql)?.unwrap_or_default();
    let length = length.saturating_sub(behind.behind(segment, length));
    let taken = allocated.min(length);
    let waste = taken.saturating_sub(living(sql, segment, length)?);
    Ok(waste >= shared.options.waste_bytes.max(1) && waste.saturating_mul(WASTE_PART) >= taken)
}

/// Bytes of living records in the first `length` bytes of a segment; of a long one, judged by some stretches.
fn living(sql: &mut dyn Sql, segment: u64, length: u64) -> Result<u64, Error> {
    let statement = "SELECT coalesce(sum(length), 0) FROM body WHERE segment = ?1 AND start >= ?2 AND start < ?3";
    let mut between = |from: u64, to: u64| {
        let stretch = params![signed(segment)?, signed(from)?, signed(to)?];
        let found = sql::first(sql, statement, stretch, |row| row.count(0))?;
        Ok::<u64, Error>(found.unwrap_or(0))
    };
    if length <= STRETCHES * STRETCH * 2 {
        return between(0, length);
    }
    let mut sum = 0u64;
    for stretch in 0..STRETCHES {
        let from = length / STRETCHES * stretch;
        sum = sum.saturating_add(between(from, from.saturating_add(STRETCH))?);
    }
    let looked_at = u128::from(STRETCHES * STRETCH);
    let judged = u128::from(sum) * u128::from(length) / looked_at;
    Ok(u64::try_from(judged).unwrap_or(u64::MAX))
}

/// Some bodies of a segment from byte `from` on, ascending by place.
fn lying(sql: &mut dyn Sql, segment: u64, from: u64) -> Result<Vec<(Extent, BodyId)>, Error> {
    let list = "SELECT segment, start, length, id FROM body WHERE segment = ?1 AND start >= ?2
                ORDER BY start LIMIT ?3";
    let page = params![signed(segment)?, signed(from)?, BODIES];
    let mut found = sql::rows(sql, list, page, |row| {
        Ok((tx::extent(row)?, BodyId(row.int(3)?)))
    })?;
    let mut bytes = 0u64;
    let fits = found.iter().take_while(|(extent, _)| {
        let first = bytes == 0;
        bytes = bytes.saturating_add(extent.length);
        first || bytes <= BYTES
    });
    let count = fits.count();
    found.truncate(count);
    Ok(found)
}

/// Writes the bodies `found` in `segment` anew, and says so in one transaction.
async fn move_bodies(
    shared: &Shared,
    entrance: &Entrance,
    segment: u64,
    found: &[(Extent, BodyId)],
) -> Result<(), Error> {
    let mut bodies = Vec::with_capacity(found.len());
    let mut places = Vec::with_capacity(found.len());
    for (extent, body) in found {
        match record(shared, *extent, *body) {
            Ok(sealed) => {
                bodies.push(sealed);
                places.push((*body, *extent));
            }
            // Its bytes stay where a repair may look for them, and `verify` tells of it.
            Err(Error::Corrupt(why)) => {
                tracing::warn!(%body, why, "a damaged body is not moved");
            }
            Err(error) => return Err(error),
        }
    }
    if bodies.is_empty() {
        return Ok(());
    }
    let moving = move |tx: &mut Tx<'_>| {
        let (mut moved, mut bytes) = (0u64, 0u64);
        for (body, from) in &places {
            if tx.move_body(*body, *from)? {
                moved += 1;
                bytes = bytes.saturating_add(from.length);
            }
        }
        let event = Event::new(Kind::BodiesMoved, Actor::System)
            .detail("segment", segment)
            .detail("bodies", moved)
            .detail("bytes", bytes);
        tx.record(&event, ())
    };
    let moved: Result<_, Error> = entrance.commit_moved(bodies, moving).await;
    moved.map(drop)
}

/// A record as it lies in its segment, to be written again.
fn record(shared: &Shared, extent: Extent, body: BodyId) -> Result<SealedBody, Error> {
    let record = match shared.segments.read(extent) {
        // One sector of the disk is no reason to move nothing.
        Err(Error::Io { source, .. }) => return Err(Error::Corrupt(source.to_string())),
        other => other?,
    };
    let header = record
        .first_chunk::<HEADER>()
        .and_then(Header::from_bytes)
        .filter(|header| {
            let sealed = header.sealed.saturating_add(HEADER as u64);
            header.id == body && sealed == extent.length
        })
        .ok_or_else(|| Error::Corrupt("its header is not its own".to_owned()))?;
    Ok(SealedBody {
        id: body,
        size: header.size,
        sealed: Sealed {
            record,
            digest: [0; 32],
            wrapped: Vec::new(),
        },
    })
}
