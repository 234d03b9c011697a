//! The rows of the tree: tiles of 256 leaves.

use trail::{
    entry::Salt,
    merkle::{Frontier, Hash},
};

use crate::{
    Error, params,
    sql::{self, Row, Sql},
};

/// Leaves of a full tile.
pub(crate) const LEAVES: u64 = 256;
/// The level of a full tile's root.
const LEVEL: u32 = 8;
/// Octets of a leaf in a row.
const LEAF: usize = 56;

/// The salt of an event that was erased: no random one is so.
pub(crate) const ERASED: Salt = [0; 16];

/// An event in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) event: i64,
    pub(crate) salt: Salt,
    pub(crate) hash: Hash,
}

/// Up to 256 leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) number: u64,
    pub(crate) leaves: Vec<Leaf>,
    /// What its row says is the root over it, once it is full.
    pub(crate) root: Option<Hash>,
}

impl Leaf {
    /// Whether the text of the event was erased.
    pub(crate) fn is_erased(&self) -> bool {
        self.salt == ERASED
    }
}

impl Tile {
    /// The place of its first leaf in the tree.
    pub(crate) fn first(&self) -> u64 {
        self.number.saturating_mul(LEAVES)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.leaves.len() as u64 >= LEAVES
    }

    /// Its leaves, each with its place in the tree.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u64, &Leaf)> {
        (self.first()..).zip(&self.leaves)
    }

    /// The tree of its leaves alone.
    pub(crate) fn frontier(&self) -> Frontier {
        let mut frontier = Frontier::default();
        for leaf in &self.leaves {
            frontier.push(leaf.hash);
        }
        frontier
    }

    /// The leaf of an event, and its place in the tile.
    pub(crate) fn find(&self, event: i64) -> Option<(u64, Leaf)> {
        let found = self.leaves.iter().position(|leaf| leaf.event == event)?;
        Some((found as u64, *self.leaves.get(found)?))
    }

    /// Its leaves as its row holds them.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.leaves.len() * LEAF);
        for leaf in &self.leaves {
            content.extend(leaf.event.to_be_bytes());
            content.extend(leaf.salt);
            content.extend(leaf.hash);
        }
        content
    }

    fn from_row(row: &dyn Row) -> Result<Self, Error> {
        let number = row.count(0)?;
        let bad = |what| Error::Corrupt(format!("tile {number} of the trail's tree: {what}"));
        let content = row.blob(2)?;
        let (leaves, rest) = content.as_chunks::<LEAF>();
        if !rest.is_empty() || leaves.len() as u64 != row.count(1)? {
            return Err(bad("its leaves are not as many as it says"));
        }
        let root = match row.maybe_blob(3)? {
            Some(root) => Some(root.try_into().map_err(|_| bad("its root is no hash"))?),
            None => None,
        };
        let tile = Self {
            number,
            leaves: leaves
                .iter()
                .map(leaf)
                .collect::<Option<_>>()
                .unwrap_or_default(),
            root,
        };
        match tile.is_full() == tile.root.is_some() && tile.leaves.len() as u64 <= LEAVES {
            true => Ok(tile),
            false => Err(bad("it has a root before it is full, or none after")),
        }
    }
}

fn leaf(octets: &[u8; LEAF]) -> Option<Leaf> {
    let (event, rest) = octets.split_first_chunk::<8>()?;
    let (salt, hash) = rest.split_first_chunk::<16>()?;
    Some(Leaf {
        event: i64::from_be_bytes(*event),
        salt: *salt,
        hash: *hash.first_chunk::<32>()?,
    })
}

/// Tiles from `number` on, at most `limit`.
pub(crate) fn read(sql: &mut dyn Sql, number: u64, limit: i64) -> Result<Vec<Tile>, Error> {
    let list = "SELECT t.tile, t.leaves, t.content, r.root FROM tree_tile t LEFT JOIN tree_root r ON r.tile = t.tile \
         WHERE t.tile >= ?1 ORDER BY t.tile LIMIT ?2";
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    sql::rows(sql, list, params![number, limit], Tile::from_row)
}

