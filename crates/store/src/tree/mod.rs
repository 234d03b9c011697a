//! The Merkle tree over the audit trail, and its signed checkpoints.
//!
//! The tree follows the events: at least once in [`Options::checkpoint_every`](crate::Options::checkpoint_every), what was
//! committed since is taken in, in order, and a checkpoint over all of it is signed, in one commit. No commit waits for that. From
//! then on no event can be changed, removed, put between others or moved without the checkpoint telling, and no checkpoint
//! be replaced without the key; one that was kept elsewhere tells of a trail that was written anew as a whole.
//!
//! `tile` has the rows, `bundle` proves many events at once, `grow` lets the tree grow, `key` keeps what signs.

mod bundle;
mod custody;
mod deed;
mod erase;
mod export;
mod grow;
mod key;
mod record;
mod retain;
mod room;
mod tile;
mod volume;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};
use trail::{
    checkpoint::Checkpoint,
    entry::Entry,
    merkle::{self, Hash},
    note::{NoteError, SigningKey, VerifierKey},
};

use crate::{
    Error, Store, params,
    sql::{self, Row, Sql},
};

pub(crate) use grow::run;
pub(crate) use key::{FILE, open as open_key};
pub(crate) use tile::{LEAVES, Leaf, Tile, after, count, read as read_tiles};

pub use bundle::{Proved, Prover, erased_volumes, last_of, signed_between, written_before};
pub use custody::{Custody, NewCustody, custody};
pub use deed::erased_early;
pub(crate) use deed::{erased, off_record};
pub use erase::{Decision, EraseError};
pub use export::Export;
pub use retain::{MOST_BETWEEN, is_due, note_retention};
pub use room::{Length, length};
pub use volume::{Seal, Volume, volumes};

use tile::State;

/// The format of the store that brought it.
pub(crate) const SINCE_FORMAT: i64 = 4;

/// The tree of an installation's trail.
pub(crate) struct Tree {
    key: SigningKey,
    /// Held by whoever lets it grow; what is known of its right edge.
    edge: Mutex<Option<State>>,
    /// Held while a volume is sealed.
    sealing: Mutex<()>,
    /// There are events that it has not reached.
    pub(crate) behind: Notify,
}

impl Tree {
    pub(crate) fn new(key: SigningKey) -> Self {
        let behind = Notify::new();
        // What an earlier run did not come to.
        behind.notify_one();
        Self {
            key,
            edge: Mutex::new(None),
            sealing: Mutex::new(()),
            behind,
        }
    }

    /// What verifies its checkpoints.
    pub(crate) fn verifier(&self) -> VerifierKey {
        self.key.verifier()
    }
}

/// A checkpoint that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// When.
    pub at: Timestamp,
    /// Number of events that it tells of.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// The proof that an event is in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The event's line.
    pub line: String,
    /// The salt of its commitment.
    pub salt: trail::entry::Salt,
    /// Its place among all events, from 0.
    pub index: u64,
    /// The hashes beside its way to the root.
    pub path: Vec<Hash>,
    /// The checkpoint whose root that is.
    pub checkpoint: Signed,
}

/// What a checkpoint that was kept elsewhere says of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The trail begins with what it told of.
    Agrees {
        /// So many events.
        size: u64,
    },
    /// The first so many events are not those that it told of: the trail was written anew, or an older one was brought back.
    Forked {
        /// So many events.
        size: u64,
    },
    /// It told of more events than there are.
    Cut {
        /// So many events.
        told: u64,
        /// So many are there.
        left: u64,
    },
}

impl Store {
    /// The key that verifies the trail's checkpoints: to be kept where those who verify do not depend on this machine.
    #[must_use]
    pub fn trail_key(&self) -> VerifierKey {
        self.inner.shared.tree.verifier()
    }

    /// Takes all events into the tree now and gives the checkpoint over them; `None` while there is no event.
    ///
    /// # Errors
    /// When the events cannot be read, or the disk is full or fails.
    pub async fn checkpoint(&self) -> Result<Option<Signed>, Error> {
        grow::grow(&self.inner.shared, &self.inner.entrance).await?;
        self.read(|snapshot| latest(snapshot)).await
    }

