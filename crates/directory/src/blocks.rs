//! Which connections are not taken: the blocked networks, in memory, as the store has them.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use parking_lot::RwLock;
use store::{Error, Recorded, Topic, Tx};
use tokio::sync::watch;
use trail::{Actor, By, Event, Kind};
use wire::ExplicitNetwork;

use crate::{Directory, restraint, tables::block};

/// The blocked networks of one process, each with its end.
#[derive(Default)]
pub(crate) struct Blocks {
    now: RwLock<Arc<Networks>>,
}

/// Each network with the end of its block, if it has one.
type Networks = Vec<(ExplicitNetwork, Option<Timestamp>)>;

impl Directory {
    /// Whether connections from `peer` are not to be taken. From memory: [`Directory::read_blocks`] brings it up to date.
    #[must_use]
    pub fn is_blocked(&self, peer: IpAddr) -> bool {
        let all = Arc::clone(&self.inner.blocks.now.read());
        if all.is_empty() {
            return false;
        }
        let now = self.inner.store.now();
        all.iter()
            .any(|(network, end)| network.contains(peer) && end.is_none_or(|end| end > now))
    }

    /// Tells of changes to the blocked networks and to what incidents restrain: then [`Directory::read_blocks`] is to be called.
    #[must_use]
    pub fn watch_blocks(&self) -> watch::Receiver<u64> {
        self.inner.store.watch(Topic::Blocks)
    }

    /// Reads the blocked networks anew, and what open incidents restrain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_blocks(&self) -> Result<(), Error> {
        let read = |snapshot: &mut store::Snapshot<'_>| -> Result<_, Error> {
            Ok((block::all(snapshot)?, restraint::in_force(snapshot)?))
        };
        let (all, restraints) = self.inner.store.read(read).await?;
        self.inner.restraints.put(restraints);
        let mut parsed = Vec::with_capacity(all.len());
        for entry in all {
            match entry.network.parse() {
                Ok(network) => parsed.push((network, entry.ends_at)),
                Err(error) => {
                    tracing::error!(network = entry.network, %error, "a block cannot be read; the others hold");
                }
            }
        }
        *self.inner.blocks.now.write() = Arc::new(parsed);
        Ok(())
    }

    /// Takes out the blocks whose time is over; returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expire_blocks(&self) -> Result<usize, Error> {
        let now = self.inner.store.now();
        let read = move |snapshot: &mut store::Snapshot<'_>| block::over(snapshot, now);
        let over = self.inner.store.read(read).await?;
        let mut ended = 0_usize;
        for entry in over {
            let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Error> {
                let still = block::of(tx, &entry.network)?;
                let still = still.filter(|still| still.ends_at == entry.ends_at);
                if still.is_none() {
                    // Ended or placed anew just before.
                    return Err(Error::NotFound(entry.network.clone()));
                }
                block::remove(tx, &entry.network)?;
                tx.record(
                    &unblocked(&Actor::System.into(), &entry, "its time is over"),
                    (),
                )
            };
            match self.inner.store.commit(Vec::new(), work).await {
                Ok(_) => ended = ended.saturating_add(1),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }
}

/// The event of a block's end.
pub(crate) fn unblocked(by: &By, entry: &block::Entry, reason: &str) -> Event {
    let mut event = by
        .event(Kind::AddressUnblocked)
        .subject(entry.network.as_str())
        .detail("reason", reason)
        .detail("blocked_for", entry.reason.as_str())
        .detail("blocked_at", entry.placed_at.to_string());
    if let Some(incident) = entry.incident {
        event = event.detail("incident", incident);
    }
    event
}
