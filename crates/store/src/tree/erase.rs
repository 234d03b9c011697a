//! The end of a volume (clause 4.2(3)): once it is due an officer decides, and what is to be erased is erased.
//!
//! The text of its events, their salts and what they are found by go; their leaves stay, and with them the proofs of all
//! other events. A signed certificate says what was erased, when, and by whose decision.

use std::sync::Arc;

use jiff::Timestamp;
use trail::{By, Kind, merkle};

use super::{
    deed::{CERTIFICATE, DECISION, EXTENSION, certificate, deed_of, head, is_decided},
    grow,
    record::{self, Told},
    retain,
    tile::{self, Leaf, Tile},
    volume::{self, Volume},
};
use crate::{
    Error, Recorded, Snapshot, Store, Tx, collect::Chore, params, shared::Shared, sql::Sql,
};

/// Tiles whose events are erased by one commit.
const TILES: i64 = 16;

/// What an officer decides on a volume that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is to be erased.
    Erase,
    /// It is to be kept until then, which is later than before.
    Extend(Timestamp),
}

/// Why a volume is not erased, or not decided on.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// It is to be kept longer.
    #[error(
        "volume {number} is to be kept until {until}: nothing erases it earlier (clause 4.2(3))"
    )]
    NotDue {
        /// Which.
        number: u64,
        /// Until when.
        until: Timestamp,
    },
    /// The clock says so, and the checkpoints do not.
    #[error(
        "volume {number} is due by the clock, but not as much time has passed by the checkpoints since it was sealed: the clock was set ahead, or the server stood still for more than 31 days on end; it is kept until enough has (clause 4.2(3))"
    )]
    ClockAhead {
        /// Which.
        number: u64,
    },
    /// Nobody decided that.
    #[error("no officer has decided that volume {0} is to be erased")]
    Undecided(u64),
    /// Who decided would erase too.
    #[error(
        "{by} decided that volume {number} is to be erased: another person erases it (clause 4.2(3))"
    )]
    SamePerson {
        /// Which.
        number: u64,
        /// Who.
        by: String,
    },
    /// It is gone already.
    #[error("volume {0} was erased already")]
    Erased(u64),
    /// Some of it is gone already.
    #[error(
        "volume {0} is being erased, as was decided: what is left of it is erased when that is gone on with"
    )]
    Begun(u64),
    /// The row is not what the trail tells of the volume.
    #[error(
        "volume {number} is not on record as it stands: {why}; somebody has changed the database: tell the security officer (clause 4.2(3))"
    )]
    OffRecord {
        /// Which.
        number: u64,
        /// What the trail tells otherwise.
        why: &'static str,
    },
    /// The decision is not signed, or says something else.
    #[error(
        "the decision that volume {0} is to be erased is not signed as it stands: it is decided anew (`audit decide`)"
    )]
    Unsigned(u64),
    /// An extension makes it shorter.
    #[error("an extension must be later than {0}")]
    Shorter(Timestamp),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Store {
    /// Records what an officer decided on a volume; `by` is who. To erase it, it must be due; an extension only makes it longer.
    ///
    /// # Errors
    /// As [`EraseError`].
    pub async fn decide_volume(
        &self,
        number: u64,
        decision: Decision,
        by: impl Into<By>,
        reason: &str,
    ) -> Result<Volume, EraseError> {
        let (by, reason) = (by.into(), reason.to_owned());
        let shared = Arc::clone(&self.inner.shared);
        // Nothing is decided anew while it is carried out.
        let held = Arc::clone(&shared);
        let _alone = held.tree.sealing.lock().await;
        let told = self.on_record(number).await?;
        let decided = self.commit(Vec::new(), move |tx| {
            let volume = must_be_kept_so(tx, &shared, number, &told)?;
            decide(tx, &shared, volume, &decision, (&by, &reason))
        });
        Ok(decided.await?.value)
    }

    /// Erases a volume that is due and that an officer has decided to erase; gives the signed certificate. What a crash cuts short
    /// is gone on with when it is called again. Whoever decided does not erase too, unless `by` says that one person may do both.
    ///
    /// # Errors
    /// As [`EraseError`].
    pub async fn erase_volume(&self, number: u64, by: impl Into<By>) -> Result<String, EraseError> {
        let eraser = by.into();
        let shared = Arc::clone(&self.inner.shared);
        // The tree stands still meanwhile, and forgets the salts that it remembers.
        let _alone = shared.tree.sealing.lock().await;
        let told = self.on_record(number).await?;
        let mut edge = shared.tree.edge.lock().await;
        *edge = None;
        let at = Arc::clone(&shared);
        let begun = self.commit(Vec::new(), move |tx| {
            begin(tx, &at, (number, &told), eraser)
        });
        let (volume, by) = begun.await?.value;
        let mut next = volume.first / super::LEAVES;
        while next * super::LEAVES < volume.last {
            let (first, last) = (volume.first, volume.last);
            let erased = self.commit(Vec::new(), move |tx| some(tx, next, first..last));
            let erased: Result<_, Error> = erased.await;
            next = erased?.value;
        }
        // What they were found by.
        let at = Arc::clone(&shared);
        self.blocking(move || at.trail.renew()).await?;
        let at = Arc::clone(&shared);
        let ended = self.commit(Vec::new(), move |tx| end(tx, &at, &volume, &by));
        let certificate = ended.await?.value;
        if let Some(threads) = &*self.inner.threads.lock() {
            // The database's log still has what was erased.
            threads.chores.ask(Chore::Erase);
        }
        Ok(certificate)
    }

    /// What the signed tree tells of a volume. Nothing seals or decides meanwhile: who asks holds the lock.
    async fn on_record(&self, number: u64) -> Result<Told, EraseError> {
        let shared = Arc::clone(&self.inner.shared);
        // Of what was written until now, too.
        grow::grow(&shared, &self.inner.entrance).await?;
        let look = move |snapshot: &mut Snapshot<'_>| {
            let told = record::told(snapshot, number)?;
            match told.is_proved(snapshot, &shared.tree)? {
                true => Ok(told),
                false => Err(EraseError::OffRecord {
                    number,
                    why: "the signed tree does not have what was written of it",
                }),
            }
        };
        self.read(look).await
    }
}

