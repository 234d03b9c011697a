//! What bundles for auditors are made of: proofs of many events against one checkpoint, the checkpoints of a period, and the certificates of
//! what was erased.

use std::collections::HashMap;

use jiff::Timestamp;
use trail::{
    bundle::Manifest,
    entry::Salt,
    merkle::{self, Hash},
};

use super::{
    COLUMNS, Signed, deed, entry,
    tile::{self, LEAVES, Leaf, Tile},
    volume::{self, Volume},
};
use crate::{
    Error, Snapshot, Store, event, params,
    sql::{self, Sql},
};

/// The level of a full tile's root.
const LEVEL: u32 = 8;

impl Store {
    /// The signed note of a bundle's manifest.
    #[must_use]
    pub fn signed_bundle(&self, manifest: &Manifest) -> String {
        manifest.signed(&self.inner.shared.tree.key)
    }
}

/// An event with what proves it against the checkpoint of a [`Prover`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The event's line.
    pub line: String,
    /// The salt of its commitment.
    pub salt: Salt,
    /// Its place among all events, from 0.
    pub index: u64,
    /// The hashes beside its way to the root.
    pub path: Vec<Hash>,
}

/// Proves events against the tree of the first `size` events. What it computed on the way it keeps, since leaves never change: so each
/// event costs few steps, whichever view it is read by. It keeps two hashes for 256 events of the tree at most.
#[derive(Debug)]
pub struct Prover {
    size: u64,
    /// Roots of full subtrees from the level of a tile on.
    above: HashMap<(u32, u64), Hash>,
    /// The tile of the last event, and the one at the tree's edge.
    tiles: HashMap<u64, Nodes>,
}

/// A tile and the roots of its full subtrees, by level.
#[derive(Debug)]
struct Nodes {
    tile: Tile,
    levels: Vec<Vec<Hash>>,
}

impl Nodes {
    fn of(tile: Tile) -> Self {
        let mut levels = vec![tile.leaves.iter().map(|leaf| leaf.hash).collect::<Vec<_>>()];
        for _ in 0..LEVEL {
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let (pairs, _) = below.as_chunks::<2>();
            let pairs = pairs.iter();
            levels.push(
                pairs
                    .map(|[left, right]| merkle::node_hash(left, right))
                    .collect(),
            );
        }
        Self { tile, levels }
    }
}