/// The tile that holds an event, or would hold it. Numbers of events ascend through the tiles, so it is found by halving.
pub(crate) fn with(sql: &mut dyn Sql, event: i64) -> Result<Option<Tile>, Error> {
    let (mut low, mut high) = (0, count(sql)?.div_ceil(LEAVES));
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(tile) = read(sql, middle, 1)?.pop() else {
            return Ok(None);
        };
        match (tile.leaves.first(), tile.leaves.last()) {
            (Some(first), _) if event < first.event => high = middle,
            (_, Some(last)) if event > last.event => low = middle + 1,
            _ => return Ok(Some(tile)),
        }
    }
    Ok(None)
}

/// Number of leaves in the tree.
pub(crate) fn count(sql: &mut dyn Sql) -> Result<u64, Error> {
    let last = "SELECT tile, leaves FROM tree_tile ORDER BY tile DESC LIMIT 1";
    let last = sql::first(sql, last, &[], |row| Ok((row.count(0)?, row.count(1)?)))?;
    Ok(last.map_or(0, |(tile, leaves)| {
        tile.saturating_mul(LEAVES).saturating_add(leaves)
    }))
}

/// The place of an event in the tree.
pub(super) fn place_of(sql: &mut dyn Sql, event: i64) -> Result<Option<u64>, Error> {
    let tile = with(sql, event)?;
    Ok(tile.and_then(|tile| Some(tile.first() + tile.find(event)?.0)))
}

/// The event at a place of the tree.
pub(super) fn event_at(sql: &mut dyn Sql, place: u64) -> Result<i64, Error> {
    let tile = read(sql, place / LEAVES, 1)?.pop();
    let leaf = tile
        .filter(|tile| tile.number == place / LEAVES)
        .and_then(|tile| {
            let leaf = usize::try_from(place % LEAVES).ok()?;
            tile.leaves.get(leaf).copied()
        });
    let leaf = leaf.ok_or_else(|| Error::Corrupt("the trail's tree misses a tile".to_owned()));
    Ok(leaf?.event)
}

/// The right edge of the tree of the first `size` leaves.
pub(super) fn frontier(sql: &mut dyn Sql, size: u64) -> Result<Frontier, Error> {
    let mut frontier = Frontier::default();
    let mut nodes = Nodes::new(sql);
    let mut place = 0;
    for level in (0..u64::BITS).rev() {
        let leaves = 1_u64 << level;
        if size & leaves != 0 {
            let root = nodes.root(level, place >> level)?;
            frontier.push_subtree(root, leaves);
            place += leaves;
        }
    }
    Ok(frontier)
}

/// The roots of full subtrees, from the tiles.
pub(crate) struct Nodes<'s> {
    sql: &'s mut dyn Sql,
    /// The last tile that was read whole.
    tile: Option<Tile>,
}

impl<'s> Nodes<'s> {
    pub(crate) fn new(sql: &'s mut dyn Sql) -> Self {
        Self { sql, tile: None }
    }

    /// The root of the `index`-th subtree of 2^`level` leaves.
    pub(crate) fn root(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        let lost = || Error::Corrupt("the trail's tree misses a tile".to_owned());
        let mut frontier = Frontier::default();
        if level >= LEVEL {
            let tiles = 1_u64 << (level - LEVEL);
            let from = index.saturating_mul(tiles);
            let list = "SELECT root FROM tree_root WHERE tile >= ?1 AND tile < ?2 ORDER BY tile";
            let [from, to] = [from, from.saturating_add(tiles)]
                .map(|tile| i64::try_from(tile).unwrap_or(i64::MAX));
            let mut count = 0;
            self.sql.query(list, params![from, to], &mut |row| {
                let root = row.blob(0)?.try_into().map_err(|_| lost())?;
                frontier.push_subtree(root, LEAVES);
                count += 1;
                Ok(())
            })?;
            return if count == tiles {
                Ok(frontier.root())
            } else {
                Err(lost())
            };
        }
        let first = index << level;
        let number = first / LEAVES;
        if self.tile.as_ref().is_none_or(|tile| tile.number != number) {
            self.tile = read(self.sql, number, 1)?.pop();
        }
        let tile = self.tile.as_ref().filter(|tile| tile.number == number);
        let from = usize::try_from(first % LEAVES).map_err(|_| lost())?;
        let part = tile.and_then(|tile| tile.leaves.get(from..from + (1 << level)));
        for leaf in part.ok_or_else(lost)? {
            frontier.push(leaf.hash);
        }
        Ok(frontier.root())
    }
}

