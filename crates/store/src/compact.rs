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
/// Rows of the body table summed in one step, so that no view of the database is held for long.
const ROWS: i64 = 2048;
/// A segment is not examined again before one part in so many of the waste that matters has come to it.
const EXAMINE_PART: u64 = 4;
/// One part in so many of what a segment takes must be waste.
const WASTE_PART: u64 = 3;

/// What is to be examined and emptied.
pub(crate) struct Compactor {
    /// Segments that may be wasteful.
    suspects: BTreeSet<u64>,
    /// Bytes that have yet to die in a segment before it is a suspect again.
    spared: HashMap<u64, u64>,
    /// The segment at hand.
    task: Option<Task>,
}

enum Task {
    Examine(Examination),
    Empty {
        segment: u64,
        /// The byte from which its bodies still lie there.
        from: u64,
    },
}

/// A segment whose living bytes are being summed.
struct Examination {
    segment: u64,
    /// Bytes that are known to the database: behind them lie zeros, and what is about to be committed.
    known: u64,
    /// The byte from which its bodies are still to be summed.
    from: u64,
    /// The sum so far. What dies meanwhile stays in it, so that a segment is rather spared than rewritten.
    living: u64,
    /// Bytes that died meanwhile.
    died: u64,
}

/// What came of an examination, or of a part of it.
enum Outcome {
    /// There are bodies left to be summed.
    Unfinished,
    Wasteful,
    /// It can be wasteful once so many more bytes have died.
    Spared(u64),
    /// Its file was removed.
    Gone,
}

impl Compactor {
    /// Suspects every segment: what died before the start was counted by nobody.
    pub(crate) fn new(segments: Vec<u64>) -> Self {
        Self {
            suspects: segments.into_iter().collect(),
            spared: HashMap::new(),
            task: None,
        }
    }

    /// Hears of extents that were given back.
    pub(crate) fn died(&mut self, shared: &Shared, extents: &[Extent]) {
        for extent in extents {
            match &mut self.task {
                Some(Task::Examine(at)) if at.segment == extent.segment => {
                    at.died = at.died.saturating_add(extent.length);
                }
                _ => self.count_down(shared, extent.segment, extent.length),
            }
        }
    }

    /// Notes that so many bytes died in a segment.
    fn count_down(&mut self, shared: &Shared, segment: u64, died: u64) {
        let least = shared.options.waste_bytes / EXAMINE_PART;
        let left = self.spared.entry(segment).or_insert(least);
        *left = left.saturating_sub(died);
        if *left == 0 {
            self.spared.remove(&segment);
            self.suspects.insert(segment);
        }
    }

    /// Whether a step would do anything.
    pub(crate) fn has_work(&self) -> bool {
        self.task.is_some() || !self.suspects.is_empty()
    }

    /// Sums some living bodies of one segment, or moves some out of the one that is being emptied.
    ///
    /// # Errors
    /// When the database or a segment cannot be read, or the bodies cannot be written. The segment is left as it is until
    /// more of it has died.
    pub(crate) async fn step(
        &mut self,
        shared: &Arc<Shared>,
        entrance: &Entrance,
    ) -> Result<(), Error> {
        match self.task.take() {
            Some(Task::Examine(at)) => self.examine(shared, at),
            Some(Task::Empty { segment, from }) => {
                self.task = empty(shared, entrance, segment, from).await?;
                if self.task.is_none() {
                    self.spared.remove(&segment);
                }
                Ok(())
            }
            None => {
                let Some(segment) = self.suspects.pop_first() else {
                    return Ok(());
                };
                if let Some(at) = Examination::begin(shared, segment)? {
                    return self.examine(shared, at);
                }
                self.spared.remove(&segment);
                Ok(())
            }
        }
    }

    /// Goes on with an examination.
    fn examine(&mut self, shared: &Shared, mut at: Examination) -> Result<(), Error> {
        let segment = at.segment;
        match at.go_on(shared)? {
            Outcome::Unfinished => self.task = Some(Task::Examine(at)),
            Outcome::Wasteful => {
                if segment >= shared.segments.active() {
                    shared.segments.leave(segment);
                }
                self.task = Some(Task::Empty { segment, from: 0 });
            }
            Outcome::Spared(left) => {
                let least = shared.options.waste_bytes / EXAMINE_PART;
                self.spared.insert(segment, left.max(least));
                if at.died > 0 {
                    self.count_down(shared, segment, at.died);
                }
            }
            Outcome::Gone => {
                self.spared.remove(&segment);
            }
        }
        Ok(())
    }
}

impl Examination {
    /// Begins with a segment; `None` when it was removed.
    fn begin(shared: &Shared, segment: u64) -> Result<Option<Self>, Error> {
        let length = match shared.segments.length(segment) {
            Err(error) if error.is_missing() => return Ok(None),
            other => other?,
        };
        let mark = shared.readers.with(|sql| Mark::find(sql))?;
        let behind = mark.unwrap_or_default().behind(segment, length);
        Ok(Some(Self {
            segment,
            known: length.saturating_sub(behind),
            from: 0,
            living: 0,
            died: 0,
        }))
    }

    /// Sums some more of its bodies, and judges it after the last.
    fn go_on(&mut self, shared: &Shared) -> Result<Outcome, Error> {
        let list = "SELECT start, length FROM body
                    WHERE segment = ?1 AND start >= ?2 AND start < ?3 ORDER BY start LIMIT ?4";
        let page = params![
            signed(self.segment)?,
            signed(self.from)?,
            signed(self.known)?,
            ROWS
        ];
        let found = shared
            .readers
            .with(|sql| sql::rows(sql, list, page, |row| Ok((row.count(0)?, row.count(1)?))))?;
        for (start, length) in &found {
            self.living = self.living.saturating_add(*length);
            self.from = start.saturating_add(1);
        }
        if i64::try_from(found.len()).is_ok_and(|rows| rows == ROWS) {
            return Ok(Outcome::Unfinished);
        }
        self.judge(shared)
    }

    /// Whether enough of what the segment takes belongs to no body. What it takes is asked for after the sum was made: room
    /// that was given back meanwhile is no waste.
    fn judge(&self, shared: &Shared) -> Result<Outcome, Error> {
        let segments = &shared.segments;
        let measured = segments
            .length(self.segment)
            .and_then(|length| Ok((length, segments.allocated_by(self.segment)?)));
        let (length, allocated) = match measured {
            Err(error) if error.is_missing() => return Ok(Outcome::Gone),
            other => other?,
        };
        let behind = length.saturating_sub(self.known);
        let taken = allocated.saturating_sub(behind).min(self.known);
        let waste = taken.saturating_sub(self.living);
        let matters = shared.options.waste_bytes.max(1);
        let matters = matters.max(taken.div_ceil(WASTE_PART));
        Ok(match matters.saturating_sub(waste) {
            0 => Outcome::Wasteful,
            left => Outcome::Spared(left),
        })
    }
}

/// Moves some bodies out of a segment, from byte `from` on; what is then left to do with it.
async fn empty(
    shared: &Arc<Shared>,
    entrance: &Entrance,
    segment: u64,
    from: u64,
) -> Result<Option<Task>, Error> {
    let found = shared.readers.with(|sql| lying(sql, segment, from))?;
    let Some((last, _)) = found.last().copied() else {
        return Ok(None);
    };
    move_bodies(shared, entrance, segment, &found).await?;
    let from = last.end();
    Ok(Some(Task::Empty { segment, from }))
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