impl Prover {
    /// For the tree of the first `size` events, all of which have been taken into it.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self {
            size,
            above: HashMap::new(),
            tiles: HashMap::new(),
        }
    }

    /// The proofs of events, whose numbers ascend.
    ///
    /// # Errors
    /// [`Error::NotFound`] when an event is not in the tree, or was erased; when the database fails.
    pub fn prove(
        &mut self,
        snapshot: &mut Snapshot<'_>,
        events: &[i64],
    ) -> Result<Vec<Proved>, Error> {
        let sql: &mut dyn Sql = snapshot;
        let mut proved = Vec::with_capacity(events.len());
        let mut near = 0;
        for event in events {
            let (index, leaf) = self.locate(sql, *event, near)?;
            near = index / LEAVES;
            let find = format!("SELECT {COLUMNS} FROM event WHERE id = ?1");
            let found = sql::first(sql, &find, params![*event], entry)?;
            let found = found.filter(|_| !leaf.is_erased());
            let path = merkle::inclusion(index, self.size, |level, at| self.node(sql, level, at))?;
            proved.push(Proved {
                line: found.ok_or_else(|| missing(*event))?.line(),
                salt: leaf.salt,
                index,
                path,
            });
        }
        Ok(proved)
    }

    /// The proof that the tree begins with that of the first `old` events.
    ///
    /// # Errors
    /// When the database fails.
    pub fn growth(&mut self, snapshot: &mut Snapshot<'_>, old: u64) -> Result<Vec<Hash>, Error> {
        let sql: &mut dyn Sql = snapshot;
        merkle::consistency(old, self.size, |level, at| self.node(sql, level, at))
    }

    /// The place of an event, which is in tile `near` or a later one, and its leaf.
    fn locate(&mut self, sql: &mut dyn Sql, event: i64, near: u64) -> Result<(u64, Leaf), Error> {
        let (mut low, mut high) = (near, self.size.div_ceil(LEAVES));
        // The last tile whose first event is not behind it.
        while high.saturating_sub(low) > 1 {
            let middle = low + (high - low) / 2;
            match first_of(sql, middle)? <= event {
                true => low = middle,
                false => high = middle,
            }
        }
        let nodes = self.tile(sql, low)?;
        let found = nodes.tile.find(event);
        let found = found.map(|(place, leaf)| (nodes.tile.first() + place, leaf));
        found
            .filter(|(index, _)| *index < self.size)
            .ok_or_else(|| missing(event))
    }

    fn tile(&mut self, sql: &mut dyn Sql, number: u64) -> Result<&Nodes, Error> {
        if !self.tiles.contains_key(&number) {
            let edge = self.size / LEAVES;
            self.tiles.retain(|kept, _| *kept == edge);
            let tile = tile::read(sql, number, 1)?.pop();
            let tile = tile.filter(|tile| tile.number == number);
            self.tiles.insert(number, Nodes::of(tile.ok_or_else(lost)?));
        }
        self.tiles.get(&number).ok_or_else(lost)
    }

    /// The root of the `index`-th full subtree of 2^`level` leaves.
    fn node(&mut self, sql: &mut dyn Sql, level: u32, index: u64) -> Result<Hash, Error> {
        if level < LEVEL {
            let within = LEVEL - level;
            let nodes = self.tile(sql, index >> within)?;
            let place = usize::try_from(index & ((1 << within) - 1)).map_err(|_| lost())?;
            let roots = usize::try_from(level)
                .ok()
                .and_then(|level| nodes.levels.get(level));
            return roots
                .and_then(|roots| roots.get(place))
                .copied()
                .ok_or_else(lost);
        }
        if let Some(known) = self.above.get(&(level, index)) {
            return Ok(*known);
        }
        let root = if level == LEVEL {
            let find = "SELECT root FROM tree_root WHERE tile = ?1";
            let number = i64::try_from(index).unwrap_or(i64::MAX);
            let found = sql::first(sql, find, params![number], |row| row.blob(0))?;
            let found = found.and_then(|root| root.try_into().ok());
            found.ok_or_else(lost)?
        } else {
            let left = self.node(sql, level - 1, index * 2)?;
            let right = self.node(sql, level - 1, index * 2 + 1)?;
            merkle::node_hash(&left, &right)
        };
        self.above.insert((level, index), root);
        Ok(root)
    }
}

fn lost() -> Error {
    Error::Corrupt("the trail's tree misses a tile".to_owned())
}

fn missing(event: i64) -> Error {
    Error::NotFound(format!("event {event}"))
}

/// The number of a tile's first event, without the rest of the tile.
fn first_of(sql: &mut dyn Sql, number: u64) -> Result<i64, Error> {
    let find = "SELECT substr(content, 1, 8) FROM tree_tile WHERE tile = ?1";
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let found = sql::first(sql, find, params![number], |row| row.blob(0))?;
    let found = found.and_then(|octets| octets.try_into().ok());
    Ok(i64::from_be_bytes(found.ok_or_else(lost)?))
}

/// How many of the first `size` events were written before `at`.
///
/// # Errors
/// When the database fails.
pub fn written_before(sql: &mut dyn Sql, at: Timestamp, size: u64) -> Result<u64, Error> {
    let place = match event::first_at(sql, at)? {
        Some(event) => tile::place_of(sql, event)?,
        None => None,
    };
    Ok(place.unwrap_or(size).min(size))
}

/// The last of the first `size` events.
///
/// # Errors
/// When there are not so many in the tree; when the database fails.
pub fn last_of(sql: &mut dyn Sql, size: u64) -> Result<i64, Error> {
    tile::event_at(sql, size.saturating_sub(1))
}

/// Checkpoints that tell of more than `after` events and of at most `upto`, ascending, at most `limit`.
///
/// # Errors
/// When the database fails.
pub fn signed_between(
    sql: &mut dyn Sql,
    (after, upto): (u64, u64),
    limit: u32,
) -> Result<Vec<Signed>, Error> {
    super::checkpoints(sql, (after, upto), i64::from(limit))
}

/// The volumes that were erased, each with the signed certificate of that.
///
/// # Errors
/// When the database fails.
pub fn erased_volumes(sql: &mut dyn Sql) -> Result<Vec<(Volume, String)>, Error> {
    let mut found = Vec::new();
    for volume in volume::volumes(sql)? {
        if volume.erased.is_some() {
            let certificate = deed::certificate(sql, volume.number)?;
            found.push((volume, certificate));
        }
    }
    Ok(found)
}
