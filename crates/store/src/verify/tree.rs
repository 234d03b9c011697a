//! The tree over the trail: every event is what was taken in, and every checkpoint is signed and tells of it.

use trail::{checkpoint::Checkpoint, entry, merkle::Frontier};

use crate::{
    Error, EventId, params,
    sql::Sql as _,
    tree::{self, LEAVES, Leaf, Signed, Tile},
};

use super::{Check, Finding, Look};

/// Tiles looked at in one view.
const TILES: i64 = 16;
/// Checkpoints looked at at once.
const CHECKPOINTS: i64 = 256;

/// Goes along the tree from its first leaf.
#[derive(Default)]
pub(super) struct Tree {
    /// The full tiles that were looked at.
    full: Frontier,
    /// The last event in them.
    last: i64,
}

impl Check for Tree {
    fn name(&self) -> &'static str {
        "tree over the trail"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let number = self.full.size() / LEAVES;
        let tiles = match tree::read_tiles(look.sql, number, TILES) {
            Ok(tiles) => tiles,
            Err(Error::Corrupt(why)) => {
                look.tell(Finding::Tree { why });
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let goes_on = i64::try_from(tiles.len()).is_ok_and(|count| count == TILES)
            && tiles.last().is_some_and(Tile::is_full);
        for tile in tiles {
            if tile.number != self.full.size() / LEAVES {
                let why = format!(
                    "the events from the {}th on are not in it",
                    self.full.size()
                );
                look.tell(Finding::Tree { why });
                return Ok(false);
            }
            self.tile(look, &tile)?;
        }
        Ok(goes_on)
    }
}

impl Tree {
    /// Looks at a tile, its events and the checkpoints whose last event is in it; behind the last tile, at all that are left.
    fn tile(&mut self, look: &mut Look<'_, '_>, tile: &Tile) -> Result<(), Error> {
        self.events(look, tile)?;
        let until = match tile.is_full() {
            true => tile.first() + LEAVES,
            false => u64::MAX,
        };
        let mut size = tile.first();
        loop {
            let next = tree::checkpoints(look.sql, (size, until), CHECKPOINTS)?;
            for signed in &next {
                size = signed.size;
                if let Some(why) = self.wrong_checkpoint(look, tile, signed) {
                    look.tell(Finding::CheckpointFalse {
                        size,
                        at: signed.at.as_microsecond(),
                        why,
                    });
                }
            }
            if next.is_empty() {
                break;
            }
        }
        if let Some(root) = tile.root {
            let own = tile.frontier().root();
            if root != own {
                let why = format!("the root of tile {} is not that of its leaves", tile.number);
                look.tell(Finding::Tree { why });
            }
            self.full.push_subtree(own, LEAVES);
        }
        Ok(())
    }

    /// Compares the events up to the tile's last with its leaves.
    fn events(&mut self, look: &mut Look<'_, '_>, tile: &Tile) -> Result<(), Error> {
        let Some(last) = tile.leaves.last().map(|leaf| leaf.event) else {
            return Ok(());
        };
        let list = format!(
            "SELECT {} FROM event WHERE id > ?1 AND id <= ?2 ORDER BY id",
            tree::COLUMNS
        );
        let mut leaves = (tile.first()..).zip(&tile.leaves).peekable();
        // Only what an officer decided to erase may be gone.
        let (erased, _) = tree::erased(look.sql, look.shared)?;
        let may_be_gone = |place: u64, leaf: &Leaf| {
            leaf.is_erased() && erased.iter().any(|places| places.contains(&place))
        };
        let mut found = Vec::new();
        let told = |leaf: &Leaf| EventId(leaf.event);
        look.sql
            .query(&list, params![self.last, last], &mut |row| {
                let entry = tree::entry(row)?;
                let event = EventId(entry.id);
                while let Some((place, gone)) = leaves.next_if(|(_, leaf)| leaf.event < entry.id) {
                    if !may_be_gone(place, gone) {
                        found.push(Finding::EventRemoved { event: told(gone) });
                    }
                }
                match leaves.next_if(|(_, leaf)| leaf.event == entry.id) {
                    Some((_, leaf)) if entry::leaf(&leaf.salt, &entry.line()) == leaf.hash => {}
                    Some(_) => found.push(Finding::EventAltered { event }),
                    None => found.push(Finding::EventInserted { event }),
                }
                Ok(())
            })?;
        let removed = leaves.filter(|(place, leaf)| !may_be_gone(*place, leaf));
        found.extend(removed.map(|(_, leaf)| Finding::EventRemoved { event: told(leaf) }));
        look.rows += tile.leaves.len() as u64;
        found.into_iter().for_each(|finding| look.tell(finding));
        self.last = last;
        Ok(())
    }

    /// Why a checkpoint is not believed.
    fn wrong_checkpoint(
        &self,
        look: &Look<'_, '_>,
        tile: &Tile,
        signed: &Signed,
    ) -> Option<String> {
        let checkpoint = match Checkpoint::open(&signed.note, &look.shared.tree.verifier()) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Some(error.to_string()),
        };
        let in_tile = signed.size.saturating_sub(tile.first());
        let count = usize::try_from(in_tile).unwrap_or(usize::MAX);
        if count > tile.leaves.len() {
            let there = tile.first() + tile.leaves.len() as u64;
            return Some(format!(
                "it tells of {} events, but the tree has {there}",
                signed.size
            ));
        }
        if checkpoint.size != signed.size {
            return Some(format!("it tells of {} events", checkpoint.size));
        }
        let root = tree::after(&self.full, tile, count).root();
        (checkpoint.root != root).then(|| "its root is not that of the tree".to_owned())
    }
}

/// The end of the trail: what was taken in once must still be there, and its volumes be what was sealed and decided.
#[derive(Default)]
pub(super) struct End;

impl Check for End {
    fn name(&self) -> &'static str {
        "end of the trail"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let (_, unsigned) = tree::erased(look.sql, look.shared)?;
        for number in unsigned {
            let why = format!("volume {number} is said to be erased, but nothing signed says so");
            look.tell(Finding::Tree { why });
        }
        for volume in tree::volumes(look.sql)? {
            look.rows += 1;
            if let Some(why) = tree::off_record(look.sql, look.shared, &volume)? {
                let why = format!(
                    "volume {} is not on record as it stands: {why}",
                    volume.number
                );
                look.tell(Finding::Tree { why });
            }
        }
        let Some(last) = tree::latest(look.sql)? else {
            return Ok(false);
        };
        let leaves = tree::count(look.sql)?;
        if leaves < last.size {
            look.tell(Finding::TrailCut {
                told: last.size,
                left: leaves,
            });
        }
        Ok(false)
    }
}