/// The right edge of the tree.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Over the full tiles.
    full: Frontier,
    /// The tile that is to be filled next.
    tile: Tile,
    /// The last event in the tree; 0 while there is none.
    pub(super) last: i64,
}

impl State {
    /// Reads it.
    pub(super) fn load(sql: &mut dyn Sql) -> Result<Self, Error> {
        let mut full = Frontier::default();
        let roots = "SELECT root FROM tree_root ORDER BY tile";
        sql.query(roots, &[], &mut |row| {
            let root = row.blob(0)?.try_into();
            let root = root.map_err(|_| Error::Corrupt("a root of the trail's tree".to_owned()))?;
            full.push_subtree(root, LEAVES);
            Ok(())
        })?;
        let number = full.size() / LEAVES;
        let tiles = read(sql, number.saturating_sub(1), 2)?;
        let last = tiles.last().and_then(|tile| tile.leaves.last());
        let last = last.map_or(0, |leaf| leaf.event);
        let tile = tiles.into_iter().find(|tile| tile.number == number);
        let empty = Tile {
            number,
            ..Tile::default()
        };
        Ok(Self {
            full,
            tile: tile.unwrap_or(empty),
            last,
        })
    }

    /// Takes in an event; the tile that it filled, if it did.
    pub(super) fn push(&mut self, leaf: Leaf) -> Option<Tile> {
        self.last = leaf.event;
        self.tile.leaves.push(leaf);
        if !self.tile.is_full() {
            return None;
        }
        let root = self.tile.frontier().root();
        self.full.push_subtree(root, LEAVES);
        self.tile.root = Some(root);
        let next = Tile {
            number: self.tile.number.saturating_add(1),
            ..Tile::default()
        };
        Some(std::mem::replace(&mut self.tile, next))
    }

    /// The tile that is not full yet, if it has leaves.
    pub(super) fn begun(&self) -> Option<&Tile> {
        (!self.tile.leaves.is_empty()).then_some(&self.tile)
    }

    /// The whole tree.
    pub(super) fn tree(&self) -> Frontier {
        after(&self.full, &self.tile, self.tile.leaves.len())
    }
}

/// The tree of `full` and the first `count` leaves of the tile behind it.
pub(crate) fn after(full: &Frontier, tile: &Tile, count: usize) -> Frontier {
    let mut tree = full.clone();
    for leaf in tile.leaves.iter().take(count) {
        tree.push(leaf.hash);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_grows_as_the_tree_does() {
        let (mut state, mut tree) = (State::default(), Frontier::default());
        let mut tiles = 0;
        for event in 1..=600_i64 {
            let hash = trail::merkle::leaf_hash(&event.to_be_bytes());
            tree.push(hash);
            let salt = [0; 16];
            if let Some(tile) = state.push(Leaf { event, salt, hash }) {
                assert_eq!((tile.number, tile.leaves.len()), (tiles, 256));
                assert_eq!(tile.root, Some(tile.frontier().root()));
                tiles += 1;
            }
            assert_eq!(state.tree(), tree);
        }
        assert_eq!((state.last, tiles), (600, 2));
        assert_eq!(state.begun().map(|tile| tile.leaves.len()), Some(88));
    }
}