/// Refuses to decide on, or erase, what is not what was sealed, or was to be kept until another time.
fn must_be_kept_so(
    tx: &mut Tx<'_>,
    shared: &Shared,
    number: u64,
    told: &Told,
) -> Result<Volume, EraseError> {
    let volume = volume::find(tx, number)?;
    if volume.erased.is_some() {
        return Err(EraseError::Erased(number));
    }
    let note = certificate(tx, number)?;
    let key = shared.tree.verifier();
    let note = key.open(&note).ok();
    let note = note.filter(|text| is_decided(text, shared, &volume));
    match told.fault(&volume, note) {
        None => Ok(volume),
        Some(why) => Err(EraseError::OffRecord { number, why }),
    }
}

fn decide(
    tx: &mut Tx<'_>,
    shared: &Shared,
    mut volume: Volume,
    decision: &Decision,
    (by, reason): (&By, &str),
) -> Result<Recorded<Volume>, EraseError> {
    let number = volume.number;
    let person = by.name();
    let event = by
        .event(Kind::VolumeDecided)
        .subject(format!("volume {number}"))
        .detail("reason", reason)
        .detail("before", volume.retain_until.to_string());
    let key = i64::try_from(number).unwrap_or(i64::MAX);
    let event = match decision {
        Decision::Erase => {
            must_be_due(tx, &volume)?;
            let now = tx.now();
            // Signed, so that who writes into the database cannot decide.
            let text = deed_of(shared, DECISION, &volume, (now, &person));
            let note = shared.tree.key.sign(&text);
            let statement = "UPDATE trail_volume SET decided_at = ?2, decided_by = ?3, certificate = ?4 WHERE number = ?1";
            tx.execute(statement, params![key, now, &person, &note])?;
            volume.decided = Some((now, person));
            event.detail("decision", "erase")
        }
        Decision::Extend(until) => {
            if *until <= volume.retain_until {
                return Err(EraseError::Shorter(volume.retain_until));
            }
            if is_begun(tx, &volume)? {
                return Err(EraseError::Begun(number));
            }
            volume.retain_until = *until;
            volume.decided = None;
            // What tells of it in the trail may be erased before the volume is.
            let text = deed_of(shared, EXTENSION, &volume, (tx.now(), &person));
            let note = shared.tree.key.sign(&text);
            let statement = "UPDATE trail_volume SET retain_until = ?2, decided_at = NULL, decided_by = NULL, certificate = ?3 WHERE number = ?1";
            tx.execute(statement, params![key, *until, &note])?;
            event
                .detail("decision", "extend")
                .detail("after", until.to_string())
        }
    };
    Ok(tx.record(&event, volume)?)
}

/// Whether an erasure that was cut short has taken its first events: then only going on leaves a stub that verifies.
fn is_begun(tx: &mut Tx<'_>, volume: &Volume) -> Result<bool, Error> {
    let tiles = tile::read(tx, volume.first / super::LEAVES, 1)?;
    let mut first = tiles
        .iter()
        .flat_map(Tile::numbered)
        .filter(|(place, _)| *place == volume.first);
    Ok(first.any(|(_, leaf)| leaf.is_erased()))
}

fn must_be_due(tx: &mut Tx<'_>, volume: &Volume) -> Result<(), EraseError> {
    let (number, until, now) = (volume.number, volume.retain_until, tx.now());
    if until > now {
        return Err(EraseError::NotDue { number, until });
    }
    match retain::is_due(tx, volume, now)? {
        true => Ok(()),
        false => Err(EraseError::ClockAhead { number }),
    }
}