    /// Takes all events into the tree now and proves that the tree of its first `old` events is the beginning of it: the
    /// checkpoint over it, and the hashes of the proof (RFC 9162, section 2.1.4).
    ///
    /// # Errors
    /// [`Error::NotFound`] when there were never so many, or none; as [`Store::checkpoint`].
    pub async fn prove_growth(&self, old: u64) -> Result<(Signed, Vec<Hash>), Error> {
        grow::grow(&self.inner.shared, &self.inner.entrance).await?;
        self.read(move |snapshot| {
            let sql: &mut dyn Sql = snapshot;
            let checkpoint = latest(sql)?.filter(|last| 0 < old && old <= last.size);
            let missing = || Error::NotFound(format!("checkpoint over {old} events"));
            let checkpoint = checkpoint.ok_or_else(missing)?;
            let mut nodes = tile::Nodes::new(sql);
            let path =
                merkle::consistency(old, checkpoint.size, |level, at| nodes.root(level, at))?;
            Ok((checkpoint, path))
        })
        .await
    }

    /// Takes all events into the tree now and proves that one is in it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no event of that number; as [`Store::checkpoint`].
    pub async fn prove(&self, event: i64) -> Result<Proof, Error> {
        grow::grow(&self.inner.shared, &self.inner.entrance).await?;
        let proved = move |sql: &mut dyn Sql| prove(sql, event)?.ok_or_else(|| missing(event));
        self.read(move |snapshot| proved(snapshot)).await
    }
}

impl Store {
    /// Compares the trail with a checkpoint that was kept elsewhere.
    ///
    /// # Errors
    /// The first when the database fails; the second when the note is no checkpoint that this trail's key signed.
    pub async fn witness(&self, note: &str) -> Result<Result<Witness, NoteError>, Error> {
        let checkpoint = match Checkpoint::open(note, &self.trail_key()) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Ok(Err(error)),
        };
        self.read(move |snapshot| compare(snapshot, &checkpoint).map(Ok))
            .await
    }
}

fn compare(sql: &mut dyn Sql, checkpoint: &Checkpoint) -> Result<Witness, Error> {
    let left = count(sql)?;
    let size = checkpoint.size;
    if size > left {
        return Ok(Witness::Cut { told: size, left });
    }
    let mut nodes = tile::Nodes::new(sql);
    let root = match size {
        0 => merkle::Frontier::default().root(),
        _ => merkle::root(size, |level, index| nodes.root(level, index))?,
    };
    Ok(if root == checkpoint.root {
        Witness::Agrees { size }
    } else {
        Witness::Forked { size }
    })
}

fn missing(event: i64) -> Error {
    Error::NotFound(format!("event {event}"))
}

/// The last checkpoint, if there is one.
///
/// # Errors
/// When the database fails.
pub fn latest(sql: &mut dyn Sql) -> Result<Option<Signed>, Error> {
    let last = "SELECT size, at, note FROM checkpoint ORDER BY size DESC LIMIT 1";
    sql::first(sql, last, &[], signed)
}

/// Checkpoints that tell of more than `after` events and of at most `upto`, ascending, at most `limit`.
///
/// # Errors
/// When the database fails.
pub(crate) fn checkpoints(
    sql: &mut dyn Sql,
    (after, upto): (u64, u64),
    limit: i64,
) -> Result<Vec<Signed>, Error> {
    let [after, upto] = [after, upto].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let list = "SELECT size, at, note FROM checkpoint WHERE size > ?1 AND size <= ?2 ORDER BY size LIMIT ?3";
    sql::rows(sql, list, params![after, upto, limit], signed)
}

fn signed(row: &dyn Row) -> Result<Signed, Error> {
    Ok(Signed {
        size: row.count(0)?,
        at: row.time(1)?,
        note: row.text(2)?,
    })
}

/// The columns of an event, in the order of [`entry`].
pub(crate) use crate::event::COLUMNS;

/// An event as its row is, whatever that is.
pub(crate) fn entry(row: &dyn Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.int(0)?,
        at: row.int(1)?,
        version: row.int(2)?,
        kind: row.text(3)?,
        actor: row.text(4)?,
        outcome: row.text(5)?,
        address: row.maybe_text(6)?,
        subject: row.text(7)?,
        order: row.maybe_int(8)?,
        detail: row.text(9)?,
    })
}

fn prove(sql: &mut dyn Sql, event: i64) -> Result<Option<Proof>, Error> {
    let find = format!("SELECT {COLUMNS} FROM event WHERE id = ?1");
    let Some(found) = sql::first(sql, &find, params![event], entry)? else {
        return Ok(None);
    };
    let (Some(checkpoint), Some(tile)) = (latest(sql)?, tile::with(sql, event)?) else {
        return Ok(None);
    };
    let Some((place, leaf)) = tile.find(event) else {
        return Ok(None);
    };
    let index = tile.first().saturating_add(place);
    let mut nodes = tile::Nodes::new(sql);
    let path = merkle::inclusion(index, checkpoint.size, |level, at| nodes.root(level, at))?;
    Ok(Some(Proof {
        line: found.line(),
        salt: leaf.salt,
        index,
        path,
        checkpoint,
    }))
}
