//! Volumes: the trail in parts, sealed one after the other (clause 4.2(2)).

use jiff::{Timestamp, ToSpan as _};
use trail::{By, Kind, checkpoint::Checkpoint, merkle};

use super::{grow, retain, tile};
use crate::{
    Error, Recorded, Store, Tx, event, params,
    sql::{self, Row, Sql},
};

/// A volume that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its number, from 1.
    pub number: u64,
    /// Number of events in the volumes before.
    pub first: u64,
    /// Number of events with those of this volume.
    pub last: u64,
    /// When its first event was written.
    pub from: Timestamp,
    /// When its last event was written.
    pub to: Timestamp,
    /// When it was sealed.
    pub sealed: Timestamp,
    /// Until when it is kept at least (clause 4.2(3)): fixed when it is sealed, and only ever extended.
    pub retain_until: Timestamp,
    /// When and by whom it was decided that it is to be erased.
    pub decided: Option<(Timestamp, String)>,
    /// When it was erased.
    pub erased: Option<Timestamp>,
}

/// How to seal a volume.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Only events before this; `None`: all that there are.
    pub before: Option<Timestamp>,
    /// How many years it is to be kept after its last event, unless a longer time was in force while it was written
    /// ([`note_retention`](super::note_retention)).
    pub retain_years: u16,
    /// Who does it.
    pub by: By,
}

/// All volumes, ascending.
///
/// # Errors
/// When the database fails.
pub fn volumes(sql: &mut dyn Sql) -> Result<Vec<Volume>, Error> {
    let list = "SELECT number, first, last, from_at, to_at, sealed_at, retain_until, decided_at, decided_by, erased_at FROM trail_volume ORDER BY number";
    sql::rows(sql, list, &[], volume)
}

pub(super) fn find(sql: &mut dyn Sql, number: u64) -> Result<Volume, Error> {
    let found = volumes(sql)?
        .into_iter()
        .find(|volume| volume.number == number);
    found.ok_or_else(|| Error::NotFound(format!("volume {number} of the audit trail")))
}

fn volume(row: &dyn Row) -> Result<Volume, Error> {
    Ok(Volume {
        number: row.count(0)?,
        first: row.count(1)?,
        last: row.count(2)?,
        from: row.time(3)?,
        to: row.time(4)?,
        sealed: row.time(5)?,
        retain_until: row.time(6)?,
        decided: row.maybe_time(7)?.zip(row.maybe_text(8)?),
        erased: row.maybe_time(9)?,
    })
}

impl Store {
    /// Seals what was written since the last volume as the next; `None` when there is nothing.
    ///
    /// # Errors
    /// When the events cannot be read, or the disk is full or fails.
    pub async fn seal_volume(&self, how: Seal) -> Result<Option<Volume>, Error> {
        let shared = std::sync::Arc::clone(&self.inner.shared);
        // The tree stands still meanwhile.
        let _alone = shared.tree.sealing.lock().await;
        grow::grow(&shared, &self.inner.entrance).await?;
        let before = how.before;
        let plan = self.read(move |snapshot| plan(snapshot, before)).await?;
        let Some(plan) = plan else {
            return Ok(None);
        };
        let checkpoint = Checkpoint {
            origin: shared.tree.verifier().name().to_owned(),
            size: plan.last,
            root: plan.root,
        };
        let note = checkpoint.signed(&shared.tree.key);
        let sealed = self.commit(Vec::new(), move |tx| seal(tx, &plan, &note, &how));
        let sealed: Result<_, Error> = sealed.await;
        Ok(Some(sealed?.value))
    }
}

/// What the next volume is to hold.
struct Plan {
    number: u64,
    first: u64,
    last: u64,
    from: Timestamp,
    to: Timestamp,
    root: merkle::Hash,
    /// The longest time of keeping that was in force while it was written, in years.
    longest: Option<u16>,
}

fn plan(sql: &mut dyn Sql, before: Option<Timestamp>) -> Result<Option<Plan>, Error> {
    let newest = volumes(sql)?.pop();
    let (number, first) = newest.map_or((1, 0), |newest| (newest.number + 1, newest.last));
    let next = match before {
        Some(before) => event::first_at(sql, before)?,
        None => None,
    };
    let last = match next {
        Some(next) => tile::place_of(sql, next)?,
        None => None,
    };
    let last = match last {
        Some(last) => last,
        // All that there are.
        None => tile::count(sql)?,
    };
    if last <= first {
        return Ok(None);
    }
    let mut at = |place| {
        let event = tile::event_at(sql, place)?;
        let find = "SELECT at FROM event WHERE id = ?1";
        let at = sql::first(sql, find, params![event], |row| row.time(0))?;
        at.ok_or_else(|| Error::Corrupt(format!("event {event} of the tree does not exist")))
    };
    let (from, to) = (at(first)?, at(last - 1)?);
    let longest = retain::longest(sql, (from, to))?;
    let mut nodes = tile::Nodes::new(sql);
    let root = merkle::root(last, |level, index| nodes.root(level, index))?;
    Ok(Some(Plan {
        number,
        first,
        last,
        from,
        to,
        root,
        longest,
    }))
}

fn seal(tx: &mut Tx<'_>, plan: &Plan, note: &str, how: &Seal) -> Result<Recorded<Volume>, Error> {
    // A time that was made shorter meanwhile holds for what was written since.
    let years = plan.longest.unwrap_or(0).max(how.retain_years);
    let zoned = plan.to.to_zoned(jiff::tz::TimeZone::UTC);
    let retain_until = zoned.checked_add(i64::from(years).years());
    let retain_until = retain_until.map_or(Timestamp::MAX, |until| until.timestamp());
    let volume = Volume {
        number: plan.number,
        first: plan.first,
        last: plan.last,
        from: plan.from,
        to: plan.to,
        sealed: tx.now(),
        retain_until,
        decided: None,
        erased: None,
    };
    retain::forget_before(tx, volume.to)?;
    let [number, first, last] = [volume.number, volume.first, volume.last]
        .map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let statement =
        "INSERT INTO trail_volume (number, first, last, from_at, to_at, sealed_at, retain_until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.execute(
        statement,
        params![
            number,
            first,
            last,
            volume.from,
            volume.to,
            volume.sealed,
            volume.retain_until
        ],
    )?;
    let statement =
        "INSERT INTO checkpoint (size, at, note) VALUES (?1, ?2, ?3) ON CONFLICT (size) DO NOTHING";
    tx.execute(statement, params![last, volume.sealed, note])?;
    let event = how
        .by
        .event(Kind::VolumeSealed)
        .subject(format!("volume {}", volume.number))
        .detail("first", volume.first)
        .detail("last", volume.last)
        .detail("from", volume.from.to_string())
        .detail("to", volume.to.to_string())
        .detail("retain-until", volume.retain_until.to_string())
        .detail("checkpoint", note);
    tx.record(&event, volume)
}
