//! The tree takes in what was committed.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use trail::{checkpoint::Checkpoint, entry};

use super::{
    COLUMNS, entry as read_entry,
    tile::{Leaf, State, Tile},
};
use crate::{Error, Tx, commit::Entrance, params, shared::Shared, sql};

/// Events taken in by one commit.
const BATCH: usize = 4096;
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Follows the commits until the store closes.
pub(crate) async fn run(
    shared: Arc<Shared>,
    entrance: Entrance,
    mut stopped: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = follow(&shared, &entrance) => {}
    }
}

async fn follow(shared: &Arc<Shared>, entrance: &Entrance) {
    loop {
        shared.tree.behind.notified().await;
        let wait = match grow(shared, entrance).await {
            Ok(()) => shared.options.checkpoint_every,
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the audit trail has no new checkpoint; it is tried again");
                shared.tree.behind.notify_one();
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Takes in all events that there are, and signs a checkpoint if there were any.
pub(super) async fn grow(shared: &Arc<Shared>, entrance: &Entrance) -> Result<(), Error> {
    let mut edge = shared.tree.edge.lock().await;
    loop {
        let (at, state) = (Arc::clone(shared), edge.take());
        let reading = move || at.readers.with(|sql| next(&at, sql, state));
        let growth = shared.world.blocking(reading).await;
        let Growth { state, tiles, note } = growth.unwrap_or_else(|panic| Err(panic.into()))?;
        let goes_on = note.is_none();
        if tiles.is_empty() {
            *edge = Some(state);
            return Ok(());
        }
        let kept = entrance.commit(Vec::new(), move |tx| keep(tx, &tiles, note));
        let kept: Result<_, Error> = kept.await;
        kept?;
        *edge = Some(state);
        if !goes_on {
            return Ok(());
        }
    }
}

/// What one commit adds to the tree.
struct Growth {
    state: State,
    tiles: Vec<Tile>,
    /// The checkpoint, when all events are in: its size and the signed note.
    note: Option<(u64, String)>,
}

/// The next events as leaves.
fn next(shared: &Shared, sql: &mut dyn sql::Sql, state: Option<State>) -> Result<Growth, Error> {
    let mut state = match state {
        Some(state) => state,
        None => State::load(sql)?,
    };
    let list = format!("SELECT {COLUMNS} FROM event WHERE id > ?1 ORDER BY id LIMIT ?2");
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let mut leaves = Vec::new();
    sql.query(&list, params![state.last, limit], &mut |row| {
        let entry = read_entry(row)?;
        let salt = shared.world.bytes();
        leaves.push(Leaf {
            event: entry.id,
            salt,
            hash: entry::leaf(&salt, &entry.line()),
        });
        Ok(())
    })?;
    let is_all = leaves.len() < BATCH;
    let came = !leaves.is_empty();
    let mut tiles: Vec<Tile> = leaves
        .into_iter()
        .filter_map(|leaf| state.push(leaf))
        .collect();
    if came {
        tiles.extend(state.begun().cloned());
    }
    let note = is_all.then(|| {
        let tree = state.tree();
        let checkpoint = Checkpoint {
            origin: shared.tree.key.verifier().name().to_owned(),
            size: tree.size(),
            root: tree.root(),
        };
        (checkpoint.size, checkpoint.signed(&shared.tree.key))
    });
    Ok(Growth { state, tiles, note })
}

fn keep(
    tx: &mut Tx<'_>,
    tiles: &[Tile],
    note: Option<(u64, String)>,
) -> Result<crate::Recorded<()>, Error> {
    for tile in tiles {
        let statement = "INSERT INTO tree_tile (tile, leaves, content) VALUES (?1, ?2, ?3)
                         ON CONFLICT (tile) DO UPDATE SET leaves = excluded.leaves, content = excluded.content";
        let [number, leaves] = [tile.number, tile.leaves.len() as u64]
            .map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        tx.execute(statement, params![number, leaves, &tile.content()])?;
        if let Some(root) = tile.root {
            let statement = "INSERT INTO tree_root (tile, root) VALUES (?1, ?2)";
            tx.execute(statement, params![number, root.as_slice()])?;
        }
    }
    if let Some((size, note)) = note {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let at = tx.now();
        let statement = "INSERT INTO checkpoint (size, at, note) VALUES (?1, ?2, ?3)";
        tx.execute(statement, params![size, at, &note])?;
    }
    Ok(tx.bookkeeping(()))
}