/// The volume, and who erases it: `single_person` only where that is who decided.
fn begin(
    tx: &mut Tx<'_>,
    shared: &Shared,
    (number, told): (u64, &Told),
    by: By,
) -> Result<Recorded<(Volume, By)>, EraseError> {
    let volume = must_be_kept_so(tx, shared, number, told)?;
    must_be_due(tx, &volume)?;
    if let Some(why) = told.decision_fault(&volume) {
        return Err(EraseError::OffRecord { number, why });
    }
    let Some((decided_at, decided_by)) = &volume.decided else {
        return Err(EraseError::Undecided(number));
    };
    let note = certificate(tx, number)?;
    let signed = deed_of(shared, DECISION, &volume, (*decided_at, decided_by));
    if shared.tree.verifier().open(&note).ok() != Some(&*signed) {
        return Err(EraseError::Unsigned(number));
    }
    // As this commit sees it: what was read before may have been decided anew since.
    let same = *decided_by == by.name();
    if same && !by.single_person {
        let by = by.name();
        return Err(EraseError::SamePerson { number, by });
    }
    let by = By {
        single_person: same,
        ..by
    };
    let event = by
        .event_of_two(Kind::VolumeErasing)
        .subject(format!("volume {number}"))
        .detail("first", volume.first)
        .detail("last", volume.last);
    Ok(tx.record(&event, (volume, by))?)
}

/// Erases the events of some tiles from `number` on that are among `places`; the tile to go on with.
fn some(
    tx: &mut Tx<'_>,
    number: u64,
    places: std::ops::Range<u64>,
) -> Result<Recorded<u64>, Error> {
    let mut tiles = tile::read(tx, number, TILES)?;
    let next = number + tiles.len() as u64;
    if tiles.is_empty() {
        return Err(Error::Corrupt("the trail's tree misses a tile".to_owned()));
    }
    for tile in &mut tiles {
        erase(tx, tile, &places)?;
    }
    Ok(tx.bookkeeping(next))
}

fn erase(tx: &mut Tx<'_>, tile: &mut Tile, places: &std::ops::Range<u64>) -> Result<(), Error> {
    let first = tile.first();
    let leaves = (first..).zip(&mut tile.leaves);
    let gone: Vec<&mut Leaf> = leaves
        .filter(|(place, _)| places.contains(place))
        .map(|(_, leaf)| leaf)
        .collect();
    let (Some(from), Some(to)) = (gone.first(), gone.last()) else {
        return Ok(());
    };
    let span = params![from.event, to.event];
    tx.execute("DELETE FROM event WHERE id >= ?1 AND id <= ?2", span)?;
    let named = "DELETE FROM event_named WHERE event >= ?1 AND event <= ?2";
    tx.execute(named, span)?;
    for leaf in gone {
        leaf.salt = tile::ERASED;
    }
    let number = i64::try_from(tile.number).unwrap_or(i64::MAX);
    let statement = "UPDATE tree_tile SET content = ?2 WHERE tile = ?1";
    tx.execute(statement, params![number, &tile.content()])?;
    Ok(())
}

/// Signs the certificate.
fn end(
    tx: &mut Tx<'_>,
    shared: &Shared,
    begun: &Volume,
    eraser: &By,
) -> Result<Recorded<String>, EraseError> {
    let number = begun.number;
    let volume = volume::find(tx, number)?;
    if volume != *begun {
        let why = "it was changed while it was erased";
        return Err(EraseError::OffRecord { number, why });
    }
    let Some((decided, by)) = &volume.decided else {
        return Err(EraseError::Undecided(number));
    };
    let now = tx.now();
    let root = {
        let sql: &mut dyn Sql = tx;
        let mut nodes = tile::Nodes::new(sql);
        merkle::root(volume.last, |level, index| nodes.root(level, index))?
    };
    let text = format!(
        "{}from {}\nto {}\nretained-until {}\ndecided {decided} {by}\nerased {now} {}\nroot {}\n",
        head(shared, CERTIFICATE, &volume),
        volume.from,
        volume.to,
        volume.retain_until,
        eraser.actor.to_text(),
        trail::volume::hex(&root),
    );
    let certificate = shared.tree.key.sign(&text);
    let key = i64::try_from(number).unwrap_or(i64::MAX);
    let statement = "UPDATE trail_volume SET erased_at = ?2, certificate = ?3 WHERE number = ?1";
    tx.execute(statement, params![key, now, &certificate])?;
    let event = eraser
        .event_of_two(Kind::VolumeErased)
        .subject(format!("volume {number}"))
        .detail("certificate", certificate.as_str());
    Ok(tx.record(&event, certificate)?)
}
